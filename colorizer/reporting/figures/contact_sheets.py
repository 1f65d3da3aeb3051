"""Contact sheets: many small pictures in rows, the truth beside the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from colorizer import color
from colorizer.reporting.figures.display import Picture, jpeg

TILE = 76
COUNT = 24  # of a contact sheet
EXTREMES = 5
_ACROSS = 4
_EMPTY = "no picture to show"
_DPI, _GAP, _TITLE, _LABEL = 100, 8, 24, 14  # pixels, but for the first


class Group(NamedTuple):
    """Adjacent pictures with one label below.

    Attributes:
        pictures: (S, S, 3) uint8 sRGB each, of one or several sizes.
        label: "" for none.
    """

    pictures: Sequence[np.ndarray]
    label: str = ""


def sheet(rows: Sequence[Sequence[Group]], title: str = "", tile: int = TILE) -> Picture:
    """Lays groups of pictures out in rows.

    Args:
        rows: any number of groups; groups below each other have the same number of pictures.
        title: a line above, or "".
        tile: side of a picture in pixels.

    Returns:
        A JPEG.
    """
    rows = [row for row in rows if row] or [[Group([np.full((1, 2, 3), 255, np.uint8)] * 2, _EMPTY)]]
    label = _LABEL if any(group.label for row in rows for group in row) else 0
    top = _TITLE if title else 0
    across = max(sum(len(group.pictures) * tile + _GAP for group in row) for row in rows)
    height, width = top + len(rows) * (tile + label + _GAP), across + _GAP
    canvas = np.full((height, width, 3), 255, np.uint8)
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    figure.text(_GAP / width, 1 - top / 2 / height, title, ha="left", va="center", fontsize=7)
    for i, row in enumerate(rows):
        y, x = top + i * (tile + label + _GAP), _GAP
        for group in row:
            middle = (x + len(group.pictures) * tile / 2) / width
            figure.text(middle, 1 - (y + tile + 2) / height, group.label, ha="center", va="top", fontsize=6)
            for rgb_u8 in group.pictures:
                canvas[y : y + tile, x : x + tile] = cv2.resize(
                    rgb_u8, (tile, tile), interpolation=_interpolation(rgb_u8, tile)
                )
                x += tile
            x += _GAP
    figure.figimage(canvas, zorder=-1)
    agg = FigureCanvasAgg(figure)
    agg.draw()
    return jpeg(np.ascontiguousarray(np.asarray(agg.buffer_rgba())[..., :3]))


def _interpolation(rgb_u8, tile):
    """By areas to shrink; to the nearest to enlarge (a swatch of one pixel, a network's 64x64)."""
    return cv2.INTER_AREA if min(rgb_u8.shape[:2]) >= tile else cv2.INTER_NEAREST


def pair(rgb_u8: np.ndarray, ab_norm_hat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A picture, and the same with predicted colors and its own L*.

    Args:
        rgb_u8: (S, S, 3) uint8 sRGB.
        ab_norm_hat: (s, s, 2) float, ab/128 at any size.

    Returns:
        Two (S, S, 3) uint8 sRGB.
    """
    return rgb_u8, color.merge(color.rgb_to_lab(rgb_u8)[..., 0], ab_norm_hat)


def channels(rgb_u8: np.ndarray) -> list[Group]:
    """Splits a picture: itself, L* alone, a alone and b alone, both at the L* of middle gray.

    Args:
        rgb_u8: (S, S, 3) uint8 sRGB.

    Returns:
        Four groups of one picture each.
    """
    lab = color.rgb_to_lab(rgb_u8)
    middle, ab_norm = np.full_like(lab[..., 0], color.L_HALF), color.split(lab)[1]
    alone = [color.merge(middle, ab_norm * np.float32(which)) for which in ((1, 0), (0, 1))]
    parts = zip((rgb_u8, color.gray(lab[..., 0]), *alone), ("the picture", "L", "a", "b"), strict=True)
    return [Group([part], label) for part, label in parts]


def through_time(pictures: np.ndarray, epochs: Sequence[np.ndarray]) -> list[list[Group]]:
    """Rows for `sheet`: each picture's truth, the network's input, and its prediction after every epoch.

    Args:
        pictures: (n, S, S, 3) uint8 sRGB.
        epochs: (n, s, s, 2) float ab/128 each, in order.

    Returns:
        n rows.
    """
    labels = ["truth", "input", *(f"epoch {number}" for number in range(1, len(epochs) + 1))]
    rows = []
    for i, rgb_u8 in enumerate(pictures):
        pictures_of_row = [*pair(rgb_u8, np.zeros((1, 1, 2), np.float32)), *(pair(rgb_u8, ab[i])[1] for ab in epochs)]
        rows.append([Group([one], label) for one, label in zip(pictures_of_row, labels, strict=True)])
    return rows


def swatch(ab_norm: Sequence[float]) -> np.ndarray:
    """One color at the L* of middle gray: ab/128 -> (1, 1, 3) uint8 sRGB."""
    return color.merge(np.full((1, 1), color.L_HALF, np.float32), np.reshape(np.float32(ab_norm), (1, 1, 2)))


def contact(pairs: Sequence[tuple[np.ndarray, np.ndarray]], title: str) -> Picture:
    """Draws truth and prediction of some pictures, four pairs per row.

    Args:
        pairs: from `pair`.
        title: a line above.

    Returns:
        A JPEG.
    """
    return sheet(in_rows([Group(both) for both in pairs], _ACROSS), title)


def in_rows(groups: Sequence[Group], across: int) -> list[Sequence[Group]]:
    """Arranges groups in rows of `across`."""
    return [groups[i : i + across] for i in range(0, len(groups), across)]
