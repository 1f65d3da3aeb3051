"""The flags that the page and the HTTP server share, and what is checked and said of them."""

from __future__ import annotations

import argparse
import errno
import os
import socket
import sys
from collections.abc import Sequence

from colorizer.app import security
from colorizer.cli import colorize
from colorizer.errors import UsageError

TITLE = "Colorizer"
LIMITS = ("max_megabytes", "max_megapixels", "max_clip_gigapixels", "max_gigabytes", "keep_minutes")


def add_address(parser: argparse.ArgumentParser, port: int) -> None:
    """Adds the flags that say where to listen.

    Args:
        parser: gets them.
        port: the default.
    """
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s, this computer alone)")
    add("--port", type=int, default=port, help="the port to listen on (default: %(default)s)")
    add("--allow-host", nargs="+", default=[], metavar="NAME", help="further names under which others reach it")


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that bound files and how long they stay."""
    add = parser.add_argument
    add("--max-megabytes", type=float, default=50, metavar="N", help="size of a file (default: %(default)s)")
    add("--max-megapixels", type=float, default=100, metavar="N", help="size of a photo (default: %(default)s)")
    add(
        "--max-clip-gigapixels",
        type=float,
        default=2,
        metavar="N",
        help="size of a clip on the page: pixels of a frame, at least 640x480, times frames (default: %(default)s)",
    )
    add("--max-gigabytes", type=float, default=1, metavar="N", help="size of all files together (default: %(default)s)")
    add(
        "--keep-minutes",
        type=float,
        default=60,
        metavar="N",
        help="age at which the page removes a file (default: %(default)s)",
    )


def check_numbers(parser: argparse.ArgumentParser, flags: argparse.Namespace, *more: str) -> None:
    """Exits with 2 where a number of the shared flags is out of range.

    Args:
        parser: of the flags.
        flags: with those of `add_address`, `add_limits` and `colorize.add_network`.
        more: names of other flags that are above 0 and finite.
    """
    for name in (*LIMITS, *more):
        value, flag = getattr(flags, name), f"--{name.replace('_', '-')}"
        if not value > 0:
            parser.error(f"{flag} is more than 0. Received: {value}")
        if value == float("inf"):
            parser.error(f"{flag} is a finite number. Received: {value}")
    if not 1 <= flags.port <= 65535:
        parser.error(f"--port lies between 1 and 65535. Received: {flags.port}")
    colorize.check_size(parser, flags.size)


def check(flags: argparse.Namespace, weights: Sequence[str] | None) -> None:
    """Looks for the port, the weights and the classifier, without loading a backend.

    Args:
        flags: with those of `add_address` and `colorize.add_network`.
        weights: runs or weights files; empty or None for the shipped ones.

    Raises:
        UsageError: nothing can listen there.
        WeightsError, ClassifierError: a file does not exist.
        EngineError: the engine is not installed or cannot compute these weights.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(flags.host.strip("[]"), flags.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as free:
            if os.name != "nt":
                free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(address)
    except OSError as error:
        reason = f"cannot listen on {flags.host}, port {flags.port}: {error.strerror or error}."
        raise UsageError(f"{reason} {_advice(error, flags.port)}".rstrip()) from error
    for name in weights or [None]:
        named = {"weights": name, "classifier": flags.classifier, "engine": flags.engine, "size": flags.size}
        colorize.check_files(argparse.Namespace(**named, look=None, format=None))


def _advice(error: OSError, port: int) -> str:
    """What to do where nothing can listen on a port; "" for causes that have no name here."""
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return "--host is an address of this computer, as in --host 127.0.0.1"
    if error.errno == errno.EADDRINUSE:
        return f"Perhaps another page is running there: open it, or choose another port: --port {port % 65535 + 1}"
    return "Choose a port above 1023, as in --port 7860" if error.errno == errno.EACCES else ""


def cannot_listen(flags: argparse.Namespace) -> UsageError:
    """The error of a port that was free when it was checked, and is not any more."""
    return UsageError(f"cannot listen on {flags.host}, port {flags.port}. Choose another: --port N")


def in_address(host: str) -> str:
    """A host as it stands in an address: "::1" -> "[::1]"."""
    host = host.strip("[]")
    return f"[{host}]" if ":" in host else host


def say_address(flags: argparse.Namespace, verb: str, shared: str) -> None:
    """Prints the address, and a warning where others than this computer reach it.

    Args:
        flags: with those of `add_address`.
        verb: "listens" or "serves".
        shared: what everybody can use, for the warning.
    """
    print(f"{TITLE} {verb} on http://{in_address(flags.host)}:{flags.port}  (Ctrl-C ends it)", flush=True)
    if not security.is_private(flags.host):
        print(
            f"Warning: everybody who can reach this computer can use {shared}; there is no password and no "
            "encryption. Other names than this computer's own need --allow-host NAME.",
            file=sys.stderr,
            flush=True,
        )
