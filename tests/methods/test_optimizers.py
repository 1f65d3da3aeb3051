"""The learning rate over a run and over a network's parts."""

import keras
import numpy as np
import pytest
from keras import ops

from colorizer.config import TrainConfig
from colorizer.methods.layers import optimizers


@pytest.mark.parametrize(("share", "frozen_steps", "moved"), [(1, 0, 1), (0.1, 0, 0.1), (1, 2, 0), (0.1, 1, 0.05)])
def test_two_rates(share, frozen_steps, moved):
    slow, other = (keras.Variable(np.ones(3, np.float32)) for _ in range(2))
    optimizer = optimizers.GroupedAdamW(0.01, [slow], share, frozen_steps, weight_decay=0.5)
    optimizer.build([slow, other])
    for _ in range(2):
        optimizer.apply([ops.ones(3), ops.ones(3)])
    fallen = 1 - ops.convert_to_numpy(other)
    assert fallen == pytest.approx(np.full(3, 0.03), rel=0.01)  # two steps and their decay
    whole = fallen if share == 1 and not frozen_steps else np.full(3, 0.02)
    assert 1 - ops.convert_to_numpy(slow) == pytest.approx(moved * whole, rel=1e-3, abs=1e-6)


def test_one_cycle_rises_and_falls_to_nothing():
    config = TrainConfig(epochs=10, learning_rate=1e-3, schedule="one_cycle")
    rate = optimizers.learning_rate(config, 20)
    values = [float(rate(step)) for step in (0, 10, 105, 200)]
    assert values == pytest.approx([1e-5, 1e-3, 5e-4, 0], rel=0.02, abs=1e-8)
    assert optimizers.learning_rate(TrainConfig(learning_rate=1e-3, schedule="plateau"), 20) == 1e-3


def test_two_rates_can_be_saved():
    slow, other = (keras.Variable(np.ones(3, np.float32), name=name) for name in ("slow", "other"))
    optimizer = optimizers.GroupedAdamW(0.01, [slow], 0.1, 5, weight_decay=0.5)
    again = optimizers.GroupedAdamW.from_config(optimizer.get_config())
    for one in (optimizer, again):
        one.build([slow, other])
        one.apply([ops.ones(3), ops.ones(3)])
    np.testing.assert_array_equal(slow, np.ones(3))
    assert again.get_config() == optimizer.get_config()


def test_names_without_decay_hold_beside_slow_variables():
    slow, other, bias = (keras.Variable(np.ones(3, np.float32), name=name) for name in ("slow", "other", "bias"))
    optimizer = optimizers.GroupedAdamW(0.01, [slow], 0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build([slow, other, bias])
    optimizer.apply([ops.zeros(3)] * 3)
    np.testing.assert_array_equal([slow, bias], np.ones((2, 3)))
    assert ops.convert_to_numpy(other) == pytest.approx(np.full(3, 0.995))
