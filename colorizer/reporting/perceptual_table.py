"""The table of perceptual measures, as CSV and Markdown."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from colorizer import atomic_files
from colorizer.evaluation.perceptual import blotches, scorer
from colorizer.evaluation.scores import NONE, PREDICTOR, test_lists
from colorizer.reporting import markdown

NAME = "perceptual"
# measure -> (name in the table, factor, digits)
MEASURES = {
    scorer.KID: ("KID x 1000", 1000, ".2f"),
    scorer.DISTANCE: ("Feature distance x 1000", 1000, ".1f"),
    "blotch_deviation": ("Deviation in regions (Lab)", 1, ".2f"),
    "blotch_hues": ("Stray hues in regions (%)", 100, ".2f"),
    scorer.ACCURACY: ("Recognized (%)", 100, ".1f"),
    scorer.RECOVERED: ("Share of the way from gray to truth", 1, "+.2f"),
}
TITLES = {
    scorer.TRUTH: "truth",
    scorer.TRUTH_64: "truth, colors at 64x64",
}


def write(table: pd.DataFrame, output: Path, classifier: str, note: str = "") -> str:
    """Writes tables/perceptual.csv and tables/perceptual.md.

    Args:
        table: from `scorer.score`.
        output: the folder of results.
        classifier: the name of the one that looked.
        note: a sentence that the page must carry, such as that the lists were limited.

    Returns:
        The Markdown.
    """
    text = render(table, classifier, note)
    atomic_files.write_text(output / "tables" / f"{NAME}.md", text)
    with atomic_files.replacing(output / "tables" / f"{NAME}.csv") as part:
        table.to_csv(part, index=False)
    return text


def render(table: pd.DataFrame, classifier: str, note: str = "") -> str:
    """Renders `scorer.score`: a table for test lists, another for photographs with classes."""
    with_classes = table.measure.isin([scorer.ACCURACY])
    of_classes = table.test_set.isin(table[with_classes].test_set.unique()) & table.measure.isin(
        [scorer.ACCURACY, scorer.RECOVERED]
    )
    parts = [
        _table(part, [measure for measure in MEASURES if measure in set(part.measure)])
        for part in (table[~of_classes], table[of_classes])
        if len(part)
    ]
    lines = [
        f"Features and classes are those of {classifier}, which sees the pictures in color. No run of this table was "
        "trained with it.",
        "[low, high]: 95 % interval; bootstrap over pictures, for KID leave-one-out (jackknife).",
        "All predictions are taken at 64x64, as `predictions.npz` holds them, and enlarged. The truth at that size has "
        "a row of its own: what is lost by that.",
        "KID: unbiased, cubic kernel (Binkowski 2018), colored pictures against the true ones of "
        "the whole list at once; no picture is compared with its own truth. 0 is like the truth.",
        "Feature distance: like LPIPS, but not LPIPS: the features are another network's, and no weights are learned "
        "from people. Lower is better.",
        "Regions: SLIC superpixels of the truth, neighbors of one color merged, those in which the true color "
        f"deviates by less than {blotches.ONE_COLOR:g} Lab units. Stray hues: pixels more than {blotches.STRAY:g} "
        "degrees from the median hue of their region. Gray has no blotches and pale pictures have few: compare at one "
        "colorfulness.",
    ]
    if of_classes.any():
        lines.append(
            "Recognized: the classifier's first class is the photograph's. Share: 0 is as gray, 1 as the truth, below "
            "0 colors mislead (Zhang 2016, section 3.1)."
        )
    body = "\n\n".join([f"## Perceptual measures by {classifier}", *parts, markdown.notes(lines, note)])
    return body + "\n"


def _table(table: pd.DataFrame, measures: list[str]) -> str:
    """A row for each list and predictor, a column for each measure."""
    header = ["Test list", "Predictor", "Trained on", "Run", *(MEASURES[measure][0] for measure in measures)]
    rows = []
    for test_set in test_lists(table.test_set):
        here = table[table.test_set == test_set]
        for key, part in here.groupby(list(PREDICTOR), sort=False):
            cells = part.set_index("measure")
            run, method, trained_on, _ = key
            title = TITLES.get(method) or markdown.title_of(method)
            first = [f"{test_set} (n={cells.n.max()})", title, trained_on, run if run == NONE else f"`{run}`"]
            rows.append(first + [_cell(measure, cells) for measure in measures])
    return markdown.table(header, rows)


def _cell(measure: str, cells: pd.DataFrame) -> str:
    """`12.3 [11.0, 13.6]`; empty where it was not measured."""
    if measure not in cells.index or pd.isna(cells.loc[measure, "mean"]):
        return ""
    _, factor, form = MEASURES[measure]
    mean, low, high = (format(factor * cells.loc[measure, part], form) for part in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"
