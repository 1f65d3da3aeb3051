"""Which colours and how strong: histograms over (a, b) of predictions and truth, and what a gain would change.

Everything is computed on colours as `predictions.npz` keeps them, 64x64 a picture, the truth shrunk alike. A
predictor's colours are `Kept`: test list -> (names, (n, 64, 64, 2) int8), as `predictions.read` returns them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from colorizer import color
from colorizer.evaluation import predictions, runs, test_sets

Kept = Mapping[str, tuple[Sequence[str], np.ndarray]]

# Bins of five int8 steps, 5.04 Lab units, the middle one around no colour; predictions may lie outside of sRGB.
_EDGES = np.arange(-127.5, 128, 5)
EXTENT = float(_EDGES[-1] / predictions.AB_STEPS * color.AB_SCALE)  # Lab units, half a histogram's side
NEAR_GREY = 10.0  # Lab units of chroma; less looks grey beside a colour
TRUTH = "truth"

COLUMNS = ["predictor", "test_set", "n", "chroma", "spread", "near_grey", "warm", "mean_a", "mean_b"]
GAIN_COLUMNS = ["predictor", "test_set", "n", "error", "best_gain", "error_best", "vivid_gain", "error_vivid"]


def truths(pictures: Iterable[test_sets.Pictures]) -> dict[str, tuple[list[str], np.ndarray]]:
    """The true colours of the test lists, as a perfect predictor would have kept them.

    Args:
        pictures: from `testlists.find`.

    Returns:
        `Kept`.

    Source: ours.
    """
    found = {}
    for p in pictures:
        shrunk = [predictions.shrink(color.rgb_to_l_ab(p.store.read([row])[0])[1]) for row in p.rows[: p.listed]]
        found[p.name] = (p.images[: p.listed], np.stack(shrunk))
    return found


def histogram(ab: np.ndarray) -> np.ndarray:
    """How often each colour occurs.

    Args:
        ab: (..., 2) int8, as kept.

    Returns:
        (51, 51) float64, shares of the pixels; rows are b from negative up, columns a.

    Source: ours; the plane of Zhang 2016, Figure 3.
    """
    a, b = ab.reshape(-1, 2).T
    counts, _, _ = np.histogram2d(b, a, bins=(_EDGES, _EDGES))
    return counts / len(a)


def region(shares: np.ndarray, inside: float = 0.95) -> float:
    """The share a bin must have to be among the fullest bins that together hold `inside` of all pixels."""
    ordered = np.sort(shares, axis=None)[::-1]
    return float(ordered[np.searchsorted(np.cumsum(ordered), inside)])


def _lab_ab(kept):
    return predictions.unshrink(kept).reshape(-1, 2).astype(np.float64) * color.AB_SCALE


def table(predictors: Mapping[str, Kept]) -> pd.DataFrame:
    """How strong the colours are, how far apart, and how brown.

    Args:
        predictors: name -> `Kept`; the truth is one of them.

    Returns:
        `COLUMNS`, a row per predictor and test list. `chroma`: mean over pixels of sqrt(a² + b²), Lab units.
        `spread`: root mean square distance to the predictor's own mean colour, Lab units; 0 for one tint.
        `near_grey`, `warm`: shares of pixels with less chroma than `NEAR_GREY`; with a > 0 and b > 0, where
        red, orange, yellow and brown lie. `mean_a`, `mean_b`: Lab units.

    Source: ours.
    """
    rows = []
    for name, kept in predictors.items():
        for test_set in (t for t in runs.TEST_LISTS if t in kept):
            ab = _lab_ab(kept[test_set][1])
            chroma, mean = np.hypot(*ab.T), ab.mean(axis=0)
            spread = float(np.sqrt(np.square(ab - mean).sum(axis=1).mean()))
            shares = (float((chroma < NEAR_GREY).mean()), float((ab > 0).all(axis=1).mean()))
            rows.append((name, test_set, len(kept[test_set][0]), float(chroma.mean()), spread, *shares, *mean))
    return pd.DataFrame(rows, columns=COLUMNS)


def _moments(truth, kept):
    """(n, mean of truth², of truth times prediction, of prediction²) over the pictures both have."""
    where = {name: i for i, name in enumerate(kept[0])}
    both = [(i, where[name]) for i, name in enumerate(truth[0]) if name in where]
    t, p = (_lab_ab(part[[pair[k] for pair in both]]) for k, part in enumerate((truth[1], kept[1])))
    return len(both), np.square(t).mean(), (t * p).mean(), np.square(p).mean()


def errors(truth: Kept, kept: Kept, test_set: str, gains: np.ndarray) -> np.ndarray:
    """Squared error of a prediction whose colours are made stronger, as a share of the error of no colour.

    Args:
        truth, kept: of the truth, from `truths`, and of a predictor.
        test_set: the list.
        gains: (n,) float, what a and b are multiplied by; 1 leaves them alone, 0 is all-grey.

    Returns:
        (n,) float64; 1 is as wrong as no colour. Not clipped to sRGB, as the loss is not.

    Source: ours.
    """
    _, tt, tp, pp = _moments(truth[test_set], kept[test_set])
    return 1 - 2 * np.asarray(gains) * tp / tt + np.square(gains) * pp / tt


def gains(truth: Kept, predictors: Mapping[str, Kept]) -> pd.DataFrame:
    """Which strength of its colours costs a predictor least, and what the truth's strength would cost it.

    Args:
        truth: from `truths`.
        predictors: name -> `Kept`.

    Returns:
        `GAIN_COLUMNS`, a row per predictor and test list. `error`: as `errors` at gain 1. `best_gain`,
        `error_best`: the gain with the least error. `vivid_gain`, `error_vivid`: the gain at which root mean
        square chroma is the truth's. No row for a predictor without any colour.

    Source: ours; the least squares gain is tp / pp.
    """
    rows = []
    for name, kept in predictors.items():
        for test_set in (t for t in runs.TEST_LISTS if t in kept and t in truth):
            n, tt, tp, pp = _moments(truth[test_set], kept[test_set])
            if not n or not pp:
                continue
            best, vivid = tp / pp, np.sqrt(tt / pp)
            one, at_best, at_vivid = errors(truth, kept, test_set, np.array([1, best, vivid]))
            rows.append((name, test_set, n, one, best, at_best, vivid, at_vivid))
    return pd.DataFrame(rows, columns=GAIN_COLUMNS)
