"""What a U-Net has for an encoder: a classifier cut into its scales, or plain convolutions in its place."""

from __future__ import annotations

import keras

STRIDES = (4, 8, 16, 32)  # of the scales that are used
PLAIN = (24, 48, 96, 192, 384)  # channels of `plain`'s five sizes


def stages(encoder: keras.Model, image_size: int) -> keras.Model:
    """A classifier without its head, at another input size, with one output a scale.

    Args:
        encoder: float RGB (B, s, s, 3) in 0..255 -> anything; convolutions down to a 32nd of the input.
        image_size: side of the input, a multiple of 32.

    Returns:
        A model (B, S, S, 3) -> four outputs (B, S/4, S/4, C) to (B, S/32, S/32, C): the last layer of
        each size, found by shape and not by name. Its weights are copies.

    Raises:
        ValueError: a size is missing: it is no such classifier.

    Source: ours.
    """
    maps = [layer.output for layer in encoder.layers if _side(layer) > 1]
    whole = _resized(keras.Model(encoder.inputs, maps[-1:]), image_size)
    # Of padded layers only the size differs: at a multiple of 32 what is no padding divides without a rest.
    last = {image_size / _side(layer): layer.output for layer in whole.layers if _side(layer) > 1}
    missing = [str(stride) for stride in STRIDES if stride not in last]
    if missing:
        raise ValueError(
            f"An encoder has layers of a 4th, 8th, 16th and 32nd of its input's side. "
            f"Received: {encoder.name}, without a {' and a '.join(missing)}th"
        )
    return keras.Model(whole.inputs, [last[stride] for stride in STRIDES], name="encoder")


def _side(layer) -> int:
    """Height of a layer's feature map; 0 where it gives something else."""
    shape = getattr(layer.output, "shape", ())
    return shape[1] if len(shape) == 4 else 0


def _resized(model: keras.Model, image_size: int) -> keras.Model:
    """A copy of a fully convolutional model for pictures of another size."""
    copy = keras.models.clone_model(model, input_tensors=[keras.Input((image_size, image_size, 3), name="rgb")])
    copy.set_weights(model.get_weights())
    return copy


def plain() -> keras.Model:
    """Ten convolutions with random weights in a classifier's place, about as many parameters: what transfer is worth.

    No batch normalization: after a few steps its statistics would fit no picture.
    """
    rgb = keras.Input((64, 64, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(rgb)
    for filters in PLAIN:
        for stride in (2, 1):
            x = keras.layers.Conv2D(
                filters, 3, strides=stride, padding="same", activation="relu", kernel_initializer="he_normal"
            )(x)
    return keras.Model(rgb, x, name="plain_encoder")
