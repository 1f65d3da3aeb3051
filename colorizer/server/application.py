"""The whole server: one network, the API around it, and the web page where it is asked for."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
from fastapi import FastAPI
from starlette.routing import Match, Mount

from colorizer.app import security, service, storage
from colorizer.inference.colorizer import Colorizer
from colorizer.server import api
from colorizer.server.limits import Gate
from colorizer.server.worker import Worker
from colorizer.weights import DEFAULT


def application(flags: argparse.Namespace, folder: Path) -> Gate:
    """Loads a network and builds the server around it.

    Args:
        flags: of `colorizer.server.__main__.parse`.
        folder: private, for files of the moment.

    Returns:
        An ASGI application.

    Raises:
        WeightsError, ClassifierError: the network cannot be loaded.
    """
    network = Colorizer.load(flags.weights or DEFAULT, flags.classifier, engine=flags.engine, size=flags.size)
    colorizers = {one.look: one for one in service.looks(network)}
    warm_up(colorizers)
    settings = settings_of(flags)
    app = api.build(Worker(colorizers, folder, settings.max_pixels), settings)
    gate = Gate(app, security.own_names(flags.host, flags.allow_host), api.OWN_PATHS)
    if flags.page:
        gate.end = add_page(app, colorizers, flags, folder)
    else:
        api.add_front(app)
    return gate


def settings_of(flags: argparse.Namespace) -> api.Settings:
    """The limits that the flags set."""
    return api.Settings(
        max_bytes=int(flags.max_megabytes * storage.MEGABYTE),
        total_bytes=int(flags.max_gigabytes * storage.GIGABYTE),
        max_pixels=int(flags.max_megapixels * 10**6),
        seconds=flags.max_seconds,
        workers=flags.workers,
        waiting=flags.queue,
        max_size=flags.max_size,
    )


def warm_up(colorizers: dict[str | None, Colorizer]) -> None:
    """Colorizes a small picture in each look, so that nobody's first photo waits for a compiler."""
    picture = np.linspace(0, 255, 64 * 64, dtype=np.uint8).reshape(64, 64)
    for colorizer in colorizers.values():
        colorizer.colorize(picture)


class PageMount(Mount):
    """The page's place at /: all paths but the API's, whose wrong ones and wrong methods the API answers itself."""

    def matches(self, scope):
        """Whether a request is the page's, as Starlette asks it."""
        return (Match.NONE, {}) if scope["path"].startswith(api.OWN_PATHS) else super().matches(scope)


def add_page(
    app: FastAPI, colorizers: dict[str | None, Colorizer], flags: argparse.Namespace, folder: Path
) -> Callable[[], None]:
    """Mounts the web page at /, behind its own guard, with the same networks.

    Args:
        app: the API; its routes come first.
        colorizers: look -> `Colorizer`.
        flags: of `colorizer.server.__main__.parse`.
        folder: where uploads and results go; it is swept.

    Returns:
        A function for the server's loop that ends the streams to open pages, which have no end of their own, and lets
        no more work begin.
    """
    import gradio as gr
    from starlette.middleware import Middleware

    from colorizer.app import page

    most = int(flags.max_gigabytes * storage.GIGABYTE)
    networks = {service.LABELS.get(look, str(look)): colorizer for look, colorizer in colorizers.items()}
    pixels, clip_pixels = int(flags.max_megapixels * 10**6), int(flags.max_clip_gigapixels * 10**9)
    bench = service.Workbench(networks, folder, pixels, 2 * most, clip_pixels)
    examples = service.examples(folder / "examples")
    limits = security.Limits(folder, most, flags.keep_minutes)
    guard = Middleware(security.Guard, hosts=security.own_names(flags.host, flags.allow_host), limits=limits)
    blocks = page.build(bench, examples)
    blocks.state_session_capacity = page.SESSIONS
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        server_name=flags.host,
        server_port=flags.port,
        max_file_size=int(flags.max_megabytes * storage.MEGABYTE),
        app_kwargs={"middleware": [guard]},
        **page.settings(),
    )
    gradio_app = app.routes[-1].app
    app.routes[-1] = PageMount("/", gradio_app)
    inner = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(outer: FastAPI) -> AsyncIterator:
        async with inner(outer) as state:
            sweeper = asyncio.create_task(_sweep(folder, folder / "examples", flags.keep_minutes))
            try:
                yield state
            finally:
                sweeper.cancel()
                await asyncio.to_thread(bench.close)  # before the folder is removed

    def end() -> None:
        gradio_app.stop_event.set()
        asyncio.get_running_loop().run_in_executor(None, bench.close)

    app.router.lifespan_context = lifespan
    return end


async def _sweep(folder: Path, examples: Path, minutes: float) -> None:
    """Removes the page's old files but for its examples, for as long as the server runs."""
    while True:
        await asyncio.sleep(min(60, minutes * 30))
        await asyncio.to_thread(storage.sweep, folder, examples, minutes * 60)
