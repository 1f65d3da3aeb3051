"""Ours: every scale of a pretrained classifier, not only its last layer, decides the colours.

The paper asks for a better model than one class vector gives. Here the classifier itself is the
encoder of a U-Net: the last layer of each of its scales is handed to a light decoder, and all of it is
trained. What comes out is, for every fourth pixel, a distribution over the 313 colours of `colorful`,
so no output can leave the range that colours have. One set of weights has two looks:

    accurate   an annealed mean: small errors, and pale where it is in doubt
    vivid      another, each picture's chroma raised by what its distribution leaves open: more often wrong

    l_norm SxSx1 -> grey RGB -> classifier's stages S/4 S/8 S/16 S/32 -> decoder -> logits S/4 x S/4 x 313
           |                                                                          | a look's mean
           +-------------------------- guided filter <--------------------------------+
                                            |
                                       ab_norm_hat SxSx2

With the MobileNetEdgeTPU classifier 5,039,794 parameters and 3.4 G multiply-adds at 256x256: a fifth
of the paper's network without its classifier. Without a classifier (--classifier none) the encoder is
ten plain convolutions, untrained: what the transfer is worth. An epoch of 6,700 pictures at 192x192 is
38 T multiply-adds, forward and back: nine minutes on two CPU cores with AVX-512. Seven made the shipped weights.
100 epochs would take 15 hours there; of the seven, the fifth had the lowest validation loss.

U-Net: Ronneberger, Fischer, Brox, MICCAI 2015. Soft encoding and annealed mean: Zhang, Isola, Efros,
ECCV 2016.
Written from the papers; no code of theirs is used.
"""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from colorizer import color
from colorizer.config import TrainConfig
from colorizer.methods import colorful
from colorizer.methods.base import Default, Method
from colorizer.methods.colorful import BINS, STRIDE
from colorizer.methods.layers import backbone, guided_filter, optimizers

TOP = 256  # channels of the bottleneck
WIDTHS = ((160, 256), (96, 160), (48, 96))  # of S/16, S/8, S/4: what is taken of the skip, what is made of both
MEAN_WEIGHT = 50.0  # of the mean's squared error in ab/128 beside the cross entropy in nats: about a fifth of the loss
PRIOR_FLOOR = 1e-5  # no colour is held impossible because the training set lacks it


class Look(NamedTuple):
    """How a distribution becomes colours: `temperature` of the annealed mean, and `added`, see `gain`."""

    temperature: float
    added: float


# Chosen from results/experiments/looks.jsonl: accurate is within 0.07 dB and 0.05 CIEDE2000 of the best on COCO's
# pictures; vivid is, of all that give both lists three quarters of the truth's colourfulness, the best on both in
# PSNR and CIEDE2000.
LOOKS = {"accurate": Look(0.7, 0.0), "vivid": Look(0.5, 0.025)}
LARGEST_GAIN = 3.0
LEAST_CHROMA = 1.0  # Lab units; a mean paler than this points nowhere
MOMENTS = np.column_stack([BINS, np.square(BINS).sum(axis=1)])  # (313, 3): a, b, a^2 + b^2
# Both looks, from the same lines: the side over the smoothing's radius, and the variance of luminance taken for flat.
WINDOWS = 16
EPSILON = 0.003


def _conv(x, filters, kernel, name):
    return keras.layers.Conv2D(
        filters, kernel, padding="same", activation="relu", kernel_initializer="he_normal", name=name
    )(x)


class LogPrior(keras.layers.Layer):
    """Adds the logarithm of how often each colour occurs, so that training begins with what is known of all pictures.

    Its weight is set by `trainer` and never trained. To take part of it out again for the vivid look is little
    better than a gain in PSNR and worse in CIEDE2000 (results/experiments/looks.jsonl).
    """

    def build(self, shape):
        self.log_prior = self.add_weight(shape=(shape[-1],), initializer="zeros", trainable=False, name="log_prior")

    def call(self, logits):
        return logits + self.log_prior


class DistributionLoss(keras.losses.Loss):
    """Cross entropy with the soft-encoded truth, plus the squared error of the distribution's mean.

    The cross entropy makes rare colors possible; the squared error keeps the mean, which the looks start from,
    accurate. The truth is averaged to a quarter of its size. Six other losses were tried and were not better:
    results/experiments/choices.jsonl.
    """

    def __init__(self, name: str = "distribution"):
        super().__init__(name=name)

    def call(self, ab_norm, logits):
        """(B, S, S, 2) ab/128 and (B, S/4, S/4, 313) -> (B,) float32."""
        ab = ops.average_pool(ab_norm, STRIDE, STRIDE) * color.AB_SCALE
        logs = ops.log_softmax(logits, axis=-1)
        error = (ops.matmul(ops.exp(logs), BINS) - ab) / color.AB_SCALE
        squares = ops.mean(ops.square(error), axis=-1)
        indices, shares = colorful.encode(ab)
        nats = -ops.sum(shares * ops.take_along_axis(logs, indices, axis=-1), axis=-1)
        return ops.mean(nats + MEAN_WEIGHT * squares, axis=(1, 2))


def mse(ab_norm, logits):
    """Mean squared error of the distribution's mean in ab/128, at a quarter of the size: (B,)."""
    ab = ops.average_pool(ab_norm, STRIDE, STRIDE)
    return ops.mean(ops.square(mean_ab(logits) / color.AB_SCALE - ab), axis=(1, 2, 3))


def mean_ab(logits, temperature=1.0):
    """The (annealed) mean of a distribution over `BINS`: (..., 313) -> (..., 2), Lab units."""
    return ops.matmul(ops.softmax(logits / temperature, axis=-1), BINS)


def gain(logits, ab, added: float):
    """What a picture's colours are multiplied with to gain chroma where, by its own distribution, it costs least.

    A mean is paler than what it is the mean of: where red and green are equally likely it is neither. Its squared
    error is the distribution's variance, and d Lab units more of chroma make it larger by d^2: in decibels by about
    d^2 over the variance. So the most chroma for a loss is had where every picture is given `added` Lab units for each
    squared one of its variance, both taken over all pixels. `logits` are (B, h, w, 313) float32, `ab` (B, h, w, 2)
    float32 in Lab units; returns (B, 1, 1, 1) float32 between 1 and `LARGEST_GAIN`.

    Source: ours.
    """
    moments = ops.matmul(ops.softmax(logits, axis=-1), MOMENTS)
    mean, squares = moments[..., :2], moments[..., 2]
    variance = ops.mean(squares - ops.sum(ops.square(mean), axis=-1), axis=(1, 2))
    chroma = ops.sqrt(ops.mean(ops.sum(ops.square(ab), axis=-1), axis=(1, 2)))
    raised = 1 + added * variance / ops.maximum(chroma, LEAST_CHROMA)
    return ops.clip(raised, 1, LARGEST_GAIN)[:, None, None, None]


def knows(classifier: str) -> bool:
    """Whether `--classifier` names one whose weights come from a training: not "none", not "random:"."""
    return classifier != "none" and not classifier.startswith("random:")


class TransferUNet(Method):
    """A U-Net on a pretrained classifier, with a distribution over colors as its output."""

    title = "Transfer U-Net (ours)"
    reference = "this project's, after the paper's conclusion; bins and soft encoding: Zhang 2016"
    defaults = {
        "learning_rate": Default(5e-4, "of AdamW, the highest of one cycle"),
        "loss": Default("distribution", "see `DistributionLoss`"),
        "schedule": Default("one_cycle", "few epochs fit on a CPU, too few to wait for a plateau"),
        "weight_decay": Default(0.5, "chosen by experiment: results/experiments/choices.jsonl"),
        "encoder_rate": Default(
            0.3, "chosen by experiment; at the full rate the encoder forgets: results/experiments/choices.jsonl"
        ),
        "frozen_epochs": Default(1, "chosen by experiment: results/experiments/choices.jsonl"),
        "zoom_range": Default(0.4, "chosen by experiment: results/experiments/choices.jsonl"),
        "tone_range": Default(0.5, "chosen by experiment: results/experiments/choices.jsonl"),
        "rotation_range": Default(0.0, "photographs are seldom askew"),
        "shear_range": Default(0.0, "photographs are seldom askew"),
    }
    options = frozenset({"schedule", "weight_decay", "encoder_rate", "frozen_epochs"})
    losses = ("distribution",)
    uses_encoder = True
    looks = ("accurate", "vivid")

    def build(
        self, image_size: int = 256, encoder: keras.Model | None = None, initializer: str | None = None
    ) -> keras.Model:
        """Builds the network: logits (B, S/4, S/4, 313) over `BINS`; see `Method.build`.

        Args:
            image_size: side S of the input, a multiple of 32.
            encoder: see `backbone.stages`; None for `backbone.plain`.
            initializer: not an option of this method.
        """
        l_norm = keras.Input((image_size, image_size, 1), name="l_norm")
        vector = keras.Input((1000,), name="vector")  # unused: every method has the same inputs
        encoder = backbone.plain() if encoder is None else encoder
        # 2.55 L is within 8 of 255 levels of the sRGB gray of that L; the first layer learns the rest.
        grey = keras.layers.Rescaling(127.5, 127.5, name="grey")(l_norm)
        rgb = keras.layers.Concatenate(name="rgb")([grey, grey, grey])
        *skips, deepest = backbone.stages(encoder, image_size)(rgb)
        x = _conv(deepest, TOP, 1, "top")
        for (taken, made), stride, skip in zip(WIDTHS, (16, 8, 4), reversed(skips), strict=True):
            x = keras.layers.UpSampling2D(2, interpolation="bilinear", name=f"up{stride}")(x)
            x = keras.layers.Concatenate(name=f"join{stride}")([x, _conv(skip, taken, 1, f"skip{stride}")])
            x = _conv(x, made, 3, f"made{stride}")
        x = _conv(x, WIDTHS[-1][1], 3, "last")
        # float32 also under mixed precision: the loss takes differences of logits.
        logits = keras.layers.Conv2D(len(BINS), 1, kernel_initializer="zeros", dtype="float32", name="logits")(x)
        return keras.Model([l_norm, vector], LogPrior(dtype="float32", name="log_prior")(logits), name="transfer_unet")

    def trainer(self, network: keras.Model, config: TrainConfig, train: keras.utils.PyDataset) -> keras.Model:
        """Compiles AdamW on `DistributionLoss`; sets the network's prior to that of the training pictures."""
        prior = colorful.prior_of(train)
        network.get_layer("log_prior").log_prior.assign(np.log(np.maximum(prior, PRIOR_FLOOR)).astype(np.float32))
        encoder, share, frozen = self.encoder_of(network), config.encoder_rate, config.frozen_epochs
        if not (config.init_weights or knows(config.classifier)):
            share, frozen = 1.0, 0  # there is nothing to keep
        encoder.trainable = share > 0  # its batch statistics too
        network.compile(
            optimizer=optimizers.TwoRates(
                optimizers.learning_rate(config, len(train)),
                slow=encoder.trainable_variables,
                share=share,
                frozen_steps=frozen * len(train),
                weight_decay=config.weight_decay,
                global_clipnorm=1.0,
            ),
            loss=DistributionLoss(),
            metrics=[mse],
            # XLA compiles for minutes and makes depthwise convolutions on a CPU several times slower; JAX needs it.
            jit_compile=False,
        )
        return network

    def ab_of(self, output, l_norm, look: str | None = None):
        """Decodes a look, enlarges it bilinearly and smooths it along the edges of luminance; see `Method.ab_of`."""
        temperature, added = LOOKS[look or self.looks[0]]
        mean = mean_ab(output, temperature)
        ab = gain(output, mean, added) * mean
        side = l_norm.shape[1]
        ab_norm_hat = ops.image.resize(ab, (side, side), interpolation="bilinear") / color.AB_SCALE
        return ops.clip(guided_filter.smooth(l_norm, ab_norm_hat, side // WINDOWS, EPSILON), -1, 1)

    def encoder_of(self, network: keras.Model) -> keras.Model:
        """The encoder inside the network; see `Method.encoder_of`."""
        return network.get_layer("encoder")
