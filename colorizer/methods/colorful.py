"""Colorful Image Colorization: a class of 313 for each pixel, rare classes weighing more.

Zhang, Isola, Efros, "Colorful Image Colorization", ECCV 2016. The network predicts a distribution over 313 colors for
every fourth pixel. The true color is spread over its ten nearest classes; the cross entropy is weighted against each
class's frequency in the training set; a prediction is decoded between the mean and the mode of its distribution. The
squared error is not minimized: the method prefers a vivid color that may be wrong to a safe brown.

    l_norm SxSx1 -> conv1..conv8, dilated in the middle -> logits S/4 x S/4 x 313 -> annealed mean -> ab

32,235,385 parameters and 41.8 G multiply-adds at 256x256. 100 epochs of 2,200 pictures are 28 P multiply-adds,
forward and back: six days on two CPU cores at 50 G a second. benchmarks/methods.py measures.

Written from the paper and docs/reproduction_notes.md, 1.2; no code of the authors' (BSD-2-Clause) is used. `departures`
lists what differs from the paper.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from colorizer import color
from colorizer.config import TrainConfig
from colorizer.methods.base import Default, Method
from colorizer.methods.layers import soft_encoding
from colorizer.methods.layers.color_bins import BINS, annealed_mean
from colorizer.methods.layers.inputs import inputs

MIXTURE = 0.5  # lambda: the share of the prior that a uniform one replaces; section 2.2
TEMPERATURE = 0.38  # of the annealed mean, 1 is the mean and 0 the mode; section 2.3
GRAY = 5.0  # Lab units: a picture without an |a| or |b| above this is gray and has no loss; the authors' code
# Caffe's: Keras' 1e-3 would damp channels that seldom fire.
EPSILON = 1e-5
# Of the batch statistics. Keras' 0.99 needs some hundred steps to forget its start, more than a short run has.
MOMENTUM = 0.9


def _conv(x, name, filters, stride=1, dilation=1):
    """3x3 convolution and ReLU, aligned as in Caffe."""
    padding = "same"
    if stride == 2:
        # TRICKY: "same" with stride 2 pads right and bottom only; three such layers shift the output by 7 pixels.
        x, padding = keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x), "valid"
    return keras.layers.Conv2D(
        filters,
        3,
        strides=stride,
        dilation_rate=dilation,
        padding=padding,
        activation="relu",
        kernel_initializer="he_normal",
        name=name,
    )(x)


def _block(x, number, convolutions, filters, last_stride=1, dilation=1):
    """conv1 to conv7: some convolutions, then batch normalization after the ReLU, as in the authors' network."""
    # The stride is in a block's last layer, as in the authors' network.
    for i in range(1, convolutions + 1):
        x = _conv(x, f"conv{number}_{i}", filters, last_stride if i == convolutions else 1, dilation)
    # Caffe's batch normalization has neither scale nor shift.
    return keras.layers.BatchNormalization(
        center=False, scale=False, momentum=MOMENTUM, epsilon=EPSILON, name=f"conv{number}_norm"
    )(x)


def rebalance(prior: np.ndarray) -> np.ndarray:
    """How much a pixel of each color weighs in the loss (section 2.2).

    Args:
        prior: (313,) float, sums to 1.

    Returns:
        (313,) float32, large for rare colors; their mean under the prior is 1. A color that the prior lacks
        weighs as much as the rarest one.
    """
    occurs = prior > 0
    # The uniform part covers only bins that occur: 1 / 0 would be infinite (docs/reproduction_notes.md, 5).
    weights = 1 / ((1 - MIXTURE) * prior + MIXTURE * occurs / occurs.sum() + (~occurs))
    weights[~occurs] = weights[occurs].max()
    # With a mean of 1 under the prior the learning rate means the same for any lambda.
    return (weights / (prior * weights).sum()).astype(np.float32)


@keras.saving.register_keras_serializable("colorizer")
def cross_entropy(ab_norm: Any, logits: Any) -> Any:
    """The loss without weights, (B,) nats per pixel: ln 313 = 5.75 for a uniform output, about 1.43 at best."""
    indices, shares = soft_encoding.encode(soft_encoding.subsample(ab_norm))
    # Only ten of 313 terms differ from zero, and the shares sum to 1. Without a gradient, that is the fastest way.
    chosen = ops.sum(shares * ops.take_along_axis(logits, indices, axis=-1), axis=-1)
    return ops.mean(ops.logsumexp(logits, axis=-1) - chosen, axis=(1, 2))


@keras.saving.register_keras_serializable("colorizer")
class RebalancedCrossEntropy(keras.losses.Loss):
    """Mean over pixels of the cross entropy, each weighted by how rare its true color is; 0 for gray pictures.

    Args:
        weights: (313,) float32, from `rebalance` (section 2.2).
        name: of the loss.
    """

    def __init__(self, weights: np.ndarray, name: str = "rebalanced_cross_entropy"):
        super().__init__(name=name)
        self.weights = np.asarray(weights, np.float32)
        self.codes = soft_encoding.SoftEncoder()
        self.weights_of_rows = self.weights[soft_encoding.neighbors()[0][:, 0]]

    def call(self, ab_norm: Any, logits: Any) -> Any:
        """(B, S, S, 2) ab/128 and (B, S/4, S/4, 313) -> (B,) float32."""
        ab = soft_encoding.subsample(ab_norm)
        # The dense code of 313 numbers costs less than the gradient of a look at ten of them.
        nats = ops.logsumexp(logits, axis=-1) - ops.sum(self.codes(ab) * logits, axis=-1)
        # One pixel above the bound is enough: it is the picture that is gray, not a pixel.
        colored = ops.cast(ops.any(ops.abs(ab) > GRAY, axis=(1, 2, 3)), nats.dtype)
        return colored * ops.mean(ops.take(self.weights_of_rows, soft_encoding.row_index(ab)) * nats, axis=(1, 2))

    def get_config(self) -> dict[str, Any]:
        """The weights as a list, so that a saved network can be loaded."""
        return {"weights": self.weights.tolist(), "name": self.name}


class Colorful(Method):
    """The network, the loss and the decoding of Zhang, Isola and Efros."""

    title = "Colorful Image Colorization"
    reference = "Zhang, Isola, Efros, Colorful Image Colorization, ECCV 2016"
    predicts_bins = True
    multiply_adds = 41.8
    defaults = {
        "classifier": Default("none", "Zhang 2016: the network sees the luminance alone"),
        "learning_rate": Default(1e-4, "for about 2,000 pictures; Zhang 2016: 3e-5 for ImageNet"),
        "plateau_factor": Default(0.1, "Zhang 2016: a tenth, there after 225k steps"),
        "plateau_patience": Default(10, "a tenth is a large step, so 10 epochs are waited for, as for the GAN"),
        "plateau_min_lr": Default(1e-6, "a hundredth of the first rate, as in Zhang's schedule"),
        "zoom_range": Default(0.0, "Zhang 2016 only mirrors and crops"),
        "rotation_range": Default(0.0, "Zhang 2016 only mirrors and crops"),
        "shear_range": Default(0.0, "Zhang 2016 only mirrors and crops"),
    }
    departures = {
        "crop": Default("none", "the whole 256x256, as every method here; Zhang 2016: random 176x176"),
        "weight_decay": Default(0.0, "Zhang's 1e-3 belongs to a sum over pixels; beside a mean it would dominate"),
        "initialization": Default("He normal", "Zhang 2016: data-dependent k-means"),
        "batch_norm_momentum": Default(0.9, "for short runs"),
        "prior": Default("training split", "estimated anew, since the pictures are not ImageNet's"),
        "soft_code": Default("of whole Lab units", "from a table instead of a search; Zhang 2016: of the exact color"),
    }

    def build(
        self, image_size: int = 256, encoder: keras.Model | None = None, initializer: str | None = None
    ) -> keras.Model:
        """Builds the network: logits (B, S/4, S/4, 313) over `BINS`; see `Method.build`."""
        l_norm, vector = inputs(image_size)
        x = keras.layers.Rescaling(color.L_HALF, name="l_minus_50")(l_norm)  # L - 50, the authors' input
        # The authors' layers (docs/reproduction_notes.md, 1.2): three halvings, then none, so that conv4 to conv7 see
        # 32x32 of 256. Dilation 2 in conv5 and conv6 widens what a place sees without another halving.
        x = _block(x, 1, 2, 64, last_stride=2)
        x = _block(x, 2, 2, 128, last_stride=2)
        x = _block(x, 3, 3, 256, last_stride=2)
        x = _block(x, 4, 3, 512)
        x = _block(x, 5, 3, 512, dilation=2)
        x = _block(x, 6, 3, 512, dilation=2)
        x = _block(x, 7, 3, 512)
        # 4x4 with stride 2 is symmetric under "same": no explicit padding is needed.
        x = keras.layers.Conv2DTranspose(
            256, 4, strides=2, padding="same", activation="relu", kernel_initializer="he_normal", name="conv8_1"
        )(x)
        # At a quarter of the size, 64x64 of 256: the network's only enlargement is the one above.
        x = _conv(x, "conv8_2", 256)
        x = _conv(x, "conv8_3", 256)
        x = keras.layers.Conv2D(len(BINS), 1, kernel_initializer="he_normal", name="conv8_313")(x)
        # float32 also under mixed precision: the loss takes differences of logits.
        logits = keras.layers.Activation("linear", dtype="float32", name="logits32")(x)
        return keras.Model([l_norm, vector], logits, name="colorful")

    def trainer(self, network: keras.Model, config: TrainConfig, train: keras.utils.PyDataset) -> keras.Model:
        """Compiles Adam on the rebalanced cross entropy; logs the unweighted one beside it."""
        network.compile(
            optimizer=keras.optimizers.Adam(config.learning_rate, beta_2=0.99),  # beta_2: the authors' solver
            loss=RebalancedCrossEntropy(rebalance(soft_encoding.prior_of(train))),
            metrics=[cross_entropy],
        )
        return network

    def ab_of(self, output: Any, l_norm: Any, look: str | None = None) -> Any:
        """Takes the annealed mean and enlarges it bilinearly; see `Method.ab_of`."""
        ab = annealed_mean(output, TEMPERATURE)
        return ops.image.resize(ab, l_norm.shape[1:3], interpolation="bilinear") / color.AB_SCALE
