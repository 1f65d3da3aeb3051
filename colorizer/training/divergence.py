"""Notices a training that blew up although its loss is still a number.

A learning rate far too high drives a network with a bounded output, such as a tanh, to its end: every
pixel gets the same extreme color and the loss stands still. `TerminateOnNaN` never sees that.
Losses of different methods have different units, so the decoded colors are compared instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import keras
import numpy as np

from colorizer.config import TrainConfig
from colorizer.errors import TrainingError
from colorizer.training.distribution import Group

# A picture whose every color is replaced by its opposite has 4 times the squared error of the same picture in gray:
# mean((x - -x)^2) = 4 mean(x^2). Above it a network is worse than wrong. The worst of the committed records, an
# adversarial one after two epochs, is at 1.6.
FACTOR = 4.0
# Squared error of 10 Lab units in ab/128, about two thirds of what gray costs on COCO: in a folder of pale pictures
# gray is nearly right, and a healthy network may well miss it by more than 4 times.
LEAST_GRAY_MSE = (10 / 128) ** 2
# After so many steps at a momentum of .9, the highest of the networks here, .1 % of an average of batch statistics is
# still its first value. Before, a network predicts other colors than it is trained to.
SETTLED_STEPS = 66
# A high learning rate may spoil one epoch and make good for it in the next; none of the records has even one.
PATIENCE = 3


def is_blown_up(mse: float, gray_mse: float) -> bool:
    """Whether predicted colors are far worse than no color at all.

    Args:
        mse: mean squared error of predictions, ab/128; it may be infinite or not a number.
        gray_mse: that of all-gray on the same pictures, which is at least that of their mean color.
    """
    return not mse <= FACTOR * max(gray_mse, LEAST_GRAY_MSE)


class TerminateOnDivergence(keras.callbacks.Callback):
    """Ends a training after an epoch whose loss is not a number, or after `PATIENCE` epochs in a row that blew up.

    Args:
        predict: () -> `ab_norm_hat` (B, S, S, 2) float, of a few validation pictures by the network as it is now.
        ab_norm: (B, S, S, 2) float, the truth, ab/128.
        group: the ranks that train; rank 0 predicts, and all go by what it finds.
        steps_per_epoch: training batches in an epoch.
        settled_after: steps after which the network can be judged; an epoch that ends before counts as a good one.

    Attributes:
        not_a_number: whether the loss of the last epoch was infinite or not a number.
        bad_epochs: how many epochs in a row blew up.
    """

    def __init__(
        self,
        predict: Callable[[], np.ndarray],
        ab_norm: np.ndarray,
        group: Group,
        *,
        steps_per_epoch: int,
        settled_after: int = 0,
    ):
        super().__init__()
        self._predict, self._ab_norm, self._group = predict, ab_norm, group
        self._steps_per_epoch, self._settled_after = steps_per_epoch, settled_after
        self.not_a_number = False
        self.bad_epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        if not (math.isfinite(logs["loss"]) and math.isfinite(logs["val_loss"])):
            self.not_a_number = self.model.stop_training = True
            return
        # JAX keeps a training step's results apart from the network's weights until it is asked for them.
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        # The ranks after the first have no network of their own to try.
        with self._group.aside():
            blew_up = self._group.rank == 0 and self.blew_up(epoch)
        self.bad_epochs = self.bad_epochs + 1 if self._group.agree(blew_up) else 0
        if self.bad_epochs >= PATIENCE:
            self.model.stop_training = True

    def blew_up(self, epoch: int) -> bool:
        """Whether the epoch that just ended did.

        Args:
            epoch: its number, from 0.
        """
        if (epoch + 1) * self._steps_per_epoch < self._settled_after:
            return False
        # float64: the square of a color that blew up can exceed float32.
        errors = np.square(self._predict() - self._ab_norm, dtype=np.float64)
        return is_blown_up(float(errors.mean()), float(np.square(self._ab_norm, dtype=np.float64).mean()))

    def raise_if_diverged(self, config: TrainConfig, epochs_done: int) -> None:
        """Says why the training ended because, or in an epoch in which, it diverged.

        Args:
            config: the run's configuration.
            epochs_done: rows of its history.

        Raises:
            TrainingError: it did.
        """
        bad = self.bad_epochs
        if self.not_a_number:
            reason = f"The loss became infinite or not a number in epoch {epochs_done + 1} of {config.epochs}."
        elif bad:
            epochs = f"epoch {epochs_done}" if bad == 1 else f"epochs {epochs_done - bad + 1} to {epochs_done}"
            reason = (
                f"The training blew up: in {epochs} of {config.epochs} the predicted colors were more than "
                f"{FACTOR:.0f} times as wrong as no color at all."
            )
        else:
            return
        good = epochs_done - bad
        number = "epoch" if good == 1 else f"{good} epochs"
        so_far = f"{config.run} keeps the {number} before" if good else "No epoch was good"
        steps = epochs_done * self._steps_per_epoch
        few = f" or with more pictures or epochs: it took {steps} steps only" if 0 < steps < SETTLED_STEPS else ""
        raise TrainingError(
            f"{reason} {so_far}; train again in another --run with a lower --learning-rate{few}. "
            f"Received: --learning-rate {config.learning_rate}"
        )
