"""The web page in a real browser, where one can be had."""

import importlib.util
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import draw_picture
from page_server import INSTALL, SCREENSHOTS
from PIL import Image
from test_colorize import run  # noqa: F401  (a fixture: a run's folder with one color everywhere)

from colorizer import photos


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium."""
    if importlib.util.find_spec("playwright") is None:
        pytest.skip(f"playwright is not installed: {INSTALL}")
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no Chromium is here: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Inside a container root has no sandbox; the only page it opens is ours.
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def tab(page, browser):
    """The page in a tab of its own. Anything it asks of another machine fails the test."""
    tab = browser.new_page(viewport={"width": 1200, "height": 860})
    tab.set_default_timeout(60_000)
    outside, complaints = [], []
    tab.on("request", lambda r: None if r.url.startswith((page[0], "data:", "blob:")) else outside.append(r.url))
    tab.on("console", lambda line: complaints.append(line.text) if "Security Policy" in line.text else None)
    tab.goto(page[0])
    tab.wait_for_selector("#upload input[type=file]", state="attached")
    yield tab
    tab.close()
    assert not outside and not complaints


def screenshot(tab, name):
    if SCREENSHOTS:
        tab.wait_for_timeout(1000)
        tab.screenshot(path=Path(SCREENSHOTS) / name, type="jpeg", quality=85)


def report_of(tab, part):
    """The page's report, as soon as it has a text in it. No script in the page: its policy forbids `eval`."""
    from playwright.sync_api import expect

    report = tab.locator("#report textarea")
    expect(report).to_have_value(re.compile(part), timeout=60_000)
    return report.input_value()


def test_in_a_browser_upload_slide_and_download(tab, tmp_path):
    source = os.environ.get("COLORIZER_SCREENSHOTS_PHOTO")
    if not source:
        source = tmp_path / "old.png"
        Image.fromarray(draw_picture(1, 300, 400)).convert("L").save(source)
    tab.set_input_files("#upload input[type=file]", source)
    tab.wait_for_selector("#slider img")
    assert report_of(tab, "colorized") == "1 of 1 colorized"
    images = tab.locator("#slider img")
    assert images.count() == 2 and images.first.evaluate("image => image.naturalWidth") > 0

    clip = "() => document.querySelector('#slider').innerHTML"
    before = tab.evaluate(clip)
    box = images.first.bounding_box()
    middle = box["y"] + box["height"] / 2
    handle = tab.locator("#slider .outer, #slider .handle, #slider .inner").first.bounding_box()
    tab.mouse.move(handle["x"] + handle["width"] / 2, middle)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] * 0.3, middle, steps=5)
    tab.mouse.up()
    assert tab.evaluate(clip) != before  # the line between before and after has moved
    screenshot(tab, "app.jpg")

    with tab.expect_download() as coming:
        tab.click("#download")
    got = tmp_path / coming.value.suggested_filename
    coming.value.save_as(got)
    assert got.name == f"{Path(source).stem}-color{Path(source).suffix}"
    assert photos.read(got).rgb.shape == photos.read(source).rgb.shape
    assert np.ptp(photos.read(got).rgb.astype(int), axis=2).max() > 3


def test_in_a_browser_a_renamed_text_file_is_an_error_that_is_shown(tab, tmp_path):
    (tmp_path / "notes.jpg").write_text("not a photograph")
    tab.set_input_files("#upload input[type=file]", tmp_path / "notes.jpg")
    assert report_of(tab, "Not colorized").startswith("Not colorized: notes.jpg: not a")
    assert tab.locator("#slider img").count() == 0 and tab.locator("#download").is_disabled()
    screenshot(tab, "app-error.jpg")


def sources_of(tab):
    """The names of the pictures behind the slider."""
    return [path.rpartition("/")[2] for path in tab.eval_on_selector_all("#slider img", "all => all.map(i => i.src)")]


def test_in_a_browser_every_photo_of_several_can_be_looked_at(tab, tmp_path):
    names = [f"{number}.png" for number in range(3)]
    for number, name in enumerate(names):
        Image.fromarray(draw_picture(number, 120, 160)).convert("L").save(tmp_path / name)
    (tmp_path / "notes.jpg").write_text("not a photograph")
    tab.set_input_files("#upload input[type=file]", [tmp_path / name for name in ("notes.jpg", *names)])
    assert report_of(tab, "colorized").startswith("3 of 4 colorized")
    tab.wait_for_selector("#results img")
    assert tab.locator("#results img").count() == 3 and "0-color.png" in sources_of(tab)[0]
    for number in (2, 1):
        tab.locator("#results img").nth(number).click()
        tab.wait_for_selector(f"#slider img[src*='{number}-color.png']")
        assert sources_of(tab) == [f"{number}-color.png.{when}.jpg" for when in ("before", "after")]


def test_in_a_browser_an_upload_for_which_there_is_no_room_is_said(tab, page, tmp_path):
    if SCREENSHOTS:
        pytest.skip("pictures are taken with other limits")
    folder = next(page[1].glob("colorizer-page-*"))
    with open(folder / "filler", "wb") as filler:
        filler.truncate(2**30)
    try:
        Image.fromarray(draw_picture(0)).save(tmp_path / "a.png")
        tab.set_input_files("#upload input[type=file]", tmp_path / "a.png")
        tab.get_by_text("The page has no room for").first.wait_for()
    finally:
        (folder / "filler").unlink()


def test_in_a_browser_an_example_is_one_click(tab):
    tab.locator("#examples img").first.click()
    tab.wait_for_selector("#slider img")
    assert report_of(tab, "colorized") == "1 of 1 colorized"
    assert tab.locator("#slider img").count() == 2
