"""The colors that a place of a picture likely has: the peaks of the distribution that the network predicts there."""

from __future__ import annotations

import numpy as np

from colorizer.methods.layers.bins import BINS
from colorizer.steering.hint import hexadecimal
from colorizer.steering.prediction import Prediction
from colorizer.steering.spreading import Canvas, shaded

APART = 18.0  # Lab units between two colors that are offered
WIDTH = 12.0  # Lab units: the width of a peak, of which the center of mass is the color
LEAST = 0.005  # of all mass, in a peak that is offered
AROUND = 1  # cells of the distribution's grid that are averaged with the place's own, to each side


def colors(canvas: Canvas, prediction: Prediction, row: int, column: int, count: int) -> list[str]:
    """The likely colors of a place, the likeliest first.

    Args:
        canvas: of the picture.
        prediction: of the picture.
        row, column: the place on the canvas.
        count: how many at most.

    Returns:
        "#rrggbb" of each at the place's luminance, visibly different. Without a distribution they are the colors of
        the picture itself, near and similar places first.
    """
    light = canvas.l[row, column]
    if prediction.probabilities is None:
        candidates, masses = _of_picture(canvas, row, column)
    else:
        candidates, masses = BINS, distribution(canvas, prediction, row, column)
    return list(dict.fromkeys(named(ab, light) for ab in peaks(candidates, masses, count)))


def distribution(canvas: Canvas, prediction: Prediction, row: int, column: int) -> np.ndarray:
    """How likely each bin is at a place of the canvas and around it: (n,) float32, sums to 1."""
    cells = prediction.probabilities
    at = [int(place * n / m) for place, n, m in zip((row, column), cells.shape[:2], canvas.shape, strict=True)]
    return cells[tuple(slice(max(0, one - AROUND), one + AROUND + 1) for one in at)].mean(axis=(0, 1))


def named(ab: np.ndarray, light: float) -> str:
    """The "#rrggbb" of a and b in Lab units at a luminance 0..100; paler where sRGB has no such color."""
    return hexadecimal((light, *shaded(ab, light, np.full((1, 1), light, np.float32))[0, 0]))


def peaks(candidates: np.ndarray, masses: np.ndarray, count: int) -> list[np.ndarray]:
    """The heaviest colors that are `APART` from each other.

    Args:
        candidates: (n, 2) float32, Lab units.
        masses: (n,) how likely each is.
        count: how many at most.

    Returns:
        (2,) float32 of each, heaviest first: the center of mass of what lies around.
    """
    squared = np.square(candidates[:, None] - candidates[None]).sum(axis=-1)
    kernel = np.exp(-squared / (2 * (WIDTH / 2) ** 2))
    left, least = np.array(masses, np.float64), LEAST * np.sum(masses)
    chosen: list[np.ndarray] = []
    while len(chosen) < count:
        index = int(np.argmax(kernel @ left))
        weights = left * (squared[index] < WIDTH**2)
        if weights.sum() <= least:
            break
        center = (weights @ candidates / weights.sum()).astype(np.float32)
        if all(np.linalg.norm(center - other) >= APART for other in chosen):
            chosen.append(center)
        left -= weights
    return chosen


def _of_picture(canvas: Canvas, row: int, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Colors of the picture on a grid of 5 Lab units, and how near their places are."""
    near = 1 / (1 + np.square(canvas.distances(row, column)))
    cells = np.rint(canvas.ab / 5).astype(int).reshape(-1, 2)
    unique, inverse = np.unique(cells, axis=0, return_inverse=True)
    return (unique * 5).astype(np.float32), np.bincount(inverse.ravel(), near.ravel())
