"""Shows key frames to a network: upright, with square pixels, without black bars."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

import cv2
import numpy as np

from colorizer.film.carry import map_size
from colorizer.inference import borders

if TYPE_CHECKING:
    from colorizer.inference.colorizer import Colorizer

SHOWN = 640  # pixels: the longer side of what the network is shown, which it makes smaller itself
BLACK = 24  # gray levels: all of a bar lies below
MOST = 0.3  # of a side that a bar may take; more of it is a dark scene


def predictor(
    colorizer: Colorizer, rotation: int = 0, aspect: Fraction = Fraction(1), flipped: bool = False
) -> Callable[[np.ndarray], np.ndarray]:
    """Makes the function that predicts the colors of a frame.

    Args:
        colorizer: any; its `predict_ab` is asked.
        rotation: quarter turns to the left that turn a stored frame upright, 0..3.
        aspect: width of a stored pixel over its height.
        flipped: whether a stored frame is mirrored, see `probe.Film`.

    Returns:
        A function from (H, W) uint8 gray to (h, w, 2) float32 ab/128 of `carry.map_size`; 0 in bars and frames.
    """

    def predict(gray: np.ndarray) -> np.ndarray:
        height, width = gray.shape
        wide = width * aspect
        scale = min(1.0, SHOWN / max(height, wide))
        size = (max(1, round(float(wide * scale))), max(1, round(height * scale)))
        shown = upright(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), rotation, flipped)
        stored = np.rot90(_whole(colorizer, shown), -rotation)
        stored = np.ascontiguousarray(stored[:, ::-1] if flipped else stored)
        return cv2.resize(stored, map_size(height, width)[::-1], interpolation=cv2.INTER_AREA)

    return predict


def upright(stored: np.ndarray, rotation: int, flipped: bool) -> np.ndarray:
    """A frame as a player shows it.

    Args:
        stored: (H, W) or (H, W, C), any dtype.
        rotation: quarter turns to the left, 0..3.
        flipped: whether it is mirrored, left for right; that is undone before it is turned.

    Returns:
        The same pixels, contiguous; (W, H) or (W, H, C) where `rotation` is odd.
    """
    return np.ascontiguousarray(np.rot90(stored[:, ::-1] if flipped else stored, rotation))


def _whole(colorizer: Colorizer, gray: np.ndarray) -> np.ndarray:
    """The colors of a picture, bars and frame included: (H, W, 2) float32."""
    ab_norm = np.zeros((*gray.shape, 2), np.float32)
    bars = without_bars(gray)
    rgb = np.repeat(gray[bars][..., None], 3, axis=2)
    inside = borders.find(rgb)  # `predict_ab` looks for the same, and answers for what lies inside
    part = ab_norm[bars][inside]
    (predicted,) = colorizer.predict_ab([rgb])
    part[...] = cv2.resize(predicted, part.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return ab_norm


def without_bars(gray: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns between black bars, at the top and bottom or at the sides; all where there are none."""
    found = []
    for brightest in (gray.max(axis=1), gray.max(axis=0)):
        light = np.flatnonzero(brightest >= BLACK)
        length = len(brightest)
        first, last = (int(light[0]), int(light[-1]) + 1) if len(light) else (0, length)
        bars = max(first, length - last) <= MOST * length and min(first, length - last) > 0
        found.append(slice(first, last) if bars else slice(0, length))
    return found[0], found[1]
