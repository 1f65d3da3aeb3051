"""What the paper's claims are judged by: runs, metrics.csv, kept predictions and conventions.json, asked one by one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from colorizer.config import TrainConfig
from colorizer.evaluation import metrics, predictions, runs
from colorizer.evaluation.runs import NONE, Run
from colorizer.reporting.paper import metric_conventions

_NORMAL_95 = 1.96  # standard errors either side of a mean


class Facts:
    """The records behind the claims.

    Args:
        found: the finished runs.
        scores: metrics.csv.
        measured: conventions.json, or {} where it was not made.
        predictions: run -> test set -> (n, h, w, 2) ab/128, of the runs that keep them.

    Source: ours.
    """

    def __init__(self, found: Iterable[Run], scores: pd.DataFrame, measured: Mapping, predictions: Callable):
        self.by_name = {run.name: run for run in found}
        self.runs = runs.chosen(self.by_name.values())
        self.mean_colours = {t: run.summary["mean_ab_norm"] for t, run in runs.mean_colours(self.runs.values()).items()}
        self.scores, self.measured, self.predictions = scores, measured, predictions

    def proposed(self, trained_on: str) -> Run | None:
        """The paper's network, trained on a set; None where no run is finished."""
        return self.runs.get((TrainConfig.method, trained_on))

    def values(self, predictor: Run | str, test_set: str, measure: str, trained_on: str = NONE) -> pd.Series:
        """One measure by picture.

        Args:
            predictor: a run, or the name of a method that looks at nothing.
            test_set, measure: of metrics.csv.
            trained_on: where the method is "mean_colour", whose colour.

        Returns:
            image -> value, in the unit of metrics.csv; empty where nothing is recorded.

        Source: ours.
        """
        t = self.scores[self.scores.test_set == test_set]
        if isinstance(predictor, Run):
            t = t[(t.run == predictor.name) & (t.method == predictor.method)]
        else:
            t = t[(t.run == NONE) & (t.method == predictor) & (t.trained_on == trained_on)]
        return t.set_index("image")[measure].astype(float)

    def mean(self, predictor: Run | str, test_set: str, measure: str, trained_on: str = NONE) -> float:
        """The mean of `values`; NaN where there are none. Source: ours."""
        return metrics.finite_mean(self.values(predictor, test_set, measure, trained_on))

    def paired(self, one: Run, other: Run, test_set: str, measure: str) -> tuple[float, float, float]:
        """One run minus another on the same pictures: mean and 95 % bootstrap interval, NaN where there are none."""
        gaps = (self.values(one, test_set, measure) - self.values(other, test_set, measure)).dropna()
        gaps = gaps[np.isfinite(gaps)]
        return (float(gaps.mean()), *metrics.bootstrap_interval(gaps)) if len(gaps) else (float("nan"),) * 3

    def colours(self, run: Run, test_set: str) -> dict[str, float] | None:
        """`conventions.hues` of a run's predictions; None where none are kept. Source: ours."""
        kept = self.predictions(run).get(test_set)
        return None if kept is None else metric_conventions.hues(kept)

    def true_colours(self, test_set: str) -> dict[str, float] | None:
        """`conventions.hues` of a list's pictures; None where conventions.json does not know. Source: ours."""
        return self.measured.get("lists", {}).get(test_set, {}).get("truth")


def apart(one: pd.Series, other: pd.Series) -> tuple[float, float, float]:
    """The difference of two means over different pictures.

    Args:
        one, other: finite values, two or more each.

    Returns:
        The difference and its 95 % interval, under the normal approximation.

    Source: Welch 1947.
    """
    gap = float(one.mean() - other.mean())
    error = float(np.hypot(one.sem(), other.sem()))
    return gap, gap - _NORMAL_95 * error, gap + _NORMAL_95 * error


def read(found: Iterable[Run], scores: pd.DataFrame, results: Path) -> Facts:
    """Facts from the folder of results; pixels, weights and classifiers are not needed.

    Args:
        found: the finished runs.
        scores: metrics.csv.
        results: may hold conventions.json.

    Returns:
        `Facts`; predictions are read from the runs' folders when asked for.

    Source: ours.
    """
    path = Path(results) / metric_conventions.RECORD.name
    measured = json.loads(path.read_text("utf-8")) if path.is_file() else {}

    def predicted(run):
        kept = predictions.read(predictions.file_of(run.folder))
        return {test_set: predictions.unshrink(ab) for test_set, (_, ab) in kept.items()}

    return Facts(found, scores, measured, predicted)
