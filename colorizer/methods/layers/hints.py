"""Color hints: patches of true color that a network is given beside the luminance, and how training draws them.

    hints (B, h, w, 3): a and b over `RANGE` where there is a hint, and a mask of 0 and 1; zeros are no hint at all

A person's clicks, a reference photograph and the previous frame of a film all come as such hints.

Zhang, Zhu, Isola, Geng, Lin, Yu, Efros: Real-Time User-Guided Image Colorization with Learned Deep Priors,
SIGGRAPH 2017. Written from the paper; no code of theirs is used.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

MOST = 64  # patches in one picture
LARGEST = 2  # pixels of the hints' grid from a patch's center to its edge
RANGE = 0.4  # of ab/128: about 50 Lab units become 1
ATTENTION = 64  # channels in which tokens are compared
LOWEST = -1e4  # a score that counts nothing
DRAWS = 2 + 3 * MOST  # random numbers that decide where a picture's hints are


def sample_masks(uniform, size: tuple[int, int]):
    """Where hints are given in training: no hint in half of the pictures, else 1 to 64 patches.

    Few patches are as frequent as many: their number's logarithm is uniform.

    Args:
        uniform: (B, `DRAWS`) float32 in 0..1, the random numbers that decide.
        size: height and width of the hints' grid.

    Returns:
        (B, height, width, 1) float32, 1 in the patches.
    """
    uniform = ops.convert_to_tensor(uniform, "float32")
    # Half of the pictures have none: to color without hints is trained as much as with them.
    given = ops.cast(uniform[:, :1] < 0.5, "float32")
    # exp of 0 to ln 65, rounded down, is 1 to 64; about as many pictures have 1 to 7 patches as have 8 to 64.
    number = given * ops.floor(ops.exp(uniform[:, 1:2] * float(np.log(MOST + 1))))
    drawn = ops.cast(np.arange(MOST), "float32") < number
    # 0, 1 or 2, equally often: a patch is 1, 3 or 5 cells of four pixels wide, 4 to 20 pixels.
    radius = ops.floor(uniform[:, 2 : 2 + MOST] * (LARGEST + 1))
    places = (uniform[:, 2 + MOST : 2 + 2 * MOST], uniform[:, 2 + 2 * MOST :])
    rows, columns = (
        ops.abs(ops.cast(np.arange(n), "float32") - ops.floor(place * n)[..., None]) <= radius[..., None]
        for n, place in zip(size, places, strict=True)
    )
    rows = ops.cast(rows & drawn[..., None], "float32")
    patches = ops.matmul(ops.transpose(rows, (0, 2, 1)), ops.cast(columns, "float32"))
    return ops.cast(patches > 0, "float32")[..., None]


def make_hints(ab_norm, mask):
    """Hints of true colors: (B, h, w, 2) ab/128 and (B, h, w, 1) mask -> (B, h, w, 3)."""
    return ops.concatenate([ab_norm * mask / RANGE, mask], axis=-1)


@keras.saving.register_keras_serializable("colorizer")
class Averaged(keras.layers.Layer):
    """Hints on a coarser grid: the mean color of the hints in a cell, and whether there is any.

    Args:
        factor: how much coarser.
    """

    def __init__(self, factor: int, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, hints):
        means = ops.average_pool(hints, self.factor, self.factor)
        share = means[..., 2:]
        # A cell of 4x4 has a share of 1/16 at least where it has a hint; the bound is for those without one.
        return ops.concatenate([means[..., :2] / ops.maximum(share, 1e-3), ops.cast(share > 0, means.dtype)], axis=-1)

    def compute_output_shape(self, shape):
        height, width = (side and side // self.factor for side in shape[1:3])
        return shape[0], height, width, shape[3]

    def get_config(self):
        return super().get_config() | {"factor": self.factor}


@keras.saving.register_keras_serializable("colorizer")
class Spread(keras.layers.Layer):
    """Hints carried to all cells that look alike: attention from every cell to the cells that have a hint.

    Convolutions carry a hint a few cells far. An object is larger, and what is alike may lie anywhere: both sleeves of
    a coat, the sky on both sides of a tower. A cell also attends to nothing at all, with a score of its own, so that
    what is like no hint is left alone. Without hints everything is zero.
    """

    def build(self, tokens_shape, hints_shape):
        shape = (tokens_shape[-1], ATTENTION)
        self.kernel = self.add_weight(shape=shape, initializer="glorot_uniform", name="kernel")
        # Cosines are within 1 of 0: with 8 the most alike cell counts e^16 times as much as the least alike.
        self.sharpness = self.add_weight(shape=(), initializer=keras.initializers.Constant(8.0), name="sharpness")
        self.nothing = self.add_weight(shape=(), initializer=keras.initializers.Constant(4.0), name="nothing")
        # Of the squared distance in cells: 10 cells cost 1.
        self.distance = self.add_weight(shape=(), initializer=keras.initializers.Constant(0.01), name="distance")

    def call(self, tokens, hints):
        """(B, h, w, C) and (B, h, w, 3) -> (B, h, w, 3) float32: the mean hint, and how much of it is a hint's."""
        # In float32: an exponential makes a small difference large.
        _, height, width, channels = ops.shape(tokens)
        cells = height * width
        x = ops.matmul(ops.reshape(ops.cast(tokens, "float32"), (-1, cells, channels)), self.kernel)
        x = x / ops.sqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-6)
        known = ops.reshape(ops.cast(hints, "float32"), (-1, cells, 3))
        rows, columns = (ops.cast(ops.arange(side), "float32") for side in (height, width))
        rows, columns = ops.repeat(rows, width), ops.tile(columns, (height,))
        apart = ops.square(rows[:, None] - rows) + ops.square(columns[:, None] - columns)
        score = self.sharpness * ops.matmul(x, ops.transpose(x, (0, 2, 1))) - self.distance * apart
        # The largest is taken out, of the scores of hints and of nothing: no exponential is then above 1.
        score = ops.where(ops.transpose(known[..., 2:], (0, 2, 1)) > 0, score, LOWEST)
        largest = ops.stop_gradient(ops.maximum(ops.max(score, axis=-1, keepdims=True), self.nothing))
        share = ops.exp(score - largest)
        total = ops.sum(share, axis=-1, keepdims=True) + ops.exp(self.nothing - largest)
        return ops.reshape(ops.matmul(share, known) / total, (-1, height, width, 3))

    def compute_output_shape(self, tokens_shape, hints_shape):
        return hints_shape


@keras.saving.register_keras_serializable("colorizer")
class NoHints(keras.layers.Layer):
    """Zeros in the shape of hints, for a picture's luminance (B, H, W, 1): (B, H/stride, W/stride, 3).

    Args:
        stride: pixels of the picture to one of the hints' grid.
    """

    def __init__(self, stride: int, **kwargs):
        super().__init__(**kwargs)
        self.stride = stride

    def call(self, l_norm):
        return ops.zeros(self.compute_output_shape(ops.shape(l_norm)), self.compute_dtype)

    def compute_output_shape(self, shape):
        return shape[0], *(None if side is None else side // self.stride for side in shape[1:3]), 3

    def get_config(self):
        return super().get_config() | {"stride": self.stride}
