"""What the page refuses, request by request, without Gradio and without a network."""

import asyncio
import json

import pytest

from colorizer.app import security

HOST = "127.0.0.1:7860"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "page").mkdir()
    (tmp_path / "page/photo.png").write_bytes(b"1234")
    return tmp_path / "page"


@pytest.fixture
def ask(folder):
    """Sends a request through the guard; returns (status, body, headers) of the answer."""
    passed = []

    async def inner(scope, receive, send):
        if scope["path"] == "/full":
            raise OSError(28, "No space left on device")
        if scope["path"] == "/fails":
            raise ValueError("somebody's\x00path")
        passed.append((await receive()).get("body"))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"server", b"inner")]})
        await send({"type": "http.response.body", "body": b"inner"})

    def call(path="/", method="GET", body=b"", guard=None, kind="http", **headers):
        guard = guard or security.Guard(inner, ["localhost", "photos.example"], security.Limits(folder, 1000, 60))
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        length = {"content-length": str(len(body))} if method == "POST" else {}
        headers = {name: value for name, value in ({"host": HOST} | length | headers).items() if value is not None}
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": kind, "method": method, "path": path, "headers": pairs}
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        asyncio.run(guard(scope, receive, send))
        if kind != "http":
            return sent
        names = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]).decode(), names

    call.inner, call.passed = inner, passed
    return call


def join(ask, *files, content_type="application/json", **headers):
    """A request as the page makes it for files."""
    body = json.dumps({"data": [list(files), "Vivid colors", 1], "event_data": None}).encode()
    return ask("/gradio_api/queue/join", "POST", body, content_type=content_type, **headers)


@pytest.mark.parametrize(
    "host", [HOST, "localhost", "LOCALHOST:80", "[::1]:7860", "photos.example", "192.168.1.7:7860"]
)
def test_own_names_and_numbers_are_answered(ask, host):
    assert ask(host=host)[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "localhost.evil.example", "", "[::1", None])
def test_other_names_are_refused(ask, host):
    status, text, _ = ask(host=host)
    assert status == 403 and "--allow-host" in text and not ask.passed


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://localhost:80",
        "http://127.0.0.1:3000",
        "http://[::1]:3000",
        "http://192.168.1.7:3000",
        "null",
        f"http://{HOST}.evil.example",
        "",
        "http://[",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_requests_of_other_websites_are_refused(ask, folder, origin, method):
    hosts = [*security.own_names("127.0.0.1", ["photos.example", "192.168.1.7"]), *security.own_names("::1", [])]
    guard = security.Guard(ask.inner, hosts, security.Limits(folder, 1000, 60))
    status, text, _ = ask("/gradio_api/upload", method, guard=guard, origin=origin)
    assert status == 403 and "other websites" in text and not ask.passed


@pytest.mark.parametrize("origin", [f"http://{HOST}", "https://photos.example", "http://photos.example:3000"])
def test_requests_of_the_page_itself_are_answered(ask, origin):
    assert ask("/gradio_api/upload", "POST", origin=origin)[0] == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/run/colorize"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/vibe-edit/"),
        ("POST", "/login"),
        ("POST", "/gradio_apiupload"),
        ("PUT", "/gradio_api/upload"),
        ("DELETE", "/"),
    ],
)
def test_endpoints_that_nobody_needs_are_not_there(ask, method, path):
    assert ask(path, method)[0] == 404 and not ask.passed


def test_web_sockets_are_refused(ask):
    assert ask(kind="websocket")[0]["type"] == "websocket.close"


def test_every_answer_says_what_a_browser_may_do(ask):
    for answer in (ask(), ask(host="evil.example"), ask("/fails")):
        assert answer[2]["x-content-type-options"] == "nosniff"
        assert "default-src 'self'" in answer[2]["content-security-policy"]
        assert "frame-ancestors 'none'" in answer[2]["content-security-policy"]


def test_what_the_application_cannot_read_is_a_bad_request(ask):
    status, text, _ = ask("/fails")
    assert status == 400 and text == "This request cannot be answered."


def test_a_full_disk_is_a_line_for_the_user(ask):
    status, text, _ = ask("/full")
    assert status == 413 and text == "The disk of this page is full: try again later."


def test_uploads_are_limited_at_once_and_altogether(ask, folder):
    assert ask("/gradio_api/upload", "POST", bytes(500))[0] == 200
    status, text, _ = ask("/gradio_api/upload", "POST", bytes(501))
    assert status == 413 and text == "Too many bytes at once: 0 MB; the limit is 0 MB."
    (folder / "full").write_bytes(bytes(700))
    assert ask("/gradio_api/upload", "POST", bytes(200))[0] == 200
    status, text, _ = ask("/gradio_api/upload", "POST", bytes(400))
    assert status == 413 and "has no room" in text and "removed after 60 minutes: try again later" in text
    assert ask("/gradio_api/upload", "POST", content_length=None, transfer_encoding="chunked")[0] == 411
    assert len(ask.passed) == 2


def test_uploads_that_are_being_received_count(ask, folder):
    guard = security.Guard(None, ["localhost"], security.Limits(folder, 1000, 60))
    answers = []

    async def meanwhile(scope, receive, send):
        if not answers:
            answers.append(None)
            answers[0] = (await asyncio.to_thread(ask, "/gradio_api/upload", "POST", bytes(500), guard))[0]
        await ask.inner(scope, receive, send)

    guard.app = meanwhile
    assert ask("/gradio_api/upload", "POST", bytes(500), guard)[0] == 200 and answers == [413]
    assert ask("/gradio_api/upload", "POST", bytes(500), guard)[0] == 200  # the first has ended


def test_only_files_of_the_page_are_handed_on(ask, folder):
    inside = str(folder / "photo.png")
    own = {"path": inside, "url": f"http://{HOST}/gradio_api/file={inside}", "meta": {"_type": "gradio.FileData"}}
    assert join(ask, own)[0] == 200 and json.loads(ask.passed[0])["data"][0] == [own]
    others = [
        {"path": "/etc/passwd"},
        {"path": f"{folder}/../secret"},
        {"path": "http://inner.example/secret.png"},
        {"path": inside, "url": "http://inner.example/secret.png"},
        {"path": inside, "url": f"http://inner.example/gradio_api/file={inside}"},
        {"path": inside, "url": "/gradio_api/file=/etc/passwd"},
        {"path": "photo\x00.png"},
        {"image": {"deeper": [{"path": "/etc/passwd"}]}},
    ]
    for other in others:
        status, text, _ = join(ask, other)
        assert status == 403 and text == "Only uploaded files can be colorized.", other
    (folder / "link.png").symlink_to("/etc/passwd")
    assert join(ask, {"path": str(folder / "link.png")})[0] == 403
    assert len(ask.passed) == 1


@pytest.mark.parametrize("content_type", ["application/JSON", "Application/x+Json", "text/plain", "", None])
def test_files_are_looked_at_whatever_a_body_calls_itself(ask, content_type):
    assert join(ask, {"path": "/etc/passwd"}, content_type=content_type)[0] == 403 and not ask.passed


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b"[" * 10**5, 400), (b"\xff", 400), (bytes(2**20 + 1), 413), (b"{}", 200)]
)
def test_bodies_that_are_no_json_are_refused(ask, body, status):
    assert ask("/gradio_api/call/colorize", "POST", body, content_type="application/json")[0] == status


def test_names_of_a_page_for_everybody():
    assert security.own_names("127.0.0.1", []) == ["localhost", "127.0.0.1"]
    assert "photos.example" in security.own_names("0.0.0.0", ["Photos.example"])
    assert len(security.own_names("0.0.0.0", [])) == 4
    private = {
        "127.0.0.1": True,
        "localhost": True,
        "::1": True,
        "[::1]": True,
        "0.0.0.0": False,
        "::": False,
        "box": False,
    }
    assert {host: security.is_private(host) for host in private} == private
