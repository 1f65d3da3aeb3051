"""A clip on the page: its beginning in color, and one frame of it to compare."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from colorizer.errors import FilmError, UsageError
from colorizer.film.colorize import Settings, colorize
from colorizer.film.prediction import upright
from colorizer.film.probe import ENDINGS, probe
from colorizer.film.reader import Reader

if TYPE_CHECKING:
    from colorizer.film.probe import Film
    from colorizer.inference.colorizer import Colorizer

SECONDS = 30.0  # of a clip that the page colorizes: others wait; the command takes whole films
# A smaller frame counts as one of this size: the network's part of the time does not shrink with the frame.
LEAST_WIDTH, LEAST_HEIGHT = 640, 480


def endings() -> tuple[str, ...]:
    """The endings of clips that the page takes; none where PyAV is not installed."""
    return ENDINGS if importlib.util.find_spec("av") else ()


def colorize_clip(
    network: Colorizer,
    source: Path,
    target: Path,
    *,
    strength: float,
    max_pixels: int,
    max_clip_pixels: int,
    progress: Callable[[int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Colorizes the beginning of a clip.

    Args:
        network: any.
        source: the uploaded file.
        target: the film to write.
        strength: of the colors, 0..1.
        max_pixels: of a frame; larger ones are refused.
        max_clip_pixels: of all frames together, see `refuse_long`; longer clips are refused.
        progress: is called with the number of finished frames; what it raises ends the work.

    Returns:
        The middle frame before and after, (H, W, 3) uint8 and upright, and lines about what is not as in the source.

    Raises:
        FilmError: it cannot be read or is too large.
    """
    try:
        film = probe(source)
    except UsageError as error:  # no PyAV
        raise FilmError(source, "this page takes no films: PyAV is not installed") from error
    if film.width * film.height > max_pixels:
        raise FilmError(source, f"{film.width}x{film.height} pixels are more than {max_pixels / 1e6:g} megapixels")
    frames = min(film.frames or math.inf, math.ceil(SECONDS * film.rate))
    refuse_long(film, frames, max_clip_pixels)

    def step(done: int) -> None:
        refuse_long(film, done, max_clip_pixels)  # a file may state less than it has
        if progress:
            progress(done)

    # Browsers do not show H.264 with 10 bits.
    result = colorize(network, source, target, Settings(strength, preview=SECONDS, bits=8), film=film, progress=step)
    notes = list(result.notes)
    if film.seconds and film.seconds > SECONDS:
        notes.append(f"the first {SECONDS:g} seconds only; `python colorize.py` takes the whole film")
    made = probe(target)
    middle = (made.seconds or 0) / 2
    return _frame(film, middle), _frame(made, middle), notes


def refuse_long(film: Film, frames: int, max_clip_pixels: int) -> None:
    """Refuses a clip whose frames have more pixels together than the page takes; small frames count as 640x480.

    Args:
        film: of the clip.
        frames: how many the page would colorize.
        max_clip_pixels: of all of them.

    Raises:
        FilmError: there are more.
    """
    pixels = max(film.width * film.height, LEAST_WIDTH * LEAST_HEIGHT)
    if frames * pixels <= max_clip_pixels:
        return
    seconds = max_clip_pixels // pixels / film.rate
    raise FilmError(
        film.path,
        f"the page colorizes at most {max_clip_pixels / 1e9:.3g} gigapixels of a clip: pixels of a frame, "
        f"at least {LEAST_WIDTH}x{LEAST_HEIGHT}, times frames. "
        f"Received: {film.width}x{film.height} pixels, {frames} frames, {frames * pixels / 1e9:.3g} gigapixels. "
        f"At this size {float(seconds):.1f} seconds are allowed: cut the clip, make it smaller, or take "
        "`python colorize.py`, which has no such limit",
    )


def _frame(film: Film, seconds: float) -> np.ndarray:
    """The frame that is shown some seconds after the first one, or the last before it that can be decoded.

    Raises:
        FilmError: no frame can be decoded.
    """
    first = shown = None
    for time, frame in Reader(film).timed():
        first = time if first is None else first
        # Two copies of a frame may be some ticks apart, as their units differ.
        if shown is not None and (time - first) * film.time_base > seconds + 0.5 / film.rate:
            break
        shown = frame
    if shown is None:
        raise FilmError(film.path, "no frame can be decoded (0 frames)")
    rgb = shown.to_ndarray(format="rgb24", width=film.width, height=film.height)
    return upright(rgb, film.quarter_turns, film.flipped)
