"""The learning rate over a run, until a plateau or in one cycle, and over a network's parts."""

from __future__ import annotations

import keras
from keras import ops

WARM_UP = 0.05  # of a cycle's steps, from a hundredth to the highest rate


def learning_rate(config, steps_per_epoch: int):
    """What an optimizer takes as its learning rate.

    Args:
        config: `learning_rate`, `schedule` and `epochs` count.
        steps_per_epoch: training batches in an epoch.

    Returns:
        For "plateau" the rate, which `ReduceLROnPlateau` lowers; for "one_cycle" a schedule of Keras that
        rises to the rate over 5 % of all steps and falls to nothing along a cosine. The optimizer saves
        its step, so a resumed run goes on where it was.

    Source: ours; Loshchilov and Hutter, SGDR, ICLR 2017 (cosine).
    """
    if config.schedule == "plateau":
        return config.learning_rate
    steps = config.epochs * steps_per_epoch
    warm_up = max(1, int(WARM_UP * steps))
    return keras.optimizers.schedules.CosineDecay(
        config.learning_rate / 100,
        decay_steps=max(1, steps - warm_up),
        warmup_target=config.learning_rate,
        warmup_steps=warm_up,
    )


class TwoRates(keras.optimizers.AdamW):
    """AdamW that trains some variables more slowly than the others, and for some steps not at all.

    Args:
        learning_rate: as AdamW's.
        slow: the variables.
        share: their learning rate, as a share of the others'.
        frozen_steps: how many steps they keep their values.
        **kwargs: as AdamW's.

    Source: ours.
    """

    def __init__(self, learning_rate, slow, share, frozen_steps, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self._slow, self._share, self._frozen_steps = {id(variable) for variable in slow}, share, frozen_steps
        if share < 1 or frozen_steps:  # a decay would move what is to stay
            self.exclude_from_weight_decay(var_list=slow)

    def build(self, variables):
        super().build(variables)
        self._slow_indices = {i for i, variable in enumerate(variables) if id(variable) in self._slow}

    def update_step(self, gradient, variable, learning_rate):
        if self._get_variable_index(variable) in self._slow_indices:
            share = ops.where(self.iterations < self._frozen_steps, 0.0, self._share)
            learning_rate = learning_rate * ops.cast(share, learning_rate.dtype)
        super().update_step(gradient, variable, learning_rate)
