"""A web server on this machine that breaks off, fails and lies on demand, and an empty cache to download into."""

import hashlib
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from colorizer.data import download


class Handler(BaseHTTPRequestHandler):
    """Serves `server.body`; the first entries of `server.plan` say what goes wrong with the first requests."""

    def do_GET(self):
        server, body = self.server, self.server.body
        way = server.plan.pop(0) if server.plan else "well"
        asked = self.headers["Range"]
        server.ranges.append(asked)
        if isinstance(way, int):
            self.send_error(way)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and way != "no range" else 0
        if start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if asked and way != "no range" else 200)
        if asked and way != "no range":
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        rest = body[start:]
        self.wfile.write(bytes(len(rest)) if way == "wrong" else rest[: len(rest) // 2] if way in HALF else rest)
        if way == "hang":
            self.wfile.flush()
            server.stopped.wait(20)

    def log_message(self, *args):
        pass


HALF = ("cut", "hang", "no range, cut")


@pytest.fixture
def server(monkeypatch):
    """A web server on this machine with a file of 300,000 random bytes."""
    monkeypatch.setattr(download, "_BACKOFF", 0)
    monkeypatch.setenv("no_proxy", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.body, server.plan, server.ranges, server.stopped = os.urandom(300_000), [], [], threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}/file.zip"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.stopped.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """An empty cache, and no data named by the environment."""
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COLORIZER_DATA", raising=False)
    return tmp_path / "cache"


def md5(body):
    return hashlib.md5(body).hexdigest()


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())
