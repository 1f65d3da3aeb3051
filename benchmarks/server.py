"""Fifty users of the HTTP server for a minute: errors, waiting times, memory.

    python -m benchmarks.server
    python -m benchmarks.server --users 50 --seconds 60 --queue 8

Starts the server on this computer with two workers, and as many threads as users. Each sends a photo of its own,
checks what comes back, and begins again; after a 503 it waits for `Retry-After` seconds. Prints one line of JSON.
Exit status: 0 where there was no error but 503, and memory stayed flat; 1 otherwise. "Flat" is less than 5 % between
the largest resident set of the first half, after everybody's first photo, and that of the second half.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.app_load import GROWTH, resident

ROUTE = "/v1/colorize"
LEAST_WAIT = 0.05  # seconds after an answer


class User(threading.Thread):
    """One program that sends photos until a time.

    Args:
        address: the server's.
        number: makes the photo differ from everybody else's.
        until: `time.monotonic()` after which nothing new is begun.
    """

    def __init__(self, address: str, number: int, until: float):
        super().__init__()
        self.address, self.until = address, until
        self.seconds, self.refusals, self.errors = [], 0, []
        coarse = np.random.default_rng(number).integers(0, 256, (6, 8), np.uint8)
        self.shape = (600 + number, 800)
        jpeg = io.BytesIO()
        Image.fromarray(cv2.resize(coarse, self.shape[::-1], interpolation=cv2.INTER_CUBIC)).save(jpeg, "JPEG")
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="old.jpg"\r\n\r\n'
        self.body = head + jpeg.getvalue() + b"\r\n--x--\r\n"

    def run(self):
        """Colorizes one photo after the other."""
        while time.monotonic() < self.until:
            began = time.monotonic()
            try:
                wait = self.colorize()
            except Exception as error:  # whatever it is, it counts
                self.errors.append(f"{type(error).__name__}: {error}")
                wait = 1.0
            else:
                if wait is None:
                    self.seconds.append(time.monotonic() - began)
            time.sleep(min(wait or LEAST_WAIT, max(0.0, self.until - time.monotonic())))

    def colorize(self) -> float | None:
        """One photo, there and back; seconds to wait where the server is full, else None."""
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        request = urllib.request.Request(self.address + ROUTE, self.body, headers)
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                data = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 503:
                    raise
                self.refusals += 1
                return float(error.headers["Retry-After"])
        with Image.open(io.BytesIO(data)) as image:
            if np.asarray(image).shape != (*self.shape, 3):
                raise RuntimeError(f"sent {self.shape}, got back {image.size[::-1]}")
        return None


def measure(address: str, pid: int, users: int, seconds: float) -> dict:
    """Lets the users in and watches the server's memory.

    Args:
        address: the server's.
        pid: its process.
        users: how many.
        seconds: how long each sends.

    Returns:
        What the benchmark prints.
    """
    began = time.monotonic()
    crowd = [User(address, number, began + seconds) for number in range(users)]
    for user in crowd:
        user.start()
    memory, settled = [], None
    while any(user.is_alive() for user in crowd):
        time.sleep(0.5)
        memory.append(resident(pid))
        if settled is None and all(user.seconds for user in crowd):
            settled = len(memory)
    taken = sorted(second for user in crowd for second in user.seconds)
    errors = [error for user in crowd for error in user.errors]
    start = settled if settled and settled < len(memory) - 2 else len(memory) // 3
    half = start + (len(memory) - start) // 2
    first, second = max(memory[start:half]), max(memory[half:])
    elapsed = time.monotonic() - began
    return {
        "users": users,
        "seconds": round(elapsed, 1),
        "photos": len(taken),
        "photos_per_second": round(len(taken) / elapsed, 1),
        "refusals_503": sum(user.refusals for user in crowd),
        "errors": len(errors),
        "first_errors": errors[:5],
        "median_s": round(taken[len(taken) // 2], 2),
        "p95_s": round(taken[int(0.95 * (len(taken) - 1))], 2),
        "longest_s": round(taken[-1], 2),
        "resident_mb_first_half": round(first),
        "resident_mb_second_half": round(second),
        "flat": second < first * GROWTH,
    }


def main(argv=None) -> int:
    """Starts the server, measures, ends it; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    flags, others = parser.parse_known_args(argv)  # the others are the server's: --weights, --workers, --queue
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "log", "w+", encoding="utf-8") as log:
        command = [sys.executable, "-m", "colorizer", "serve", "--port", str(port), *others]
        server = subprocess.Popen(
            command, env=os.environ | {"TMPDIR": folder}, stdout=log, stderr=subprocess.STDOUT, text=True
        )
        while "serves on" not in Path(log.name).read_text():
            if server.poll() is not None:
                sys.exit(Path(log.name).read_text())
            time.sleep(0.2)
        try:
            found = measure(f"http://127.0.0.1:{port}", server.pid, flags.users, flags.seconds)
        finally:
            server.send_signal(signal.SIGTERM)
            status = server.wait(120)
        found |= {"exit_status": status, "files_left": len(list(Path(folder).glob("colorizer-*")))}
    print(json.dumps(found))
    return 1 if found["errors"] or not found["flat"] or found["files_left"] or status else 0


if __name__ == "__main__":
    sys.exit(main())
