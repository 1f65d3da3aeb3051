"""Presets: trained weights under a name, as in KerasHub. A preset is a folder like a run's.

config.json        the method, the size, what it was trained with
best.weights.h5    the weights
encoder.json       the layers of the encoder, for a method that has one
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from colorizer import atomic_files, weights
from colorizer.errors import WeightsError
from colorizer.inference import engine, hub

if TYPE_CHECKING:
    from colorizer.inference.colorizer import Colorizer

FILE = "presets.json"
PACKAGED = Path(weights.__file__).resolve().parent / "shipped"
KEYS = ("method", "image_size", "classifier", "classifier_name", "classifier_sha256")  # that loading needs


@dataclass(frozen=True)
class Preset:
    """Trained weights that come with the package.

    Attributes:
        name: for `Colorizer.from_preset`.
        description: one line.
        method: the method's name.
        parameters: of the network; None where its training has no record.
        megabytes: of the weights file.
        image_size: side of the square that it was trained at, in pixels.
        trained_on: the data sets' name.
        scores: test list -> look -> measure -> mean over the list; `n` is the number of its pictures. PSNR in dB and
            CIEDE2000 as in results/README.md. Empty where nothing was scored.
    """

    name: str
    description: str
    method: str
    parameters: int | None
    megabytes: float
    image_size: int
    trained_on: str
    scores: Mapping[str, Mapping[str, Mapping[str, float]]]

    def __str__(self) -> str:
        count = f"{self.parameters / 1e6:.1f} M parameters, " if self.parameters else ""
        return f"{self.name}: {self.description} {count}{self.megabytes:.1f} MB, trained on {self.trained_on}."


def listed() -> Mapping[str, Preset]:
    """The presets that come with the package, by name; the first is the default."""
    try:
        entries = json.loads((PACKAGED / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"The list of presets should have come with the package; install it again. Received: {error}"
        ) from error
    return MappingProxyType({name: Preset(name, **entry) for name, entry in entries.items()})


def folder_of(preset: str | Path) -> Path:
    """Finds a preset's folder, and fetches it where it is on a hub. Needs no Keras.

    Args:
        preset: a name of `listed`, a folder of `save`, a run's folder, or a handle of `hub`.

    Raises:
        WeightsError: there is no such preset, or it cannot be fetched.
    """
    if hub.is_handle(preset):
        return hub.fetch(str(preset))
    path = weights.place(preset)
    if not path.is_file():
        raise WeightsError(
            f"A preset is one of {', '.join(weights.SHIPPED)}, a folder with {weights.RECORD} and {weights.BEST}, "
            f"{hub.FORMS[hub.HF]}, or {hub.FORMS[hub.KAGGLE]}. Received: {preset}"
        )
    return path.parent


def save(colorizer: Colorizer, folder: str | Path) -> None:
    """Writes a preset. An earlier one in the folder is replaced, its `network.onnx` too; each file is whole.

    Args:
        colorizer: a network of Keras is written as it is now, in single precision. Of weights that another engine
            computes, the files are copied.
        folder: where to; it is made.

    Raises:
        WeightsError: a file stands in the folder's place.
    """
    folder, network = Path(folder), colorizer.network
    if folder.exists() and not folder.is_dir():
        raise WeightsError(f"A preset is a folder. Received: {folder}, a file; name another place.")
    if not hasattr(network, "save_weights"):  # nothing can have changed it
        _copy(colorizer.weights.parent, folder)
        return
    (folder / engine.FILE).unlink(missing_ok=True)  # of the weights that are replaced: it fits these no longer
    encoder = _encoder_of(colorizer)
    if encoder:
        atomic_files.write_text(folder / weights.ENCODER, encoder)
    atomic_files.write_bytes(folder / weights.BEST, weights.packed(network))
    atomic_files.write_json(folder / weights.RECORD, _record_of(colorizer) | {"method": colorizer.method.name})


def _copy(source: Path, folder: Path) -> None:
    """Copies a preset's files."""
    for path in sorted(path for pattern in hub.FILES for path in source.glob(pattern)):
        if not (folder / path.name).exists() or not path.samefile(folder / path.name):
            atomic_files.write_bytes(folder / path.name, path.read_bytes())


def _encoder_of(colorizer: Colorizer) -> str | None:
    """The layers of the encoder as JSON; None for a method without one."""
    if not colorizer.method.uses_encoder:
        return None
    encoder = colorizer.weights and colorizer.weights.parent / weights.ENCODER
    if encoder and encoder.is_file():
        return encoder.read_text(encoding="utf-8")
    return colorizer.method.encoder_of(colorizer.network).to_json()


def _record_of(colorizer: Colorizer) -> dict[str, Any]:
    """What loading needs to know, from the record of the weights or from the objects."""
    if colorizer.weights:
        record = weights.record_of(colorizer.weights)
        titles = ("method_title", "dataset")
        return {key: record[key] for key in (*KEYS, *titles) if key in record}
    classifier = colorizer.classifier
    return {
        "image_size": colorizer.image_size,
        "classifier": classifier.name,
        "classifier_name": classifier.name,
        "classifier_sha256": classifier.fingerprint,
    }
