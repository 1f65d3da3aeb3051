"""The library's class: a photo in, the photo in color out, at its full size.

The network sees a small copy, in the photo's own shape if it can, and predicts a and b. The photo keeps its own L*, at
its own size. If it has colors, they are never looked at. Names and files are checked before Keras is imported. Where
ONNX Runtime can compute the network, Keras is not imported at all; see `colorizer.inference.engine`.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

import numpy as np
from PIL import Image

from colorizer import images, methods, photos, weights
from colorizer.errors import ArgumentError, EngineError, HintError
from colorizer.inference import batch_files, borders, forward, full_size, presets
from colorizer.inference import engine as engines
from colorizer.inference.batch_files import Outcome
from colorizer.inference.steered_photo import FileSteering, SteeredPhoto
from colorizer.methods import Method
from colorizer.photos import inputs
from colorizer.photos.inputs import Picture
from colorizer.steering.hint import Hint

if TYPE_CHECKING:
    import keras

    from colorizer.classifiers.classifier import Classifier

logger = logging.getLogger(__name__)

BATCH_SIZE = 8


class Options(TypedDict, total=False):
    """What `Colorizer.colorize` takes besides photo and strength."""

    hints: Sequence[Hint]
    reference: Picture | None


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
        engine: "keras" or "onnx", for weights. None takes ONNX Runtime where it can compute them, else Keras.
        size: of what the network sees of a photo, if it takes any shape: the side of the square that has as many
            pixels, `methods.base.MIN_SIZE` to `MAX_SIZE`; None takes the method's own.

    Attributes:
        engine: "keras" or "onnx".

    Raises:
        ArgumentError: the method has no such look, or the size is out of range or not to be chosen.
        EngineError: the engine is not installed or cannot compute these weights.
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
        *,
        engine: str | None = None,
        size: int | None = None,
    ):
        self.weights: Path | None = None
        if method is None:
            self.weights = weights.place(network)
            config = weights.record_of(self.weights)
            method, image_size = methods.declared(config["method"]), config["image_size"]
            look, size = method.look_of(look), method.inference_size(image_size, size)
            network, method, classifier = _opened(self.weights, config, classifier, engine)
        is_onnx = isinstance(network, engines.OnnxNetwork)
        self.engine = engines.ONNX if is_onnx else engines.KERAS
        # A graph of one side takes squares only.
        self.size = None if is_onnx and network.side else method.inference_size(image_size, size)
        self.network = _of_any_shape(network, method) if self.size and not is_onnx else network
        self.method = method
        self.look = method.look_of(look)
        self.classifier = classifier or _no_classifier()
        self.image_size = image_size
        network = self.network if is_onnx else engines.KerasNetwork(self.network, method)
        self.forward = forward.Forward(network, image_size, self.classifier, self.look, self.size)
        self._one_at_a_time = threading.Lock()  # Keras does not promise that threads may share a network

    def __repr__(self) -> str:
        parts = [self.method.title, f"{self.size or self.image_size} pixels"]
        parts += [f"look {self.look}"] if self.look else []
        parts += [f"classifier {self.classifier.name}"] if self.method.uses_vector else []
        parts += [f"engine {self.engine}"]
        parts += [f"weights {self.weights}"] if self.weights else []
        return f"<Colorizer {', '.join(parts)}>"

    @classmethod
    def load(
        cls,
        trained: str | Path = weights.DEFAULT,
        classifier: str | None = None,
        look: str | None = None,
        engine: str | None = None,
        size: int | None = None,
    ) -> Colorizer:
        """Loads trained weights and the classifier they were trained with.

        Args:
            trained: a run's folder, its weights file or a name of `weights.SHIPPED`.
            classifier: "efficientnet_b4", "none" or a saved classifier's file; None takes the recorded one.
            look: "accurate" or "vivid", if the method has both; None takes vivid.
            engine: "keras" or "onnx"; None takes ONNX Runtime where it can compute the weights, else Keras.
            size: see the class.

        Raises:
            ArgumentError, EngineError, WeightsError, ClassifierError: see the class.
        """
        return cls(trained, classifier=classifier, look=look, engine=engine, size=size)

    @classmethod
    def from_preset(cls, preset: str | Path = weights.DEFAULT, **options: Any) -> Colorizer:
        """Loads a preset, as KerasHub does.

        Args:
            preset: a name of `presets()`, a folder of `save_to_preset`, a run's folder, or a handle:
                "hf://OWNER/NAME", "kaggle://OWNER/MODEL/FRAMEWORK/VARIATION".
            options: of the class, such as `look` or `classifier`.

        Raises:
            ArgumentError, WeightsError, ClassifierError: see the class; a hub does not give the files.
        """
        return cls(presets.folder_of(preset), **options)

    @staticmethod
    def presets() -> Mapping[str, presets.Preset]:
        """The presets that come with the package, by name, with their sizes and scores."""
        return presets.listed()

    def save_to_preset(self, folder: str | Path) -> None:
        """Writes weights, record and encoder into a folder that `from_preset` reads, also after it went to a hub.

        Args:
            folder: where to; files of the same names are replaced.

        Raises:
            WeightsError: a file stands in the folder's place.
        """
        presets.save(self, folder)

    def with_look(self, look: str | None, size: int | None = None) -> Colorizer:
        """The same network in another look. Both share its memory, and take turns where threads use them.

        Args:
            look: "accurate" or "vivid", if the method has both; None takes vivid.
            size: see the class; None leaves it. A network of squares has its own only.

        Raises:
            ArgumentError: the method has no such look, or the size is out of range or not to be chosen.
        """
        other = copy.copy(self)
        other.look = self.method.look_of(look)
        other.size = self.size and self.method.inference_size(self.image_size, size or self.size)
        other.forward = dataclasses.replace(self.forward, look=other.look, size=other.size)
        return other

    def predict_ab(self, rgbs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Predicts the colors of some photos, those of one shape in one forward pass.

        Args:
            rgbs: of each (H, W, 3) uint8 or uint16 sRGB; only L* is used.

        Returns:
            Of each `ab_norm_hat` (h, w, 2) float32, ab/128, of the part inside its frame: in its shape, or square
            where the network takes squares only.

        Raises:
            ArgumentError: not such a photo.
            WeightsError: the network gives something that is no number.
        """
        if not rgbs:
            return []
        # One photo after the other: the parts inside the frames of several large ones would take their memory twice.
        views = [self.forward.view(_inside(images.require_photo(rgb))) for rgb in rgbs]
        with self._one_at_a_time:
            return self.forward.ab_norm_of(views)

    @overload
    def colorize(self, photo: np.ndarray, strength: float = 1.0, **options: Unpack[Options]) -> np.ndarray: ...

    @overload
    def colorize(self, photo: Image.Image, strength: float = 1.0, **options: Unpack[Options]) -> Image.Image: ...

    @overload
    def colorize(
        self, photo: str | Path | photos.Photo, strength: float = 1.0, **options: Unpack[Options]
    ) -> photos.Photo: ...

    @overload
    def colorize(
        self, photo: Sequence[Picture], strength: float = 1.0, **options: Unpack[Options]
    ) -> list[ColorPicture]: ...

    def colorize(
        self,
        photo: Picture | Sequence[Picture],
        strength: float = 1.0,
        *,
        hints: Sequence[Hint] = (),
        reference: Picture | None = None,
    ) -> ColorPicture | list[ColorPicture]:
        """Gives one photo, or a list of photos, the colors that the network predicts.

        Args:
            photo: (H, W, 3) or (H, W) uint8 or uint16 sRGB, a picture of Pillow, a file, a
                `photos.Photo`, or a list of them.
            strength: factor of the predicted colors, from 0 (gray) to 1 (as predicted).
            hints: colors of some places of a single photo, which are kept there and spread over the same things.
            reference: a photo in color; what looks like something in it gets its colors.

        Returns:
            The same kind of thing in color: for an array (H, W, 3) of its dtype; for a picture of Pillow
            another, RGB or RGBA; for a file or a `Photo` a `Photo`, whose `save(path)` keeps EXIF,
            depth and alpha; for a list a list. L* is the photo's own wherever the color is inside sRGB.

        Raises:
            ArgumentError: not such a photo, or `strength` outside 0..1.
            PhotoError: a file cannot be read.
            WeightsError: the network gives something that is no number.
            HintError: a hint lies outside of the photo, or on its frame, or hints are given for a list.
        """
        full_size.require_strength(strength)
        several = isinstance(photo, (list, tuple))
        if several and hints:
            raise HintError(f"Hints belong to one photo. Received: a list of {len(photo)} photos")
        pictures = photo if several else [photo]
        if hints or (reference is not None and pictures):
            steering = FileSteering(lambda *_: hints, None if reference is None else self.steer(reference))
            results = [self._steered(picture, steering, strength) for picture in pictures]
        else:
            results = self.colorize_batch(pictures, strength)
        return results if several else results[0]

    def _steered(self, photo: Picture, steering: FileSteering, strength: float) -> ColorPicture:
        """Gives one photo the colors that are asked for."""
        rgb, like = inputs.open_any(photo)
        return like(full_size.merge(rgb, steering.colors(Path("picture"), rgb, self.steer, strength)))

    def steer(self, photo: Picture) -> SteeredPhoto:
        """Lets the network see a photo, to color it with one set of hints after another, each one more pass.

        Args:
            photo: of any kind that `colorize` takes, but no list.

        Raises:
            ArgumentError, PhotoError, WeightsError: see `colorize`.
        """
        return SteeredPhoto(self.forward, inputs.open_any(photo)[0], self._one_at_a_time)

    def likely_colors(self, photo: Picture, x: float, y: float, count: int = 5) -> list[str]:
        """The colors that a place of a photo most likely has, see `SteeredPhoto.likely_colors`."""
        return self.steer(photo).likely_colors(x, y, count)

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
            ArgumentError, PhotoError, WeightsError: see `colorize`.
        """
        batch_files.require_settings(batch_size, strength)
        if isinstance(photos, Picture) and getattr(photos, "ndim", 0) < 4:
            raise ArgumentError(f"A list of photos is needed; `colorize` takes one. Received: {type(photos).__name__}")
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
        *,
        overwrite: bool = False,
        quality: int = photos.JPEG_QUALITY,
        steering: FileSteering | None = None,
    ) -> Iterator[Outcome]:
        """Colorizes files. While the network works on some, threads decode the next and encode the last.

        Args:
            pairs: source and target of each photo; missing folders of targets are created.
            batch_size: photos in one forward pass.
            strength: factor of the colors, 0..1.
            overwrite: False leaves existing targets alone and yields `skipped` for them.
            quality: of JPEG, WebP and AVIF, see `photos.write`.
            steering: hints of the photos, and a reference for all.

        Returns:
            An iterator of an `Outcome` for each pair, in order. A photo that fails does not stop the others.

        Raises:
            ArgumentError: `batch_size` is less than 1, or `strength` lies outside 0..1.
        """
        batch_files.require_settings(batch_size, strength)
        return batch_files.run(
            self.predict_ab,
            pairs,
            batch_size=batch_size,
            strength=strength,
            overwrite=overwrite,
            quality=quality,
            steer=steering and partial(steering.colors, steer=self.steer, strength=strength),
        )


def _opened(
    path: Path, config: dict, classifier: str | None, engine: str | None
) -> tuple[keras.Model | engines.OnnxNetwork, Method, Classifier]:
    """The network of a weights file, with its method and classifier, in the engine that can compute it."""
    network = _onnx_network(path, engine)
    if network is not None:
        return network, methods.declared(config["method"]), _no_classifier()
    from colorizer.classifiers import classifier as classifiers

    method = methods.get(config["method"])
    source = classifiers.load_recorded(config, classifier) if method.uses_vector else _no_classifier()
    return weights.load(path, any_shape=True).network, method, source


def _onnx_network(path: Path, engine: str | None) -> engines.OnnxNetwork | None:
    """Opens the network in ONNX Runtime; None where Keras is to compute it."""
    if engines.choose(path, engine) == engines.KERAS:
        return None
    try:
        return engines.open_for(path)
    except EngineError as error:
        if engine is not None or not engines.is_installed(engines.KERAS):
            raise
        logger.warning("Keras computes, since %s", error)
        return None


def _no_classifier() -> Classifier:
    """Returns the source of zeros."""
    from colorizer.classifiers import classifier as classifiers

    return classifiers.load("none")


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
