"""What the benchmarks of the page and of the server count."""

import http.server
import os
import threading
import time

import pytest

from benchmarks import crowd, server


class Answers(http.server.BaseHTTPRequestHandler):
    """Refuses the first photo, sends a wrong picture for the second, then each photo as it came."""

    count = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        photo = body.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n--x--\r\n")
        type(self).count += 1
        if self.count == 1:
            self.send_response(503)
            self.send_header("Retry-After", "0")
        else:
            self.send_response(200)
        self.end_headers()
        self.wfile.write(b"no picture" if self.count == 2 else photo)

    def log_message(self, *_):
        pass


@pytest.fixture
def address():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_refusals_errors_and_photos_are_counted_apart(address, monkeypatch):
    monkeypatch.setattr(crowd, "AFTER_ERROR", 0.01)
    monkeypatch.setattr(crowd, "SAMPLE_EVERY", 0.05)
    user = server.Client(address, 0, until=time.monotonic() + 1)
    monkeypatch.setattr(user, "check", lambda data: data.startswith(b"\xff\xd8") or 1 / 0)  # the photo itself is gray
    measured = crowd.measure([user], os.getpid())
    assert (measured["refusals_503"], measured["errors"]) == (1, 1) and measured["photos"] >= 1
    assert measured["photos"] == Answers.count - 2
    assert measured["first_errors"] == ["ZeroDivisionError: division by zero"]


def test_a_picture_of_another_size_is_an_error():
    small, large = (server.Client("", number, 0) for number in (0, 1))
    with pytest.raises(RuntimeError, match=r"sent \(601, 800\), got back \(600, 800\)"):
        large.check(small.photo)


@pytest.mark.parametrize("wrong", [{"errors": 1}, {"flat": False}, {"files_left": 1}, {"exit_status": 1}])
def test_the_exit_status_is_1_where_something_is_wrong(wrong):
    right = {"errors": 0, "flat": True, "files_left": 0, "exit_status": 0}
    assert crowd.exit_status(right) == 0 and crowd.exit_status(right | wrong) == 1
