"""The page's temporary folder: swept while the page runs, and after pages that were killed."""

import os
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from conftest import REPOSITORY

from colorizer.app import storage


def test_sweeping_removes_what_is_old_and_keeps_the_examples(tmp_path):
    old = time.time() - 100
    for name in ("examples/a.png", "hash/upload.jpg", "result/a.jpg", "fresh/b.jpg"):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_bytes(b"x")
    for path in [*tmp_path.glob("*/*"), *tmp_path.iterdir()]:
        if "fresh" not in str(path):
            os.utime(path, (old, old))
    assert storage.sweep(tmp_path, tmp_path / "examples", 50) == 2
    storage.sweep(tmp_path, tmp_path / "examples", -1e3)  # a folder's own age counts from its last file's going
    assert [p.name for p in tmp_path.iterdir()] == ["examples"]


def test_used_bytes_are_those_of_all_files(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").write_bytes(bytes(7))
    (tmp_path / "d").write_bytes(bytes(5))
    assert storage.used_bytes(tmp_path) == 12 and storage.used_bytes(tmp_path / "absent") == 0


HOLDS = """
import sys, time
from colorizer.app import storage
with storage.private_folder() as folder:
    (folder / "photo.jpg").write_bytes(b"somebody's")
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no locks on folders")
def test_what_a_killed_page_left_is_removed_and_a_running_one_is_left_alone(tmp_path, monkeypatch):
    words = {"cwd": REPOSITORY, "stdout": subprocess.PIPE, "text": True, "env": os.environ | {"TMPDIR": str(tmp_path)}}
    pages = [subprocess.Popen([sys.executable, "-c", HOLDS], **words) for _ in range(2)]
    try:
        killed, running = (storage.Path(page.stdout.readline().strip()) for page in pages)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        monkeypatch.setattr(storage, "STARTING", 0)
        (tmp_path / "colorizer-page-file").write_text("no folder")
        (tmp_path / "colorizer-page-link").symlink_to(running)
        assert storage.remove_stale_folders() == 0
        pages[0].send_signal(signal.SIGKILL)
        pages[0].wait(60)
        assert killed.is_dir() and storage.remove_stale_folders() == 1
        assert not killed.exists() and (running / "photo.jpg").is_file()
        with storage.private_folder() as folder:
            assert folder.parent == tmp_path.resolve() and folder.stat().st_mode & 0o077 == 0
        assert not folder.exists()
    finally:
        for page in pages:
            page.kill()
            page.communicate()
