"""The HTTP server: one photo a request, in a form or in JSON; one network for all.

    python -m colorizer serve                        http://127.0.0.1:8000, for this computer alone
    curl -F file=@old.jpg http://127.0.0.1:8000/v1/colorize -o new.jpg
    python -m colorizer serve --page                 with the web page (extra [app])

http://127.0.0.1:8000/docs describes the API. Nothing is sent anywhere else, and no photo is kept.
Exit status: 0 ended (Ctrl-C, SIGTERM; requests that have begun are answered); 2 wrong usage, a port that is taken,
or a missing package, weights or classifier.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import signal
import sys
import tempfile
from pathlib import Path

from colorizer import cli
from colorizer.app import security, storage
from colorizer.app.__main__ import check, require_positive
from colorizer.cli import colorize
from colorizer.errors import ColorizerError, UsageError

PROG = "python -m colorizer serve"
NEEDED = {"fastapi": "serve", "uvicorn": "serve", "fastapi_offline": "serve", "prometheus_client": "serve"}
NEEDED |= {"multipart": "serve"}
OPEN_TO_ALL = (
    "Warning: everybody who can reach this computer can use the server; there is no password and no encryption. "
    "Other names than this computer's own need --allow-host NAME."
)
KEEP_ALIVE = 5  # seconds that an idle connection stays open


def parse(argv: list[str] | None = None, prog: str = PROG) -> argparse.Namespace:
    """The typed flags; exits with 2 where one of them is wrong."""
    parser = cli.Parser(prog, description=__doc__)
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s, this computer alone)")
    add("--port", type=int, default=8000, help="the port to listen on (default: %(default)s)")
    add("--allow-host", nargs="+", default=[], metavar="NAME", help="further names that a browser may use for it")
    add("--weights", metavar="NAME|FILE", help="a run's folder or weights file (default: the shipped weights)")
    add("--classifier", metavar="NAME|FILE", help="source of the class vector (default: the one used in training)")
    add(
        "--engine",
        choices=("keras", "onnx"),
        help="runs the network (default: onnx where the weights have it)",
    )
    add("--size", type=int, metavar="N", help="what the network sees: about NxN pixels (default: the weights' own)")
    add(
        "--max-size",
        type=int,
        default=512,
        metavar="N",
        help="largest size of a request (default: %(default)s)",
    )
    add("--page", action="store_true", help="show the web page at / as well (extra [app])")
    add("--workers", type=int, default=2, metavar="N", help="photos read and written at once (default: %(default)s)")
    add("--queue", type=int, default=32, metavar="N", help="requests that may wait (default: %(default)s)")
    add("--max-megabytes", type=float, default=50, metavar="N", help="largest file (default: %(default)s)")
    add("--max-megapixels", type=float, default=100, metavar="N", help="largest photo (default: %(default)s)")
    add("--max-gigabytes", type=float, default=1, metavar="N", help="all requests together (default: %(default)s)")
    add("--max-seconds", type=float, default=60, metavar="N", help="longest request (default: %(default)s)")
    add(
        "--keep-minutes",
        type=float,
        default=60,
        metavar="N",
        help="a file of the page is removed after N (default: %(default)s)",
    )
    flags = parser.parse_args(argv)
    names = ("workers", "max_megabytes", "max_megapixels", "max_gigabytes", "max_seconds", "keep_minutes")
    require_positive(parser, flags, *names)
    if flags.queue < 0:
        parser.error(f"--queue is 0 or more. Received: {flags.queue}")
    if not 1 <= flags.port <= 65535:
        parser.error(f"--port lies between 1 and 65535. Received: {flags.port}")
    colorize.check_size(parser, flags.size)
    colorize.check_size(parser, flags.max_size, "--max-size")
    return flags


def main(argv: list[str] | None = None, prog: str = PROG) -> int:
    """Flags -> network -> a server, until Ctrl-C or SIGTERM; returns the exit status."""
    flags = parse(argv, prog)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    for name in ("python_multipart", "colorizer.photos"):  # what they remark about a request stands in its answer
        logging.getLogger(name).setLevel(logging.ERROR)
    extras = sorted({extra for name, extra in _needed(flags).items() if importlib.util.find_spec(name) is None})
    if extras:
        print(
            f"{prog}: packages are missing. In a clone of this repository:\n"
            f'    pip install -e ".[{",".join(extras)}]" -c constraints.txt',
            file=sys.stderr,
        )
        return 2
    try:
        check(argparse.Namespace(**vars(flags) | {"weights": [flags.weights] if flags.weights else None}))
        with storage.private_folder() as folder:
            _run(flags, folder)
    except ColorizerError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def _needed(flags: argparse.Namespace) -> dict[str, str]:
    """The packages that the flags need, and the extra that brings each."""
    return NEEDED | ({"gradio": "app"} if flags.page else {})


def _run(flags: argparse.Namespace, folder: Path) -> None:
    """Loads the network and serves until a signal."""
    # Gradio reads these when it is imported: uploads go into this folder, and nothing is reported to anybody.
    os.environ |= {"GRADIO_TEMP_DIR": str(folder), "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    tempfile.tempdir = str(folder)
    from colorizer.server.application import application

    serve(flags, application(flags, folder))


def serve(flags: argparse.Namespace, app) -> None:
    """Listens until SIGINT or SIGTERM, then answers what has begun.

    Args:
        flags: of `parse`.
        app: the ASGI application.

    Raises:
        UsageError: the server cannot listen there.
    """
    import uvicorn

    # uvicorn ends well at these signals and then raises them again, for whoever had them before.
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    config = uvicorn.Config(
        app,
        host=flags.host.strip("[]"),
        port=flags.port,
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=round(flags.max_seconds) + 1,
    )
    server = _Server(config)
    try:
        server.run()
    except SystemExit as error:  # uvicorn's way of saying that it cannot listen
        raise UsageError(f"cannot listen on {flags.host}, port {flags.port}. Choose another: --port N") from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _Server(config):
    """A uvicorn server that says on one line when it can be used."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets=None) -> None:
            await super().startup(sockets)
            if self.started:
                host = config.host if ":" not in config.host else f"[{config.host}]"
                print(f"Colorizer serves on http://{host}:{config.port}  (Ctrl-C ends it)", flush=True)
                if not security.is_private(config.host):
                    print(OPEN_TO_ALL, file=sys.stderr, flush=True)

    return Server(config)


if __name__ == "__main__":
    sys.exit(main())
