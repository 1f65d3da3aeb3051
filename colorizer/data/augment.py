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

_NO_WARP = {"theta": 0, "shear": 0, "zx": 1, "zy": 1}


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

    The ranges of a run, and for the same `seed` the same random draws as the stock class.
    The warp agrees with the stock class's SciPy warp to better than 45 dB on photographs
    (OpenCV interpolates at 1/32 of a pixel) and takes a uint8 image to a uint8 image.

    Args:
        horizontal_flip: whether half of the images are mirrored.
        zoom_range: float, the largest zoom in or out, as a share; at random in both directions.
        rotation_range: float, the largest rotation in degrees.
        shear_range: float, the largest shear in degrees.

    Source: paper §III.B; the ranges in use are in `TrainConfig`.
    """

    def __init__(self, *, horizontal_flip=False, zoom_range=0.0, rotation_range=0.0, shear_range=0.0):
        super().__init__(
            horizontal_flip=horizontal_flip,
            zoom_range=zoom_range,
            rotation_range=rotation_range,
            shear_range=shear_range,
        )

    def get_random_transform(self, img_shape, seed=None):
        """Draws one transform.

        Args:
            img_shape: (height, width, channels); no range depends on it.
            seed: int, or None to draw from NumPy's global generator as the stock class does.

        Returns:
            Of the stock class's dictionary of parameters those that vary; the same values that Keras draws for `seed`.
        """
        rng = np.random
        if seed is not None:
            rng = _draws.generator
            rng.seed(seed)
        theta = rng.uniform(-self.rotation_range, self.rotation_range) if self.rotation_range else 0
        shear = rng.uniform(-self.shear_range, self.shear_range) if self.shear_range else 0
        zx, zy = (1, 1) if tuple(self.zoom_range) == (1, 1) else rng.uniform(*self.zoom_range, 2)
        mirrored = (rng.random_sample() < 0.5) * self.horizontal_flip
        return {"theta": theta, "shear": shear, "zx": zx, "zy": zy, "flip_horizontal": mirrored}

    def apply_transform(self, x, transform_parameters):
        """Applies one transform.

        Args:
            x: (H, W, 3) uint8.
            transform_parameters: from `get_random_transform`.

        Returns:
            (H, W, 3) uint8.
        """
        moves = {name: transform_parameters.get(name, neutral) for name, neutral in _NO_WARP.items()}
        mirrored = transform_parameters.get("flip_horizontal", False)
        if moves != _NO_WARP:
            x = self._warp(x, mirrored, **moves)
        elif mirrored:
            x = cv2.flip(x, 1)
        return np.ascontiguousarray(x)

    def _warp(self, x, mirrored, *, theta, shear, zx, zy):
        """Keras' rotation, shear and zoom about the center, then its flip, all in one sampling by OpenCV."""
        height, width = x.shape[:2]
        sin, cos = np.sin(np.deg2rad(theta)), np.cos(np.deg2rad(theta))
        sin_shear, cos_shear = np.sin(np.deg2rad(shear)), np.cos(np.deg2rad(shear))
        matrix = np.array([[cos, -sin], [sin, cos]]) @ [[1, -sin_shear], [0, cos_shear]] @ np.diag([zx, zy])
        # TRICKY: Keras takes the height for x here, which only shows on pictures that are not square.
        center = np.array([height / 2 - 0.5, width / 2 - 0.5])
        # (x, y) of the output -> (x, y) of the input, which is Keras' matrix before it swaps the axes.
        affine = np.column_stack([matrix, center - matrix @ center])
        if mirrored:
            affine = affine @ [[-1, 0, width - 1], [0, 1, 0], [0, 0, 1]]
        # Four channels go through OpenCV's vector units in half the time that three take.
        warped = cv2.warpAffine(
            cv2.cvtColor(x, cv2.COLOR_RGB2RGBA),
            affine,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,  # Keras' "nearest"
        )
        return cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB)
