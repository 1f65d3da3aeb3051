"""The routes, without a network: what comes in, what goes out, and what is refused."""

import asyncio
import base64
import io
import json
import threading
import tracemalloc

import keras  # noqa: F401  (before the threads)
import numpy as np
import pytest
from conftest import draw_picture, wait_until
from PIL import Image
from test_colorize import run  # noqa: F401  (a fixture: a run's folder with one color everywhere)

NEEDED = 'pip install -e ".[serve,app]" -c constraints.txt'
for name in ("fastapi", "fastapi_offline", "prometheus_client", "multipart", "httpx"):
    pytest.importorskip(name, reason=NEEDED)

from starlette.requests import Request  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

from colorizer.app import service  # noqa: E402
from colorizer.inference.colorizer import Colorizer  # noqa: E402
from colorizer.server import api, limits, options, worker  # noqa: E402
from colorizer.server.work_queue import Queue  # noqa: E402

ROUTE = "/v1/colorize"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(1)</script>"


@pytest.fixture(scope="module")
def colorizers(run):  # noqa: F811
    return {one.look: one for one in service.looks(Colorizer.load(run, "none"))}


@pytest.fixture
def server(colorizers, tmp_path):
    """Makes a client of a server with other limits; its worker and folder are attributes."""
    clients = []

    def make(networks=colorizers, **settings):
        chosen = api.Settings(**{"max_bytes": 200_000, "max_pixels": 100_000, "seconds": 30} | settings)
        folder = tmp_path / f"server-{len(clients)}"
        folder.mkdir()
        one = worker.Worker(networks, folder, chosen.max_pixels)
        app = limits.Gate(api.build(one, chosen), ["localhost"], api.OWN_PATHS)
        client = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)
        client.__enter__()
        client.worker, client.folder = one, folder
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.__exit__(None, None, None)


def encoded(form="PNG", size=(120, 80), **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(draw_picture(1, size[1], size[0])).convert("L").save(file, form, **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def send(client, data, name="old.png", **fields):
    return client.post(ROUTE, files={"file": (name, data)}, data=fields)


def words(data, **fields):
    return {"image": base64.b64encode(data).decode()} | fields


@pytest.mark.parametrize(
    "form, content_type",
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("TIFF", "image/tiff")]
    + [("BMP", "image/bmp"), ("GIF", "image/png")],
)
def test_a_file_comes_back_in_color_in_its_own_format(server, form, content_type):
    answer = send(server(), encoded(form), "../../etc/x.html")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == content_type
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-disposition"] == f'inline; filename="colorized.{content_type[6:]}"'
    picture = opened(answer.content)
    assert picture.size == (120, 80)
    assert np.ptp(np.asarray(picture.convert("RGB")).astype(int), axis=2).max() > 20


def test_json_takes_and_gives_base64(server):
    client = server()
    answer = client.post(ROUTE, json=words(encoded("GIF"), format="jpeg", quality=50, strength=0))
    assert answer.status_code == 200
    given = answer.json()
    assert (given["content_type"], given["width"], given["height"]) == ("image/jpeg", 120, 80)
    picture = opened(base64.b64decode(given["image"]))
    assert picture.format == "JPEG" and np.ptp(np.asarray(picture).astype(int), axis=2).max() <= 3
    lines = words(encoded()) | {"image": base64.encodebytes(encoded()).decode()}  # as most programs write it
    assert client.post(ROUTE, json=lines).status_code == 200
    multipage = io.BytesIO()
    page = Image.fromarray(draw_picture(2))
    page.save(multipage, "TIFF", save_all=True, append_images=[page])
    assert client.post(ROUTE, json=words(multipage.getvalue())).json()["notes"] == [
        "it has several pages; the first is read"
    ]


def test_what_the_format_of_the_answer_cannot_hold_is_noted(server):
    file = io.BytesIO()
    Image.fromarray(np.uint8(np.arange(120 * 80 * 4).reshape(80, 120, 4) % 251)).save(file, "PNG")
    answer = server().post(ROUTE, json=words(file.getvalue(), format="jpeg"))
    assert answer.json()["notes"] == ["JPEG holds no transparency; the picture is laid on white"]


def test_a_request_chooses_what_the_network_sees_within_limits(server):
    network = Colorizer.load(engine="onnx")
    client, photo = server({one.look: one for one in service.looks(network)}, max_size=256), encoded()
    plain, own, other = (send(client, photo, **asked) for asked in ({}, {"size": network.size}, {"size": 192}))
    assert plain.content == own.content != other.content and other.status_code == 200
    by_json = client.post(ROUTE, json=words(photo, size=192)).json()
    assert base64.b64decode(by_json["image"]) == other.content
    assert send(client, photo).content == plain.content  # no request changes the next one's
    for wrong in (63, 257, 10**9, -1, "x", 192.5):
        answer = send(client, photo, size=wrong)
        assert answer.status_code == 422 and answer.json()["error"].startswith("size: ")
    assert client.post(ROUTE, json=words(photo, size="192")).status_code == 422
    content = client.get("/openapi.json").json()["paths"][ROUTE]["post"]["requestBody"]["content"]
    for kind in content.values():
        number = next(one for one in kind["schema"]["properties"]["size"]["anyOf"] if one["type"] == "integer")
        assert (number["minimum"], number["maximum"]) == (64, 256)


def test_a_network_of_one_size_takes_no_other(server):
    answer = server().post(ROUTE, json=words(encoded(), size=64))
    assert answer.status_code == 422 and answer.json()["error"].startswith("size: ")


def test_hints_color_their_places_in_a_form_and_in_json(server):
    client, photo = server(), encoded()
    hint = {"x": 60, "y": 40, "color": "#20c020"}
    answer = client.post(ROUTE, json=words(photo, hints=[hint]))
    assert answer.status_code == 200, answer.text
    by_form = send(client, photo, hints=json.dumps([hint | {"reach": 1.0}]))
    assert base64.b64decode(answer.json()["image"]) == by_form.content
    red, green, _ = np.asarray(opened(by_form.content).convert("RGB")).astype(int)[40, 60]
    plain = np.asarray(opened(send(client, photo).content).convert("RGB")).astype(int)[40, 60]
    assert green > red + 20 and green - red > plain[1] - plain[0]
    for hints, parts in (
        ([hint | {"x": 500}], ["120 x 80", "500"]),
        ([hint | {"color": "green"}], ["hints.0.color"]),
        ([hint | {"more": 1}], ["hints.0.more"]),
        ([hint] * 201, ["hints", "200"]),
    ):
        refused = client.post(ROUTE, json=words(photo, hints=hints))
        assert refused.status_code == 422 and all(part in refused.json()["error"] for part in parts), refused.text
    assert send(client, photo, hints="[{").json()["error"].startswith("hints: a list in JSON")


@pytest.mark.parametrize("data", [SVG, HTML, b"", b"text", encoded()[:200]])
def test_what_is_no_photo_never_comes_back(server, data):
    for content_type in ("image/png", "image/svg+xml", "text/html"):
        answer = server().post(ROUTE, files={"file": ("x.png", data, content_type)})
        assert answer.status_code == 422 and answer.headers["content-type"] == "application/json"
        assert "script" not in answer.text and answer.json()["error"]


def test_wrong_requests_say_what_is_wrong(server):
    client, photo = server(), encoded()
    asked = [
        (send(client, photo, look="pink", strength="2", more="1"), 422, ["look", "strength", "more", "Received: '2'"]),
        (client.post(ROUTE, json=words(photo, strength="1")), 422, ["strength", "number"]),
        (client.post(ROUTE, json=words(photo, quality=0)), 422, ["quality"]),
        (client.post(ROUTE, json={"image": "not base64!"}), 422, ["base64"]),
        (client.post(ROUTE, json=[1]), 422, ["JSON object"]),
        (client.post(ROUTE, content=b"[" * 100_000, headers={"content-type": "application/json"}), 400, ["no JSON"]),
        (client.post(ROUTE, content=b"{", headers={"content-type": "application/json"}), 400, ["no JSON"]),
        (client.post(ROUTE, content=b"\xff{", headers={"content-type": "application/json"}), 400, ["no JSON"]),
        (client.post(ROUTE, content=b"hi", headers={"content-type": "multipart/form-data"}), 400, ["no form"]),
        (
            client.post(ROUTE, content=b"hi", headers={"content-type": "multipart/form-data; boundary=x"}),
            400,
            ["no form"],
        ),
        (client.post(ROUTE, files={"other": ("a.png", photo)}), 422, ["'file'", "Received: 'other'"]),
        (client.post(ROUTE, files=[("file", ("a.png", photo))] * 2), 400, ["no form", "Too many files"]),
        (client.post(ROUTE, data={"file": "text"}), 415, ["multipart/form-data"]),
        (client.post(ROUTE, content=photo, headers={"content-type": "image/png"}), 415, ["Received: 'image/png'"]),
        (client.get(ROUTE), 405, ["Method Not Allowed"]),
        (client.get("/etc/passwd"), 404, ["Not Found"]),
        (send(client, encoded(size=(400, 300))), 422, ["too large", "0.1"]),
    ]
    for answer, status, parts in asked:
        assert answer.status_code == status, answer.text
        assert all(part in answer.json()["error"] for part in parts), answer.text


def test_large_bodies_are_refused_with_and_without_a_length(server):
    client, large = server(max_bytes=1000), b"x" * 300_000
    assert send(client, large).status_code == 413
    chunked = client.post(ROUTE, content=iter([large[:150_000]] * 4), headers={"content-type": "application/json"})
    assert chunked.status_code == 413
    assert send(client, b"x" * 1001).status_code == 413  # the form is small enough, the photo is not
    assert "200 " not in client.get("/metrics").text.partition("colorizer_answers_total")[2]


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/json"])
def test_a_request_that_waits_holds_its_photo_once(kind):
    data, held = b"x" * 6_000_000, []
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + data + b"\r\n--x--\r\n"
    if kind == "application/json":
        body = json.dumps(words(data)).encode()
    parts = [body[start : start + 60_000] for start in range(0, len(body), 60_000)][::-1]
    bodies = limits.Bodies(10**8, 10**8)
    del body, data

    class Stub:
        def colorize(self, data, _):
            # The thread that read the body lets go of it when it runs again, a moment later.
            wait_until(lambda: tracemalloc.get_traced_memory()[0] < 8_000_000)
            held.append(bodies.held)
            return worker.Picture(b"", "image/png", 1, 1, ())

    async def receive():
        if not parts:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": bytes(bytearray(parts.pop())), "more_body": bool(parts)}

    async def scene():
        model, queue = options.model_for([]), Queue(1, 0, 60)
        desk = api.Desk(Stub(), queue, bodies, model, 10**8)
        scope = {"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())]}
        answer, _ = await desk.answer(Request(scope, receive))
        assert answer.status_code == 200
        queue.close()

    tracemalloc.start()
    try:
        asyncio.run(scene())
    finally:
        tracemalloc.stop()
    assert held == [6_000_000]
    assert bodies.held == 0


def test_a_flood_of_names_is_refused_in_a_short_answer(server):
    client = server(max_bytes=10**7)
    many = {f"{number:x}": 1 for number in range(100_000)}
    flood = [
        client.post(ROUTE, json=words(b"", **many)),
        client.post(ROUTE, json=words(b"", hints=[many])),
        send(client, encoded(), hints=json.dumps([dict(list(many.items())[:50_000])])),
    ]
    for answer in flood:
        assert answer.status_code == 422 and "too many values: at most 820. Received: " in answer.text
    answer = client.post(ROUTE, json=words(b"", **dict.fromkeys(("x" * 10_000 + key for key in list(many)[:500]), 1)))
    lines = answer.json()["error"].split("\n")
    assert answer.status_code == 422 and len(answer.content) < 2000
    assert len(lines) == 11 and lines[-1] == "490 more values are wrong."


def test_nothing_is_left_on_the_disk(server):
    client = server()
    seen = []
    colorize = client.worker.colorizers[None].colorize

    class Looks:
        def colorize(self, photo, strength, hints):
            seen.extend(path.name for path in client.folder.iterdir())
            return colorize(photo, strength, hints=hints)

    client.worker.colorizers = {None: Looks()}
    assert send(client, encoded(), "secret-name.png").status_code == 200
    assert send(client, b"no photo", "secret-name.png").status_code == 422
    assert len(seen) == 1 and "secret" not in seen[0]
    assert list(client.folder.iterdir()) == []


def test_a_full_queue_answers_503_and_when_to_come_again(server):
    client = server(workers=1, waiting=1)
    entered, leave = threading.Semaphore(0), threading.Event()
    colorize = client.worker.colorize

    def slow(data, options):
        entered.release()
        assert leave.wait(30)
        return colorize(data, options)

    client.worker.colorize = slow
    answers = []
    crowd = [threading.Thread(target=lambda: answers.append(send(client, encoded()))) for _ in range(2)]
    for thread in crowd:
        thread.start()
    assert entered.acquire(timeout=30)
    wait_until(lambda: client.get("/healthz").json()["requests"] == 2)
    refused = send(client, encoded())
    assert refused.status_code == 503 and int(refused.headers["retry-after"]) >= 1
    assert "full" in refused.json()["error"]
    leave.set()
    for thread in crowd:
        thread.join(30)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert send(client, encoded()).status_code == 200
    assert client.get("/healthz").json() == {"status": "ok", "version": "0.1.0", "requests": 0}


def test_a_monitor_may_ask_for_the_head_alone(server):
    for path in ("/healthz", "/metrics"):
        answer = server().head(path)
        assert answer.status_code == 200 and not answer.content


def test_a_request_that_takes_too_long_is_given_up(server):
    client = server(workers=1, seconds=0.3)
    leave = threading.Event()
    client.worker.colorize = lambda data, options: leave.wait(30)
    answer = send(client, encoded())
    assert answer.status_code == 503 and "retry-after" in answer.headers and "time" in answer.json()["error"]
    assert client.get("/healthz").json()["requests"] == 1  # its thread is still taken
    leave.set()
    wait_until(lambda: client.get("/healthz").json()["requests"] == 0)


def test_no_memory_and_no_disk_are_503_not_errors(server, monkeypatch):
    client = server()
    monkeypatch.setattr(worker.memory, "shortage", lambda need: "not enough memory")
    assert send(client, encoded()).status_code == 503
    monkeypatch.undo()
    monkeypatch.setattr(
        worker.photos, "write", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    answer = send(client, encoded())
    assert answer.status_code == 503 and "No space left" in answer.json()["error"]
    assert list(client.folder.iterdir()) == []


def test_a_mistake_of_the_server_is_json_without_details_and_counted(server, monkeypatch):
    client = server()
    for error, status in ((ZeroDivisionError("a secret"), 500), (MemoryError(), 503)):
        monkeypatch.setattr(worker.photos, "write", lambda *_, error=error, **__: (_ for _ in ()).throw(error))
        answer = send(client, encoded())
        assert answer.status_code == status and "secret" not in answer.json()["error"]
        assert f'colorizer_answers_total{{status="{status}"}} 1.0' in client.get("/metrics").text
    assert list(client.folder.iterdir()) == []


def test_other_websites_and_foreign_names_are_refused(server):
    client, photo = server(), encoded()
    for headers in ({"host": "evil.example"}, {"origin": "https://evil.example"}, {"origin": "http://["}):
        answer = client.post(ROUTE, files={"file": ("a.png", photo)}, headers=headers)
        assert answer.status_code == 403 and answer.json()["error"]
        assert "access-control-allow-origin" not in answer.headers
    assert client.get("/metrics", headers={"host": "evil.example"}).status_code == 403
    assert client.post(ROUTE, files={"file": ("a.png", photo)}, headers={"origin": "http://127.0.0.1"}).is_success


def test_numbers_count_answers_and_pixels(server):
    client = server()
    send(client, encoded())
    send(client, b"no photo")
    lines = client.get("/metrics")
    assert lines.headers["content-type"].startswith("text/plain")
    for line in ('colorizer_answers_total{status="200"} 1.0', 'colorizer_answers_total{status="422"} 1.0'):
        assert line in lines.text
    assert f"colorizer_pixels_total {float(120 * 80)}" in lines.text
    assert "colorizer_seconds_count 1.0" in lines.text and "process_resident_memory_bytes" in lines.text


def test_the_description_page_asks_no_other_machine(server):
    client = server()
    page = client.get("/docs").text
    assert "swagger" in page and "//" not in page.replace("http://127.0.0.1", "").replace("//cdn.none", "")
    schema = client.get("/openapi.json").json()
    content = schema["paths"][ROUTE]["post"]["requestBody"]["content"]
    assert set(content) == {"multipart/form-data", "application/json"}
    assert content["application/json"]["schema"]["additionalProperties"] is False
    for path in ("/static-offline-docs/../../../../../etc/passwd", "/static-offline-docs/%2e%2e/core.py"):
        assert client.get(path).status_code in (404, 405)
