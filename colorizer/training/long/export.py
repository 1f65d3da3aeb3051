"""Exports a long training: encoder and decoder as one network, with the record that all weights have.

    run's folder, encoder --> config.json, encoder.json, history.csv, best.weights.h5          `write`
    the same, sets, validation pictures --> also summary.json, for evaluation and the tables   `write_record`

A long training has no epochs. In its record one epoch is as many samples as the sets have pictures, so that it can
stand in a table beside other runs.
"""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path

import cv2
import keras
import numpy as np
import pandas as pd

from colorizer import atomic_files, color, weights
from colorizer.classifiers.encoders import saved
from colorizer.config import CLASSES, SUMMARY
from colorizer.errors import ClassifierError, RecordError, WeightsError
from colorizer.images import resize_square
from colorizer.methods.vit_decoder import ViTDecoder
from colorizer.training.long import run_files
from colorizer.training.long.mixture import Mixture, PictureSet
from colorizer.training.long.validation_squares import SIDE
from colorizer.training.summary import validate

NAMED = ("coco", "paintings")  # sets that have a test list, by their names in `colorizer.data.datasets`
OTHERS = "photographs"  # what the other sets are called together
MEAN_SAMPLES = 2048  # samples of the mixture in its mean color
BATCH = 10  # validation pictures in a forward pass


def assemble(decoder: str | Path, encoder: keras.Model, image_size: int) -> keras.Model:
    """Assembles an encoder and a trained decoder to one network.

    Args:
        decoder: the decoder's weights file, or the folder that holds it. Trained blocks of the encoder lie beside it.
        encoder: what the decoder was trained with.
        image_size: side of the input in pixels, a multiple of 32.

    Returns:
        The network of `ViTDecoder`.

    Raises:
        WeightsError: the file is absent or does not fit.
    """
    network = ViTDecoder().build(image_size, encoder)
    run_files.load_decoder(network.get_layer("decoder"), decoder)
    run_files.set_blocks(ViTDecoder().encoder_of(network), run_files.load_blocks(decoder))
    return network


def interpolate(trained: keras.Model, other: str | Path, share: float) -> None:
    """Interpolates linearly between the weights of two networks, in place.

    Interpolating fine-tuned and initial weights (WiSE-FT) often does better under distribution shift than either:
    Wortsman et al. 2022, "Robust fine-tuning of zero-shot models".

    Args:
        trained: the fine-tuned network, as `assemble` returns it; its weights change.
        other: the initial weights as `weights.load` takes them, of a network of the same layers.
        share: 0 leaves the weights as they are, 1 takes the other ones.

    Raises:
        WeightsError: the other weights are not there, or of another network; or the share is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise WeightsError(f"A share of other weights is between 0 and 1. Received: {share:g}")
    others = weights.load(other).network
    if [tuple(w.shape) for w in others.weights] != [tuple(w.shape) for w in trained.weights]:
        raise WeightsError(f"Weights are averaged with those of the same network. Received: {other}, which is another.")
    for own, its in zip(trained.weights, others.weights, strict=True):
        if "float" in own.dtype:
            own.assign((1 - share) * own + share * its)


def write(
    run: str | Path, encoder: str | Path, folder: str | Path, averaged_with: tuple[str | Path, float] | None = None
) -> None:
    """Writes the network of a long training, so that its folder can be given as weights.

    Args:
        run: the long training's folder, or its folder of a cooldown.
        encoder: the saved encoder that it was trained with. Blocks that the run trained take the place of its own; the
            record names them.
        folder: gets config.json, encoder.json, history.csv and best.weights.h5, kernels in half precision.
        averaged_with: other weights and their share, for `interpolate`; the record has both.

    Raises:
        WeightsError, ClassifierError: what is missing or does not fit.
    """
    run, folder = Path(run), Path(folder)
    config, source = run_files.read_record(_record_of(run)), saved.load(str(encoder))
    if source.model is None:
        raise ClassifierError(f"The network needs its encoder. Received: {encoder}. Give the saved encoder.")
    network = assemble(run, source.model, config["image_size"])
    if averaged_with:
        interpolate(network, *averaged_with)
        received = hashlib.sha256(weights.place(averaged_with[0]).read_bytes()).hexdigest()
        config["averaged_with"] = {"weights_sha256": received, "share": averaged_with[1]}
    atomic_files.write_bytes(folder / weights.BEST, weights.halved(weights.packed(network)))
    # The encoder's layers, so that the weights load where its file is not.
    atomic_files.write_text(folder / weights.ENCODER, ViTDecoder().encoder_of(network).to_json())
    with atomic_files.replacing(folder / run_files.HISTORY) as part:
        run_files.history(run).to_csv(part, index=False)
    # The fields that every run's record has, and that a long training's own lacks.
    config |= {"method": ViTDecoder().name, "classifier": source.name, "classifier_name": source.name}
    config |= {"classifier_sha256": source.fingerprint}
    trained = sorted(run_files.load_blocks(run))
    if trained:
        config[weights.TRAINED_BLOCKS] = trained
    atomic_files.write_json(folder / weights.RECORD, config)


def write_record(
    run: str | Path,
    encoder: str | Path,
    folder: str | Path,
    mixture: Mixture,
    validation: PictureSet,
    *,
    averaged_with: tuple[str | Path, float] | None = None,
) -> None:
    """Writes the network with the record of a finished run, as evaluation and the tables read it.

    Args:
        run: see `write`.
        encoder: see `write`.
        folder: gets what `write` writes, and summary.json.
        mixture: the sets that it was trained on.
        validation: pictures that it was not trained on.
        averaged_with: see `write`.

    Raises:
        WeightsError, ClassifierError: what is missing or does not fit.
        RecordError: the run was never validated.
    """
    run, folder, method = Path(run), Path(folder), ViTDecoder()
    _record_of(run)
    history = _epochs(run, len(mixture))
    write(run, encoder, folder, averaged_with)
    trained = weights.load(folder)
    # The exported weights are those of the last checkpoint, also where an earlier one had a lower validation loss.
    config, last, best = dict(trained.config), history.iloc[-1], history.loc[history.val_loss.idxmin()]
    names = [one.name for one in mixture.sets]
    trained_on = "+".join([*(n for n in NAMED if n in names), *([OTHERS] if set(names) - set(NAMED) else [])])
    mean = np.mean([mixture.sample(mixture.draw(i)).ab_norm.mean((0, 1)) for i in range(MEAN_SAMPLES)], 0).tolist()
    config |= {
        "dataset": "+".join(n for n in NAMED if n in names) or OTHERS,
        "loss": "distribution",
        "epochs": float(last.epoch),
        # The history, and so the number of epochs, begins with the run that started from these weights.
        "init_weights": config.get("init_weights"),
        "method_title": method.title,
        # Older runs did not record it.
        "backend": config.get("backend"),
        "data": {"name": trained_on, "train": len(mixture), "val": len(validation.names), "split_source": "lists"},
    }
    summary = {
        "method": method.name,
        "trained_on": trained_on,
        "classifier": config["classifier"],
        "epochs": float(last.epoch),
        "epochs_done": float(last.epoch),
        "best_epoch": float(best.epoch),
        "exported_epoch": float(last.epoch),
        "runtime_hours": float(last.seconds) / 3600,
        **validate(method, trained.network, _Squares(validation, config["image_size"]), mean),
        "val_set": validation.name,
        "val_images": len(validation.names),
        "train_images": len(mixture),
        "mean_ab_norm": mean,
        "parameters": trained.network.count_params(),
        "precision": config["precision"],
        "device": config["device"],
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    atomic_files.write_json(folder / weights.RECORD, config)
    with atomic_files.replacing(folder / run_files.HISTORY) as part:
        history.to_csv(part, index=False)
    atomic_files.write_json(folder / SUMMARY, summary)


def _record_of(run: Path) -> Path:
    """The config.json of a long training, or of one of its cooldowns."""
    if path := run_files.find_record(run):
        return path
    raise WeightsError(f"A long training has a {weights.RECORD}. Received: {run}. Give its folder.")


def _epochs(run: Path, pictures: int) -> pd.DataFrame:
    """The validated rows of a run's history, with the samples seen as a number of epochs in front."""
    history = run_files.history(run) if (run / run_files.HISTORY).is_file() else pd.DataFrame()
    if "val_loss" not in history or history.val_loss.isna().all():
        raise RecordError(
            f"A record needs a run that was validated. Received: {run}, whose {run_files.HISTORY} has no val_loss. "
            "Train on with --validate, or leave --set out: --export then writes the network alone."
        )
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
