"""Trained weights on disk, and how a name or a file becomes a network again.

A run's `best.weights.h5` is an ordinary Keras weights file. Its kernels are stored in half precision: 9.4 MB instead
of 18.8 for the paper's network. Vectors (biases, batch statistics) stay in single precision, where half would
underflow. Names, files and records are checked before Keras is imported.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from colorizer import methods
from colorizer.config import RECORD
from colorizer.errors import WeightsError

if TYPE_CHECKING:
    import keras

    from colorizer.methods import Method

BEST = "best.weights.h5"
ENCODER = "encoder.json"
TRAINED_BLOCKS = "trained_blocks"  # field of a record: the encoder's blocks that were trained, by name
SCALE = "scale"  # of a quantized array: its attribute with one factor a channel
LEAST_QUANTIZED = 4096  # weights; smaller arrays gain nothing
PLACE = "COLORIZER_WEIGHTS"  # environment variable: other weights for whoever names none
DEFAULT = "shipped"  # what is used if nothing is named: the first of SHIPPED
# Weights that come with the package: a folder like a run's, and the sha256 of its weights file.
SHIPPED = {
    "vit_decoder-coco+paintings+photographs": "f8231a2b92b810dfdee9d9972e2ded2eed15413cd2a42417d595920d0fef0bab",
}
KINDS = f"Weights are a run's folder, a weights file with its {RECORD} beside it, or {DEFAULT}."
OTHERS = f"Name other weights, or leave --weights out for those that come with the package ({DEFAULT})."


@dataclass(frozen=True)
class Trained:
    """A network with its weights, and what it was trained with.

    Attributes:
        method: the method it belongs to.
        network: the network, weights loaded.
        config: the run's `config.json`.
        path: the weights file.
    """

    method: Method
    network: keras.Model
    config: dict
    path: Path

    def __repr__(self) -> str:
        return (
            f"<Trained {self.config['method']}, {self.config['image_size']} pixels, "
            f"{self.network.count_params():,} parameters, {self.path}>"
        )


def load(weights: str | Path, any_shape: bool = False) -> Trained:
    """Loads a trained network.

    Args:
        weights: a run's folder, or its weights file with `config.json` beside it, or a name of `SHIPPED`.
            `DEFAULT` is what $COLORIZER_WEIGHTS names, else the first of `SHIPPED`.
        any_shape: whether the network takes pictures of any shape, where its method can; else the squares that it
            was trained with.

    Returns:
        A `Trained`.

    Raises:
        WeightsError: weights or record are missing, damaged, do not fit the network, or hold NaN.
    """
    path = place(weights)
    config = record_of(path)
    method = methods.get(config["method"])
    size = (None, None) if any_shape and method.any_shape else config["image_size"]
    network = _network(method, config, path.parent, size)
    try:
        with warnings.catch_warnings():
            # Keras only warns of some parts that a file lacks, and leaves them random: colors would be noise.
            warnings.simplefilter("error", UserWarning)
            network.load_weights(_readable(path))
    except (OSError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{path} cannot be read as Keras weights: it is cut short, damaged, or another kind of file. "
            f"Copy it again. Received: {_first_line(error)}"
        ) from error
    except (ValueError, KeyError, UserWarning) as error:
        raise WeightsError(
            f"{path} does not fit the network {config['method']!r} that {path.parent / RECORD} names. "
            f"Received: {_first_line(error)}"
        ) from error
    _require_numbers(network, path)
    return Trained(method, network, config, path)


def place(weights: str | Path) -> Path:
    """Finds out where a weights file is, or would be. Needs no Keras.

    Args:
        weights: what `load` takes.

    Returns:
        A path; the file need not be there.

    Raises:
        WeightsError: it names shipped weights that are absent or changed, or $COLORIZER_WEIGHTS names none.
    """
    own = os.environ.get(PLACE) if weights == DEFAULT else None
    named = own or weights
    path = Path(named)
    # A folder of that name without weights is somebody's own: photos, or this package's where it is worked in.
    if (str(named) == DEFAULT or str(named) in SHIPPED) and not (path / BEST).is_file():
        path = shipped(str(named))
    path = path / BEST if path.is_dir() else path
    if own and not path.is_file():
        raise WeightsError(
            f"The environment variable {PLACE} names weights that do not exist. Received: {PLACE}={own}. "
            f"Unset it for those that come with the package, or set it to others. {KINDS}"
        )
    return path


def record_of(path: Path) -> dict:
    """Reads the record of the run that a weights file is from, and checks it. Needs no Keras.

    Args:
        path: of the file, see `place`.

    Returns:
        Its `config.json`, with at least `method` and `image_size`.

    Raises:
        WeightsError: the file or the record is missing, or the record is damaged.
    """
    record = path.parent / RECORD
    if not path.is_file():
        raise WeightsError(f"There are no weights of this name. Received: {path}. {KINDS}")
    if not record.is_file():
        raise WeightsError(f"{path} lacks the record of its training. Received: no {record}. {KINDS}")
    try:
        config = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(record, _first_line(error)) from error
    method, size = (config.get("method"), config.get("image_size")) if isinstance(config, dict) else (None, None)
    if method not in methods.names():
        raise _damaged(record, f"method {method!r}, which is none of {', '.join(methods.names())}")
    if not isinstance(size, int) or size <= 0 or size % 32:
        raise _damaged(record, f"image_size {size!r}, which is no multiple of 32")
    return config


def record_for(init_weights: str | Path, method: str) -> dict:
    """Reads the record of weights that a training starts from. Needs no Keras.

    Args:
        init_weights: what `load` takes.
        method: the name of the method that is trained.

    Returns:
        Their `config.json`.

    Raises:
        WeightsError: they are missing or damaged, or of another method.
    """
    try:
        record = record_of(place(init_weights))
    except WeightsError as error:
        raise WeightsError(f"--init-weights: {error}") from error
    if record["method"] != method:
        raise WeightsError(
            f"--init-weights must be of the method that is trained, {method}. Received: {init_weights}, "
            f"of {record['method']}. Choose other weights, or --method {record['method']}."
        )
    return record


def shipped(name: str) -> Path:
    """Finds the folder of weights that come with the package, and checks their checksum. Needs no Keras.

    Args:
        name: one of `SHIPPED`, or `DEFAULT` for the first of them.

    Returns:
        The folder.

    Raises:
        WeightsError: the file is absent or is not the one that was shipped.
    """
    name = next(iter(SHIPPED)) if name == DEFAULT else name
    folder = Path(__file__).resolve().parent / "shipped" / name
    try:
        with open(folder / BEST, "rb") as file:
            received = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(
            f"The weights {name} should have come with the package; install it again. "
            f"Received: {error.strerror or error}, {folder / BEST}"
        ) from error
    if received != SHIPPED[name]:
        raise WeightsError(
            f"{folder / BEST} is not the file that was shipped; install the package again. "
            f"Received: sha256 {received}, not {SHIPPED[name]}"
        )
    return folder


def of_run(folder: Path) -> Path | None:
    """Finds a run's weights: in its folder, or among the shipped ones under its name; None where nowhere."""
    if (folder / BEST).is_file():
        return folder
    return shipped(folder.name) if folder.name in SHIPPED else None


def _network(method: Method, config: dict, folder: Path, size: int | tuple[None, None]) -> keras.Model:
    """Builds a method's network, with the recorded encoder where the method has one."""
    encoder = None
    if method.uses_encoder:
        import keras

        file = folder / ENCODER
        if not file.is_file():
            raise WeightsError(
                f"Weights of {config['method']} need {ENCODER} beside them: the layers of the classifier "
                f"they were trained with. Received: {folder} without it."
            )
        try:
            encoder = keras.models.model_from_json(file.read_text(encoding="utf-8"))
            if not isinstance(encoder, keras.Model):
                raise ValueError("no model")
        except Exception as error:  # Keras raises what a damaged configuration makes it stumble over
            raise _damaged(file, _first_line(error)) from error
    try:
        return method.build(size, encoder=encoder)
    except ValueError as error:
        raise WeightsError(
            f"The network {config['method']!r} cannot be built as {folder / RECORD} says. "
            f"Received: image_size {config['image_size']}; {_first_line(error)}"
        ) from error


def _require_numbers(network: keras.Model, path: Path) -> None:
    """Refuses weights with NaN or infinite values: every picture would become black."""
    import keras

    for variable in network.weights:
        if not np.isfinite(np.asarray(keras.ops.convert_to_numpy(variable), np.float32)).all():
            raise WeightsError(
                f"{path} holds weights that are no numbers (NaN or infinite): its training failed, or the file is "
                f"damaged. Train again with a lower --learning-rate. {OTHERS} Received: {variable.path}"
            )


def _damaged(file: Path, received: str) -> WeightsError:
    return WeightsError(
        f"{file} is damaged or not from this program; copy it again from where the weights are from. "
        f"Received: {received}"
    )


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


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

    def store(parent, name, values):
        half = np.ndim(values) >= 2 and np.abs(values).max(initial=0) < np.finfo(np.float16).max
        return parent.create_dataset(name, data=values.astype(np.float16) if half else values)

    return _rewritten(data, store)


def quantized(data: bytes) -> bytes:
    """A weights file with its large kernels as whole numbers of one byte: half of what `halved` takes.

    Each channel of the last axis has a scale of its own, so that its largest weight becomes 127. Small kernels are
    halved and vectors stay as they are. `load` turns the numbers back.

    Args:
        data: of a `.weights.h5` file, single precision; an optimizer's state in it is left out.

    Returns:
        The bytes of such a file. Each weight moves by at most 1/254 of its channel's largest one.
    """

    def store(parent, name, values):
        if np.ndim(values) < 2 or values.size < LEAST_QUANTIZED:
            return parent.create_dataset(name, data=values.astype(np.float16) if np.ndim(values) >= 2 else values)
        largest = np.abs(values).max(axis=tuple(range(values.ndim - 1)))
        scale = (np.where(largest > 0, largest, 1) / 127).astype(np.float32)
        stored = parent.create_dataset(name, data=np.rint(values / scale).astype(np.int8))
        stored.attrs[SCALE] = scale
        return stored

    return _rewritten(data, store)


def dequantized(data: bytes) -> bytes:
    """The file of `quantized` as Keras reads it, in single precision; any other file as it is.

    Args:
        data: of a `.weights.h5` file.
    """

    def store(parent, name, values):
        return parent.create_dataset(name, data=values)

    return _rewritten(data, store)


def _rewritten(data: bytes, store: Callable) -> bytes:
    """A weights file whose arrays went through `store(parent, name, values)`, without an optimizer's state."""
    import h5py

    target = io.BytesIO()
    with h5py.File(io.BytesIO(data)) as old, h5py.File(target, "w") as new:

        def copy(name, item):
            if name.split("/")[0] == "optimizer":
                return
            attributes = dict(item.attrs)
            if isinstance(item, h5py.Dataset):
                scale = attributes.pop(SCALE, None)
                copied = store(new, name, item[()] if scale is None else item[()] * scale)
            else:
                copied = new.require_group(name)
            copied.attrs.update(attributes)

        new.attrs.update(old.attrs)
        old.visititems(copy)
    return target.getvalue()


def _readable(path: Path) -> Path | _Memory:
    """What Keras can load: the file itself, or in memory what a quantized one stands for."""
    if path.suffix != ".h5":
        return path
    import h5py

    with h5py.File(path) as file:
        scales = []
        file.visititems(lambda name, item: scales.append(name) if SCALE in item.attrs else None)
    return _Memory(dequantized(path.read_bytes())) if scales else path
