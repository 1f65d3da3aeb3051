"""Hints as the input of a network that takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from colorizer import color
from colorizer.methods.layers.bins import STRIDE
from colorizer.steering.hint import Hint

RADIUS = 1  # of a patch, in pixels of the grid: training draws 0 to 2


def grid(hints: Sequence[Hint], size: tuple[int, int], seen: tuple[int, int]) -> np.ndarray:
    """Hints on the grid of `Method.output_with`.

    Args:
        hints: of a picture.
        size: the picture's height and width.
        seen: height and width of the network's input.

    Returns:
        (h/4, w/4, 3) float32: ab/128 and 1 in a patch around each hint, else zeros.
    """
    height, width = (side // STRIDE for side in seen)
    given = np.zeros((height, width, 3), np.float32)
    for hint in hints:
        row, column = int(hint.y * height / size[0]), int(hint.x * width / size[1])
        patch = slice(max(0, row - RADIUS), row + RADIUS + 1), slice(max(0, column - RADIUS), column + RADIUS + 1)
        given[patch] = *(hint.ab / color.AB_SCALE), 1
    return given
