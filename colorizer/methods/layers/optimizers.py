"""The learning rate over a run, until a plateau or in one cycle, and different rates for parts of a network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from colorizer.config import TrainConfig

# The share of a cycle's steps in which the rate rises, from a hundredth to its highest. Adam's moments are estimates of
# a few batches at first; 5 % is one epoch of twenty.
WARM_UP = 0.05
# Of the gradient's norm over all weights, so that a single batch cannot move a pretrained encoder far.
CLIP_NORM = 1.0
# Without weight decay. A bias does not overfit, nor do single numbers; that of the logits is the prior: decay would
# make rare colors frequent.
UNDECAYED = ("bias", "sharpness", "nothing", "distance")
# TensorFlow's XLA compiles for minutes and makes depthwise convolutions on a CPU several times slower. On JAX, False
# would mean not compiled at all.
JIT_COMPILE = "auto" if keras.backend.backend() == "jax" else False


def learning_rate(config: TrainConfig, steps_per_epoch: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """What an optimizer takes as its learning rate.

    Args:
        config: its `learning_rate`, `schedule` and `epochs` count.
        steps_per_epoch: training batches in an epoch.

    Returns:
        For "plateau" the rate, which `ReduceLROnPlateau` lowers. For "one_cycle" a schedule that rises to the rate
        over 5 % of all steps and falls to zero along a cosine (Loshchilov, Hutter, SGDR, ICLR 2017). The optimizer
        saves its step, so a resumed run continues where it was.
    """
    if config.schedule == "plateau":
        return config.learning_rate
    steps = config.epochs * steps_per_epoch
    # At least one step: a run of fewer than twenty has a warm-up too.
    warm_up = max(1, int(WARM_UP * steps))
    return keras.optimizers.schedules.CosineDecay(
        # A hundredth: AdamW's first steps are as large as the rate itself, whatever the gradient.
        config.learning_rate / 100,
        decay_steps=max(1, steps - warm_up),
        warmup_target=config.learning_rate,
        warmup_steps=warm_up,
    )


@keras.saving.register_keras_serializable("colorizer")
class GroupedAdamW(keras.optimizers.AdamW):
    """AdamW that trains some variables more slowly than the others, and for some steps not at all.

    Args:
        learning_rate: as AdamW's.
        slow: the slow variables, or their paths.
        share: their learning rate, as a share of the others'.
        frozen_steps: how many steps they keep their values.
        **kwargs: as AdamW's.
    """

    def __init__(
        self,
        learning_rate: Any,
        slow: Iterable[keras.Variable | str] = (),
        share: float = 1.0,
        frozen_steps: int = 0,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, **kwargs)
        self._paths = frozenset(variable if isinstance(variable, str) else variable.path for variable in slow)
        self._share, self._frozen_steps = share, frozen_steps
        self._undecayed_names = None

    def exclude_from_weight_decay(self, var_list=None, var_names=None) -> None:
        """As AdamW's; the names also hold when `build` adds the slow variables."""
        self._undecayed_names = var_names
        super().exclude_from_weight_decay(var_list, var_names)

    def build(self, variables: list[keras.Variable]) -> None:
        """Finds the slow variables among `variables` and makes the moments of all."""
        if not self.built:
            slow = [variable for variable in variables if variable.path in self._paths]
            self._slow_indices = {i for i, variable in enumerate(variables) if variable.path in self._paths}
            if slow and (self._share < 1 or self._frozen_steps):  # weight decay would move what is to stay
                self.exclude_from_weight_decay(slow, self._undecayed_names)
        super().build(variables)

    def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
        """One step of AdamW, at the variable's own rate."""
        if self._get_variable_index(variable) in self._slow_indices:
            # A tensor operation: the compiled step must thaw the encoder without being compiled again.
            share = ops.where(self.iterations < self._frozen_steps, 0.0, self._share)
            learning_rate = learning_rate * ops.cast(share, learning_rate.dtype)
        super().update_step(gradient, variable, learning_rate)

    def get_config(self) -> dict[str, Any]:
        """The arguments, with the slow variables' paths."""
        own = {"slow": sorted(self._paths), "share": self._share, "frozen_steps": self._frozen_steps}
        return super().get_config() | own


def fine_tuning(config: TrainConfig, encoder: keras.Model, steps_per_epoch: int) -> GroupedAdamW:
    """Makes the optimizer of a network whose encoder may be pretrained: the encoder learns more slowly.

    An encoder that learns nothing stops being trainable, so that its batch statistics stay too. One without trained
    weights has nothing to forget: it learns like the rest.

    Args:
        config: its `encoder_rate`, `frozen_epochs`, `weight_decay`, and what `learning_rate` reads.
        encoder: a part of the network.
        steps_per_epoch: training batches in an epoch.
    """
    share, frozen = config.encoder_rate, config.frozen_epochs
    if not (config.init_weights or _is_trained(config.classifier)):
        share, frozen = 1.0, 0
    encoder.trainable = share > 0
    optimizer = GroupedAdamW(
        learning_rate(config, steps_per_epoch),
        slow=encoder.trainable_variables,
        share=share,
        # Epochs are what a person sets; the optimizer counts steps.
        frozen_steps=frozen * steps_per_epoch,
        weight_decay=config.weight_decay,
        global_clipnorm=CLIP_NORM,
    )
    optimizer.exclude_from_weight_decay(var_names=UNDECAYED)
    return optimizer


def _is_trained(classifier):
    """Whether `--classifier` names one with trained weights: not "none", not "random:"."""
    return classifier != "none" and not classifier.startswith("random:")
