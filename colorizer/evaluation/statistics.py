"""Who is better, and is it more than chance: means over whole test lists, and differences on the same pictures.

Two methods see the same pictures, so their differences are taken picture by picture: how hard a picture is
drops out, and the interval is far narrower than either mean's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from colorizer import experiments
from colorizer.config import TrainConfig
from colorizer.evaluation import metrics, runs
from colorizer.evaluation.runs import NONE, TEST_LISTS, Run

MEASURES = ("mse_ab", "accuracy_argmax_ab", "psnr_rgb", "ssim_rgb", "ciede2000", "colourfulness")
KEY = ["run", "method", "trained_on", "classifier"]
FLOORS = ("all_grey", "mean_colour")
LIST_COLUMNS = [*KEY, "test_set", "measure", "n", "left_out", "mean", "low", "high"]
DIFFERENCE_COLUMNS = [*KEY, "test_set", "measure", "role", "against", "n", "left_out", "mean", "low", "high", "differs"]


class Compared(NamedTuple):
    """Means and paired differences over whole test lists, in the units of metrics.csv.

    Attributes:
        lists: `LIST_COLUMNS`, a row per predictor, test list and measure.
        differences: `DIFFERENCE_COLUMNS`, a row per run, measure and what it is compared with. `role` is
            "all_grey", "mean_colour" (of its own training set), "proposed" (the paper's network, trained on the
            same) or "base" (the run that an ablation departs from); `against` is that predictor's run or name;
            `differs` says that the interval excludes zero.
    """

    lists: pd.DataFrame
    differences: pd.DataFrame

    def of(self, run: str, method: str) -> Compared:
        """Only the rows of one predictor."""
        return Compared(*(t[(t.run == run) & (t.method == method)] for t in self))


def compare(found: Iterable[Run], scores: pd.DataFrame) -> Compared:
    """Compares every run with what looks at nothing, with the paper's network and, in an ablation, with its base.

    Args:
        found: the finished runs.
        scores: metrics.csv.

    Returns:
        A `Compared`.

    Source: ours; paired percentile bootstrap over pictures, `metrics.bootstrap_intervals`.
    """
    best = {run.trained_on: run.name for run in runs.chosen(found).values() if run.method == TrainConfig.method}
    lists, differences = [], []
    for test_set in TEST_LISTS:
        here = scores[scores.test_set == test_set]
        parts = {key: part.set_index("image")[list(MEASURES)] for key, part in here.groupby(KEY, sort=False)}
        for key, part in parts.items():
            head = dict(zip(KEY, key, strict=True)) | {"test_set": test_set}
            lists += [head | row for row in _intervals(part)]
            for role, other in _others(key, parts, best):
                named = {"role": role, "against": other[1] if other[0] == NONE else other[0]}
                both = part.index.intersection(parts[other].index, sort=False)
                gaps = part.loc[both] - parts[other].loc[both]
                differences += [head | named | row for row in _intervals(gaps)]
    table = pd.DataFrame(differences, columns=DIFFERENCE_COLUMNS)
    table["differs"] = (table.low > 0) | (table.high < 0)
    return Compared(pd.DataFrame(lists, columns=LIST_COLUMNS), table)


def _others(key, parts, best):
    """(role, key) of what a predictor is compared with; none for those that look at nothing."""
    run, method, trained_on, _ = key
    if run == NONE:
        return
    floors = {"all_grey": NONE, "mean_colour": trained_on}
    wanted = {role: lambda k, r=role, t=of: k[0] == NONE and k[1:3] == (r, t) for role, of in floors.items()}
    proposed, base = best.get(trained_on), experiments.base_of(run)
    if method != TrainConfig.method and proposed:
        wanted["proposed"] = lambda k: k[0] == proposed
    if base:
        wanted["base"] = lambda k: k[0] == base
    for role, fits in wanted.items():
        yield from ((role, other) for other in parts if fits(other))


def _intervals(values: pd.DataFrame):
    """A row per measure. Infinite values, of predictions identical to the truth, are left out and counted."""
    finite = np.isfinite(values.to_numpy(np.float64))
    whole = [m for m, all_finite in zip(values, finite.all(axis=0), strict=True) if all_finite]
    ends = dict(zip(whole, metrics.bootstrap_intervals(values[whole].to_numpy(np.float64)), strict=True))
    for measure, mask in zip(values, finite.T, strict=True):
        kept = values[measure].to_numpy(np.float64)[mask]
        row = {"measure": measure, "n": len(values), "left_out": int((~mask).sum())}
        if len(kept):
            low, high = ends[measure] if measure in ends else metrics.bootstrap_interval(kept)
            row |= {"mean": float(kept.mean()), "low": float(low), "high": float(high)}
        yield row
