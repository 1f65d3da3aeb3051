"""What a network has for an encoder: a classifier cut into its scales, a Vision Transformer, or plain convolutions."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from colorizer import color
from colorizer.classifiers.encoders import vision_transformer
from colorizer.errors import ClassifierError, UsageError
from colorizer.methods.layers.inputs import Shape, shape_of

STRIDES = (4, 8, 16, 32)  # of the scales that are used
PLAIN = (24, 48, 96, 192, 384)  # channels of `plain_encoder`'s five sizes: as many parameters as a small classifier
PROBE = 64  # side of the input at which a classifier's scales are told apart, where that is to be any
PATCH = 16  # pixels of the input to a token of `token_encoder`


def feature_pyramid(encoder: keras.Model, image_size: int | Shape) -> keras.Model:
    """Cuts a classifier into its scales, without its head and for another input size.

    Args:
        encoder: float RGB (B, s, s, 3) in 0..255 -> anything, with feature maps of 1/4 to 1/32 of the input.
        image_size: side of the input, or its height and width, multiples of 32; (None, None) for any.

    Returns:
        A model (B, H, W, 3) -> four outputs (B, H/4, W/4, C) to (B, H/32, W/32, C): the last layer of each size, found
        by shape and not by name. Its weights are copies.

    Raises:
        UsageError: the input is too small to be reduced so often.
        ClassifierError: a size is missing, so it is no such classifier.
    """
    shape = shape_of(image_size)
    if any(side and side < 2 * STRIDES[-1] for side in shape):
        least = f"--image-size must be at least {2 * STRIDES[-1]} for a method with a pretrained encoder"
        raise UsageError(f"{least}. Received: {shape[0] if shape[0] == shape[1] else shape}")
    maps = [layer.output for layer in encoder.layers if _is_map(layer)]
    cut = keras.Model(encoder.inputs, maps[-1:])
    whole = _resized(cut, shape)
    known = whole
    if None in shape:
        suits = cut.input_shape[1] and cut.input_shape[1] % STRIDES[-1] == 0
        known = cut if suits else _resized(cut, (PROBE, PROBE))
    # Only the size of padded layers differs: at a multiple of 32 every other layer's side divides the input's.
    height = known.input_shape[1]
    last = {height / layer.output.shape[1]: layer.name for layer in known.layers if _is_map(layer)}
    missing = [f"1/{stride}" for stride in STRIDES if stride not in last]
    if missing:
        needed = ", ".join(f"1/{stride}" for stride in STRIDES)
        raise ClassifierError(
            f"The classifier {encoder.name} cannot be an encoder, which needs feature maps of these shares of its "
            f"input's side: {needed}. Received: none of {', '.join(missing)}. Choose another --classifier, or none."
        )
    return keras.Model(whole.inputs, [whole.get_layer(last[stride]).output for stride in STRIDES], name="encoder")


def _is_map(layer) -> bool:
    """Whether a layer's output is a feature map of more than one pixel."""
    shape = getattr(layer.output, "shape", ())
    return len(shape) == 4 and shape[1] != 1


def _resized(model: keras.Model, shape: Shape) -> keras.Model:
    """A copy of a fully convolutional model for pictures of another size."""
    copy = keras.models.clone_model(model, input_tensors=[keras.Input((*shape, 3), name="rgb")])
    copy.set_weights(model.get_weights())
    return copy


def plain_encoder() -> keras.Model:
    """Ten convolutions with random weights in a classifier's place, to measure what the transfer is worth.

    There is no batch normalization: after a few steps its moving statistics would fit no picture.
    """
    # Any multiple of 32 serves: `feature_pyramid` makes a copy for the size that is asked for.
    rgb = keras.Input((64, 64, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(rgb)  # 0..255 -> -1..1, as most classifiers do inside
    for filters in PLAIN:
        # One halving and one layer at the new size, five times: S/2 to S/32.
        for stride in (2, 1):
            x = keras.layers.Conv2D(
                filters, 3, strides=stride, padding="same", activation="relu", kernel_initializer="he_normal"
            )(x)
    return keras.Model(rgb, x, name="plain_encoder")


@keras.saving.register_keras_serializable("colorizer")
class Gray(keras.layers.Layer):
    """L/50 - 1 -> the sRGB gray of that L, 0..255, float32."""

    def call(self, l_norm):
        light = 50 * ops.cast(l_norm, "float32") + 50
        # CIE 15 and IEC 61966-2-1: both curves are a power, continued to zero by a line.
        # L* = 8 and the knee are where the power meets the line. Both are computed for every pixel, so the power
        # is given no number from below.
        y = ops.where(light > 8, ops.power(ops.maximum(light + 16, 24) / 116, 3), light / 903.3)
        power = 1.055 * ops.power(ops.maximum(y, color.SRGB_KNEE), 1 / 2.4) - 0.055
        return 255 * ops.where(y > color.SRGB_KNEE, power, color.SRGB_SLOPE * y)

    def compute_output_shape(self, shape):
        return shape


@keras.saving.register_keras_serializable("colorizer")
class Doubled(keras.layers.Layer):
    """Keras' bilinear `UpSampling2D(2)`, whose TensorFlow graph cannot take sizes that are known only at run time."""

    def call(self, x):
        return self.enlarge(x)

    @classmethod
    def enlarge(cls, x):
        """(B, h, w, C) -> (B, 2 h, 2 w, C), a matrix product along each axis: slices have slow gradients."""
        _, height, width, channels = ops.shape(x)
        x = ops.matmul(cls._weights(height, x.dtype), ops.reshape(x, (-1, height, width * channels)))
        x = ops.matmul(cls._weights(width, x.dtype), ops.reshape(x, (-1, width, channels)))
        return ops.reshape(x, (-1, 2 * height, 2 * width, channels))

    @staticmethod
    def _weights(side, dtype):
        """(2 side, side): every value gives two, a quarter of the way to either neighbor."""
        given = ops.arange(side, dtype="float32")
        places = ops.clip((ops.arange(2 * side, dtype="float32") + 0.5) / 2 - 0.5, given[0], given[-1])
        return ops.cast(ops.relu(1 - ops.abs(places[:, None] - given)), dtype)

    def compute_output_shape(self, shape):
        height, width = (side and 2 * side for side in shape[1:3])
        return shape[0], height, width, shape[3]


def token_encoder(encoder: keras.Model, size: int | Shape, dtype=None) -> keras.Model:
    """What an encoder sees in luminance: one interface for classifiers and for the Vision Transformer.

    Args:
        encoder: a classifier as `feature_pyramid` takes it, a model of `vision_transformer.build`, or what this
            function made of one for another size.
        size: side of the input, or its height and width; multiples of 16, for a classifier of 32; (None, None) for any.
        dtype: of a Vision Transformer's products; None for the global policy.

    Returns:
        A model named "encoder": `l_norm` (B, H, W, 1) -> (B, H/16, W/16, C) float32, every vector normalized. Its
        weights are copies. A Vision Transformer with patches of 14 pixels sees 14/16 of the size, averaged by area.

    Raises:
        ValueError: it is no such encoder, or the size does not suit.
    """
    shape = shape_of(size)
    if encoder.name == "encoder" and encoder.input_shape[-1] == 1:
        encoder = next(layer for layer in encoder.layers if isinstance(layer, keras.Model))
    l_norm = keras.Input((*shape, 1), name="l_norm")
    gray = Gray(name="gray", dtype="float32")(l_norm)
    if any(isinstance(layer, vision_transformer.Patches) for layer in encoder.layers):
        return keras.Model(l_norm, _gray_transformer(encoder, shape, dtype)(gray), name="encoder")
    rgb = keras.layers.Concatenate(name="rgb")([gray, gray, gray])
    # S/8, S/16 and S/32 are brought to S/16, the grid of a Vision Transformer with patches of 16 pixels.
    _, fine, middle, coarse = feature_pyramid(encoder, shape)(rgb)
    if None in shape:
        doubled = Doubled(name="coarse")
    else:
        doubled = keras.layers.UpSampling2D(2, interpolation="bilinear", name="coarse")
    levels = [keras.layers.AveragePooling2D(2, name="fine")(fine), middle, doubled(coarse)]
    levels = [Normalized(name=f"normalized{i}", dtype="float32")(level) for i, level in enumerate(levels)]
    return keras.Model(l_norm, keras.layers.Concatenate(name="tokens")(levels), name="encoder")


@keras.saving.register_keras_serializable("colorizer")
class Normalized(keras.layers.Layer):
    """Every vector with mean 0 and variance 1: (..., C) -> (..., C) float32."""

    def call(self, x):
        # In float32: a variance over hundreds of channels loses digits in bfloat16.
        return vision_transformer.normalized(ops.cast(x, "float32"))

    def compute_output_shape(self, shape):
        return shape


def _gray_transformer(encoder, size, dtype) -> keras.Model:
    """The encoder for one channel and patches of 16 pixels."""
    blocks = [layer for layer in encoder.layers if isinstance(layer, vision_transformer.Block)]
    patches = next(layer for layer in encoder.layers if isinstance(layer, vision_transformer.Patches))
    grid = next(layer for layer in encoder.layers if isinstance(layer, vision_transformer.Grid))
    names = [tensor._keras_history.operation.name for tensor in grid.input]
    levels = tuple(index for index, block in enumerate(blocks) if block.name in names)
    shape = vision_transformer.Shape(patches.width, blocks[0].heads, len(blocks), patches.grid)
    copy = vision_transformer.build(
        size, levels, shape, patch=PATCH, channels=1, name="vision_transformer", dtype=dtype
    )
    kernel, *others = patches.get_weights()
    if kernel.shape[2] == 3:
        kernel = kernel.sum(axis=2, keepdims=True)  # three equal channels
    if patches.patch != PATCH:
        # Averaging by area from 16 to 14 pixels never crosses a patch, so it is part of the kernel, exactly.
        area = _area(PATCH, patches.patch)
        kernel = np.einsum("ip,jq,ijcd->pqcd", area, area, kernel)
    copy.get_layer("patches").set_weights([kernel, *others])
    for block in blocks:
        copy.get_layer(block.name).set_weights(block.get_weights())
    return copy


def _area(side: int, smaller: int) -> np.ndarray:
    """(smaller, side) weights that average `side` pixels to `smaller` ones by area."""
    edges = np.arange(smaller + 1) * side / smaller
    pixels = np.arange(side)
    shares = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.maximum(shares, 0) * smaller / side
