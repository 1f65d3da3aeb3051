"""The critic: a small network that tells colored photographs from true ones, and its hinge loss.

    L pooled to S/4, ab at S/4 --> 3x3: 64 --> 4x4 /2: 128 --> 4x4 /2: 192 --(join)--> 1x1: 192 --> patch logits, S/16
                                            the encoder's tokens --> 1x1: 128 --^          mean --> one picture's logit

Its input are the colors of the vivid look, which users see. Under a border of old paper the truth has no color and a
prediction has one, so both are set to gray there.

Hinge loss and spectral normalization: Miyato, Kataoka, Koyama, Yoshida, Spectral Normalization for Generative
Adversarial Networks, ICLR 2018. A critic after a training without one: Antic, DeOldify, 2018. No code of theirs is
used.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from colorizer import color
from colorizer.methods.layers import color_bins
from colorizer.methods.layers.bins import STRIDE
from colorizer.methods.vit_decoder import LOOKS

WIDTHS = (64, 128, 192)  # channels at S/4, S/8, S/16
TOKENS = 128  # channels of the tokens where they are joined
LEAK = 0.2  # slope of LeakyReLU below zero, as in `methods/gan.py`
LOOK = "vivid"  # the look whose colors the critic gets
# Of ab/128: about 13 Lab units become 1. Kernels have norm 1, so colors smaller than the luminance would hardly count.
COLOR_SCALE = 10.0  # results/experiments/critic.md


def build(side: int, channels: int, color_scale: float = COLOR_SCALE) -> keras.Model:
    """The critic, with random weights.

    Args:
        side: S/4, of the colors; a multiple of 4.
        channels: of the tokens.
        color_scale: factor of ab/128.

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

    x = keras.layers.Rescaling(color_scale, name="scaled", dtype="float32")(ab_norm)
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
class DecodedColors(keras.layers.Layer):
    """Decodes logits (B, h, w, 313) by the vivid look to the critic's input, (B, h, w, 2) ab/128.

    No gradient goes through the variance that the look's gain depends on. With it the decoder would learn to be
    uncertain, since that raises the gain.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs, dtype="float32")

    def call(self, logits):
        look = LOOKS[LOOK]
        mean = color_bins.annealed_mean(logits, look.temperature)
        return color_bins.boost_chroma(ops.stop_gradient(logits), mean, look) / color.AB_SCALE

    def compute_output_shape(self, shape):
        return (*shape[:-1], 2)


def downsampled(l_norm):
    """Luminance at the size of the colors: (B, S, S, 1) -> (B, S/4, S/4, 1)."""
    return ops.average_pool(l_norm, STRIDE, STRIDE)


def labels(outputs: tuple[tuple, ...], pictures: int) -> list[np.ndarray]:
    """The critic's labels for the hinge loss: 1 for the first half of a batch, which is true, -1 for the second.

    Args:
        outputs: the shapes of the critic's outputs.
        pictures: how many are true.

    Returns:
        Arrays (2 pictures, ...) float32.
    """
    return [
        np.concatenate([np.full((pictures, *shape[1:]), sign, np.float32) for sign in (1, -1)]) for shape in outputs
    ]


def generator_loss(outputs):
    """The generator's hinge loss: minus the critic's mean outputs for colored pictures."""
    return -sum(ops.mean(output) for output in outputs)
