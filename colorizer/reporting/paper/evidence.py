"""The evidence for the paper's claims: runs, metrics.csv, predictions and conventions.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from colorizer.config import TrainConfig
from colorizer.evaluation import color_statistics, metrics, predictions
from colorizer.evaluation import scores as score_table
from colorizer.evaluation.runs import Run, mean_colors, representatives
from colorizer.evaluation.scores import NONE
from colorizer.evaluation.statistics import bootstrap_interval
from colorizer.reporting.paper import metric_conventions

_NORMAL_95 = 1.96  # standard errors on either side of a mean


class Evidence:
    """The records that the claims are judged by.

    Args:
        runs: the finished runs.
        scores: metrics.csv.
        measured: conventions.json, or {} where it does not exist.
        predictions: run -> test set -> (n, h, w, 2) ab/128, or {}.
    """

    def __init__(self, runs: Iterable[Run], scores: pd.DataFrame, measured: Mapping, predictions: Callable):
        self.by_name = {run.name: run for run in runs}
        self.runs = representatives(self.by_name.values())
        self.mean_colors = {t: run.summary["mean_ab_norm"] for t, run in mean_colors(self.runs.values()).items()}
        self.scores, self.measured, self.predictions = scores, measured, predictions

    def proposed(self, trained_on: str) -> Run | None:
        """The paper's network, trained on a set; None where no run is finished."""
        return self.runs.get((TrainConfig.method, trained_on))

    def values(self, predictor: Run | str, test_set: str, measure: str, trained_on: str = NONE) -> pd.Series:
        """One measure of a run or of a trivial baseline: image -> value, in the unit of metrics.csv."""
        key = {"run": NONE, "method": predictor, "trained_on": trained_on}
        if isinstance(predictor, Run):
            key = {"run": predictor.name, "method": predictor.method}
        return score_table.of(self.scores, test_set=test_set, **key).set_index("image")[measure].astype(float)

    def mean(self, predictor: Run | str, test_set: str, measure: str, trained_on: str = NONE) -> float:
        """The mean of `values`; NaN where there are none."""
        return metrics.finite_mean(self.values(predictor, test_set, measure, trained_on))

    def paired(self, one: Run, other: Run, test_set: str, measure: str) -> tuple[float, float, float]:
        """One run minus another on the same pictures: mean and 95 % bootstrap interval, NaN where there are none."""
        gaps = (self.values(one, test_set, measure) - self.values(other, test_set, measure)).dropna()
        gaps = gaps[np.isfinite(gaps)]
        return (float(gaps.mean()), *bootstrap_interval(gaps)) if len(gaps) else (float("nan"),) * 3

    def hues(self, run: Run, test_set: str) -> dict[str, float] | None:
        """`color_statistics.hues` of a run's predictions; None without predictions."""
        predicted = self.predictions(run).get(test_set)
        return None if predicted is None else color_statistics.hues(predicted)

    def true_hues(self, test_set: str) -> dict[str, float] | None:
        """`color_statistics.hues` of a list's pictures; None where conventions.json lacks them."""
        return self.measured.get("lists", {}).get(test_set, {}).get("truth")


def unpaired(one: pd.Series, other: pd.Series) -> tuple[float, float, float]:
    """The difference of two means over different pictures and its 95 % interval (Welch 1947, normal approximation).

    Args:
        one: finite values, two or more.
        other: the same.
    """
    gap, error = float(one.mean() - other.mean()), float(np.hypot(one.sem(), other.sem()))
    return gap, gap - _NORMAL_95 * error, gap + _NORMAL_95 * error


def read(runs: Iterable[Run], scores: pd.DataFrame, results: Path) -> Evidence:
    """Collects the evidence in a folder of results; pixels, weights and classifiers are not needed."""
    path = Path(results) / metric_conventions.RECORD.name
    measured = json.loads(path.read_text("utf-8")) if path.is_file() else {}

    def predicted(run):
        by_set = predictions.read(predictions.file_of(run.folder))
        return {test_set: predictions.unshrink(ab) for test_set, (_, ab) in by_set.items()}

    return Evidence(runs, scores, measured, predicted)
