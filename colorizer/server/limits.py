"""What every request passes through: names of this server only, bodies of a bounded size and time, safe headers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterable

from starlette.requests import ClientDisconnect, Request

from colorizer.app.security import Names, Refusal
from colorizer.server.options import Refused
from colorizer.server.work_queue import Busy

# A picture, JSON or text can do nothing in a browser; the page of the API's description needs its own script.
SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
}
PAGE = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGES = ("/docs", "/redoc", "/static-offline-docs")
HELD_SECONDS = 5  # after which photos that are held now may be done
DRAIN_SECONDS = 5  # in which a refused body is read: many clients show no answer that comes before they have sent all


class Gate:
    """ASGI middleware around the API.

    Args:
        app: the ASGI application behind it.
        hosts: names under which the server may be reached; addresses in numbers always may.
        own: paths that begin so are the API's; others bring their own headers.

    Attributes:
        end: a function to call when the server begins to end, before it waits for its connections.
    """

    def __init__(self, app, hosts: Iterable[str], own: tuple[str, ...]):
        self.app, self.names, self.own = app, Names(hosts), own
        self.end: Callable[[], None] = lambda: None

    async def __call__(self, scope, receive, send) -> None:
        """Answers a request, or passes it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        is_own = scope["path"] == "/" or scope["path"].startswith(self.own)
        extra = SAFE | ({"content-security-policy": PAGE} if scope["path"].startswith(PAGES) else {}) if is_own else {}

        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message.get("headers", ())}
                pairs = [(name.encode(), value.encode()) for name, value in extra.items()]
                message = message | {
                    "headers": [*message.get("headers", ()), *(p for p in pairs if p[0] not in present)]
                }
            await send(message)

        if refusal := self.names.refusal(headers):
            await _answer(send_with_headers, refusal)
            return
        await self.app(scope, receive, send_with_headers)


class Held:
    """What is held of one request: its body as it comes, later the photo in it.

    Args:
        bodies: whose number of held bytes counts this request.
    """

    def __init__(self, bodies: Bodies):
        self.bodies, self.body, self.size = bodies, bytearray(), 0

    def take(self) -> bytes:
        """The body. It is kept here no longer, but counts until `count` says otherwise."""
        body, self.body = bytes(self.body), bytearray()
        return body

    def count(self, size: int) -> None:
        """Sets the bytes that are held of this request."""
        self.bodies.held += size - self.size
        self.size = size


class Bodies:
    """Reads the bodies of requests, within limits.

    Args:
        max_bytes: of one body.
        total_bytes: of all bodies and photos that are held at once.

    Attributes:
        held: bytes of them.
        parsing: a lock; a body that is parsed takes several times its size, so one is at a time.
    """

    def __init__(self, max_bytes: int, total_bytes: int):
        self.max_bytes, self.total_bytes = max_bytes, total_bytes
        self.held, self.parsing = 0, asyncio.Lock()

    @contextlib.asynccontextmanager
    async def read(self, request: Request, until: float):
        """Reads a body and counts what is held of it while the block runs; yields a `Held`.

        Args:
            request: nothing of its body has been read.
            until: `time.monotonic()` at which a slow one is refused.

        Raises:
            Refused: it is too large or too slow, or ends early.
            Busy: all bodies together are too large.
        """
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > self.max_bytes:
            raise self._too_large()
        held = Held(self)
        try:
            try:
                async with asyncio.timeout(until - time.monotonic()):
                    await self._collect(request, held)
            except TimeoutError as error:
                raise Refused(408, "The body did not come in time.") from error
            except ClientDisconnect as error:
                raise Refused(400, "The body ended early.") from error
            yield held
        finally:
            held.body.clear()
            held.count(0)

    async def _collect(self, request: Request, held: Held) -> None:
        async for chunk in request.stream():
            held.body += chunk
            held.count(len(held.body))
            if held.size > self.max_bytes:
                raise self._too_large()
            if self.held > self.total_bytes:
                raise Busy("The server holds too many photos now.", HELD_SECONDS)

    async def discard(self, request: Request) -> None:
        """Reads what is left of a refused body and forgets it."""
        size = 0
        with contextlib.suppress(TimeoutError, ClientDisconnect, RuntimeError):
            async with asyncio.timeout(DRAIN_SECONDS):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > 2 * self.max_bytes:
                        return

    def _too_large(self) -> Refused:
        return Refused(413, f"The body is too large: at most {self.max_bytes:,} bytes.")


async def _answer(send, refusal: Refusal) -> None:
    """Answers with a refusal, as the API does."""
    body = json.dumps({"error": refusal.text}).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
