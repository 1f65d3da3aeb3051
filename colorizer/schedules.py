"""The learning rate over a run: as it is until a plateau, or one cycle."""

from __future__ import annotations

import keras

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
