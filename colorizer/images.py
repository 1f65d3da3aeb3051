"""Arrays of pixels before they are photographs or network inputs: their kind, their depth, their size."""

from __future__ import annotations

import cv2
import numpy as np

from colorizer.errors import ArgumentError


def require_photo(rgb: np.ndarray) -> np.ndarray:
    """Returns the array if it is a photograph.

    Args:
        rgb: what should be (H, W, 3) uint8 or uint16.

    Raises:
        ArgumentError: it is something else.
    """
    dtype, shape = getattr(rgb, "dtype", type(rgb)), getattr(rgb, "shape", ())
    if dtype not in (np.uint8, np.uint16) or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise ArgumentError(
            f"A photo is an (H, W, 3) array of uint8 or uint16. Received: {dtype}, shape {shape}. "
            "Make floats of 0..1 uint8 first: (255 * rgb).round().astype('uint8'). Of RGBA give rgba[..., :3]."
        )
    return rgb


def to_uint8(values: np.ndarray) -> np.ndarray:
    """Rounds uint16 of any shape to the nearest of 256 levels; uint8 comes back as it is."""
    return values if values.dtype == np.uint8 else cv2.convertScaleAbs(values, alpha=1 / 257).reshape(values.shape)


def resize_square(rgb: np.ndarray, size: int) -> np.ndarray:
    """Resizes a picture to a square without keeping its aspect: (H, W, 3) -> (size, size, 3), see `resize`."""
    return resize(rgb, (size, size))


def resize(rgb: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resizes a picture.

    The filter averages areas (INTER_AREA) where both sides become shorter, and is bilinear elsewhere.

    Args:
        rgb: (H, W, 3) uint8 or uint16.
        shape: height and width of the result.

    Returns:
        (height, width, 3) of the same dtype.
    """
    shorter = rgb.shape[0] > shape[0] and rgb.shape[1] > shape[1]
    return cv2.resize(rgb, shape[::-1], interpolation=cv2.INTER_AREA if shorter else cv2.INTER_LINEAR)
