"""Joins a frame's luminance and a small map of colors into the planes that an encoder takes.

Photographs go through `color.merge` at full size. Here that is done at the size of the chroma planes, a quarter of the
pixels, and what it changes in luma is enlarged and added to the frame's own luma. `python -m experiments.film --join`
compares the two.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from colorizer import color

# Luma weights of red and blue, by the number of the matrix in ITU-T H.273.
LUMA_WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114)}
_L_FROM_GRAY = color.rgb_to_lab(np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2))[0, :, 0]
_LIMITED = (219, 16), (224, 128)  # scale and offset of luma and of chroma in video's limited range


class Planes(NamedTuple):
    """A frame in 4:2:0, limited range.

    Attributes:
        y: (H, W) uint8, 16..235; with 10 bits uint16, 64..940.
        u: (H/2, W/2) uint8, 16..240; with 10 bits uint16, 64..960.
        v: like `u`.
    """

    y: np.ndarray
    u: np.ndarray
    v: np.ndarray


def matrix_of(number: int) -> np.ndarray:
    """The matrix from encoded RGB to Y'CbCr.

    Args:
        number: of ITU-T H.273; a key of `LUMA_WEIGHTS`.

    Returns:
        (3, 3) float32; Y' in 0..1, Cb and Cr in -0.5..0.5.
    """
    red, blue = LUMA_WEIGHTS[number]
    luma = np.array([red, 1 - red - blue, blue])
    cb = (np.array([0, 0, 1]) - luma) / (2 * (1 - blue))
    cr = (np.array([1, 0, 0]) - luma) / (2 * (1 - red))
    return np.stack([luma, cb, cr]).astype(np.float32)


def lightness(gray: np.ndarray) -> np.ndarray:
    """L* of gray levels: (H, W) uint8 -> (H, W) float32, 0..100."""
    return cv2.LUT(gray, _L_FROM_GRAY)


def even(gray: np.ndarray) -> np.ndarray:
    """Repeats the last row and column where their number is odd: 4:2:0 needs pairs."""
    height, width = gray.shape
    if height % 2 or width % 2:
        return cv2.copyMakeBorder(gray, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return gray


def planes(
    gray: np.ndarray, ab_norm: np.ndarray, matrix: np.ndarray, strength: float = 1.0, deep: np.ndarray | None = None
) -> Planes:
    """Gives a frame's luminance the colors of a map.

    Args:
        gray: (H, W) uint8, full range, even sides.
        ab_norm: (h, w, 2) float32, ab/128 at any size; enlarged bilinearly.
        matrix: from `matrix_of`.
        strength: 0..1.
        deep: (H, W) uint16, 0..1023, `gray` with 10 bits.

    Returns:
        `Planes`, with 10 bits where `deep` is given. L* is the frame's own wherever the color is inside sRGB, but for
        rounding and for what enlarging the change of luma loses.
    """
    height, width = gray.shape
    half = (width // 2, height // 2)
    small = cv2.resize(gray, half, interpolation=cv2.INTER_AREA)
    ab = cv2.resize(ab_norm, half, interpolation=cv2.INTER_LINEAR) * np.float32(color.AB_SCALE * strength)
    lab = cv2.merge([lightness(small), *cv2.split(ab)])
    luma, cb, cr = cv2.split(cv2.transform(color.lab_to_rgb(lab, np.float32), matrix))
    change = cv2.resize(cv2.subtract(luma * 255, small, dtype=cv2.CV_32F), (width, height))
    (y_scale, y_offset), (c_scale, c_offset) = _LIMITED
    if deep is not None:
        y = cv2.add(change * np.float32(1023 / 255), deep, dtype=cv2.CV_32F)
        return Planes(
            _deep(y, y_scale / 1023, _LIMITED[0]), *(_deep(plane, c_scale, _LIMITED[1]) for plane in (cb, cr))
        )
    y = cv2.add(change, gray, dtype=cv2.CV_32F)
    y = cv2.convertScaleAbs(cv2.max(y, 0), alpha=y_scale / 255, beta=y_offset)
    u, v = (cv2.convertScaleAbs(plane, alpha=c_scale, beta=c_offset) for plane in (cb, cr))
    return Planes(cv2.min(y, y_scale + y_offset), u, v)


def _deep(plane: np.ndarray, scale: float, limits: tuple[int, int]) -> np.ndarray:
    """A plane with 10 bits: levels of 8 bits times 4."""
    span, offset = limits
    least = 4 * (offset if offset < 128 else offset - span // 2)
    return np.clip(np.rint(4 * (plane * np.float32(scale) + offset)), least, least + 4 * span).astype(np.uint16)
