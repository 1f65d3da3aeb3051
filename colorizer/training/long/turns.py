"""The decoder's training against a critic: whose turn it is, and how much the critic's loss counts.

    colored, true --> critic's step --> decoder's step: distribution's loss + weight x critic's loss

The critic is first trained alone. From then on both are trained on every batch, first the critic, then the decoder
against the updated critic. The weight follows by itself from the gradients at the kernel of the logits: the length of
the critic's is to be a share of the distribution's. It begins with zero, so the critic's part grows over the first few
hundred steps.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from colorizer import weights
from colorizer.methods.layers import optimizers, token_decoder
from colorizer.training.long import critic, tuning

MEASURED_EVERY = 16  # steps between two looks at the gradients
KEPT = 0.9  # of the weight at each look: it follows the last ten
# Adam's first moment for the critic, as in `methods/gan.py`.
BETA_1 = 0.5


class _Part(keras.Model):
    """A model that trains only some of the variables that it holds: those of `moved`."""

    def moved(self) -> list[keras.Variable]:
        """The variables that a step changes."""
        raise NotImplementedError

    @property
    def trainable_variables(self):
        return self.moved()

    @property
    def trainable_weights(self):
        return self.moved()

    @property
    def non_trainable_variables(self):
        return self._others(self.variables)

    @property
    def non_trainable_weights(self):
        return self._others(self.weights)

    def _others(self, variables):
        moved = set(map(id, self.moved()))
        return [variable for variable in variables if id(variable) not in moved]


class DecoderTurn(_Part):
    """The decoder's step against a critic that stays as it is.

    Logs: `distribution` and `mse` as without a critic; `adversarial`, the critic's mean output with its sign changed.

    Args:
        network: from `tuning.joined`.
        judge: from `critic.build`.
    """

    def __init__(self, network: keras.Model, judge: keras.Model):
        super().__init__(name="decoder_turn")
        self.network, self.judge = network, judge
        self.decoder, self.upper = tuning.parts(network)
        self.painted, self.loss_of = critic.Painted(), token_decoder.Loss()
        self.critic_weight = self.add_weight(shape=(), initializer="zeros", trainable=False, name="critic_weight")
        self.distribution, self.mse = keras.metrics.Mean("distribution"), keras.metrics.Mean("mse")
        self.adversarial = keras.metrics.Mean("adversarial")
        self.built = True  # its networks are

    def moved(self):
        return self.network.trainable_variables

    def call(self, inputs, training=None):
        """The logits, and the tokens that the critic sees."""
        l_norm, features, given = inputs
        tokens = features if self.upper is None else self.upper(features, training=training)
        return self.decoder([l_norm, tokens, given], training=training), tokens

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The sum of both losses; y is the true colors and what lies under no border."""
        (ab_norm, bare), (logits, tokens) = y, y_pred
        distribution = ops.mean(self.loss_of.call(ab_norm, logits))
        seen = [critic.averaged(x[0]), self.painted(logits) * bare, ops.stop_gradient(tokens)]
        # `training=False`: the critic's kernels are normalized in its own turn.
        adversarial = critic.deception(self.judge(seen, training=False))
        self.distribution.update_state(distribution)
        self.mse.update_state(token_decoder.mse(ab_norm, logits))
        self.adversarial.update_state(adversarial)
        return distribution + self.critic_weight * adversarial


class Gradients(_Part):
    """Measures what either loss would do to the kernel of the logits.

    Each loss gets a copy of the kernel. A step of plain gradient descent at the rate 1 moves a copy by its gradient.

    Args:
        network: from `tuning.joined`.
        judge: from `critic.build`.
    """

    def __init__(self, network: keras.Model, judge: keras.Model):
        super().__init__(name="gradients")
        decoder, self.upper = tuning.parts(network)
        self.judge, self.logits = judge, decoder.get_layer("logits")
        self.trunk = keras.Model(decoder.inputs, self.logits.input, name="trunk")
        self.painted, self.loss_of = critic.Painted(), token_decoder.Loss()
        shape = self.logits.kernel.shape[2:]  # 1x1
        self.copies = [self.add_weight(shape=shape, name=name) for name in ("distribution", "critic")]
        self.built = True

    def moved(self):
        return list(self.copies)

    def call(self, inputs, training=None):
        """Two equal sets of logits, and the tokens."""
        l_norm, features, given = inputs
        tokens = features if self.upper is None else self.upper(features)
        x = ops.cast(self.trunk([l_norm, tokens, given]), "float32")
        return [ops.matmul(x, copy) + self.logits.bias for copy in self.copies], tokens

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The sum of both losses, each of its own logits."""
        (ab_norm, bare), ((first, second), tokens) = y, y_pred
        seen = [critic.averaged(x[0]), self.painted(second) * bare, tokens]
        return ops.mean(self.loss_of.call(ab_norm, first)) + critic.deception(self.judge(seen, training=False))

    def norms(self, x: list, y: list) -> tuple[float, float]:
        """The lengths of the distribution's and of the critic's gradient, on one batch."""
        kernel = ops.convert_to_numpy(self.logits.kernel)[0, 0]
        for copy in self.copies:
            copy.assign(kernel)
        self.train_on_batch(x, y)
        return tuple(float(np.linalg.norm(kernel - ops.convert_to_numpy(copy))) for copy in self.copies)


class Turns:
    """Critic and decoder, trained in turns.

    Args:
        network: from `tuning.joined`, compiled: its optimizer is the decoder's.
        share: the length that the critic's gradient is to have at the kernel of the logits, the distribution's being 1.
        rate: the critic's learning rate.
        alone: steps in which only the critic is trained.
    """

    def __init__(self, network: keras.Model, *, share: float, rate: float, alone: int):
        self.share, self.rate, self.alone, self.weight = share, rate, alone, 0.0
        decoder, upper = tuning.parts(network)
        self.critic = critic.build(decoder.output_shape[1], decoder.input_shape[1][-1])
        compiled = {"jit_compile": optimizers.JIT_COMPILE}
        self.critic.compile(
            keras.optimizers.Adam(rate, beta_1=BETA_1), [keras.losses.Hinge(), keras.losses.Hinge()], **compiled
        )
        self.critic.optimizer.build(self.critic.trainable_variables)
        l_norm, features, given = network.inputs
        tokens = features if upper is None else upper(features)
        colors = critic.Painted(name="painted")(decoder([l_norm, tokens, given]))
        self.painter = keras.Model(network.inputs, [colors] if upper is None else [colors, tokens], name="painter")
        self.decoder_turn, self.gradients = DecoderTurn(network, self.critic), Gradients(network, self.critic)
        self.decoder_turn.compile(network.optimizer, **compiled)
        self.gradients.compile(keras.optimizers.SGD(1.0), **compiled)

    def step(self, number: int, x: list, ab_norm: np.ndarray, border: np.ndarray) -> dict[str, float]:
        """One step of the critic, and from `alone` on one of the decoder.

        Args:
            number: of the step in the run, from 0.
            x: the network's inputs.
            ab_norm: (B, S/4, S/4, 2) float32, the true colors in ab/128.
            border: (B, S/4, S/4, 1) float32, 1 where there is no picture.

        Returns:
            Numbers for the history: `critic_loss`, 2 for a critic that knows nothing; once the decoder is trained too,
            `loss` and `mse` as without a critic, `adversarial_loss` and `critic_weight`.
        """
        bare = 1 - border
        painted = self.painter.predict_on_batch(x)
        colors, *tokens = painted if isinstance(painted, list) else [painted]
        l_norm, tokens = ops.convert_to_numpy(critic.averaged(x[0])), tokens[0] if tokens else x[1]
        true_first = [
            np.concatenate(pair) for pair in ((l_norm, l_norm), (ab_norm * bare, colors * bare), (tokens,) * 2)
        ]
        target = critic.labels(self.critic.output_shape, len(ab_norm))
        judged = self.critic.train_on_batch(true_first, target, return_dict=True)
        row = {"critic_loss": judged["loss"]}
        if number < self.alone:
            return row
        if number % MEASURED_EVERY == 0:
            by_distribution, by_critic = self.gradients.norms(x, [ab_norm, bare])
            # 1e-12: a critic that says the same of everything has no gradient.
            goal = self.share * by_distribution / max(by_critic, 1e-12)
            self.weight = KEPT * self.weight + (1 - KEPT) * goal
        self.decoder_turn.critic_weight.assign(self.weight)
        logs = self.decoder_turn.train_on_batch(x, [ab_norm, bare], return_dict=True)
        row |= {"loss": logs["distribution"], "mse": logs["mse"], "adversarial_loss": logs["adversarial"]}
        return row | {"critic_weight": self.weight}

    def fall(self, left: float) -> None:
        """Sets the critic's rate to a share of its highest."""
        self.critic.optimizer.learning_rate.assign(self.rate * left)

    def packed(self) -> bytes:
        """The critic's weights and its optimizer's state; `weight` is apart."""
        return weights.packed(self.critic)
