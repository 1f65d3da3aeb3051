"""The class vector: what an ImageNet classifier sees in the grey picture.

The paper's is EfficientNet-B4 of keras.applications, 380x380, top included. Any saved
Keras classifier with float RGB 0..255 in and 1000 softmax scores out can stand in, and
"none" feeds zeros. Vectors are computed once per picture and kept beside its pixels.
What ablations ask for stands before a name: "logits:", "random:" and "shuffled:".
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import keras
import numpy as np
from tqdm import tqdm

from colorizer import atomic_files, color
from colorizer.classifiers import ablations
from colorizer.errors import ClassifierError

log = logging.getLogger(__name__)

CLASSES = 1000
BATCH_SIZE = 32  # pictures in one forward pass
B4_SIZE = 380  # EfficientNet-B4's own input size; §III.B
B4_FILE = "efficientnetb4.h5"  # keras.applications' name for the weights with top
B4_MD5 = "18c95ad55216b8f92d7e70b3a046e2fc"
ABLATIONS = ("logits", "random", "shuffled")  # before a colon and a classifier
_STDDEV = (0.229, 0.224, 0.225)  # ImageNet's, as in keras.applications


@dataclass(frozen=True)
class Classifier:
    """A frozen source of class vectors.

    Attributes:
        name: "efficientnet_b4", "none", or a file's name without its ending.
        fingerprint: sha256 of the weights, hex; "" for none. Vectors are cached under it.
        model: float32 RGB (B, s, s, 3) in 0..255 -> (B, 1000) softmax, or logits; None for zeros.
        of: the classifier of which `vectors_of` gives every picture another one's vector, or None.
    """

    name: str
    fingerprint: str
    model: keras.Model | None = None
    of: Classifier | None = None

    def vectors(self, rgb_u8: np.ndarray, batch_size: int = BATCH_SIZE) -> np.ndarray:
        """Class scores of pictures, seen in grey.

        Args:
            rgb_u8: (N, S, S, 3) uint8 sRGB; colour is taken away here, by L*.
            batch_size: pictures in one forward pass; short batches are padded to it,
                so that the compiled function sees one shape.

        Returns:
            (N, 1000) float32: softmax scores, or zeros for "none".

        Raises:
            ClassifierError: it is a shuffled one, see `vectors_of`.

        Source: §III.B (the grey input, resized); BASELINES §2.4 (0..255).
        """
        if self.of:
            raise ClassifierError("shuffled: is for data sets, a photograph has no other's vector. Received: shuffled:")
        if self.model is None:
            return np.zeros((len(rgb_u8), CLASSES), np.float32)
        chunks = (rgb_u8[start : start + batch_size] for start in range(0, len(rgb_u8), batch_size))
        return np.concatenate([np.empty((0, CLASSES), np.float32), *self.stream(chunks, batch_size)])

    def stream(self, chunks: Iterable[np.ndarray], batch_size: int = BATCH_SIZE) -> Iterator[np.ndarray]:
        """Class scores of one chunk of pictures after another, for any number of them.

        While the model computes one chunk, a thread reads the next and turns it grey.

        Args:
            chunks: (n, S, S, 3) uint8 sRGB each, n <= batch_size.
            batch_size: see `vectors`.

        Yields:
            (n, 1000) float32 for each chunk.

        Source: ours.
        """
        size = self.model.input_shape[1]

        chunks = iter(chunks)

        def grey_batch():
            chunk = next(chunks, None)
            if chunk is None:
                return None, 0
            batch = np.zeros((batch_size, size, size, 3), np.float32)
            for target, picture in zip(batch, chunk, strict=False):
                target[:] = grey_input(picture, size)
            return batch, len(chunk)

        with ThreadPoolExecutor(1) as pool:
            batch, count = grey_batch()
            while batch is not None:
                ahead = pool.submit(grey_batch)
                yield self.model.predict_on_batch(batch)[:count]
                batch, count = ahead.result()


def grey_input(rgb_u8: np.ndarray, size: int) -> np.ndarray:
    """One picture as the classifier takes it.

    Args:
        rgb_u8: (S, S, 3) uint8 sRGB.
        size: the classifier's input side.

    Returns:
        (size, size, 3) float32, three equal channels, 0..255 (never 0..1: BASELINES §2.4).

    Source: §III.B.
    """
    grey = color.grey_of(rgb_u8)
    shrinks = size < grey.shape[0]
    grey = cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return cv2.cvtColor(grey.astype(np.float32), cv2.COLOR_GRAY2RGB)


def load(spec: str) -> Classifier:
    """Loads a classifier.

    Args:
        spec: "efficientnet_b4", "none", a saved `.keras` classifier, or an `.h5` file
            with EfficientNet-B4's weights. For ablations "random:efficientnet_b4" (weights as they are before
            training), "logits:SPEC" (scores before the softmax) and "shuffled:SPEC" (another picture's scores).

    Returns:
        A `Classifier`.

    Raises:
        ClassifierError: it cannot be downloaded, found or used; the message names the file,
            its MD5, the folder to put it in, and the other choices.

    Source: paper §II; DESIGN, "The class vector".
    """
    kind, _, rest = spec.partition(":")
    if kind in ABLATIONS and rest:
        return _ablated(kind, rest)
    if spec == "none":
        return Classifier("none", "")
    if spec == "efficientnet_b4":
        model = _efficientnet_b4_from_imagenet()
        return Classifier("efficientnet_b4", f"md5:{B4_MD5}", model)
    path = Path(spec)
    if not path.is_file():
        raise ClassifierError(
            f"--classifier is efficientnet_b4, none, or a saved Keras classifier. "
            f"Received: {spec}, which is not a file here."
        )
    model = efficientnet_b4_from_file(path) if path.suffix == ".h5" else _load_saved(path)
    return Classifier(path.stem, "sha256:" + _sha256(path), model)


def _ablated(kind, spec) -> Classifier:
    """What "logits:SPEC", "random:SPEC" and "shuffled:SPEC" stand for."""
    if kind == "random":
        if spec != "efficientnet_b4":
            raise ClassifierError(f"random: is for efficientnet_b4. Received: random:{spec}")
        return Classifier(f"random_{spec}", f"random:{ablations.SEED}", ablations.untrained_efficientnet_b4())
    seen = load(spec)
    if seen.model is None:
        raise ClassifierError(f"{kind}: needs a classifier. Received: {kind}:{spec}")
    other = replace(seen, name=f"{kind}_{seen.name}", fingerprint=f"{kind}:{seen.fingerprint}")
    if kind == "shuffled":
        return replace(other, of=seen)
    try:
        return replace(other, model=ablations.without_softmax(seen.model))
    except ValueError as error:
        raise ClassifierError(str(error)) from error


def _efficientnet_b4_from_imagenet() -> keras.Model:
    """EfficientNet-B4 with ImageNet weights, downloaded once by Keras."""
    try:
        return keras.applications.EfficientNetB4(weights="imagenet")
    except Exception as error:  # urllib's, OS and checksum errors all end here
        home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
        raise ClassifierError(
            f"EfficientNet-B4's ImageNet weights could not be had ({error}).\n"
            f"Put the file {B4_FILE} (MD5 {B4_MD5}) of keras.applications into {home / 'models'},\n"
            f"or choose --classifier FILE.keras (any saved Keras classifier: float RGB 0..255 in, "
            f"{CLASSES} softmax scores out),\nor --classifier none (the network then gets zeros)."
        ) from error


def efficientnet_b4_from_file(path: Path, extra_rescaling: bool | None = None) -> keras.Model:
    """EfficientNet-B4 with the weights of a local file.

    TRICKY: `weights="imagenet"` builds one more Rescaling layer (1/sqrt(std) per channel, after
    the normalization) than `weights=None` or a path does, so the same file gives other scores
    by other ways of loading. The layer has no weights of its own and stands before a
    convolution without bias that pads with zeros: it is folded into that kernel here.

    Args:
        path: an `.h5` weights file: keras.applications' own, or one saved from a B4 with top.
        extra_rescaling: whether the weights expect that layer; None finds out: yes for
            keras.applications' file (by its MD5) and for files saved from a model that had it.

    Returns:
        The model: (B, 380, 380, 3) float32 0..255 -> (B, 1000) softmax; 19,466,823 parameters.

    Raises:
        ClassifierError: the file does not hold EfficientNet-B4's weights.

    Source: BASELINES §2.4.
    """
    model = keras.applications.EfficientNetB4(weights=None)
    try:
        model.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise ClassifierError(f"{path} does not hold EfficientNet-B4's weights with top: {error}") from error
    if extra_rescaling is None:
        extra_rescaling = _md5(path) == B4_MD5 or _saved_with_extra_rescaling(path)
    if extra_rescaling:
        stem = model.get_layer("stem_conv")
        stem.set_weights([stem.get_weights()[0] / np.sqrt(_STDDEV)[None, None, :, None]])
    return model


def _saved_with_extra_rescaling(path):
    """Whether an `.h5` weights file was saved from a model with two Rescaling layers."""
    import h5py

    with h5py.File(path) as file:
        names = file.get("layers", file)
        return sum(name.startswith("rescaling") for name in names) == 2


def _load_saved(path) -> keras.Model:
    """A saved Keras classifier, checked to be one."""
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:
        raise ClassifierError(f"{path} is not a saved Keras model: {error}") from error
    given, taken = getattr(model, "output_shape", None), getattr(model, "input_shape", None)
    if given != (None, CLASSES) or not isinstance(taken, tuple) or len(taken) != 4 or taken[3] != 3 or not taken[1]:
        raise ClassifierError(
            f"A classifier takes float RGB (None, s, s, 3) and gives (None, {CLASSES}) softmax scores. "
            f"Received: {path} with input {taken} and output {given}."
        )
    return model


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _md5(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def vectors_of(classifier: Classifier, store) -> np.ndarray:
    """The class vectors of all pictures of a store, computed once and kept beside the pixels.

    Args:
        classifier: from `load`.
        store: a `store.Store`.

    Returns:
        (rows, 1000) float32, row for row those of `store.pixels`; zeros for dropped
        pictures. Memory-mapped, except for "none", which broadcasts one row of zeros, and shuffled ones.

    Source: ours; the ancestors compute them per batch or per image (BASELINES §2.1, §2.2).
    """
    rows = store.pixels.shape[0]
    if classifier.model is None:
        return np.broadcast_to(np.zeros(CLASSES, np.float32), (rows, CLASSES))
    if classifier.of:
        return ablations.turned(vectors_of(classifier.of, store), store.rows)
    key = hashlib.sha256(classifier.fingerprint.encode()).hexdigest()[:12]
    path = store.path / f"vectors-{classifier.name}-{key}.npy"
    if not path.is_file():
        vectors = np.zeros((rows, CLASSES), np.float32)
        chunks = [store.rows[start : start + BATCH_SIZE] for start in range(0, len(store.rows), BATCH_SIZE)]
        stream = classifier.stream(map(store.read, chunks), BATCH_SIZE)
        for rows, scores in zip(tqdm(chunks, f"class vectors ({classifier.name})", unit="batch"), stream, strict=True):
            vectors[rows] = scores
        with atomic_files.replacing(path) as part:
            np.save(part, vectors)
    return np.load(path, mmap_mode="r")
