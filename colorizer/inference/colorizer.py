"""The library's class: a photo in, the photo in color out, at its full size.

The network sees a small copy, in the photo's own shape if it can, and predicts a and b. The photo keeps its own L*, at
its own size. If it has colors,
they are never looked at. Names and files are checked before Keras is imported.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
from PIL import Image

from colorizer import images, methods, photos, weights
from colorizer.errors import ClassifierError
from colorizer.inference import batch_files, borders, forward, full_size
from colorizer.inference.batch_files import Outcome
from colorizer.methods import Method
from colorizer.photos import inputs
from colorizer.photos.inputs import Picture

if TYPE_CHECKING:
    import keras

    from colorizer.classifiers.classifier import Classifier

logger = logging.getLogger(__name__)

BATCH_SIZE = 8
SIZE = "size_at_use"  # of a record: the default where it is not the size of the training
LOOK = "vivid"  # the default where a method has it: most people want colors more than small errors

ColorPicture = np.ndarray | Image.Image | photos.Photo


class Colorizer:
    """Colorizes photos with a trained network. Several threads may use one.

    Args:
        network: a run's folder, its weights file or a name of `weights.SHIPPED`; or a trained network with its
            `method`.
        method: from `colorizer.methods.get`, for a network.
        classifier: for weights "efficientnet_b4", "none" or a saved classifier's file; None takes the recorded one.
            For a network what `colorizer.classifiers.classifier.load` gives; None gives zeros.
        image_size: side of the network's input in pixels. For weights the recorded one counts.
        look: "accurate" or "vivid", if the method has both; None takes vivid.
        size: of what the network sees of a photo, if it takes any shape: the side of the square that has as many
            pixels, `forward.LEAST_SIZE` to `forward.LARGEST_SIZE`; None takes the recorded one, else the method's
            own.

    Raises:
        ValueError: the method has no such look, or the size is out of range or not to be chosen.
        WeightsError: the weights are missing, damaged or do not fit.
        ClassifierError: the classifier is missing; the message names it and the choices.
    """

    def __init__(
        self,
        network: keras.Model | str | Path = weights.DEFAULT,
        method: Method | None = None,
        classifier: Classifier | str | None = None,
        image_size: int = 256,
        look: str | None = None,
        size: int | None = None,
    ):
        self.weights: Path | None = None
        if method is None:
            self.weights = weights.place(network)
            config = weights.record_of(self.weights)
            declared = methods.declared(config["method"])
            look, size = _look_of(declared, look), size_of(declared, config["image_size"], size or config.get(SIZE))
            method = methods.get(config["method"])
            classifier = _classifier_of(method, config, classifier)
            loaded = weights.load(network, any_shape=True)
            network, image_size = loaded.network, config["image_size"]
        self.size = size_of(method, image_size, size)
        self.network = _of_any_shape(network, method) if self.size else network
        self.method = method
        self.look = _look_of(method, look)
        self.classifier = classifier or _no_classifier()
        self.image_size = image_size
        self.forward = forward.Forward(self.network, method, image_size, self.classifier, self.look, self.size)
        self._one_at_a_time = threading.Lock()  # Keras does not promise that threads may share a network

    def __repr__(self) -> str:
        parts = [getattr(self.method, "title", type(self.method).__name__), f"{self.size or self.image_size} pixels"]
        parts += [f"look {self.look}"] if self.look else []
        parts += [f"classifier {self.classifier.name}"] if getattr(self.method, "uses_vector", False) else []
        parts += [f"weights {self.weights}"] if self.weights else []
        return f"<Colorizer {', '.join(parts)}>"

    @classmethod
    def load(
        cls,
        trained: str | Path = weights.DEFAULT,
        classifier: str | None = None,
        look: str | None = None,
        size: int | None = None,
    ) -> Colorizer:
        """Loads trained weights and the classifier they were trained with.

        Args:
            trained: a run's folder, its weights file or a name of `weights.SHIPPED`.
            classifier: "efficientnet_b4", "none" or a saved classifier's file; None takes the recorded one.
            look: "accurate" or "vivid", if the method has both; None takes vivid.
            size: see the class.

        Raises:
            ValueError, WeightsError, ClassifierError: see the class.
        """
        return cls(trained, classifier=classifier, look=look, size=size)

    def predict_ab(self, rgbs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Predicts the colors of some photos, those of one shape in one forward pass.

        Args:
            rgbs: of each (H, W, 3) uint8 or uint16 sRGB; only L* is used.

        Returns:
            Of each `ab_norm_hat` (h, w, 2) float32, ab/128, of the part inside its frame: in its shape, or square
            where the network takes squares only.

        Raises:
            ValueError: not such a photo.
            WeightsError: the network gives something that is no number.
        """
        if not rgbs:
            return []
        # One photo after the other: the parts inside the frames of several large ones would take their memory twice.
        views = [self.forward.view(_inside(images.require_photo(rgb))) for rgb in rgbs]
        with self._one_at_a_time:
            return self.forward.ab_norm_of(views)

    @overload
    def colorize(self, photo: np.ndarray, strength: float = 1.0) -> np.ndarray: ...

    @overload
    def colorize(self, photo: Image.Image, strength: float = 1.0) -> Image.Image: ...

    @overload
    def colorize(self, photo: str | Path | photos.Photo, strength: float = 1.0) -> photos.Photo: ...

    @overload
    def colorize(self, photo: Sequence[Picture], strength: float = 1.0) -> list[ColorPicture]: ...

    def colorize(self, photo: Picture | Sequence[Picture], strength: float = 1.0) -> ColorPicture | list[ColorPicture]:
        """Gives one photo, or a list of photos, the colors that the network predicts.

        Args:
            photo: (H, W, 3) or (H, W) uint8 or uint16 sRGB, a picture of Pillow, a file, a
                `photos.Photo`, or a list of them.
            strength: factor of the colors, from 0 (gray) to 1 (as predicted).

        Returns:
            The same kind of thing in color: for an array (H, W, 3) of its dtype; for a picture of Pillow
            another, RGB or RGBA; for a file or a `Photo` a `Photo`, whose `save(path)` keeps EXIF,
            depth and alpha; for a list a list. L* is the photo's own wherever the color is inside sRGB.

        Raises:
            ValueError: not such a photo, or `strength` outside 0..1.
            PhotoError: a file cannot be read.
            WeightsError: the network gives something that is no number.
        """
        if isinstance(photo, (list, tuple)):
            return self.colorize_batch(photo, strength)
        return self.colorize_batch([photo], strength)[0]

    def colorize_batch(
        self, photos: Iterable[Picture], strength: float = 1.0, batch_size: int = BATCH_SIZE
    ) -> list[ColorPicture]:
        """Colorizes many photos, several in one forward pass.

        Args:
            photos: of any kinds that `colorize` takes, also mixed.
            strength: factor of the colors, 0..1.
            batch_size: photos in one forward pass, and open at once.

        Returns:
            What `colorize` returns for each, in order.

        Raises:
            ValueError, PhotoError, WeightsError: see `colorize`.
        """
        if not 0 <= strength <= 1:
            raise ValueError(f"strength lies between 0 and 1. Received: {strength}")
        if batch_size < 1:
            raise ValueError(f"batch_size is 1 or more. Received: {batch_size}")
        pictures = list(photos)
        results: list[ColorPicture] = []
        for start in range(0, len(pictures), batch_size):
            batch = [inputs.open_any(picture) for picture in pictures[start : start + batch_size]]
            colors = self.predict_ab([rgb for rgb, _ in batch])
            results += [like(full_size.merge(rgb, ab, strength)) for (rgb, like), ab in zip(batch, colors, strict=True)]
        return results

    def colorize_files(
        self,
        pairs: Iterable[tuple[str | Path, str | Path]],
        batch_size: int = BATCH_SIZE,
        strength: float = 1.0,
        overwrite: bool = False,
        quality: int = photos.JPEG_QUALITY,
    ) -> Iterator[Outcome]:
        """Colorizes files. While the network works on some, threads decode the next and encode the last.

        Args:
            pairs: source and target of each photo; missing folders of targets are created.
            batch_size: photos in one forward pass.
            strength: factor of the colors, 0..1.
            overwrite: False leaves existing targets alone and yields `skipped` for them.
            quality: of JPEG, WebP and AVIF, see `photos.write`.

        Yields:
            An `Outcome` for each pair, in order. A photo that fails does not stop the others.
        """
        yield from batch_files.run(
            self.predict_ab, pairs, batch_size=batch_size, strength=strength, overwrite=overwrite, quality=quality
        )


def _classifier_of(method: Method, config: dict, spec: str | None) -> Classifier:
    """Loads the classifier that is asked for, else the one the weights were trained with."""
    if not method.uses_vector:
        return _no_classifier()
    from colorizer.classifiers import classifier as classifiers

    config = {"classifier": "none"} | config
    name, fingerprint = config.get("classifier_name", config["classifier"]), config.get("classifier_sha256", "")
    try:
        classifier = classifiers.load(classifiers.spec_of(config) if spec is None else spec)
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
            "the weights were trained with the classifier %s (%s), not with %s (%s): expect other colors",
            *(name, fingerprint, classifier.name, classifier.fingerprint or "zeros"),
        )
    return classifier


def _no_classifier() -> Classifier:
    """Returns the source of zeros."""
    from colorizer.classifiers import classifier as classifiers

    return classifiers.load("none")


def _look_of(method: Method, look: str | None) -> str | None:
    """Chooses the look to predict with; None for a method that has one only."""
    looks = getattr(method, "looks", ())
    if look is not None and look not in looks:
        choices = f"has the looks {', '.join(looks)}" if looks else "has one look only"
        raise ValueError(f"{method.title} {choices}. Received: {look}")
    return look or (LOOK if LOOK in looks else None)


def size_of(method: Method, image_size: int, size: int | None) -> int | None:
    """Chooses the size at which photos are seen in their own shape.

    Args:
        method: from `methods.get` or `methods.declared`.
        image_size: side of the squares that the network was trained with.
        size: what is asked for; None for the default.

    Returns:
        A size; None for a method whose network takes squares only.

    Raises:
        ValueError: it is out of range, or not to be chosen.
    """
    if not getattr(method, "any_shape", False):
        if size not in (None, image_size):
            raise ValueError(
                f"{method.title} sees squares of {image_size} pixels, as it was trained. Received: size {size}. "
                "Leave the size out."
            )
        return None
    if size is None:
        return max(method.sizes_at_use.get(image_size, image_size), forward.LEAST_SIZE)
    if not forward.LEAST_SIZE <= size <= forward.LARGEST_SIZE:
        raise ValueError(f"size lies between {forward.LEAST_SIZE} and {forward.LARGEST_SIZE}. Received: {size}")
    return size


def _of_any_shape(network: keras.Model, method: Method) -> keras.Model:
    """The network itself if it takes any shape, else a copy that does."""
    if network.input_shape[0][1] is None:
        return network
    copy = method.build((None, None), method.encoder_of(network))
    copy.set_weights(network.get_weights())
    return copy


def _inside(rgb: np.ndarray) -> np.ndarray:
    """Cuts off a photo's frame, as `borders.find` sees it."""
    return np.ascontiguousarray(rgb[borders.find(rgb)])
