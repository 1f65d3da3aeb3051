"""Requests that are refused before Gradio sees them: of other websites, to unused endpoints, with too large bodies."""

from __future__ import annotations

import errno
import ipaddress
import json
import logging
import os
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from colorizer.app.storage import MEGABYTE, used_bytes

logger = logging.getLogger(__name__)

API = "/gradio_api"
# The endpoints that the page and clients of its API post to. Gradio has more, which nobody needs here.
POSTS = ("upload", "queue/join", "call/colorize", "call/v2/colorize", "reset", "cancel")
MAX_BODY = 2**20  # bytes of any request but an upload
HEADERS = {
    # Gradio's page has its settings in an inline script and styles inline; nothing is loaded from elsewhere.
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class Refusal(NamedTuple):
    """Why a request is refused.

    Attributes:
        status: HTTP status, 4xx.
        text: one sentence for the user.
    """

    status: int
    text: str


class Limits(NamedTuple):
    """How much the page takes.

    Attributes:
        folder: where uploads go.
        total_bytes: of everything in `folder`, before an upload is refused. One upload brings at most half of it.
        keep_minutes: after which files are removed; said in the refusal.
    """

    folder: Path
    total_bytes: int
    keep_minutes: float


class Names:
    """Keeps other websites out: a request names this server, and no page of another one makes it.

    Args:
        hosts: names under which the server may be reached; addresses in numbers always may.
    """

    def __init__(self, hosts: Iterable[str]):
        self.hosts = frozenset(map(str.lower, hosts))

    def refusal(self, headers: Mapping[str, str]) -> Refusal | None:
        """Why a request is refused by its headers, with names in lower case; None where it is not."""
        if not self.is_own(headers.get("host", "")):
            name = _hostname(headers.get("host", ""))
            return Refusal(
                403, f"This page is not known as {name!r}. Whoever runs it can allow that: --allow-host NAME"
            )
        origin = headers.get("origin")
        if origin is not None and not self._same_site(origin, headers):
            return Refusal(403, "Requests of other websites are refused.")
        return None

    def is_own(self, host: str) -> bool:
        """Whether a Host header names this server: one of `hosts`, or an address in numbers.

        A page of somebody else whose name points here (DNS rebinding) has a name, never a number.
        """
        name = _hostname(host)
        return name in self.hosts or _is_number(name)

    def _same_site(self, origin: str, headers: Mapping[str, str]) -> bool:
        """Whether a request comes from a page of this server."""
        try:
            place = urlsplit(origin).netloc
        except ValueError:  # "http://["
            return False
        if place.lower() == headers["host"].lower():
            return True
        # A proxy may change the port of a name. On this computer another port is another website.
        name = _hostname(place)
        return name in self.hosts and name != "localhost" and not _is_number(name)


class Guard:
    """ASGI middleware around Gradio.

    Args:
        app: the ASGI application behind it.
        hosts: names under which the page may be reached; addresses in numbers always may.
        limits: see `Limits`.
    """

    def __init__(self, app, hosts: Iterable[str], limits: Limits):
        self.app, self.names, self.limits = app, Names(hosts), limits
        self._coming = 0  # bytes of uploads that are being received

    async def __call__(self, scope, receive, send) -> None:
        """Answers a request, or passes it on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self.refusal(scope, headers)
        size = int(headers.get("content-length", 0)) if not refusal else 0
        if not refusal and scope["method"] == "POST" and _endpoint(scope) != "upload":
            receive, refusal = await self._checked_body(receive)
        if refusal:
            if refusal.status == 413:
                await _discard(receive, 2 * self.limits.total_bytes)
            await _answer(send, refusal, scope["type"] == "websocket")
            return
        started = False

        async def send_with_headers(message):
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                present = {name.lower() for name, _ in message.get("headers", ())}
                extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = message | {
                    "headers": [*message.get("headers", ()), *(pair for pair in extra if pair[0] not in present)]
                }
            await send(message)

        self._coming += size
        try:
            await self.app(scope, receive, send_with_headers)
        except (ValueError, KeyError, TypeError, LookupError, OSError) as error:
            # What Gradio raises for requests that no page of its own makes.
            logger.info("refused: %s: %r", scope["path"], error)
            full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
            if not started:
                text = "The disk of this page is full: try again later." if full else "This request cannot be answered."
                await _answer(send, Refusal(413 if full else 400, text))
        finally:
            self._coming -= size

    def refusal(self, scope, headers: dict[str, str]) -> Refusal | None:
        """Why a request is refused by its first lines; None where it is not."""
        if scope["type"] != "http":
            return Refusal(403, "The page has no web sockets.")
        if refusal := self.names.refusal(headers):
            return refusal
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return None
        endpoint = _endpoint(scope)
        if scope["method"] != "POST" or endpoint not in POSTS:
            return Refusal(404, "There is no such endpoint.")
        length = headers.get("content-length", "")
        if not length.isdigit():
            return Refusal(411, "The request must say its length.")
        return self._too_large(int(length), endpoint == "upload")

    def _too_large(self, size: int, upload: bool) -> Refusal | None:
        if not upload:
            return Refusal(413, f"The request is too large: at most {MAX_BODY} bytes.") if size > MAX_BODY else None
        total = self.limits.total_bytes
        if size > total // 2:
            return Refusal(413, f"Too many bytes at once: {_mb(size)}; the limit is {_mb(total // 2)}.")
        free = max(0, total - used_bytes(self.limits.folder) - self._coming)
        if size > free:
            return Refusal(
                413,
                f"The page has no room for {_mb(size)} now, {_mb(free)} are free. "
                f"Files are removed after {self.limits.keep_minutes:g} minutes: try again later.",
            )
        return None

    def _is_ours(self, kind: str, text: str) -> bool:
        """Whether a file in a request, by "path" or "url", lies in the page's folder."""
        if kind == "url":
            address = urlsplit(text)
            if address.scheme and not self.names.is_own(address.netloc):
                return False
            before, _, text = unquote(address.path).partition(f"{API}/file=")
            return not before and _is_inside(text, self.limits.folder)
        return _is_inside(text, self.limits.folder)

    async def _checked_body(self, receive):
        """Reads a body, JSON by any type; returns a `receive` that gives it again, and a refusal or None."""
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return receive, Refusal(400, "The request ended early.")
            body += message.get("body", b"")
            if len(body) > MAX_BODY:
                return receive, Refusal(413, f"The request is too large: at most {MAX_BODY} bytes.")
            if not message.get("more_body"):
                break
        refusal = None
        try:
            if not all(self._is_ours(*file) for file in _files(json.loads(body))):
                refusal = Refusal(403, "Only uploaded files can be colorized.")
        except (ValueError, RecursionError):
            refusal = Refusal(400, "The request is not JSON.")
        given = False

        async def receive_again():
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        return receive_again, refusal


def own_names(host: str, allowed: Iterable[str]) -> list[str]:
    """The names under which a page on `host` may be reached.

    Args:
        host: the address it listens on.
        allowed: other names, of `--allow-host`.

    Returns:
        Lower-case names: localhost, `host`, `allowed`; where everybody can reach the page, this computer's name too.
    """
    names = ["localhost", host.strip("[]"), *allowed]
    if not is_private(host):
        names += [socket.gethostname(), f"{socket.gethostname()}.local"]
    return [name.lower() for name in names]


def is_private(host: str) -> bool:
    """Whether a page on this address can be reached from this computer alone."""
    name = host.strip("[]")
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _mb(size: int) -> str:
    return f"{size / MEGABYTE:.0f} MB"


def _hostname(host: str) -> str:
    """ "Example.com:80" -> "example.com", "[::1]:80" -> "::1"."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _is_number(name: str) -> bool:
    """Whether a host name is an address in numbers, IPv4 or IPv6."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _endpoint(scope) -> str:
    """The path below Gradio's API, without slashes around it; "" for other paths."""
    path = scope["path"]
    return path.removeprefix(API).strip("/") if path.startswith(f"{API}/") else ""


def _files(value) -> Iterable[tuple[str, str]]:
    """Everything in a JSON value that Gradio would take for a file: ("path" or "url", text) pairs."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name in ("path", "url") and isinstance(item, str) and item:
                yield name, item
            else:
                yield from _files(item)
    elif isinstance(value, list):
        for item in value:
            yield from _files(item)


def _is_inside(path: str, folder: Path) -> bool:
    """Whether a path lies below the folder."""
    try:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    except ValueError:  # a zero byte
        return False


async def _answer(send, refusal: Refusal, websocket: bool = False) -> None:
    """Answers with a refusal, as text: Gradio's page shows it."""
    if websocket:
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.text})
        return
    body = refusal.text.encode()
    headers = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body)), "connection": "close"}
    pairs = [(name.encode(), value.encode()) for name, value in (headers | HEADERS).items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


async def _discard(receive, limit: int) -> None:
    """Reads a refused body and forgets it: a browser shows no answer that comes before its upload has ended."""
    while limit > 0:
        message = await receive()
        limit -= len(message.get("body", b"")) + 1
        if message["type"] != "http.request" or not message.get("more_body"):
            return
