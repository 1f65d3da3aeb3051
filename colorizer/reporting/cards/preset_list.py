"""The list of presets, in the package and in docs/presets.md: from records and scores, never by hand."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from colorizer import atomic_files, methods, weights
from colorizer.evaluation import metrics
from colorizer.evaluation.runs import Run
from colorizer.evaluation.scores import select, test_lists
from colorizer.inference import presets
from colorizer.reporting import markdown

PAGE = "docs/presets.md"
MARKER = "presets"
_MEASURES = ("psnr_rgb", "ciede2000", "colourfulness")
_DIGITS = 6  # more than any table shows, so that none rounds twice
_ONLY = "only"  # the look of a method that has one


def entries(runs: Iterable[Run], scores: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The presets as `presets.Preset` takes them.

    Args:
        runs: the finished runs.
        scores: metrics.csv.

    Returns:
        name -> fields, in the order of `weights.SHIPPED`.
    """
    runs = {run.name: run for run in runs}
    return {name: _entry(name, runs.get(name), scores) for name in weights.SHIPPED}


def _entry(name: str, run: Run | None, scores: pd.DataFrame) -> dict[str, Any]:
    path = weights.shipped(name) / weights.BEST
    config = weights.record_of(path)
    method = methods.declared(config["method"])
    looks = f" in the looks {' and '.join(method.looks)}" if method.looks else ""
    return {
        "description": f"{method.title}{looks}.",
        "method": method.name,
        "parameters": run.summary["parameters"] if run else None,
        "megabytes": round(path.stat().st_size / 1e6, 1),
        "image_size": config["image_size"],
        "trained_on": run.trained_on if run else config.get("dataset", ""),
        "scores": _scores(method, select(scores, run=name)),
    }


def _scores(method, scores: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """test list -> look -> measure -> mean."""
    suffixes = {look: f"_{look}" if place else "" for place, look in enumerate(method.looks)} or {_ONLY: ""}
    result = {}
    for test_set in test_lists(scores.test_set):
        for look, suffix in suffixes.items():
            rows = select(scores, test_set=test_set, method=method.name + suffix)
            if not rows.empty:
                means = {measure: round(metrics.finite_mean(rows[measure]), _DIGITS) for measure in _MEASURES}
                result.setdefault(test_set, {})[look] = {"n": len(rows)} | means
    return result


def render(listed: dict[str, dict[str, Any]]) -> str:
    """The presets as a table in Markdown, a row for each look.

    Args:
        listed: of `entries`.
    """
    lists = list(dict.fromkeys(test_set for entry in listed.values() for test_set in entry["scores"]))
    header = ["Preset", "Look", "Parameters", "MB"]
    header += [f"{test_set}: PSNR (dB), CIEDE2000" for test_set in lists]
    rows = []
    for name, entry in listed.items():
        count = f"{entry['parameters']:,}" if entry["parameters"] else ""
        looks = list(dict.fromkeys(look for scores in entry["scores"].values() for look in scores)) or [_ONLY]
        for look in looks:
            cells = [entry["scores"].get(test_set, {}).get(look) for test_set in lists]
            values = [f"{cell['psnr_rgb']:.2f}, {cell['ciede2000']:.2f}" if cell else "" for cell in cells]
            rows.append([f"`{name}`", look, count, f"{entry['megabytes']:.1f}", *values])
    return markdown.table(header, rows) + "\n"


def write(root: Path, runs: Iterable[Run], scores: pd.DataFrame) -> list[str]:
    """Writes the list into the package and the table into the page, where a checkout has them.

    Args:
        root: of the checkout.
        runs: the finished runs.
        scores: metrics.csv.

    Returns:
        What was done, a line for each file.
    """
    listed, lines = entries(runs, scores), []
    folder = root / "colorizer" / presets.PACKAGED.name
    if folder.is_dir():
        atomic_files.write_json(folder / presets.FILE, listed)
        lines.append(f"{presets.FILE}: {len(listed)} presets")
    if markdown.put_between_markers(root / PAGE, MARKER, render(listed)):
        lines.append(f"{PAGE}: table of presets filled in")
    return lines
