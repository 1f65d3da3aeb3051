"""The paper's network: an encoder-decoder that is told what EfficientNet-B4 sees.

The paper states the two paths, pooling in the encoder, the merge of the class
vector with the bottleneck, upsampling in the decoder, ReLU and tanh. It states
neither layer counts, nor filters, nor kernels: those are the ones of its probable
ancestor (BASELINES §2.3), marked "ours" below.

    l_norm 256x256x1 -> encoder -> bottleneck 32x32x256 --+
                                                          concat -> 1x1 fusion -> decoder -> ab 256x256x2
    vector 1000 -> repeated over 32x32 -------------------+

4,696,098 parameters, 17.5 G multiply-adds at 256x256; the classifier is frozen and apart. 100 epochs
of 2,200 pictures are 12 P, forward and back: under three days at 50 G a second, as two CPU cores may
do. benchmarks/methods.py measures.

Written from the paper and from BASELINES §2.3; no code of its authors or ancestors is used.
"""

from __future__ import annotations

from functools import partial

import keras

from colorizer.config import TrainConfig
from colorizer.methods.base import Default, Method
from colorizer.methods.layers import optimizers

CLASSES = 1000  # ImageNet's; the vector is the classifier's softmax over them


def _conv(filters, kernel=3, activation="relu", **kwargs):
    # "same" with an even kernel shifts by half a pixel; kept, as the ancestor has it (BASELINES §2.3).
    return keras.layers.Conv2D(filters, kernel, padding="same", activation=activation, **kwargs)


def encode(l_norm, conv=_conv):
    """Luminance (B, S, S, 1) -> bottleneck (B, S/8, S/8, 256). Pooling: §III.A; filters, kernels: ours."""
    x = conv(128, name="e1")(l_norm)
    x = keras.layers.MaxPooling2D(2, padding="same", name="p1")(x)
    x = conv(128, 4, name="e2")(x)
    x = conv(128, name="e3")(x)
    x = keras.layers.MaxPooling2D(2, padding="same", name="p2")(x)
    x = conv(256, 4, name="e4")(x)
    x = conv(256, name="e5")(x)
    x = keras.layers.MaxPooling2D(2, padding="same", name="p3")(x)
    x = conv(256, 4, name="e6")(x)
    x = conv(256, name="e7")(x)
    return conv(256, name="e8")(x)


def fuse(bottleneck, vector, conv=_conv):
    """Sets the class vector beside every position of the bottleneck and mixes both with a 1x1 convolution.

    Args:
        bottleneck: (B, h, w, 256).
        vector: (B, 1000), softmax scores.
        conv: makes the convolution.

    Returns:
        (B, h, w, 256).

    Source: §III.A, "merged with the output of the encoder"; repeat and 1x1 convolution: BASELINES §2.1.
    """
    _, height, width, _ = bottleneck.shape
    repeated = keras.layers.RepeatVector(height * width, name="repeat")(vector)
    repeated = keras.layers.Reshape((height, width, CLASSES), name="spread")(repeated)
    x = keras.layers.Concatenate(name="concat")([bottleneck, repeated])
    return conv(256, 1, name="fusion")(x)


def decode(x, conv=_conv):
    """Fused features (B, h, w, 256) -> `ab_norm_hat` (B, 8h, 8w, 2) in -1..1. Upsampling, tanh: §III.A, Table 1."""
    x = conv(128, name="d1")(x)
    x = conv(64, name="d2")(x)
    x = keras.layers.UpSampling2D(2, name="u1")(x)
    x = conv(128, name="d3")(x)
    x = keras.layers.UpSampling2D(2, name="u2")(x)
    x = conv(64, 4, name="d4")(x)
    x = conv(64, name="d5")(x)
    x = conv(32, 2, name="d6")(x)
    # float32 also under mixed precision: bfloat16 would round ab to half a Lab unit.
    x = _conv(2, activation="tanh", dtype="float32", name="d7")(x)
    return keras.layers.UpSampling2D(2, dtype="float32", name="u3")(x)  # nearest, after the tanh (BASELINES §2.1)


class EfficientNet(Method):
    """The paper's method; the defaults of `TrainConfig` that are not overridden here are the paper's."""

    title = "EfficientNet-B4 (proposed)"
    reference = "Beniwal, Neelisetty, Pakanati, Image Colorization Enhancement using Transfer Learning"
    defaults = {
        "initializer": Default(
            "he_normal",
            "not stated; Keras' Glorot makes the encoder's units die: results/experiments/alive.jsonl",
        ),
        "learning_rate": Default(
            3e-4,
            "not stated; at 1e-3 most units of the last layer die: results/experiments/alive.jsonl",
        ),
    }
    options = frozenset({"initializer", "schedule"})
    losses = ("mse", "mae")
    uses_vector = True

    def build(self, image_size: int = 256, encoder=None, initializer: str | None = None) -> keras.Model:
        """Builds the network of Figure 4: `ab_norm_hat` (B, S, S, 2) in -1..1; see `Method.build`."""
        conv = partial(_conv, kernel_initializer=initializer or self.defaults["initializer"].value)
        l_norm = keras.Input((image_size, image_size, 1), name="l_norm")
        vector = keras.Input((CLASSES,), name="vector")
        ab_norm_hat = decode(fuse(encode(l_norm, conv), vector, conv), conv)
        return keras.Model([l_norm, vector], ab_norm_hat, name="efficientnet")

    def trainer(self, network: keras.Model, config: TrainConfig, train: keras.utils.PyDataset) -> keras.Model:
        """Compiles Adam on the mean squared (Table 1) or absolute error of ab/128, over both channels (§III.C).

        The metric is what Keras makes of the paper's `metrics=["accuracy"]` on two channels: the share of pixels
        where the larger of a and b is the same one in prediction and truth.
        """
        network.compile(
            optimizer=keras.optimizers.Adam(optimizers.learning_rate(config, len(train))),
            loss=config.loss,
            metrics=[keras.metrics.CategoricalAccuracy(name="accuracy_argmax_ab")],
        )
        return network
