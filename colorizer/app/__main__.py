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
import logging
import signal
import sys
import threading
from pathlib import Path

from colorizer import cli
from colorizer.app import security, server_flags, storage
from colorizer.cli import colorize
from colorizer.errors import ColorizerError

PROG = "python -m colorizer app"


def parse(argv: list[str] | None = None, prog: str = PROG) -> argparse.Namespace:
    """The typed flags; exits with 2 where one of them is wrong."""
    parser = cli.Parser(prog, description=__doc__)
    server_flags.add_address(parser, port=7860)
    parser.add_argument(
        "--weights",
        nargs="+",
        metavar="NAME|FILE",
        help="runs to choose from (default: $COLORIZER_WEIGHTS, else the shipped ones)",
    )
    colorize.add_network(parser)
    server_flags.add_limits(parser)
    flags = parser.parse_args(argv)
    server_flags.check_numbers(parser, flags)
    return flags


def main(argv: list[str] | None = None, prog: str = PROG) -> int:
    """Flags -> networks -> a page in a temporary folder, until Ctrl-C; returns the exit status."""
    flags = parse(argv, prog)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("colorizer.photos").setLevel(logging.ERROR)  # its notes stand on the page; visitors' names do not
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        cli.require_packages({"gradio": "app"})
        server_flags.check(flags, flags.weights)
        with storage.private_folder() as folder:
            _run(flags, folder, stop)
    except ColorizerError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def _run(flags: argparse.Namespace, folder: Path, stop: threading.Event) -> None:
    """Loads networks and serves the page until `stop` is set."""
    storage.use(folder)
    from colorizer.app import page, service
    from colorizer.weights import DEFAULT

    networks = service.load_networks(flags.weights or [DEFAULT], flags.classifier, flags.engine, flags.size)
    # Results are copies of uploads: they may take as much again.
    max_bytes = int(flags.max_gigabytes * storage.GIGABYTE)
    pixels, clip_pixels = int(flags.max_megapixels * 1e6), int(flags.max_clip_gigapixels * 1e9)
    bench = service.Workbench(networks, folder, pixels, 2 * max_bytes, clip_pixels)
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
            server_name=server_flags.in_address(flags.host),
            server_port=flags.port,
            max_file_size=int(flags.max_megabytes * storage.MEGABYTE),
            app_kwargs={"middleware": [guard]},
            state_session_capacity=page.SESSIONS,
            share=False,
            prevent_thread_lock=True,
            quiet=True,
            **page.settings(),
        )
    except OSError as error:
        raise server_flags.cannot_listen(flags) from error
    server_flags.say_address(flags, "listens", "the page and its disk space")
    try:
        while not stop.wait(min(60, flags.keep_minutes * 30)):
            storage.sweep(limits.folder, limits.folder / "examples", flags.keep_minutes * 60)
    finally:
        blocks.close(verbose=False)


if __name__ == "__main__":
    sys.exit(main())
