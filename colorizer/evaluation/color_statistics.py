"""Which colors and how strong: hues, histograms over (a, b), and the effect of a gain.

Everything is computed on colors as `predictions.npz` stores them, 64x64 per picture; the truth is shrunk alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from colorizer import color
from colorizer.evaluation import predictions, test_sets
from colorizer.evaluation.scores import test_lists

# A predictor's colors: test list -> (file names, (n, 64, 64, 2) int8), as `predictions.read` returns them.
Predictions = Mapping[str, tuple[Sequence[str], np.ndarray]]

BROWN_HUES = (30.0, 100.0)  # degrees in the a, b plane, red-orange to yellow: dark or pale, people call them brown
HAS_HUE = 5.0  # Lab units of chroma; with less, a pixel has no hue to speak of
# Bins of five int8 steps, 5.04 Lab units, the middle one around no color; predictions may lie outside of sRGB.
_EDGES = np.arange(-127.5, 128, 5)
EXTENT = float(_EDGES[-1] / predictions.AB_STEPS * color.AB_SCALE)  # Lab units, half a histogram's side
NEAR_GRAY = 10.0  # Lab units of chroma; less looks gray beside a color
TRUTH = "truth"

COLUMNS = ["predictor", "test_set", "n", "chroma", "spread", "near_gray", "warm", "mean_a", "mean_b"]
GAIN_COLUMNS = ["predictor", "test_set", "n", "error", "best_gain", "error_best", "vivid_gain", "error_vivid"]


def truths(pictures: Iterable[test_sets.Pictures]) -> dict[str, tuple[list[str], np.ndarray]]:
    """The true colors of the test lists, in the form of a predictor's.

    Args:
        pictures: from `test_sets.find`.

    Returns:
        `Predictions`.
    """

    def small(p):
        rgb_u8 = (p.store.read([row])[0] for row in p.rows[: p.count])
        return np.stack([predictions.shrink(color.rgb_to_l_ab(picture)[1]) for picture in rgb_u8])

    return {p.name: (p.images[: p.count], small(p)) for p in pictures if p.count}


def hues(ab_norm: np.ndarray) -> dict[str, float]:
    """Summarizes the colors of some pixels.

    Args:
        ab_norm: (..., 2) float, ab/128.

    Returns:
        `a`, `b`: their means in Lab units; `chroma`; `brown`: the share of pixels between red-orange and yellow
        among those with a hue; `colored`: the share of pixels with a hue.
    """
    ab = np.asarray(ab_norm, np.float32).reshape(-1, 2) * color.AB_SCALE
    chroma = np.hypot(ab[:, 0], ab[:, 1])
    has_hue = chroma > HAS_HUE
    angle = np.degrees(np.arctan2(ab[has_hue, 1], ab[has_hue, 0]))
    brown = (angle >= BROWN_HUES[0]) & (angle <= BROWN_HUES[1])
    return {
        "a": float(ab[:, 0].mean()),
        "b": float(ab[:, 1].mean()),
        "chroma": float(chroma.mean()),
        "brown": float(brown.mean()) if len(brown) else 0.0,
        "colored": float(has_hue.mean()),
    }


def histogram(ab: np.ndarray) -> np.ndarray:
    """Counts how often each color occurs.

    Args:
        ab: (..., 2) int8.

    Returns:
        (51, 51) float64, shares of the pixels; rows are b from negative up, columns a.

    Source: the plane of Zhang et al. 2016, Figure 3.
    """
    a, b = ab.reshape(-1, 2).T
    counts, _, _ = np.histogram2d(b, a, bins=(_EDGES, _EDGES))
    return counts / len(a)


def region(shares: np.ndarray) -> float:
    """The share a bin must have to be among the fullest bins that together hold 95 % of all pixels."""
    ordered = np.sort(shares, axis=None)[::-1]
    return float(ordered[np.searchsorted(np.cumsum(ordered), 0.95)])


def _lab_ab(small_ab):
    return predictions.unshrink(small_ab).reshape(-1, 2).astype(np.float64) * color.AB_SCALE


def table(predictors: Mapping[str, Predictions]) -> pd.DataFrame:
    """Measures how strong the colors are, how far apart, and how brown.

    Args:
        predictors: name -> `Predictions`; the truth may be one of them.

    Returns:
        `COLUMNS`, a row per predictor and test list. `chroma`: mean over pixels of sqrt(a² + b²), Lab units.
        `spread`: root mean square distance to the predictor's own mean color, Lab units; 0 for one tint.
        `near_gray`, `warm`: shares of pixels with less chroma than `NEAR_GRAY`; with a > 0 and b > 0, where
        red, orange, yellow and brown lie. `mean_a`, `mean_b`: Lab units.
    """
    rows = []
    for name, predicted in predictors.items():
        for test_set in test_lists(predicted):
            ab = _lab_ab(predicted[test_set][1])
            chroma, mean = np.hypot(*ab.T), ab.mean(axis=0)
            spread = float(np.sqrt(np.square(ab - mean).sum(axis=1).mean()))
            shares = (float((chroma < NEAR_GRAY).mean()), float((ab > 0).all(axis=1).mean()))
            rows.append((name, test_set, len(predicted[test_set][0]), float(chroma.mean()), spread, *shares, *mean))
    return pd.DataFrame(rows, columns=COLUMNS)


def _moments(truth, predicted):
    """(n, mean of truth², of truth times prediction, of prediction²) over the pictures both have."""
    where = {name: i for i, name in enumerate(predicted[0])}
    both = [(i, where[name]) for i, name in enumerate(truth[0]) if name in where]
    if not both:
        return 0, 0.0, 0.0, 0.0
    t, p = (_lab_ab(part[[pair[k] for pair in both]]) for k, part in enumerate((truth[1], predicted[1])))
    return len(both), np.square(t).mean(), (t * p).mean(), np.square(p).mean()


def errors(truth: Predictions, predicted: Predictions, test_set: str, gains: np.ndarray) -> np.ndarray:
    """Squared error of a prediction with stronger colors, as a share of the error of no color.

    Args:
        truth: from `truths`.
        predicted: of a predictor.
        test_set: the list.
        gains: (n,) float, factors of a and b; 1 changes nothing, 0 is all-gray.

    Returns:
        (n,) float64; 1 is as wrong as no color. Not clipped to sRGB, as the loss is not.
    """
    _, tt, tp, pp = _moments(truth[test_set], predicted[test_set])
    return 1 - 2 * np.asarray(gains) * tp / tt + np.square(gains) * pp / tt


def gains(truth: Predictions, predictors: Mapping[str, Predictions]) -> pd.DataFrame:
    """Finds the gain with the least error, and the error at the truth's strength of color.

    Args:
        truth: from `truths`.
        predictors: name -> `Predictions`.

    Returns:
        `GAIN_COLUMNS`, a row per predictor and test list. `error`: as `errors` at gain 1. `best_gain`,
        `error_best`: the gain with the least error. `vivid_gain`, `error_vivid`: the gain at which root mean
        square chroma is the truth's. No row where predictor or truth has no color, or no picture is in both.
    """
    rows = []
    for name, predicted in predictors.items():
        for test_set in (t for t in test_lists(predicted) if t in truth):
            n, tt, tp, pp = _moments(truth[test_set], predicted[test_set])
            if not (n and tt and pp):
                continue
            best, vivid = tp / pp, np.sqrt(tt / pp)
            one, at_best, at_vivid = errors(truth, predicted, test_set, np.array([1, best, vivid]))
            rows.append((name, test_set, n, one, best, at_best, vivid, at_vivid))
    return pd.DataFrame(rows, columns=GAIN_COLUMNS)
