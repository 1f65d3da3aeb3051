"""The parts that all Markdown pages share: titles of methods, numbers with intervals, tables, markers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from colorizer import atomic_files, methods
from colorizer.config import CUT, STOPPED
from colorizer.evaluation.runs import OWN_L, Run

# measure -> (name in a table, factor, digits)
MEASURES = {
    "mse_ab": ("MSE (ab/128)", 1, ".4f"),
    "accuracy_argmax_ab": ("Accuracy (%)", 100, ".1f"),
    "psnr_rgb": ("PSNR (dB)", 1, ".2f"),
    "ssim_rgb": ("SSIM (%)", 100, ".1f"),
    "ciede2000": ("CIEDE2000", 1, ".2f"),
    "colourfulness": ("Colorfulness", 1, ".1f"),
}
FLOORS = {"all_grey": "all-gray", "mean_colour": "mean-color"}  # as in metrics.csv -> as on pages
MARK = "*"  # after a difference whose interval excludes zero
MARKED = (
    f"Differences are on the same pictures, ours minus the other, mean [95 % interval]; `{MARK}` marks an interval "
    "that excludes zero. Lower is better for MSE and CIEDE2000, higher for the others."
)


def table(header: Sequence[str], rows: Iterable[Sequence]) -> str:
    """Renders a Markdown table; missing values become empty cells."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join("" if pd.isna(v) else str(v) for v in line) + " |" for line in lines)


def notes(lines: Iterable[str], first: str = "") -> str:
    """Renders a list of notes; `first`, if any, stands in bold above the others."""
    return "\n".join(f"- {line}" for line in (f"**{first}**" if first else "", *lines) if line)


def title_of(method: str) -> str:
    """The title of a method, with its look, or of a trivial baseline.

    Args:
        method: as in metrics.csv: a method's name, with a suffix of `runs.variants` or without.
    """
    if method in FLOORS:
        return FLOORS[method]
    name = max((n for n in methods.names() if f"{method}_".startswith(f"{n}_")), key=len, default=None)
    if name is None:
        return method
    declared, suffix = methods.declared(name), method.removeprefix(name)
    look = suffix.removeprefix("_") or (declared.looks[0] if declared.looks else "")
    kind = ", with its own L" if suffix == OWN_L else f", {look}" if look else ""
    return declared.title + kind


def short_title(method: str) -> str:
    """A method's title where there is little room, such as over a column of a figure."""
    title = title_of(method).replace(" (proposed)", "").replace("Image Colorization using ", "")
    return title.replace("Generative Adversarial Networks", "GAN")


def number(value: float, form: str) -> str:
    """Formats a number; nothing for NaN."""
    return "" if pd.isna(value) else format(value, form)


def scaled(measure: str, value: float, sign: str = "") -> str:
    """Formats a value of metrics.csv in the unit and with the digits of its measure; nothing for NaN."""
    _, factor, form = MEASURES[measure]
    return number(factor * value, sign + form)


def interval(measure: str, mean: float, low: float, high: float) -> str:
    """Formats `23.19 [22.70, 23.67]`, in the unit and with the digits of the measure; nothing for NaN."""
    return "" if pd.isna(mean) else "{} [{}, {}]".format(*(scaled(measure, v) for v in (mean, low, high)))


def seeds(measure: str, count: int, low: float, high: float) -> str:
    """Formats `; 2 seeds: 23.19 to 23.41`, to stand behind a mean, in the unit and with the digits of the measure."""
    return f"; {count} seeds: {scaled(measure, low)} to {scaled(measure, high)}"


def difference(measure: str, mean: float, low: float, high: float) -> str:
    """Formats `+0.69 [+0.52, +0.86] *`: as `interval`, with signs, and the mark where zero lies outside."""
    if pd.isna(mean):
        return ""
    text = "{} [{}, {}]".format(*(scaled(measure, v, "+") for v in (mean, low, high)))
    return f"{text} {MARK}" if low > 0 or high < 0 else text


def epochs_of(run: Run) -> str:
    """`epochs` of a run's record."""
    s = run.summary
    return epochs(s["epochs_done"], s["epochs"], run.ending, s["best_epoch"])


def epochs(done: int, planned: int, ending: str, best: int) -> str:
    """Says how long a run was and how it ended: `100 of 100`, `4 of 100, cut`, `100 planned, stopped at 61, best 51`.

    Args:
        done: epochs that were trained.
        planned: those that were asked for.
        ending: one of `config.ENDINGS`.
        best: the epoch with the lowest validation loss.
    """
    if ending == STOPPED:
        return f"{planned} planned, stopped at {done}, best {best}"
    return f"{done} of {planned}" + (", cut" if ending == CUT else "")


SEEDS = (
    "Seeds: the lowest and the highest mean of runs that differ in their seed alone. The intervals are over pictures, "
    "of one run, and do not hold this."
)


def put_between_markers(path: Path, name: str, text: str) -> bool:
    """Replaces the text between `<!-- NAME:start -->` and `<!-- NAME:end -->` in a file.

    Args:
        path: a Markdown file; it may be absent.
        name: of the pair of markers.
        text: the new text.

    Returns:
        Whether the file has the markers.
    """
    if not path.is_file():
        return False
    before, start, rest = path.read_text(encoding="utf-8").partition(f"<!-- {name}:start -->")
    _, end, after = rest.partition(f"<!-- {name}:end -->")
    if not (start and end):
        return False
    atomic_files.write_text(path, f"{before}{start}\n{text}{end}{after}")
    return True


def between_markers(path: Path, name: str) -> str:
    """Reads what `put_between_markers` wrote; "" where the file is absent."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return text.partition(f"<!-- {name}:start -->\n")[2].partition(f"<!-- {name}:end -->")[0]
