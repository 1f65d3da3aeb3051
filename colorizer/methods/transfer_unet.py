"""Transfer U-Net: all scales of a pretrained classifier decide the colors.

This project's own method. The paper's conclusion asks for a better model than one class vector gives. Here the
classifier itself is the encoder of a U-Net: the last layer of each of its scales goes to a light decoder, and all of it
is trained. The output is a distribution over the 313 colors of `layers.color_bins` for every fourth pixel, so no output
can leave the range that colors have. One set of weights has two looks:

    accurate   an annealed mean: small errors, and pale where the network is unsure
    vivid      another, with each picture's chroma raised by its distribution's variance: more often wrong

    l_norm SxS -> gray RGB -> classifier's stages S/4 S/8 S/16 S/32 -> decoder -> logits S/4 x S/4 x 313
           |                                                                          | a look's mean
           +-------------------------- guided filter <--------------------------------+
                                            |
                                       ab_norm_hat SxSx2

With the MobileNetEdgeTPU classifier 5,039,794 parameters and 3.4 G multiply-adds at 256x256: a fifth of the paper's
network without its classifier. With --classifier none the encoder is ten plain untrained convolutions, to measure what
the transfer is worth. An epoch of 6,700 pictures at 192x192 is 38 T multiply-adds, forward and back: nine minutes on
two CPU cores with AVX-512. 100 epochs would take 15 hours there. The weights that were shipped before the ViT
decoder's had seven, of which the fifth had the lowest validation loss.

U-Net: Ronneberger, Fischer, Brox, MICCAI 2015. Soft code and annealed mean: Zhang, Isola, Efros, ECCV 2016. Guided
filter: He, Sun, Tang, ECCV 2010. Written from the papers; no code of theirs is used.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from colorizer import color
from colorizer.config import TrainConfig
from colorizer.methods.base import Default, Method
from colorizer.methods.layers import backbone, optimizers
from colorizer.methods.layers.color_bins import BINS, STRIDE, Look, annealed_mean, encode, prior_of, strengthened
from colorizer.methods.layers.inputs import Shape, inputs, shape_of

# Channels of the light decoder: with them the whole network stays at a fifth of the paper's multiply-adds.
TOP = 256  # of the bottleneck
WIDTHS = ((160, 256), (96, 160), (48, 96))  # at S/16, S/8, S/4: of the skip connection, and after it is merged
# Of the mean's squared error in ab/128, beside the cross entropy in nats: it makes about a fifth of the loss.
MEAN_WEIGHT = 50.0
PRIOR_FLOOR = 1e-5  # a color that the training set lacks stays possible
# Chosen from results/experiments/looks.jsonl. accurate: within 0.07 dB and 0.05 CIEDE2000 of the best on COCO's
# validation pictures. vivid: the best in PSNR and CIEDE2000 on both validation lists, of all settings that reach three
# quarters of the truth's colorfulness on both.
LOOKS = {"accurate": Look(0.7, 0.0), "vivid": Look(0.5, 0.025)}


def _conv(x, filters, kernel, name):
    return keras.layers.Conv2D(
        filters, kernel, padding="same", activation="relu", kernel_initializer="he_normal", name=name
    )(x)


@keras.saving.register_keras_serializable("colorizer")
class LogPrior(keras.layers.Layer):
    """Adds the logarithm of each color's frequency: (B, h, w, 313) -> the same.

    Training then starts from what is known of all pictures. The weight is set by `TransferUNet.trainer` and is never
    trained. Removing a share of it for the vivid look is little better in PSNR than a gain and worse in CIEDE2000
    (results/experiments/looks.jsonl).
    """

    def build(self, input_shape) -> None:
        shape = (input_shape[-1],)
        self.log_prior = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="log_prior")

    def call(self, logits):
        return logits + self.log_prior


@keras.saving.register_keras_serializable("colorizer")
class DistributionLoss(keras.losses.Loss):
    """Cross entropy with the soft-encoded truth, plus the squared error of the distribution's mean.

    The cross entropy makes rare colors possible; the squared error keeps the mean accurate, from which the looks
    start. The truth is averaged to a quarter of its size. Six other losses were tried and were not better
    (results/experiments/choices.jsonl).
    """

    def __init__(self, name: str = "distribution"):
        super().__init__(name=name)

    def call(self, ab_norm: Any, logits: Any) -> Any:
        """(B, S, S, 2) ab/128 and (B, S/4, S/4, 313) -> (B,) float32."""
        ab = ops.average_pool(ab_norm, STRIDE, STRIDE) * color.AB_SCALE
        logs = ops.log_softmax(logits, axis=-1)
        error = (ops.matmul(ops.exp(logs), BINS) - ab) / color.AB_SCALE
        squares = ops.mean(ops.square(error), axis=-1)
        indices, shares = encode(ab)
        # Ten of 313 shares are not zero: the dense target is never made.
        nats = -ops.sum(shares * ops.take_along_axis(logs, indices, axis=-1), axis=-1)
        return ops.mean(nats + MEAN_WEIGHT * squares, axis=(1, 2))

    def get_config(self) -> dict[str, Any]:
        """The name, so that a saved network can be loaded."""
        return {"name": self.name}


@keras.saving.register_keras_serializable("colorizer")
def mse(ab_norm: Any, logits: Any) -> Any:
    """Mean squared error of the distribution's mean in ab/128, at a quarter of the size: (B,)."""
    ab = ops.average_pool(ab_norm, STRIDE, STRIDE)
    return ops.mean(ops.square(annealed_mean(logits) / color.AB_SCALE - ab), axis=(1, 2, 3))


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
    predicts_bins = True
    any_shape = True
    sizes_at_use = {192: 160}  # results/experiments/shapes.jsonl
    multiply_adds = 3.4  # with MobileNetEdgeTPU as its encoder
    looks = ("accurate", "vivid")
    # From results/experiments/looks.jsonl for both looks. The second is the variance of `l_norm` below which a window
    # counts as flat.
    smoothing = (16, 0.003)

    def build(
        self, image_size: int | Shape = 256, encoder: keras.Model | None = None, initializer: str | None = None
    ) -> keras.Model:
        """Builds the network: logits (B, S/4, S/4, 313) over `BINS`; see `Method.build`.

        Args:
            image_size: see `Method.build`.
            encoder: see `backbone.stages`; None for `backbone.plain`.
            initializer: not an option of this method.
        """
        l_norm, vector = inputs(image_size)
        encoder = backbone.plain() if encoder is None else encoder
        # 2.55 L is within 8 of 255 levels of the sRGB gray of that L; the first layer learns the rest.
        gray = keras.layers.Rescaling(127.5, 127.5, name="grey")(l_norm)
        rgb = keras.layers.Concatenate(name="rgb")([gray, gray, gray])
        # Four scales: S/4, S/8 and S/16 become skip connections, S/32 is the bottleneck.
        *skips, deepest = backbone.stages(encoder, image_size)(rgb)
        x = _conv(deepest, TOP, 1, "top")
        for (taken, made), stride, skip in zip(WIDTHS, (16, 8, 4), reversed(skips), strict=True):
            x = backbone.doubled(shape_of(image_size), f"up{stride}")(x)
            x = keras.layers.Concatenate(name=f"join{stride}")([x, _conv(skip, taken, 1, f"skip{stride}")])
            x = _conv(x, made, 3, f"made{stride}")
        # One more layer at S/4, where all scales are together.
        x = _conv(x, WIDTHS[-1][1], 3, "last")
        # float32 also under mixed precision: the loss takes differences of logits.
        logits = keras.layers.Conv2D(len(BINS), 1, kernel_initializer="zeros", dtype="float32", name="logits")(x)
        return keras.Model([l_norm, vector], LogPrior(dtype="float32", name="log_prior")(logits), name="transfer_unet")

    def trainer(self, network: keras.Model, config: TrainConfig, train: keras.utils.PyDataset) -> keras.Model:
        """Compiles AdamW on `DistributionLoss`, after it has set the network's prior to the training pictures'."""
        prior = prior_of(train)
        # Training starts at the prior's cross entropy instead of ln 313 = 5.75 nats.
        network.get_layer("log_prior").log_prior.assign(np.log(np.maximum(prior, PRIOR_FLOOR)).astype(np.float32))
        network.compile(
            optimizer=optimizers.fine_tuning(config, self.encoder_of(network), len(train)),
            loss=DistributionLoss(),
            metrics=[mse],
            jit_compile=optimizers.JIT_COMPILE,
        )
        return network

    def coarse_ab_of(self, output: Any, look: str | None = None) -> Any:
        """Decodes a look at the size of the logits; see `Method.coarse_ab_of`."""
        chosen = LOOKS[look or self.looks[0]]
        mean = annealed_mean(output, chosen.temperature)
        return strengthened(output, mean, chosen) / color.AB_SCALE

    def encoder_of(self, network: keras.Model) -> keras.Model:
        """The encoder inside the network; see `Method.encoder_of`."""
        return network.get_layer("encoder")
