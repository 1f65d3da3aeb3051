"""Image Colorization using Generative Adversarial Networks: a U-Net that must also deceive a judge.

The conditional GAN of Nazeri, Ng and Ebrahimi (2018): the generator predicts all three Lab
channels of a picture, the discriminator looks at patches of a picture with its luminance beside
it and says whether the colours are true. The generator is paid for deceiving it and, a hundred
times as much, for being close to the truth.

    l_norm SxSx1 -> U-Net, seven times halved and doubled -> lab_norm SxSx3 (L/50 - 1, a/110, b/110)
    l_norm, lab_norm -> patch discriminator -> S/8 x S/8 logits, each about 70x70 pixels

Three systems carry the name; this one has the layers of the authors' last repository and the
settings of their paper (BASELINES §1.3). 42,033,027 parameters and 9.2 G multiply-adds at 256x256;
the discriminator has 2,769,345 and 3.3 G. A training step is about 65 G a picture: two passes
through the generator, one back; three through the discriminator and back. 100 epochs of 2,200
pictures are 14 P: over three days at 50 G a second, as two CPU cores may do. benchmarks/methods.py measures.

Written from the paper and from BASELINES; no code of the authors' (Apache-2.0) is used.
Departures from them are in `settings`.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from colorizer import color
from colorizer.config import TrainConfig
from colorizer.methods.base import Default, Method

AB_RANGE = 110.0  # Lab units at tanh = 1; no sRGB colour reaches it (BASELINES §0)
L1_WEIGHT = 100.0  # lambda of the paper
REAL = 0.9  # one-sided label smoothing: the discriminator is never to be quite sure of the truth
LEAK = 0.2  # of LeakyReLU
# Filters of the encoder: conv0 keeps the size, each of the others halves it.
ENCODER = (64, 64, 128, 256, 512, 512, 512, 512)
# A batch passes through the generator twice a step, with the same statistics: together a momentum of 0.9.
BN_MOMENTUM = 0.9**0.5


def levels(image_size: int) -> int:
    """How often the generator halves its input: 7 at 256, and at least 2x2 pixels are left.

    Smaller pictures, and sides that cannot be halved seven times, lose the deepest levels. Source: ours.
    """
    count = 0
    while count < len(ENCODER) - 1 and image_size % 2 ** (count + 1) == 0 and image_size >> (count + 1) >= 2:
        count += 1
    return count


def _norm(x, name):
    # Epsilon is Keras' and TensorFlow's 1e-3, as the authors'.
    return keras.layers.BatchNormalization(momentum=BN_MOMENTUM, name=f"{name}_norm")(x)


def _down(x, name, filters, stride=2, norm=True):
    """4x4 convolution, batch normalization, LeakyReLU. "same" is symmetric for 4x4 with stride 2 (BASELINES §0)."""
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
    """The judge of patches.

    Args:
        image_size: side of the input, a multiple of 32.

    Returns:
        A model: `l_norm` (B, S, S, 1) and `lab_norm` (B, S, S, 3) -> logits (B, S/8, S/8, 1), high for true colours.

    Source: BASELINES §1.3.
    """
    l_norm = keras.Input((image_size, image_size, 1), name="l_norm")
    lab_norm = keras.Input((image_size, image_size, 3), name="lab_norm")
    x = keras.layers.Concatenate(name="condition")([l_norm, lab_norm])
    x = _down(x, "patch0", 64, norm=False)
    x = _down(x, "patch1", 128)
    x = _down(x, "patch2", 256)
    x = _down(x, "patch3", 512, stride=1)
    logits = keras.layers.Conv2D(
        1, 4, padding="same", kernel_initializer="he_normal", dtype="float32", name="judgement"
    )(x)
    return keras.Model([l_norm, lab_norm], logits, name="discriminator")


def lab_norm_of(l_norm, ab_norm):
    """What the generator is to put out: (B, S, S, 1), (B, S, S, 2) -> (B, S, S, 3), -1..1. Source: BASELINES §1.3."""
    return ops.concatenate([l_norm, ab_norm * (color.AB_SCALE / AB_RANGE)], axis=-1)


def adversarial(logits, label: float):
    """Binary cross entropy of a map of judgements with one label: a scalar, the mean over the map and the batch."""
    return ops.mean(ops.binary_crossentropy(ops.full_like(logits, label), logits, from_logits=True))


class AdamInTurns(keras.optimizers.Adam):
    """Adam for two networks that move in turns: one optimizer to save, to resume and to slow down.

    Adam treats each weight for itself, so this is two Adams, each with its own moments and as many
    steps as there were batches.

    `begin_turn` is called while a step is traced, so that the compiled step holds both turns.
    """

    _movable, _counts = frozenset(), True

    def begin_turn(self, variables, counts: bool) -> None:
        """From now on only `variables` move; `counts`: this turn ends a batch."""
        # Identities: a list of variables would be taken for the optimizer's own, and saved with it.
        self._movable, self._counts = frozenset(map(id, variables)), counts

    def apply(self, grads, trainable_variables=None):
        """Moves those of the variables whose turn it is; gradients of the others are dropped."""
        variables = self._trainable_variables if trainable_variables is None else trainable_variables
        if not self.built:
            self.build(variables)
        pairs = [pair for pair in zip(grads, variables, strict=True) if id(pair[1]) in self._movable]
        super().apply(*map(list, zip(*pairs, strict=True)))
        if not self._counts:
            self.iterations.assign_sub(1)


class Adversaries(keras.Model):
    """Generator and discriminator in one model, which `fit` trains in turns.

    Keras' own training step runs twice on every batch: the discriminator moves first, then the
    generator against the discriminator that has just moved. Which of the two it is decides the
    loss and the weights that the optimizer moves; what computes gradients stays Keras' affair.

    Logs: `discriminator_loss` = BCE(true, 0.9) + BCE(generated, 0); `generator_loss` =
    BCE(generated, 1) + 100 L1; `l1`, the mean over three channels; `loss`, the mean of both
    networks' losses. `val_loss` is the L1 alone: what a generator is chosen by.

    Args:
        generator: from `build`.
        discriminator: from `build_discriminator`.

    Source: BASELINES §1.3, "Losses".
    """

    def __init__(self, generator, discriminator):
        super().__init__(name="adversaries")
        self.generator, self.discriminator = generator, discriminator
        self.turn = generator.name
        self.discriminator_loss = keras.metrics.Mean("discriminator_loss")
        self.generator_loss = keras.metrics.Mean("generator_loss")
        self.l1 = keras.metrics.Mean("l1")
        self.built = True  # its two networks are; weights can be loaded

    def call(self, inputs, training=None):
        return self.generator(inputs, training=training)

    def train_step(self, *arguments):
        """Both turns on one batch. TensorFlow hands over (data), JAX (state, data) and wants (logs, state) back."""
        # Mixed precision wraps the optimizer.
        adam = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        for network in (self.discriminator, self.generator):
            self.turn = network.name
            adam.begin_turn(network.trainable_variables, counts=network is self.generator)
            result = super().train_step(*arguments)
            if isinstance(result, tuple):
                arguments = (result[1], *arguments[1:])
        return result

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss of the network whose turn it is; in validation the L1."""
        l_norm, true = x[0], lab_norm_of(x[0], y)
        images = ops.shape(l_norm)[0]  # the last batch may be smaller, as Keras' own `loss` knows
        if not training or self.turn == self.discriminator.name:
            judged = adversarial(self.discriminator([l_norm, true], training=training), REAL)
            judged += adversarial(self.discriminator([l_norm, ops.stop_gradient(y_pred)], training=training), 0.0)
            self.discriminator_loss.update_state(judged, images)
            if training:
                return judged
        l1 = ops.mean(ops.abs(true - y_pred))
        deceived = adversarial(self.discriminator([l_norm, y_pred], training=training), 1.0)
        total = deceived + L1_WEIGHT * l1
        self.generator_loss.update_state(total, images)
        self.l1.update_state(l1, images)
        return total if training else l1


class GAN(Method):
    """The conditional GAN of Nazeri, Ng and Ebrahimi."""

    title = "Image Colorization using GANs"
    reference = "Nazeri, Ng, Ebrahimi, Image Colorization using Generative Adversarial Networks, 2018"
    defaults = {
        "classifier": Default("none", "Nazeri 2018: the networks see the luminance alone"),
        "learning_rate": Default(2e-4, "Nazeri 2018, both networks"),
        "batch_size": Default(16, "the authors' code, for Places"),
        "plateau_factor": Default(0.1, "Nazeri 2018: divided by ten on a plateau, by hand"),
        "plateau_patience": Default(10, "docs/reproduction_notes.md: epochs of the validation L1"),
        "plateau_min_lr": Default(1e-6, "the authors' code"),
        "zoom_range": Default(0.0, "the authors' code only mirrors"),
        "rotation_range": Default(0.0, "the authors' code only mirrors"),
        "shear_range": Default(0.0, "the authors' code only mirrors"),
    }
    departures = {
        "input": Default("L/50 - 1", "the authors' code: luma, 0..255"),
        "generator_steps": Default(1, "for one step of the discriminator; the authors' code: 2"),
        "batch_norm": Default("moving averages at inference", "the authors' code: always the batch's own statistics"),
    }
    predicts_luminance = True

    def build(self, image_size: int = 256, encoder=None, initializer: str | None = None) -> keras.Model:
        """Builds the generator: `lab_norm` (B, S, S, 3), L/50 - 1 and ab/110, by tanh; see `Method.build`."""
        l_norm = keras.Input((image_size, image_size, 1), name="l_norm")
        vector = keras.Input((1000,), name="vector")  # unused: every method has the same inputs
        x, skips = l_norm, []
        for i, filters in enumerate(ENCODER[: levels(image_size) + 1]):
            x = _down(x, f"conv{i}", filters, stride=2 if i else 1)
            skips.append(x)
        for i, skip in enumerate(reversed(skips[:-1])):
            x = _up(x, f"deconv{i}", skip.shape[-1])
            x = keras.layers.Concatenate(name=f"concat{i}")([x, skip])
        # float32 also under mixed precision: bfloat16 would round ab to half a Lab unit.
        lab_norm = keras.layers.Conv2D(
            3, 1, activation="tanh", kernel_initializer="he_normal", dtype="float32", name="out"
        )(x)
        return keras.Model([l_norm, vector], lab_norm, name="gan")

    def trainer(self, network: keras.Model, config: TrainConfig, train: keras.utils.PyDataset) -> keras.Model:
        """Compiles generator and discriminator with one Adam each, beta1 0.5 as in the paper."""
        adversaries = Adversaries(network, build_discriminator(network.input_shape[0][1]))
        adversaries.compile(optimizer=AdamInTurns(config.learning_rate, beta_1=0.5))
        return adversaries

    def ab_of(self, output, l_norm=None, look: str | None = None):
        """Rescales the generator's a and b and drops its L; see `Method.ab_of`."""
        return output[..., 1:] * np.float32(AB_RANGE / color.AB_SCALE)

    def predict_lab(self, network: keras.Model, l_norm: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Predicts a, b and L, as the authors score it; a and b are within -110..110; see `Method.predict_lab`."""
        lab_norm_hat = network.predict_on_batch([l_norm, vector])
        return color.join(lab_norm_hat[..., :1], self.ab_of(lab_norm_hat))
