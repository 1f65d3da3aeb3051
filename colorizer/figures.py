"""Figure 5 and training curves, as PNG files that come out the same every time.

Drawn with matplotlib's Agg canvas through its objects: no pyplot, no global state, no display.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from colorizer import color, files
from colorizer.runs import Run

_DPI = 100
_LEFT, _TOP, _GAP = 30, 46, 4  # pixels: row labels, column labels, between tiles
# Photographs take about 1.9 bytes a pixel as PNG: this many pixels of tiles stay well under 1.5 MB.
_PIXELS = 750_000
_LARGEST_TILE = 160
_LOSS_IS_MSE = 0.05  # relative difference up to which the validation loss counts as the MSE of the summary
# TRICKY: PNG files name the software's version unless told not to, and would differ from machine to machine.
_METADATA = {"Software": None}


def _save(figure, path):
    FigureCanvasAgg(figure)
    with files.replacing(path) as part:
        figure.savefig(part, format="png", dpi=_DPI, metadata=_METADATA)


def figure5(path: Path, pictures: Sequence[np.ndarray], names: Sequence[str], columns) -> None:
    """Draws Figure 5: a row per picture; the truth, the grey input, and a column per method.

    Args:
        path: the PNG file to write, whole or not at all.
        pictures: (S, S, 3) uint8 sRGB each, the originals.
        names: a label per picture.
        columns: (label, predictions) each; a prediction is (h, w, 2) float ab/128 at any size
            and is given the picture's own L*.

    Source: Figure 5.
    """
    count = len(columns) + 2
    tile = min(_LARGEST_TILE, int(math.sqrt(_PIXELS / (len(pictures) * count))))
    width, height = _LEFT + count * (tile + _GAP), _TOP + len(pictures) * (tile + _GAP)
    canvas = np.full((height, width, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        luminance = color.rgb_to_lab(picture)[..., 0]
        shown = [
            picture,
            color.grey(luminance),
            *(color.merge(luminance, predictions[i]) for _, predictions in columns),
        ]
        for j, rgb_u8 in enumerate(shown):
            top, left = _TOP + i * (tile + _GAP), _LEFT + j * (tile + _GAP)
            small = cv2.resize(rgb_u8, (tile, tile), interpolation=cv2.INTER_AREA)
            canvas[top : top + tile, left : left + tile] = small

    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    figure.figimage(canvas)
    labels = ["truth", "grey", *(label for label, _ in columns)]
    for j, label in enumerate(labels):
        x = (_LEFT + j * (tile + _GAP) + tile / 2) / width
        figure.text(x, 1 - (_TOP - 4) / height, label, ha="center", va="bottom", fontsize=7, linespacing=1.05)
    for i, name in enumerate(names):
        y = 1 - (_TOP + i * (tile + _GAP) + tile / 2) / height
        figure.text((_LEFT - 4) / width, y, name, ha="right", va="center", rotation=90, fontsize=6)
    _save(figure, path)


def curves(path: Path, run: Run) -> None:
    """Draws a run's losses over its epochs and, below, its learning rate.

    The two predictors that look at nothing are drawn as levels where the loss is the mean squared
    error of ab/128; elsewhere they would be compared with another quantity.

    Args:
        path: the PNG file to write, whole or not at all.
        run: its history has `epoch`, `loss`, `val_loss` and `learning_rate`.

    Source: ours.
    """
    history, summary = run.history, run.summary
    figure = Figure(figsize=(7, 5), dpi=_DPI, layout="constrained")
    losses, rates = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    mark = "o" if len(history) < 20 else None
    losses.plot(history.epoch, history.loss, label="loss (training)", color="tab:blue", marker=mark, markersize=3)
    losses.plot(history.epoch, history.val_loss, label="val_loss", color="tab:orange", marker=mark, markersize=3)
    if math.isclose(history.val_loss.min(), summary["val_mse"], rel_tol=_LOSS_IS_MSE):
        for name, style in (("all_grey", "--"), ("mean_colour", ":")):
            level, label = summary[f"val_mse_{name}"], f"{name.replace('_', '-')}, validation"
            losses.axhline(level, label=f"{label}: {level:.4f}", color="0.4", linestyle=style)
    losses.axvline(
        summary["best_epoch"], label=f"best epoch: {summary['best_epoch']}", color="tab:green", linewidth=0.8
    )
    losses.set_ylabel("loss")
    losses.set_title(f"{run.name}: {run.method} on {run.trained_on}, classifier {run.classifier}", fontsize=10)
    losses.legend(fontsize=8)
    rates.step(history.epoch, history.learning_rate, where="mid", color="tab:red", marker=mark, markersize=3)
    rates.set_yscale("log")
    rates.set_ylabel("learning rate")
    rates.set_xlabel("epoch")
    rates.xaxis.get_major_locator().set_params(integer=True)
    _save(figure, path)
