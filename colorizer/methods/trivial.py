"""The floor under every table: predictors that do not look at the photograph.

`all_grey` predicts no colour. `mean_colour` predicts one colour everywhere, the training
set's mean, which is what a network that learns nothing but the average converges to under
MSE. As a method, "trivial" is that network: two trainable numbers, all-grey before
training, the mean colour after.
"""

from __future__ import annotations

import keras
import numpy as np

from colorizer.config import TrainConfig
from colorizer.methods.base import Default, Method


def all_grey(l_norm: np.ndarray) -> np.ndarray:
    """No colour at all.

    Args:
        l_norm: (B, S, S, 1) float32.

    Returns:
        (B, S, S, 2) float32 zeros: ab/128.

    Source: BASELINES §3.
    """
    return np.zeros((*l_norm.shape[:3], 2), np.float32)


def mean_colour(l_norm: np.ndarray, mean_ab_norm) -> np.ndarray:
    """The same colour in every pixel.

    For the paper's "accuracy" this is the constant answer: "b is larger than a" in every pixel, or
    the opposite, whichever the training set's mean says (BASELINES §3.1).

    Args:
        l_norm: (B, S, S, 1) float32.
        mean_ab_norm: two floats, ab/128: the mean over a training set's pixels.

    Returns:
        (B, S, S, 2) float32: ab/128.

    Source: BASELINES §3.
    """
    return all_grey(l_norm) + np.asarray(mean_ab_norm, np.float32)


class OneColour(keras.layers.Layer):
    """Ignores its input but for its shape: (B, S, S, 1) -> (B, S, S, 2), two weights everywhere."""

    def build(self, input_shape):
        self.ab_norm = self.add_weight(shape=(2,), initializer="zeros", name="ab_norm")

    def call(self, l_norm):
        return keras.ops.zeros_like(l_norm) + self.ab_norm


class Trivial(Method):
    """A baseline of two trainable numbers, which learns the training set's mean color."""

    title = "One colour everywhere"
    reference = "the trivial baseline that a colorization must beat"
    defaults = {
        "classifier": Default("none", "the network ignores its input"),
        "learning_rate": Default(1e-2, "two numbers near 0.1 are learned in a few steps"),
    }
    losses = ("mse", "mae")

    def build(self, image_size: int = 256, encoder=None, initializer: str | None = None) -> keras.Model:
        """Builds a network of two weights; see `Method.build`."""
        l_norm = keras.Input((image_size, image_size, 1), name="l_norm")
        vector = keras.Input((1000,), name="vector")
        return keras.Model([l_norm, vector], OneColour(dtype="float32", name="one_colour")(l_norm), name="trivial")

    def trainer(self, network: keras.Model, config: TrainConfig, train: keras.utils.PyDataset) -> keras.Model:
        """Compiles Adam on the mean squared error, least at the mean color, or the absolute, least at the median."""
        network.compile(
            keras.optimizers.Adam(config.learning_rate),
            loss=config.loss,
            metrics=[keras.metrics.CategoricalAccuracy(name="accuracy_argmax_ab")],
        )
        return network
