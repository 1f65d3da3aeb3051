"""What `train.py` says when it is done: a table, a sheet of pictures, and the next command."""

from __future__ import annotations

import dataclasses
import datetime
import io
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from colorizer import atomic_files, color, methods, weights
from colorizer.config import CUT, ENDED, STOPPED, TrainConfig
from colorizer.data import datasets, pixel_store
from colorizer.errors import ColorizerError
from colorizer.evaluation import metrics
from colorizer.inference import forward
from colorizer.inference.colorizer import Colorizer
from colorizer.reporting.figures import contact_sheets
from colorizer.training.run_record import Record

SHEET = "before_after.png"
PICTURES = 20  # scored, at most: under a minute on two CPU cores for every method
ROWS = 6  # of the sheet
COLUMNS = {"PSNR (dB)": ("psnr_rgb", 2), "SSIM": ("ssim_rgb", 3), "CIEDE2000": ("ciede2000", 2)}
_TILE = 192


def headline(config: TrainConfig, summary: Mapping) -> str:
    """Says how many epochs, how long, why no more, which was the best, and where the record is."""
    took = datetime.timedelta(seconds=round(summary["runtime_hours"] * 3600))
    epochs = "1 epoch" if summary["epochs_done"] == 1 else f"{summary['epochs_done']} epochs"
    if summary["ending"] != ENDED:
        epochs = f"{summary['epochs_done']} of {summary['epochs']} epochs"
    ending = {
        STOPPED: f", stopped by --patience {config.patience}",
        CUT: f", cut by --max-minutes {config.max_minutes:g}" if config.max_minutes else "",
    }
    why = ending.get(summary["ending"], "")
    go_on = " Continue it with --resume." if summary["ending"] == CUT else ""
    best = f"the best was epoch {summary['best_epoch']}"
    return f"Trained {epochs} in {took}{why}; {best}. The run is in {config.run}.{go_on}"


def write(config: TrainConfig, summary: Mapping, colorize: str) -> str:
    """Compares a run with the shipped weights and the trivial baselines on its own test pictures.

    Args:
        config: of the run.
        summary: its `summary.json`.
        colorize: how the command that colorizes is typed.

    Returns:
        A table, the sheet's file, which is written into the run's folder, and the next command. What cannot be
        made is said instead: a training that succeeded does not fail because of its report.
    """
    command = f"Colorize a photo with it: {colorize} old.jpg -o new.png --weights {shlex.quote(config.run)}"
    if classifier := _classifier_of(config):
        command += f" --classifier {shlex.quote(classifier)}"
    try:
        pictures, source = _pictures(config)
        table, sheet, notes = _compare(config, summary, pictures)
        atomic_files.write_bytes(Path(config.run) / SHEET, sheet)
    except (ColorizerError, OSError) as error:
        return f"No comparison was made: {error}\n{command}"
    count = "1 picture" if len(pictures) == 1 else f"{len(pictures)} pictures"
    lines = [f"\nOn {count} of {source}, at {forward.SIDE}x{forward.SIDE} pixels:\n", *table, *notes]
    lines += [
        "Better is: higher PSNR, higher SSIM, lower CIEDE2000.",
        f"\nBefore and after: {Path(config.run) / SHEET}",
    ]
    return "\n".join([*lines, command])


def _classifier_of(config) -> str | None:
    """The classifier that has to be named with the run's weights, since the record has no more than its name."""
    named = methods.declared(config.method).uses_vector and Path(config.classifier).is_file()
    return config.classifier if named else None


def _pictures(config) -> tuple[np.ndarray, str]:
    """At most `PICTURES` squares (n, S, S, 3) uint8 of the test split, by lot; of validation where it is empty."""
    split = Record(config.run).split()
    root = datasets.find(config.dataset, config.data_dir, config.seed).root
    for part, source in (
        ("test", "the run's own test split"),
        ("val", "the validation split, since none is for tests"),
    ):
        names = [name for name in split[part] if (root / name).is_file()]
        chosen = datasets.some(names, PICTURES)
        if not chosen:
            continue
        store = pixel_store.build(root, chosen, forward.SIDE)
        if len(store):
            return store.read(store.rows), source
    raise ColorizerError("its test and validation pictures are gone")


def _compare(config, summary, pictures) -> tuple[list[str], bytes, list[str]]:
    """The table's lines, the sheet as a PNG, and a line for what could not be compared."""
    shape = (len(pictures), forward.SIDE, forward.SIDE, 2)
    predictions, shown, notes = {}, {}, []
    own = config.run, _classifier_of(config)
    # By its name: `weights.DEFAULT` may stand for other weights.
    for label, named in (("this run", own), ("shipped weights", (next(iter(weights.SHIPPED)), None))):
        try:
            colorizer = Colorizer.load(*named)
            predictions[label] = _predict(colorizer, pictures, next(iter(colorizer.method.looks), None))
            # As colorize.py will show them.
            shown[label] = _predict(colorizer, pictures[:ROWS], colorizer.look)
        except ColorizerError as error:
            notes.append(f"{label}: not compared: {error}")
    predictions["all gray"] = np.zeros(shape, np.float32)
    predictions["mean color"] = np.broadcast_to(np.float32(summary["mean_ab_norm"]), shape)
    table = [f"{'':18}" + "".join(f"{name:>12}" for name in COLUMNS)]
    for label, ab_norm_hat in predictions.items():
        scores = [metrics.score(rgb_u8, ab) for rgb_u8, ab in zip(pictures, ab_norm_hat, strict=True)]
        means = [(metrics.finite_mean([row[name] for row in scores]), digits) for name, digits in COLUMNS.values()]
        table.append(f"  {label:16}" + "".join(f"{mean:12.{digits}f}" for mean, digits in means))
    return table, _sheet(pictures[:ROWS], shown), notes


def _predict(colorizer: Colorizer, pictures, look) -> np.ndarray:
    """`ab_norm_hat` (n, S, S, 2) float32 of squares, one batch after another."""
    network = dataclasses.replace(colorizer.forward, look=look)
    step = 4
    chunks = [pictures[start : start + step] for start in range(0, len(pictures), step)]
    return np.concatenate([network.ab_norm(chunk, size=forward.SIDE, batch_size=step) for chunk in chunks])


def _sheet(pictures: Sequence[np.ndarray], shown: Mapping[str, np.ndarray]) -> bytes:
    """A PNG: a row for each picture, gray, with each prediction's colors, and the original."""
    rows = []
    for i, rgb_u8 in enumerate(pictures):
        l = color.rgb_to_lab(rgb_u8)[..., 0]
        columns = {"before": color.merge(l, np.zeros((1, 1, 2), np.float32))} | {
            label: color.merge(l, ab[i]) for label, ab in shown.items()
        }
        rows.append([contact_sheets.Group([tile], label) for label, tile in (columns | {"original": rgb_u8}).items()])
    png = io.BytesIO()
    Image.open(io.BytesIO(contact_sheets.sheet(rows, tile=_TILE).data)).save(png, "png")
    return png.getvalue()
