"""A classifier that looks at pictures in color: its scores, one vector for a picture, and its feature maps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from colorizer.errors import ClassifierError

if TYPE_CHECKING:
    from colorizer.classifiers.classifier import Classifier

STRIDES = (4, 8, 16, 32)  # of the feature maps that are used
BATCH = 16  # pictures in a forward pass; fewer are padded


class Seen(NamedTuple):
    """What a classifier sees in some pictures.

    Attributes:
        classes: (B,) int, the class with the highest score.
        vector: (B, C) float32, the mean of the coarsest feature map over its places.
        levels: (B, h, w, C) float32 each, the last feature map of each of `STRIDES`.
    """

    classes: np.ndarray
    vector: np.ndarray
    levels: list[np.ndarray]


class Features:
    """A classifier with its feature maps as further outputs.

    Args:
        classifier: from `classifier.load`.

    Raises:
        ClassifierError: it has no feature map of one of `STRIDES`, or it is none.
    """

    def __init__(self, classifier: Classifier):
        import keras

        self.name, self.fingerprint, model = classifier.name, classifier.fingerprint, classifier.model
        if model is None:
            raise ClassifierError(f"Features need a classifier. Received: {classifier.name}. Name another.")
        self.size = model.input_shape[1]
        last = {layer.output.shape[1]: layer.output for layer in model.layers if _is_map(layer)}
        sides = [math.ceil(self.size / stride) for stride in STRIDES]
        if missing := [f"1/{stride}" for stride, side in zip(STRIDES, sides, strict=True) if side not in last]:
            raise ClassifierError(
                f"Features need maps of 1/4 to 1/32 of the input's side. Received: {self.name}, {self.size} pixels, "
                f"without {', '.join(missing)}. Name another classifier."
            )
        self.model = keras.Model(model.inputs, [model.outputs[0], *(last[side] for side in sides)])

    def extract(self, rgb_u8: np.ndarray) -> Seen:
        """Looks at some pictures.

        Args:
            rgb_u8: (B, S, S, 3) uint8 sRGB, at most `BATCH`.

        Returns:
            A `Seen`.
        """
        shrinks = rgb_u8.shape[1] > self.size
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        batch = np.zeros((BATCH, self.size, self.size, 3), np.float32)
        for target, picture in zip(batch, rgb_u8, strict=False):
            target[:] = cv2.resize(picture, (self.size, self.size), interpolation=how)
        scores, *levels = (np.asarray(part, np.float32)[: len(rgb_u8)] for part in self.model.predict_on_batch(batch))
        return Seen(scores.argmax(axis=-1), levels[-1].mean(axis=(1, 2)), levels)


def _is_map(layer) -> bool:
    shape = getattr(layer.output, "shape", ())
    return len(shape) == 4
