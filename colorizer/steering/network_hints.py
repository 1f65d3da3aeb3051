"""Hints as the input of a network that takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from colorizer import color
from colorizer.methods.layers.bins import STRIDE
from colorizer.steering.hint import Hint


def grid(hints: Sequence[Hint], size: tuple[int, int], seen: tuple[int, int]) -> np.ndarray:
    """Hints on the grid of `Method.output_with`.

    Args:
        hints: of a picture.
        size: the picture's height and width.
        seen: height and width of the network's input.

    Returns:
        (h/4, w/4, 3) float32: ab/128 and 1 in the cell of each hint, else zeros.
    """
    height, width = (side // STRIDE for side in seen)
    given = np.zeros((height, width, 3), np.float32)
    for hint in hints:
        row, column = int(hint.y * height / size[0]), int(hint.x * width / size[1])
        given[row, column] = *(hint.ab / color.AB_SCALE), 1  # one cell: its neighbors have other colors
    return given
