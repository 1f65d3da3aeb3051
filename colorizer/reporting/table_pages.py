"""How tables look: Markdown, rounded as the paper rounds, with footnotes that say what was measured.

Takes the tidy tables of `tables`; the numbers are not touched but for rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from colorizer import atomic_files
from colorizer.evaluation import metrics, statistics
from colorizer.evaluation.runs import FIGURE5, NONE, TEST_LISTS, Run, command, pending, pending_ablations
from colorizer.reporting import test_set_section
from colorizer.reporting.markdown import MARKED, TITLES, markdown, number, title_of

_INTERVALS = "[low, high]: 95 % percentile bootstrap interval of the mean, 10,000 resamples, seed 42."
_SETTINGS = (
    "256x256 pixels, uint8 sRGB, the predicted ab merged with the picture's true L*. "
    f"PSNR over all RGB values, data range {metrics.RGB_PEAK}. SSIM by scikit-image, mean of the three channels, "
    f"uniform {metrics.SSIM_WINDOW}x{metrics.SSIM_WINDOW} window, data range {metrics.RGB_PEAK}. {_INTERVALS}"
)
_UNIDENTIFIED = (
    "The paper does not identify its eight pictures: its values are of other pictures than ours and compare only as "
    "orders of magnitude."
)
_OURS = "**ours** is the run that was shown most training pictures (epochs x images); other runs stand by name."
_FLOORS = "all-grey predicts no colour, mean-colour the training set's mean colour in every pixel."


def _page(title, parts, notes, note):
    notes = [line for line in (f"**{note}**" if note else "", *notes) if line]
    return "\n\n".join([f"## {title}", *parts, "\n".join(f"- {line}" for line in notes)]) + "\n"


def _labels(table):
    """What each row is, in the column of sources: paper, ours, a run, or a floor. In the table's order of rows."""
    seen, labels = {}, []
    for row in table.itertuples():
        if row.source != "ours":
            labels.append(TITLES.get(row.source, row.source))
        elif row.run == NONE:
            labels.append("ours")
        else:  # the chosen run of a method stands first
            first = seen.setdefault((row.training_set, row.method), row.run) == row.run
            labels.append(f"**ours**, `{row.run}`" if first else f"run `{row.run}`")
    return labels


def table1(table: pd.DataFrame, note: str = "") -> str:
    """Renders `tables.table1`: a line per parameter, a column per run."""
    wide = table.assign(who=[r.run if r.source == "ours" else "paper" for r in table.itertuples()])
    wide = wide.pivot_table(index="parameter", columns="who", values="value", aggfunc="first", sort=False)
    header = ["Parameter", "Paper", *(f"`{name}`" for name in wide.columns if name != "paper")]
    ordered = wide[["paper", *(name for name in wide.columns if name != "paper")]]
    rows = [[parameter.replace("_", " "), *values] for parameter, *values in ordered.itertuples()]
    notes = [
        "The first six parameters are the paper's Table 1, the rest decide a result too; their sources stand in "
        "colorizer/config.py.",
        "Zoom is a share, rotation and shear are degrees.",
    ]
    return _page("Table 1. Final model parameters", [markdown(header, rows)], notes, note)


def table2(table: pd.DataFrame, compared: statistics.Compared, note: str = "") -> str:
    """Renders `tables.table2`: the validation lists from the records, then the whole test lists."""
    header = ["Training set", "Method", "Source", "Runtime (h)", "MSE", "Accuracy (%)", "Epochs", "Classifier"]
    header += ["Train images", "Validation images", "Device", "Precision"]
    rows = []
    for label, row in zip(_labels(table), table.itertuples(), strict=True):
        given = row.source == "paper"  # the paper's own digits are kept
        numbers = [number(row.runtime_hours, "g" if given else ".2f"), number(row.mse, "g" if given else ".4f")]
        numbers.append(number(row.accuracy_percent, "g" if given else ".1f"))
        if not pd.isna(row.note):
            numbers = [row.note, "", ""]
        epochs = row.epochs if pd.isna(row.epochs_done) else f"{row.epochs_done} of {row.epochs}"
        told = [epochs, row.classifier, row.train_images, row.val_images, row.device, row.precision]
        rows.append([row.training_set, title_of(row.method), label, *numbers, *told])
    notes = [
        'MSE on ab/128. Accuracy is what Keras\' "accuracy" is on two channels: the share of pixels where the larger '
        "of a and b is the same one. It does not say how near a colour is: mean-colour gives one answer everywhere.",
        "Ours, all-grey and mean-colour: on the validation list, at the epoch with the lowest validation loss.",
        "Whole test lists: the paper's column is its validation value. " + _INTERVALS,
        MARKED,
        _OURS,
        _FLOORS,
    ]
    lists = test_set_section.render(_each_once(_ours(table)), compared, ("mse_ab", "accuracy_argmax_ab"))
    return _page("Table 2. Training results", [markdown(header, rows), lists], notes, note)


def table3(table: pd.DataFrame, compared: statistics.Compared, note: str = "") -> str:
    """Renders `tables.table3`: the eight pictures in the paper's shape, then the whole lists."""
    eight = _eight(table, ("Training set",), lambda r: [r.training_set], psnr=True)
    lists = test_set_section.render(_each_once(_ours(table)), compared, ("psnr_rgb", "ssim_rgb"))
    title = "Table 3. PSNR and SSIM by training set, proposed network" + _sizes(table)
    return _page(title, [eight, lists], _pixel_notes(table), note)


def table4(table: pd.DataFrame, compared: statistics.Compared, note: str = "") -> str:
    """Renders `tables.table4`: as `table3`, with differences to the proposed network."""
    eight = _eight(table, ("Method",), lambda r: [title_of(r.method)], psnr=False)
    lists = test_set_section.render(_each_once(_ours(table)), compared, ("ssim_rgb",), with_proposed=True)
    title = "Table 4. SSIM by method, all trained on the paintings" + _sizes(table)
    return _page(title, [eight, lists], _pixel_notes(table), note)


def _sizes(table):
    """`: paintings n=122, coco n=250, ood n=46`, so that a cut list cannot pass for a whole one."""
    sizes = {}
    for test_set in TEST_LISTS:
        found = sorted(set(table.n[(table.test_set == test_set)]))
        if found:
            sizes[test_set] = f"{test_set} n={' to '.join(str(n) for n in dict.fromkeys((found[0], found[-1])))}"
    return f" ({', '.join(sizes.values())})" if sizes else " (no test pictures)"


def _eight(table, head, values_of, psnr):
    """The paper's shape: eight rounded values in a cell."""
    header = [*head, "Source", "Classifier", *(["PSNR (dB)"] if psnr else []), "SSIM (%)"]
    rows = []
    for label, part in _sources(table):
        first, pictures = part.iloc[0], part[part.test_set == FIGURE5]
        cells = [", ".join(number(p, ".0f") for p in pictures.psnr_rgb)] if psnr else []
        cells.append(", ".join(number(100 * s, ".0f") for s in pictures.ssim_rgb))
        if not pd.isna(first.note):
            cells = [first.note] + [""] * psnr
        elif pictures.empty:
            cells = ["no predictions of the eight pictures"] + [""] * psnr
        rows.append([*values_of(first), label, first.classifier, *cells])
    names = list(dict.fromkeys(table.image[(table.test_set == FIGURE5) & (table.source != "paper")]))
    ours = f"Ours, in this order: {', '.join(names)}." if names else "Ours: colorizer/figure5.txt."
    return "### The eight pictures of Figure 5\n\n" + markdown(header, rows) + "\n\n" + f"{_UNIDENTIFIED} {ours}"


def _ours(table):
    """What `wholelists.render` asks of each run, in the table's order; what was not run keeps its note."""
    for row, label in zip(table.itertuples(), _labels(table), strict=True):
        if row.source == "ours":
            told = {"training_set": row.training_set, "method": row.method, "label": label, "run": row.run}
            yield told | {"classifier": row.classifier, "note": row.note}


def _each_once(told):
    return list({(t["training_set"], t["method"], t["run"]): t for t in told}.values())


def _sources(table):
    """(label, rows) of each paper row, run and floor, in order."""
    table = table.assign(label=_labels(table))
    for (*_, label), part in table.groupby(["training_set", "method", "label"], sort=False):
        yield label, part


def _pixel_notes(table):
    notes = [_SETTINGS, MARKED, "Paper, whole test lists: the mean of its eight values.", _OURS, _FLOORS]
    used = sorted({row.classifier for row in table.itertuples() if row.source == "ours"} - {NONE})
    if used:
        notes.append(f"Class vectors of ours: {', '.join(used)}; the paper's: efficientnet_b4.")
    identical = int(table.identical.sum()) if "identical" in table else 0
    if identical:
        notes.append(f"Predictions identical to the truth have an infinite PSNR; left out of the means: {identical}.")
    return notes


def headline(table: pd.DataFrame, note: str = "") -> str:
    """Renders `tables.headline`: a block per test list."""
    header = ["Test list", "Method", "Trained on", "Classifier", "MSE (ab/128)", "PSNR (dB)", "SSIM"]
    header += ["CIEDE2000", "Colourfulness (truth)"]
    rows = []
    for r in table.itertuples():
        numbers = [f"{r.mse_ab:.4f}", number(r.psnr_rgb, ".2f"), f"{r.ssim_rgb:.3f}", f"{r.ciede2000:.1f}"]
        colourful = f"{r.colourfulness:.1f} ({r.colourfulness_truth:.1f})"
        told = [title_of(r.method), r.trained_on, r.classifier]
        rows.append([f"{r.test_set} (n={r.n})", *told, *numbers, colourful])
    notes = [note, _SETTINGS.split(" [low")[0], _FLOORS]
    return markdown(header, rows) + "\n\n" + "\n".join(f"- {line}" for line in notes if line) + "\n"


def records(found: Sequence[Run]) -> str:
    """What stands behind the tables: a row per run, and the paper's runs that are still to be made.

    Args:
        found: the finished runs.

    Returns:
        Markdown for results/README.md.

    Source: ours.
    """
    header = [
        "Run",
        "Method",
        "Trained on",
        "Classifier",
        "Epochs",
        "Images",
        "Pixels",
        "Precision",
        "Hours",
        "Device",
        "Commit",
    ]
    rows = []
    for run in found:
        s, epochs = run.summary, f"{run.summary['epochs_done']} of {run.summary['epochs']}"
        told = [run.name, title_of(run.method), run.trained_on, run.classifier, epochs, s["train_images"]]
        told.append("{0}x{0}".format(run.config["image_size"]))
        rows.append([*told, s["precision"], f"{s['runtime_hours']:.2f}", s["device"], run.config["commit"]])
        rows[-1].append(s["finished"][:10])
    parts = [markdown([*header, "Date"], rows)] if rows else ["No run is finished."]
    still = [f"- `{command(method, dataset)}`{done}" for method, dataset, done in pending(found)]
    if still:
        parts.append("Pending, with the paper's 100 epochs:\n\n" + "\n".join(still))
    if ablations := pending_ablations(found):
        command_of_all = "`python -m colorizer reproduce --matrix gpu --classifier FILE.keras`"
        parts.append(f"Pending ablations, 100 epochs each, {command_of_all}: {', '.join(ablations)}.")
    return "\n\n".join(parts) + "\n"


def put_between_markers(path: Path, name: str, text: str) -> bool:
    """Replaces what stands between `<!-- NAME:start -->` and `<!-- NAME:end -->` in a file.

    Args:
        path: a Markdown file; it may be absent.
        name: of the pair of markers.
        text: what shall stand there.

    Returns:
        Whether the file has the markers.

    Source: ours.
    """
    if not path.is_file():
        return False
    before, start, rest = path.read_text(encoding="utf-8").partition(f"<!-- {name}:start -->")
    _, end, after = rest.partition(f"<!-- {name}:end -->")
    if not (start and end):
        return False
    atomic_files.write_text(path, f"{before}{start}\n{text}{end}{after}")
    return True
