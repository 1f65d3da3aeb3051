"""What a classifier's features say about sets of pictures: KID, a distance, and how much it recognizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from colorizer.evaluation.statistics import NORMAL_95, RESAMPLES, SEED


class Estimate(NamedTuple):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


def kid(features: np.ndarray, others: np.ndarray) -> Estimate:
    """Kernel inception distance of pairs of pictures, with the cubic kernel (x'y / d + 1)^3.

    No picture is compared with itself or with the other of its pair: identical sets give 0. The interval is made by
    leaving out one pair after another.

    Args:
        features: (n, d) float, n >= 3: of one set of pictures.
        others: (n, d) float: row i is of the same picture, as the truth and its colorization are.

    Returns:
        The unbiased estimate of the squared maximum mean discrepancy: around 0 for sets of one kind, also below. The
        interval is the value and 1.96 standard errors to both sides.

    Raises:
        ValueError: sets that are too small, or not of one length.

    Source: Binkowski, Sutherland, Arbel, Gretton, Demystifying MMD GANs, 2018; of pairs: Gretton et al., A Kernel
    Two-Sample Test, 2012, equation 4; the interval: Efron and Stein, The jackknife estimate of variance, 1981. Their
    features are Inception's, ours another classifier's: numbers of other papers cannot be compared.
    """
    a, b = (np.asarray(rows, np.float64) for rows in (features, others))
    n = len(a)
    if n < 3 or n != len(b):
        raise ValueError(f"KID needs three pairs of pictures or more. Received: {n} and {len(b)} pictures")
    x, y, xy = ((one @ other.T / a.shape[1] + 1) ** 3 for one, other in ((a, a), (b, b), (a, b)))
    pairs = x + y - xy - xy.T
    np.fill_diagonal(pairs, 0)
    value = pairs.sum() / (n * (n - 1))
    left_out = (pairs.sum() - 2 * pairs.sum(axis=1)) / ((n - 1) * (n - 2))
    error = np.sqrt((n - 1) / n * np.square(left_out - left_out.mean()).sum())
    return Estimate(float(value), float(value - NORMAL_95 * error), float(value + NORMAL_95 * error))


def distance(levels: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> np.ndarray:
    """How far apart a classifier sees two pictures. Like LPIPS, but not LPIPS: no weights are learned from people.

    At every place of every level the channels are made a vector of length 1. The squared difference of both vectors
    is averaged over places, then over levels.

    Args:
        levels: (B, h, w, C) float each: feature maps of some pictures.
        others: the same shapes.

    Returns:
        (B,) float64: 0 for the same picture, at most 4; at most 2 where features are never negative.

    Source: Zhang et al., The Unreasonable Effectiveness of Deep Features, 2018, their distance without its weights.
    """
    apart = []
    for one, other in zip(levels, others, strict=True):
        squared = np.square(_of_length_1(one) - _of_length_1(other)).sum(axis=-1)
        apart.append(squared.mean(axis=(1, 2)))
    return np.mean(apart, axis=0)


def _of_length_1(level):
    level = np.asarray(level, np.float64)
    return level / (np.linalg.norm(level, axis=-1, keepdims=True) + 1e-10)


def recovered(correct: np.ndarray, gray: np.ndarray, truth: np.ndarray) -> Estimate:
    """How far colors lead a classifier from what it recognizes in gray to what it recognizes in the true picture.

    Args:
        correct: (n,) bool or 0/1, whether each colored picture is recognized.
        gray: the same of the gray pictures.
        truth: the same of the true ones.

    Returns:
        (accuracy - gray's) / (truth's - gray's): 0 is as gray, 1 as the truth, negative where colors mislead. The
        interval is a percentile bootstrap over pictures, 10,000 resamples, seed 42. NaN where the truth is recognized
        no better than gray.

    Source: Zhang, Isola, Efros, Colorful Image Colorization, 2016, section 3.1 ("semantic interpretability").
    """
    rows = np.stack([np.asarray(part, np.float64) for part in (correct, gray, truth)])
    # Pictures differ in three yes-or-no answers only: eight kinds, drawn as often as they occur.
    kinds, counts = np.unique(rows.T, axis=0, return_counts=True)
    n = rows.shape[1]
    drawn = np.random.default_rng(SEED).multinomial(n, counts / n, RESAMPLES)
    means = np.concatenate([rows.mean(axis=1)[None], drawn @ kinds / n])
    way = means[:, 2] - means[:, 1]
    shares = np.divide(means[:, 0] - means[:, 1], way, out=np.full(len(way), np.nan), where=way > 0)
    if np.isnan(shares).all() or np.isnan(shares[0]):
        return Estimate(float("nan"), float("nan"), float("nan"))
    low, high = np.nanquantile(shares[1:], [0.025, 0.975])
    return Estimate(float(shares[0]), float(low), float(high))
