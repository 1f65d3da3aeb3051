"""Encoder and decoder as one network with a record, as all weights have it: for colorizing and for evaluation."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import keras

from colorizer import atomic_files, weights
from colorizer.classifiers.encoders import saved
from colorizer.errors import ClassifierError, WeightsError
from colorizer.methods.vit_decoder import ViTDecoder
from colorizer.training.long import run_files


def network(decoder: str | Path, encoder: keras.Model, image_size: int) -> keras.Model:
    """Joins an encoder and a trained decoder.

    Args:
        decoder: the decoder's weights file, or the folder that holds it. Trained blocks of the encoder lie beside it.
        encoder: what the decoder was trained with.
        image_size: side of the input, a multiple of 32.

    Returns:
        The network of `ViTDecoder`.

    Raises:
        WeightsError: the file is absent or does not fit.
    """
    whole = ViTDecoder().build(image_size, encoder)
    run_files.load_decoder(whole.get_layer("decoder"), decoder)
    run_files.set_blocks(ViTDecoder().encoder_of(whole), run_files.load_blocks(decoder))
    return whole


def average(trained: keras.Model, other: str | Path, share: float) -> None:
    """Moves weights some of the way to those of another network, in place.

    A training on from good weights, and the mean of both is often better than either on pictures unlike the last
    ones: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models".

    Args:
        trained: the network whose weights move, as `network` returns it.
        other: weights as `weights.load` takes them, of a network of the same layers.
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
    run: str | Path, encoder: str | Path, folder: str | Path, averaged: tuple[str | Path, float] | None = None
) -> None:
    """Writes a long training's whole network, so that its folder can be given as weights.

    Args:
        run: the long training's folder, or one in it with its own decoder weights.
        encoder: the saved encoder that it was trained with. Blocks that the run trained take the place of its own; the
            record names them.
        folder: gets config.json, encoder.json, history.csv and best.weights.h5, kernels in half precision.
        averaged: other weights and their share, for `average`; the record has both.

    Raises:
        WeightsError, ClassifierError: what is missing or does not fit.
    """
    run, folder = Path(run), Path(folder)
    # The folder of a fall lies in the run's, whose config.json it shares.
    record = next((path for path in (run / weights.RECORD, run.parent / weights.RECORD) if path.is_file()), None)
    if record is None:
        raise WeightsError(f"A long training has a {weights.RECORD}. Received: {run}. Give its folder.")
    config, seen = json.loads(record.read_text(encoding="utf-8")), saved.load(str(encoder))
    if seen.model is None:
        raise ClassifierError(f"The network needs its encoder. Received: {encoder}. Give the saved encoder.")
    whole = network(run, seen.model, config["image_size"])
    if averaged:
        average(whole, *averaged)
        received = hashlib.sha256(weights.place(averaged[0]).read_bytes()).hexdigest()
        config["averaged_with"] = {"weights_sha256": received, "share": averaged[1]}
    atomic_files.write_bytes(folder / weights.BEST, weights.halved(weights.packed(whole)))
    # The encoder's layers, so that the weights load where its file is not.
    atomic_files.write_text(folder / weights.ENCODER, ViTDecoder().encoder_of(whole).to_json())
    with atomic_files.replacing(folder / run_files.HISTORY) as part:
        run_files.history(run).to_csv(part, index=False)
    # The fields that every run's record has, and that a long training's own lacks.
    config |= {"method": ViTDecoder().name, "classifier": seen.name, "classifier_name": seen.name}
    config |= {"classifier_sha256": seen.fingerprint}
    trained = sorted(run_files.load_blocks(run))
    if trained:
        config[run_files.TRAINED_BLOCKS] = trained
    atomic_files.write_json(folder / weights.RECORD, config)
