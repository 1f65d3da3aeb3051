"""A long training as a run's record: what evaluation, the tables and the model card read of every run.

    the run's folder, its sets, validation pictures --> config.json, summary.json, history.csv, weights

A long training has no epochs. Here one is as many samples as the sets have pictures, so that it can stand in a table
beside other runs.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from colorizer import atomic_files, color, environment, weights
from colorizer.config import CLASSES
from colorizer.images import resize_square
from colorizer.methods.vit_decoder import ViTDecoder
from colorizer.training import run_folders
from colorizer.training.long import run_files, whole
from colorizer.training.long.mixture import Mixture, PictureSet
from colorizer.training.long.validation_squares import SIDE
from colorizer.training.summary import validate

NAMED = ("coco", "paintings")  # sets that have a test list, by their names in `colorizer.data.datasets`
OTHERS = "photographs"  # what the other sets are called together
MEAN_SAMPLES = 2048  # that the mixture's mean color is taken of
BATCH = 10


def write(
    run: str | Path,
    encoder: str | Path,
    folder: str | Path,
    mixture: Mixture,
    validation: PictureSet,
    averaged: tuple[str | Path, float] | None = None,
) -> None:
    """Writes the whole network with the record of a finished run.

    Args:
        run: the long training's folder, or one in it with its own decoder weights.
        encoder: the saved encoder that it was trained with.
        folder: gets what `whole.write` writes, and summary.json.
        mixture: the sets that it was trained on.
        validation: pictures that it was not trained on.
        averaged: other weights and their share, see `whole.write`.

    Raises:
        WeightsError, ClassifierError: what is missing or does not fit.
    """
    folder, method = Path(folder), ViTDecoder()
    whole.write(run, encoder, folder, averaged)
    trained, history = weights.load(folder), _epochs(pd.read_csv(folder / run_files.HISTORY), len(mixture))
    config, best = dict(trained.config), history.iloc[-1]
    names = [one.name for one in mixture.sets]
    trained_on = "+".join([*(n for n in NAMED if n in names), *([OTHERS] if set(names) - set(NAMED) else [])])
    mean = np.mean([mixture.sample(mixture.draw(i)).ab_norm.mean((0, 1)) for i in range(MEAN_SAMPLES)], 0).tolist()
    squares = _Squares(validation, config["image_size"])
    config |= {
        "dataset": "+".join(n for n in NAMED if n in names) or OTHERS,
        "loss": "distribution",
        "epochs": float(best.epoch),
        "init_weights": None,
        "method_title": method.title,
        "backend": "tensorflow",
        "data": {"name": trained_on, "train": len(mixture), "val": len(validation.names), "split_source": "lists"},
    }
    summary = {
        "method": method.name,
        "trained_on": trained_on,
        "classifier": config["classifier"],
        "epochs": float(best.epoch),
        "epochs_done": float(best.epoch),
        "best_epoch": float(best.epoch),
        "runtime_hours": float(best.seconds) / 3600,
        **validate(method, trained.network, squares, mean),
        "val_images": len(validation.names),
        "train_images": len(mixture),
        "mean_ab_norm": mean,
        "parameters": trained.network.count_params(),
        "precision": config["precision"],
        "device": environment.device(),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    atomic_files.write_json(folder / run_folders.RECORD, config)
    with atomic_files.replacing(folder / run_files.HISTORY) as part:
        history.to_csv(part, index=False)
    atomic_files.write_json(folder / "summary.json", summary)


def _epochs(history: pd.DataFrame, pictures: int) -> pd.DataFrame:
    """The validated rows of a history, with the samples seen as a number of epochs in front."""
    rows = history.dropna(subset=["val_loss"]).reset_index(drop=True)
    rows.insert(0, "epoch", (rows.samples / pictures).round(2))
    return rows


class _Squares:
    """Validation pictures as batches of `((l_norm, vector), ab_norm)`, as the network sees squares."""

    def __init__(self, pictures: PictureSet, image_size: int):
        self.pictures, self.side = pictures, image_size

    def __len__(self) -> int:
        return -(-len(self.pictures.names) // BATCH)

    def __getitem__(self, index: int):
        names = self.pictures.names[BATCH * index : BATCH * (index + 1)]
        both = [color.rgb_to_l_ab(resize_square(self.pictures.read(name), SIDE)) for name in names]
        l_norm, ab_norm = (
            np.stack([cv2.resize(one, (self.side, self.side), interpolation=cv2.INTER_AREA) for one in part])
            for part in zip(*both, strict=True)
        )
        return (l_norm[..., None], np.zeros((len(names), CLASSES), np.float32)), ab_norm
