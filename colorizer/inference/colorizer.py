"""A photo in, a photo out, at full size: what colorize.py, notebooks and evaluation use.

The network sees a small square (`image_size`) and gives a and b; the photograph keeps its own L*
at its own size. Its own colours, if it has any, are never looked at.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import keras
import numpy as np

from colorizer import images, photos, weights
from colorizer.classifiers import classifier as classifiers
from colorizer.errors import ClassifierError
from colorizer.inference import batch_files, borders, forward, full_size
from colorizer.inference.batch_files import Outcome
from colorizer.methods import Method
from colorizer.photos import inputs
from colorizer.photos.inputs import Picture

logger = logging.getLogger(__name__)

BATCH_SIZE = 8
LOOK = "vivid"  # people want colours; who wants numbers says accurate


class Colorizer:
    """Colorizes photographs with a trained network. One may be used by several threads.

    Args:
        network: a run's folder or its weights file; or a trained network, and `method` with it.
        method: from `colorizer.methods.get`, for a network.
        classifier: for weights a name or a file, see `load`; for a network what
            `colorizer.classifier.load` gives. None: the recorded one; for a network, zeros.
        image_size: side of the square the network sees; for weights the recorded one counts.
        look: "accurate" or "vivid", where the method has both; None: the default, vivid.

    Raises:
        ValueError: the method has no such look.
        WeightsError: the weights cannot be found or do not fit.
        ClassifierError: the classifier cannot be had.

    Source: ours; BASELINES §0, "Colour merge at full resolution".
    """

    def __init__(
        self,
        network: keras.Model | str | Path = weights.DEFAULT,
        method: Method | None = None,
        classifier: classifiers.Classifier | str | None = None,
        image_size: int = 256,
        look: str | None = None,
    ):
        if method is None:
            loaded = weights.load(network)
            network, method, image_size = loaded.network, loaded.method, loaded.config["image_size"]
            classifier = _classifier_of(loaded, classifier)
        self.network = network
        self.method = method
        self.look = _look_of(method, look)
        self.classifier = classifier or classifiers.load("none")
        self.image_size = image_size
        self.forward = forward.Forward(network, method, image_size, self.classifier, self.look)
        self._one_at_a_time = threading.Lock()  # Keras promises nothing about threads

    @classmethod
    def load(
        cls, trained: str | Path = weights.DEFAULT, classifier: str | None = None, look: str | None = None
    ) -> Colorizer:
        """A colorizer with trained weights and the classifier they were trained with.

        Args:
            trained: a run's folder or its weights file.
            classifier: "efficientnet_b4", "none" or a saved classifier; None takes the recorded one.
            look: see the class.

        Returns:
            A `Colorizer`.

        Raises:
            WeightsError: the weights cannot be found or do not fit.
            ClassifierError: the classifier cannot be had; the message names it and the choices.

        Source: ours.
        """
        return cls(trained, classifier=classifier, look=look)

    def predict_ab(self, rgbs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The colours of some photographs, all in one forward pass.

        Args:
            rgbs: of each (H, W, 3) uint8 or uint16 sRGB, only L* is used.

        Returns:
            Of each `ab_norm_hat` (S, S, 2) float32, ab/128, of what lies inside its frame.

        Source: ours.
        """
        if not rgbs:
            return []
        # Squares at once: a batch of large photographs without their frames would take their memory twice.
        squares = [forward.squares([_inside(images.require_photo(rgb))], self.image_size)[0] for rgb in rgbs]
        with self._one_at_a_time:
            return list(self.forward.ab_norm(squares))

    def colorize(self, photo: Picture | Sequence[Picture], strength: float = 1.0):
        """Gives a photograph, or several, the colours the network predicts.

        Args:
            photo: (H, W, 3) or (H, W) uint8 or uint16 sRGB, a picture of Pillow, a file, a
                `photos.Photo`, or a list of them.
            strength: 0 leaves it grey, 1 is what the network says.

        Returns:
            What was given, in colour: for an array (H, W, 3) of its dtype; for a picture of Pillow
            another, RGB or RGBA; for a file or a `Photo` a `Photo`, whose `save(path)` keeps EXIF,
            depth and alpha; for a list a list. L* is the photo's own wherever the colour is inside sRGB.

        Raises:
            ValueError: not such a photograph, or `strength` outside 0..1.
            PhotoError: a file cannot be read.

        Source: ours.
        """
        if isinstance(photo, (list, tuple)):
            return self.colorize_batch(photo, strength)
        return self.colorize_batch([photo], strength)[0]

    def colorize_batch(self, photos: Iterable[Picture], strength: float = 1.0, batch_size: int = BATCH_SIZE) -> list:
        """Colorizes many photographs, several in one forward pass.

        Args:
            photos: of any kinds that `colorize` takes, mixed as you like.
            strength: see `colorize`.
            batch_size: photographs in one forward pass, and opened at once.

        Returns:
            A list of what `colorize` returns for each.

        Raises:
            ValueError, PhotoError: see `colorize`.

        Source: ours.
        """
        if not 0 <= strength <= 1:
            raise ValueError(f"strength lies between 0 and 1. Received: {strength}")
        done = []
        waiting = list(photos)
        for start in range(0, len(waiting), batch_size):
            opened = [inputs.open_any(photo) for photo in waiting[start : start + batch_size]]
            colours = self.predict_ab([rgb for rgb, _ in opened])
            done += [give(full_size.merge(rgb, ab, strength)) for (rgb, give), ab in zip(opened, colours, strict=True)]
        return done

    def colorize_files(
        self,
        pairs: Iterable[tuple[str | Path, str | Path]],
        batch_size: int = BATCH_SIZE,
        strength: float = 1.0,
        overwrite: bool = False,
        quality: int = photos.JPEG_QUALITY,
    ) -> Iterator[Outcome]:
        """Colorizes files; while the network works on some, threads decode the next and encode the last.

        Args:
            pairs: source and target of each; a target's folder is made.
            batch_size: photos in one forward pass.
            strength: see `colorize`.
            overwrite: otherwise targets that are there are left alone and yield `skipped`.
            quality: of JPEG, WebP and AVIF, see `photos.write`.

        Yields:
            An `Outcome` for each pair, in order; a photo that fails does not stop the others.

        Source: ours.
        """
        yield from batch_files.run(
            self.predict_ab, pairs, batch_size=batch_size, strength=strength, overwrite=overwrite, quality=quality
        )


def _classifier_of(loaded: weights.Trained, spec: str | None) -> classifiers.Classifier:
    """The classifier asked for, else the one the weights were trained with."""
    if not loaded.method.uses_vector:
        return classifiers.load("none")
    recorded = loaded.config["classifier"]
    name, fingerprint = loaded.config.get("classifier_name", recorded), loaded.config.get("classifier_sha256", "")
    try:
        classifier = classifiers.load(classifiers.spec_of(loaded.config) if spec is None else spec)
    except ClassifierError as error:
        if spec is not None:
            raise
        raise ClassifierError(
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


def _look_of(method: Method, look: str | None) -> str | None:
    """The look to predict with; None for a method that has one only."""
    looks = method.looks
    if look is not None and look not in looks:
        has = f"has the looks {', '.join(looks)}" if looks else "has one look only"
        raise ValueError(f"{method.title} {has}. Received: {look}")
    return look or (LOOK if LOOK in looks else None)


def _inside(rgb: np.ndarray) -> np.ndarray:
    """A photograph without its frame."""
    return np.ascontiguousarray(rgb[borders.find(rgb)])
