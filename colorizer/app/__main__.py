"""The web page: drop photographs, compare before and after, download them at full size.

    python -m colorizer app                                 http://127.0.0.1:7860, for this computer alone
    python -m colorizer app --weights shipped runs/mine     a choice of networks
    python -m colorizer app --host 0.0.0.0 --port 8000      for everybody who can reach this computer

Nothing is sent anywhere else. Uploads and results lie in one temporary folder. They are removed after
`--keep-minutes`, and all of them when the page ends (Ctrl-C).
Exit status: 0 ended; 2 wrong usage, a port that is taken, or a missing package, weights or classifier.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path

from colorizer import cli
from colorizer.app import security, storage
from colorizer.cli import colorize
from colorizer.errors import ColorizerError, UsageError

PROG = "python -m colorizer app"
TITLE = "Colorizer"
OPEN_TO_ALL = (
    "Warning: everybody who can reach this computer can use the page and its disk space; there is no password and no "
    "encryption. Other names than this computer's own need --allow-host NAME."
)


def parse(argv: list[str] | None = None, prog: str = PROG) -> argparse.Namespace:
    """The typed flags; exits with 2 where one of them is wrong."""
    parser = cli.Parser(prog, description=__doc__)
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s, this computer alone)")
    add("--port", type=int, default=7860, help="the port to listen on (default: %(default)s)")
    add("--allow-host", nargs="+", default=[], metavar="NAME", help="further names that a browser may use for it")
    add(
        "--weights",
        nargs="+",
        metavar="NAME|FILE",
        help="runs to choose from, or shipped (the default)",
    )
    add("--classifier", metavar="NAME|FILE", help="source of the class vector (default: the one used in training)")
    add(
        "--engine",
        choices=("keras", "onnx"),
        help="runs the network (default: onnx where the weights have it)",
    )
    add("--size", type=int, metavar="N", help="what the network sees: about NxN pixels (default: the weights' own)")
    add("--max-megabytes", type=float, default=50, metavar="N", help="largest file (default: %(default)s)")
    add("--max-megapixels", type=float, default=100, metavar="N", help="largest photo (default: %(default)s)")
    add("--max-gigabytes", type=float, default=1, metavar="N", help="largest sum of all uploads (default: %(default)s)")
    add(
        "--keep-minutes",
        type=float,
        default=60,
        metavar="N",
        help="a file is removed after N (default: %(default)s)",
    )
    flags = parser.parse_args(argv)
    require_positive(parser, flags, "max_megabytes", "max_megapixels", "max_gigabytes", "keep_minutes")
    colorize.check_size(parser, flags.size)
    if not 1 <= flags.port <= 65535:
        parser.error(f"--port lies between 1 and 65535. Received: {flags.port}")
    return flags


def require_positive(parser: argparse.ArgumentParser, flags: argparse.Namespace, *names: str) -> None:
    """Exits with 2 where a number is not more than 0, or is infinite."""
    for name in names:
        value, flag = getattr(flags, name), f"--{name.replace('_', '-')}"
        if not value > 0:
            parser.error(f"{flag} is more than 0. Received: {value}")
        if value == float("inf"):
            parser.error(f"{flag} is a finite number. Received: {value}")


def main(argv: list[str] | None = None, prog: str = PROG) -> int:
    """Flags -> networks -> a page in a temporary folder, until Ctrl-C; returns the exit status."""
    flags = parse(argv, prog)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    if importlib.util.find_spec("gradio") is None:
        print(
            f"{prog}: the page needs Gradio, which is not installed. In a clone of this repository:\n"
            '    pip install -e ".[app]" -c constraints.txt',
            file=sys.stderr,
        )
        return 2
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        check(flags)
        with storage.private_folder() as folder:
            _run(flags, folder, stop)
    except ColorizerError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def check(flags: argparse.Namespace) -> None:
    """Looks for the port, the weights and the classifier, without loading a backend.

    Args:
        flags: of `parse`.

    Raises:
        UsageError: the page cannot listen there.
        WeightsError, ClassifierError: a file does not exist.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(flags.host.strip("[]"), flags.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as free:
            if os.name != "nt":
                free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(address)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {flags.host}, port {flags.port}: {error.strerror or error}. "
            f"Perhaps another page is running there: open it, or choose another port: --port {flags.port % 65535 + 1}"
        ) from error
    for name in flags.weights or [None]:
        named = {"weights": name, "classifier": flags.classifier, "engine": flags.engine, "size": flags.size}
        colorize.check_files(argparse.Namespace(**named, look=None, format=None))


def _run(flags: argparse.Namespace, folder: Path, stop: threading.Event) -> None:
    """Loads networks and serves the page until `stop` is set."""
    # Gradio reads these when it is imported: uploads go into this folder, and nothing is reported to anybody.
    os.environ |= {"GRADIO_TEMP_DIR": str(folder), "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    tempfile.tempdir = str(folder)
    from colorizer.app import page, service
    from colorizer.weights import DEFAULT

    networks = service.load_networks(flags.weights or [DEFAULT], flags.classifier, flags.engine, flags.size)
    # Results are copies of uploads: they may take as much again.
    max_bytes = int(flags.max_gigabytes * storage.GIGABYTE)
    bench = service.Workbench(networks, folder, int(flags.max_megapixels * 1e6), 2 * max_bytes)
    examples = service.examples(folder / "examples")
    limits = security.Limits(folder, max_bytes, flags.keep_minutes)
    try:
        serve(flags, page.build(bench, examples), limits, stop)
    finally:
        bench.close()  # else a photo that is being colorized would be written after the folder is removed


def serve(flags: argparse.Namespace, blocks, limits: security.Limits, stop: threading.Event) -> None:
    """Listens until `stop` is set, and removes old files meanwhile.

    Args:
        flags: of `parse`.
        blocks: the page, a `gradio.Blocks`.
        limits: of uploads; their folder is swept.
        stop: ends it.

    Raises:
        UsageError: the page cannot listen there.
    """
    from starlette.middleware import Middleware

    from colorizer.app import page

    guard = Middleware(security.Guard, hosts=security.own_names(flags.host, flags.allow_host), limits=limits)
    try:
        blocks.launch(
            server_name=flags.host,
            server_port=flags.port,
            max_file_size=int(flags.max_megabytes * storage.MEGABYTE),
            app_kwargs={"middleware": [guard]},
            # Gradio remembers every visitor, about 80 kB each; one who is forgotten only loses the list of results.
            state_session_capacity=200,
            share=False,
            prevent_thread_lock=True,
            quiet=True,
            **page.settings(),
        )
    except OSError as error:
        raise UsageError(f"cannot listen on {flags.host}, port {flags.port}. Choose another: --port N") from error
    host = flags.host.strip("[]")
    host = f"[{host}]" if ":" in host else host
    print(f"{TITLE} listens on http://{host}:{flags.port}  (Ctrl-C ends it)", flush=True)
    if not security.is_private(flags.host):
        print(OPEN_TO_ALL, file=sys.stderr, flush=True)
    try:
        while not stop.wait(min(60, flags.keep_minutes * 30)):
            storage.sweep(limits.folder, limits.folder / "examples", flags.keep_minutes * 60)
    finally:
        blocks.close(verbose=False)


if __name__ == "__main__":
    sys.exit(main())
