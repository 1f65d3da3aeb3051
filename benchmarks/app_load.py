"""Twenty people use the web page for a minute: errors, waiting times, memory of the server.

    python -m benchmarks.app_load
    python -m benchmarks.app_load --users 20 --seconds 60 --weights results/runs/NAME --classifier FILE.keras

Starts the page on this computer, and as many threads as users. Each uploads a photograph of its own,
waits for its turn, downloads the result at full size, checks it, and begins again. Prints one line of JSON.
Exit status: 0 no error and memory flat; 1 otherwise. See `benchmarks.crowd`.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import urllib.request

from benchmarks import crowd


class Visitor(crowd.User):
    """One person with a browser: uploads, waits for the page's turn, downloads."""

    def colorize(self) -> None:
        """One photograph, there and back."""
        (path,) = json.loads(self.ask("upload", self.form("files"), "multipart/form-data; boundary=x"))
        data = [[{"path": path, "meta": {"_type": "gradio.FileData"}}], self.label, 1]
        event = json.loads(self.ask("call/colorize", json.dumps({"data": data}).encode()))["event_id"]
        answer = self.ask(f"call/colorize/{event}").decode()
        if "event: complete" not in answer:
            raise RuntimeError(f"the page answered {answer[-200:]!r}")
        download = json.loads(answer.rpartition("event: complete\ndata: ")[2].strip())[1]["value"]["path"]
        self.check(self.ask(f"file={download}"))

    @functools.cached_property
    def label(self) -> str:
        """The look that the page offers first."""
        with urllib.request.urlopen(f"{self.address}/config", timeout=crowd.TIMEOUT) as answer:
            parts = json.loads(answer.read())["components"]
        return next(part["props"]["value"] for part in parts if part["type"] == "radio")

    def ask(self, path: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
        """The answer to a request; raises where it is an error."""
        request = urllib.request.Request(f"{self.address}/gradio_api/{path}", body, {"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=crowd.TIMEOUT) as answer:
            return answer.read()


def main(argv=None) -> int:
    """Starts the page, measures, ends it; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    flags, others = parser.parse_known_args(argv)  # the others are the page's: --weights, --classifier
    measured = crowd.run(["app", *others], "listens on", Visitor, flags.users, flags.seconds)
    print(json.dumps(measured))
    return crowd.exit_status(measured)


if __name__ == "__main__":
    sys.exit(main())
