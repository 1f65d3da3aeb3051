"""Image Colorization using GANs: a U-Net that is also trained to deceive a discriminator.

Nazeri, Ng, Ebrahimi, "Image Colorization using Generative Adversarial Networks", 2018. The generator predicts all
three Lab channels. The discriminator sees patches of a picture, with its luminance, and says whether the colors are
true. The generator's loss is that of being recognized plus a hundred times its mean absolute error.

    l_norm SxSx1 -> U-Net, seven times halved and doubled -> lab_norm SxSx3 (L/50 - 1, a/110, b/110)
    l_norm, lab_norm -> patch discriminator -> S/8 x S/8 logits, each of about 70x70 pixels

Three systems have this name; this one has the layers of the authors' last repository and the settings of their paper
(docs/reproduction_notes.md, 1.3).

42,033,027 parameters and 9.2 G multiply-adds at 256x256; the discriminator has 2,769,345 and 3.3 G. A training step is
about 65 G per picture: two passes through the generator, one back; three through the discriminator and back. 100 epochs
of 2,200 pictures are 14 P multiply-adds: over three days on two CPU cores at 50 G a second. benchmarks/methods.py
measures.

Written from the paper and docs/reproduction_notes.md; no code of the authors' (Apache-2.0) is used. `departures` lists
what differs from them.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from colorizer import color
from colorizer.config import TrainConfig
from colorizer.methods.base import Default, Method
from colorizer.methods.layers.inputs import inputs

AB_RANGE = 110.0  # Lab units at tanh = 1; a and b of sRGB are within -107.9..98.3
L1_WEIGHT = 100.0  # lambda in the paper
REAL = 0.9  # one-sided label smoothing, the paper's: keeps the discriminator from being too sure
LEAK = 0.2  # slope of LeakyReLU below zero, the paper's
# Filters of the encoder, the authors' code: conv0 keeps the size, each of the others halves it.
ENCODER = (64, 64, 128, 256, 512, 512, 512, 512)
# The batch statistics' momentum. A batch passes through the generator twice a step: together it is 0.9.
BN_MOMENTUM = 0.9**0.5


def levels(image_size: int) -> int:
    """How often the generator halves its input: 7 times at 256, and at least 2x2 pixels are left.

    Smaller pictures, and sides that cannot be halved seven times, get fewer levels.
    """
    count = 0
    while count < len(ENCODER) - 1 and image_size % 2 ** (count + 1) == 0 and image_size >> (count + 1) >= 2:
        count += 1
    return count


def _norm(x, name):
    # Epsilon stays at TensorFlow's and Keras' 1e-3, which the authors' code has.
    return keras.layers.BatchNormalization(momentum=BN_MOMENTUM, name=f"{name}_norm")(x)


def _down(x, name, filters, stride=2, norm=True):
    """4x4 convolution, batch normalization, LeakyReLU. "same" is symmetric for 4x4 with stride 2."""
    x = keras.layers.Conv2D(filters, 4, strides=stride, padding="same", kernel_initializer="he_normal", name=name)(x)
    x = _norm(x, name) if norm else x
    return keras.layers.LeakyReLU(LEAK, name=f"{name}_leaky")(x)


def _up(x, name, filters):
    """4x4 transposed convolution, batch normalization, ReLU."""
    x = keras.layers.Conv2DTranspose(filters, 4, strides=2, padding="same", kernel_initializer="he_normal", name=name)(
        x
    )
    return keras.layers.ReLU(name=f"{name}_relu")(_norm(x, name))


def build_discriminator(image_size: int = 256) -> keras.Model:
    """Builds the discriminator, which judges patches.

    Args:
        image_size: side S of the input, a multiple of 32.

    Returns:
        A model: `l_norm` (B, S, S, 1) and `lab_norm` (B, S, S, 3) -> logits (B, S/8, S/8, 1), high for true colors.
    """
    l_norm = keras.Input((image_size, image_size, 1), name="l_norm")
    lab_norm = keras.Input((image_size, image_size, 3), name="lab_norm")
    x = keras.layers.Concatenate(name="condition")([l_norm, lab_norm])
    # Strides 2, 2, 2, 1, 1 of 4x4 kernels: a logit sees 1 + 3 (1 + 2 + 4 + 8 + 8) = 70 pixels. No normalization in the
    # first layer, as in the authors' code.
    x = _down(x, "patch0", 64, norm=False)
    x = _down(x, "patch1", 128)
    x = _down(x, "patch2", 256)
    x = _down(x, "patch3", 512, stride=1)
    logits = keras.layers.Conv2D(
        1, 4, padding="same", kernel_initializer="he_normal", dtype="float32", name="judgement"
    )(x)
    return keras.Model([l_norm, lab_norm], logits, name="discriminator")


def lab_norm_of(l_norm: Any, ab_norm: Any) -> Any:
    """The generator's target: `l_norm` (B, S, S, 1), `ab_norm` (B, S, S, 2) -> (B, S, S, 3) in -1..1."""
    # From 128 to 110 Lab units at 1: the true colors then use nearly all of the tanh.
    return ops.concatenate([l_norm, ab_norm * (color.AB_SCALE / AB_RANGE)], axis=-1)


def adversarial(logits: Any, label: float) -> Any:
    """Binary cross entropy of a map of logits with one label: a scalar, the mean over the map and the batch."""
    return ops.mean(ops.binary_crossentropy(ops.full_like(logits, label), logits, from_logits=True))


class _Given(keras.losses.Loss):
    """A loss that is computed already."""

    def call(self, y_true, y_pred) -> Any:
        return y_pred


def _over_replicas(loss: Any) -> Any:
    """A scalar loss, divided by the number of devices as Keras' own losses are: their gradients are added."""
    values = ops.reshape(loss, (1,))  # Keras leaves scalars as they are
    return _Given(name="given")(values, values)


@keras.saving.register_keras_serializable("colorizer")
class AdamInTurns(keras.optimizers.Adam):
    """Adam for two networks that are updated in turns: one optimizer to save, to resume and to slow down.

    Adam treats each weight separately, so this is two Adams, each with its own moments and one step per batch.
    `begin_turn` is called while a step is traced, so that the compiled step holds both turns.
    """

    _movable, _counts = frozenset(), True

    def begin_turn(self, variables: list[keras.Variable], counts: bool) -> None:
        """Updates only `variables` from now on; `counts` is true for the turn that ends a batch."""
        # Identities: Keras would save a list of variables as the optimizer's own.
        self._movable, self._counts = frozenset(map(id, variables)), counts

    def apply(self, grads, trainable_variables=None) -> None:
        """Updates the variables whose turn it is; gradients of the others are dropped."""
        variables = self._trainable_variables if trainable_variables is None else trainable_variables
        if not self.built:
            self.build(variables)
        pairs = [pair for pair in zip(grads, variables, strict=True) if id(pair[1]) in self._movable]
        super().apply(*map(list, zip(*pairs, strict=True)))
        # Adam corrects its moments by the step's number: both turns of a batch are one step.
        if not self._counts:
            self.iterations.assign_sub(1)


class Adversaries(keras.Model):
    """Generator and discriminator in one model, which `fit` trains in turns.

    Keras' own training step runs twice on every batch: first it updates the discriminator, then the generator against
    the updated discriminator. The turn decides the loss and the weights that are updated.

    Logs: `discriminator_loss` = BCE(true, 0.9) + BCE(generated, 0); `generator_loss` = BCE(generated, 1) + 100 L1;
    `l1`, the mean over three channels; `loss`, the mean of both networks' losses. `val_loss` is the L1 alone, by which
    the best generator is chosen.

    Args:
        generator: from `GAN.build`.
        discriminator: from `build_discriminator`.
    """

    def __init__(self, generator: keras.Model, discriminator: keras.Model):
        super().__init__(name="adversaries")
        self.generator, self.discriminator = generator, discriminator
        self.turn = generator.name
        self.discriminator_loss = keras.metrics.Mean("discriminator_loss")
        self.generator_loss = keras.metrics.Mean("generator_loss")
        self.l1 = keras.metrics.Mean("l1")
        self.built = True  # the two networks are built, so weights can be loaded

    def call(self, inputs, training=None) -> Any:
        return self.generator(inputs, training=training)

    def train_step(self, *arguments) -> Any:
        """Runs both turns on one batch. TensorFlow passes (data); JAX passes (state, data), and gets (logs, state)."""
        # Mixed precision wraps the optimizer.
        adam = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        for network in (self.discriminator, self.generator):
            self.turn = network.name
            adam.begin_turn(network.trainable_variables, counts=network is self.generator)
            result = super().train_step(*arguments)
            if isinstance(result, tuple):
                arguments = (result[1], *arguments[1:])
        return result

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True) -> Any:
        """The loss of the network whose turn it is; the L1 in validation."""
        l_norm, true = x[0], lab_norm_of(x[0], y)
        images = ops.shape(l_norm)[0]  # as a weight: the last batch may be smaller
        if not training or self.turn == self.discriminator.name:
            # One-sided smoothing: 0.9 for true colors, and a full 0 for generated ones.
            judged = adversarial(self.discriminator([l_norm, true], training=training), REAL)
            # `stop_gradient`: in this turn the generator is not to learn.
            judged += adversarial(self.discriminator([l_norm, ops.stop_gradient(y_pred)], training=training), 0.0)
            self.discriminator_loss.update_state(judged, images)
            if training:
                return _over_replicas(judged)
        l1 = ops.mean(ops.abs(true - y_pred))
        # The generator aims at a full 1: smoothing is the discriminator's alone.
        deceived = adversarial(self.discriminator([l_norm, y_pred], training=training), 1.0)
        total = deceived + L1_WEIGHT * l1
        self.generator_loss.update_state(total, images)
        self.l1.update_state(l1, images)
        return _over_replicas(total if training else l1)


class GAN(Method):
    """The conditional GAN of Nazeri, Ng and Ebrahimi."""

    title = "Image Colorization using Generative Adversarial Networks"
    reference = "Nazeri, Ng, Ebrahimi, Image Colorization using Generative Adversarial Networks, 2018"
    multiply_adds = 12.5  # 9.2 of the generator, 3.3 of the discriminator
    defaults = {
        "classifier": Default("none", "Nazeri 2018: the networks see the luminance alone"),
        "learning_rate": Default(2e-4, "Nazeri 2018, both networks"),
        "batch_size": Default(16, "the authors' code, for Places"),
        "plateau_factor": Default(0.1, "Nazeri 2018: divided by ten on a plateau, by hand"),
        "plateau_patience": Default(10, "the paper states none; a tenth is a large step, so 10 epochs are waited for"),
        "plateau_min_lr": Default(1e-6, "the authors' code"),
        "zoom_range": Default(0.0, "the authors' code only mirrors"),
        "rotation_range": Default(0.0, "the authors' code only mirrors"),
        "shear_range": Default(0.0, "the authors' code only mirrors"),
    }
    departures = {
        "input": Default("L/50 - 1", "the authors' code: luma, 0..255"),
        "levels": Default("as many halvings as the side allows, at most 7", "the paper's network takes 256 only"),
        "generator_steps": Default(1, "for one step of the discriminator; the authors' code: 2"),
        "batch_norm": Default("moving averages at inference", "the authors' code: always the batch's own statistics"),
    }
    predicts_luminance = True

    def build(
        self, image_size: int = 256, encoder: keras.Model | None = None, initializer: str | None = None
    ) -> keras.Model:
        """Builds the generator: `lab_norm` (B, S, S, 3), L/50 - 1 and ab/110, by tanh; see `Method.build`."""
        l_norm, vector = inputs(image_size)
        x, skips = l_norm, []
        for i, filters in enumerate(ENCODER[: levels(image_size) + 1]):
            # The first layer keeps the size: its output is the last skip connection.
            x = _down(x, f"conv{i}", filters, stride=2 if i else 1)
            skips.append(x)
        # Each level's own output, but for the deepest, is joined on the way up; filters mirror the encoder's.
        for i, skip in enumerate(reversed(skips[:-1])):
            x = _up(x, f"deconv{i}", skip.shape[-1])
            x = keras.layers.Concatenate(name=f"concat{i}")([x, skip])
        # float32 also under mixed precision: bfloat16 would round ab to half a Lab unit.
        lab_norm = keras.layers.Conv2D(
            3, 1, activation="tanh", kernel_initializer="he_normal", dtype="float32", name="out"
        )(x)
        return keras.Model([l_norm, vector], lab_norm, name="gan")

    def trainer(self, network: keras.Model, config: TrainConfig, train: keras.utils.PyDataset) -> keras.Model:
        """Compiles generator and discriminator, in effect with one Adam each; beta_1 0.5 is the paper's."""
        adversaries = Adversaries(network, build_discriminator(network.input_shape[0][1]))
        # The paper's 0.5. With Adam's 0.9 such trainings oscillate (Radford, Metz, Chintala, DCGAN, ICLR 2016).
        adversaries.compile(optimizer=AdamInTurns(config.learning_rate, beta_1=0.5))
        return adversaries

    def ab_of(self, output: Any, l_norm: Any = None, look: str | None = None) -> Any:
        """Rescales the generator's a and b and drops its L; see `Method.ab_of`."""
        # 110 / 128 = 0.86: from the tanh's range to ab/128.
        return output[..., 1:] * np.float32(AB_RANGE / color.AB_SCALE)

    def predict_lab(self, network: keras.Model, l_norm: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Predicts a, b and L, as the authors score it; a and b are within -110..110; see `Method.predict_lab`."""
        lab_norm_hat = network.predict_on_batch([l_norm, vector])
        return color.join(lab_norm_hat[..., :1], self.ab_of(lab_norm_hat))
