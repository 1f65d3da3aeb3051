"""Twenty people use the web page for a minute: errors, photographs a minute, memory of the server.

    python -m benchmarks.app_load --classifier FILE.keras
    python -m benchmarks.app_load --users 20 --seconds 60 --weights results/runs/NAME

Starts the page on this computer, and as many threads as users. Each uploads a photograph of its own,
waits for its turn, downloads the result at full size, checks it, and begins again. Prints one line of JSON.
Exit status: 0 no error and memory flat; 1 otherwise. "Flat" is less than 5 % between the first half's
largest resident set, after everybody's first photograph, and the second half's.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

GROWTH = 1.05  # of the resident set; more is not called flat


class User(threading.Thread):
    """One person: uploads, waits, downloads, until `until`.

    Args:
        address: the page's.
        number: makes the photograph differ from everybody else's.
        until: `time.monotonic()` after which nothing new is begun.
        label: the method.
    """

    def __init__(self, address: str, number: int, until: float, label: str):
        super().__init__()
        self.address, self.until, self.label = address, until, label
        self.seconds, self.errors = [], []
        coarse = np.random.default_rng(number).integers(0, 256, (6, 8), np.uint8)
        self.shape = (600 + number, 800)
        jpeg = io.BytesIO()
        Image.fromarray(cv2.resize(coarse, self.shape[::-1], interpolation=cv2.INTER_CUBIC)).save(jpeg, "JPEG")
        self.photo = jpeg.getvalue()

    def run(self):
        """Colorizes one photograph after the other."""
        while time.monotonic() < self.until:
            began = time.monotonic()
            try:
                self.colorize()
            except Exception as error:  # whatever it is, it counts
                self.errors.append(f"{type(error).__name__}: {error}")
            self.seconds.append(time.monotonic() - began)

    def colorize(self):
        """One photograph, there and back."""
        head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="old.jpg"\r\n\r\n'
        path = json.loads(self.ask("upload", head + self.photo + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"))
        data = [[{"path": path[0], "meta": {"_type": "gradio.FileData"}}], self.label, 1]
        event = json.loads(self.ask("call/colorize", json.dumps({"data": data}).encode()))["event_id"]
        said = self.ask(f"call/colorize/{event}").decode()
        if "event: complete" not in said:
            raise RuntimeError(f"the page answered {said[-200:]!r}")
        download = json.loads(said.rpartition("event: complete\ndata: ")[2].strip())[1]["value"]["path"]
        with Image.open(io.BytesIO(self.ask(f"file={download}"))) as image:
            if np.asarray(image).shape != (*self.shape, 3):
                raise RuntimeError(f"sent {self.shape}, got back {image.size[::-1]}")

    def ask(self, path: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
        """The answer to a request; raises where it is an error."""
        request = urllib.request.Request(f"{self.address}/gradio_api/{path}", body, {"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.read()


def resident(pid: int) -> float:
    """The resident set of a process in MB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1000


def measure(address: str, pid: int, users: int, seconds: float) -> dict:
    """Lets the users in and watches the server's memory; returns what the benchmark prints."""
    with urllib.request.urlopen(f"{address}/config", timeout=60) as answer:
        parts = json.loads(answer.read())["components"]
    label = next(part["props"]["value"] for part in parts if part["type"] == "radio")
    began = time.monotonic()
    crowd = [User(address, number, began + seconds, label) for number in range(users)]
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
    half = (settled or 0) + (len(memory) - (settled or 0)) // 2
    first, second = max(memory[settled or 0 : half]), max(memory[half:])
    return {
        "users": users,
        "seconds": round(time.monotonic() - began, 1),
        "photos": len(taken) - len(errors),
        "errors": errors[:5],
        "median_wait_s": round(taken[len(taken) // 2], 1),
        "longest_wait_s": round(taken[-1], 1),
        "resident_mb_first_half": round(first),
        "resident_mb_second_half": round(second),
        "flat": second < first * GROWTH,
    }


def main(argv=None) -> int:
    """Starts the page, measures, ends it; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--port", type=int, default=7861)
    flags, others = parser.parse_known_args(argv)  # the others are the page's: --weights, --classifier
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "log", "w+", encoding="utf-8") as log:
        command = [sys.executable, "-m", "colorizer", "app", "--port", str(flags.port), *others]
        server = subprocess.Popen(
            command, env=os.environ | {"TMPDIR": folder}, stdout=log, stderr=subprocess.STDOUT, text=True
        )
        while "listens on" not in Path(log.name).read_text():
            if server.poll() is not None:
                sys.exit(Path(log.name).read_text())
            time.sleep(0.2)
        try:
            found = measure(f"http://127.0.0.1:{flags.port}", server.pid, flags.users, flags.seconds)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
        found["files_left"] = len(list(Path(folder).glob("colorizer-*")))
    print(json.dumps(found))
    return 1 if found["errors"] or not found["flat"] or found["files_left"] else 0


if __name__ == "__main__":
    sys.exit(main())
