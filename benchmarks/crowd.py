"""Users of a server for a while: each sends one photo after the other; errors, waiting times, the server's memory."""

from __future__ import annotations

import abc
import io
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

GROWTH = 1.05  # of the resident set; more is not called flat
LEAST_WAIT = 0.05  # seconds after an answer
AFTER_ERROR = 1.0  # seconds
SAMPLE_EVERY = 0.5  # seconds between looks at the server's memory
TIMEOUT = 300  # seconds for one answer


class User(threading.Thread, abc.ABC):
    """One user, who sends photos until a time. A subclass says how, in `colorize`.

    Args:
        address: the server's.
        number: makes the photo differ from everybody else's.
        until: `time.monotonic()` after which nothing new is begun.

    Attributes:
        seconds: of each photo that came back.
        refusals: how often the server was full.
        errors: one line for each.
    """

    def __init__(self, address: str, number: int, until: float):
        super().__init__()
        self.address, self.until = address, until
        self.seconds: list[float] = []
        self.errors: list[str] = []
        self.refusals = 0
        coarse = np.random.default_rng(number).integers(0, 256, (6, 8), np.uint8)
        self.shape = (600 + number, 800)
        jpeg = io.BytesIO()
        Image.fromarray(cv2.resize(coarse, self.shape[::-1], interpolation=cv2.INTER_CUBIC)).save(jpeg, "JPEG")
        self.photo = jpeg.getvalue()

    def form(self, field: str) -> bytes:
        """The photo as the body of a form with the boundary x."""
        head = f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="old.jpg"\r\n\r\n'
        return head.encode() + self.photo + b"\r\n--x--\r\n"

    def run(self) -> None:
        """Colorizes one photo after the other."""
        while time.monotonic() < self.until:
            began = time.monotonic()
            try:
                wait = self.colorize()
            except Exception as error:  # whatever it is, it counts
                self.errors.append(f"{type(error).__name__}: {error}")
                wait = AFTER_ERROR
            else:
                if wait is None:
                    self.seconds.append(time.monotonic() - began)
            time.sleep(min(wait or LEAST_WAIT, max(0.0, self.until - time.monotonic())))

    @abc.abstractmethod
    def colorize(self) -> float | None:
        """One photo, there and back; seconds to wait where the server is full, else None."""

    def check(self, data: bytes) -> None:
        """Raises a `RuntimeError` where a file that came back is not this user's photo in color."""
        with Image.open(io.BytesIO(data)) as image:
            if np.asarray(image).shape != (*self.shape, 3):
                raise RuntimeError(f"sent {self.shape}, got back {image.size[::-1]}")


def resident_mb(pid: int) -> float:
    """The resident set of a process in MB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1000


def measure(users: Sequence[User], pid: int) -> dict:
    """Lets the users in and watches the server's memory.

    Args:
        users: not started.
        pid: the server's process.

    Returns:
        What the benchmarks print. Memory is `flat` where the largest resident set of the second half is less than
        5 % above that of the first half, which begins after everybody's first photo.
    """
    began = time.monotonic()
    for user in users:
        user.start()
    memory, settled = [], None
    while any(user.is_alive() for user in users):
        time.sleep(SAMPLE_EVERY)
        memory.append(resident_mb(pid))
        if settled is None and all(user.seconds for user in users):
            settled = len(memory)
    elapsed = time.monotonic() - began
    seconds = sorted(second for user in users for second in user.seconds) or [float("nan")]
    errors = [error for user in users for error in user.errors]
    start = settled if settled and settled < len(memory) - 2 else len(memory) // 3
    half = start + (len(memory) - start) // 2
    first, second = max(memory[start:half], default=memory[0]), max(memory[half:])
    photos = sum(len(user.seconds) for user in users)
    return {
        "users": len(users),
        "seconds": round(elapsed, 1),
        "photos": photos,
        "photos_per_second": round(photos / elapsed, 1),
        "refusals_503": sum(user.refusals for user in users),
        "errors": len(errors),
        "first_errors": errors[:5],
        "median_s": round(seconds[len(seconds) // 2], 2),
        "p95_s": round(seconds[int(0.95 * (len(seconds) - 1))], 2),
        "longest_s": round(seconds[-1], 2),
        "resident_mb_first_half": round(first),
        "resident_mb_second_half": round(second),
        "flat": second < first * GROWTH,
    }


def run(command: Sequence[str], ready: str, user: type[User], users: int, seconds: float) -> dict:
    """Starts a server, lets users in, ends it.

    Args:
        command: what follows `python -m colorizer`, without `--port`.
        ready: what the server prints when it can be used.
        user: the users' class.
        users: how many.
        seconds: how long each sends.

    Returns:
        What `measure` returns, with the server's `exit_status` and the number of folders that it left behind.
    """
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "log", "w+", encoding="utf-8") as log:
        words = [sys.executable, "-m", "colorizer", *command, "--port", str(port)]
        environment = os.environ | {"TMPDIR": folder}
        server = subprocess.Popen(words, env=environment, stdout=log, stderr=subprocess.STDOUT, text=True)
        while ready not in Path(log.name).read_text():
            if server.poll() is not None:
                sys.exit(Path(log.name).read_text())
            time.sleep(0.2)
        address, until = f"http://127.0.0.1:{port}", time.monotonic() + seconds
        try:
            measured = measure([user(address, number, until) for number in range(users)], server.pid)
        finally:
            server.send_signal(signal.SIGTERM)
            status = server.wait(120)
        return measured | {"exit_status": status, "files_left": len(list(Path(folder).glob("colorizer-*")))}


def free_port() -> int:
    """A port of this computer that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def exit_status(measured: dict) -> int:
    """0 where there was no error, memory was flat, nothing was left behind and the server ended well; else 1."""
    failed = measured["errors"] or not measured["flat"] or measured["files_left"] or measured["exit_status"]
    return 1 if failed else 0
