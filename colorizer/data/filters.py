"""Which pictures are useless for training on color: tiny, gray, or gray in one tint."""

from __future__ import annotations

import cv2
import numpy as np

from colorizer import color

SIDE = 64  # shorter side in pixels; a smaller picture at 256x256 is all interpolation
# In Lab units, measured on 7,453 pictures of COCO and paintings: the palest has 7.0 in its 99th percentile
# of chroma and gray JPEG files have 0.1; the residual below is under 1.6 in 5 of them.
GRAY_CHROMA = 4.0
TONED_RESIDUAL = 1.6
PIECES = 12  # straight pieces of the curve that a toned picture's colors follow


def defect(rgb_u8: np.ndarray, square: np.ndarray | None = None) -> str | None:
    """What makes a picture useless for training on color; in doubt nothing.

    Args:
        rgb_u8: (H, W, 3) uint8 sRGB.
        square: (S, S, 3) uint8, the same picture at a smaller size, to save time; None: it is computed.

    Returns:
        "tiny" (shorter side under 64 pixels), "gray" (no chroma), "toned" (a gray picture printed in one
        tint: L determines the color), or None.
    """
    if min(rgb_u8.shape[:2]) < SIDE:
        return "tiny"
    # TRICKY: two ways to 64x64. Averaging removes the noise of JPEG, but changes a bent tone curve (overexposed
    # sepia). Picking pixels keeps the curve. A picture that is toned in either way is toned.
    height, width = rgb_u8.shape[:2]
    rows, columns = (np.linspace(0, n - 1, SIDE).astype(int) for n in (height, width))
    whole = rgb_u8 if square is None or len(square) < SIDE else square
    averaged = color.rgb_to_lab(cv2.resize(whole, (SIDE, SIDE), interpolation=cv2.INTER_AREA)).reshape(-1, 3)
    if np.percentile(np.hypot(averaged[:, 1], averaged[:, 2]), 99) < GRAY_CHROMA:
        return "gray"
    picked = color.rgb_to_lab(rgb_u8[rows][:, columns]).reshape(-1, 3)
    return "toned" if min(_residual(averaged), _residual(picked)) < TONED_RESIDUAL else None


def _residual(lab: np.ndarray) -> float:
    """How much of the colors L does not explain.

    Args:
        lab: (N, 3) float32.

    Returns:
        RMS distance in Lab units of (a, b) to a curve over L: straight pieces with equally many pixels.
    """
    pieces = lab[np.argsort(lab[:, 0], kind="stable")][: len(lab) // PIECES * PIECES]
    pieces = pieces.reshape(PIECES, -1, 3).astype(np.float64)
    pieces -= pieces.mean(axis=1, keepdims=True)
    l, ab = pieces[..., :1], pieces[..., 1:]
    slope = l.swapaxes(1, 2) @ ab / np.maximum(np.square(l).sum(axis=1, keepdims=True), 1e-6)
    return float(np.sqrt(np.square(ab - l * slope).sum() / len(lab)))
