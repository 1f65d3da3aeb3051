"""What the web page does with files, without the page and without Gradio."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import draw_picture
from PIL import Image
from test_colorize import run  # noqa: F401  (a fixture: a run's folder with one color everywhere)

from colorizer import photos
from colorizer.app import service
from colorizer.errors import EngineError, WeightsError, WorkError


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
    assert label_of(bench) == "Colors"
    assert result.download.name == "old photo-color.png" and result.report == "1 of 1 colorized"
    colored = photos.read(result.download).rgb
    assert colored.shape == (200, 300, 3)
    (preview,) = result.previews
    before, after = photos.read(preview.before).rgb, photos.read(preview.after).rgb
    assert np.ptp(before, axis=2).max() <= 3 < np.ptp(after, axis=2).max()  # JPEG leaves gray gray, but for rounding


def test_the_copy_keeps_what_the_file_says(bench, tmp_path):
    exif = Image.Exif()
    exif[306], exif[315] = "1899:07:01 12:00:00", "A. Photographer"
    Image.fromarray(draw_picture(1)).save(tmp_path / "old.jpg", exif=exif)
    with Image.open(bench.colorize([tmp_path / "old.jpg"], label_of(bench), 1).download) as copy:
        assert copy.getexif()[306] == exif[306] and copy.getexif()[315] == exif[315]


def test_no_strength_leaves_it_gray(bench, upload):
    colored = photos.read(bench.colorize([upload("a.png")], label_of(bench), 0).download).rgb
    assert np.ptp(colored.astype(int), axis=2).max() <= 1


def test_previews_are_small_and_the_copy_is_not(networks, tmp_path, upload):
    bench = service.Workbench(networks, tmp_path, 10**7)
    result = bench.colorize([upload("wide.jpg", (2400, 300))], label_of(bench), 1)
    (preview,) = result.previews
    assert photos.read(preview.after).rgb.shape == photos.read(preview.before).rgb.shape == (150, 1200, 3)
    assert photos.read(result.download).rgb.shape == (300, 2400, 3)


def test_several_files_become_a_zip_and_a_bad_one_a_line(bench, upload):
    sources = [upload("text.jpg"), upload("a.png"), upload("a.png"), upload("b.tif")]
    result = bench.colorize(sources, label_of(bench), 1)
    with zipfile.ZipFile(result.download) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a-color.png", "a-color-2.png", "b-color.tif"]
    assert [preview.name for preview in result.previews] == ["a.png", "a.png", "b.tif"]
    assert len({path for preview in result.previews for path in (preview.before, preview.after)}) == 6
    assert all(path.is_file() for preview in result.previews for path in (preview.before, preview.after))
    assert result.report.splitlines()[0] == "3 of 4 colorized"
    assert result.report.splitlines()[1].startswith("text.jpg: not a JPEG, PNG")


@pytest.mark.parametrize(
    ("names", "label", "strength", "said"),
    [
        (["text.jpg"], None, 1, "^text.jpg: not a JPEG, PNG"),
        (["large.png"], None, 1, "^large.png: too large.*0.2 megapixels; the limit is 0.1"),
        ([], None, 1, "Between 1 and 50 photographs at once. Received: 0"),
        (["a.png"] * 51, None, 1, "Received: 51"),
        (["a.png"], "nobody's", 1, "A method is one of Colors. Received: nobody's"),
        (["a.png"], None, 2, "between 0 and 1. Received: 2"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing(bench, upload, names, label, strength, said):
    sources = [upload(name, (500, 400) if name == "large.png" else (80, 60)) for name in names]
    with pytest.raises(WorkError, match=said):
        bench.colorize(sources, label or label_of(bench), strength)
    assert not list(bench.folder.iterdir())


def test_without_room_on_the_disk_nothing_is_begun(bench, upload):
    bench.max_bytes = 10
    (bench.folder / "uploads").write_bytes(bytes(11))
    with pytest.raises(WorkError, match="no room for results now: try again later"):
        bench.colorize([upload("a.png")], label_of(bench), 1)
    assert [path.name for path in bench.folder.iterdir()] == ["uploads"]


def test_a_full_disk_is_one_users_message(bench, upload, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(service, "_zipped", full)
    with pytest.raises(WorkError, match="The results cannot be written: No space left on device"):
        bench.colorize([upload("a.png"), upload("b.png")], label_of(bench), 1)
    assert not list(bench.folder.iterdir())


def test_weights_that_cannot_be_had_are_an_error(run, tmp_path):  # noqa: F811
    with pytest.raises(WeightsError, match=r"best\.weights\.h5"):
        service.load_networks([run, tmp_path])


def test_the_shipped_weights_have_both_looks_in_words_for_people(monkeypatch, tmp_path, run):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLORIZER_WEIGHTS", raising=False)
    networks = service.load_networks()
    assert [network.look for network in networks.values()] == ["vivid", "accurate"]
    assert list(networks) == ["Vivid colors", "Cautious colors"]
    assert len({id(network.network) for network in networks.values()}) == 1
    copy = tmp_path / "mine"
    shutil.copytree(run, copy)
    assert list(service.load_networks([run, copy, f"{run}/../{Path(run).name}"])) == [
        "Colors",
        "Colors (mine)",
        f"Colors ({Path(run).name})",
    ]


def test_examples_are_gray_photographs(tmp_path):
    made = service.examples(tmp_path / "examples")
    assert len(made) >= 2
    assert all(np.ptp(photos.read(path).rgb, axis=2).max() == 0 for path in made)


def test_the_engine_reaches_the_networks(run):  # noqa: F811
    assert [one.engine for one in service.load_networks([run]).values()] == ["keras"]
    with pytest.raises(EngineError, match="no network.onnx"):
        service.load_networks([run], engine="onnx")
