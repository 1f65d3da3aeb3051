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
from colorizer.evaluation.scores import NONE, TEST_LISTS
from colorizer.evaluation.statistics import bootstrap_interval
from colorizer.reporting import markdown

RECORD, TEXT = "conventions.json", "experiments/metric_conventions.md"  # of experiments/metric_conventions.py


class Evidence:
    """The records that the claims are judged by.

    Args:
        runs: the finished runs.
        scores: metrics.csv.
        measured: conventions.json, or {} where it does not exist.
        predictions: run -> test set -> (n, h, w, 2) ab/128, or {}.
        conventions: the text of metric_conventions.md, or "".
    """

    def __init__(self, runs, scores: pd.DataFrame, measured: Mapping, predictions: Callable, conventions: str = ""):
        self.by_name = {run.name: run for run in runs}
        self.runs = representatives(self.by_name.values())
        self.mean_colors = {t: run.summary["mean_ab_norm"] for t, run in mean_colors(self.runs.values()).items()}
        self.scores, self.measured, self.predictions, self.conventions = scores, measured, predictions, conventions

    def proposed(self, trained_on: str) -> Run | None:
        """The paper's network, trained on a set; None where no run is finished."""
        return self.runs.get((TrainConfig.method, trained_on))

    def values(self, predictor, test_set: str, measure: str, trained_on: str = NONE, look: str = "") -> pd.Series:
        """One measure of a `Run`, or of a trivial baseline by its name: image -> value, as in metrics.csv."""
        key = {"run": NONE, "method": predictor, "trained_on": trained_on}
        if isinstance(predictor, Run):
            key = {"run": predictor.name, "method": predictor.method + look}
        return score_table.select(self.scores, test_set=test_set, **key).set_index("image")[measure].astype(float)

    def mean(self, predictor, test_set: str, measure: str, trained_on: str = NONE, look: str = "") -> float:
        """The mean of `values`; NaN where there are none."""
        return metrics.finite_mean(self.values(predictor, test_set, measure, trained_on, look))

    def by_list(self, predictor, measure: str) -> dict[str, pd.Series]:
        """The finite `values` on each test list that has two or more."""
        by_list = {t: self.values(predictor, t, measure) for t in TEST_LISTS}
        finite = {t: values[np.isfinite(values)] for t, values in by_list.items()}
        return {t: values for t, values in finite.items() if len(values) > 1}

    def gaps(self, one: Run, other: Run, measure: str, test_sets=TEST_LISTS) -> dict[str, tuple[float, float, float]]:
        """One run minus another on the same pictures: test list -> mean and 95 % bootstrap interval."""
        by_list = {t: self.values(one, t, measure) - self.values(other, t, measure) for t in test_sets}
        finite = {t: gaps[np.isfinite(gaps)] for t, gaps in by_list.items()}
        return {t: (float(gaps.mean()), *bootstrap_interval(gaps)) for t, gaps in finite.items() if len(gaps)}

    def hues(self, run: Run | None, test_set: str) -> tuple[dict[str, float], dict[str, float]] | None:
        """`color_statistics.hues` of a run's predictions and of the truth; None where one of them is not known."""
        predicted = self.predictions(run).get(test_set) if run else None
        truth = self.measured.get("lists", {}).get(test_set, {}).get("truth")
        return (color_statistics.hues(predicted), truth) if predicted is not None and truth else None


def read(runs: Iterable[Run], scores: pd.DataFrame, results: Path, records: Path | None = None) -> Evidence:
    """Collects the evidence in a folder of results; pixels, weights and classifiers are not needed.

    Args:
        runs: the finished runs.
        scores: metrics.csv.
        results: the folder.
        records: another one, whose conventions.json is used where the first has none; None for none.

    Returns:
        An `Evidence`.
    """
    results = Path(results)
    if records and not (results / RECORD).is_file():
        results = records
    path = results / RECORD
    measured = json.loads(path.read_text("utf-8")) if path.is_file() else {}

    def predicted(run):
        by_set = predictions.read(predictions.file_of(run.folder))
        return {test_set: predictions.unshrink(ab) for test_set, (_, ab) in by_set.items()}

    return Evidence(runs, scores, measured, predicted, markdown.between_markers(results / TEXT, "record").rstrip())
