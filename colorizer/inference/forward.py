"""The one way of inference from pictures to colors: of `Colorizer`, evaluation and the check of exported networks.

    pictures -> squares of 256 pixels -> L* at the network's size ----> network -> decoding -> ab
                       |                                                   ^
                       +------> classifier -> class vector ----------------+

The classifier is shown 256 pixels even where the network sees fewer, because training makes the class vectors so.
Evaluation always shows squares. `Colorizer` keeps a photograph's shape where the network takes any: about as many
pixels as the square has, on a grid of `GRID`. A square photograph gets the same colors in both.

TRICKY: training resizes a picture once, to the network's size, and computes L* after it (`data.pixel_store`,
`training.long.mixture`). Here L* is computed before, of 256 pixels, and then averaged. Below 256 pixels the two differ:
hardly by the order, but at sizes that do not divide 256 the second resizing softens edges. Colors change little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from colorizer import color, images
from colorizer.errors import WeightsError
from colorizer.steering import network_hints
from colorizer.steering.hint import Hint
from colorizer.steering.prediction import Prediction

if TYPE_CHECKING:
    from colorizer.classifiers.classifier import Classifier
    from colorizer.inference.engine import Network

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


def luminance(rgb_u8: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The network's input: L* of pictures, averaged over areas to the network's size.

    Args:
        rgb_u8: (B, h, w, 3) uint8 sRGB, such as `squares`.
        shape: height H and width W of the network's input.

    Returns:
        `l_norm` (B, H, W, 1) float32, L*/50 - 1.
    """
    l_norm = np.stack([color.split(color.rgb_to_lab(rgb))[0] for rgb in rgb_u8])
    return _resize(l_norm, shape, cv2.INTER_AREA)


def require_finite(predictions: np.ndarray) -> np.ndarray:
    """Returns predictions if all are finite.

    Args:
        predictions: what a network gives, of any shape.

    Returns:
        The same in float32.

    Raises:
        WeightsError: some are NaN or infinite.
    """
    predictions = np.asarray(predictions, np.float32)
    if not np.isfinite(predictions).all():
        raise WeightsError(
            "The network gives colors that are no numbers (NaN or infinite): its training failed, or the file is "
            "damaged. Take other weights, or train again with a lower --learning-rate."
        )
    return predictions


def contrast_confidence(l_norm: np.ndarray) -> np.ndarray:
    """How much colors can be trusted that are predicted from luminance of this contrast.

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
        network: in either engine.
        image_size: side of the network's input.
        classifier: gives class vectors to a network that uses them; None gives zeros.
        look: one of the method's looks; None takes its first, or the only one.
        size: of what `view` makes of a photograph, in its own shape: the side of the square that has about as many
            pixels. The network then takes any shape. None: `view` makes squares of `image_size`.
    """

    network: Network
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
        if self.size is None:
            return self._square_view(rgb)
        return self._view(rgb, shape_at(rgb.shape[:2], self.size), self.size)

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
            l_norm, vector = self._inputs([views[place] for place in places])
            for place, ab_norm_hat in zip(places, self._predict(l_norm, vector)[: len(places)], strict=True):
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
        l_norm, vector = self._inputs([self._square_view(rgb) for rgb in pictures], vectors, batch_size)
        return self._enlarged(self._predict(l_norm, vector)[: len(pictures)], size)

    def lab_norm(
        self,
        pictures: Sequence[np.ndarray],
        vectors: np.ndarray | None = None,
        size: int | None = None,
        batch_size: int | None = None,
    ) -> np.ndarray:
        """Predicts luminance as well as colors, by `Method.predict_lab`; for a `KerasNetwork`.

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
        l_norm, vector = self._inputs([self._square_view(rgb) for rgb in pictures], vectors, batch_size)
        l_norm_hat, ab_norm_hat = color.split(require_finite(self.network.predict_lab(l_norm, vector)))
        predictions = np.concatenate([l_norm_hat, _scale_by_confidence(ab_norm_hat, l_norm)], axis=-1)
        return self._enlarged(predictions[: len(pictures)], size)

    def prediction(self, picture: np.ndarray) -> Prediction:
        """Predicts all that is known of one picture's colors, so that it can be steered.

        Args:
            picture: (H, W, 3) uint8 or uint16 sRGB; only L* is used.

        Returns:
            A `Prediction`; `probabilities` and `features` as far as the method has them.

        Raises:
            WeightsError: the network gives something that is no number.
        """
        l_norm, vector = self._inputs([self.view(picture)])
        batch = self.network.predict_all(l_norm, vector, self.look)
        batch = batch._replace(ab_norm_hat=_scale_by_confidence(batch.ab_norm_hat, l_norm))
        return Prediction(*(None if one is None else one[0] for one in batch))

    @property
    def takes_hints(self) -> bool:
        """Whether `hinted` can be asked."""
        return self.network.takes_hints

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
        l_norm, vector = self._inputs([self.view(picture)])
        given = network_hints.grid(hints, picture.shape[:2], l_norm.shape[1:3])[np.newaxis]
        return _scale_by_confidence(self.network.predict(l_norm, vector, self.look, given), l_norm)[0]

    def _view(self, rgb: np.ndarray, shape: tuple[int, int], size: int) -> View:
        """A photograph at a height and width, in the scale of squares of `size` pixels."""
        side = square_side(size)
        fine = tuple(round(side * length / size) for length in shape)
        small, square = images.to_uint8(images.resize(rgb, fine)), None
        if self.classifier is not None and self.network.uses_vector:
            square = small if fine == (side, side) else squares([rgb], size)[0]
        return View(luminance(small[np.newaxis], shape)[0], square)

    def _square_view(self, rgb: np.ndarray) -> View:
        """A picture as evaluation shows it, whatever `size` is."""
        return self._view(rgb, (self.image_size, self.image_size), self.image_size)

    def _inputs(
        self, views: Sequence[View], vectors: np.ndarray | None = None, batch_size: int | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The network's inputs for views of one shape, filled up with zeros to a batch."""
        batch_size = batch_size or self.network.batch_size(len(views))
        if vectors is None and views[0].square is not None:
            vectors = self.classifier.vectors(np.stack([view.square for view in views]), batch_size=batch_size)
        l_norm = _pad(np.stack([view.l_norm for view in views]), batch_size)
        return l_norm, None if vectors is None else _pad(vectors, batch_size)

    def _predict(self, l_norm: np.ndarray, vector: np.ndarray | None) -> np.ndarray:
        """The colors of a batch, as far as its luminance supports them."""
        return _scale_by_confidence(self.network.predict(l_norm, vector, self.look), l_norm)

    def _enlarged(self, predictions: np.ndarray, size: int | None) -> np.ndarray:
        """Predictions for squares at another size; None for the network's."""
        size = size or self.image_size
        return _resize(predictions, (size, size), cv2.INTER_LINEAR)


def _batches(views: Sequence[View]) -> Iterator[list[int]]:
    """The places of views of one shape, at most `BATCH_PIXELS` together."""
    for shape in dict.fromkeys(view.l_norm.shape for view in views):
        places = [place for place, view in enumerate(views) if view.l_norm.shape == shape]
        most = max(1, BATCH_PIXELS // (shape[0] * shape[1]))
        yield from (places[start : start + most] for start in range(0, len(places), most))


def _scale_by_confidence(ab_norm_hat: np.ndarray, l_norm: np.ndarray) -> np.ndarray:
    """Predicted colors, if all are finite, times their `contrast_confidence`."""
    return require_finite(ab_norm_hat) * contrast_confidence(l_norm)


def _pad(batch: np.ndarray, size: int) -> np.ndarray:
    """Fills a batch up with zeros: Keras compiles a function again for every new shape."""
    return np.pad(batch, [(0, size - len(batch))] + [(0, 0)] * (batch.ndim - 1))


def _resize(batch: np.ndarray, shape: tuple[int, int], interpolation: int) -> np.ndarray:
    """(B, h, w, C) -> (B, *shape, C)."""
    if batch.shape[1:3] == shape:
        return batch
    resized = [cv2.resize(image, shape[::-1], interpolation=interpolation) for image in batch]
    return np.stack(resized).reshape(len(batch), *shape, -1)
