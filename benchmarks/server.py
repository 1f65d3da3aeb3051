"""Fifty users of the HTTP server for a minute: errors, waiting times, memory.

    python -m benchmarks.server
    python -m benchmarks.server --users 50 --seconds 60 --queue 8

Starts the server on this computer with two workers, and as many threads as users. Each sends a photo of its own,
checks what comes back, and begins again; after a 503 it waits for `Retry-After` seconds. Prints one line of JSON.
Exit status: 0 where there was no error but 503, and memory stayed flat; 1 otherwise. See `benchmarks.crowd`.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request

from benchmarks import crowd

ROUTE = "/v1/colorize"


class Client(crowd.User):
    """One program that sends photos in a form."""

    def colorize(self) -> float | None:
        """One photo, there and back; seconds to wait where the server is full, else None."""
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        request = urllib.request.Request(self.address + ROUTE, self.form("file"), headers)
        try:
            with urllib.request.urlopen(request, timeout=crowd.TIMEOUT) as answer:
                self.check(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 503:
                    raise
                self.refusals += 1
                return float(error.headers["Retry-After"])
        return None


def main(argv=None) -> int:
    """Starts the server, measures, ends it; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    flags, others = parser.parse_known_args(argv)  # the others are the server's: --weights, --workers, --queue
    measured = crowd.run(["serve", *others], "serves on", Client, flags.users, flags.seconds)
    print(json.dumps(measured))
    return crowd.exit_status(measured)


if __name__ == "__main__":
    sys.exit(main())
