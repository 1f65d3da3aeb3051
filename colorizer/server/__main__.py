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
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from colorizer import cli
from colorizer.app import server_flags, storage
from colorizer.cli import colorize
from colorizer.errors import ColorizerError

PROG = "python -m colorizer serve"
PACKAGES = ("fastapi", "uvicorn", "fastapi_offline", "prometheus_client", "multipart")  # of the extra [serve]
KEEP_ALIVE = 5  # seconds that an idle connection stays open


def parse(argv: list[str] | None = None, prog: str = PROG) -> argparse.Namespace:
    """The typed flags; exits with 2 where one of them is wrong."""
    parser = cli.Parser(prog, description=__doc__)
    add = parser.add_argument
    server_flags.add_address(parser, port=8000)
    add(
        "--weights",
        metavar="NAME|FILE",
        help="a run's folder or weights file (default: $COLORIZER_WEIGHTS, else the shipped ones)",
    )
    colorize.add_network(parser)
    add(
        "--max-size",
        type=int,
        default=512,
        metavar="N",
        help="largest --size that a request may ask for (default: %(default)s)",
    )
    add("--page", action="store_true", help="show the web page at / as well (extra [app])")
    add("--workers", type=int, default=2, metavar="N", help="photos read and written at once (default: %(default)s)")
    add("--queue", type=int, default=32, metavar="N", help="requests that may wait (default: %(default)s)")
    add("--max-seconds", type=float, default=60, metavar="N", help="time for a request (default: %(default)s)")
    server_flags.add_limits(parser)
    flags = parser.parse_args(argv)
    server_flags.check_numbers(parser, flags, "workers", "max_seconds")
    if flags.queue < 0:
        parser.error(f"--queue is 0 or more. Received: {flags.queue}")
    colorize.check_size(parser, flags.max_size, "--max-size")
    return flags


def main(argv: list[str] | None = None, prog: str = PROG) -> int:
    """Flags -> network -> a server, until Ctrl-C or SIGTERM; returns the exit status."""
    flags = parse(argv, prog)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    for name in ("python_multipart", "colorizer.photos"):  # what they remark about a request stands in its answer
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        cli.require_packages(dict.fromkeys(PACKAGES, "serve") | ({"gradio": "app"} if flags.page else {}))
        server_flags.check(flags, [flags.weights] if flags.weights else None)
        with storage.private_folder() as folder:
            _run(flags, folder)
    except ColorizerError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def _run(flags: argparse.Namespace, folder: Path) -> None:
    """Loads the network and serves until a signal."""
    storage.use(folder)
    from colorizer.server.application import application

    serve(flags, application(flags, folder))


def serve(flags: argparse.Namespace, app) -> None:
    """Listens until SIGINT or SIGTERM, then answers what has begun.

    Args:
        flags: of `parse`.
        app: the ASGI application, a `limits.Gate`.

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
    server = _server(config, lambda: server_flags.say_address(flags, "serves", "the server"), app.end)
    try:
        server.run()
    except SystemExit as error:  # uvicorn's way of saying that it cannot listen
        raise server_flags.cannot_listen(flags) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _server(config, say_ready: Callable[[], None], end: Callable[[], None]):
    """A uvicorn server that calls `say_ready` when it can be used, and `end` when it begins to end."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets=None) -> None:
            await super().startup(sockets)
            if self.started:
                say_ready()

        async def shutdown(self, sockets=None) -> None:
            end()
            await super().shutdown(sockets)

    return Server(config)


if __name__ == "__main__":
    sys.exit(main())
