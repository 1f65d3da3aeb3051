"""The numbers of MODEL_CARD.md: what the shipped weights are and how they score, between the card's markers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from colorizer import weights
from colorizer.evaluation import statistics
from colorizer.evaluation.runs import NONE, TEST_LISTS, Run
from colorizer.reporting import markdown, table_pages

PAGE = "MODEL_CARD.md"
_MEASURES = ("mse_ab", "psnr_rgb", "ssim_rgb", "ciede2000")


def record(run: Run) -> str:
    """How the shipped weights were made, as a Markdown table.

    Args:
        run: the record of their training, of the same name.

    Returns:
        Markdown.

    Raises:
        WeightsError: the weights file is absent or is not the one that was shipped.

    Source: the run's record.
    """
    folder, config, s = weights.shipped(run.name), run.config, run.summary
    size = config["image_size"]
    rows = {
        "Name": f"`{run.name}`, what `--weights {weights.DEFAULT}` means",
        "Network": f"{config['method_title']}, {s['parameters']:,} parameters",
        "File": f"`colorizer/shipped/{run.name}/{weights.BEST}`, {(folder / weights.BEST).stat().st_size / 1e6:.1f} MB",
        "SHA-256": f"`{weights.SHIPPED[run.name]}`",
        "Trained on": f"{run.trained_on}: {s['train_images']:,} pictures, {s['val_images']:,} for validation",
        "Training": f"{s['epochs_done']} epochs at {size}x{size}, {s['precision']}, {s['runtime_hours']:.1f} hours",
        "Device": s["device"],
        "Initial encoder": f"{config['classifier_name']}, `{config['classifier_sha256']}`",
        "Goes on from": config.get("init_weights") or "nothing but the encoder",
        "Commit": config["commit"],
        "Date": s["finished"][:10],
    }
    return markdown.markdown(["What", ""], rows.items())


def metrics(run: Run, scores: pd.DataFrame) -> str:
    """How the weights score on the whole test lists, in each of their looks, below predictors that look at nothing.

    Args:
        run: the record of their training.
        scores: metrics.csv.

    Returns:
        Markdown.

    Source: ours; `comparison.compare`.
    """
    floor = (scores.run == NONE) & scores.trained_on.isin([NONE, run.trained_on])
    here = scores[floor | (scores.run == run.name)]
    compared = statistics.compare([run], here)
    header = ["Test list", "Predictor", *(markdown.MEASURES[m][0] for m in _MEASURES), "Colourfulness (truth)"]
    header.append("PSNR (dB) minus all-grey")
    rows = []
    for test_set in TEST_LISTS:
        lists = compared.lists[compared.lists.test_set == test_set]
        differences = compared.differences[compared.differences.test_set == test_set]
        gaps = differences[(differences.role == "all_grey") & (differences.measure == "psnr_rgb")].set_index("method")
        truth = here.colourfulness_truth[here.test_set == test_set].mean()
        for method, part in lists.groupby("method", sort=False):
            means = part.set_index("measure")["mean"]
            told = [f"{test_set} (n={part.n.iloc[0]})", markdown.title_of(method)]
            for measure in _MEASURES:
                _, factor, form = markdown.MEASURES[measure]
                told.append(markdown.number(factor * means[measure], form))
            told.append(f"{means['colourfulness']:.1f} ({truth:.1f})")
            gap = gaps.loc[method, ["mean", "low", "high"]] if method in gaps.index else ()
            rows.append([*told, markdown.difference("psnr_rgb", *gap) if len(gap) else ""])
    return markdown.markdown(header, rows) + f"\n\n{markdown.MARKED}" if rows else "No scores are recorded."


def fill_in(path: Path, found: Iterable[Run], scores: pd.DataFrame) -> list[str]:
    """Fills in the card between its markers `weights` and `metrics`.

    Args:
        path: the card; it may be absent.
        found: the finished runs; that of the weights' name is told of.
        scores: metrics.csv.

    Returns:
        Lines for the report.

    Source: ours.
    """
    name = next(iter(weights.SHIPPED))
    run = next((run for run in found if run.name == name), None)
    if run is None:
        return [f"{path.name}: left as it is, the shipped weights' run {name} has no record here"]
    texts = {"weights": record(run) + "\n", "metrics": metrics(run, scores) + "\n"}
    filled = [table_pages.put_between_markers(path, marker, text) for marker, text in texts.items()]
    return [f"{path.name}: its numbers were filled in"] if all(filled) else []
