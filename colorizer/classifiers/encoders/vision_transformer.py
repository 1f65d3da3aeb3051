"""The Vision Transformer as an encoder: one token a patch, for pictures of any size and shape.

    picture --> patches --> + positions, class token --> blocks --> some blocks' tokens, each normalized

Positions are learned for one grid of patches and interpolated bicubically for every other one.

Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021; the layer scale of Touvron et al., Going Deeper with
Image Transformers, ICCV 2021, is part of the matrices here. Written from the papers; no code of theirs is used.
"""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

EPSILON = 1e-6  # of layer normalization, as in the paper's code and DINOv2's
CUBIC = -0.75  # the free coefficient of bicubic interpolation, as in PyTorch and in DINOv2


class Shape(NamedTuple):
    """The size of a Vision Transformer; by itself ViT-S.

    Attributes:
        width: channels of a token.
        heads: of every block's attention.
        blocks: how many there are.
        grid: the side of the grid that positions are learned for.
    """

    width: int = 384
    heads: int = 6
    blocks: int = 12
    grid: int = 37


def bicubic(size: int, side: int):
    """Weights that interpolate `side` values at `size` places, half-pixel centers, edges repeated.

    Args:
        size: how many values are wanted; a number, or a tensor where a network takes any size.
        side: how many there are.

    Returns:
        (size, side) float32, an array for a number; every row sums to 1.
    """
    if not isinstance(size, int):
        return _bicubic(size, side)
    centers = (np.arange(size) + 0.5) * side / size - 0.5
    first = np.floor(centers).astype(int)
    weights = np.zeros((size, side))
    for offset in (-1, 0, 1, 2):
        distance = np.abs(centers - first - offset)
        near = ((CUBIC + 2) * distance - (CUBIC + 3)) * distance**2 + 1
        far = CUBIC * (((distance - 5) * distance + 8) * distance - 4)
        np.add.at(
            weights,
            (np.arange(size), np.clip(first + offset, 0, side - 1)),
            np.where(distance <= 1, near, np.where(distance < 2, far, 0)),
        )
    return weights.astype(np.float32)


def _bicubic(size, side: int):
    """`bicubic` in tensor operations."""
    centers = (ops.cast(ops.arange(size), "float32") + 0.5) * (side / ops.cast(size, "float32")) - 0.5
    first = ops.floor(centers)
    weights = 0.0
    for offset in (-1, 0, 1, 2):
        distance = ops.abs(centers - first - offset)
        near = ((CUBIC + 2) * distance - (CUBIC + 3)) * distance**2 + 1
        far = CUBIC * (((distance - 5) * distance + 8) * distance - 4)
        places = ops.one_hot(ops.cast(ops.clip(first + offset, 0, side - 1), "int32"), side)
        weights = weights + places * ops.where(distance <= 1, near, ops.where(distance < 2, far, 0.0))[:, None]
    return weights


@keras.saving.register_keras_serializable("colorizer")
class Patches(keras.layers.Layer):
    """Pictures (B, H, W, C) -> sequences (B, 1 + H/patch W/patch, width) float32, the class token first.

    Args:
        patch: side of a patch in pixels.
        width: channels of a token.
        grid: side of the grid that the positions are learned for.
    """

    def __init__(self, patch: int, width: int, grid: int, **kwargs):
        super().__init__(**kwargs, autocast=False)
        self.patch, self.width, self.grid = patch, width, grid

    def build(self, shape):
        self.kernel = self.add_weight(shape=(self.patch, self.patch, shape[-1], self.width), name="kernel")
        self.bias = self.add_weight(shape=(self.width,), initializer="zeros", name="bias")
        self.first = self.add_weight(shape=(1, 1, self.width), initializer="zeros", name="class_token")
        self.positions = self.add_weight(shape=(self.grid, self.grid, self.width), name="positions")

    def call(self, pictures):
        rows, columns = (length // self.patch for length in ops.shape(pictures)[1:3])
        pictures = ops.cast(pictures, self.compute_dtype)
        x = ops.conv(pictures, ops.cast(self.kernel, self.compute_dtype), strides=self.patch, padding="valid")
        x = ops.cast(ops.reshape(x, (-1, rows * columns, self.width)), "float32")
        x = x + ops.reshape(self._positions(rows, columns), (1, rows * columns, self.width))
        first = ops.broadcast_to(ops.cast(self.first, "float32"), (ops.shape(x)[0], 1, self.width))
        return ops.concatenate([first, x], axis=1)

    def _positions(self, rows, columns):
        """The positions for this grid with the bias: (rows, columns, width) float32."""
        learned = ops.reshape(ops.cast(self.positions, "float32"), (self.grid, self.grid * self.width))
        down = ops.reshape(ops.matmul(bicubic(rows, self.grid), learned), (rows, self.grid, self.width))
        return ops.matmul(bicubic(columns, self.grid), down) + ops.cast(self.bias, "float32")

    def compute_output_shape(self, shape):
        count = None if None in shape[1:3] else 1 + (shape[1] // self.patch) * (shape[2] // self.patch)
        return shape[0], count, self.width

    def get_config(self):
        return super().get_config() | {"patch": self.patch, "width": self.width, "grid": self.grid}


@keras.saving.register_keras_serializable("colorizer")
class Block(keras.layers.Layer):
    """Self-attention and two dense layers, each behind a layer normalization and added to what came in.

    Products are in the layer's compute type.

    Args:
        heads: of the attention.
    """

    def __init__(self, heads: int, **kwargs):
        super().__init__(**kwargs, autocast=False)  # the sum of the blocks stays float32
        self.heads = heads

    def build(self, shape):
        width = shape[-1]
        for name, size in (("norm1", width), ("norm2", width)):
            setattr(self, name + "_scale", self.add_weight(shape=(size,), initializer="ones", name=name + "_scale"))
            setattr(self, name + "_shift", self.add_weight(shape=(size,), initializer="zeros", name=name + "_shift"))
        sizes = {"qkv": (width, 3 * width), "out": (width, width), "up": (width, 4 * width), "down": (4 * width, width)}
        for name, size in sizes.items():
            setattr(self, name + "_kernel", self.add_weight(shape=size, name=name + "_kernel"))
            setattr(self, name + "_bias", self.add_weight(shape=size[1:], initializer="zeros", name=name + "_bias"))

    def _dense(self, x, name):
        kernel, bias = getattr(self, name + "_kernel"), getattr(self, name + "_bias")
        return ops.add(ops.matmul(x, ops.cast(kernel, self.compute_dtype)), ops.cast(bias, self.compute_dtype))

    def _normalized(self, x, name):
        scale, shift = getattr(self, name + "_scale"), getattr(self, name + "_shift")
        return ops.cast(normalized(x) * scale + shift, self.compute_dtype)

    def call(self, x):
        tokens, width = ops.shape(x)[1], x.shape[2]
        # Split, not indexed: TensorFlow's gradient of an index is as large as what was indexed, and slow.
        query, key, value = (
            ops.transpose(ops.reshape(part, (-1, tokens, self.heads, width // self.heads)), (0, 2, 1, 3))
            for part in ops.split(self._dense(self._normalized(x, "norm1"), "qkv"), 3, axis=-1)
        )
        scores = ops.matmul(query * (width // self.heads) ** -0.5, ops.transpose(key, (0, 1, 3, 2)))
        attended = ops.matmul(ops.softmax(scores, axis=-1), value)
        attended = ops.reshape(ops.transpose(attended, (0, 2, 1, 3)), (-1, tokens, width))
        x = x + ops.cast(self._dense(attended, "out"), "float32")
        hidden = ops.cast(self._dense(self._normalized(x, "norm2"), "up"), "float32")
        # On CPUs the error function of bfloat16 takes twice the time of float32's.
        hidden = ops.cast(ops.gelu(hidden, approximate=False), self.compute_dtype)
        return x + ops.cast(self._dense(hidden, "down"), "float32")

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return super().get_config() | {"heads": self.heads}


@keras.saving.register_keras_serializable("colorizer")
class Grid(keras.layers.Layer):
    """Sequences of some blocks -> (B, rows, columns, channels) float32: each token normalized, the class token dropped.

    Args:
        rows: of patches; None where the network takes any size. Then the pictures follow the sequences as an input.
        columns: of patches; None where `rows` is.
        patch: side of a patch in pixels, for a network that takes any size.
    """

    def __init__(self, rows: int | None, columns: int | None, patch: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.rows, self.columns, self.patch = rows, columns, patch

    def call(self, levels):
        rows, columns = self.rows, self.columns
        if rows is None:
            *levels, pictures = levels
            rows, columns = (side // self.patch for side in ops.shape(pictures)[1:3])
        x = ops.concatenate([normalized(level[:, 1:]) for level in levels], axis=-1)
        return ops.reshape(x, (-1, rows, columns, x.shape[-1]))

    def compute_output_shape(self, shapes):
        levels = shapes if self.rows else shapes[:-1]
        return shapes[0][0], self.rows, self.columns, sum(shape[-1] for shape in levels)

    def get_config(self):
        return super().get_config() | {"rows": self.rows, "columns": self.columns, "patch": self.patch}


def normalized(x):
    """Every vector with mean 0 and variance 1: (..., C) float32."""
    centered = x - ops.mean(x, axis=-1, keepdims=True)
    return centered * ops.rsqrt(ops.mean(ops.square(centered), axis=-1, keepdims=True) + EPSILON)


def build(
    size: tuple[int | None, int | None],
    levels: tuple[int, ...],
    shape: Shape = Shape(),  # noqa: B008 (immutable)
    *,
    patch: int = 14,
    channels: int = 3,
    name: str = "encoder",
    dtype=None,
) -> keras.Model:
    """A Vision Transformer with random weights.

    Args:
        size: height and width of the pictures, multiples of `patch`; (None, None) for any.
        levels: the blocks whose tokens come out, counted from 0.
        shape: see `Shape`.
        patch: side of a patch in pixels.
        channels: of the pictures.
        name: of the model.
        dtype: of the layers' products; None for the global policy.

    Returns:
        A model (B, H, W, channels) float -> (B, H/patch, W/patch, levels x width) float32.

    Raises:
        ValueError: the size is no multiple of `patch`.
    """
    if any(side and side % patch for side in size):
        raise ValueError(f"A picture's sides are multiples of {patch}. Received: {size}. Resize it.")
    pictures = keras.Input((*size, channels), name="pictures")
    x = Patches(patch, shape.width, shape.grid, name="patches", dtype=dtype)(pictures)
    outputs = []
    for index in range(max(levels) + 1):
        x = Block(shape.heads, name=f"block{index:02d}", dtype=dtype)(x)
        if index in levels:
            outputs.append(x)
    if None in size:
        grid, outputs = Grid(None, None, patch, name="tokens", dtype="float32"), [*outputs, pictures]
    else:
        grid = Grid(size[0] // patch, size[1] // patch, name="tokens", dtype="float32")
    return keras.Model(pictures, grid(outputs), name=name)
