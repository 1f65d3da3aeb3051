"""Tables 1-4 as Markdown, rounded as in the paper, with footnotes that say what was measured."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from colorizer import weights
from colorizer.evaluation import metrics, statistics
from colorizer.evaluation.runs import OWN_L
from colorizer.evaluation.scores import FIGURE5, NONE, test_lists
from colorizer.reporting import markdown, test_set_section
from colorizer.reporting.markdown import FLOORS, MARKED, number, title_of

_INTERVALS = "[low, high]: 95 % percentile bootstrap interval of the mean, 10,000 resamples, seed 42."
_SETTINGS = (
    "256x256 pixels, uint8 sRGB, the predicted ab merged with the picture's true L*. "
    f"PSNR over all RGB values, data range {metrics.RGB_PEAK}. SSIM by scikit-image, mean of the three channels, "
    f"uniform {metrics.SSIM_WINDOW}x{metrics.SSIM_WINDOW} window, data range {metrics.RGB_PEAK}. {_INTERVALS}"
)
_STAGES = "results/experiments/long_training.md"  # of the shipped weights
_UNIDENTIFIED = (
    "The paper does not identify its eight pictures. Its values and ours are of different pictures: compare orders of "
    "magnitude only."
)
_OURS = "**ours** is the run that has seen most training pictures (epochs x images); other runs have their names."
_TRIVIAL = "all-gray predicts no color, mean-color the training set's mean color in every pixel."


def _page(title, parts, notes, note):
    return "\n\n".join([f"## {title}", *parts, markdown.notes(notes, note)]) + "\n"


def _labels(table):
    """The source of each row, in the table's order: paper, ours, a run, or a trivial baseline."""
    seen, labels = {}, []
    for row in table.itertuples():
        if row.source != "ours":
            labels.append(FLOORS.get(row.source, row.source))
        elif row.run == NONE:
            labels.append("ours")
        else:  # the run that represents a method stands first
            first = seen.setdefault((row.training_set, row.method), row.run) == row.run
            labels.append(f"**ours**, `{row.run}`" if first else f"run `{row.run}`")
    return labels


def _seeds(table, comparison):
    """The note on seeds, where a run of the table was trained with several."""
    return [markdown.SEEDS] if comparison.seeds.run.isin(table.run).any() else []


def table1(table: pd.DataFrame, note: str = "", staged: Sequence[str] = ()) -> str:
    """Renders `tables.table1`: a line per parameter, a column per run.

    Args:
        table: from `tables.table1`.
        note: a sentence that the page must carry; "" for none.
        staged: the runs whose settings are those of their last stage alone.

    Returns:
        Markdown.
    """
    wide = table.assign(who=[r.run if r.source == "ours" else "paper" for r in table.itertuples()])
    wide = wide.pivot_table(index="parameter", columns="who", values="value", aggfunc="first", sort=False)
    header = ["Parameter", "Paper", *(f"`{name}`" for name in wide.columns if name != "paper")]
    ordered = wide[["paper", *(name for name in wide.columns if name != "paper")]]
    rows = [[parameter.replace("_", " "), *values] for parameter, *values in ordered.itertuples()]
    notes = [
        "The first six parameters are the paper's Table 1. The others decide a result too; colorizer/config.py gives "
        "their sources.",
        "Epochs are the planned ones; Table 2 has those that were trained.",
        "Zoom is a share, rotation and shear are degrees.",
        *(_stages(name) for name in staged),
    ]
    return _page("Table 1. Final model parameters", [markdown.table(header, rows)], notes, note)


def _stages(name):
    """The note on a run that was trained in stages: its epochs are those of all, its settings those of one."""
    told = f"; {_STAGES} tells the stages" if name in weights.SHIPPED else ""
    return f"`{name}` was trained in stages: its epochs are those of all, the other settings those of the last{told}."


def table2(table: pd.DataFrame, comparison: statistics.Comparison, note: str = "") -> str:
    """Renders `tables.table2`: validation lists from the records, then the whole test lists."""
    header = ["Training set", "Method", "Source", "Runtime (h)", "MSE", "Accuracy (%)", "Epochs", "Classifier"]
    header += ["Train images", "Validation images", "Device", "Precision"]
    rows = []
    for label, row in zip(_labels(table), table.itertuples(), strict=True):
        exact = row.source == "paper"  # in the paper's own digits
        numbers = [number(row.runtime_hours, "g" if exact else ".2f"), number(row.mse, "g" if exact else ".4f")]
        numbers.append(number(row.accuracy_percent, "g" if exact else ".1f"))
        if not pd.isna(row.note):
            numbers = [row.note, "", ""]
        epochs = row.epochs
        if not pd.isna(row.epochs_done):
            epochs = markdown.epochs(row.epochs_done, row.epochs, row.ending, row.best_epoch)
        settings = [epochs, row.classifier, row.train_images, row.val_images, row.device, row.precision]
        rows.append([row.training_set, title_of(row.method), label, *numbers, *settings])
    notes = [
        'MSE on ab/128. Accuracy is Keras\' "accuracy" on two channels: the share of pixels where the larger of a and '
        "b is the same one. It does not say how close a color is: mean-color gives one answer everywhere.",
        "Epochs: a run was cut where its time was over, and stopped where it learned nothing more at its last learning "
        "rate: more epochs would not have changed the row. Curves: figures/curves-RUN.png.",
        "Ours, all-gray and mean-color: on the validation list, at the epoch with the lowest validation loss.",
        *(
            f"`{row.run}` and the baselines below it: on the validation list of {row.val_set} alone, with the weights "
            "of the training's end."
            for row in table.itertuples()
            if not pd.isna(row.val_set)
        ),
        "Whole test lists: the paper's column is its validation value. " + _INTERVALS,
        *_seeds(table, comparison),
        MARKED,
        _OURS,
        _TRIVIAL,
    ]
    lists = test_set_section.render(_each_once(_ours(table)), comparison, ("mse_ab", "accuracy_argmax_ab"))
    return _page("Table 2. Training results", [markdown.table(header, rows), lists], notes, note)


def table3(table: pd.DataFrame, comparison: statistics.Comparison, note: str = "") -> str:
    """Renders `tables.table3`: the eight pictures as in the paper, then the whole test lists."""
    eight = _eight(table, ("Training set",), lambda r: [r.training_set], psnr=True)
    lists = test_set_section.render(_each_once(_ours(table)), comparison, ("psnr_rgb", "ssim_rgb"))
    title = "Table 3. PSNR and SSIM by training set, proposed network" + _sizes(table)
    return _page(title, [eight, lists], _pixel_notes(table) + _seeds(table, comparison), note)


def table4(table: pd.DataFrame, comparison: statistics.Comparison, note: str = "") -> str:
    """Renders `tables.table4`: as `table3`, with differences to the proposed network."""
    eight = _eight(table, ("Method",), lambda r: [title_of(r.method)], psnr=False)
    lists = test_set_section.render(_each_once(_ours(table)), comparison, ("ssim_rgb",), with_proposed=True)
    title = "Table 4. SSIM by method, all trained on the paintings" + _sizes(table)
    return _page(title, [eight, lists], _pixel_notes(table) + _seeds(table, comparison), note)


def _sizes(table):
    """`: paintings n=122, coco n=250, ood n=46`, so that a limited list cannot pass for a whole one."""
    sizes = {}
    for test_set in test_lists(table.test_set.dropna()):
        counts = sorted(set(table.n[(table.test_set == test_set)]))
        sizes[test_set] = f"{test_set} n={' to '.join(str(n) for n in dict.fromkeys((counts[0], counts[-1])))}"
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
    return "### The eight pictures of Figure 5\n\n" + markdown.table(header, rows) + "\n\n" + f"{_UNIDENTIFIED} {ours}"


def _ours(table):
    """What `test_set_section.render` needs of each run, in the table's order."""
    for row, label in zip(table.itertuples(), _labels(table), strict=True):
        if row.source == "ours":
            head = {"training_set": row.training_set, "method": row.method, "label": label, "run": row.run}
            yield head | {"classifier": row.classifier, "note": row.note}


def _each_once(rows):
    return list({(row["training_set"], row["method"], row["run"]): row for row in rows}.values())


def _sources(table):
    """(label, rows) of each source, in order."""
    table = table.assign(label=_labels(table))
    for (*_, label), part in table.groupby(["training_set", "method", "label"], sort=False):
        yield label, part


def _pixel_notes(table):
    notes = [_SETTINGS, MARKED, "Paper, whole test lists: the mean of its eight values.", _OURS, _TRIVIAL]
    used = sorted({row.classifier for row in table.itertuples() if row.source == "ours"} - {NONE})
    if used:
        notes.append(f"Class vectors of ours: {', '.join(used)}; the paper's: efficientnet_b4.")
    notes += _own_luminance(table)
    identical = int(table.identical.sum()) if "identical" in table else 0
    if identical:
        notes.append(f"Predictions identical to the truth have an infinite PSNR and are not in the means: {identical}.")
    return notes


def _own_luminance(table):
    """The note on predictions with their own luminance, where there are any."""
    if not table.method.astype(str).str.endswith(OWN_L).any():
        return []
    return [
        "With its own L: predicted at the network's size and enlarged. So PSNR and SSIM also count what is blurred by "
        "that, which no other row has."
    ]


def headline(table: pd.DataFrame, note: str = "") -> str:
    """Renders `tables.headline`: a block per test list."""
    header = ["Test list", "Method", "Trained on", "Classifier", "MSE (ab/128)", "PSNR (dB)", "SSIM"]
    header += ["CIEDE2000", "Colorfulness (truth)"]
    rows = []
    for r in table.itertuples():
        numbers = [f"{r.mse_ab:.4f}", number(r.psnr_rgb, ".2f"), f"{r.ssim_rgb:.3f}", f"{r.ciede2000:.1f}"]
        colorful = f"{r.colourfulness:.1f} ({r.colourfulness_truth:.1f})"
        predictor = [title_of(r.method), r.trained_on, r.classifier]
        rows.append([f"{r.test_set} (n={r.n})", *predictor, *numbers, colorful])
    lines = [note, _SETTINGS.split(" [low")[0], _TRIVIAL, *_own_luminance(table)]
    return markdown.table(header, rows) + "\n\n" + markdown.notes(lines) + "\n"
