"""A look: how a distribution over colors becomes one color, accurate and pale or vivid and more often wrong."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from colorizer.methods.layers.color_bins import BINS

# A bound for pictures whose colors the network hardly knows: all 313 bins alike have a variance of 5,709, of which
# 0.025 makes 143 Lab units, nine times the 17 of their mean.
LARGEST_GAIN = 3.0
LEAST_CHROMA = 1.0  # Lab units; a mean paler than this has no direction
MOMENTS = np.column_stack([BINS, np.square(BINS).sum(axis=1)])  # (313, 3): a, b, a^2 + b^2


class Look(NamedTuple):
    """How a distribution becomes colors: the `temperature` of the annealed mean, and `added`, see `gain`."""

    temperature: float
    added: float


def gain(logits: Any, ab: Any, added: float) -> Any:
    """The factor that raises a picture's chroma where its own distribution makes that cheapest.

    A mean is paler than what it is the mean of: if red and green are equally likely, it is neither. Its squared error
    is the distribution's variance, and d Lab units more of chroma make it larger by d^2: in decibels by about d^2 over
    the variance. So the most chroma for a given loss is had if every picture gets `added` Lab units for each squared
    unit of its variance, both taken over all pixels.

    Args:
        logits: (B, h, w, 313) float32.
        ab: (B, h, w, 2) float32, Lab units.
        added: Lab units of chroma for each squared unit of variance.

    Returns:
        (B, 1, 1, 1) float32, between 1 and `LARGEST_GAIN`.
    """
    moments = ops.matmul(ops.softmax(logits, axis=-1), MOMENTS)
    mean, squares = moments[..., :2], moments[..., 2]
    variance = ops.mean(squares - ops.sum(ops.square(mean), axis=-1), axis=(1, 2))
    chroma = ops.sqrt(ops.mean(ops.sum(ops.square(ab), axis=-1), axis=(1, 2)))
    raised = 1 + added * variance / ops.maximum(chroma, LEAST_CHROMA)
    return ops.clip(raised, 1, LARGEST_GAIN)[:, None, None, None]
