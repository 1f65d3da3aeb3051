"""The small table of README: the paper's network and the shipped weights beside the trivial baselines."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from colorizer import methods, weights
from colorizer.config import ENDED, TrainConfig
from colorizer.evaluation import metrics
from colorizer.evaluation import runs as records
from colorizer.evaluation.runs import Run
from colorizer.evaluation.scores import NONE, select
from colorizer.reporting import markdown
from colorizer.reporting.paper import published

LIST = "coco"
_HEADER = ("Method", "Trained on", "Classifier", "Epochs", "PSNR (dB)", "SSIM (%)", "CIEDE2000", "Colorfulness")


def render(runs: Iterable[Run], scores: pd.DataFrame) -> str:
    """Renders the means over the whole COCO test list.

    Args:
        runs: the finished runs.
        scores: metrics.csv.

    Returns:
        Markdown: all-gray, mean color, the paper's printed numbers, our run of its network, the shipped weights.
    """
    runs = list(runs)
    here = select(scores, test_set=LIST)
    proposed = records.representatives(runs).get((TrainConfig.method, LIST))
    shipped = next((run for run in runs if run.name == next(iter(weights.SHIPPED))), None)
    psnr, ssim = published.TABLE3[LIST]
    rows = [
        _row(here, "all_grey"),
        _row(here, "mean_colour", trained_on=LIST),
        ["the paper's network, as printed", LIST, TrainConfig.classifier, published.TABLE1["epochs"]]
        + [f"{np.mean(psnr):.1f}", f"{np.mean(ssim):.1f}", "", ""],
    ]
    if proposed:
        rows.append(_row(here, proposed.method, proposed, LIST, "the paper's network, our run"))
    if shipped:
        for suffix in ("", *records.variants(methods.declared(shipped.method))):
            rows.append(_row(here, shipped.method + suffix, shipped, shipped.trained_on))
    rows = [row for row in rows if row]
    truth = here.colourfulness_truth.mean()
    return (
        markdown.table(_HEADER, rows)
        + f"\n\n{here.image.nunique()} pictures; colorfulness of the truth: {truth:.1f}.\n"
    )


def _epochs(run: Run) -> str:
    return str(run.summary["epochs_done"]) if run.ending == ENDED else markdown.epochs_of(run)


def _row(
    here: pd.DataFrame, method: str, run: Run | None = None, trained_on: str = NONE, title: str | None = None
) -> list[str]:
    """One predictor's row; empty where it has no scores. A trivial baseline has no run."""
    part = select(here, method=method, run=run.name if run else NONE, trained_on=trained_on)
    if part.empty:
        return []
    values = [
        markdown.scaled(m, metrics.finite_mean(part[m])) for m in ("psnr_rgb", "ssim_rgb", "ciede2000", "colourfulness")
    ]
    told = (run.classifier, _epochs(run)) if run else ("", "")
    return [title or markdown.title_of(method), "" if trained_on == NONE else trained_on, *told, *values]
