"""The page's temporary folder: locked while the page runs, swept while it runs, removed afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

MEGABYTE, GIGABYTE = 10**6, 10**9  # of files, for the page and the server
PREFIX = "colorizer-page-"  # of the folder's name
STARTING = 5  # seconds: a younger folder may belong to a page that has not locked it yet


def used_bytes(folder: Path) -> int:
    """The bytes of all files below a folder."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except OSError:  # removed meanwhile
                continue
    return total


def sweep(folder: Path, keep: Path, seconds: float) -> int:
    """Removes old files; Gradio alone would keep every upload until it ends.

    Args:
        folder: the page's own.
        keep: a folder in it that stays.
        seconds: younger files stay.

    Returns:
        How many files were removed. Empty folders go as well.
    """
    removed, now = 0, time.time()
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
        if path == keep or keep in path.parents:
            continue
        try:
            if now - path.lstat().st_mtime < seconds:
                continue
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()
                removed += 1
        except OSError:  # not empty, or gone meanwhile
            continue
    return removed


def use(folder: Path) -> None:
    """Sends the temporary files of this process into a folder. Call it before Gradio is imported.

    Gradio reads the variables then: uploads go into this folder, and nothing is reported to anybody.
    """
    os.environ |= {"GRADIO_TEMP_DIR": str(folder), "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    tempfile.tempdir = str(folder)


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A temporary folder for this process, removed when the block ends. Those of killed pages are removed first."""
    remove_stale_folders()
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        handle = _locked(folder)
        try:
            yield folder
        finally:
            if handle is not None:
                os.close(handle)


def remove_stale_folders() -> int:
    """Removes folders that killed pages left in the temporary folder, with users' photographs; returns how many."""
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if folder.is_symlink() or not folder.is_dir() or not _is_mine(folder):
            continue
        if time.time() - folder.stat().st_mtime < STARTING:
            continue
        handle = _locked(folder)
        if handle is None:  # in use, or on a system without locks
            continue
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)
        removed += 1
    return removed


def _is_mine(folder: Path) -> bool:
    """Whether a folder belongs to this user."""
    try:
        return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
    except OSError:
        return False


def _locked(folder: Path) -> int | None:
    """A lock on a folder, as a file descriptor to close; None where another process has it. A kill ends it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
