"""From a distribution over 313 bins of ab to a color. The way there is `soft_encoding`.

    logits over the 313 bins --> annealed_mean, boost_chroma --> ab

From Zhang, Isola, Efros, Colorful Image Colorization, ECCV 2016, section 2. Written from the paper; the
authors' code (BSD-2-Clause) is not used. Details: docs/reproduction_notes.md, 1.2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from colorizer.methods.layers.bins import BINS

# A bound for pictures whose colors the network hardly knows: all 313 bins alike have a variance of 5,709, of which
# 0.025 makes 143 Lab units, nine times the 17 of their mean.
LARGEST_GAIN = 3.0
LEAST_CHROMA = 1.0  # Lab units; a mean paler than this has no direction
# Lab units. Of 31 historical photographs, colored by the ViT decoder at temperature 0.5, nine in ten had a mean color
# below 7.1, the most 9.1; a meadow or a sunset has more, and keeps the rest.
LARGEST_CAST = 8.0
SPACING = 10.0  # Lab units between neighboring bins
_BINS_AND_ONES = np.column_stack([BINS, np.ones(len(BINS), np.float32)])  # (313, 3)


def annealed_mean(logits: Any, temperature: float = 1.0) -> Any:
    """The mean color of a distribution over `BINS`, sharpened (section 2.3).

    Args:
        logits: (..., 313) float32.
        temperature: 1 gives the mean; towards 0 it gives the most likely bin.

    Returns:
        (..., 2) float32, Lab units.
    """
    # A softmax and a product, but the division comes last, for two numbers of a pixel and not for 313.
    shares = ops.exp((logits - ops.max(logits, axis=-1, keepdims=True)) / temperature)
    sums = ops.matmul(shares, _BINS_AND_ONES)
    return sums[..., :-1] / sums[..., -1:]


class Look(NamedTuple):
    """How a distribution becomes colors.

    Attributes:
        temperature: of the annealed mean.
        added: see `chroma_gain`.
        cast: see `boost_chroma`.
        limit: see `boost_chroma`.
    """

    temperature: float
    added: float
    cast: float | None = None
    limit: float | None = None


def _variance(logits: Any) -> Any:
    """Of a distribution over `BINS`, a's and b's together: (..., 313) -> (..., 1), squared Lab units."""
    shares = ops.softmax(logits, axis=-1)
    mean = ops.matmul(shares, BINS)
    # From the distances to the mean: the mean of the squares less the square of the mean would leave little but the
    # rounding of both where a distribution is narrow.
    products = ops.matmul(mean, np.ascontiguousarray(BINS.T))
    distances = np.square(BINS).sum(axis=1) - 2 * products + ops.sum(ops.square(mean), axis=-1, keepdims=True)
    return ops.sum(shares * distances, axis=-1, keepdims=True)


def certainty(logits: Any) -> Any:
    """The weight of a place's color beside those of other places: one over the variance of its distribution.

    With these weights a mean of independent values has the least error. Where within a bin a color lies is not known:
    the variance has that of a whole bin added, as if all of its colors were equally likely.

    Args:
        logits: (..., 313) float32.

    Returns:
        (..., 1) float32, 1 / squared Lab units.
    """
    return 1 / (_variance(logits) + SPACING**2 / 6)


def chroma_gain(logits: Any, ab: Any, added: float) -> Any:
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
    variance = ops.mean(_variance(logits), axis=(1, 2, 3))
    chroma = ops.sqrt(ops.mean(ops.sum(ops.square(ab), axis=-1), axis=(1, 2)))
    raised = 1 + added * variance / ops.maximum(chroma, LEAST_CHROMA)
    return ops.clip(raised, 1, LARGEST_GAIN)[:, None, None, None]


def boost_chroma(logits: Any, ab: Any, look: Look) -> Any:
    """Raises a picture's chroma; see `chroma_gain`.

    With `look.limit` pale colors get the whole gain and strong ones less, as by a photo editor's vibrance: chroma c
    becomes c gain / (1 + (gain - 1) c / limit), so none is raised above the limit. The strongest color of a picture is
    often a guess at a small place; raised like all others, it becomes a red spot on a gray coat.

    With `look.cast` the color cast does not grow.
    The cast is the mean color of the picture, `LARGEST_CAST` at most. A network that does not know a room's colors
    takes the brown that most rooms have; raised as a whole, the room becomes sepia. So what a color has in the cast's
    direction, up to the cast, is multiplied by `look.cast`, and all else by the gain: skin, sky and a red coat stand
    out, gray stays gray, and no color changes to its opposite.

    Args:
        logits: (B, h, w, 313) float32.
        ab: (B, h, w, 2) float32, Lab units.
        look: its `added`, `cast` and `limit` (Lab units). None as the cast multiplies that like everything else, None
            as the limit every color by the same gain.

    Returns:
        (B, h, w, 2) float32, Lab units.
    """
    if look.cast is None:
        return _limited(chroma_gain(logits, ab, look.added), ab, look.limit) * ab
    mean = ops.mean(ab, axis=(1, 2), keepdims=True)
    chroma = ops.sqrt(ops.sum(ops.square(mean), axis=-1, keepdims=True))
    direction = mean / ops.maximum(chroma, 1e-6)  # a gray picture has none
    cast = ops.minimum(chroma, LARGEST_CAST)
    factor = _limited(chroma_gain(logits, ab - cast * direction, look.added), ab, look.limit)
    along = ops.sum(ab * direction, axis=-1, keepdims=True)
    inside = ops.minimum(ops.maximum(along, 0.0), cast)
    return factor * ab - (factor - look.cast) * inside * direction


def _limited(factor: Any, ab: Any, limit: float | None) -> Any:
    """A picture's gain at each of its colors, never below 1."""
    if limit is None:
        return factor
    chroma = ops.sqrt(ops.sum(ops.square(ab), axis=-1, keepdims=True))
    return ops.maximum(factor / (1 + (factor - 1) * chroma / limit), 1.0)
