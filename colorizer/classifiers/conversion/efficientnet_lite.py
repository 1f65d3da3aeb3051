"""EfficientNet-Lite 0, 1 and 2 as plain Keras models, with the weights of a PyTorch checkpoint.

EfficientNet without squeeze-and-excitation, with ReLU6 for swish; stem and head are not scaled.
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from colorizer.config import CLASSES
from colorizer.errors import ClassifierError

MEAN, SCALE = 127.0, 128.0  # of a pixel in 0..255
STEM, HEAD = 32, 1280  # filters
DIVISOR = 8  # of the number of filters


class Scaling(NamedTuple):
    """How much wider and deeper than Lite0 a network is, and the side of its input."""

    width: float
    depth: float
    size: int


class Stage(NamedTuple):
    """Blocks of one kind; the first has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    filters: int


SCALINGS = {
    "efficientnet_lite0": Scaling(1.0, 1.0, 224),
    "efficientnet_lite1": Scaling(1.0, 1.1, 240),
    "efficientnet_lite2": Scaling(1.1, 1.2, 260),
}
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


def build(name: str, scaling: Scaling | None = None) -> keras.Model:
    """An EfficientNet-Lite with random weights.

    Args:
        name: of the model, "efficientnet_lite0" to "efficientnet_lite2".
        scaling: None: the published one.

    Returns:
        (B, s, s, 3) float32 RGB 0..255 -> (B, 1000) softmax, s = 224, 240 or 260.
    """
    scaling = scaling or SCALINGS[name]
    image = keras.Input((scaling.size, scaling.size, 3), name="image")
    x = layers.Rescaling(1 / SCALE, -MEAN / SCALE, name="rescaling")(image)
    x = _relu(_convolution(x, STEM, 3, "stem", strides=2), "stem")
    number = 0
    for index, stage in enumerate(STAGES):
        first_or_last = index in (0, len(STAGES) - 1)  # their depth is not scaled
        for block in range(stage.blocks if first_or_last else math.ceil(scaling.depth * stage.blocks)):
            x = _block(x, stage, stage.stride if block == 0 else 1, _filters(stage, scaling), f"block{number}")
            number += 1
    x = _relu(_convolution(x, HEAD, 1, "head"), "head")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax", name="predictions")(x), name=name)


def _filters(stage: Stage, scaling: Scaling) -> int:
    """Filters of a stage: a multiple of 8, at most 10 % less than asked for."""
    wanted = stage.filters * scaling.width
    rounded = max(DIVISOR, int(wanted + DIVISOR / 2) // DIVISOR * DIVISOR)
    return rounded + DIVISOR if rounded < 0.9 * wanted else rounded


def _block(x, stage: Stage, strides: int, filters: int, name: str):
    """Expansion, depthwise convolution, projection; the input is added where the shape is the same."""
    before = x
    if stage.expansion != 1:
        x = _relu(_convolution(x, stage.expansion * x.shape[-1], 1, f"{name}_expand"), f"{name}_expand")
    depthwise = layers.DepthwiseConv2D(
        stage.kernel, strides=strides, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )
    x = _relu(_normalization(depthwise(x), f"{name}_depthwise"), f"{name}_depthwise")
    x = _convolution(x, filters, 1, f"{name}_project")
    return layers.Add(name=f"{name}_add")([x, before]) if x.shape == before.shape else x


def _convolution(x, filters: int, kernel: int, name: str, strides: int = 1):
    """A convolution without bias, then batch normalization."""
    conv = layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False, name=f"{name}_conv")
    return _normalization(conv(x), name)


def _normalization(x, name: str):
    return layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name=f"{name}_bn")(x)


def _relu(x, name: str):
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def set_weights(model: keras.Model, checkpoint: Mapping[str, np.ndarray]) -> None:
    """Copies the weights of a PyTorch checkpoint into a model from `build`.

    Args:
        model: its weights are replaced.
        checkpoint: name -> array, as the package efficientnet_lite_pytorch names them.

    Raises:
        ClassifierError: a weight is missing, left over, or of another shape.
    """
    left = {name for name in checkpoint if not name.endswith("num_batches_tracked")}

    def take(name):
        left.discard(name)
        return checkpoint[name]

    try:
        for layer in model.layers:
            if layer.weights:
                layer.set_weights(_weights_of(layer, take))
    except (KeyError, ValueError) as error:
        raise ClassifierError(f"The checkpoint does not fit {model.name}. Received: {error}") from error
    if left:
        raise ClassifierError(f"The checkpoint has weights that {model.name} has not. Received: {sorted(left)[0]}")


def _weights_of(layer, take) -> list[np.ndarray]:
    """A layer's weights in Keras' order and layout, out of a checkpoint."""
    name = _checkpoint_name(layer.name)
    if isinstance(layer, layers.BatchNormalization):
        return [take(f"{name}.{part}") for part in ("weight", "bias", "running_mean", "running_var")]
    kernel = take(f"{name}.weight")
    if isinstance(layer, layers.Dense):
        return [kernel.T, take(f"{name}.bias")]
    # PyTorch: (out, in, h, w), depthwise (channels, 1, h, w). Keras: (h, w, in, out) and (h, w, channels, 1).
    return [kernel.transpose((2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0))]


_WHOLE = {"stem_conv": "_conv_stem", "stem_bn": "_bn0", "head_conv": "_conv_head", "head_bn": "_bn1"}
_IN_BLOCK = {
    "expand_conv": "_expand_conv",
    "expand_bn": "_bn0",
    "depthwise_conv": "_depthwise_conv",
    "depthwise_bn": "_bn1",
    "project_conv": "_project_conv",
    "project_bn": "_bn2",
}


def _checkpoint_name(layer: str) -> str:
    """What the checkpoint calls a layer: "block3_expand_bn" -> "_blocks.3._bn0"."""
    if layer == "predictions":
        return "_fc"
    if layer in _WHOLE:
        return _WHOLE[layer]
    block, _, part = layer.partition("_")
    return f"_blocks.{block.removeprefix('block')}.{_IN_BLOCK[part]}"
