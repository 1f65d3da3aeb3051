"""Writes the tables of the pages in results/experiments/ from the records beside them.

    python -m experiments.pages

Each page NAME.md has one table between its markers, from NAME.jsonl. Everything else on a page is prose.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from colorizer.reporting.markdown import put_between_markers

FOLDER = Path("results/experiments")


def _number(digits: int) -> Callable[[float | None], str]:
    return lambda value: "" if value is None else f"{value:.{digits}f}"


def _percent(value: float) -> str:
    return f"{value:.0%}"


def _interval(row: dict) -> str:
    return f"{row['minus_base']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]"


# Column -> what is in it: a field and its format, or a function of the row.
Columns = dict[str, tuple[str, Callable] | Callable[[dict], str]]
SCORES: Columns = {
    "PSNR (dB)": ("psnr_rgb", _number(2)),
    "SSIM": ("ssim_rgb", _number(3)),
    "CIEDE2000": ("ciede2000", _number(2)),
}
LOOK: Columns = {
    "List": ("dataset", str),
    "Temperature": ("temperature", _number(2)),
    "Gain": ("gain", _number(2)),
    "Variance added": ("added", _number(3)),
    **SCORES,
    "Colorfulness (truth)": lambda row: f"{row['colourfulness']:.1f} ({row['colourfulness_truth']:.1f})",
}


def _best_looks(rows: list[dict]) -> list[dict]:
    """Of each list and each way to strengthen colors: all-gray, and the five of best CIEDE2000."""
    chosen = []
    for dataset in ("coco", "paintings"):
        here = [row for row in rows if row["dataset"] == dataset]
        chosen += [row for row in here if row.get("look") == "all_grey"]
        chosen += sorted((row for row in here if "look" not in row), key=lambda row: row["ciede2000"])[:5]
    return chosen


def _described(row: dict) -> str:
    """A line of `reliability.jsonl` in words: every number it has, under its name."""
    skipped = ("look", "measure", "photos")
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in row.items() if name not in skipped)


PAGES: dict[str, tuple[Columns, Callable[[list[dict]], list[dict]]]] = {
    "adversarial": (
        {
            "Share of the judge": lambda row: "as it was" if row["share"] is None else f"{row['share']:.1f}",
            **SCORES,
            "PSNR minus the first row [95 %]": _interval,
            "Share of the truth's colorfulness": ("colourfulness", _percent),
        },
        list,
    ),
    "alive": (
        {
            "Run": ("run", "`{}`".format),
            "Initial weights": ("initializer", str),
            "Rate": ("learning_rate", "{:g}".format),
            "Pixels": ("image_size", str),
            "Epochs": ("epochs", str),
            "Units alive, last encoder layer": lambda row: f"{row['alive']['e8']:.1%}",
            "Validation MSE": ("val_mse", _number(4)),
            "Mean color's": ("val_mse_mean_colour", _number(4)),
            "Spread of ab within a picture (truth)": lambda row: f"{row['within']:.1f} ({row['of_truth']:.1f})",
        },
        list,
    ),
    "choices": (
        {
            "Changed": ("change", str),
            "Validation MSE": ("val_mse", _number(4)),
            **SCORES,
            "PSNR minus the first row [95 %]": _interval,
            "Share of the truth's colorfulness": ("colourfulness", _percent),
        },
        list,
    ),
    "first_epochs": (
        {
            "Method": ("method", str),
            "Epoch": ("epoch", str),
            "Loss": ("loss", _number(4)),
            "Validation MSE": ("val_mse", _number(4)),
            "With the batch's own statistics": lambda row: _number(4)(row.get("val_mse_own_statistics")),
            "All-gray": ("val_mse_all_grey", _number(4)),
            "Mean color": ("val_mse_mean_colour", _number(4)),
        },
        list,
    ),
    "inputs": (
        {
            "List": ("dataset", str),
            "Side": ("side", str),
            "Averaged with the mirror image": lambda row: "yes" if row["mirror_average"] else "no",
            **SCORES,
        },
        list,
    ),
    "looks": (LOOK, _best_looks),
    "shapes": (
        {
            "List": ("dataset", str),
            "Look": ("look", str),
            "Size": ("size", str),
            "Seen": lambda row: "in its shape" if row["keeps_shape"] else "as a square",
            "PSNR (dB)": SCORES["PSNR (dB)"],
            "CIEDE2000": SCORES["CIEDE2000"],
            "Colorfulness (truth)": LOOK["Colorfulness (truth)"],
            "PSNR minus the trained square's [95 %]": _interval,
        },
        list,
    ),
    "reliability": ({"Look": ("look", str), "Measure": ("measure", str), "Result": _described}, list),
}


def table(name: str, folder: Path = FOLDER) -> str:
    """The Markdown table of one page.

    Args:
        name: of `PAGES`.
        folder: holds the record.
    """
    columns, choose = PAGES[name]
    lines = (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for row in choose([json.loads(line) for line in lines]):
        cells = [column(row) if callable(column) else column[1](row.get(column[0])) for column in columns.values()]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def main() -> int:
    """Fills in every page; returns the exit status."""
    missing = [name for name in PAGES if not put_between_markers(FOLDER / f"{name}.md", "record", table(name))]
    for name in missing:
        print(f"{FOLDER / name}.md has no markers record:start and record:end", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
