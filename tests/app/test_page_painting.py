"""Colors by clicks in a real browser, where one can be had."""

import json
import re

import numpy as np
from conftest import draw_picture
from PIL import Image
from test_colorize import run  # noqa: F401  (a fixture: a run's folder with one color everywhere)
from test_page_browser import browser, report_of, screenshot, tab  # noqa: F401  (fixtures among them)

from colorizer import Hint, color, photos

GREEN = "#208040"


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
