"""Finds the frame of a scan: the edge of the paper or the film around the photo.

A margin of paper, film or cardboard is no part of the picture. With it the network sees less of the picture, and color
on it is the first thing a person notices.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from colorizer import color, images

Box = tuple[slice, slice]

_SIDE = 512  # frames are looked for in a copy of this size
_TOLERANCE, _SHARE = 4.0, 0.97  # a flat row: so many of its pixels within so many units of L*; the rest is dust
_LEAST, _MOST = 2, 0.25  # rows in the copy; of a side's length. Scans have margins from half a per cent on
_PAPER, _FILM = 80.0, 20.0  # L*: a lighter or darker margin is a frame; one between them may be a wall in the photo
_CUT = 0.3  # share of pixels that differ from such a margin right behind it: cardboard ends at once, a wall does not
_ALIKE = 8.0  # the four sides' L* differ by less


def find(rgb: np.ndarray) -> Box:
    """Finds the photo inside its frame.

    A frame is flat, of one tone, and on all four sides: a pale sky is none. One that is neither light nor dark, such as
    cardboard, must also end at a sharp edge.

    Args:
        rgb: (H, W, 3) uint8 or uint16 sRGB.

    Returns:
        Rows and columns of the photo; all of them where there is no frame.
    """
    height, width = rgb.shape[:2]
    whole = (slice(0, height), slice(0, width))
    if min(height, width) < 64:
        return whole
    scale = max(1.0, max(height, width) / _SIDE)
    small = cv2.resize(rgb, (max(1, round(width / scale)), max(1, round(height / scale))), interpolation=cv2.INTER_AREA)
    l = color.rgb_to_lab(images.to_uint8(small))[..., 0]
    sides = [l, l[::-1], l.T, l.T[::-1]]
    tones = [float(np.median(side[0])) for side in sides]
    flat = [_flat_rows(side, tone) for side, tone in zip(sides, tones, strict=True)]
    lengths = [len(side) for side in sides]
    if not all(_LEAST <= count <= _MOST * n for count, n in zip(flat, lengths, strict=True)):
        return whole
    if max(tones) - min(tones) > _ALIKE:
        return whole
    is_plain = min(tones) > _PAPER or max(tones) < _FILM
    if not is_plain and not all(_ends_sharply(*given) for given in zip(sides, flat, tones, strict=True)):
        return whole
    views = [rgb, rgb[::-1], rgb.swapaxes(0, 1), rgb.swapaxes(0, 1)[::-1]]
    edges = [_edge(*given, scale) for given in zip(views, flat, tones, strict=True)]
    return slice(edges[0], height - edges[1]), slice(edges[2], width - edges[3])


def _flat_rows(l: np.ndarray, tone: float) -> int:
    """How many rows from the top are of one tone."""
    flat = (np.abs(l - tone) < _TOLERANCE).mean(axis=1) >= _SHARE
    return len(flat) if flat.all() else int(np.argmin(flat))


def _ends_sharply(l: np.ndarray, rows: int, tone: float) -> bool:
    """Whether something else begins right behind a margin of so many rows, over its whole length."""
    behind = l[rows + 1, l.shape[1] // 4 : -(l.shape[1] // 4)]  # a row may be half margin; the ends are other margins
    return bool((np.abs(behind - tone) > _TOLERANCE).mean() >= _CUT)


def _edge(rgb, rows: int, tone: float, scale: float) -> int:
    """The edge to the very row, from `rows` in the small copy."""
    start = math.floor(rows * scale)
    if scale == 1:
        return start
    band = np.ascontiguousarray(rgb[start : start + math.ceil(2 * scale)])
    return start + _flat_rows(color.rgb_to_lab(band)[..., 0], tone)
