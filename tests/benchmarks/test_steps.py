"""What the benchmark of training steps counts."""

import keras
import pytest

from benchmarks import steps


def test_multiply_adds_of_convolutions():
    x = keras.Input((8, 8, 3))
    y = keras.layers.Conv2D(5, 3, strides=2, padding="same")(x)  # 4x4 places, 3x3 times 3 channels, 5 filters
    y = keras.layers.Conv2D(2, 1)(keras.layers.ReLU()(y))
    assert steps.convolutions(keras.Model(x, y)) == 4 * 4 * 9 * 3 * 5 + 4 * 4 * 5 * 2


def test_multiply_adds_of_a_block():
    # 12x12 tokens and that of the class, 384 channels: 0.2566 G of weights, 0.0161 G of tokens.
    assert steps.block_cost(192) == pytest.approx(0.2727, abs=1e-4)


def test_the_first_turn_is_not_counted():
    calls = []
    times = steps.turns([lambda: calls.append("a"), lambda: calls.append("b")], rounds=2)
    assert calls == ["a", "b"] * 3
    assert {clock: len(took) for clock, took in times.items()} == {"wall": 2, "processor": 2}
