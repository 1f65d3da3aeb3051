"""The numbers of MODEL_CARD.md: the record and the scores of the shipped weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from colorizer import weights
from colorizer.evaluation import statistics
from colorizer.evaluation.runs import Run
from colorizer.evaluation.scores import NONE, select, test_lists
from colorizer.reporting import markdown

PAGE = "MODEL_CARD.md"
_MEASURES = ("mse_ab", "psnr_rgb", "ssim_rgb", "ciede2000")


def record(run: Run) -> str:
    """Renders how the shipped weights were made.

    Args:
        run: the record of their training, of the same name.

    Returns:
        Markdown.

    Raises:
        WeightsError: the weights file is absent or is not the one that was shipped.
    """
    folder, config, s = weights.shipped(run.name), run.config, run.summary
    size = config["image_size"]
    rows = {
        "Name": f"`{run.name}`, the weights of `--weights {weights.DEFAULT}`",
        "Network": f"{config['method_title']}, {s['parameters']:,} parameters",
        "File": f"`colorizer/shipped/{run.name}/{weights.BEST}`, {(folder / weights.BEST).stat().st_size / 1e6:.1f} MB",
        "SHA-256": f"`{weights.SHIPPED[run.name]}`",
        "Trained on": f"{run.trained_on}: {s['train_images']:,} pictures, {s['val_images']:,} for validation",
        "Training": f"{s['epochs_done']} epochs at {size}x{size}, {s['precision']}, {s['runtime_hours']:.1f} hours",
        "Device": s["device"],
        "Initial encoder": f"{config['classifier_name']}, `{config['classifier_sha256']}`",
        "Started from": config.get("init_weights") or "the encoder only",
        "Commit": config["commit"],
        "Date": s["finished"][:10],
    }
    return markdown.table(["What", ""], rows.items())


def metrics(run: Run, scores: pd.DataFrame) -> str:
    """Renders the scores on the whole test lists, in each look, below the trivial baselines.

    Args:
        run: the record of their training.
        scores: metrics.csv.

    Returns:
        Markdown.
    """
    floor = (scores.run == NONE) & scores.trained_on.isin([NONE, run.trained_on])
    here = scores[floor | (scores.run == run.name)]
    comparison = statistics.compare([run], here)
    header = ["Test list", "Predictor", *(markdown.MEASURES[m][0] for m in _MEASURES), "Colorfulness (truth)"]
    header.append("PSNR (dB) minus all-gray")
    rows = []
    for test_set in test_lists(here.test_set):
        lists = select(comparison.lists, test_set=test_set)
        gaps = select(comparison.differences, test_set=test_set, role="all_grey", measure="psnr_rgb").set_index(
            "method"
        )
        truth = here.colourfulness_truth[here.test_set == test_set].mean()
        for method, part in lists.groupby("method", sort=False):
            means = part.set_index("measure")["mean"]
            row = [f"{test_set} (n={part.n.iloc[0]})", markdown.title_of(method)]
            row += [markdown.scaled(measure, means[measure]) for measure in _MEASURES]
            row.append(f"{means['colourfulness']:.1f} ({truth:.1f})")
            gap = gaps.loc[method, ["mean", "low", "high"]] if method in gaps.index else ()
            rows.append([*row, markdown.difference("psnr_rgb", *gap) if len(gap) else ""])
    return markdown.table(header, rows) + f"\n\n{markdown.MARKED}" if rows else "No scores are recorded."


def fill_in(path: Path, runs: Iterable[Run], scores: pd.DataFrame) -> list[str]:
    """Fills in the card between its markers `weights` and `metrics`.

    Args:
        path: the card; it may be absent.
        runs: the finished runs, that of the shipped weights among them.
        scores: metrics.csv.

    Returns:
        What was done, or why nothing.
    """
    name = next(iter(weights.SHIPPED))
    run = next((run for run in runs if run.name == name), None)
    if run is None:
        return [f"{path.name}: unchanged, the run {name} of the shipped weights has no record here"]
    texts = {"weights": record(run) + "\n", "metrics": metrics(run, scores) + "\n"}
    filled = [markdown.put_between_markers(path, marker, text) for marker, text in texts.items()]
    return [f"{path.name}: numbers filled in"] if all(filled) else []
