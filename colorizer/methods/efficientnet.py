"""The paper's method: an encoder-decoder that also gets the class scores of EfficientNet-B4.

Beniwal, Neelisetty, Pakanati, "Image Colorization Enhancement using Transfer Learning". A frozen ImageNet classifier
says what the picture shows; its 1000 scores are repeated over the bottleneck and mixed with it. The loss is the mean
squared error of ab.

    l_norm 256x256x1 -> encoder -> bottleneck 32x32x256 --+
                                                          concat -> 1x1 fusion -> decoder -> ab 256x256x2
    vector 1000 -> repeated over 32x32 -------------------+

The paper states the two paths, pooling in the encoder, the fusion, upsampling in the decoder, ReLU and tanh (section
III.A, Table 1). It states no number of layers, filters or kernels; those here are its probable ancestor's
(docs/reproduction_notes.md, 2.3).

4,696,098 parameters and 17.5 G multiply-adds at 256x256, without the classifier. 100 epochs of 2,200 pictures are
12 P multiply-adds, forward and back: under three days on two CPU cores at 50 G a second. benchmarks/methods.py
measures.

Written from the paper; no code of its authors or ancestors is used.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import keras

from colorizer.config import CLASSES, TrainConfig
from colorizer.methods.base import Default, Method
from colorizer.methods.layers import optimizers
from colorizer.methods.layers.inputs import inputs


def _conv(filters, kernel=3, activation="relu", **kwargs) -> keras.layers.Conv2D:
    # "same" with an even kernel shifts the picture by half a pixel; the ancestor does so too.
    return keras.layers.Conv2D(filters, kernel, padding="same", activation=activation, **kwargs)


def encode(l_norm: keras.KerasTensor, conv: Callable = _conv) -> keras.KerasTensor:
    """Luminance (B, S, S, 1) -> bottleneck (B, S/8, S/8, 256).

    Pooling is the paper's (section III.A). Filters and the 4x4 kernels are the ancestor's: 128 at full and half size,
    256 at a quarter and an eighth.
    """
    # Three poolings: 256 pixels become 32, the bottleneck over which the ancestor repeats the class vector.
    x = conv(128, name="e1")(l_norm)
    x = keras.layers.MaxPooling2D(2, padding="same", name="p1")(x)
    # 4x4 after each pooling, 3x3 else: the ancestor's kernels (docs/reproduction_notes.md, 2.3).
    x = conv(128, 4, name="e2")(x)
    x = conv(128, name="e3")(x)
    x = keras.layers.MaxPooling2D(2, padding="same", name="p2")(x)
    # Twice the filters at a quarter of the size and below, as in the ancestor.
    x = conv(256, 4, name="e4")(x)
    x = conv(256, name="e5")(x)
    x = keras.layers.MaxPooling2D(2, padding="same", name="p3")(x)
    x = conv(256, 4, name="e6")(x)
    x = conv(256, name="e7")(x)
    return conv(256, name="e8")(x)


def fuse(bottleneck: keras.KerasTensor, vector: keras.KerasTensor, conv: Callable = _conv) -> keras.KerasTensor:
    """Repeats the class vector over the bottleneck and mixes both with a 1x1 convolution.

    "Merged with the output of the encoder" is all that the paper says (section III.A). Repeating the vector is
    Wallner's way, whom the paper cites (docs/reproduction_notes.md, 2.1).

    Args:
        bottleneck: (B, h, w, 256).
        vector: (B, 1000), softmax scores.
        conv: makes the convolution.

    Returns:
        (B, h, w, 256).
    """
    _, height, width, _ = bottleneck.shape
    # 32 x 32 = 1024 times at 256 pixels: every place gets the same 1000 scores.
    repeated = keras.layers.RepeatVector(height * width, name="repeat")(vector)
    repeated = keras.layers.Reshape((height, width, CLASSES), name="spread")(repeated)
    x = keras.layers.Concatenate(name="concat")([bottleneck, repeated])
    # 1256 channels in. The scores average 0.001 beside features of 1 to 100 (docs/reproduction_notes.md, 2.4): this
    # layer decides whether they count.
    return conv(256, 1, name="fusion")(x)


def decode(x: keras.KerasTensor, conv: Callable = _conv) -> keras.KerasTensor:
    """Fused features (B, h, w, 256) -> `ab_norm_hat` (B, 8h, 8w, 2) in -1..1. Upsampling, tanh: III.A, Table 1."""
    # Three upsamplings undo the three poolings; filters and the kernels of 4 and 2 are the ancestor's.
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
    # Nearest neighbor, and after the tanh: both as in the ancestor.
    return keras.layers.UpSampling2D(2, dtype="float32", name="u3")(x)


class EfficientNet(Method):
    """The paper's method; the defaults of `TrainConfig` that are not overridden here are the paper's."""

    title = "EfficientNet-B4 (proposed)"
    reference = "Beniwal, Neelisetty, Pakanati, Image Colorization Enhancement using Transfer Learning"
    multiply_adds = 17.5
    defaults = {
        # Keras' Glorot halves the variance in each of fifteen layers. After some hundred steps of Adam the biases
        # exceed what is left: the encoder puts out zeros, and each picture gets one tint, by its class vector.
        "initializer": Default("he_normal", "not stated; with Glorot it dies, results/experiments/alive.jsonl"),
        # At Keras' 1e-3 the first steps push most units of the encoder's last layer below zero for good.
        "learning_rate": Default(3e-4, "not stated; at 1e-3 the last layer dies, results/experiments/alive.jsonl"),
    }
    options = frozenset({"initializer", "schedule"})
    losses = ("mse", "mae")
    uses_vector = True

    def build(
        self, image_size: int = 256, encoder: keras.Model | None = None, initializer: str | None = None
    ) -> keras.Model:
        """Builds the network of Figure 4: `ab_norm_hat` (B, S, S, 2) in -1..1; see `Method.build`."""
        conv = partial(_conv, kernel_initializer=initializer or self.defaults["initializer"].value)
        l_norm, vector = inputs(image_size)
        ab_norm_hat = decode(fuse(encode(l_norm, conv), vector, conv), conv)
        return keras.Model([l_norm, vector], ab_norm_hat, name="efficientnet")

    def trainer(self, network: keras.Model, config: TrainConfig, train: keras.utils.PyDataset) -> keras.Model:
        """Compiles Adam on the mean squared error of ab/128 (Table 1), or the absolute error.

        The mean over both channels and all pixels is the paper's formula (section III.C). The metric is what Keras
        makes of `metrics=["accuracy"]` on two channels, and the paper of its "accuracy": the share of pixels where
        the larger of a and b is the same in prediction and truth (docs/reproduction_notes.md, 3.1).
        """
        network.compile(
            # Adam is Table 1's; its betas are not stated and stay Keras', 0.9 and 0.999.
            optimizer=keras.optimizers.Adam(optimizers.learning_rate(config, len(train))),
            loss=config.loss,
            metrics=[keras.metrics.CategoricalAccuracy(name="accuracy_argmax_ab")],
        )
        return network
