"""Which pictures are useless for training on color: tiny, gray, or gray in one tint."""

from __future__ import annotations

import cv2
import numpy as np

from colorizer import color

SIDE = 64  # shorter side in pixels; a smaller picture at 256x256 is all interpolation
TONED_RESIDUAL = 1.6  # Lab units; 5 of 7,453 pictures of COCO and paintings have less
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
    both = np.concatenate([cv2.resize(whole, (SIDE, SIDE), interpolation=cv2.INTER_AREA), rgb_u8[rows][:, columns]])
    averaged, picked = color.rgb_to_lab(both).reshape(2, -1, 3)
    if color.is_gray(averaged[:, 1:]):
        return "gray"
    return "toned" if min(_residual(averaged), _residual(picked)) < TONED_RESIDUAL else None


def _residual(lab: np.ndarray) -> float:
    """How much of the colors L does not explain.

    Args:
        lab: (N, 3) float32.

    Returns:
        RMS distance in Lab units of (a, b) to a curve over L: straight pieces with equally many pixels.
    """
    order = np.argsort(lab[:, 0], kind="stable")[: len(lab) // PIECES * PIECES]
    pieces = np.ascontiguousarray(lab.take(order, axis=0).T, np.float64).reshape(3, PIECES, -1)
    l, ab = pieces[0], pieces[1:]
    # Sums of squares and products about each piece's mean, in one pass each: a third of the time of centered copies.
    # In float64 they are exact to 1e-8, far below what a tint differs by.
    sums, pixels = np.einsum("cpn->cp", pieces), pieces.shape[2]
    l_l = np.einsum("pn,pn->p", l, l) - sums[0] ** 2 / pixels
    l_ab = np.einsum("pn,cpn->cp", l, ab) - sums[0] * sums[1:] / pixels
    ab_ab = np.einsum("cpn,cpn->cp", ab, ab) - sums[1:] ** 2 / pixels
    slope = l_ab / np.maximum(l_l, 1e-6)
    squares = ab_ab - slope * (2 * l_ab - slope * l_l)
    return float(np.sqrt(max(squares.sum(), 0.0) / len(lab)))
