"""Downloads from a local server that breaks off, fails and lies: no half data set is taken for a whole one."""

import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import types
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import pytest
from conftest import REPOSITORY, draw_picture

from colorizer import datasets, download
from colorizer.cache import DataError
from colorizer.download import Archive, DownloadError, fetch, unpack


class Handler(BaseHTTPRequestHandler):
    """Serves `server.body`; the first entries of `server.plan` say what goes wrong with the first requests."""

    def do_GET(self):
        server, body = self.server, self.server.body
        way = server.plan.pop(0) if server.plan else "well"
        asked = self.headers["Range"]
        server.ranges.append(asked)
        if isinstance(way, int):
            self.send_error(way)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and way != "no range" else 0
        if start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if asked and way != "no range" else 200)
        if asked and way != "no range":
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        rest = body[start:]
        self.wfile.write(bytes(len(rest)) if way == "wrong" else rest[: len(rest) // 2] if way in HALF else rest)
        if way == "hang":
            self.wfile.flush()
            server.stopped.wait(20)

    def log_message(self, *args):
        pass


HALF = ("cut", "hang", "no range, cut")


@pytest.fixture
def server(monkeypatch):
    """A web server on this machine with a file of 300,000 random bytes."""
    monkeypatch.setattr(download, "_BACKOFF", 0)
    monkeypatch.setenv("no_proxy", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.body, server.plan, server.ranges, server.stopped = os.urandom(300_000), [], [], threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}/file.zip"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.stopped.set()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """An empty cache, and no data named by the environment."""
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COLORIZER_DATA", raising=False)
    return tmp_path / "cache"


def md5(body):
    return hashlib.md5(body).hexdigest()


def get(server, path):
    return fetch(server.url, path, len(server.body), md5(server.body))


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("plan", "ranges"),
    [
        ([], [None]),
        (["cut"], [None, "bytes=150000-"]),
        (["cut", "cut", "cut"], [None, "bytes=150000-", "bytes=225000-", "bytes=262500-"]),
        ([500, 503, "cut", 500], [None, None, None, "bytes=150000-", "bytes=150000-"]),
        (["cut", "no range"], [None, "bytes=150000-"]),
    ],
)
def test_what_breaks_is_resumed(server, tmp_path, plan, ranges):
    server.plan = plan
    path = get(server, tmp_path / "down" / "file.zip")
    assert path.read_bytes() == server.body
    assert server.ranges == ranges
    assert files_in(tmp_path / "down") == ["file.zip"]
    assert get(server, path) == path and len(server.ranges) == len(ranges)


def test_more_interruptions_than_attempts_are_fine_while_bytes_arrive(server, tmp_path):
    server.plan = ["cut"] * 12
    assert get(server, tmp_path / "file.zip").read_bytes() == server.body


def test_giving_up_keeps_the_part_and_says_how_to_go_on(server, tmp_path):
    server.plan = ["cut"] + [500] * 5
    with pytest.raises(DownloadError) as caught:
        get(server, tmp_path / "file.zip")
    for said in (
        server.url,
        "HTTP 500",
        "150,000 of 300,000 bytes",
        "goes on from there",
        md5(server.body),
        "--data-dir",
    ):
        assert said in str(caught.value)
    assert files_in(tmp_path) == ["file.zip.part"]
    assert get(server, tmp_path / "file.zip").read_bytes() == server.body
    assert server.ranges[-1] == "bytes=150000-"


def test_a_server_without_ranges_that_always_breaks_off_is_given_up(server, tmp_path):
    server.plan = ["no range, cut"] * 50
    with pytest.raises(DownloadError, match="5 attempts in a row"):
        get(server, tmp_path / "file.zip")


def test_no_server_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_BACKOFF", 0)
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DownloadError, match=r"could not be downloaded.*refused"):
        fetch("http://127.0.0.1:9/file.zip", tmp_path / "file.zip", 10, md5(b""))


def test_not_found_is_not_tried_again(server, tmp_path):
    server.plan = [404] * 3
    with pytest.raises(DownloadError, match=r"HTTP 404.*By hand"):
        get(server, tmp_path / "file.zip")
    assert len(server.ranges) == 1


@pytest.mark.parametrize("kind", ["wrong", "longer", "shorter"])
def test_wrong_bytes_are_deleted(server, tmp_path, kind):
    right = server.body
    server.plan = ["wrong"] * 9 if kind == "wrong" else []
    server.body = right + b"more" if kind == "longer" else right[:-4] if kind == "shorter" else right
    with pytest.raises(DownloadError, match=r"Received: .*--data-dir"):
        fetch(server.url, tmp_path / "file.zip", len(right), md5(right))
    assert not (tmp_path / "file.zip").exists()
    server.body, server.plan = right, []
    assert get(server, tmp_path / "file.zip").read_bytes() == right


def test_a_wrong_part_from_before_is_found_out(server, tmp_path):
    (tmp_path / "file.zip.part").write_bytes(bytes(1000))
    with pytest.raises(DownloadError, match=f"MD5 {md5(server.body)}. Received: 300,000 bytes, MD5 "):
        get(server, tmp_path / "file.zip")
    assert files_in(tmp_path) == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_process_is_gone_on_with(server, tmp_path):
    server.plan = ["hang"]
    call = f"from colorizer.download import *; fetch({server.url!r}, Path({str(tmp_path / 'file.zip')!r}), 300000, '')"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen([sys.executable, "-c", call], stderr=subprocess.DEVNULL, env=environment)
    part = tmp_path / "file.zip.part"
    for _ in range(500):
        if part.exists() and part.stat().st_size:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert files_in(tmp_path) == ["file.zip.part"] and 0 < part.stat().st_size <= 150_000
    assert get(server, tmp_path / "file.zip").read_bytes() == server.body
    assert server.ranges[1] is not None


def test_disk_space_is_looked_at_first(server, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 1000))
    with pytest.raises(DataError, match=r"needs 0\.00 GB of disk.*Received: 0\.00 GB free.*Make room"):
        get(server, tmp_path / "file.zip")
    assert server.ranges == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_said(server, tmp_path):
    (tmp_path / "file.zip.part").symlink_to("/dev/full")
    with pytest.raises(DataError, match=r"disk is full at .*file\.zip\.part"):
        get(server, tmp_path / "file.zip")


def zipped(pictures, extra=()):
    """A zip as the COCO site makes them: a folder of pictures; `extra` is (name, bytes)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for index in range(pictures):
            archive.writestr(f"val2017/{index:012}.jpg", cv2.imencode(".jpg", draw_picture(index))[1].tobytes())
        for name, content in extra:
            archive.writestr(name, content)
    return buffer.getvalue()


def test_unpack_takes_pictures_only_and_none_outside_the_folder(tmp_path):
    extra = [
        ("val2017/notes.txt", b"x"),
        ("__MACOSX/val2017/._1.jpg", b"x"),
        ("../../out.png", b"x"),
        ("/abs.png", b"x"),
    ]
    (tmp_path / "a.zip").write_bytes(zipped(3, [*extra, ("..\\back.png", b"x")]))
    folder = unpack(tmp_path / "a.zip", tmp_path / "inner" / "deep" / "set", 6)
    assert files_in(folder) == [*(f"{i:012}.jpg" for i in range(3)), "abs.png", "back.png", "out.png"]
    assert not list(tmp_path.glob("*.png")) and not list((tmp_path / "inner").glob("*.png"))


def test_unpack_checks_the_number_of_pictures(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped(3))
    with pytest.raises(DownloadError, match=r"should hold 4 pictures\. Received: 3"):
        unpack(tmp_path / "a.zip", tmp_path / "set", 4)
    assert not (tmp_path / "set").exists()


def test_a_damaged_zip_leaves_nothing(tmp_path):
    whole = bytearray(zipped(3))
    for name, body in (("cut", whole[: len(whole) // 2]), ("flipped", whole.replace(whole[2000:2010], bytes(10), 1))):
        (tmp_path / f"{name}.zip").write_bytes(body)
        with pytest.raises(DownloadError, match="no whole zip file"):
            unpack(tmp_path / f"{name}.zip", tmp_path / name, 3)
        assert not (tmp_path / name).exists()


def test_an_interrupted_unpack_leaves_no_data_set(tmp_path, monkeypatch):
    (tmp_path / "a.zip").write_bytes(zipped(5))
    copy, calls = shutil.copyfileobj, []

    def breaking(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        copy(*args)

    monkeypatch.setattr(shutil, "copyfileobj", breaking)
    with pytest.raises(KeyboardInterrupt):
        unpack(tmp_path / "a.zip", tmp_path / "set", 5)
    assert not (tmp_path / "set").exists()
    (tmp_path / ".set.unfinished").mkdir()
    (tmp_path / ".set.unfinished" / "left_by_a_kill.jpg").write_bytes(b"x")
    assert len(files_in(unpack(tmp_path / "a.zip", tmp_path / "set", 5))) == 5


@pytest.fixture
def small_coco(server, monkeypatch):
    """COCO's site, with six pictures."""
    server.body = zipped(6)
    archive = Archive(server.url, len(server.body), md5(server.body), 6)
    monkeypatch.setattr(download, "COCO", {"coco": archive, "coco_train": archive})
    return server


@pytest.mark.parametrize("name", ["coco", "coco_train"])
def test_coco_arrives_whole_through_a_bad_line(small_coco, own_cache, name):
    small_coco.plan = [500, "cut", "cut"]
    dataset = datasets.find(name)
    assert dataset.root == own_cache / "data" / name
    assert [len(part) for part in (dataset.train, dataset.val, dataset.test)] == [4, 1, 1]
    assert [n for n in files_in(own_cache / "data") if not n.startswith(".")] == [name]
    requests = len(small_coco.ranges)
    assert datasets.find(name) == dataset and len(small_coco.ranges) == requests


@pytest.mark.parametrize("plan", [["wrong"], [500] * 5, ["cut", 500, 500, 500, 500, 500]])
def test_a_failed_coco_is_never_found(small_coco, own_cache, plan):
    small_coco.plan = plan
    with pytest.raises(DownloadError):
        datasets.find("coco")
    assert not (own_cache / "data" / "coco").exists()
    assert len(datasets.pictures(datasets.find("coco").root)) == 6


def test_coco_says_the_disk_it_needs(small_coco, caplog):
    caplog.set_level("INFO", "colorizer")
    download.coco("coco_train")
    assert "the data set coco_train (6 pictures) needs" in caplog.text.partition("\n")[0]


def test_the_real_archives():
    sizes = {name: (archive.size, archive.pictures) for name, archive in download.COCO.items()}
    assert sizes == {"coco": (815_585_330, 5_000), "coco_train": (19_336_861_798, 118_287)}


def kaggle(monkeypatch, source):
    """Installs a kagglehub whose download is `source`, a folder or an exception."""

    def dataset_download(name):
        assert name == download.KAGGLE_PAINTINGS
        if isinstance(source, Exception):
            raise source
        return str(source)

    monkeypatch.setitem(sys.modules, "kagglehub", types.SimpleNamespace(dataset_download=dataset_download))


def test_paintings_are_the_painting_folders_without_repeats(tmp_path, own_cache, monkeypatch):
    def put(place, index):
        path = tmp_path / "kaggle" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), draw_picture(index))

    for place, index in [("a/training_set/painting/1.png", 1), ("a/training_set/painting/2.png", 2)]:
        put(place, index)
        put(place.replace("a/", "b/", 1), index)
    put("a/validation_set/Paintings/1.png", 3)
    put("a/training_set/sculpture/4.png", 4)
    kaggle(monkeypatch, tmp_path / "kaggle")
    dataset = datasets.find("paintings")
    assert dataset.root == own_cache / "data" / "paintings"
    names = files_in(dataset.root)
    assert len(names) == 3 and names[-1] == "2.png" and names[0].startswith("1")
    kaggle(monkeypatch, RuntimeError("asked again"))
    assert datasets.find("paintings") == dataset


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (RuntimeError("no network"), "could not download .*no network.*--data-dir"),
        ("empty", "Received: none.*--data-dir"),
    ],
)
def test_paintings_that_do_not_come_leave_no_data_set(tmp_path, own_cache, monkeypatch, source, message):
    kaggle(monkeypatch, tmp_path / source if source == "empty" else source)
    with pytest.raises(DownloadError, match=message):
        datasets.find("paintings")
    assert not (own_cache / "data" / "paintings").exists()


def test_paintings_without_kagglehub(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DownloadError, match=r"pip install colorizer\[kaggle\].*--data-dir"):
        datasets.find("paintings")
