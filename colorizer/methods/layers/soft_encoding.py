"""From a color to a distribution over 313 bins: the soft encoding of training targets, and the prior of a data set.

    ab --> rounded to whole Lab units --> row of a table --> ten nearest bins with shares, or all 313

A table needs no search. Half a unit, by which a color is rounded at most, is a tenth of the Gaussian's width.

From Zhang, Isola, Efros, Colorful Image Colorization, ECCV 2016, section 2.2. Written from the paper; the authors' code
(BSD-2-Clause) is not used. Details: docs/reproduction_notes.md, 1.2.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from colorizer import color
from colorizer.methods.layers.bins import BINS, STRIDE

# The paper prints 5; its author calls that a typo, and the code has 10 (richzhang/colorization#59).
NEIGHBORS = 10
SIGMA = 5.0  # Lab units, of the Gaussian over the neighbors
PRIOR_PICTURES = 2500  # enough for the prior: 10 million pixels at 256x256; more would only take time

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
    indices = np.argsort(squared, axis=-1, kind="stable")[:, :NEIGHBORS].astype(np.int32)
    near = np.take_along_axis(squared, indices, axis=-1)
    # Relative to the nearest bin: its exponent is 0, and the sum below is never too small to divide by.
    shares = np.exp((near[:, :1] - near) / (2 * SIGMA**2))
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


def row_index(ab):
    """The rows of `table` of some colors, rounded to whole units: (..., 2) Lab units -> (...) int32."""
    # A color beyond the table takes the row that is nearest in a and in b.
    whole = ops.clip(ops.cast(ops.round(ab), "int32") - FIRST, 0, SIDES - 1)
    return whole[..., 0] * int(SIDES[1]) + whole[..., 1]


def encode(ab):
    """Spreads colors over their nearest bins.

    Args:
        ab: (..., 2) float32, Lab units.

    Returns:
        `indices` (..., 10) int32 into `BINS`, nearest first, and `shares` (..., 10) float32 that sum to 1.
    """
    numbers = row_index(ab)
    indices, shares = neighbors()
    return ops.take(indices, numbers, axis=0), ops.take(shares, numbers, axis=0)


class SoftEncoder:
    """The table where the backend can look into it."""

    def __init__(self):
        self.variable = keras.Variable(table(), trainable=False, dtype="float32", name="codes")

    def __call__(self, ab):
        """Soft codes: (..., 2) float Lab units -> (..., 313) float32."""
        return ops.take(self.variable, row_index(ab), axis=0)


def subsample(ab_norm: Any) -> Any:
    """Takes every fourth pixel, as the authors' code: (B, S, S, 2) ab/128 -> (B, S/4, S/4, 2) Lab units."""
    return ab_norm[:, ::STRIDE, ::STRIDE] * color.AB_SCALE


def prior(colors: Iterable[np.ndarray]) -> np.ndarray:
    """How often each bin occurs: the mean soft code of some colors.

    Args:
        colors: arrays (..., 2) float, Lab units.

    Returns:
        (313,) float64, sums to 1.
    """
    codes = table()
    counts = np.zeros(len(codes), np.int64)
    for ab in colors:
        counts += np.bincount(ops.convert_to_numpy(row_index(ab)).ravel(), minlength=len(codes))
    return (counts / counts.sum()) @ codes


def prior_of(train: keras.utils.PyDataset) -> np.ndarray:
    """How often each bin occurs in a training set, every fourth pixel counted.

    Args:
        train: training batches. Their pictures are taken without augmentation, at most `PRIOR_PICTURES` of them,
            so that a resumed run gets the same prior.

    Returns:
        (313,) float64, sums to 1.
    """
    plain = train.unaugmented(PRIOR_PICTURES)
    return prior(subsample(plain[index][1]) for index in range(len(plain)))
