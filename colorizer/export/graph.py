"""The whole way from luminance to color as one Keras model, for runtimes without Keras.

    l_norm (1, P, P, 1) --+--> averaged to (1, S, S, 1) --> network --> decoding --> ab_norm_hat (1, S, S, 2)
                          +--> gray picture --> classifier ----^

P is 256, or the network's size S where that is more: `inference.forward.square_side`. What Python does between the
networks elsewhere (the gray picture, resizing, a method's decoding) is done here by tensor operations, so that
nothing but numbers goes in and out. Tests compare it with `inference.forward`.
"""

from __future__ import annotations

from functools import partial

import cv2
import keras
import numpy as np
from keras import ops

from colorizer import color
from colorizer.config import CLASSES
from colorizer.inference import forward
from colorizer.inference.colorizer import Colorizer


class GrayPicture(keras.layers.Layer):
    """Luminance -> the picture a classifier sees: `classifier.gray_input` in tensor operations.

    Args:
        side: of the luminance.
        size: of the classifier's input.

    Source: §III.B; CIE 15 and IEC 61966-2-1 for the two curves, the numbers of `color`.
    """

    def __init__(self, side: int, size: int):
        super().__init__(name="gray_picture")
        self.side, self.size = side, size
        # Resizing is linear and separable: OpenCV's, applied to the unit matrix, is the matrix that does the same.
        filter = cv2.INTER_AREA if size < side else cv2.INTER_LINEAR
        self.rows = cv2.resize(np.eye(side, dtype=np.float32), (side, size), interpolation=filter)
        # The published matrix and white point give a neutral color a red that is not quite its Y, and `color.gray`
        # is that red. TRICKY: without it one pixel in 2,500 is a level off, and a classifier notices.
        encoded = float(color.lab_to_rgb(np.array([[[color.L_HALF, 0, 0]]]), np.float32)[0, 0, 0])
        self.red = ((encoded + 0.055) / 1.055) ** 2.4 / ((color.L_HALF + 16) / 116) ** 3

    def call(self, l_norm):
        """`l_norm` (B, S, S, 1), -1..1 -> (B, s, s, 3) float32, whole numbers 0..255."""
        f = (l_norm[..., 0] * color.L_HALF + color.L_HALF + 16) / 116
        linear = self.red * ops.where(f > color.LAB_KNEE, f * f * f, (f - 16 / 116) / color.LAB_SLOPE)
        root = ops.power(ops.maximum(linear, color.SRGB_KNEE), 1 / 2.4)
        level = 255 * ops.where(linear > color.SRGB_KNEE, 1.055 * root - 0.055, color.SRGB_SLOPE * linear)
        # Whole levels before and after resizing, halves to even: what OpenCV makes of uint8 pictures.
        gray = ops.round(ops.clip(level, 0, 255))
        gray = self._shrunk(gray) if self.size <= self.side else self._enlarged(gray)
        return ops.repeat(gray[..., None], 3, axis=-1)

    def _shrunk(self, gray):
        """INTER_AREA: (B, S, S) -> (B, s, s), in single precision and rounded once, as OpenCV does it."""
        across = ops.matmul(gray, ops.convert_to_tensor(self.rows.T))
        both = ops.matmul(ops.swapaxes(across, 1, 2), ops.convert_to_tensor(self.rows.T))
        return ops.round(ops.swapaxes(both, 1, 2))

    def _enlarged(self, gray):
        """INTER_LINEAR: (B, S, S) -> (B, s, s).

        TRICKY: of uint8, OpenCV takes weights in 1/2048 and cuts parts of a level off between its steps; plain
        arithmetic is a level off in one pixel of eight, always in the same direction. Here it is one in 500.
        """
        parts = np.rint(self.rows * 2048)
        upper = (self.rows > 0).argmax(axis=1)
        lower = np.minimum(upper + 1, self.side - 1)
        lower_part = np.where(lower > upper, parts[np.arange(self.size), lower], 0).astype(np.float32)
        across = ops.floor(ops.matmul(gray, ops.convert_to_tensor(parts.T)) / 16)
        from_upper = ops.take(across, upper, axis=1) * ops.convert_to_tensor(2048 - lower_part)[:, None]
        from_lower = ops.take(across, lower, axis=1) * ops.convert_to_tensor(lower_part)[:, None]
        return ops.floor((ops.floor(from_upper / 65536) + ops.floor(from_lower / 65536) + 2) / 4)


class Average(keras.layers.Layer):
    """Luminance at the network's size: `inference.forward.luminance`'s resizing in tensor operations.

    Args:
        side: of the luminance that is given.
        size: of the luminance that the network takes, at most `side`.
    """

    def __init__(self, side: int, size: int):
        super().__init__(name="average")
        # Resizing is linear and separable: OpenCV's, applied to the unit matrix, is the matrix that does the same.
        self.rows = cv2.resize(np.eye(side, dtype=np.float32), (side, size), interpolation=cv2.INTER_AREA)

    def call(self, l_norm):
        """(B, P, P, 1) float32 -> (B, S, S, 1) float32."""
        columns = ops.convert_to_tensor(self.rows.T)
        across = ops.swapaxes(ops.matmul(l_norm[..., 0], columns), 1, 2)
        return ops.swapaxes(ops.matmul(across, columns), 1, 2)[..., None]


class ContrastConfidence(keras.layers.Layer):
    """Scales colors by `inference.forward.contrast_confidence`, in tensor operations."""

    def call(self, ab_norm_hat, l_norm):
        """Both (B, S, S, ...) float32 -> (B, S, S, 2) float32."""
        deviation = ops.std(l_norm, axis=(1, 2, 3), keepdims=True) * color.L_HALF
        share = (deviation - forward.FLAT_STD) / (forward.PHOTO_STD - forward.FLAT_STD)
        return ab_norm_hat * ops.clip(share, 0, 1)


class NoClasses(keras.layers.Layer):
    """The class vector of "none": zeros (B, 1000) for any `l_norm`."""

    def call(self, l_norm):
        """(B, S, S, 1) -> (B, 1000)."""
        return ops.zeros((ops.shape(l_norm)[0], CLASSES), l_norm.dtype)


class Decoding(keras.layers.Layer):
    """A method's decoding, from the network's output to `ab_norm_hat`; see `methods.base.Method.ab_of`.

    Args:
        ab_of: the method's function, with its look.
    """

    def __init__(self, ab_of):
        super().__init__(name="ab_norm_hat")
        self.ab_of = ab_of

    def call(self, output, l_norm):
        """The network's output and (B, S, S, 1) -> (B, S, S, 2) float32, ab/128."""
        return self.ab_of(output, l_norm)


def build(colorizer: Colorizer) -> keras.Model:
    """Joins gray picture, classifier, network and decoding.

    Args:
        colorizer: a loaded `Colorizer`; its weights are shared, not copied.

    Returns:
        A model `l_norm` (B, P, P, 1) float32 in -1..1 -> `ab_norm_hat` (B, S, S, 2) float32, ab/128. P is
        `inference.forward.square_side` of the network's size S.

    Raises:
        ValueError: the network's output is not ab and its method does not say how to decode it.
    """
    size, seen = colorizer.image_size, colorizer.classifier.model
    side = forward.square_side(size)
    given = keras.Input((side, side, 1), name="l_norm")
    l_norm = given if size == side else Average(side, size)(given)
    if seen is None:
        vector = NoClasses(name="no_classes")(l_norm)
    else:
        vector = seen(GrayPicture(side, seen.input_shape[1])(given), training=False)
    output = colorizer.network([l_norm, vector], training=False)
    ab_norm_hat = Decoding(partial(colorizer.method.ab_of, look=colorizer.look))(output, l_norm)
    if ab_norm_hat.shape[1:] != (size, size, 2):
        raise ValueError(
            f"`ab_of` of a method gives (B, {size}, {size}, 2). "
            f"Received: {ab_norm_hat.shape} from the method {colorizer.method.name}"
        )
    return keras.Model(given, ContrastConfidence(name="contrast_confidence")(ab_norm_hat, l_norm), name="colorizer")
