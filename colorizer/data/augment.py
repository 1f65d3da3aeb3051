"""Keras' ImageDataGenerator with three changes: OpenCV computes its warp, its draws are
repeatable for any number of threads, and it does not touch the global random state.

The paper's "flip, zoom, etc." transforms the picture before it is split, so L and ab stay
aligned: all three channels of one uint8 image go through one transform.
"""

from __future__ import annotations

import threading

import cv2
import numpy as np

try:  # where people expect it; the class itself lies in a private module of Keras
    from tensorflow.keras.preprocessing.image import ImageDataGenerator as _Stock
except ImportError:  # the JAX backend without TensorFlow
    from keras.src.legacy.preprocessing.image import ImageDataGenerator as _Stock

# The names on the left are Keras'. "constant" fills with `cval`.
_BORDERS = {
    "nearest": cv2.BORDER_REPLICATE,
    "constant": cv2.BORDER_CONSTANT,
    "reflect": cv2.BORDER_REFLECT,
    "wrap": cv2.BORDER_WRAP,
}
_FLIPS = {"flip_horizontal": 0, "flip_vertical": 0}
_NO_WARP = {"theta": 0, "tx": 0, "ty": 0, "shear": 0, "zx": 1, "zy": 1}
_INTERPOLATIONS = {0: cv2.INTER_NEAREST, 1: cv2.INTER_LINEAR, 3: cv2.INTER_CUBIC}


class _Draws(threading.local):
    """One legacy generator for each thread: making one costs ten times what reseeding it does."""

    def __init__(self):
        self.generator = np.random.RandomState(0)


_draws = _Draws()


def draw_seed(seed: int, epoch: int, index: int) -> int:
    """The seed of one image's transform in one epoch.

    Args:
        seed: of the run.
        epoch: counted from 0.
        index: of the image in the data set, not of its place in the epoch's order.

    Returns:
        An int in 0..2^32 - 1; the same for the same three numbers, on every machine.
    """
    return int(np.random.SeedSequence((seed, epoch, index)).generate_state(1)[0])


class ImageDataGenerator(_Stock):
    """`keras.preprocessing.image.ImageDataGenerator` with its affine warp done by OpenCV.

    Same constructor, and for the same `seed` the same random draws as the stock class.
    The warp agrees with the stock class's SciPy warp to better than 45 dB on photographs
    (OpenCV interpolates at 1/32 of a pixel) and takes a uint8 image to a uint8 image.

    Source: paper §III.B; the ranges in use are in `TrainConfig`.
    """

    def get_random_transform(self, img_shape, seed=None):
        """Draws one transform.

        Args:
            img_shape: (height, width, channels).
            seed: int, or None to draw from NumPy's global generator as the stock class does.

        Returns:
            The stock class's dictionary of parameters; the same values that Keras draws for `seed`.
        """
        rng = np.random
        if seed is not None:
            rng = _draws.generator
            rng.seed(seed)
        theta = rng.uniform(-self.rotation_range, self.rotation_range) if self.rotation_range else 0
        tx = self._draw_shift(rng, self.height_shift_range, img_shape[self.row_axis - 1])
        ty = self._draw_shift(rng, self.width_shift_range, img_shape[self.col_axis - 1])
        shear = rng.uniform(-self.shear_range, self.shear_range) if self.shear_range else 0
        zx, zy = (1, 1) if tuple(self.zoom_range) == (1, 1) else rng.uniform(*self.zoom_range, 2)
        return {
            "theta": theta,
            "tx": tx,
            "ty": ty,
            "shear": shear,
            "zx": zx,
            "zy": zy,
            "flip_horizontal": (rng.random_sample() < 0.5) * self.horizontal_flip,
            "flip_vertical": (rng.random_sample() < 0.5) * self.vertical_flip,
            "channel_shift_intensity": (
                rng.uniform(-self.channel_shift_range, self.channel_shift_range) if self.channel_shift_range else None
            ),
            "brightness": rng.uniform(*self.brightness_range) if self.brightness_range is not None else None,
        }

    @staticmethod
    def _draw_shift(rng, shift_range, length):
        """Pixels to shift by: a share of `length`, or one of a list of whole numbers."""
        if not np.any(shift_range):
            return 0
        try:
            shift = rng.choice(shift_range) * rng.choice([-1, 1])
        except ValueError:  # a float: Keras distinguishes the two in the same way
            shift = rng.uniform(-shift_range, shift_range)
        return shift * length if np.max(shift_range) < 1 else shift

    def apply_transform(self, x, transform_parameters):
        """Applies one transform.

        Args:
            x: (H, W, C) uint8 or float32.
            transform_parameters: from `get_random_transform`.

        Returns:
            (H, W, C) of the same dtype.
        """
        if self.interpolation_order not in _INTERPOLATIONS:  # splines OpenCV does not have
            return super().apply_transform(x, transform_parameters)
        moves = {k: transform_parameters.get(k, neutral) for k, neutral in (_NO_WARP | _FLIPS).items()}
        flips = tuple(int(moves.pop(k)) for k in _FLIPS)
        if moves != _NO_WARP:
            x = self._warp(x, *flips, **moves)
        elif any(flips):
            x = cv2.flip(x, {(1, 0): 1, (0, 1): 0, (1, 1): -1}[flips]).reshape(x.shape)  # OpenCV's codes
        rest = {k: v for k, v in transform_parameters.items() if k not in moves and k not in _FLIPS}
        if any(rest.values()) or rest.get("brightness") is not None:  # channel shift, brightness
            x = super().apply_transform(x, rest)
        return np.ascontiguousarray(x)

    def _warp(self, x, mirror, upside_down, theta, tx, ty, shear, zx, zy):
        """Keras' rotation, shift, shear and zoom about the center, then its flips, all in one sampling by OpenCV."""
        height, width = x.shape[:2]
        sin, cos = np.sin(np.deg2rad(theta)), np.cos(np.deg2rad(theta))
        sin_shear, cos_shear = np.sin(np.deg2rad(shear)), np.cos(np.deg2rad(shear))
        matrix = np.array([[cos, -sin], [sin, cos]])
        offset = matrix @ (tx, ty)
        matrix = matrix @ [[1, -sin_shear], [0, cos_shear]] @ np.diag([zx, zy])
        # TRICKY: Keras takes the height for x here, which only shows on pictures that are not square.
        center = np.array([height / 2 - 0.5, width / 2 - 0.5])
        # (x, y) of the output -> (x, y) of the input, which is Keras' matrix before it swaps the axes.
        affine = np.column_stack([matrix, offset + center - matrix @ center])
        if mirror:
            affine = affine @ [[-1, 0, width - 1], [0, 1, 0], [0, 0, 1]]
        if upside_down:
            affine = affine @ [[1, 0, 0], [0, -1, height - 1], [0, 0, 1]]
        # Four channels go through OpenCV's vector units in half the time that three take.
        has_color = x.shape[2] == 3
        warped = cv2.warpAffine(
            cv2.cvtColor(x, cv2.COLOR_RGB2RGBA) if has_color else x,
            affine,
            (width, height),
            flags=_INTERPOLATIONS[self.interpolation_order] | cv2.WARP_INVERSE_MAP,
            borderMode=_BORDERS[self.fill_mode],
            borderValue=(self.cval,) * 4,
        )
        # OpenCV drops a last axis of one.
        return cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB) if has_color else warped.reshape(x.shape)
