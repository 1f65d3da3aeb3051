"""Whole data sets from archives and from Kaggle: they arrive complete or not at all."""

import io
import shutil
import sys
import types
import zipfile

import cv2
import pytest
from badserver import files_in, md5
from conftest import draw_picture

from colorizer.data import cache, datasets, download
from colorizer.data.download import Archive, unpack
from colorizer.errors import DownloadError

pytestmark = pytest.mark.usefixtures("own_cache")


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
        with pytest.raises(DownloadError, match="not a complete zip file"):
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


def test_coco_says_the_disk_it_needs(small_coco, caplog, monkeypatch):
    monkeypatch.setattr(cache, "WORTH_SAYING", 0)  # of the small archive too
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
    with pytest.raises(DownloadError, match=r"pip install kagglehub.*--data-dir"):
        datasets.find("paintings")
