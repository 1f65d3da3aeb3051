"""Notices a training that blew up although its loss is still a number.

A learning rate far too high drives a network with a bounded output, such as a tanh, to its end: every
pixel gets the same extreme color and the loss stands still. `TerminateOnNaN` never sees that.
Losses of different methods have different units, so the decoded colors are compared instead.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

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


class DivergenceCheck:
    """Looks at the predictions for a few validation pictures and counts the epochs that blew up.

    Args:
        predict: () -> `ab_norm_hat` (B, S, S, 2) float, of the network as it is now.
        ab_norm: (B, S, S, 2) float, the truth, ab/128.
        is_settled: () -> bool, whether the network can be judged; an epoch before that counts as a good one.

    Attributes:
        bad_epochs: how many epochs in a row blew up.
    """

    def __init__(
        self, predict: Callable[[], np.ndarray], ab_norm: np.ndarray, is_settled: Callable[[], bool] = lambda: True
    ):
        self._predict, self._ab_norm, self._is_settled = predict, ab_norm, is_settled
        self.bad_epochs = 0

    def blew_up(self) -> bool:
        """Whether the epoch that just ended did; to be called once an epoch."""
        if not self._is_settled():
            return False
        # float64: the square of a color that blew up can exceed float32.
        errors = np.square(self._predict() - self._ab_norm, dtype=np.float64)
        bad = is_blown_up(float(errors.mean()), float(np.square(self._ab_norm, dtype=np.float64).mean()))
        self.bad_epochs = self.bad_epochs + 1 if bad else 0
        return bad
