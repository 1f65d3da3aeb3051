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


def draw(count: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Where hints are given in training: no hint in half of the pictures, else 1 to 64 patches.

    Args:
        count: pictures.
        size: height and width of the hints' grid.
        rng: the source of all draws.

    Returns:
        (count, height, width, 1) float32, 1 in the patches.
    """
    mask = np.zeros((count, *size, 1), np.float32)
    for picture in mask:
        if rng.random() < 0.5:
            continue
        # Few are as frequent as many: the number's logarithm is uniform.
        for _ in range(int(np.exp(rng.uniform(0, np.log(MOST + 1))))):
            row, column, radius = (int(rng.integers(n)) for n in (*size, LARGEST + 1))
            picture[max(row - radius, 0) : row + radius + 1, max(column - radius, 0) : column + radius + 1] = 1
    return mask


def of(ab_norm, mask):
    """Hints of true colors: (B, h, w, 2) ab/128 and (B, h, w, 1) mask -> (B, h, w, 3), as tensors or arrays."""
    concatenate = np.concatenate if isinstance(ab_norm, np.ndarray) else ops.concatenate
    return concatenate([ab_norm * mask / RANGE, mask], axis=-1)


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
        return ops.concatenate([means[..., :2] / ops.maximum(share, 1e-3), ops.cast(share > 0, means.dtype)], axis=-1)

    def compute_output_shape(self, shape):
        return shape[0], shape[1] // self.factor, shape[2] // self.factor, shape[3]

    def get_config(self):
        return super().get_config() | {"factor": self.factor}


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
        return ops.zeros(self.compute_output_shape((ops.shape(l_norm)[0], *l_norm.shape[1:])), self.compute_dtype)

    def compute_output_shape(self, shape):
        return shape[0], shape[1] // self.stride, shape[2] // self.stride, 3

    def get_config(self):
        return super().get_config() | {"stride": self.stride}
