"""What the web page does with files, without the page and without Gradio."""

import os
import time
import zipfile

import numpy as np
import pytest
from conftest import draw_picture
from PIL import Image
from test_colorize import run  # noqa: F401  (a fixture: a run's folder with one colour everywhere)

from colorizer import photos
from colorizer.app import service
from colorizer.errors import WorkError


@pytest.fixture(scope="module")
def networks(run):  # noqa: F811
    return service.load_networks([run], "none")


@pytest.fixture
def bench(networks, tmp_path):
    folder = tmp_path / "page"
    folder.mkdir()
    return service.Workbench(networks, folder, max_pixels=100_000)


@pytest.fixture
def upload(tmp_path):
    """Makes uploaded files: name -> path."""

    def make(name, size=(120, 80)):
        path = tmp_path / f"upload-{len(list(tmp_path.iterdir()))}" / name
        path.parent.mkdir()
        if name.startswith("text"):
            path.write_text("this is text")
        else:
            Image.fromarray(draw_picture(1, size[1], size[0])).save(path)
        return path

    return make


def label_of(bench):
    return next(iter(bench.networks))


def test_one_photo_gives_previews_and_a_copy_at_full_size(bench, upload):
    source = upload("old photo.png", (300, 200))
    result = bench.colorize([source], label_of(bench), 1.0)
    assert label_of(bench) == "One colour, learnt, trained on trivial-test"
    assert result.download.name == "old photo-colour.png" and result.report == "1 of 1 colorized"
    coloured = photos.read(result.download).rgb
    assert coloured.shape == (200, 300, 3)
    before, after = photos.read(result.before).rgb, photos.read(result.after).rgb
    assert np.ptp(before, axis=2).max() <= 3 < np.ptp(after, axis=2).max()  # JPEG leaves grey grey, but for rounding


def test_the_copy_keeps_what_the_file_says(bench, tmp_path):
    exif = Image.Exif()
    exif[306], exif[315] = "1899:07:01 12:00:00", "A. Photographer"
    Image.fromarray(draw_picture(1)).save(tmp_path / "old.jpg", exif=exif)
    with Image.open(bench.colorize([tmp_path / "old.jpg"], label_of(bench), 1).download) as copy:
        assert copy.getexif()[306] == exif[306] and copy.getexif()[315] == exif[315]


def test_no_strength_leaves_it_grey(bench, upload):
    coloured = photos.read(bench.colorize([upload("a.png")], label_of(bench), 0).download).rgb
    assert np.ptp(coloured.astype(int), axis=2).max() <= 1


def test_previews_are_small_and_the_copy_is_not(networks, tmp_path, upload):
    bench = service.Workbench(networks, tmp_path, 10**7)
    result = bench.colorize([upload("wide.jpg", (2400, 300))], label_of(bench), 1)
    assert photos.read(result.after).rgb.shape == photos.read(result.before).rgb.shape == (150, 1200, 3)
    assert photos.read(result.download).rgb.shape == (300, 2400, 3)


def test_several_files_become_a_zip_and_a_bad_one_a_line(bench, upload):
    sources = [upload("text.jpg"), upload("a.png"), upload("a.png"), upload("b.tif")]
    result = bench.colorize(sources, label_of(bench), 1)
    with zipfile.ZipFile(result.download) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a-colour.png", "a-colour-2.png", "b-colour.tif"]
    assert result.report.splitlines()[0] == "3 of 4 colorized"
    assert result.report.splitlines()[1].startswith("text.jpg: not a JPEG, PNG")


@pytest.mark.parametrize(
    ("names", "label", "strength", "said"),
    [
        (["text.jpg"], None, 1, "^text.jpg: not a JPEG, PNG"),
        (["large.png"], None, 1, "^large.png: too large.*0.2 megapixels; the limit is 0.1"),
        ([], None, 1, "Between 1 and 50 photographs at once. Received: 0"),
        (["a.png"] * 51, None, 1, "Received: 51"),
        (["a.png"], "nobody's", 1, "A method is one of One colour.*Received: nobody's"),
        (["a.png"], None, 2, "between 0 and 1. Received: 2"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing(bench, upload, names, label, strength, said):
    sources = [upload(name, (500, 400) if name == "large.png" else (80, 60)) for name in names]
    with pytest.raises(WorkError, match=said):
        bench.colorize(sources, label or label_of(bench), strength)
    assert not list(bench.folder.iterdir())


def test_networks_that_cannot_be_had_are_left_out_and_none_is_an_error(run, tmp_path, caplog):  # noqa: F811
    assert len(service.load_networks([tmp_path, run])) == 1
    assert "not offered" in caplog.text
    with pytest.raises(WorkError, match="best.weights.h5"):
        service.load_networks([tmp_path])


def test_the_shipped_weights_come_first_in_both_looks(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # no runs here
    monkeypatch.delenv("COLORIZER_WEIGHTS", raising=False)
    networks = service.load_networks()
    assert [network.look for network in networks.values()] == ["vivid", "accurate"]
    assert next(iter(networks)) == "Transfer U-Net (ours), vivid, trained on coco+paintings"


def test_sweeping_removes_what_is_old_and_keeps_the_examples(tmp_path):
    old = time.time() - 100
    for name in ("examples/a.png", "hash/upload.jpg", "result/a.jpg", "fresh/b.jpg"):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_bytes(b"x")
    for path in [*tmp_path.glob("*/*"), *tmp_path.iterdir()]:
        if "fresh" not in str(path):
            os.utime(path, (old, old))
    assert service.sweep(tmp_path, tmp_path / "examples", 50) == 2
    service.sweep(tmp_path, tmp_path / "examples", -1e3)  # a folder's own age counts from its last file's going
    assert [p.name for p in tmp_path.iterdir()] == ["examples"]


def test_examples_are_grey_photographs(tmp_path):
    made = service.examples(tmp_path / "examples")
    assert len(made) >= 2
    assert all(np.ptp(photos.read(path).rgb, axis=2).max() == 0 for path in made)
