"""The class vector: the scores of an ImageNet classifier for the gray picture.

The paper's classifier is EfficientNet-B4 of keras.applications, 380x380, with top. Any saved
Keras classifier with float RGB 0..255 in and 1000 softmax scores out can replace it, and
"none" gives zeros. `catalog` has those with a name, `ablations` the prefixes.
Keras is imported when a model is loaded, not before: `check` answers at once.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from colorizer import color
from colorizer.classifiers import ablations, b4_download, catalog
from colorizer.config import CLASSES
from colorizer.errors import ClassifierError

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

BATCH_SIZE = 32  # pictures in one forward pass
B4 = "efficientnet_b4"
NONE = "none"
_HDF5 = b"\x89HDF\r\n\x1a\n"  # the first bytes of an .h5 file
_SUM_TOLERANCE = 1e-2  # half-precision softmax scores add up to 1 within this


@dataclass(frozen=True)
class Classifier:
    """A frozen source of class vectors.

    Attributes:
        name: "efficientnet_b4", "none", another name, or a file's name without its ending.
        fingerprint: sha256 of the weights, hex; "" for none. Vectors are cached under it.
        model: float32 RGB (B, s, s, 3) in 0..255 -> (B, 1000) softmax, or logits; None for zeros.
        source: of a shuffled classifier the one whose vectors are shuffled, else None.
    """

    name: str
    fingerprint: str
    model: keras.Model | None = None
    source: Classifier | None = None

    def vectors(self, rgb_u8: np.ndarray, batch_size: int = BATCH_SIZE) -> np.ndarray:
        """Class scores of pictures, which the classifier sees in gray.

        Args:
            rgb_u8: (N, S, S, 3) uint8 sRGB; color is removed here, by L*.
            batch_size: pictures in one forward pass; short batches are padded to it,
                so that the compiled function sees one shape.

        Returns:
            (N, 1000) float32: softmax scores, or zeros for "none".

        Raises:
            ClassifierError: it is a shuffled one, see `class_vectors.compute`.

        Source: paper §III.B (the gray input, resized).
        """
        if self.source:
            raise ClassifierError(
                "shuffled: needs a data set: a single photo has no other vector to swap with. "
                f"Received: shuffled:{self.source.name}"
            )
        if self.model is None:
            return np.zeros((len(rgb_u8), CLASSES), np.float32)
        chunks = (rgb_u8[start : start + batch_size] for start in range(0, len(rgb_u8), batch_size))
        return np.concatenate([np.empty((0, CLASSES), np.float32), *self.stream(chunks, batch_size)])

    def stream(self, chunks: Iterable[np.ndarray], batch_size: int = BATCH_SIZE) -> Iterator[np.ndarray]:
        """Class scores of one chunk of pictures after another, for any number of them.

        While the model computes one chunk, a thread reads the next and converts it to gray.

        Args:
            chunks: (n, S, S, 3) uint8 sRGB each, n <= batch_size.
            batch_size: see `vectors`.

        Yields:
            (n, 1000) float32 for each chunk.
        """
        size = self.model.input_shape[1]

        chunks = iter(chunks)

        def gray_batch():
            chunk = next(chunks, None)
            if chunk is None:
                return None, 0
            batch = np.zeros((batch_size, size, size, 3), np.float32)
            for target, picture in zip(batch, chunk, strict=False):
                target[:] = gray_input(picture, size)
            return batch, len(chunk)

        with ThreadPoolExecutor(1) as pool:
            batch, count = gray_batch()
            while batch is not None:
                ahead = pool.submit(gray_batch)
                yield self.model.predict_on_batch(batch)[:count]
                batch, count = ahead.result()


def gray_input(rgb_u8: np.ndarray, size: int) -> np.ndarray:
    """One picture as the classifier takes it.

    Args:
        rgb_u8: (S, S, 3) uint8 sRGB.
        size: the classifier's input side.

    Returns:
        (size, size, 3) float32, three equal channels, 0..255 (never 0..1).

    Source: paper §III.B.
    """
    gray = color.gray_of(rgb_u8)
    shrinks = size < gray.shape[0]
    gray = cv2.resize(gray, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return cv2.cvtColor(gray.astype(np.float32), cv2.COLOR_GRAY2RGB)


def names() -> list[str]:
    """The classifiers that `load` knows by name, in the order of help texts."""
    return [B4, *catalog.ENTRIES, NONE]


def name_of(spec: str) -> str:
    """What a record keeps of `--classifier`: a name, with its prefix, and no path.

    Args:
        spec: as for `load`; also one that another machine recorded, with its path.

    Returns:
        "logits:path/to/model.keras" -> "logits:model"; a name as it is.
    """
    prefix, spec = _split(spec)
    name = PureWindowsPath(spec).name  # both kinds of slashes end a folder
    return prefix + (name.rpartition(".")[0] if name.endswith((".keras", ".h5")) else name)


def spec_of(record: Mapping[str, Any]) -> str:
    """What `load` opens for a run's record, which may come from another machine.

    Args:
        record: the run's configuration, with `classifier` and `classifier_sha256`.

    Returns:
        The recorded value if that is a file or a name; else a file of the user's cache with the recorded sha256, or
        with the recorded name; else the recorded value.
    """
    spec = record["classifier"]
    prefix, name = _split(spec)
    if name in (B4, NONE) or Path(name).is_file():
        return spec
    cached = catalog.find(name_of(name), (record.get("classifier_sha256") or "").removeprefix(prefix))
    return prefix + str(cached) if cached else spec


def has_fingerprint(spec: str, fingerprint: str | None) -> bool:
    """Whether a spec names a file with a recorded fingerprint, whatever the file is called.

    Args:
        spec: as for `load`.
        fingerprint: `classifier_sha256` of a record.
    """
    prefix, rest = _split(spec)
    return Path(rest).is_file() and prefix + catalog.fingerprint_of(Path(rest)) == fingerprint


def absolute(spec: str) -> str:
    """The same classifier with the absolute path of its file, for a process that begins in another folder.

    Args:
        spec: as for `load`; a name stays a name.
    """
    prefix, rest = _split(spec)
    is_file = rest not in names() and Path(rest).is_file()
    return prefix + (str(Path(rest).resolve()) if is_file else rest)


def check(spec: str) -> None:
    """Checks, without the backend, that `load` can find a classifier.

    Args:
        spec: as for `load`.

    Raises:
        ClassifierError: it is not on this machine, damaged, or an ablation of nothing.
    """
    prefix, name = _split(spec)
    if prefix == "random:" and name != B4:
        raise ClassifierError(f"random: needs {B4}. Received: {spec}")
    if prefix and name == NONE:
        raise ClassifierError(f"{prefix} needs a classifier. Received: {spec}")
    if name == B4 and prefix != "random:":
        b4_download.require()
    elif name not in (B4, NONE):
        _check_file(_file_of(name))


def load(spec: str) -> Classifier:
    """Loads a classifier.

    Args:
        spec: one of `names()`, a saved `.keras` classifier, or an `.h5` file with EfficientNet-B4's weights.
            For ablations "random:efficientnet_b4" (weights before training), "logits:SPEC" (scores before
            the softmax) and "shuffled:SPEC" (another picture's scores).

    Returns:
        A `Classifier`.

    Raises:
        ClassifierError: it cannot be downloaded, found or used; the message says how to get it, and
            the other choices.
    """
    check(spec)
    prefix, name = _split(spec)
    if prefix:
        return _ablation(prefix, name)
    if name == NONE:
        return Classifier(NONE, "")
    from colorizer.classifiers import efficientnet_b4

    if name == B4:
        return Classifier(B4, f"md5:{b4_download.MD5}", efficientnet_b4.from_imagenet())
    path = _file_of(name)
    model = efficientnet_b4.from_file(path) if path.suffix == ".h5" else _saved(path)
    return Classifier(path.stem, catalog.fingerprint_of(path), model)


def check_recorded(config: Mapping[str, Any], spec: str | None = None) -> None:
    """Checks, without the backend, that `load_recorded` can find its classifier.

    Args:
        config: the record of some weights.
        spec: another classifier that is asked for, as for `load`.

    Raises:
        ClassifierError: it is missing; the message says what to do.
    """
    _try(check, config, spec)


def load_recorded(config: Mapping[str, Any], spec: str | None = None) -> Classifier:
    """Loads the classifier that is asked for, else the one that some weights were trained with.

    Args:
        config: the record of the weights.
        spec: as for `load`; None takes the recorded one. Another one than that is warned about.

    Raises:
        ClassifierError: it is missing; the message says what to do.
    """
    classifier = _try(load, config, spec)
    name, fingerprint = _recorded(config)
    if fingerprint and classifier.fingerprint != fingerprint:
        logger.warning(
            "the weights were trained with the classifier %s (%s), not with %s (%s): expect other colors",
            *(name, fingerprint, classifier.name, classifier.fingerprint or "zeros"),
        )
    return classifier


def _try(action, config, spec):
    """Checks or loads the classifier that is asked for, else the recorded one, with advice if that is missing."""
    if spec is not None:
        return action(spec)
    try:
        return action(spec_of({"classifier": NONE} | config))
    except ClassifierError as error:
        name, fingerprint = _recorded(config)
        raise ClassifierError(
            f"These weights were trained with the classifier {name} ({fingerprint or 'fingerprint not recorded'}), "
            f"which is not here: {error}\nChoose --classifier FILE (that classifier, wherever it lies) "
            f"or --classifier none (the network gets zeros, for which it was not trained)."
        ) from error


def _recorded(config):
    """Name and fingerprint of the classifier that weights were trained with."""
    return config.get("classifier_name", config.get("classifier", NONE)), config.get("classifier_sha256", "")


def _split(spec: str) -> tuple[str, str]:
    """(prefix with its colon, or "", the rest)."""
    prefix, _, rest = spec.partition(":")
    return (f"{prefix}:", rest) if rest and prefix in ablations.PREFIXES else ("", spec)


def _ablation(prefix: str, name: str) -> Classifier:
    """What "logits:SPEC", "random:SPEC" and "shuffled:SPEC" stand for."""
    if prefix == "random:":
        from colorizer.classifiers import efficientnet_b4

        return Classifier(f"random_{name}", f"random:{efficientnet_b4.SEED}", efficientnet_b4.untrained())
    whole = load(name)
    other = replace(whole, name=prefix.replace(":", "_") + whole.name, fingerprint=prefix + whole.fingerprint)
    if prefix == "shuffled:":
        return replace(other, source=whole)
    try:
        return replace(other, model=ablations.without_softmax(whole.model))
    except ValueError as error:
        raise ClassifierError(str(error)) from error


def _file_of(spec: str) -> Path:
    """The file of a classifier: the one that `spec` names, or one of the user's cache."""
    path = Path(spec)
    if path.is_file() and spec not in catalog.ENTRIES:
        return path
    cached = catalog.find(name_of(spec))
    if cached:
        return cached
    advice = catalog.how_to_get(name_of(spec))
    if advice:
        raise ClassifierError(f"The classifier {name_of(spec)} is not on this machine. Received: {spec}\n{advice}")
    raise ClassifierError(
        f"A classifier is {', '.join(names())}, or a saved Keras classifier. Received: {spec}, which is neither a "
        f"name nor a file, here or in {catalog.folder()}."
    )


def _check_file(path: Path) -> None:
    """Finds damaged files without the backend."""
    if path.suffix == ".h5":
        with open(path, "rb") as file:
            whole = file.read(len(_HDF5)) == _HDF5
    else:
        whole = zipfile.is_zipfile(path)
    if not whole:
        raise ClassifierError(
            f"{path} is not a saved Keras classifier, or its end is missing. Received: {path.stat().st_size:,} bytes. "
            f"Copy it again, or see the choices: {catalog.FETCH} --list"
        )


def _saved(path: Path) -> keras.Model:
    """A saved Keras classifier, checked to be one."""
    import keras

    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:
        raise ClassifierError(f"A classifier must be a saved Keras model. Received: {path} ({error})") from error
    given, taken = getattr(model, "output_shape", None), getattr(model, "input_shape", None)
    square = isinstance(taken, tuple) and len(taken) == 4 and taken[1] and taken[2] in (None, taken[1])
    if given != (None, CLASSES) or not square or taken[3] != 3:
        raise ClassifierError(
            f"A classifier takes float RGB (None, s, s, 3) and gives (None, {CLASSES}) softmax scores. "
            f"Received: {path} with input {taken} and output {given}."
        )
    _check_scores(model, path)
    return model


def _check_scores(model: keras.Model, path: Path) -> None:
    """Refuses a model whose scores of one picture, a ramp from black to white, are not those of a softmax."""
    import keras

    side = model.input_shape[1]
    ramp = np.broadcast_to(np.linspace(0, 255, side, dtype=np.float32)[None, None, :, None], (1, side, side, 3))
    scores = keras.ops.convert_to_numpy(model(np.ascontiguousarray(ramp), training=False))[0].astype(np.float64)
    if not (scores.min() >= 0 and abs(scores.sum() - 1) < _SUM_TOLERANCE):  # also false for NaN
        raise ClassifierError(
            f"A classifier gives {CLASSES} softmax scores: none below 0, sum 1. Received: {path}, whose scores go from "
            f"{scores.min():.3g} to {scores.max():.3g} with sum {scores.sum():.4g}. Add a softmax layer at its end."
        )
