"""Adversarial training: a critic against a generator, which is the decoder with the encoder's trained blocks.

    colored, true --> critic's step --> generator's step: distribution's loss + weight x the generator's hinge loss

The critic is first trained alone. From then on each batch trains the critic, and then the generator against the updated
critic. The weight of the adversarial loss adapts: the norm of its gradient at the kernel of the logits is to be a given
ratio of the distribution's. It starts at zero and grows over the first few hundred steps.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from colorizer import weights
from colorizer.methods.layers import optimizers, token_decoder
from colorizer.training.long import tuning
from colorizer.training.long.critic import DecodedColors, downsampled, generator_loss, labels
from colorizer.training.long.critic import build as build_critic

WEIGHT_EVERY = 16  # steps between two updates of the adversarial loss's weight
WEIGHT_MOMENTUM = 0.9  # of the weight in each update: a mean over about the last ten
# Adam's first moment for the critic, as in `methods/gan.py`.
BETA_1 = 0.5


class _PartlyTrained(keras.Model):
    """A model that trains only some of the variables that it holds: those of `updated_variables`."""

    def updated_variables(self) -> list[keras.Variable]:
        """The variables that a step changes."""
        raise NotImplementedError

    @property
    def trainable_variables(self):
        return self.updated_variables()

    @property
    def trainable_weights(self):
        return self.updated_variables()

    @property
    def non_trainable_variables(self):
        return self._others(self.variables)

    @property
    def non_trainable_weights(self):
        return self._others(self.weights)

    def _others(self, variables):
        updated = set(map(id, self.updated_variables()))
        return [variable for variable in variables if id(variable) not in updated]


class GeneratorStep(_PartlyTrained):
    """The generator's step; the critic stays as it is.

    Logs: `distribution` and `mse` as without a critic; `adversarial`, the generator's hinge loss.

    Args:
        network: from `tuning.join`.
        critic: from `critic.build`.
    """

    def __init__(self, network: keras.Model, critic: keras.Model):
        super().__init__(name="generator_step")
        self.network, self.critic = network, critic
        self.decoder, self.trainable_part = tuning.split(network)
        self.decoded_colors, self.distribution_loss = DecodedColors(), token_decoder.Loss()
        self.critic_weight = self.add_weight(shape=(), initializer="zeros", trainable=False, name="critic_weight")
        self.distribution, self.mse = keras.metrics.Mean("distribution"), keras.metrics.Mean("mse")
        self.adversarial = keras.metrics.Mean("adversarial")
        self.built = True  # its networks are

    def updated_variables(self):
        return self.network.trainable_variables

    def call(self, inputs, training=None):
        """The logits, and the tokens for the critic."""
        l_norm, features, given = inputs
        tokens = features if self.trainable_part is None else self.trainable_part(features, training=training)
        return self.decoder([l_norm, tokens, given], training=training), tokens

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The weighted sum of both losses; y is the true colors, and a mask that is 0 under a border."""
        (ab_norm, mask), (logits, tokens) = y, y_pred
        distribution = ops.mean(self.distribution_loss.call(ab_norm, logits))
        colored = [downsampled(x[0]), self.decoded_colors(logits) * mask, ops.stop_gradient(tokens)]
        # `training=False`: only the critic's own step updates its spectral norms.
        adversarial = generator_loss(self.critic(colored, training=False))
        self.distribution.update_state(distribution)
        self.mse.update_state(token_decoder.mse(ab_norm, logits))
        self.adversarial.update_state(adversarial)
        return distribution + self.critic_weight * adversarial


class GradientNorms(_PartlyTrained):
    """Measures the gradient of either loss at the kernel of the logits.

    Each loss gets a copy of the kernel. A step of plain gradient descent at the rate 1 moves a copy by its gradient.

    Args:
        network: from `tuning.join`.
        critic: from `critic.build`.
    """

    def __init__(self, network: keras.Model, critic: keras.Model):
        super().__init__(name="gradient_norms")
        decoder, self.trainable_part = tuning.split(network)
        self.critic, self.logits = critic, decoder.get_layer("logits")
        self.trunk = keras.Model(decoder.inputs, self.logits.input, name="trunk")
        self.decoded_colors, self.distribution_loss = DecodedColors(), token_decoder.Loss()
        shape = self.logits.kernel.shape[2:]  # 1x1
        self.copies = [self.add_weight(shape=shape, name=name) for name in ("distribution", "critic")]
        self.built = True

    def updated_variables(self):
        return list(self.copies)

    def call(self, inputs, training=None):
        """Two equal sets of logits, and the tokens."""
        l_norm, features, given = inputs
        tokens = features if self.trainable_part is None else self.trainable_part(features)
        x = ops.cast(self.trunk([l_norm, tokens, given]), "float32")
        return [ops.matmul(x, copy) + self.logits.bias for copy in self.copies], tokens

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The sum of both losses, each of its own logits."""
        (ab_norm, mask), ((first, second), tokens) = y, y_pred
        colored = [downsampled(x[0]), self.decoded_colors(second) * mask, tokens]
        adversarial = generator_loss(self.critic(colored, training=False))
        return ops.mean(self.distribution_loss.call(ab_norm, first)) + adversarial

    def measure(self, x: list, y: list) -> tuple[float, float]:
        """The norms of the distribution's and of the adversarial loss's gradient, on one batch."""
        kernel = ops.convert_to_numpy(self.logits.kernel)[0, 0]
        for copy in self.copies:
            copy.assign(kernel)
        self.train_on_batch(x, y)
        return tuple(float(np.linalg.norm(kernel - ops.convert_to_numpy(copy))) for copy in self.copies)


class AdversarialTrainer:
    """Trains critic and generator, one after the other on each batch.

    Args:
        network: from `tuning.join`, compiled: its optimizer is the generator's.
        gradient_ratio: the norm of the adversarial gradient at the kernel of the logits, the distribution's being 1.
        critic_rate: the critic's learning rate.
        critic_alone: steps at the start in which only the critic is trained.
    """

    def __init__(self, network: keras.Model, *, gradient_ratio: float, critic_rate: float, critic_alone: int):
        self.gradient_ratio, self.critic_rate, self.critic_alone = gradient_ratio, critic_rate, critic_alone
        self.critic_weight = 0.0
        decoder, trainable_part = tuning.split(network)
        self.critic = build_critic(decoder.output_shape[1], decoder.input_shape[1][-1])
        compiled = {"jit_compile": optimizers.JIT_COMPILE}
        self.critic.compile(
            keras.optimizers.Adam(critic_rate, beta_1=BETA_1), [keras.losses.Hinge(), keras.losses.Hinge()], **compiled
        )
        self.critic.optimizer.build(self.critic.trainable_variables)
        l_norm, features, given = network.inputs
        tokens = features if trainable_part is None else trainable_part(features)
        colors = DecodedColors(name="decoded_colors")(decoder([l_norm, tokens, given]))
        outputs = [colors] if trainable_part is None else [colors, tokens]
        self.generator = keras.Model(network.inputs, outputs, name="generator")
        self.generator_step = GeneratorStep(network, self.critic)
        self.gradient_norms = GradientNorms(network, self.critic)
        self.generator_step.compile(network.optimizer, **compiled)
        self.gradient_norms.compile(keras.optimizers.SGD(1.0), **compiled)

    def step(self, number: int, x: list, ab_norm: np.ndarray, border: np.ndarray) -> dict[str, float]:
        """One step of the critic, and from `critic_alone` on one of the generator.

        Args:
            number: of the step in the run, from 0.
            x: the network's inputs.
            ab_norm: (B, S/4, S/4, 2) float32, the true colors in ab/128.
            border: (B, S/4, S/4, 1) float32, 1 where there is no picture.

        Returns:
            Numbers for the history: `critic_loss`, 2 for a critic at chance; once the generator is trained too, `loss`
            and `mse` as without a critic, `adversarial_loss` and `critic_weight`.
        """
        mask = 1 - border
        generated = self.generator.predict_on_batch(x)
        colors, *tokens = generated if isinstance(generated, list) else [generated]
        l_norm, tokens = ops.convert_to_numpy(downsampled(x[0])), tokens[0] if tokens else x[1]
        true_first = [
            np.concatenate(pair) for pair in ((l_norm, l_norm), (ab_norm * mask, colors * mask), (tokens,) * 2)
        ]
        target = labels(self.critic.output_shape, len(ab_norm))
        logs = self.critic.train_on_batch(true_first, target, return_dict=True)
        row = {"critic_loss": logs["loss"]}
        if number < self.critic_alone:
            return row
        if number % WEIGHT_EVERY == 0:
            distribution, adversarial = self.gradient_norms.measure(x, [ab_norm, mask])
            # 1e-12: a critic whose output is constant has no gradient.
            goal = self.gradient_ratio * distribution / max(adversarial, 1e-12)
            self.critic_weight = WEIGHT_MOMENTUM * self.critic_weight + (1 - WEIGHT_MOMENTUM) * goal
        self.generator_step.critic_weight.assign(self.critic_weight)
        logs = self.generator_step.train_on_batch(x, [ab_norm, mask], return_dict=True)
        row |= {"loss": logs["distribution"], "mse": logs["mse"], "adversarial_loss": logs["adversarial"]}
        return row | {"critic_weight": self.critic_weight}

    def scale_rate(self, scale: float) -> None:
        """Sets the critic's learning rate to a share, 0..1, of `critic_rate`."""
        self.critic.optimizer.learning_rate.assign(self.critic_rate * scale)

    def packed(self) -> bytes:
        """The critic's weights and its optimizer's state; `critic_weight` is apart."""
        return weights.packed(self.critic)
