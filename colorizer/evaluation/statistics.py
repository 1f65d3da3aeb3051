"""Who is better, and by more than chance: means over test lists, paired differences, bootstrap intervals.

Two methods see the same pictures, so their differences are computed picture by picture: how hard a picture is
drops out, and the interval is far narrower than that of either mean.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from colorizer import experiments
from colorizer.config import TrainConfig
from colorizer.evaluation import scores as score_table
from colorizer.evaluation.runs import Run, representatives
from colorizer.evaluation.scores import FLOORS, NONE, PREDICTOR

MEASURES = ("mse_ab", "accuracy_argmax_ab", "psnr_rgb", "ssim_rgb", "ciede2000", "colourfulness")
LIST_COLUMNS = [*PREDICTOR, "test_set", "measure", "n", "left_out", "mean", "low", "high"]
DIFFERENCE_COLUMNS = [*PREDICTOR, "test_set", "measure", "role", "against"]
DIFFERENCE_COLUMNS += ["n", "left_out", "mean", "low", "high", "differs"]
SEED_COLUMNS = [*PREDICTOR, "test_set", "measure", "seeds", "low", "high"]

NORMAL_95 = 1.96  # standard errors on either side of a mean that hold 95 % of a normal distribution
SEED, RESAMPLES = 42, 10_000  # of a bootstrap
_LEVEL = 0.95  # the share of resampled means inside an interval
_CHUNK = 2**21  # random indices in memory at once: 16 MiB


class Comparison(NamedTuple):
    """Means and paired differences over whole test lists, in the units of metrics.csv.

    Attributes:
        lists: `LIST_COLUMNS`, a row per predictor, test list and measure.
        differences: `DIFFERENCE_COLUMNS`, a row per run, measure and opponent. `role` is "all_grey",
            "mean_colour" (of the run's own training set), "proposed" (the paper's network, trained on the same set)
            or "base" (the unchanged run of an ablation); `against` is the opponent's run or method; `differs` says
            that the interval excludes zero.
        seeds: `SEED_COLUMNS`, of runs that were trained with several seeds: how many seeds, and the `low`est and
            `high`est of their means. The intervals of the others are over pictures and say nothing about this.
    """

    lists: pd.DataFrame
    differences: pd.DataFrame
    seeds: pd.DataFrame

    def select(self, run: str, method: str) -> Comparison:
        """Selects the rows of one predictor."""
        return Comparison(*(score_table.select(table, run=run, method=method) for table in self))


def compare(runs: Iterable[Run], scores: pd.DataFrame) -> Comparison:
    """Compares each run with the trivial baselines, the paper's network and, in an ablation, its base.

    Args:
        runs: the finished runs.
        scores: metrics.csv.

    Returns:
        A `Comparison`; intervals are paired percentile bootstraps over pictures.
    """
    runs = list(runs)
    proposed = {r.trained_on: r.name for r in representatives(runs).values() if r.method == TrainConfig.method}
    lists, differences = [], []
    for test_set in score_table.test_lists(scores.test_set):
        here = scores[scores.test_set == test_set]
        groups = here.groupby(list(PREDICTOR), sort=False)
        parts = {key: part.set_index("image")[list(MEASURES)] for key, part in groups}
        for key, part in parts.items():
            head = dict(zip(PREDICTOR, key, strict=True)) | {"test_set": test_set}
            lists += [head | row for row in _intervals(part)]
            for role, other in _opponents(key, parts, proposed):
                against = {"role": role, "against": other[1] if other[0] == NONE else other[0]}
                both = part.index.intersection(parts[other].index, sort=False)
                if len(both):
                    gaps = part.loc[both] - parts[other].loc[both]
                    differences += [head | against | row for row in _intervals(gaps)]
    table = pd.DataFrame(differences, columns=DIFFERENCE_COLUMNS)
    table["differs"] = (table.low > 0) | (table.high < 0)
    means = pd.DataFrame(lists, columns=LIST_COLUMNS)
    return Comparison(means, table, seed_spread(runs, means))


def seed_spread(runs: Iterable[Run], lists: pd.DataFrame) -> pd.DataFrame:
    """How far the means of runs lie apart that differ in their seed alone.

    Args:
        runs: the finished runs.
        lists: `LIST_COLUMNS`.

    Returns:
        `SEED_COLUMNS`, a row for each of these runs, method (look), test list and measure. A run that was repeated
        with its own seed is no further seed.
    """
    runs = list(runs)
    recipes, seeds = ({run.name: getattr(run, name) for run in runs} for name in ("recipe", "seed"))
    table = lists.assign(recipe=lists.run.map(recipes), seed=lists.run.map(seeds)).dropna(subset=["recipe", "mean"])
    groups = table.groupby(["recipe", "method", "test_set", "measure"])
    table["seeds"] = groups["seed"].transform("nunique")
    table["low"], table["high"] = groups["mean"].transform("min"), groups["mean"].transform("max")
    return table[table.seeds > 1][SEED_COLUMNS].reset_index(drop=True)


def _opponents(key, parts, proposed):
    """(role, key) of each predictor to compare with; none for the trivial baselines."""
    run, method, trained_on, _ = key
    if run == NONE:
        return
    roles = {
        role: lambda k, r=role, t=of: k[0] == NONE and k[1:3] == (r, t)
        for role, of in zip(FLOORS, (NONE, trained_on), strict=True)
    }
    if method != TrainConfig.method and trained_on in proposed:
        roles["proposed"] = lambda k: k[0] == proposed[trained_on]
    if base := experiments.base_of(run):
        roles["base"] = lambda k: k[0] == base
    for role, fits in roles.items():
        yield from ((role, other) for other in parts if fits(other))


def _intervals(values: pd.DataFrame):
    """A row per measure. Infinite values, of predictions identical to the truth, are left out and counted."""
    finite = np.isfinite(values.to_numpy(np.float64))
    complete = [measure for measure, all_finite in zip(values, finite.all(axis=0), strict=True) if all_finite]
    ends = dict(zip(complete, bootstrap_intervals(values[complete].to_numpy(np.float64)), strict=True))
    for measure, mask in zip(values, finite.T, strict=True):
        numbers = values[measure].to_numpy(np.float64)[mask]
        row = {"measure": measure, "n": len(values), "left_out": int((~mask).sum())}
        if len(numbers):
            low, high = ends[measure] if measure in ends else bootstrap_interval(numbers)
            row |= {"mean": float(numbers.mean()), "low": float(low), "high": float(high)}
        yield row


def unpaired(one: pd.Series, other: pd.Series) -> tuple[float, float, float]:
    """The difference of two means over different pictures and its 95 % interval (Welch 1947, normal approximation).

    Args:
        one: finite values, two or more.
        other: the same.
    """
    gap, error = float(one.mean() - other.mean()), float(np.hypot(one.sem(), other.sem()))
    return gap, gap - NORMAL_95 * error, gap + NORMAL_95 * error


def bootstrap_interval(values, seed: int = SEED, resamples: int = RESAMPLES) -> tuple[float, float]:
    """Computes the 95 % percentile bootstrap interval of a mean.

    Args:
        values: (n,) finite numbers, one per picture; differences of two methods are values too.
        seed: of the draws; the same values and seed give the same interval.
        resamples: number of resampled means.

    Returns:
        The lower and the upper end, in the unit of `values`.

    Raises:
        ValueError: there is no value, or one is not finite.

    Source: Efron 1979.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1:
        raise ValueError(f"An interval needs a list of finite values. Received: {values}")
    low, high = bootstrap_intervals(values[:, None], seed, resamples)[0]
    return float(low), float(high)


def bootstrap_intervals(values: np.ndarray, seed: int = SEED, resamples: int = RESAMPLES) -> np.ndarray:
    """Computes `bootstrap_interval` of many columns at once, each from the same resampled pictures.

    Args:
        values: (n, k) finite numbers, a row per picture.
        seed: of the draws.
        resamples: number of resampled means.

    Returns:
        (k, 2) float64, the lower and the upper end of each column.

    Raises:
        ValueError: there is no row, or a value is not finite.

    Source: Efron 1979.
    """
    values = np.asarray(values, np.float64)
    n = len(values)
    if values.ndim != 2 or not n or not np.isfinite(values).all():
        raise ValueError(f"An interval needs a list of finite values. Received: {values}")
    # Not a BLAS product: its last bits differ between machines, and tables have full precision.
    means = np.einsum("rn,nk->rk", _counts(n, seed, resamples, _CHUNK), values) / n
    return np.quantile(means, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=0).T


@functools.lru_cache(maxsize=8)
def _counts(n, seed, resamples, chunk):
    """Counts how often each of n pictures is in each resample: (resamples, n) uint8."""
    rng = np.random.default_rng(seed)
    counts = np.empty((resamples, n), np.uint8)
    step = max(1, chunk // n)
    for start in range(0, resamples, step):
        part = counts[start : start + step]
        drawn = rng.integers(0, n, part.shape) + n * np.arange(len(part))[:, None]
        part[:] = np.bincount(drawn.ravel(), minlength=part.size).reshape(part.shape)
    return counts
