"""Colors by clicks: what each click does, and in a real browser, where one can be had, that it is done."""

import importlib.util
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import REPOSITORY, draw_picture
from page_server import INSTALL
from PIL import Image
from test_colorize import run  # noqa: F401  (a fixture: a run's folder with one color everywhere)
from test_page_browser import browser, report_of, screenshot, tab  # noqa: F401  (fixtures among them)

from colorizer import Hint, color, photos

# In a process of its own: what Gradio leaves open would be found by later tests.
CLICKS = """
import json
from types import SimpleNamespace
from colorizer.app.page_painting import NOTHING, Clicks
from colorizer.app.painting import SWATCH
from colorizer.errors import WorkError

def likely_colors(source, label, x, y):
    if x == 0:
        raise WorkError("frame")
    return ["#ff0000", "#00ff00"]

at = lambda x, y: SimpleNamespace(index=(x, y))
painting = SimpleNamespace(
    picture=lambda *_: "old.png", sidecar=lambda *_: "old.json", swatches=lambda _: "colors.png",
    likely_colors=likely_colors, full_size=lambda *_: "whole.png",
)
clicks, look = Clicks(painting), ("Colors", 1.0)
lines = [clicks.view(NOTHING, *look)[-1], clicks.make(NOTHING, *look)[-1]]
state = clicks.begin("old.jpg", *look)[0]
lines.append(clicks.add(state, "#0000ff", *look)[-1])
state = clicks.click(state, "Colors", at(3, 4))[0]
state = clicks.choose(state, *look, at(SWATCH + 1, 5))[0]
lines.append(clicks.choose(state, *look, at(2 * SWATCH, 5))[-1])
state = clicks.click(state, "Colors", at(5, 6))[0]
painted = clicks.add(state, "rgba(0, 0, 254.6, 1)", *look)
undone = clicks.undo(painted[0], *look)
framed = clicks.click(painted[0], "Colors", at(0, 0))
lines += [painted[-1], undone[-1], clicks.make(undone[0], *look)[-1], framed[-1]]
assert painted[2].interactive and not clicks.begin("old.jpg", *look)[2].interactive
assert framed[0]["place"] is None and NOTHING["steps"].hints == ()
assert clicks.redo(undone[0], *look)[0] == painted[0]
print(json.dumps([painted[0]["steps"].hints, lines]))
"""


def test_each_click_gives_a_state_and_a_line():
    if importlib.util.find_spec("gradio") is None:
        pytest.skip(f"Gradio is not installed: {INSTALL}")
    said = subprocess.run([sys.executable, "-c", CLICKS], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    hints, lines = json.loads(said.stdout)
    assert hints == [[3, 4, "#00ff00"], [5, 6, "#0000ff"]]
    first = "First choose a photograph above."
    assert lines[:4] == [first, first, "First click on the photograph.", "1 color set"]
    assert lines[4:] == ["2 colors set", "1 color set", "whole.png is ready", "frame"]


def line_of(tab, part):  # noqa: F811
    """The line below the buttons, as soon as it has a text in it."""
    from playwright.sync_api import expect

    line = tab.locator("#painting-line textarea, #painting-line input")
    expect(line).to_have_value(re.compile(part), timeout=60_000)
    return line.input_value()


def saved(tab, button, tmp_path):  # noqa: F811
    """The file that a button gives."""
    tab.wait_for_selector(f"{button}:not([disabled])")
    with tab.expect_download() as coming:
        tab.click(button)
    path = tmp_path / coming.value.suggested_filename
    coming.value.save_as(path)
    return path


def click_at(tab, selector, x, y):  # noqa: F811
    """Clicks on an image at a share of its width and height."""
    image = tab.locator(f"{selector} img").first
    image.scroll_into_view_if_needed()
    box = image.bounding_box()
    tab.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def test_in_a_browser_a_refused_click_leaves_no_place_to_color(tab, tmp_path):  # noqa: F811
    Image.fromarray(np.pad(draw_picture(3, 220, 320), ((40, 40), (40, 40), (0, 0)))).save(tmp_path / "framed.png")
    tab.set_input_files("#upload input[type=file]", tmp_path / "framed.png")
    report_of(tab, "colorized")
    tab.get_by_text("Set colors by clicking").click()
    tab.click("#begin")
    tab.wait_for_selector("#painted img")
    click_at(tab, "#painted", 0.5, 0.5)
    line_of(tab, "choose its color")
    click_at(tab, "#painted", 0.02, 0.02)
    line_of(tab, "The frame around the photo gets no color")
    tab.click("#set-color")
    line_of(tab, "First click on the photograph.")


def test_in_a_browser_a_click_sets_a_color_that_can_be_taken_back_saved_and_downloaded(tab, tmp_path):  # noqa: F811
    Image.fromarray(draw_picture(3, 300, 400)).convert("L").save(tmp_path / "old.png")
    tab.set_input_files("#upload input[type=file]", tmp_path / "old.png")
    report_of(tab, "colorized")
    tab.get_by_text("Set colors by clicking").click()
    tab.click("#begin")
    line_of(tab, "0 colors set")
    tab.wait_for_selector("#painted img")

    click_at(tab, "#painted", 0.25, 0.5)
    place = re.search(r"Place (\d+), (\d+)", line_of(tab, "choose its color"))
    x, y = map(int, place.groups())
    assert abs(x - 100) <= 2 and abs(y - 150) <= 2
    tab.wait_for_selector("#offered img")
    click_at(tab, "#offered", 0.5, 0.5)  # the only one that this network knows
    line_of(tab, "1 color set")

    click_at(tab, "#painted", 0.75, 0.5)
    line_of(tab, "choose its color")
    tab.click("#set-color")  # the picker's color
    line_of(tab, "2 colors set")
    screenshot(tab, "app-hints.jpg")
    tab.click("#undo")
    line_of(tab, "1 color set")
    tab.click("#redo")
    line_of(tab, "2 colors set")

    hints = json.loads(saved(tab, "#save-hints", tmp_path).read_text())
    assert (hints["width"], hints["height"]) == (400, 300) and len(hints["hints"]) == 2
    assert (hints["hints"][0]["x"], hints["hints"][0]["y"]) == (x, y)
    last = Hint(**hints["hints"][1])
    assert last.color == "#7a1f1f"
    tab.click("#make-full")
    line_of(tab, "old-color.png is ready")
    rgb = photos.read(saved(tab, "#painted-download", tmp_path)).rgb
    assert rgb.shape == (300, 400, 3)
    ab = color.rgb_to_lab(rgb)[int(last.y), int(last.x), 1:]
    assert np.linalg.norm(ab) > 3 and ab @ last.ab > 0.98 * np.linalg.norm(ab) * np.linalg.norm(last.ab)
