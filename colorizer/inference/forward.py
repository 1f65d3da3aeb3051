"""The one way from pictures to colors. `Colorizer`, evaluation and the check of exported networks all take it.

    pictures -> squares of 256 pixels -> L* at the network's size ----> network -> decoding -> ab
                       |                                                   ^
                       +------> classifier -> class vector ----------------+

The classifier is shown 256 pixels even where the network sees fewer, because training makes the class vectors so.
Evaluation always shows squares. `Colorizer` keeps a photograph's shape where the network takes any: about as many
pixels as the square has, on a grid of `GRID`. A square photograph gets the same colors in both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from colorizer import color, images
from colorizer.config import CLASSES
from colorizer.errors import WeightsError
from colorizer.inference.engine import OnnxNetwork
from colorizer.methods.layers.bins import BINS
from colorizer.steering import network_hints
from colorizer.steering.hint import Hint
from colorizer.steering.prediction import Prediction

if TYPE_CHECKING:
    import keras

    from colorizer.classifiers.classifier import Classifier
    from colorizer.methods import Method

SIDE = 256  # pixels; the paper's size, and the least that a classifier is shown
GRID = 32  # pixels; the sides of what a network sees are multiples of it
BATCH_PIXELS = 2**21  # in one forward pass at most, such as eight photographs at size 512
LONGEST = 4.0  # times the shorter side: a longer photograph is squeezed to that
# Standard deviation of L* over the network's input: no colors up to the one, all colors from the other on. Of 15,947
# photographs and paintings (COCO, PACS, Kodak, black-and-white scans and 21 public collections) the least had 3.1.
FLAT_STD, PHOTO_STD = 0.5, 2.0


def square_side(image_size: int) -> int:
    """The side of the squares that pictures are first resized to, for a network of this size."""
    return max(SIDE, image_size)


def squares(pictures: Sequence[np.ndarray], image_size: int) -> np.ndarray:
    """Resizes pictures to what classifier and network are made from.

    Args:
        pictures: of each (H, W, 3) uint8 or uint16 sRGB.
        image_size: side of the network's input.

    Returns:
        (B, s, s, 3) uint8, s = `square_side(image_size)`.
    """
    side = square_side(image_size)
    return np.stack([images.to_uint8(images.resize_square(rgb, side)) for rgb in pictures])


def shape_at(shape: tuple[int, int], size: int) -> tuple[int, int]:
    """The height and width at which a network of any shape sees a photograph.

    Args:
        shape: height and width of the photograph.
        size: side of the square that has about as many pixels.

    Returns:
        Multiples of `GRID`, at least two of them, in about the photograph's aspect ratio.
    """
    ratio = float(np.clip(shape[1] / shape[0], 1 / LONGEST, LONGEST)) ** 0.5
    return tuple(max(2, round(side / GRID)) * GRID for side in (size / ratio, size * ratio))


class View(NamedTuple):
    """A photograph as network and classifier see it.

    Attributes:
        l_norm: (h, w, 1) float32, L*/50 - 1.
        square: (s, s, 3) uint8 for the classifier; None where there is none.
    """

    l_norm: np.ndarray
    square: np.ndarray | None


def luminance(rgb_u8: np.ndarray, image_size: int) -> np.ndarray:
    """The network's input: L* of squares, averaged over areas to the network's size.

    Args:
        rgb_u8: (B, s, s, 3) uint8, from `squares`.
        image_size: side of the network's input.

    Returns:
        `l_norm` (B, S, S, 1) float32, L*/50 - 1.
    """
    l_norm = np.stack([color.split(color.rgb_to_lab(rgb))[0] for rgb in rgb_u8])
    return _resize(l_norm, image_size, cv2.INTER_AREA)


def predict(
    network: keras.Model | OnnxNetwork,
    method: Method,
    l_norm: np.ndarray,
    vector: np.ndarray,
    look: str | None = None,
) -> np.ndarray:
    """Network and decoding.

    Args:
        network: of that method, in either engine.
        method: from `colorizer.methods.get`; `declared` is enough for an `OnnxNetwork`.
        l_norm: (B, S, S, 1) float32, L*/50 - 1.
        vector: (B, 1000) float32 class vectors.
        look: one of the method's looks; None takes its first, or the only one.

    Returns:
        `ab_norm_hat` (B, S, S, 2) float32, ab/128.

    Raises:
        WeightsError: the network gives something that is no number.
    """
    if isinstance(network, OnnxNetwork):
        return _require_numbers(network.predict(l_norm, look))
    if look is None:
        return _require_numbers(method.predict_ab(network, l_norm, vector))
    return _require_numbers(method.predict_look(network, l_norm, vector, look))


def evidence(l_norm: np.ndarray) -> np.ndarray:
    """How far the luminance allows to predict colors at all.

    Without it a sheet of plain gray becomes a blue sky, because plain areas of photographs most often are one.

    Args:
        l_norm: (B, S, S, 1) float32, the network's input.

    Returns:
        (B, 1, 1, 1) float32: 0 for one flat tone, 1 for every photograph, between them in proportion to the
        standard deviation of L*. Colors are multiplied with it.
    """
    deviation = l_norm.std(axis=(1, 2, 3), keepdims=True) * color.L_HALF
    return np.clip((deviation - FLAT_STD) / (PHOTO_STD - FLAT_STD), 0, 1).astype(np.float32)


@dataclass(frozen=True)
class Forward:
    """A network and all it needs to color pictures.

    Attributes:
        network: of that method, in either engine.
        method: from `colorizer.methods.get`; `declared` is enough for an `OnnxNetwork`.
        image_size: side of the network's input.
        classifier: gives class vectors; None gives zeros.
        look: one of the method's looks; None takes its first, or the only one.
        size: of what `view` makes of a photograph, in its own shape: the side of the square that has about as many
            pixels. The network then takes any shape. None: `view` makes squares of `image_size`.
    """

    network: keras.Model | OnnxNetwork
    method: Method
    image_size: int
    classifier: Classifier | None = None
    look: str | None = None
    size: int | None = None

    def view(self, rgb: np.ndarray) -> View:
        """Makes of a photograph what `ab_norm_of` takes.

        Args:
            rgb: (H, W, 3) uint8 or uint16 sRGB; only L* is used.

        Returns:
            A `View` of few pixels. A square one is what `ab_norm` makes of the photograph.
        """
        size, square = self.size or self.image_size, None
        shape = shape_at(rgb.shape[:2], size) if self.size else (size, size)
        fine = tuple(round(side * square_side(size) / size) for side in shape)
        small = images.to_uint8(images.resize(rgb, fine))
        if self.classifier is not None and self.method.uses_vector:
            square = squares([rgb], size)[0]
        l_norm = color.split(color.rgb_to_lab(small))[0]
        if fine != shape:
            l_norm = cv2.resize(l_norm, shape[::-1], interpolation=cv2.INTER_AREA)[..., None]
        return View(l_norm, square)

    def ab_norm_of(self, views: Sequence[View]) -> list[np.ndarray]:
        """Predicts the colors of photographs, those of one shape together.

        Args:
            views: from `view`, of any shapes.

        Returns:
            Of each `ab_norm_hat` (h, w, 2) float32, ab/128, in the shape of its `l_norm`.

        Raises:
            WeightsError: the network gives something that is no number.
        """
        predictions: list[np.ndarray] = [None] * len(views)
        for places in _batches(views):
            batch_size = _batch_size(self.network, len(places))
            l_norm = np.stack([views[place].l_norm for place in places])
            seen = [views[place].square for place in places]
            vectors = np.zeros((len(places), CLASSES), np.float32)
            if seen[0] is not None:
                vectors = self.classifier.vectors(np.stack(seen), batch_size=batch_size)
            padded = _pad(l_norm, batch_size), _pad(vectors, batch_size)
            for place, ab_norm_hat in zip(places, self._predict(*padded)[: len(places)], strict=True):
                predictions[place] = ab_norm_hat
        return predictions

    def ab_norm(
        self,
        pictures: Sequence[np.ndarray],
        vectors: np.ndarray | None = None,
        size: int | None = None,
        batch_size: int | None = None,
    ) -> np.ndarray:
        """Predicts the colors of pictures in one batch.

        Args:
            pictures: of each (H, W, 3) uint8 or uint16 sRGB; only L* is used.
            vectors: (B, 1000) float32, their class vectors; None asks the classifier.
            size: side of the result, enlarged bilinearly; None leaves the network's.
            batch_size: of the padded batch; None takes the next power of two. Keras compiles once for each size.

        Returns:
            `ab_norm_hat` (B, size, size, 2) float32, ab/128.

        Raises:
            WeightsError: the network gives something that is no number.
        """
        return self._run(self._predict, pictures, vectors, size, batch_size)

    def lab_norm(
        self,
        pictures: Sequence[np.ndarray],
        vectors: np.ndarray | None = None,
        size: int | None = None,
        batch_size: int | None = None,
    ) -> np.ndarray:
        """Predicts luminance as well as colors, for a method with `predict_lab`.

        Args:
            pictures: see `ab_norm`.
            vectors: see `ab_norm`.
            size: see `ab_norm`.
            batch_size: see `ab_norm`.

        Returns:
            (B, size, size, 3) float32: L*/50 - 1, a/128, b/128.

        Raises:
            WeightsError: the network gives something that is no number.
        """

        def colors(l_norm, vector):
            lab = _require_numbers(self.method.predict_lab(self.network, l_norm, vector))
            l_norm_hat, ab_norm_hat = color.split(lab)
            return np.concatenate([l_norm_hat, _supported(ab_norm_hat, l_norm)], axis=-1)

        return self._run(colors, pictures, vectors, size, batch_size)

    def prediction(self, picture: np.ndarray) -> Prediction:
        """Predicts all that is known of one picture's colors, so that it can be steered.

        Args:
            picture: (H, W, 3) uint8 or uint16 sRGB; only L* is used.

        Returns:
            A `Prediction`; `probabilities` and `features` as far as the method has them.

        Raises:
            WeightsError: the network gives something that is no number.
        """
        l_norm, vector = self._inputs(picture)
        network, method, probabilities = self.network, self.method, None
        if isinstance(network, OnnxNetwork):
            ab_norm_hat, features = predict(network, method, l_norm, vector, self.look), network.features(l_norm)
            output = network.output(l_norm) if method.predicts_bins else None
            probabilities = None if output is None else _softmax(output)
        else:
            features = method.features(network, l_norm)
            if method.predicts_bins:
                ab_norm_hat, probabilities = method.predict_bins(network, l_norm, vector, self.look)
            else:
                ab_norm_hat = predict(network, method, l_norm, vector, self.look)
        return Prediction(
            _supported(ab_norm_hat, l_norm)[0],
            None if probabilities is None else probabilities[0],
            None if probabilities is None else BINS,
            None if features is None else features[0],
        )

    @property
    def takes_hints(self) -> bool:
        """Whether `hinted` can be asked."""
        return self.method.takes_hints and getattr(self.network, "takes_hints", True)

    def hinted(self, picture: np.ndarray, hints: Sequence[Hint]) -> np.ndarray:
        """Predicts the colors of one picture of which some are known, for a method that `takes_hints`.

        Args:
            picture: (H, W, 3) uint8 or uint16 sRGB; only L* is used.
            hints: with x and y in pixels of the picture.

        Returns:
            `ab_norm_hat` (h, w, 2) float32, ab/128.

        Raises:
            WeightsError: the network gives something that is no number.
        """
        l_norm, vector = self._inputs(picture)
        given = network_hints.grid(hints, picture.shape[:2], l_norm.shape[1:3])[np.newaxis]
        if isinstance(self.network, OnnxNetwork):
            colors = self.network.predict(l_norm, self.look, given)
        else:
            colors = self.method.predict_hinted(self.network, l_norm, vector, given, self.look)
        return _supported(colors, l_norm)[0]

    def _predict(self, l_norm, vector):
        """Colors of a batch, as far as its luminance supports them."""
        return _supported(predict(self.network, self.method, l_norm, vector, self.look), l_norm)

    def _inputs(self, picture):
        """The network's inputs for one picture."""
        view = self.view(picture)
        vector = np.zeros((1, CLASSES), np.float32)
        if view.square is not None:
            vector = self.classifier.vectors(view.square[np.newaxis], batch_size=1)
        return view.l_norm[np.newaxis], vector

    def _run(self, colors: Callable, pictures, vectors, size, batch_size) -> np.ndarray:
        """Everything before and after the network."""
        count = len(pictures)
        batch_size = batch_size or _batch_size(self.network, count)
        rgb_u8 = squares(pictures, self.image_size)
        if vectors is None:
            nothing = np.zeros((count, CLASSES), np.float32)
            vectors = nothing if self.classifier is None else self.classifier.vectors(rgb_u8, batch_size=batch_size)
        l_norm = luminance(rgb_u8, self.image_size)
        predictions = colors(_pad(l_norm, batch_size), _pad(vectors, batch_size))[:count]
        return _resize(predictions, size or self.image_size, cv2.INTER_LINEAR)


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _batches(views: Sequence[View]) -> Iterator[list[int]]:
    """The places of views of one shape, at most `BATCH_PIXELS` together."""
    for shape in dict.fromkeys(view.l_norm.shape for view in views):
        places = [place for place, view in enumerate(views) if view.l_norm.shape == shape]
        most = max(1, BATCH_PIXELS // (shape[0] * shape[1]))
        yield from (places[start : start + most] for start in range(0, len(places), most))


def _require_numbers(predictions) -> np.ndarray:
    """The predictions as float32, if all are finite."""
    predictions = np.asarray(predictions, np.float32)
    if not np.isfinite(predictions).all():
        raise WeightsError(
            "The network gives colors that are no numbers (NaN or infinite): its training failed, or the file is "
            "damaged. Take other weights, or train again with a lower --learning-rate."
        )
    return predictions


def _supported(ab_norm_hat, l_norm: np.ndarray) -> np.ndarray:
    """Predicted colors, if all are finite, times the `evidence` for them."""
    return _require_numbers(ab_norm_hat) * evidence(l_norm)


def _pad(batch: np.ndarray, size: int) -> np.ndarray:
    """Fills a batch up with zeros: Keras compiles a function again for every new shape."""
    return np.pad(batch, [(0, size - len(batch))] + [(0, 0)] * (batch.ndim - 1))


def _resize(batch: np.ndarray, side: int, interpolation: int) -> np.ndarray:
    """(B, S, S, C) -> (B, side, side, C)."""
    if batch.shape[1] == side:
        return batch
    resized = [cv2.resize(image, (side, side), interpolation=interpolation) for image in batch]
    return np.stack(resized).reshape(len(batch), side, side, -1)


def _batch_size(network: keras.Model | OnnxNetwork, count: int) -> int:
    """The size of a padded batch: ONNX Runtime takes any without compiling again."""
    return count if isinstance(network, OnnxNetwork) else _next_power_of_two(count)


def _next_power_of_two(count: int) -> int:
    """At most twice the work, and at most four shapes for batches of up to eight."""
    return 1 << (count - 1).bit_length()
