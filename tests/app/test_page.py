"""The web page as people meet it: over HTTP, and in a real browser where one can be had."""

import http.server
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY, draw_picture
from PIL import Image
from test_colorize import run  # noqa: F401  (a fixture: a run's folder with one color everywhere)

from colorizer import photos

INSTALL = 'pip install -e ".[app,browser]" -c constraints.txt'
SCREENSHOTS = os.environ.get("COLORIZER_SCREENSHOTS")  # a folder: docs/ when the page has changed


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(folder, *words):
    """The page's process, listening; returns it and its address."""
    port = free_port()
    command = [sys.executable, "-m", "colorizer", "app", "--port", str(port), *map(str, words)]
    with open(folder / "log", "w", encoding="utf-8") as log:
        environment = os.environ | {"TMPDIR": str(folder)}
        process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log, stderr=subprocess.STDOUT)
    for _ in range(1200):
        said = (folder / "log").read_text()
        if "listens on" in said:
            return process, f"http://127.0.0.1:{port}"
        assert process.poll() is None, said
        time.sleep(0.1)
    raise AssertionError(said)


@pytest.fixture(scope="module")
def page(run, tmp_path_factory):  # noqa: F811
    """A page with one network and small limits: its address, and the folder its temporary folder is in."""
    if importlib.util.find_spec("gradio") is None:
        pytest.skip(f"Gradio is not installed: {INSTALL}")
    folder = tmp_path_factory.mktemp("page")
    words = ["--weights", run, "--max-megabytes", "0.5", "--max-megapixels", "1"]
    if SCREENSHOTS:  # of the shipped network
        words = []
    process, address = start(folder, *words)
    yield address, folder
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    log = (folder / "log").read_text()
    assert "Traceback" not in log and "not offered" not in log, log
    assert not list(folder.glob("colorizer-*"))  # nothing of anybody is left


def post(address, path, body, kind="application/json"):
    request = urllib.request.Request(f"{address}/gradio_api/{path}", body, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def upload(address, name, content):
    """Sends a file as a browser does; returns the path the server gave it."""
    head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
    return post(address, "upload", head + content + b"\r\n--x--\r\n", "multipart/form-data; boundary=x")[0]


def colorize(address, paths, label="Colors", strength=1):
    """Calls the page's function; returns its outputs, or None where it was refused."""
    files = [{"path": path, "meta": {"_type": "gradio.FileData"}} for path in paths]
    try:
        event = post(address, "call/colorize", json.dumps({"data": [files, label, strength]}).encode())["event_id"]
    except urllib.error.HTTPError as error:
        assert error.code == 403
        return None
    with urllib.request.urlopen(f"{address}/gradio_api/call/colorize/{event}", timeout=60) as stream:
        for line in stream.read().decode().split("\n\n"):
            if line.startswith("event: complete"):
                return json.loads(line.partition("data: ")[2])
    return None


def fetch(address, path):
    """The bytes of a file below the page's address, or the status it is refused with."""
    try:
        with urllib.request.urlopen(f"{address}/gradio_api/file={path}", timeout=60) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        return error.code


def png(tmp_path, index=0, size=(120, 80)):
    path = tmp_path / f"picture-{index}.png"
    Image.fromarray(draw_picture(index, size[1], size[0])).save(path)
    return path.read_bytes()


def test_one_users_bad_upload_does_not_disturb_anothers(page, tmp_path):
    address, _ = page
    if SCREENSHOTS:
        pytest.skip("pictures are taken with other networks")
    said = {}

    def user(number):
        bad = number % 2
        path = upload(address, f"{number}.png", b"no picture" if bad else png(tmp_path, number))
        said[number] = colorize(address, [path])

    users = [threading.Thread(target=user, args=(number,)) for number in range(6)]
    for thread in users:
        thread.start()
    for thread in users:
        thread.join(60)
    for number, (_, download, report, *_) in said.items():
        if number % 2:
            assert report.startswith(f"Not colorized: {number}.png: not a JPEG") and not download.get("value")
        else:
            assert report == "1 of 1 colorized"
            (tmp_path / "got.png").write_bytes(fetch(address, download["value"]["path"]))
            assert photos.read(tmp_path / "got.png").rgb.shape == (80, 120, 3)
    assert len(said) == 6


def test_no_path_outside_its_own_folder_can_be_read(page, tmp_path):
    address, folder = page
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(tmp_path))
    inside = next(iter((next(folder.glob("colorizer-*")) / "examples").iterdir()))
    assert fetch(address, inside)[:4] == b"\x89PNG"
    for path in (secret, "/etc/passwd", REPOSITORY / "README.md", "README.md", folder / "log"):
        assert fetch(address, path) in (403, 404), path
        assert colorize(address, [str(path)]) is None, path  # nor handed to the function as if it were an upload
    above = f"{inside.parent}/../../log"
    assert fetch(address, above) in (403, 404) and colorize(address, [above]) is None
    assert Path(upload(address, "../../../escaped.png", b"x")).parent.parent == inside.parent.parent


def test_no_address_is_fetched_for_anybody(page):
    address, _ = page
    asked = []

    class Inner(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None  # a browser may be sent elsewhere; the page itself must not go

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Inner) as inner:
        threading.Thread(target=inner.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{inner.server_port}/secret.png"
        for route in (f"file={url}", f"proxy={url}"):
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.build_opener(Stay).open(f"{address}/gradio_api/{route}", timeout=60)
        assert colorize(address, [url]) is None
        inner.shutdown()
    assert asked == []


def test_uploads_have_a_limit(page, tmp_path):
    address, folder = page
    if SCREENSHOTS:
        pytest.skip("pictures are taken with other limits")
    with pytest.raises(urllib.error.HTTPError, match="413"):
        upload(address, "large.png", bytes(600_000))
    assert not list(folder.rglob("large.png"))
    Image.new("L", (1200, 1000)).save(tmp_path / "flat.png")  # few bytes, many pixels
    report = colorize(address, [upload(address, "flat.png", (tmp_path / "flat.png").read_bytes())])[2]
    assert "too large: 1200 x 1000 = 1.2 megapixels; the limit is 1.0" in report


def answer_of(address, path="/", method="GET", body=None, **headers):
    """Status, text and headers of an answer, whatever they are."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"{address}{path}", body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode("utf-8", "replace"), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace"), error.headers


def test_other_websites_and_other_names_are_refused(page):
    address, _ = page
    body = json.dumps({"data": [[], "Colors", 1]}).encode()
    json_type = {"content_type": "application/json"}
    assert answer_of(address, "/gradio_api/call/colorize", "POST", body, **json_type)[0] == 200
    assert answer_of(address, "/gradio_api/call/colorize", "POST", body, origin=address, **json_type)[0] == 200
    for origin in ("http://evil.example", "null"):
        status, text, _ = answer_of(address, "/gradio_api/call/colorize", "POST", body, origin=origin, **json_type)
        assert status == 403 and "other websites" in text
    status, text, _ = answer_of(address, host="evil.example")
    assert status == 403 and "--allow-host" in text


def test_answers_tell_the_browser_what_it_may_do(page):
    for path in ("/", "/config", "/gradio_api/file=/etc/passwd"):
        headers = answer_of(page[0], path)[2]
        assert (
            headers["X-Content-Type-Options"] == "nosniff"
            and "default-src 'self'" in headers["Content-Security-Policy"]
        )


def test_the_api_has_one_endpoint_with_a_name(page):
    status, text, _ = answer_of(page[0], "/gradio_api/info")
    assert status == 200 and list(json.loads(text)["named_endpoints"]) == ["/colorize"]
    names = {part["api_name"] for part in json.loads(answer_of(page[0], "/config")[1])["dependencies"]}
    assert names == {"colorize", "change_colors", "change_strength", "choose_example", "show_result"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/gradio_api/call/colorize", b"{"),
        ("/gradio_api/call/colorize", b"[]"),
        ("/gradio_api/call/colorize", b"{}"),
        ("/gradio_api/call/nobody", b"{}"),
        ("/gradio_api/queue/join", b'{"data": []}'),
        ("/gradio_api/queue/join", b'{"data": [], "fn_index": 99, "session_hash": "x"}'),
        ("/gradio_api/queue/join", b'{"data": [], "fn_index": "x"}'),
        ("/gradio_api/upload", b"no form"),
        ("/gradio_api/run/colorize", b"{}"),
        ("/gradio_api/process_recording", b""),
        ("/gradio_api/file=%00", None),
        ("/gradio_api/file=" + "a" * 5000, None),
        ("/gradio_api/file=../../../../etc/passwd", None),
        ("/gradio_api/file=file:///etc/passwd", None),
        ("/gradio_api/proxy=http://inner.example/", None),
        ("/gradio_api/runs", None),
        ("/gradio_api/stream/a/b/c/playlist.m3u8", None),
        ("/gradio_api/custom_component/1/client/component/x.js", None),
        ("/gradio_api/deep_link", None),
        ("/gradio_api/upload_progress?upload_id=x", None),
        ("/static/%2e%2e/%2e%2e/routes.py", None),
        ("/svelte/../../routes.py", None),
        ("/monitoring", None),
        ("/pwa_icon/0", None),
    ],
)
def test_requests_that_no_page_makes_are_refused_in_words(page, path, body):
    kind = "application/json" if body is not None else "text/plain"
    status, text, _ = answer_of(page[0], path, "GET" if body is None else "POST", body, content_type=kind)
    assert status < 500, text
    assert "root:" not in text and "Traceback" not in text


def test_it_listens_on_this_computer_alone(page):
    port = int(page[0].rpartition(":")[2])
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if line.split()[3] == "0A"]
    assert [address for address in listening if address.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


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


def test_without_gradio_the_command_that_installs_it_is_named(monkeypatch, capsys):
    from colorizer.app import __main__ as app

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gradio" else found(name))
    assert app.main([]) == 2
    assert 'pip install -e ".[app]" -c constraints.txt' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--max-megapixels", "0"], "--max-megapixels is more than 0. Received: 0"),
        (["--max-gigabytes", "-1"], "--max-gigabytes is more than 0. Received: -1"),
        (["--port", "0"], "--port lies between 1 and 65535. Received: 0"),
        (["--weights", "absent"], "Received: absent"),
        (["--classifier", "absent.keras"], "Received: absent.keras"),
        (["--host", "no such host"], "cannot listen on no such host, port 7860"),
    ],
)
def test_wrong_flags_have_status_2_before_anything_is_loaded(capsys, monkeypatch, words, reason):
    from colorizer.app import __main__ as app

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(app, "_run", lambda *_: pytest.fail("networks were loaded"))
    port = ["--port", str(free_port())] if "--port" not in words and "--host" not in words else []
    try:
        status = app.main([*words, *port])
    except SystemExit as stop:
        status = stop.code
    assert status == 2 and reason in capsys.readouterr().err


def test_a_port_that_is_taken_is_said_with_another_one(capsys, monkeypatch):
    from colorizer.app import __main__ as app

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert app.main(["--port", str(port)]) == 2
    err = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use" in err
    assert f"choose another port: --port {port + 1}" in err and "GRADIO" not in err


def test_a_page_for_everybody_warns(run, tmp_path):  # noqa: F811
    if importlib.util.find_spec("gradio") is None:
        pytest.skip(f"Gradio is not installed: {INSTALL}")
    process, address = start(tmp_path, "--weights", run, "--host", "0.0.0.0", "--allow-host", "photos.example")
    try:
        assert answer_of(address, host="photos.example")[0] == 200
        assert answer_of(address, host="evil.example")[0] == 403
        assert "Warning: everybody who can reach this computer" in (tmp_path / "log").read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_what_gradio_remembers_of_visitors_is_bounded_and_nothing_is_recorded(tmp_path):
    if importlib.util.find_spec("gradio") is None:
        pytest.skip(f"Gradio is not installed: {INSTALL}")
    from colorizer.app import __main__ as app
    from colorizer.app.security import Limits

    class Blocks:
        def launch(self, **settings):
            self.settings = settings

        def close(self, **_):
            self.closed = True

    blocks, stop = Blocks(), threading.Event()
    stop.set()
    app.serve(app.parse([]), blocks, Limits(tmp_path, 1, 1), stop)
    assert blocks.closed and blocks.settings["state_session_capacity"] <= 1000  # of 80 kB each
    assert blocks.settings["run_history"] is blocks.settings["enable_monitoring"] is blocks.settings["share"] is False
