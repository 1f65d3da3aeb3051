"""Colorful Image Colorization: every pixel's colour is one of 313 classes, rare ones weighing more.

The network of Zhang, Isola and Efros (ECCV 2016) puts a distribution over 313 colours on every
fourth pixel. The truth is spread over its ten nearest colours, the cross entropy is weighted
against the frequency of colours in the training set, and a prediction is decoded half-way
between the mean and the mode of its distribution. Because of the weights it is not the squared
error that is minimized: the method prefers a vivid colour that may be wrong to a safe brown.

    l_norm SxSx1 -> conv1..conv8, dilated in the middle -> logits S/4 x S/4 x 313 -> annealed mean -> ab

32,235,385 parameters, 41.8 G multiply-adds at 256x256: the dearest of the four. 100 epochs of
2,200 pictures are 28 P multiply-adds, forward and back: six days at 50 G a second, as two CPU
cores may do. benchmarks/methods.py measures.

Written from the paper and from BASELINES §1.2; no code of the authors' (BSD-2-Clause) is used.
Departures from them are in `settings`.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from colorizer import color
from colorizer.config import TrainConfig
from colorizer.data.batches import Batches
from colorizer.methods.base import Default, Method

# The colours that occur in sRGB on a grid of 10 Lab units: for each a, the first and the last b.
# A list and no computation of ours: no rule for "in gamut" gives exactly these (BASELINES §1.2).
_ROWS = (
    (-90, 50, 90), (-80, 20, 90), (-70, 0, 90), (-60, -20, 90), (-50, -30, 100),
    (-40, -40, 100), (-30, -50, 100), (-20, -50, 100), (-10, -60, 100), (0, -70, 100),
    (10, -80, 90), (20, -80, 90), (30, -90, 90), (40, -100, 90), (50, -100, 80),
    (60, -110, 80), (70, -110, 80), (80, -110, 70), (90, -110, 70), (100, -90, 0),
)  # fmt: skip
BINS = np.array([(a, b) for a, first, last in _ROWS for b in range(first, last + 1, 10)], np.float32)  # (313, 2), Lab

STRIDE = 4  # the network's output is a quarter of its input; targets are every fourth pixel, not means
NEIGHBOURS = 10  # the authors' code; the paper's 5 is a misprint (richzhang/colorization#59)
SIGMA = 5.0  # Lab units, of the Gaussian over the neighbours; §2.2 of the paper
MIXTURE = 0.5  # lambda: how much of the prior is replaced by a uniform one; §2.2
TEMPERATURE = 0.38  # of the annealed mean: 1 is the mean, 0 the mode; §2.3
GREY = 5.0  # Lab units: a picture without an |a| or |b| above is grey and teaches nothing (authors' code)
PRIOR_PICTURES = 2500  # enough for the prior: 10 M pixels; more would only take time (ours)


def _conv(x, name, filters, stride=1, dilation=1):
    """3x3 convolution and ReLU, aligned as in Caffe: TRICKY, "same" with stride 2 would pad one side only."""
    padding = "same"
    if stride == 2:
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
    """conv1 to conv7: some convolutions, then batch normalization, behind the ReLU and without scale and shift."""
    for i in range(1, convolutions + 1):
        x = _conv(x, f"conv{number}_{i}", filters, last_stride if i == convolutions else 1, dilation)
    # 1e-5 is Caffe's; Keras' 1e-3 would damp channels that seldom fire.
    return keras.layers.BatchNormalization(
        center=False, scale=False, momentum=0.9, epsilon=1e-5, name=f"conv{number}_norm"
    )(x)


def subsample(ab_norm):
    """Every fourth pixel of ab/128 (B, S, S, 2), in Lab units: (B, S/4, S/4, 2). Source: authors' code."""
    return ab_norm[:, ::STRIDE, ::STRIDE] * color.AB_SCALE


def encode(ab):
    """Spreads colours over their nearest bins.

    Args:
        ab: (..., 2) float32, Lab units.

    Returns:
        `indices` (..., 10) into `BINS`, nearest first, and `shares` (..., 10) float32 that sum to 1.

    Source: §2.2 of the paper; BASELINES §1.2.
    """
    # Differences and no matrix product: a GPU would round the product's 20,000 to three digits (TF32).
    squared = ops.square(ab[..., :1] - BINS[:, 0]) + ops.square(ab[..., 1:] - BINS[:, 1])
    negative, indices = ops.top_k(-squared, NEIGHBOURS)
    return indices, ops.softmax(negative / (2 * SIGMA**2), axis=-1)  # a Gaussian that sums to 1


def decode(logits):
    """The annealed mean of a distribution over `BINS`: (..., 313) -> (..., 2), Lab units. Source: §2.3."""
    return ops.matmul(ops.softmax(logits / TEMPERATURE, axis=-1), BINS)


def prior_of(train) -> np.ndarray:
    """How often each of the 313 colours occurs: the mean of the soft-encoded pixels of a training set.

    Args:
        train: training batches. Of `Batches` the pictures are taken as they are, unmoved and in the
            order of their rows; where there are more than `PRIOR_PICTURES`, that many evenly spaced
            ones. It is computed again on a resume, and gives the same.

    Returns:
        (313,) float64 that sum to 1.

    Source: BASELINES §1.2, "Class rebalancing".
    """
    if isinstance(train, Batches):
        rows = train.rows[:: -(-len(train.rows) // PRIOR_PICTURES)]
        train = Batches(train.pictures, rows, batch_size=train.batch_size)
    counts = np.zeros(len(BINS))
    for index in range(len(train)):
        _, ab_norm = train[index]
        indices, shares = (ops.convert_to_numpy(part).ravel() for part in encode(subsample(ab_norm)))
        counts += np.bincount(indices, shares, minlength=len(BINS))
    return counts / counts.sum()


def rebalance(prior: np.ndarray) -> np.ndarray:
    """How much a pixel of each colour weighs in the loss.

    Args:
        prior: (313,) float, sums to 1.

    Returns:
        (313,) float32, large for rare colours; the prior's mean of it is 1. A colour the prior lacks
        weighs as much as the rarest.

    Source: §2.2 of the paper; empty bins: BASELINES §1.2.
    """
    occurs = prior > 0
    weights = 1 / ((1 - MIXTURE) * prior + MIXTURE * occurs / occurs.sum() + (~occurs))
    weights[~occurs] = weights[occurs].max()
    return (weights / (prior * weights).sum()).astype(np.float32)


def _pixel_losses(ab, logits):
    """Cross entropy with the soft encoding: ((B, h, w) float32 nats, (B, h, w) the nearest bin)."""
    indices, shares = encode(ab)
    # Only ten of 313 terms differ from zero, and the shares sum to 1: the dense target is never made.
    chosen = ops.sum(shares * ops.take_along_axis(logits, indices, axis=-1), axis=-1)
    return ops.logsumexp(logits, axis=-1) - chosen, indices[..., 0]


def cross_entropy(ab_norm, logits):
    """The loss without weights, (B,) nats a pixel: ln 313 = 5.75 knowing nothing, about 1.43 at best."""
    return ops.mean(_pixel_losses(subsample(ab_norm), logits)[0], axis=(1, 2))


class RebalancedCrossEntropy(keras.losses.Loss):
    """Mean over pixels of the cross entropy, each weighted by how rare its true colour is; 0 for grey pictures.

    Args:
        weights: (313,) float32, from `rebalance`.

    Source: §2.2 of the paper; the mask: authors' code.
    """

    def __init__(self, weights):
        super().__init__(name="rebalanced_cross_entropy")
        self.weights = weights

    def call(self, ab_norm, logits):
        ab = subsample(ab_norm)
        nats, nearest = _pixel_losses(ab, logits)
        coloured = ops.cast(ops.any(ops.abs(ab) > GREY, axis=(1, 2, 3)), nats.dtype)
        return coloured * ops.mean(ops.take(self.weights, nearest) * nats, axis=(1, 2))


class Colorful(Method):
    """The network, the loss and the decoding of Zhang, Isola and Efros."""

    title = "Colorful Image Colorization"
    reference = "Zhang, Isola, Efros, Colorful Image Colorization, ECCV 2016"
    defaults = {
        "classifier": Default("none", "Zhang 2016: the network sees the luminance alone"),
        "learning_rate": Default(1e-4, "for about 2,000 pictures, docs/reproduction_notes.md; Zhang 2016: 3e-5"),
        "plateau_factor": Default(0.1, "Zhang 2016: a tenth, there after 225k steps"),
        "plateau_patience": Default(10, "a tenth is a large step: wait 10 epochs, as for the GAN"),
        "plateau_min_lr": Default(1e-6, "a hundredth of the first rate, as in Zhang's schedule"),
        "zoom_range": Default(0.0, "Zhang 2016 only mirrors and crops"),
        "rotation_range": Default(0.0, "Zhang 2016 only mirrors and crops"),
        "shear_range": Default(0.0, "Zhang 2016 only mirrors and crops"),
    }
    departures = {
        "crop": Default("none", "the whole 256x256; Zhang 2016: random 176x176"),
        "weight_decay": Default(0.0, "negligible beside a mean over pixels; Zhang 2016: 1e-3 beside a sum"),
        "initialization": Default("He normal", "Zhang 2016: data-dependent k-means"),
        "batch_norm_momentum": Default(0.9, "for short runs"),
        "prior": Default("training split", "estimated again, since the pictures are not ImageNet's"),
    }
    options = frozenset({"weight_decay"})

    def build(self, image_size: int = 256, encoder=None, initializer: str | None = None) -> keras.Model:
        """Builds the network: logits (B, S/4, S/4, 313) over `BINS`; see `Method.build`."""
        l_norm = keras.Input((image_size, image_size, 1), name="l_norm")
        vector = keras.Input((1000,), name="vector")  # unused: every method has the same inputs
        x = keras.layers.Rescaling(color.L_HALF, name="l_minus_50")(l_norm)
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
        x = _conv(x, "conv8_2", 256)
        x = _conv(x, "conv8_3", 256)
        # float32 also under mixed precision: the loss takes differences of logits.
        logits = keras.layers.Conv2D(len(BINS), 1, kernel_initializer="he_normal", dtype="float32", name="conv8_313")(x)
        return keras.Model([l_norm, vector], logits, name="colorful")

    def trainer(self, network: keras.Model, config: TrainConfig, train: keras.utils.PyDataset) -> keras.Model:
        """Compiles Adam on the rebalanced cross entropy; logs the unweighted one beside it."""
        network.compile(
            # beta_2: the authors' solver
            optimizer=keras.optimizers.Adam(
                config.learning_rate, beta_2=0.99, weight_decay=config.weight_decay or None
            ),
            loss=RebalancedCrossEntropy(rebalance(prior_of(train))),
            metrics=[cross_entropy],
        )
        return network

    def ab_of(self, output, l_norm, look: str | None = None):
        """Takes the annealed mean and enlarges it bilinearly; see `Method.ab_of`."""
        return ops.image.resize(decode(output), l_norm.shape[1:3], interpolation="bilinear") / color.AB_SCALE
