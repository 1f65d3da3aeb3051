"""The domain transform's recursive filter: colors spread over what luminance holds together, and stop at its edges.

Gastal, Oliveira, "Domain Transform for Edge-Aware Image and Video Processing", SIGGRAPH 2011, sections 4 and 5.3. A
network's colors are coarse: red reaches beyond the parrot, skin ends before the face does. Here each pixel takes a mean
over its surroundings in which a step of luminance counts as a long way. A place where the network leaves colors open
has a small weight in it, and so takes the color of what surrounds it.

    l_norm --> distances to the next pixels --> decays
    ab_norm_hat, weight --> three times, along rows and columns, there and back --> sum of weighted ab / sum of weights

Here it is twice: `enlarge` in tensor operations, `enlarge_numpy` for the engine that runs without Keras. The functions
import Keras themselves, so that the second needs none. Written from the paper; no code of theirs is used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

ITERATIONS = 3  # the paper's; one would leave stripes along rows and columns


def enlarge(l_norm: Any, coarse: Any, spread: float, contrast: float) -> Any:
    """Enlarges colors bilinearly to the picture's size, and smooths them within the edges of luminance.

    Args:
        l_norm: (B, H, W, 1) float32, -1..1; H and W are known.
        coarse: (B, h, w, 3) float32: `ab_norm_hat`, ab/128, and the weight of each place, above 0.
        spread: see `smooth`.
        contrast: see `smooth`.

    Returns:
        `ab_norm_hat` (B, H, W, 2) float32, ab/128, within -1..1.
    """
    from keras import ops

    enlarged = ops.image.resize(coarse, l_norm.shape[1:3], interpolation="bilinear")
    return ops.clip(smooth(l_norm, enlarged[..., :2], enlarged[..., 2:], spread, contrast), -1, 1)


def smooth(l_norm: Any, ab_norm_hat: Any, weight: Any, spread: float, contrast: float) -> Any:
    """Applies the filter in tensor operations, which can be exported with a network.

    Args:
        l_norm: (B, H, W, 1) float32, -1..1.
        ab_norm_hat: (B, H, W, 2) float32, ab/128.
        weight: (B, H, W, 1) float32, above 0.
        spread: standard deviation of the mean over even luminance, as a part of the side of a square with as many
            pixels (sigma_s).
        contrast: a step of `l_norm` that is as far as `spread` (sigma_r).

    Returns:
        (B, H, W, 2) float32, ab/128.
    """
    from keras import ops

    height, width = l_norm.shape[1:3]
    x = ops.concatenate([ab_norm_hat * weight, weight], axis=-1)
    # Rows first, then columns; the axis along which one goes is always axis 1.
    columns = _distances(l_norm, height, width, spread, contrast)
    rows = _distances(ops.swapaxes(l_norm, 1, 2), height, width, spread, contrast)
    for decay in _decays(height, width, spread):
        for distances in (rows, columns):
            x = _there_and_back(ops.swapaxes(x, 1, 2), ops.power(decay, distances))
    return x[..., :2] / x[..., 2:]


def _distances(l_norm, height, width, spread, contrast):
    """How far each line of pixels is from the next along axis 1, in pixels (eq. 11)."""
    from keras import ops

    return 1 + ops.abs(l_norm[:, 1:] - l_norm[:, :-1]) * (spread * _side(height, width) / contrast)


def _side(height: int, width: int) -> float:
    """The side of a square with as many pixels."""
    return math.sqrt(height * width)


def _decays(height: int, width: int, spread: float) -> Iterator[float]:
    """What is left of a pixel one pixel further, in each iteration (eq. 14, and a of section 5.3)."""
    for iteration in range(ITERATIONS):
        share = math.sqrt(3) * 2 ** (ITERATIONS - iteration - 1) / math.sqrt(4**ITERATIONS - 1)
        yield math.exp(-math.sqrt(2) / (spread * _side(height, width) * share))


def _there_and_back(x, decays):
    """The recursion along axis 1 in both directions: (B, n, m, C) and (B, n - 1, m, 1) -> (B, n, m, C)."""
    from keras import ops

    first = ops.zeros_like(decays[:, :1])
    x = _recursion(x, ops.concatenate([first, decays], axis=1))
    return ops.flip(_recursion(ops.flip(x, axis=1), ops.concatenate([first, ops.flip(decays, axis=1)], axis=1)), axis=1)


def _recursion(x, decays):
    """y[i] = (1 - decays[i]) x[i] + decays[i] y[i - 1] along axis 1 (eq. 21), in log2(n) steps.

    Each step joins the affine map of a pixel with that of the pixel as far before it as the maps reach (Hillis, Steele
    1986): a loop over pixels would be slow in every backend.
    """

    x, reach = (1 - decays) * x, 1
    while reach < x.shape[1]:
        x, decays = x + decays * _moved(x, reach), decays * _moved(decays, reach)
        reach *= 2
    return x


def _moved(x, by):
    """Moved along axis 1, zeros coming in."""
    from keras import ops

    return ops.pad(x[:, :-by], [(0, 0), (by, 0), (0, 0), (0, 0)])


def enlarge_numpy(l_norm: np.ndarray, coarse: np.ndarray, spread: float, contrast: float) -> np.ndarray:
    """Does what `enlarge` does, for one picture and without Keras.

    Args:
        l_norm: (H, W, 1) float32, -1..1.
        coarse: (h, w, 3) float32, see `enlarge`.
        spread: see `smooth`.
        contrast: see `smooth`.

    Returns:
        `ab_norm_hat` (H, W, 2) float32, ab/128, within -1..1.
    """
    height, width = l_norm.shape[:2]
    x = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    x[..., :2] *= x[..., 2:]
    scale = np.float32(spread * _side(height, width) / contrast)
    rows, columns = (1 + scale * np.abs(np.diff(one, axis=0)) for one in (l_norm.swapaxes(0, 1), l_norm))
    for decay in _decays(height, width, spread):
        for distances in (rows, columns):
            x = np.ascontiguousarray(x.swapaxes(0, 1))
            decays = np.power(np.float32(decay), distances)
            for here, before, left in zip(x[1:], x[:-1], decays, strict=True):
                here += left * (before - here)
            for here, after, left in zip(x[-2::-1], x[:0:-1], decays[::-1], strict=True):
                here += left * (after - here)
    return np.clip(x[..., :2] / x[..., 2:], -1, 1)
