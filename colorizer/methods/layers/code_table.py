"""The soft code of a color, by a look into a table: ten nearest bins of 313 without a search.

Colors are rounded to whole Lab units: half a unit is a tenth of the code's width.
"""

from __future__ import annotations

import functools

import keras
import numpy as np
from keras import ops

from colorizer.methods.layers import color_bins
from colorizer.methods.layers.color_bins import BINS

# Whole Lab units that sRGB colors reach: a from -87 to 99, b from -108 to 95.
FIRST, LAST = np.array([-88, -109]), np.array([99, 95])
SIDES = LAST - FIRST + 1


@functools.cache
def neighbors() -> tuple[np.ndarray, np.ndarray]:
    """The nearest bins of all whole Lab colors: (188 * 205, 10) int32, nearest first, and float32 shares. Read-only."""
    a, b = np.meshgrid(*(np.arange(first, last + 1) for first, last in zip(FIRST, LAST, strict=True)), indexing="ij")
    ab = np.stack([a.ravel(), b.ravel()], axis=-1).astype(np.float32)
    # 38,540 colors; the table below has 313 shares of each in float32: 48 MB, made once.
    squared = np.square(ab[:, None] - BINS).sum(axis=-1)
    # "stable": of two bins at one distance the first counts, on every machine.
    indices = np.argsort(squared, axis=-1, kind="stable")[:, : color_bins.NEIGHBORS].astype(np.int32)
    near = np.take_along_axis(squared, indices, axis=-1)
    # Relative to the nearest bin: its exponent is 0, and the sum below is never too small to divide by.
    shares = np.exp((near[:, :1] - near) / (2 * color_bins.SIGMA**2))
    shares = (shares / shares.sum(axis=-1, keepdims=True)).astype(np.float32)
    for array in (indices, shares):
        array.flags.writeable = False
    return indices, shares


@functools.cache
def table() -> np.ndarray:
    """The soft codes of all whole Lab colors: (188 * 205, 313) float32, every row sums to 1. Read-only."""
    indices, shares = neighbors()
    codes = np.zeros((len(indices), len(BINS)), np.float32)
    np.put_along_axis(codes, indices, shares, axis=-1)
    codes.flags.writeable = False
    return codes


def rows(ab):
    """The rows of `table` of some colors, rounded to whole units: (..., 2) Lab units -> (...) int32."""
    # A color beyond the table takes the row that is nearest in a and in b.
    whole = ops.clip(ops.cast(ops.round(ab), "int32") - FIRST, 0, SIDES - 1)
    return whole[..., 0] * int(SIDES[1]) + whole[..., 1]


def encode(ab):
    """As `color_bins.encode`, by a look into the table: (..., 2) Lab units -> indices and shares, (..., 10) each."""
    numbers = rows(ab)
    indices, shares = neighbors()
    return ops.take(indices, numbers, axis=0), ops.take(shares, numbers, axis=0)


class Codes:
    """The table where the backend can look into it.

    Args:
        dtype: of the codes.
    """

    def __init__(self, dtype: str = "float32"):
        self.variable = keras.Variable(table(), trainable=False, dtype=dtype, name="codes")

    def __call__(self, ab):
        """Soft codes: (..., 2) float Lab units -> (..., 313) of the table's type."""
        return ops.take(self.variable, rows(ab), axis=0)
