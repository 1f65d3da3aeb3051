"""MobileNetEdgeTPU 1.0 as a Keras model, made of its public 8-bit TensorFlow Lite file.

The weights are dequantized; batch normalization is already folded into them. The layers' shapes and order come
from the file, what it hides (strides, skip connections) from the published architecture.
https://github.com/tensorflow/models/tree/master/research/slim/nets/mobilenet
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from colorizer.errors import ClassifierError

SIZE = 224
CHANNELS = 3
SCALE, OFFSET = 0.007874015718698502, -1.0078740119934082  # of the file's quantized input, 128 is 0
STRIDED_BLOCKS = (1, 5, 9, 17)  # the first layer of these blocks with a kernel over 1x1 halves the side
NO_SKIP = (13,)  # blocks of equal input and output channels without a skip connection
BLOCK = re.compile(r"/expanded_conv(?:_(\d+))?/")


class Convolution(NamedTuple):
    """One convolution of the file: its block (None: before or after the blocks), kernel and bias as Keras has them."""

    block: int | None
    depthwise: bool
    kernel: np.ndarray
    bias: np.ndarray


def read(path: str | Path) -> list[Convolution]:
    """Reads the convolutions of a TensorFlow Lite file.

    Args:
        path: `mobilenet_edgetpu_224_1.0_uint8.tflite`.

    Returns:
        The convolutions in order: kernels (h, w, in, out), depthwise (h, w, channels, 1); biases (out,); float32.

    Raises:
        ClassifierError: the package ai-edge-litert is missing, or the file is of another network.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ClassifierError(
            "A .tflite file is read by the package ai-edge-litert. Received: it is not installed. "
            "Run: pip install ai-edge-litert"
        ) from error
    try:
        interpreter = Interpreter(model_path=str(path))
    except ValueError as error:
        raise ClassifierError(f"--tflite must name a TensorFlow Lite file. Received: {path} ({error})") from error
    details = sorted(interpreter.get_tensor_details(), key=lambda detail: detail["index"])
    kernels = [detail for detail in details if "/weights_quant/" in detail["name"]]
    biases = [detail for detail in details if detail["dtype"] == np.int32 and detail["quantization"][0]]
    if not kernels or len(kernels) != len(biases):
        raise ClassifierError(
            f"--tflite must name a quantized MobileNetEdgeTPU. Received: {path} with {len(kernels)} kernels and "
            f"{len(biases)} biases"
        )

    def dequantized(detail):
        scale, zero = detail["quantization"]
        return ((interpreter.get_tensor(detail["index"]).astype(np.int64) - zero) * scale).astype(np.float32)

    convolutions = []
    for kernel, bias in zip(kernels, biases, strict=True):
        block, depthwise = BLOCK.search(kernel["name"]), "/depthwise/" in kernel["name"]
        # The file has (out, h, w, in), and (1, h, w, channels) where it is depthwise.
        values = dequantized(kernel).transpose(1, 2, 3, 0), dequantized(bias)
        convolutions.append(Convolution(int(block[1] or 0) if block else None, depthwise, *values))
    return convolutions


def build(convolutions: list[Convolution]) -> keras.Model:
    """The network with the weights that `read` gives.

    Args:
        convolutions: the stem, those of the blocks, the head, and the classes.

    Returns:
        (B, 224, 224, 3) float32 RGB 0..255 -> (B, 1000) softmax.
    """
    image = keras.Input((SIZE, SIZE, CHANNELS), name="rgb_0_255")
    x = layers.Rescaling(SCALE, OFFSET, name="rescale")(image)
    *body, head, classes = list(enumerate(convolutions))
    block_input, weights = x, {}

    def apply(x, number, convolution, strides, activation):
        name = f"{'dw' if convolution.depthwise else 'conv'}{number:02d}"
        height, width, _, filters = convolution.kernel.shape
        options = {"strides": strides, "padding": "same", "activation": activation, "name": name}
        weights[name] = [convolution.kernel, convolution.bias]
        if convolution.depthwise:
            return layers.DepthwiseConv2D((height, width), **options)(x)
        return layers.Conv2D(filters, (height, width), **options)(x)

    for position, (number, convolution) in enumerate(body):
        block = convolution.block
        starts = position == 0 or body[position - 1][1].block != block
        ends = body[position + 1][1].block != block if position + 1 < len(body) else True
        block_input = x if starts else block_input
        spatial = convolution.kernel.shape[0] > 1
        strides = 2 if spatial and (block is None or block in STRIDED_BLOCKS) else 1
        projects = block is not None and ends
        x = apply(x, number, convolution, strides, None if projects else "relu")
        if projects and x.shape == block_input.shape and block not in NO_SKIP:
            x = layers.Add()([x, block_input])
    x = apply(x, *head, 1, "relu")
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)
    x = layers.Flatten(name="logits1001")(apply(x, *classes, 1, None))
    scores = layers.Softmax(name="predictions")(x[:, 1:])  # the file's first class is "background"
    model = keras.Model(image, scores, name="mobilenet_edgetpu")
    for name, values in weights.items():
        model.get_layer(name).set_weights(values)
    return model
