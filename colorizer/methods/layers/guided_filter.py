"""The guided filter: colors smoothed along the photograph's own edges.

He, Sun, Tang, "Guided Image Filtering", ECCV 2010. A network's colors are coarse and vary from place to place. Within
each window they are made a linear function of luminance, so that they change where luminance does and nowhere else.

    l_norm, ab_norm_hat --> windows' means, variance, covariance --> slope, offset --> their means --> slope L + offset

Here it is twice: `enlarge` in tensor operations, `enlarge_numpy` in OpenCV for the engine that runs without Keras. The
functions import Keras themselves, so that the second needs none. Written from the paper; no code of theirs is used.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np


def radius_of(height: int, width: int, windows: int) -> int:
    """The radius of the filter for a picture.

    Args:
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        windows: see `enlarge`.

    Returns:
        Pixels, at least 1.
    """
    return max(1, math.isqrt(height * width) // windows)


def enlarge(l_norm: Any, coarse_ab_norm: Any, windows: int, epsilon: float) -> Any:
    """Enlarges colors bilinearly to the picture's size, and smooths them along the edges of luminance.

    Args:
        l_norm: (B, H, W, 1) float32, -1..1.
        coarse_ab_norm: (B, h, w, 2) float32, ab/128.
        windows: side of the square with as many pixels as the picture, over the filter's radius.
        epsilon: see `smooth`.

    Returns:
        `ab_norm_hat` (B, H, W, 2) float32, ab/128, within -1..1.
    """
    from keras import ops

    height, width = l_norm.shape[1:3]
    ab_norm_hat = ops.image.resize(coarse_ab_norm, (height, width), interpolation="bilinear")
    return ops.clip(smooth(l_norm, ab_norm_hat, radius_of(height, width, windows), epsilon), -1, 1)


def smooth(l_norm: Any, ab_norm_hat: Any, radius: int, epsilon: float) -> Any:
    """Applies the guided filter (eq. 5-8) in tensor operations, which can be exported with a network.

    Args:
        l_norm: (B, S, S, 1) float32, -1..1.
        ab_norm_hat: (B, S, S, 2) float32, ab/128.
        radius: of the square window, which is 2 radius + 1 pixels wide. What lies outside the picture does not count.
        epsilon: variance of `l_norm` below which a window counts as flat; its color is then the window's mean.

    Returns:
        (B, S, S, 2) float32, ab/128.
    """
    from keras import ops

    # Six maps in one pass: L, L^2, and for a and b the color and its product with L.
    means = _window_means(
        ops.concatenate([l_norm, l_norm * l_norm, ab_norm_hat, l_norm * ab_norm_hat], axis=-1), radius
    )
    mean_l, mean_ll, mean_ab, mean_l_ab = means[..., :1], means[..., 1:2], means[..., 2:4], means[..., 4:]
    # Eq. 5: covariance over variance. Where L varies less than epsilon the slope goes to 0, and the window gets its
    # mean color.
    slope = (mean_l_ab - mean_l * mean_ab) / (mean_ll - mean_l * mean_l + epsilon)
    # Eq. 8: every pixel lies in many windows; it takes the mean of their slopes and offsets (eq. 6).
    means = _window_means(ops.concatenate([slope, mean_ab - slope * mean_l], axis=-1), radius)
    return means[..., :2] * l_norm + means[..., 2:]


def _window_means(x, radius):
    """Means over squares, computed as means over columns of means over rows."""
    from keras import ops

    # Two passes cost 2 w sums a pixel instead of w^2: 34 instead of 289 at a radius of 8.
    width = 2 * radius + 1
    for window in ((width, 1), (1, width)):
        # "same" does not count what lies outside of the picture, so borders do not get darker or paler.
        x = ops.average_pool(x, window, strides=1, padding="same")
    return x


def enlarge_numpy(l_norm: np.ndarray, coarse_ab_norm: np.ndarray, windows: int, epsilon: float) -> np.ndarray:
    """Does what `enlarge` does, for one picture and without Keras.

    Args:
        l_norm: (H, W, 1) float32, -1..1.
        coarse_ab_norm: (h, w, 2) float32, ab/128.
        windows: see `enlarge`.
        epsilon: see `smooth`.

    Returns:
        `ab_norm_hat` (H, W, 2) float32, ab/128, within -1..1.
    """
    height, width = l_norm.shape[:2]
    radius = radius_of(height, width, windows)
    ab_norm = cv2.resize(coarse_ab_norm, (width, height), interpolation=cv2.INTER_LINEAR)
    counts = _window_sums(np.ones((height, width), np.float32), radius)[..., None]

    def means(*channels):
        return _window_sums(np.concatenate(channels, axis=-1), radius) / counts

    of_l, of_ab = means(l_norm, l_norm * l_norm), means(ab_norm, l_norm * ab_norm)
    mean_l, mean_ll, mean_ab, mean_l_ab = of_l[..., :1], of_l[..., 1:], of_ab[..., :2], of_ab[..., 2:]
    slope = (mean_l_ab - mean_l * mean_ab) / (mean_ll - mean_l * mean_l + np.float32(epsilon))
    lines = means(slope, mean_ab - slope * mean_l)
    return np.clip(lines[..., :2] * l_norm + lines[..., 2:], -1, 1)


def _window_sums(x: np.ndarray, radius: int) -> np.ndarray:
    """Sums over squares of 2 radius + 1 pixels; what lies outside of the picture is zero."""
    width = 2 * radius + 1
    return cv2.boxFilter(x, -1, (width, width), normalize=False, borderType=cv2.BORDER_CONSTANT)
