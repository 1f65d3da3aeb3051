"""A critic for the decoder: a small network that tells photographs that were colored from true ones.

    L averaged to S/4, ab at S/4 --> 3x3: 64 --> 4x4 /2: 128 --> 4x4 /2: 192 --(join)--> 1x1: 192 --> patch logits, S/16
                                            the encoder's tokens --> 1x1: 128 --^          mean --> one picture's logit

What it sees of a distribution are the colors of the vivid look, the ones that people see. Under a border of old paper
the truth has no color and a prediction has one, so both are given none there.

Hinge loss and spectral normalization: Miyato, Kataoka, Koyama, Yoshida, Spectral Normalization for Generative
Adversarial Networks, ICLR 2018. A critic after a training without one: Antic, DeOldify, 2018. No code of theirs is
used.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from colorizer import color
from colorizer.methods.layers import color_bins, hints
from colorizer.methods.layers.bins import STRIDE
from colorizer.methods.vit_decoder import LOOKS

WIDTHS = (64, 128, 192)  # channels at S/4, S/8, S/16
TOKENS = 128  # channels of the tokens where they are joined
LEAK = 0.2  # slope of LeakyReLU below zero, as in `methods/gan.py`
SEEN = "vivid"  # the look that the critic sees


def build(side: int, channels: int) -> keras.Model:
    """The critic, with random weights.

    Args:
        side: S/4, of the colors; a multiple of 4.
        channels: of the tokens.

    Returns:
        A model named "critic" with the inputs `l_norm` (B, S/4, S/4, 1), `ab_norm` (B, S/4, S/4, 2) and `tokens`
        (B, S/16, S/16, channels); its outputs are `patch` (B, S/16, S/16, 1) and `picture` (B, 1), high for true
        colors.
    """
    l_norm = keras.Input((side, side, 1), name="l_norm")
    ab_norm = keras.Input((side, side, 2), name="ab_norm")
    tokens = keras.Input((side // 4, side // 4, channels), name="tokens")

    def normalized(layer):
        # float32: in bfloat16 the normalization, which writes the kernel anew, would lose what a step has changed.
        return keras.layers.SpectralNormalization(layer, name=f"{layer.name}_normalized", dtype="float32")

    def conv(x, filters, kernel, name, stride=1):
        layer = keras.layers.Conv2D(
            filters, kernel, stride, padding="same", kernel_initializer="he_normal", name=name, dtype="float32"
        )
        return normalized(layer)(x)

    def leaky(x):
        # Not the layer: TensorFlow fuses it with the convolution and then misses a part for the gradient.
        return ops.maximum(x, LEAK * x)

    # As hints: about 50 Lab units become 1, the scale of the luminance.
    x = keras.layers.Rescaling(1 / hints.RANGE, name="scaled", dtype="float32")(ab_norm)
    x = keras.layers.Concatenate(name="colored", dtype="float32")([l_norm, x])
    x = leaky(conv(x, WIDTHS[0], 3, "conv4"))
    x = leaky(conv(x, WIDTHS[1], 4, "conv8", stride=2))
    x = leaky(conv(x, WIDTHS[2], 4, "conv16", stride=2))
    known = leaky(conv(tokens, TOKENS, 1, "known"))
    x = keras.layers.Concatenate(name="join", dtype="float32")([x, known])
    x = leaky(conv(x, WIDTHS[2], 1, "joint"))
    patch = keras.layers.Activation("linear", name="patch", dtype="float32")(conv(x, 1, 1, "patch_logits"))
    mean = keras.layers.GlobalAveragePooling2D(name="mean", dtype="float32")(x)
    picture = normalized(keras.layers.Dense(1, name="picture_logits", dtype="float32"))(mean)
    picture = keras.layers.Activation("linear", name="picture", dtype="float32")(picture)
    return keras.Model([l_norm, ab_norm, tokens], [patch, picture], name="critic")


@keras.saving.register_keras_serializable("colorizer")
class Painted(keras.layers.Layer):
    """Logits (B, h, w, 313) -> the colors that the critic sees, (B, h, w, 2) ab/128, by the vivid look.

    No gradient goes through the variance that the look's gain depends on: a distribution would else learn to be
    uncertain, to be raised more.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs, dtype="float32")

    def call(self, logits):
        look = LOOKS[SEEN]
        mean = color_bins.annealed_mean(logits, look.temperature)
        return color_bins.strengthened(ops.stop_gradient(logits), mean, look) / color.AB_SCALE

    def compute_output_shape(self, shape):
        return (*shape[:-1], 2)


def averaged(l_norm):
    """Luminance at the size of the colors: (B, S, S, 1) -> (B, S/4, S/4, 1)."""
    return ops.average_pool(l_norm, STRIDE, STRIDE)


def labels(outputs: tuple[tuple, ...], pictures: int) -> list[np.ndarray]:
    """What the critic should say: 1 for the first pictures of a batch, which are true, and -1 for as many others.

    Args:
        outputs: the shapes of the critic's outputs.
        pictures: how many are true.

    Returns:
        Arrays (2 pictures, ...) float32.
    """
    return [
        np.concatenate([np.full((pictures, *shape[1:]), sign, np.float32) for sign in (1, -1)]) for shape in outputs
    ]


def deception(judged):
    """The decoder's part of the hinge loss: the critic's mean outputs for colored pictures, with their sign changed."""
    return -sum(ops.mean(output) for output in judged)
