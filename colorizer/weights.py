"""Trained weights: how they are kept, and how a name or a file becomes a network again.

A run's `best.weights.h5` is an ordinary Keras weights file whose kernels are stored in
half precision: 9.4 MB instead of 18.8 for the paper's network. Vectors (biases, batch
statistics) stay in single precision, where half would underflow.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from colorizer import methods
from colorizer.errors import WeightsError

if TYPE_CHECKING:  # finding and checking weights must not wait for the backend
    import keras

BEST = "best.weights.h5"
RECORD = "config.json"
ENCODER = "encoder.json"
PLACE = "COLORIZER_WEIGHTS"  # names other weights for whoever gives none
DEFAULT = "shipped"  # what colorize.py uses when it is told nothing: the first of SHIPPED
# Weights that come with the package: a folder like a run's, and the sha256 of its weights file.
SHIPPED = {
    "transfer_unet-coco+paintings": "94f74ae0fde0ce401595470aa7719fa5d959775b54535197572dad6a41e1d014",
}


@dataclass(frozen=True)
class Trained:
    """A network with its weights, and what it was trained with.

    Attributes:
        method: the method it belongs to.
        network: the network, weights loaded.
        config: the run's `config.json`.
        path: the weights file.
    """

    method: methods.Method
    network: keras.Model
    config: dict
    path: Path


def load(weights: str | Path) -> Trained:
    """Loads a trained network.

    Args:
        weights: a run's folder, or its weights file (`config.json` is looked for beside it), or a name of
            `SHIPPED`; for `DEFAULT`, what $COLORIZER_WEIGHTS names counts before it.

    Returns:
        A `Trained`.

    Raises:
        WeightsError: no weights or no record are there, or they do not fit the network.

    Source: ours.
    """
    path = place(weights)
    config = recorded(path)
    method = methods.get(config["method"])
    network = _built(method, config["image_size"], path.parent / ENCODER)
    try:
        with warnings.catch_warnings():
            # Keras only warns of some parts that a file lacks, and leaves them random: colours would be noise.
            warnings.simplefilter("error", UserWarning)
            network.load_weights(path)
    except (ValueError, OSError, KeyError, UserWarning) as error:
        raise WeightsError(
            f"{path} does not fit the network {config['method']!r} that {path.parent / RECORD} names: "
            f"{str(error).splitlines()[0]}"
        ) from error
    return Trained(method, network, config, path)


def place(weights: str | Path) -> Path:
    """Where a weights file is, or would be; see `load`.

    Args:
        weights: what `load` takes.

    Returns:
        A path; the file need not be there.

    Raises:
        WeightsError: it names shipped weights that are absent or changed.

    Source: ours.
    """
    named = os.environ.get(PLACE) or weights if weights == DEFAULT else weights
    path = Path(named)
    if not path.exists() and (str(named) == DEFAULT or str(named) in SHIPPED):
        path = shipped(str(named))
    return path / BEST if path.is_dir() else path


def recorded(path: Path) -> dict:
    """The record of the run that a weights file is from.

    Args:
        path: of the file, see `place`.

    Returns:
        Its `config.json`.

    Raises:
        WeightsError: the file or the record is not there.

    Source: ours.
    """
    record = path.parent / RECORD
    for needed, what in ((path, "weights"), (record, f"the record of their training run ({RECORD})")):
        if not needed.is_file():
            raise WeightsError(
                f"--weights is a run's folder or a weights file with its {RECORD} beside it. "
                f"Received: {path}; {needed} with {what} is not there."
            )
    try:
        return json.loads(record.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{record} is damaged: {error}. Restore it from a copy, or choose other weights.") from error


def shipped(name: str) -> Path:
    """The folder of weights that come with the package, after a look at their checksum.

    Args:
        name: one of `SHIPPED`, or `DEFAULT` for the first of them.

    Returns:
        The folder.

    Raises:
        WeightsError: the file is absent or is not the one that was shipped.

    Source: ours.
    """
    name = next(iter(SHIPPED)) if name == DEFAULT else name
    folder = Path(__file__).resolve().parent / "shipped" / name
    try:
        with open(folder / BEST, "rb") as file:
            received = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(
            f"the weights {name} should have come with the package; install it again. "
            f"Received: {error.strerror or error}, {folder / BEST}"
        ) from error
    if received != SHIPPED[name]:
        raise WeightsError(
            f"{folder / BEST} is not the file that was shipped; install the package again. "
            f"Received: sha256 {received}, not {SHIPPED[name]}"
        )
    return folder


def of_run(folder: Path) -> Path | None:
    """Where a run's weights are: in its folder, or among the shipped ones under its name; None where nowhere."""
    if (folder / BEST).is_file():
        return folder
    return shipped(folder.name) if folder.name in SHIPPED else None


def _built(method, image_size, encoder: Path) -> keras.Model:
    """A method's network; with the recorded encoder where the method has one and the record names it."""
    if not method.uses_encoder:
        return method.build(image_size)
    if not encoder.is_file():
        raise WeightsError(
            f"weights of {method.name} need {ENCODER} beside them: the layers of the classifier "
            f"they were trained with. Received: {encoder.parent} without it."
        )
    import keras

    return method.build(image_size, keras.models.model_from_json(encoder.read_text(encoding="utf-8")))


class _Memory(io.BytesIO):
    """A file in memory that Keras takes for a weights file: it looks at the ending of `str`."""

    def __str__(self):
        return "memory.weights.h5"


def packed(model: keras.Model) -> bytes:
    """The bytes of a model's `.weights.h5` file; of a compiled one with its optimizer's variables.

    TRICKY: made in memory, since HDF5 ends the process where a disk is full: its own writes fail a second time
    when the file is closed.
    """
    file = _Memory()
    model.save_weights(file)
    return file.getvalue()


def halved(data: bytes) -> bytes:
    """A Keras weights file with its kernels in half precision.

    Args:
        data: of a `.weights.h5` file, single precision; an optimizer's state in it is left out.

    Returns:
        The bytes of such a file. Rounding moves a prediction by less than 1e-3 in ab/128 (tested).
    """
    import h5py

    target = io.BytesIO()
    with h5py.File(io.BytesIO(data)) as old, h5py.File(target, "w") as new:

        def copy(name, item):
            if name.split("/")[0] == "optimizer":
                return
            if isinstance(item, h5py.Dataset):
                values = item[()]
                half = np.ndim(values) >= 2 and np.abs(values).max(initial=0) < np.finfo(np.float16).max
                copied = new.create_dataset(name, data=values.astype(np.float16) if half else values)
            else:
                copied = new.require_group(name)
            copied.attrs.update(item.attrs)

        new.attrs.update(old.attrs)
        old.visititems(copy)
    return target.getvalue()
