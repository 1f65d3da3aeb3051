"""Joins a photo's own luminance and the network's colors at full size, in bands of rows."""

from __future__ import annotations

import cv2
import numpy as np

from colorizer import color
from colorizer.errors import ArgumentError
from colorizer.inference import borders

BAND_PIXELS = 2**20  # 12 MB an array, not 2.4 GB for 200 megapixels


def merge(rgb: np.ndarray, ab_norm_hat: np.ndarray, strength: float = 1.0, out: np.ndarray | None = None) -> np.ndarray:
    """Gives a photo the predicted colors and keeps its L*; a frame around it stays without color.

    Args:
        rgb: (H, W, 3) uint8 or uint16 sRGB.
        ab_norm_hat: (h, w, 2) float32, ab/128, of what lies inside the frame.
        strength: 0..1.
        out: (H, W, 3) of the same dtype to write into; may be `rgb` itself. None makes one.

    Returns:
        (H, W, 3) of the same dtype: `color.merge` of the whole photo, in less memory.
    """
    height, width = rgb.shape[:2]
    out = np.empty_like(rgb, order="C") if out is None else out
    inside, columns = borders.find(rgb)
    wide = cv2.resize(
        ab_norm_hat * np.float32(strength),
        (columns.stop - columns.start, len(ab_norm_hat)),
        interpolation=cv2.INTER_LINEAR,
    )
    rows = max(1, BAND_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first, last = max(top, inside.start), min(bottom, inside.stop)
        ab_norm = np.zeros((bottom - top, width, 2), np.float32)
        if first < last:
            ab_norm[first - top : last - top, columns] = _lines(wide, first - inside.start, last - inside.start, inside)
        out[top:bottom] = color.merge(color.rgb_to_lab(rgb[top:bottom])[..., 0], ab_norm, rgb.dtype.type)
    return out


def require_strength(strength: float) -> None:
    """Refuses a factor of the colors that lies outside 0..1.

    Raises:
        ArgumentError: it does.
    """
    if not 0 <= strength <= 1:
        raise ArgumentError(f"strength lies between 0 and 1. Received: {strength}")


def _lines(wide: np.ndarray, first: int, last: int, inside: slice) -> np.ndarray:
    """Makes lines first..last of `wide` enlarged to the photo's height, as `cv2.resize` makes them."""
    scale = len(wide) / (inside.stop - inside.start)
    at = ((np.arange(first, last) + 0.5) * scale - 0.5).clip(0, len(wide) - 1)
    upper = np.floor(at).astype(int)
    share = (at - upper).astype(np.float32)[:, None, None]
    lower = np.minimum(upper + 1, len(wide) - 1)
    return wide[upper] * (1 - share) + wide[lower] * share
