"""The routes: a photo in, the photo in color out; health, numbers, and the page of the API's description."""

# No postponed annotations here: FastAPI reads those of the functions below.
import base64
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

import colorizer
from colorizer.app.storage import MEGABYTE
from colorizer.errors import HintError, PhotoError
from colorizer.server import monitoring, options
from colorizer.server.limits import Bodies
from colorizer.server.options import FORM, JSON, Options, Refused
from colorizer.server.work_queue import Busy, Gone, Queue
from colorizer.server.worker import Picture, Worker

logger = logging.getLogger(__name__)

TITLE = "Colorizer"
ABOUT = """Black-and-white photographs in likely colors: guesses, not the real ones.

A photo keeps its size, sharpness and metadata. Only its luminance is looked at. Nothing is stored."""
COLORIZE, HEALTH, METRICS = "/v1/colorize", "/healthz", "/metrics"
OWN_PATHS = ("/v1", HEALTH, METRICS, "/docs", "/redoc", "/openapi.json", "/static-offline-docs")
NAME = "colorized"  # of the file that comes back; never the client's
CLOSED = 499  # for the record only: nobody reads an answer to a closed connection


@dataclass(frozen=True)
class Settings:
    """How much the server takes.

    Attributes:
        max_bytes: of one photo.
        total_bytes: of all requests that are held at once.
        max_pixels: of one photo, and of all that are in memory at once.
        seconds: from a request's first line to its answer.
        workers: threads; the network works in one at a time.
        waiting: requests that may wait for a thread.
        max_size: of what the network sees, that a request may ask for.
    """

    max_bytes: int = 50 * MEGABYTE
    total_bytes: int = 1000 * MEGABYTE
    max_pixels: int = 100 * 10**6
    seconds: float = 60
    workers: int = 2
    waiting: int = 32
    max_size: int = 512


class ColorizedPhoto(BaseModel):
    """The answer to a request in JSON."""

    image: str = Field(description="The photo in color, in base64.")
    content_type: str = Field(description="Of the photo.", examples=["image/jpeg"])
    width: int = Field(description="In pixels.")
    height: int = Field(description="In pixels.")
    notes: list[str] = Field(description="A line for each thing in the file that could not be kept.")


class Problem(BaseModel):
    """The answer to a request that failed."""

    error: str = Field(description="What is wrong, and what was received.")


class Health(BaseModel):
    """The answer of a server that can work."""

    status: str
    version: str
    requests: int = Field(description="That wait or are worked on.")


REASONS = {
    400: "The body is neither a form nor JSON, or ended early.",
    403: "The server is not known by this name, or the request comes from another website.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    415: "The content type is neither a form nor JSON.",
    422: "No readable photo, one with too many pixels, or an option that is wrong.",
    500: "A mistake of the server; its log has the reason.",
}
BUSY = {
    "model": Problem,
    "description": "No room or no time now. Try again after `Retry-After` seconds.",
    "headers": {"Retry-After": {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds."}},
}
PHOTO = {"type": "string", "format": "binary"}


def build(worker: Worker, settings: Settings) -> FastAPI:
    """The application.

    Args:
        worker: colorizes.
        settings: the limits.

    Returns:
        An ASGI application; `limits.Gate` belongs around it.
    """
    queue = Queue(settings.workers, settings.waiting, settings.seconds)
    # Base64 takes four bytes for three, and a form a few more.
    bodies = Bodies(settings.max_bytes * 4 // 3 + MEGABYTE // 10, settings.total_bytes)
    monitor = monitoring.Monitor(lambda: queue.inside, lambda: bodies.held)
    model = options.model_for([look for look in worker.colorizers if look], worker.sizes(settings.max_size))
    desk = Desk(worker, queue, bodies, model, settings.max_bytes)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(queue.close)

    app = FastAPIOffline(
        title=TITLE, description=ABOUT, version=colorizer.__version__, lifespan=lifespan, redoc_url=None
    )

    @app.post(
        COLORIZE,
        summary="Colorize a photo",
        tags=["photos"],
        response_model=None,
        responses={
            200: {
                "description": "The photo in color: a file for a form, JSON for JSON.",
                "content": {kind: {"schema": PHOTO} for kind in options.FORMATS.values()}
                | {JSON: {"schema": ColorizedPhoto.model_json_schema()}},
            },
            503: BUSY,
        }
        | {status: {"model": Problem, "description": text} for status, text in REASONS.items()},
        openapi_extra={"requestBody": options.body_schema(model, settings.max_bytes)},
    )
    async def colorize(request: Request) -> Response:
        """A form brings the photo as the file `file` and answers with a file. JSON brings it in base64 and answers
        with JSON. A photo without options comes back in its own format."""
        began = time.monotonic()
        answer, pixels = await desk.answer(request)
        monitor.count(answer.status_code, time.monotonic() - began, pixels)
        return answer

    @app.exception_handler(HTTPException)
    async def refuse(_: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), error.headers)

    @app.head(HEALTH, include_in_schema=False)
    @app.get(HEALTH, summary="Whether the server can work", tags=["server"])
    async def health() -> Health:
        return Health(status="ok", version=colorizer.__version__, requests=queue.inside)

    @app.head(METRICS, include_in_schema=False)
    @app.get(METRICS, summary="Numbers for Prometheus", tags=["server"], response_class=Response)
    async def metrics() -> Response:
        return Response(monitor.text(), media_type=monitoring.CONTENT_TYPE)

    return app


def add_front(app: FastAPI) -> None:
    """Leads visitors of the first page to the API's description."""

    @app.get("/", include_in_schema=False)
    async def front() -> RedirectResponse:
        return RedirectResponse("/docs")


class Desk:
    """Takes a request through the queue, and turns what happens into an answer.

    Args:
        worker: colorizes.
        queue: see `Queue`.
        bodies: see `Bodies`.
        model: the options, of `options.model_for`.
        max_bytes: of one photo.
    """

    def __init__(self, worker: Worker, queue: Queue, bodies: Bodies, model: type[Options], max_bytes: int):
        self.worker, self.queue, self.bodies, self.model, self.max_bytes = worker, queue, bodies, model, max_bytes

    async def answer(self, request: Request) -> tuple[Response, int]:
        """Colorizes the photo of a request.

        Args:
            request: nothing of its body has been read.

        Returns:
            The answer, and the pixels of the colorized photo; 0 where there is none.
        """
        try:
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind not in (FORM, JSON):
                raise Refused(415, f"The content type is {FORM} or {JSON}. Received: {kind[:100]!r}")
            with self.queue.enter() as until:
                picture = await self._picture(request, kind, until)
        except Busy as error:
            await self.bodies.discard(request)
            return problem(503, error.reason, {"Retry-After": str(error.retry_after)}), 0
        except Refused as error:
            await self.bodies.discard(request)
            return problem(error.status, error.reason), 0
        except PhotoError as error:
            return problem(422, error.reason), 0
        except HintError as error:
            return problem(422, str(error)), 0
        except Gone:
            return problem(CLOSED, "The connection was closed."), 0
        except MemoryError:
            return problem(503, "The server has too little memory for this photo now.", {"Retry-After": "30"}), 0
        except Exception:  # a mistake of ours: the client gets no details, the log gets all of them
            logger.exception("a request to %s failed", COLORIZE)
            return problem(500, "The server failed at this request. Its log has the reason."), 0
        return (as_json if kind == JSON else as_file)(picture), picture.width * picture.height

    async def _picture(self, request: Request, kind: str, until: float) -> Picture:
        async with self.bodies.read(request, until) as held:
            async with self.bodies.parsing:
                if kind == JSON:
                    # Decoding megabytes takes a while: in a thread, the others do not wait for it.
                    read: Callable = options.read_json
                    data, chosen = await run_in_threadpool(read, held.take(), self.model)
                else:
                    data, chosen = await options.read_form(request, held.take(), self.model)
            held.count(len(data))
            if len(data) > self.max_bytes:
                raise Refused(413, f"The photo is too large: at most {self.max_bytes:,} bytes. Received: {len(data):,}")
            return await self.queue.run(lambda: self.worker.colorize(data, chosen), until, request.receive)


def as_file(picture: Picture) -> Response:
    """The picture itself, under a name of ours."""
    name = f"{NAME}.{picture.content_type.partition('/')[2]}"
    return Response(
        picture.data, media_type=picture.content_type, headers={"Content-Disposition": f'inline; filename="{name}"'}
    )


def as_json(picture: Picture) -> Response:
    """The picture in base64, with its size and notes."""
    answer = ColorizedPhoto(
        image=base64.b64encode(picture.data).decode(),
        content_type=picture.content_type,
        width=picture.width,
        height=picture.height,
        notes=list(picture.notes),
    )
    return JSONResponse(answer.model_dump())


def problem(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    """The answer to a request that failed."""
    return JSONResponse({"error": text}, status, headers)
