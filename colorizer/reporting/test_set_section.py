"""The part of Tables 2-4 that stands on whole test lists: paper, ours, all-grey, mean-colour, and the differences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from colorizer.evaluation import statistics
from colorizer.evaluation.runs import NONE, TEST_LISTS
from colorizer.reporting import markdown
from colorizer.reporting.paper import published


def paper_mean(measure: str, training_set: str, method: str) -> float:
    """What the paper prints for a method: its MSE or accuracy, or the mean of its eight PSNR or SSIM values.

    Args:
        measure: a column of metrics.csv.
        training_set: "paintings" or "coco".
        method: a module's name.

    Returns:
        In the unit of metrics.csv; NaN where the paper says nothing.

    Source: Tables 2-4.
    """
    proposed = method == "efficientnet"
    if measure in ("mse_ab", "accuracy_argmax_ab") and proposed and training_set in published.TABLE2:
        _, mse, accuracy = published.TABLE2[training_set]
        return mse if measure == "mse_ab" else accuracy / 100
    if measure == "psnr_rgb" and proposed and training_set in published.TABLE3:
        return float(np.mean(published.TABLE3[training_set][0]))
    if measure == "ssim_rgb" and proposed and training_set in published.TABLE3:
        return float(np.mean(published.TABLE3[training_set][1])) / 100
    if measure == "ssim_rgb" and training_set == "paintings" and method in published.TABLE4:
        return float(np.mean(published.TABLE4[method])) / 100
    return float("nan")


def render(
    ours: Iterable[dict], compared: statistics.Compared, measures: Sequence[str], with_proposed: bool = False
) -> str:
    """A line per run, test list and measure.

    Args:
        ours: `training_set`, `method`, `label`, `run`, `classifier` and `note` of each run, in order; a note stands
            in the place of numbers.
        compared: from `comparison.compare`.
        measures: which columns of metrics.csv.
        with_proposed: whether differences to the proposed network have a column.

    Returns:
        Markdown, with a heading.

    Source: ours.
    """
    header = ["Training set", "Method", "Run", "Classifier", "Test list", "n", "Measure", "Paper", "Ours"]
    header += ["all-grey", "mean-colour", "Ours minus all-grey", "Ours minus mean-colour"]
    header += ["Ours minus proposed"] if with_proposed else []
    lines = []
    for run in ours:
        told = [run["training_set"], markdown.title_of(run["method"]), run["label"], run["classifier"]]
        here = compared.of(run["run"], run["method"])
        note = run["note"]
        if pd.isna(note) and here.lists.empty:
            note = "no predictions: weights, classifier or pictures are not here"
        if not pd.isna(note):
            lines.append([*told, note, *[""] * (len(header) - len(told) - 1)])
            continue
        for test_set in [t for t in TEST_LISTS if t in set(here.lists.test_set)]:
            lines += [told + _cells(run, here, compared, test_set, m, with_proposed) for m in measures]
    return "### Whole test lists\n\n" + markdown.markdown(header, lines)


def _cells(run, here, compared, test_set, measure, with_proposed):
    def one(table, **where):
        for column, value in ({"test_set": test_set, "measure": measure} | where).items():
            table = table[table[column] == value]
        return table.iloc[0] if len(table) else pd.Series(dict.fromkeys(("n", "mean", "low", "high"), float("nan")))

    def shown(row, form):
        return form(measure, row["mean"], row["low"], row["high"])

    name, factor, form = markdown.MEASURES[measure]
    own = one(here.lists)
    floors = [
        one(compared.lists, run=NONE, method=floor, trained_on=of)
        for floor, of in (("all_grey", NONE), ("mean_colour", run["training_set"]))
    ]
    roles = [*statistics.FLOORS, *(["proposed"] if with_proposed else [])]
    given = markdown.number(factor * paper_mean(measure, run["training_set"], run["method"]), form)
    return [
        test_set,
        own["n"],
        name,
        given,
        *(shown(row, markdown.interval) for row in (own, *floors)),
        *(shown(one(here.differences, role=role), markdown.difference) for role in roles),
    ]
