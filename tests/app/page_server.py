"""The web page as a process of its own, as `python -m colorizer app` starts it."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from conftest import REPOSITORY, free_port

INSTALL = 'pip install -e ".[app,browser]" -c constraints.txt'
SCREENSHOTS = os.environ.get("COLORIZER_SCREENSHOTS")  # a folder: docs/ when the page has changed


def start(folder, *words, command="app", ready="listens on"):
    """The process of the page, or of another server, listening; returns it and its address."""
    port = free_port()
    line = [sys.executable, "-m", "colorizer", command, "--port", str(port), *map(str, words)]
    with open(folder / "log", "w", encoding="utf-8") as log:
        environment = os.environ | {"TMPDIR": str(folder)}
        process = subprocess.Popen(line, cwd=REPOSITORY, env=environment, stdout=log, stderr=subprocess.STDOUT)
    for _ in range(1200):
        text = (folder / "log").read_text()
        if ready in text:
            return process, f"http://127.0.0.1:{port}"
        assert process.poll() is None, text
        time.sleep(0.1)
    raise AssertionError(text)


@pytest.fixture(scope="module")
def page(run, tmp_path_factory):
    """A page with one network and small limits: its address, and the folder its temporary folder is in."""
    if importlib.util.find_spec("gradio") is None:
        pytest.skip(f"Gradio is not installed: {INSTALL}")
    folder = tmp_path_factory.mktemp("page")
    words = ["--weights", run, "--max-megabytes", "0.5", "--max-megapixels", "1"]
    if SCREENSHOTS:
        words = []  # pictures for docs/ show the shipped network
    process, address = start(folder, *words)
    yield address, folder
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    log = (folder / "log").read_text()
    assert "Traceback" not in log and "not offered" not in log, log
    assert not list(folder.glob("colorizer-*"))  # nothing of anybody is left


def answer_of(address, path="/", method="GET", body=None, **headers):
    """Status, text and headers of an answer, whatever they are."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"{address}{path}", body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode("utf-8", "replace"), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace"), error.headers
