"""The strip of before/after pairs on the front page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from colorizer import photos

GAP = 8  # pixels of white between two pairs
SIDE = 300  # pixels of each picture
COLUMNS = 2  # pairs in a row


def write(path: str | Path, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Writes before/after pairs as one picture.

    Args:
        path: the file, JPEG or PNG by its name.
        pairs: (before, after), each (H, W, 3) uint8 sRGB; the largest central square of each is drawn.
    """
    cells = [np.concatenate([_square(before), _square(after)], axis=1) for before, after in pairs]
    rows = [_joined(cells[start : start + COLUMNS], axis=1) for start in range(0, len(cells), COLUMNS)]
    photos.write(path, _joined(rows, axis=0), quality=88)


def _square(rgb_u8: np.ndarray) -> np.ndarray:
    """The largest central square of a picture, resized."""
    height, width = rgb_u8.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    crop = np.ascontiguousarray(rgb_u8[top : top + edge, left : left + edge, :3])
    return cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA if edge > SIDE else cv2.INTER_LINEAR)


def _joined(cells: list[np.ndarray], axis: int) -> np.ndarray:
    """Pictures side by side, or one below the other, with white between them."""
    shape = list(cells[0].shape)
    shape[axis] = GAP
    white = np.full(shape, 255, np.uint8)
    parts = [cells[0]]
    for cell in cells[1:]:
        parts += [white, cell]
    return np.concatenate(parts, axis=axis)
