"""Writes the tables of the pages in results/experiments/ from the records beside them.

    python -m experiments.pages

Each page NAME.md has one table between its markers, from NAME.jsonl; metric_conventions.md has several, and is made of
results/conventions.json. Everything else on a page is prose.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from colorizer.reporting.markdown import put_between_markers
from experiments import metric_conventions_page

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


def _colorfulness(row: dict) -> str:
    return f"{row['colourfulness']:.1f} ({row['colourfulness_truth']:.1f})"


def _pair(row: dict) -> str:
    """The spread and the contrast of a smoothing."""
    return f"{row['spread']:g}, {row['contrast']:g}" if row["spread"] else "none"


def _filter(row: dict) -> str:
    """The filter of a line of `smoothing.jsonl` with its parameters."""
    if row["filter"] == "guided":
        return f"guided 1/{1 / row['radius']:.0f}, {row['variance']:g}"
    return f"domain {_pair(row)}{', weighted' * row['weighted']}" if row["filter"] == "domain" else row["filter"]


def _described(row: dict) -> str:
    """A line of `reliability.jsonl` in words: every number it has, under its name."""
    skipped = ("look", "measure", "photos")
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in row.items() if name not in skipped)


def _share(name: str) -> Callable[[dict], str]:
    return lambda row: f"{row[f'{name}_share']:.0%}" if f"{name}_share" in row else ""


def _film_details(row: dict) -> str:
    """What a line of `film.jsonl` has besides the columns of clips."""
    skipped = {"clip", "every", "keys", "warp", "ghost", "error", "colorfulness", "warp_share", "colorfulness_share"}
    rest = {name: value for name, value in row.items() if name not in skipped}
    means = rest.pop("means_with_intervals", {})
    parts = [f"{name} {value}" for name, value in rest.items()]
    parts += [f"{name} {mean:.2f} [{low:.2f}, {high:.2f}]" for name, (mean, low, high) in means.items()]
    return "; ".join(parts).replace("_", " ")


def _mixed(other: str) -> tuple[Columns, Callable[[list[dict]], list[dict]]]:
    """The table of a record of `experiments.averaged_weights`.

    Args:
        other: the name of the other weights' share.
    """
    columns: Columns = {
        "List": ("dataset", str),
        other: ("share", _percent),
        "Look": ("look", str),
        **SCORES,
        "Colorfulness (truth)": _colorfulness,
    }
    return columns, list


PAGES: dict[str, tuple[Columns, Callable[[list[dict]], list[dict]]]] = {
    "adversarial": _mixed("Share of the weights before"),
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
    "decoding": (
        {
            "Decoded": ("way", str),
            "MSE (ab/128)": ("mse_ab", _number(4)),
            **SCORES,
            "Colorfulness (truth)": _colorfulness,
        },
        list,
    ),
    "encoders": (
        {
            "Encoder": ("encoder", "`{}`".format),
            "Trained on": ("sets", str),
            "List": ("dataset", str),
            "PSNR (dB)": SCORES["PSNR (dB)"],
            "CIEDE2000": SCORES["CIEDE2000"],
            "Colorfulness": ("colourfulness", _number(1)),
            "PSNR minus the first's [95 %]": lambda row: _interval(row) if "minus_base" in row else "",
        },
        list,
    ),
    "eyes": (
        {
            "Weights": ("weights", str),
            "Photographs": ("n", str),
            "Pass [95 %]": lambda row: f"{row['pass']} = {row['pass_share']:.0%} [{row['low']:.0%}, {row['high']:.0%}]",
            "Pale": ("pale", str),
            "Fault": ("fault", str),
            **{word.capitalize(): (word, str) for word in ("clouds", "spots", "halves", "green", "sepia", "blue")},
        },
        lambda rows: [row for row in rows if "against" not in row],
    ),
    "film": (
        {
            "Clip": ("clip", str),
            "Frames between keys": lambda row: (
                "frame by frame" if row.get("every", 0) is None else str(row.get("every", ""))
            ),
            "Keys": ("keys", _number(0)),
            "Warp": ("warp", _number(3)),
            "of frame by frame": _share("warp"),
            "Ghost": ("ghost", _number(1)),
            "Error of ab": ("error", _number(1)),
            "Colorfulness": ("colorfulness", _number(1)),
            "of frame by frame ": _share("colorfulness"),
            "Other": _film_details,
        },
        list,
    ),
    "film_hints": (
        {
            "Clip": ("clip", str),
            "Key frames": ("way", str),
            "Warp": ("warp", _number(3)),
            "of frame by frame": _share("warp"),
            "Ghost": ("ghost", _number(1)),
            "Error of ab": ("error", _number(1)),
            "Colorfulness": ("colorfulness", _number(1)),
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
    "critic": (
        {
            "Factor of ab/128": ("color_scale", "{:g}".format),
            "Steps": ("steps", str),
            "Pictures in the right order": ("pictures", _percent),
            "Patches": ("patches", _percent),
        },
        list,
    ),
    "long_training": (
        {
            "Samples": ("samples", "{:,}".format),
            "Rate": ("learning_rate", "{:.1g}".format),
            "Hours": lambda row: f"{row['seconds'] / 3600:.1f}",
            "Loss": ("val_loss", _number(3)),
            "MSE of ab/128 at 48x48": ("val_mse", _number(5)),
            "PSNR (dB)": ("val_psnr", _number(2)),
        },
        list,
    ),
    "true_hints": (
        {
            "Weights": ("weights", str),
            "Hints": ("hints", str),
            "Loss": ("val_loss", _number(3)),
            "MSE of ab/128 at 48x48": ("val_mse", _number(4)),
            "PSNR (dB)": ("val_psnr", _number(2)),
        },
        list,
    ),
    "looks": (
        {
            "List": ("dataset", str),
            "Temperature": ("temperature", _number(2)),
            "Variance added": ("added", _number(3)),
            "Cast times": lambda row: "" if "look" in row else f"{row['cast'] or 'the gain'}",
            "Limit": lambda row: f"{row['limit']:.0f}" if row.get("limit") else "",
            "Smoothing": lambda row: "" if "look" in row else _pair(row),
            **SCORES,
            "Colorfulness (truth)": _colorfulness,
        },
        lambda rows: [row for row in rows if row.get("temperature") != 1.0 or not row["added"]],
    ),
    "averaged_weights": _mixed("Share of the old weights"),
    "non_local_mean": (
        {
            "List": ("dataset", str),
            "Temperature": lambda row: "none" if row["of_cosines"] is None else f"{row['of_cosines']:.2f}",
            "Look": ("look", str),
            "Hints": ("hints", str),
            "Variance added": ("added", _number(3)),
            **SCORES,
            "Colorfulness (truth)": _colorfulness,
        },
        list,
    ),
    "smoothing": (
        {
            "List": ("dataset", str),
            "Look": ("look", str),
            "Filter": _filter,
            **SCORES,
            "Colorfulness (truth)": _colorfulness,
            "Blotches": ("blotch_deviation", _number(2)),
            "Stray hues": lambda row: f"{row['blotch_hues']:.2%}",
        },
        list,
    ),
    "steering": ({"Measure": ("measure", str), "Result": _described}, list),
    "shapes": (
        {
            "List": ("dataset", str),
            "Look": ("look", str),
            "Size": ("size", str),
            "Seen": lambda row: "in its shape" if row["keeps_shape"] else "as a square",
            "PSNR (dB)": SCORES["PSNR (dB)"],
            "CIEDE2000": SCORES["CIEDE2000"],
            "Colorfulness (truth)": _colorfulness,
            "PSNR minus the trained square's [95 %]": _interval,
        },
        list,
    ),
    "reliability": ({"Look": ("look", str), "Measure": ("measure", str), "Result": _described}, list),
}
CONVENTIONS = "metric_conventions"
NAMES = (*PAGES, CONVENTIONS)


def content(name: str, folder: Path = FOLDER) -> str:
    """What stands between the markers of one page.

    Args:
        name: of `NAMES`.
        folder: holds the record, or stands beside conventions.json.
    """
    if name == CONVENTIONS:
        return metric_conventions_page.render(json.loads((folder.parent / "conventions.json").read_text("utf-8")))
    columns, choose = PAGES[name]
    lines = (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for row in choose([json.loads(line) for line in lines]):
        cells = [column(row) if callable(column) else column[1](row.get(column[0])) for column in columns.values()]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def main() -> int:
    """Fills in every page; returns the exit status."""
    missing = [name for name in NAMES if not put_between_markers(FOLDER / f"{name}.md", "record", content(name))]
    for name in missing:
        print(f"{FOLDER / name}.md has no markers record:start and record:end", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
