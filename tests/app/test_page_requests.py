"""The web page over HTTP: uploads and downloads, and what it refuses."""

import http.server
import json
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from conftest import REPOSITORY, draw_picture
from page_server import SCREENSHOTS, answer_of
from PIL import Image
from test_colorize import run  # noqa: F401  (a fixture: a run's folder with one color everywhere)

from colorizer import photos


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


def test_a_note_about_a_photo_is_its_owners_and_stands_in_no_log(page, tmp_path):
    address, folder = page
    pages = [Image.fromarray(draw_picture(number, 60, 80)) for number in range(2)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    report = colorize(address, [upload(address, "my-house.tif", (tmp_path / "a.tif").read_bytes())])[2]
    assert report == "1 of 1 colorized\nmy-house.tif: it has several pages; the first is read"
    assert "my-house" not in (folder / "log").read_text()


def test_the_picture_on_the_page_is_no_download(page):
    parts = {
        part["props"].get("elem_id"): part["props"]
        for part in json.loads(answer_of(page[0], "/config")[1])["components"]
    }
    assert parts["slider"]["buttons"] == ["fullscreen"] and parts["results"]["buttons"] == []


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
    assert {"colorize", "change_colors", "change_strength", "choose_example", "show_result", "set_color"} <= names


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
