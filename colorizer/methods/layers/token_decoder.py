"""From tokens to a distribution of colors: a decoder that also sees the luminance at full resolution, and hints.

    tokens S/16 --> 512 --> 320, two 3x3 --> S/8: 224, two 3x3 --> S/4: 128 --(+)--> two 3x3 --> mean --> 313 logits
hints averaged, spread -^          luminance --> 32 --> 64 --> with hints 128 --^

Tokens are enlarged by a 1x1 convolution and depth to space, which costs half of what bilinear enlargement of as many
channels does. Every pair of 3x3 convolutions is added to what goes into it. The mean is non-local, see
`non_local_mean`: over cells whose tokens look alike. A mean of 128 channels costs less than one of 313 logits and gives
the same, since the logits are linear in them.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from colorizer import color
from colorizer.methods.layers import backbone, hints, soft_encoding
from colorizer.methods.layers.bins import BINS, STRIDE
from colorizer.methods.layers.non_local_mean import NonLocalMean

JOINED = 512  # channels of the tokens after the first layer
WIDTHS = (320, 224, 128)  # channels at S/16, S/8, S/4
STEM = (32, 64)  # channels of the luminance at S/2 and S/4
MEAN_WEIGHT = 50.0  # of the mean's squared error in ab/128 beside the cross entropy in nats


def _conv(x, filters, kernel, name, activation="relu", **options):
    return keras.layers.Conv2D(
        filters,
        kernel,
        padding="same",
        activation=activation,
        kernel_initializer=options.pop("kernel_initializer", "he_normal"),
        name=name,
        **options,
    )(x)


def _pair(x, filters, name):
    """Two 3x3 convolutions whose result is added to what goes in; the second begins with zeros."""
    y = _conv(x, filters, 3, f"{name}_1")
    # Zeros: at the start a pair passes on what it gets, and the network is as shallow as it can be.
    y = _conv(y, filters, 3, f"{name}_2", activation=None, kernel_initializer="zeros")
    return keras.layers.ReLU(name=f"{name}_out")(keras.layers.Add(name=f"{name}_sum")([x, y]))


@keras.saving.register_keras_serializable("colorizer")
class DepthToSpace(keras.layers.Layer):
    """Four channels of a pixel become four pixels: (B, H, W, 4 C) -> (B, 2 H, 2 W, C)."""

    def call(self, x):
        return ops.depth_to_space(x, 2)


def build(size: tuple[int | None, int | None], channels: int) -> keras.Model:
    """The decoder, with random weights.

    Args:
        size: height and width of the luminance, multiples of 16; None for any, also different ones in turn.
        channels: of the tokens.

    Returns:
        A model named "decoder" with the inputs `l_norm` (B, H, W, 1), `tokens` (B, H/16, W/16, channels) and `hints`
        (B, H/4, W/4, 3), see `hints`; its output is (B, H/4, W/4, 313) float32 logits over `color_bins.BINS`.
    """
    l_norm = keras.Input((*size, 1), name="l_norm")
    tokens = keras.Input((*(side and side // backbone.PATCH for side in size), channels), name="tokens")
    given = keras.Input((*(side and side // STRIDE for side in size), 3), name="hints")
    coarse = hints.Averaged(backbone.PATCH // STRIDE, name="coarse_hints")(given)
    spread = hints.Spread(name="spread_hints", dtype="float32")(tokens, coarse)
    # 1x1 first: it chooses among the tokens of three depths, 1,152 channels of DINOv2-small, before 3x3 convolutions,
    # which cost nine times as much a channel.
    x = _conv(keras.layers.Concatenate(name="join16")([tokens, coarse, spread]), JOINED, 1, "tokens512")
    x = _conv(x, WIDTHS[0], 1, "narrow16")
    x = _pair(x, WIDTHS[0], "pair16")
    for stride, filters in zip((8, 4), WIDTHS[1:], strict=True):
        # Four times the channels: depth to space takes four of them for each pixel that is left.
        x = DepthToSpace(name=f"up{stride}")(_conv(x, 4 * filters, 1, f"enlarge{stride}", activation=None))
        if stride == 4:
            # Two halvings lead to the logits' quarter of the size.
            y = _conv(_conv(l_norm, STEM[0], 3, "stem2", strides=2), STEM[1], 3, "stem4", strides=2)
            y = _conv(keras.layers.Concatenate(name="join4")([y, given]), filters, 3, "stem_out", activation=None)
            x = keras.layers.Add(name="sum4")([x, y])
        x = _pair(keras.layers.ReLU(name=f"relu{stride}")(x), filters, f"pair{stride}")
    x = NonLocalMean(name="non_local_mean", dtype="float32")(x, tokens, given)
    # Zeros: the first output is the bias alone, which `init_prior_bias` sets to the prior.
    x = _conv(x, len(BINS), 1, "logits", activation=None, kernel_initializer="zeros")
    x = keras.layers.Activation("linear", dtype="float32", name="logits32")(x)
    return keras.Model([l_norm, tokens, given], x, name="decoder")


def init_prior_bias(decoder: keras.Model, prior: np.ndarray) -> None:
    """Lets a new decoder begin with what is known of all pictures.

    Args:
        decoder: from `build`.
        prior: (313,) how often each color occurs; none counts as impossible.
    """
    # A color that the pictures lack gets 1e-5 and stays possible; ln 0 would forbid it for good.
    decoder.get_layer("logits").bias.assign(np.log(np.maximum(prior, 1e-5)).astype(np.float32))


class Loss(keras.losses.Loss):
    """Cross entropy with the soft code of the true color, and the squared error of the distribution's mean.

    The truth is `ab_norm` at the size of the logits, or of the picture: it is then averaged.
    """

    def __init__(self):
        super().__init__(name="distribution")
        self.codes = soft_encoding.SoftEncoder()

    def call(self, ab_norm, logits):
        ab = averaged_to(ab_norm, logits.shape[1]) * color.AB_SCALE
        codes = ops.cast(self.codes(ab), logits.dtype)
        logs = ops.log_softmax(logits, axis=-1)
        # ln 313 = 5.75 nats for a uniform output; a soft code's own entropy is the least, about 1.43.
        nats = -ops.sum(codes * logs, axis=-1)
        error = (ops.matmul(ops.exp(logs), BINS) - ab) / color.AB_SCALE
        return ops.mean(nats + MEAN_WEIGHT * ops.mean(ops.square(error), axis=-1), axis=(1, 2))


def averaged_to(ab_norm, side: int):
    """Means over squares of pixels: (B, S, S, 2) -> (B, side, side, 2); what is that small already stays."""
    factor = ab_norm.shape[1] // side
    return ops.average_pool(ab_norm, factor, factor) if factor > 1 else ops.convert_to_tensor(ab_norm)


def mse(ab_norm, logits):
    """Mean squared error of the distribution's mean in ab/128, at the size of the logits: (B,)."""
    mean = ops.matmul(ops.softmax(logits, axis=-1), BINS) / color.AB_SCALE
    return ops.mean(ops.square(mean - averaged_to(ab_norm, logits.shape[1])), axis=(1, 2, 3))
