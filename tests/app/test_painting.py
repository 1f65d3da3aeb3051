"""Colors by clicks without the page: previews, likely colors, files of hints, and the full size."""

import numpy as np
import pytest
from conftest import draw_picture
from PIL import Image
from test_colorize import run  # noqa: F401  (a fixture: a run's folder with one color everywhere)

from colorizer import Hint, color, photos
from colorizer.app import service
from colorizer.app.painting import MOST_OPEN, MOST_STEPS, Painting, Steps
from colorizer.errors import WorkError
from colorizer.steering import sidecar

LABEL, BLUE = "Colors", "#3050a0"


@pytest.fixture
def painting(run, tmp_path):  # noqa: F811
    folder = tmp_path / "page"
    folder.mkdir()
    return Painting(service.Workbench(service.load_networks([run], "none"), folder, max_pixels=6_000_000))


@pytest.fixture
def upload(tmp_path):
    Image.fromarray(draw_picture(3, 1200, 2400)).save(tmp_path / "old.png")
    return str(tmp_path / "old.png")


def is_blue(path, x, y):
    return np.linalg.norm(color.rgb_to_lab(photos.read(path).rgb)[y, x, 1:] - Hint(0, 0, BLUE).ab) < 6


def test_a_hint_on_the_preview_is_one_at_full_size(painting, upload):
    hints = [Hint(300, 200, BLUE)]
    preview = painting.picture(upload, LABEL, hints, 1.0)
    assert photos.read(preview).rgb.shape == (600, 1200, 3) and is_blue(preview, 300, 200)
    saved = sidecar.read(painting.sidecar(upload, LABEL, hints))
    assert saved == sidecar.Sidecar((Hint(600, 400, BLUE),), 2400, 1200)
    whole = painting.full_size(upload, LABEL, hints, 1.0)
    assert whole.name == "old-color.png" and photos.read(whole).rgb.shape == (1200, 2400, 3)
    assert is_blue(whole, 600, 400)


def test_the_network_sees_a_photograph_once(painting, upload, tmp_path, monkeypatch):
    network = painting.bench.networks[LABEL]
    steer, calls = network.steer, []
    monkeypatch.setattr(network, "steer", lambda rgb: calls.append(1) or steer(rgb))
    for hints in ([], [Hint(300, 200, BLUE)], [Hint(300, 200, BLUE), Hint(10, 10, "#ff0000")]):
        painting.picture(upload, LABEL, hints, 1.0)
        assert painting.likely_colors(upload, LABEL, 20, 20)
    assert len(calls) == 1
    for number in range(MOST_OPEN):
        Image.fromarray(draw_picture(number)).save(tmp_path / f"{number}.png")
        painting.picture(str(tmp_path / f"{number}.png"), LABEL, [], 1.0)
    painting.picture(upload, LABEL, [], 1.0)
    assert len(calls) == MOST_OPEN + 2  # not all of them are kept


def test_colors_that_are_offered_are_squares_side_by_side(painting):
    rgb = photos.read(painting.swatches(["#ff0000", "#00ff00"])).rgb
    assert rgb.shape == (64, 128, 3)
    assert tuple(rgb[5, 5]) == (255, 0, 0) and tuple(rgb[60, 70]) == (0, 255, 0)


def test_what_cannot_be_painted_is_one_line(painting, upload, tmp_path):
    (tmp_path / "notes.jpg").write_text("not a photograph")
    with pytest.raises(WorkError, match="notes.jpg: not a"):
        painting.picture(str(tmp_path / "notes.jpg"), LABEL, [], 1.0)
    with pytest.raises(WorkError, match="1200 x 600 pixels"):
        painting.picture(upload, LABEL, [Hint(1200, 0, BLUE)], 1.0)
    with pytest.raises(WorkError, match="A method is one of"):
        painting.picture(upload, "absent", [], 1.0)
    painting.bench.max_bytes = -1
    with pytest.raises(WorkError, match="no room"):
        painting.picture(upload, LABEL, [], 1.0)


def test_a_color_that_took_another_s_place_can_be_taken_back():
    red, blue = (5, 7, "#ff0000"), (5, 7, BLUE)
    steps = Steps().add(1, 2, "#00ff00").add(*red).add(*blue)
    assert steps.hints == ((1, 2, "#00ff00"), blue)
    undone = steps.undo()
    assert undone.hints == ((1, 2, "#00ff00"), red) and undone.redo() == steps
    assert undone.undo().undo().hints == () == undone.undo().undo().undo().hints
    assert undone.undo().undo().redo().redo().redo() == steps == steps.redo()
    assert undone.add(*blue).redo() == undone.add(*blue), "another step ends what could be made again"


def test_steps_do_not_grow_for_ever():
    steps = Steps()
    for number in range(MOST_STEPS + 5):
        steps = steps.add(0, 0, f"#{number:06x}")
    assert len(steps.before) == MOST_STEPS
