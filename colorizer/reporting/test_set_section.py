"""The part of Tables 2-4 on whole test lists: paper, ours, all-gray, mean-color, and differences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from colorizer.evaluation import statistics
from colorizer.evaluation.scores import FLOORS, NONE, select, test_lists
from colorizer.reporting import markdown
from colorizer.reporting.paper import published
from colorizer.reporting.tables import NO_PREDICTIONS, PROPOSED


def paper_mean(measure: str, training_set: str, method: str) -> float:
    """The paper's value of a method: its MSE or accuracy, or the mean of its eight PSNR or SSIM values.

    Args:
        measure: a column of metrics.csv.
        training_set: "paintings" or "coco".
        method: a method's name.

    Returns:
        In the unit of metrics.csv; NaN where the paper gives none.

    Source: Tables 2-4.
    """
    proposed = method == PROPOSED
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
    ours: Iterable[dict], comparison: statistics.Comparison, measures: Sequence[str], with_proposed: bool = False
) -> str:
    """Renders a line per run, test list and measure.

    Args:
        ours: `training_set`, `method`, `label`, `run`, `classifier` and `note` of each run, in order; a note
            replaces the numbers.
        comparison: from `statistics.compare`.
        measures: which columns of metrics.csv.
        with_proposed: whether differences to the proposed network have a column.

    Returns:
        Markdown, with a heading.
    """
    header = ["Training set", "Method", "Run", "Classifier", "Test list", "n", "Measure", "Paper", "Ours"]
    header += ["all-gray", "mean-color", "Ours minus all-gray", "Ours minus mean-color"]
    header += ["Ours minus proposed"] if with_proposed else []
    lines = []
    for run in ours:
        head = [run["training_set"], markdown.title_of(run["method"]), run["label"], run["classifier"]]
        here = comparison.select(run["run"], run["method"])
        note = run["note"]
        if pd.isna(note) and here.lists.empty:
            note = NO_PREDICTIONS
        if not pd.isna(note):
            lines.append([*head, note, *[""] * (len(header) - len(head) - 1)])
            continue
        for test_set in test_lists(here.lists.test_set):
            lines += [head + _cells(run, here, comparison, test_set, m, with_proposed) for m in measures]
    return "### Whole test lists\n\n" + markdown.table(header, lines)


def _cells(run, here, comparison, test_set, measure, with_proposed):
    def one(table, **key):
        table = select(table, test_set=test_set, measure=measure, **key)
        return table.iloc[0] if len(table) else pd.Series(dict.fromkeys(("n", "mean", "low", "high"), float("nan")))

    def text(row, form):
        return form(measure, row["mean"], row["low"], row["high"])

    own = one(here.lists)
    floors = [
        one(comparison.lists, run=NONE, method=floor, trained_on=trained_on)
        for floor, trained_on in zip(FLOORS, (NONE, run["training_set"]), strict=True)
    ]
    roles = [*FLOORS, *(["proposed"] if with_proposed else [])]
    seeds = select(here.seeds, test_set=test_set, measure=measure)
    spread = "".join(markdown.seeds(measure, row.seeds, row.low, row.high) for row in seeds.itertuples())
    paper = markdown.scaled(measure, paper_mean(measure, run["training_set"], run["method"]))
    return [
        test_set,
        own["n"],
        markdown.MEASURES[measure][0],
        paper,
        text(own, markdown.interval) + spread,
        *(text(row, markdown.interval) for row in floors),
        *(text(one(here.differences, role=role), markdown.difference) for role in roles),
    ]
