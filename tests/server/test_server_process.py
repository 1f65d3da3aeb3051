"""The server as a process: flags, the page beside the API, a signal in the middle of the work."""

import asyncio
import importlib.util
import json
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest
from conftest import REPOSITORY, draw_picture, free_port, wait_until
from page_server import start as start_process
from PIL import Image
from test_colorize import run  # noqa: F401  (a fixture: a run's folder with one color everywhere)

from colorizer.server import __main__ as command

NEEDED = 'pip install -e ".[serve,app]" -c constraints.txt'


def require(*names):
    """Skips where packages of the server are not installed, without importing them."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: {NEEDED}")


def post(address, photo: bytes, name="a.png"):
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    request = urllib.request.Request(f"{address}/v1/colorize", head + photo + b"\r\n--x--\r\n", headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def fetch(address, path):
    """The bytes at a path of the server, or the status it is refused with."""
    try:
        with urllib.request.urlopen(f"{address}{path}", timeout=30) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def png(path, size=(120, 80)) -> bytes:
    Image.fromarray(draw_picture(1, size[1], size[0])).save(path)
    return path.read_bytes()


def test_the_mounted_page_works_after_everything_old_is_swept_and_forgets_visitors(tmp_path, run, monkeypatch):  # noqa: F811
    require(*command.PACKAGES, "gradio")
    from fastapi import FastAPI

    from colorizer.app import page, service, storage
    from colorizer.inference.colorizer import Colorizer
    from colorizer.server import application

    benches, make, folder = [], service.Workbench, tmp_path / "folder"
    folder.mkdir()
    monkeypatch.setattr(service, "Workbench", lambda *words: benches.append(make(*words)) or benches[0])
    monkeypatch.setattr(service, "examples", lambda folder: [])  # as without scikit-image
    app = FastAPI()

    async def mount():  # without a loop Gradio begins one and leaves it open
        application.add_page(app, {None: Colorizer.load(run, "none")}, command.parse(["--page"]), folder)

    asyncio.run(mount())
    storage.sweep(folder, folder / "examples", -1)
    png(tmp_path / "picture.png")
    assert benches[0].colorize([tmp_path / "picture.png"], "Colors", 1).report == "1 of 1 colorized"
    assert app.routes[-1].app.state_holder.capacity == page.SESSIONS <= 1000  # of 80 kB each


def test_the_api_refuses_in_its_own_form_beside_the_page(tmp_path, run, monkeypatch):  # noqa: F811
    require(*command.PACKAGES, "gradio", "httpx")
    from starlette.testclient import TestClient

    from colorizer.app import service
    from colorizer.inference.colorizer import Colorizer
    from colorizer.server import api, application
    from colorizer.server.worker import Worker

    monkeypatch.setattr(service, "examples", lambda folder: [])  # as without scikit-image
    colorizers = {None: Colorizer.load(run, "none")}
    app = api.build(Worker(colorizers, tmp_path, 10**6), api.Settings())

    async def mount():
        application.add_page(app, colorizers, command.parse(["--page"]), tmp_path)

    asyncio.run(mount())
    client = TestClient(app, base_url="http://127.0.0.1")
    for path in ("/v1", "/v1/nothing", "/v1/colorize/nothing"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (404, {"error": "Not Found"}), path
    for path, method in (("/v1/colorize", "GET"), ("/v1/colorize", "PUT"), ("/healthz", "POST"), ("/metrics", "PUT")):
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()) == (405, {"error": "Method Not Allowed"}), path
        assert answer.headers["allow"]
    assert client.get("/config").json()["title"] == "Colorizer"
    assert "gradio" in client.get("/").text


def test_page_and_api_in_one_process_and_a_graceful_end(request, tmp_path):
    require(*command.PACKAGES, "gradio")
    words = ["--page", "--workers", "1", "--max-seconds", "600"]
    process, address = start_process(tmp_path, *words, command="serve", ready="serves on")
    request.addfinalizer(process.kill)
    visitor = urllib.request.urlopen(f"{address}/gradio_api/heartbeat/visitor", timeout=120)  # as an open page does
    request.addfinalizer(visitor.close)
    assert visitor.readline() == b"data: ALIVE\n"
    photo = png(tmp_path / "picture.png", (4000, 3000))
    assert json.loads(fetch(address, "/config"))["title"] == "Colorizer"
    for path in ("/gradio_api/file=/etc/passwd", "/gradio_api/file=README.md", "/..%2f..%2fetc/passwd", "/README.md"):
        assert fetch(address, path) in (400, 403, 404), path
    answers = []
    clients = [threading.Thread(target=lambda: answers.append(post(address, photo))) for _ in range(3)]
    for client in clients:
        client.start()
    wait_until(lambda: json.loads(fetch(address, "/healthz"))["requests"] + len(answers) == 3)
    assert len(answers) < 3
    process.send_signal(signal.SIGTERM)
    for client in clients:
        client.join(60)
    assert process.wait(60) == 0
    assert len(answers) == 3 and all(answer[:4] == b"\x89PNG" for answer in answers)
    assert not list(tmp_path.glob("colorizer-*"))  # nothing of anybody is left
    text = (tmp_path / "log").read_text()
    assert "Traceback" not in text, text
    (tmp_path / "out.png").write_bytes(answers[0])
    assert np.asarray(Image.open(tmp_path / "out.png")).shape == (3000, 4000, 3)


@pytest.mark.parametrize(
    "words, said",
    [
        (["--port", "0"], "--port lies between 1 and 65535. Received: 0"),
        (["--workers", "0"], "--workers is more than 0. Received: 0"),
        (["--max-seconds", "nan"], "--max-seconds is more than 0. Received: nan"),
        (["--max-seconds", "inf"], "--max-seconds is a finite number. Received: inf"),
        (["--queue", "-1"], "--queue is 0 or more. Received: -1"),
    ],
)
def test_wrong_flags_end_with_2(words, said, capsys):
    with pytest.raises(SystemExit) as stop:
        command.parse(words)
    assert stop.value.code == 2 and said in capsys.readouterr().err


def test_missing_weights_and_a_taken_port_are_said_before_keras_is_loaded(tmp_path, capsys):
    import socket

    require(*command.PACKAGES)
    assert command.main(["--weights", str(tmp_path / "none"), "--port", str(free_port())]) == 2
    assert "Weights are a run's folder" in capsys.readouterr().err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert command.main(["--port", str(taken.getsockname()[1])]) == 2
    assert "cannot listen on 127.0.0.1" in capsys.readouterr().err


def test_missing_packages_are_named_with_their_extra(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert command.main(["--page"]) == 2
    assert '".[app,serve]"' in capsys.readouterr().err


def test_the_server_imports_no_backend_and_no_plots_by_itself():
    for name in command.PACKAGES:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: {NEEDED}")
    code = "import sys, colorizer.server.application; heavy = {'keras', 'tensorflow', 'jax', 'torch', 'pandas', "
    code += "'matplotlib', 'skimage', 'gradio'}; print(sorted(heavy & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
