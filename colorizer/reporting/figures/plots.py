"""Figure 5, training curves and other plots, as PNG files with the same bytes every time.

They are drawn with objects of matplotlib's Agg canvas: no pyplot, no global state, no display.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from colorizer import color
from colorizer.config import STOPPED
from colorizer.evaluation import color_statistics
from colorizer.evaluation import scores as score_table
from colorizer.evaluation.color_statistics import TRUTH, Predictions
from colorizer.evaluation.runs import Run
from colorizer.evaluation.scores import NONE
from colorizer.reporting import markdown
from colorizer.reporting.figures.display import Picture, png

_DPI = 100
_TITLE_WIDTH = 80  # characters of 10 points over curves, 7 inches wide
_LEFT, _TOP, _GAP = 30, 58, 4  # pixels: row labels, five lines of column labels, between tiles
# Photographs take about 1.2 bytes per pixel as PNG of fewer levels: this many pixels of tiles stay under 1 MB.
_PIXELS = 750_000
_LARGEST_TILE = 160
_LOSS_IS_MSE = 0.05  # relative difference up to which the validation loss counts as the MSE of the summary
_STEP = 3  # Figure 5 has every third of the levels 0..255, off by one at most: a third smaller as PNG
_STEP_OF_LINES = 15


def _pixels(figure):
    """(H, W, 3) uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def _lines(figure) -> Picture:
    return png(_pixels(figure), _STEP_OF_LINES)


def _nothing() -> Picture:
    """What is drawn where there is nothing to draw."""
    figure = Figure(figsize=(5, 0.6), dpi=_DPI)
    text = "Nothing to draw: the test pictures, or scores of them, are not here."
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=8)
    return _lines(figure)


def figure5(path: Path, pictures: Sequence[np.ndarray], names: Sequence[str], columns) -> None:
    """Draws Figure 5: a row per picture; the truth, the gray input, and a column per method.

    Args:
        path: the PNG file to write, whole or not at all.
        pictures: (S, S, 3) uint8 sRGB each, the originals.
        names: a label per picture.
        columns: (label, predictions) each; a prediction is (h, w, 2) float ab/128 at any size, drawn with the
            picture's own L*.
    """
    count = len(columns) + 2
    tile = min(_LARGEST_TILE, int(math.sqrt(_PIXELS / (len(pictures) * count))))
    width, height = _LEFT + count * (tile + _GAP), _TOP + len(pictures) * (tile + _GAP)
    canvas = np.full((height, width, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        luminance = color.rgb_to_lab(picture)[..., 0]
        tiles = [
            picture,
            color.gray(luminance),
            *(color.merge(luminance, predictions[i]) for _, predictions in columns),
        ]
        for j, rgb_u8 in enumerate(tiles):
            top, left = _TOP + i * (tile + _GAP), _LEFT + j * (tile + _GAP)
            small = cv2.resize(rgb_u8, (tile, tile), interpolation=cv2.INTER_AREA)
            canvas[top : top + tile, left : left + tile] = small

    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    figure.figimage(canvas)
    labels = ["truth", "gray", *(label for label, _ in columns)]
    for j, label in enumerate(labels):
        x = (_LEFT + j * (tile + _GAP) + tile / 2) / width
        figure.text(x, 1 - (_TOP - 4) / height, label, ha="center", va="bottom", fontsize=6, linespacing=1.05)
    for i, name in enumerate(names):
        y = 1 - (_TOP + i * (tile + _GAP) + tile / 2) / height
        figure.text((_LEFT - 4) / width, y, name, ha="right", va="center", rotation=90, fontsize=6)
    png(_pixels(figure), _STEP).save(path)


def curves(run: Run) -> Picture:
    """Draws a run's losses over its epochs and, below, its learning rate.

    The trivial baselines are drawn as levels where the loss is the mean squared error of ab/128.

    Args:
        run: its history has `epoch`, `loss`, `val_loss` and `learning_rate`.

    Returns:
        A PNG.
    """
    history, summary = run.history, run.summary
    figure = Figure(figsize=(7, 5), dpi=_DPI, layout="constrained")
    losses, rates = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    mark = "o" if len(history) < 20 else None
    losses.plot(history.epoch, history.loss, label="loss (training)", color="tab:blue", marker=mark, markersize=3)
    losses.plot(history.epoch, history.val_loss, label="val_loss", color="tab:orange", marker=mark, markersize=3)
    if math.isclose(history.val_loss.min(), summary["val_mse"], rel_tol=_LOSS_IS_MSE):
        for name, style in (("all_grey", "--"), ("mean_colour", ":")):
            level, label = summary[f"val_mse_{name}"], f"{markdown.FLOORS[name]}, validation"
            losses.axhline(level, label=f"{label}: {level:.4f}", color="0.4", linestyle=style)
    losses.axvline(
        summary["best_epoch"], label=f"best epoch: {summary['best_epoch']}", color="tab:green", linewidth=0.8
    )
    losses.set_ylabel("loss")
    losses.set_title("\n".join(_curves_title(run)), fontsize=10)
    losses.legend(fontsize=8)
    rates.step(history.epoch, history.learning_rate, where="mid", color="tab:red", marker=mark, markersize=3)
    rates.set_yscale("log")
    rates.set_ylabel("learning rate")
    rates.set_xlabel("epoch")
    rates.xaxis.get_major_locator().set_params(integer=True)
    return _lines(figure)


def _curves_title(run: Run) -> list[str]:
    """The lines over a run's curves, each short enough for the figure."""
    title = f"{run.name}: {run.method} on {run.trained_on}, classifier {run.classifier}"
    lines = textwrap.wrap(title, _TITLE_WIDTH, break_on_hyphens=False)
    return [*lines, markdown.epochs_of(run)] if run.ending == STOPPED else lines


def histograms(predictors: Mapping[str, Predictions]) -> Picture:
    """Draws how often each color (a, b) occurs: a row per test list, a column per predictor.

    The line in every panel surrounds the fewest bins that hold 95 % of the truth's pixels.

    Args:
        predictors: label -> its colors; `color_statistics.TRUTH` is one of them and drawn first.

    Returns:
        A PNG.

    Source: the plane of Zhang et al. 2016, Figure 3.
    """
    labels = [TRUTH, *(label for label in predictors if label != TRUTH)]
    rows = score_table.test_lists(predictors[TRUTH])
    if not rows:
        return _nothing()
    figure = Figure(figsize=(1.15 * len(labels) + 1.4, 1.15 * len(rows) + 0.75), dpi=_DPI, layout="constrained")
    grid = figure.subplots(len(rows), len(labels), sharex=True, sharey=True, squeeze=False)
    extent = (-color_statistics.EXTENT, color_statistics.EXTENT) * 2
    for axes_of_row, test_set in zip(grid, rows, strict=True):
        truth = color_statistics.histogram(predictors[TRUTH][test_set][1])
        for axes, label in zip(axes_of_row, labels, strict=True):
            axes.set(xticks=(-100, 0, 100), yticks=(-100, 0, 100))
            axes.tick_params(labelsize=6, length=2)
            axes.axhline(0, color="0.7", linewidth=0.5)
            axes.axvline(0, color="0.7", linewidth=0.5)
            if test_set in predictors[label]:
                shares = color_statistics.histogram(predictors[label][test_set][1])
                image = axes.imshow(
                    np.ma.masked_equal(shares, 0),
                    extent=extent,
                    origin="lower",
                    norm=LogNorm(1e-5, 1),
                    cmap="viridis_r",
                )
            axes.contour(truth, [color_statistics.region(truth)], extent=extent, colors="tab:red", linewidths=0.6)
            if test_set == rows[0]:
                axes.set_title(label, fontsize=6.5)
        axes_of_row[0].set_ylabel(f"{test_set}\nb", fontsize=7)
    for axes in grid[-1]:
        axes.set_xlabel("a", fontsize=7)
    bar = figure.colorbar(image, ax=grid, fraction=0.03)
    bar.set_label("share of the pixels", fontsize=7)
    bar.ax.tick_params(labelsize=6)
    return _lines(figure)


def gains(truth: Predictions, predictors: Mapping[str, Predictions], test_set: str) -> Picture:
    """Draws the error of each predictor when its colors are made weaker or stronger.

    Args:
        truth: from `color_statistics.truths`.
        predictors: label -> its colors.
        test_set: the list.

    Returns:
        A PNG: the error, as a share of all-gray's, over the gain; a dot where the colors are as strong as the truth's.
    """
    rows = score_table.select(color_statistics.gains(truth, predictors), test_set=test_set)
    if rows.empty:
        return _nothing()
    figure = Figure(figsize=(6.4, 3.4), dpi=_DPI, layout="constrained")
    axes, steps = figure.subplots(), np.linspace(0, 5, 101)
    for number, row in enumerate(rows.itertuples()):
        line = f"C{number}"
        cost = color_statistics.errors(truth, predictors[row.predictor], test_set, steps)
        axes.plot(steps, cost, color=line, label=row.predictor)
        axes.plot(row.vivid_gain, row.error_vivid, "o", color=line, markersize=4)
    axes.axhline(1, color="0.4", linestyle="--", linewidth=0.8, label="all-gray")
    axes.set(xlim=(0, 5), ylim=(0, 2.5), xlabel="gain on a and b", ylabel="squared error, all-gray = 1")
    axes.set_title(f"{test_set} test list", fontsize=9)
    axes.legend(fontsize=6, loc="lower right")
    return _lines(figure)


def intervals(lists: pd.DataFrame, measure: str) -> Picture:
    """Draws the mean and its 95 % interval of every predictor: a panel per test list.

    Args:
        lists: `statistics.LIST_COLUMNS`, as in tables/lists.csv.
        measure: one of them.

    Returns:
        A PNG.
    """
    here = score_table.select(lists, measure=measure)
    sets = score_table.test_lists(here.test_set)
    if not sets:
        return _nothing()
    name, factor, _ = markdown.MEASURES[measure]
    here = here.assign(label=[_label(row) for row in here.itertuples()])
    labels = list(dict.fromkeys(here.label))[::-1]
    figure = Figure(figsize=(8, 0.19 * len(labels) + 0.8), dpi=_DPI, layout="constrained")
    for axes, test_set in zip(figure.subplots(1, len(sets), sharey=True, squeeze=False)[0], sets, strict=True):
        part = here[here.test_set == test_set]
        places, means = [labels.index(label) for label in part.label], factor * part["mean"]
        ends = [means - factor * part.low, factor * part.high - means]
        axes.errorbar(means, places, xerr=ends, fmt="o", markersize=3, linewidth=1, color="tab:blue")
        gray = means[(part.method == "all_grey").to_numpy()]
        if len(gray):
            axes.axvline(gray.iloc[0], color="0.5", linestyle="--", linewidth=0.8)
        axes.set_title(f"{test_set} (n={part.n.iloc[0]})", fontsize=8)
        axes.set_xlabel(name, fontsize=7)
        axes.set_yticks(range(len(labels)), labels, fontsize=6)
        axes.tick_params(axis="x", labelsize=6)
    return _lines(figure)


def _label(row):
    title = markdown.short_title(row.method)
    return f"{title}, {row.trained_on}" if row.trained_on != NONE else title
