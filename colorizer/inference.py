"""A photo in, a photo out, at full size: what colorize.py, notebooks and evaluation use.

The network sees a 256x256 square and gives a and b; the photograph keeps its own L*
at its own size. Its own colours, if it has any, are never looked at.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import keras
import numpy as np

from colorizer import classifier as classifiers
from colorizer import color, photos, store, weights
from colorizer.methods import Method

logger = logging.getLogger(__name__)

BATCH_SIZE = 8
BAND_PIXELS = 2**20  # full-size colour conversion works on bands of rows: 12 MB an array, not 144 for 12 megapixels
THREADS = 4  # decode and encode around the network; each holds one photo


class Outcome(NamedTuple):
    """What became of one file: `error` is None or one line; `skipped` where the target was there already."""

    source: Path
    target: Path
    error: str | None = None
    skipped: bool = False


class Colorizer:
    """Colorizes photographs with a trained network.

    Args:
        network: a trained network of `method`.
        method: a module of `colorizer.methods`.
        classifier: from `colorizer.classifier.load`; None feeds zeros.
        image_size: side of the square the network sees.

    Source: ours; BASELINES §0, "Colour merge at full resolution".
    """

    def __init__(
        self,
        network: keras.Model,
        method: Method,
        classifier: classifiers.Classifier | None = None,
        image_size: int = 256,
    ):
        self.network = network
        self.method = method
        self.classifier = classifier or classifiers.load("none")
        self.image_size = image_size

    @classmethod
    def load(cls, trained: str | Path = weights.DEFAULT, classifier: str | None = None) -> Colorizer:
        """A colorizer with trained weights and the classifier they were trained with.

        Args:
            trained: a run's folder or its weights file.
            classifier: "efficientnet_b4", "none" or a saved classifier; None takes the recorded one.

        Returns:
            A `Colorizer`.

        Raises:
            weights.WeightsError: the weights cannot be found or do not fit.
            classifier.ClassifierError: the classifier cannot be had; the message names it and the choices.

        Source: ours.
        """
        loaded = weights.load(trained)
        seen = _classifier_of(loaded, classifier)
        return cls(loaded.network, loaded.method, seen, loaded.config["image_size"])

    def predict_ab(self, rgbs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The colours of some photographs, all in one forward pass.

        Args:
            rgbs: of each (H, W, 3) uint8 or uint16 sRGB, only L* is used.

        Returns:
            Of each `ab_norm_hat` (S, S, 2) float32, ab/128.

        Source: ours.
        """
        if not rgbs:
            return []
        small = np.stack([photos.to_uint8(store.resize_square(_checked(rgb), self.image_size)) for rgb in rgbs])
        l_norm = np.stack([color.split(color.rgb_to_lab(square))[0] for square in small])
        # A compiled function is compiled again for every new shape: a few sizes, whatever number of photos comes.
        size = _padded_size(len(small))
        vector = self.classifier.vectors(small, batch_size=size)
        fill = size - len(small)
        l_norm = np.concatenate([l_norm, np.repeat(l_norm[-1:], fill, axis=0)])
        vector = np.concatenate([vector, np.repeat(vector[-1:], fill, axis=0)])
        return list(np.asarray(self.method.predict_ab(self.network, l_norm, vector), np.float32)[: len(small)])

    def colorize(self, rgb: np.ndarray | Sequence[np.ndarray], strength: float = 1.0):
        """Gives a photograph, or several in one forward pass, the colours the network predicts.

        Args:
            rgb: (H, W, 3) uint8 or uint16 sRGB, or a list of such arrays of any sizes.
            strength: 0 leaves it grey, 1 is what the network says.

        Returns:
            (H, W, 3) sRGB of the same size and dtype, or a list of them. L* is the photo's own
            wherever the colour is inside sRGB.

        Raises:
            ValueError: not such an array, or `strength` outside 0..1.

        Source: ours.
        """
        if not 0 <= strength <= 1:
            raise ValueError(f"strength lies between 0 and 1. Received: {strength}")
        if isinstance(rgb, np.ndarray):
            return _merged(rgb, self.predict_ab([rgb])[0], strength)
        return [_merged(photo, ab, strength) for photo, ab in zip(rgb, self.predict_ab(rgb), strict=True)]

    def colorize_files(
        self,
        pairs: Iterable[tuple[str | Path, str | Path]],
        batch_size: int = BATCH_SIZE,
        strength: float = 1.0,
        overwrite: bool = False,
    ) -> Iterator[Outcome]:
        """Colorizes files; while the network works on some, threads decode the next.

        Args:
            pairs: source and target of each; a target's folder is made.
            batch_size: photos in one forward pass, and in memory twice that.
            strength: see `colorize`.
            overwrite: otherwise targets that are there are left alone and yield `skipped`.

        Yields:
            An `Outcome` for each pair; a photo that fails does not stop the others.

        Source: ours.
        """
        waiting = []
        for source, target in ((Path(a), Path(b)) for a, b in pairs):
            if target.exists() and not overwrite:
                yield Outcome(source, target, skipped=True)
            else:
                waiting.append((source, target))
        batches = [waiting[i : i + batch_size] for i in range(0, len(waiting), batch_size)]
        pool = ThreadPoolExecutor(THREADS)
        try:
            decoding: list[Future] = []
            for i, batch in enumerate(batches):
                decoding = decoding or [pool.submit(_read, source) for source, _ in batch]
                read = [future.result() for future in decoding]
                coming = batches[i + 1] if i + 1 < len(batches) else []
                decoding = [pool.submit(_read, source) for source, _ in coming]
                yield from self._batch(pool, batch, read, strength)
        finally:  # also after Ctrl-C: what is being written is finished, what waits is dropped
            pool.shutdown(wait=True, cancel_futures=True)

    def _batch(self, pool, batch, read, strength) -> Iterator[Outcome]:
        """The outcomes of one batch, of which `read` holds a `Photo` or the reason why not."""
        good = [photo for photo in read if isinstance(photo, photos.Photo)]
        colours = iter(self.predict_ab([photo.rgb for photo in good]))
        writing = [
            pool.submit(_merge_and_write, target, photo, next(colours), strength)
            if isinstance(photo, photos.Photo)
            else photo
            for (_, target), photo in zip(batch, read, strict=True)
        ]
        for (source, target), error in zip(batch, writing, strict=True):
            yield Outcome(source, target, error.result() if isinstance(error, Future) else error)


def _classifier_of(loaded: weights.Trained, spec: str | None) -> classifiers.Classifier:
    """The classifier asked for, else the one the weights were trained with."""
    if not loaded.method.uses_vector:
        return classifiers.load("none")
    recorded = loaded.config["classifier"]
    name, fingerprint = loaded.config.get("classifier_name", recorded), loaded.config.get("classifier_sha256", "")
    try:
        classifier = classifiers.load(recorded if spec is None else spec)
    except classifiers.ClassifierError as error:
        if spec is not None:
            raise
        raise classifiers.ClassifierError(
            f"These weights were trained with the classifier {name} ({fingerprint or 'fingerprint not recorded'}), "
            f"which is not here: {error}\nChoose --classifier FILE (that classifier, wherever it lies) "
            f"or --classifier none (the network gets zeros, for which it was not trained)."
        ) from error
    if fingerprint and classifier.fingerprint != fingerprint:
        logger.warning(
            "the weights were trained with the classifier %s (%s), not with %s (%s): expect other colours",
            *(name, fingerprint, classifier.name, classifier.fingerprint or "zeros"),
        )
    return classifier


def _checked(rgb: np.ndarray) -> np.ndarray:
    """The array, if it is a photograph."""
    kind = (getattr(rgb, "dtype", type(rgb)), getattr(rgb, "shape", None))
    if kind[0] not in (np.uint8, np.uint16) or len(kind[1]) != 3 or kind[1][2] != 3 or 0 in kind[1]:
        raise ValueError(f"A photo is an (H, W, 3) array of uint8 or uint16. Received: {kind[0]}, shape {kind[1]}")
    return rgb


def _padded_size(count: int) -> int:
    """The next power of two: at most twice the work, at most four shapes for batches of up to eight."""
    return 1 << (count - 1).bit_length()


def _merged(rgb: np.ndarray, ab_norm_hat: np.ndarray, strength: float) -> np.ndarray:
    """A photograph with its own L* and the given colours, made in bands of rows.

    Args:
        rgb: (H, W, 3) uint8 or uint16 sRGB.
        ab_norm_hat: (S, S, 2) float32, ab/128.
        strength: 0..1.

    Returns:
        (H, W, 3) of the same dtype: `color.merge` of the whole photograph, in less memory.
    """
    height, width = rgb.shape[:2]
    ab_norm = cv2.resize(ab_norm_hat * np.float32(strength), (width, height), interpolation=cv2.INTER_LINEAR)
    merged = np.empty_like(rgb, order="C")
    rows = max(1, BAND_PIXELS // width)
    for top in range(0, height, rows):
        band = slice(top, top + rows)
        merged[band] = color.merge(color.rgb_to_lab(rgb[band])[..., 0], ab_norm[band], rgb.dtype.type)
    return merged


def _read(source: Path) -> photos.Photo | str:
    """The photograph, or one line that says why it cannot be read."""
    try:
        return photos.read(source)
    except photos.PhotoError as error:
        return error.reason


def _merge_and_write(target: Path, photo: photos.Photo, ab_norm_hat: np.ndarray, strength: float) -> str | None:
    """Writes the coloured photograph; returns one line if that fails."""
    try:
        photos.write(target, _merged(photo.rgb, ab_norm_hat, strength), photo.alpha)
    except photos.PhotoError as error:
        return str(error)
    except MemoryError:
        return "not enough memory to colorize it at its size"
    return None
