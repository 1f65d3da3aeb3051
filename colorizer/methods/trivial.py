"""Trivial baselines: predictors that do not look at the photograph.

`all_gray` predicts no color. `mean_color` predicts one color everywhere, the training set's mean: what a network
converges to under mean squared error if it learns nothing but the average. The method `trivial` is such a network.
It has two trainable numbers: all-gray before training, the mean color after.

2 parameters and no multiply-adds; 100 epochs take seconds beyond reading the pictures. No code of others is used.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from colorizer.config import TrainConfig
from colorizer.methods.base import Default, Method
from colorizer.methods.layers.inputs import inputs


def all_gray(l_norm: np.ndarray) -> np.ndarray:
    """Predicts no color: (B, S, S, 1) float32 -> zeros (B, S, S, 2) float32, ab/128."""
    return np.zeros((*l_norm.shape[:3], 2), np.float32)


def mean_color(l_norm: np.ndarray, mean_ab_norm: Sequence[float]) -> np.ndarray:
    """Predicts the same color in every pixel.

    For the paper's "accuracy" this is a constant answer: "b is larger than a" in every pixel, or the opposite
    (docs/reproduction_notes.md, 3.1).

    Args:
        l_norm: (B, S, S, 1) float32.
        mean_ab_norm: two floats, ab/128: the mean over a training set's pixels.

    Returns:
        (B, S, S, 2) float32, ab/128.
    """
    return all_gray(l_norm) + np.asarray(mean_ab_norm, np.float32)


@keras.saving.register_keras_serializable("colorizer")
class OneColor(keras.layers.Layer):
    """Uses only its input's shape: (B, S, S, 1) -> (B, S, S, 2), the same two weights in every pixel."""

    def build(self, input_shape) -> None:
        # Zeros: before training it is the other baseline, all-gray.
        self.ab_norm = self.add_weight(shape=(2,), initializer="zeros", name="ab_norm")

    def call(self, l_norm):
        return ops.zeros_like(l_norm) + self.ab_norm


class Trivial(Method):
    """A baseline of two trainable numbers, which learns the training set's mean color."""

    title = "One learned color"
    reference = "no paper: the baseline that every colorization must beat"
    defaults = {
        "classifier": Default("none", "the network ignores its inputs"),
        "learning_rate": Default(1e-2, "two numbers near 0.1 are learned in a few steps of this size"),
    }
    losses = ("mse", "mae")

    def build(
        self, image_size: int = 256, encoder: keras.Model | None = None, initializer: str | None = None
    ) -> keras.Model:
        """Builds a network of two weights; see `Method.build`."""
        l_norm, vector = inputs(image_size)
        # The layer's name is part of saved weights.
        return keras.Model([l_norm, vector], OneColor(dtype="float32", name="one_colour")(l_norm), name="trivial")

    def trainer(self, network: keras.Model, config: TrainConfig, train: keras.utils.PyDataset) -> keras.Model:
        """Compiles Adam on the squared error, least at the mean color, or on the absolute, least at the median."""
        network.compile(
            keras.optimizers.Adam(config.learning_rate),
            loss=config.loss,
            # The paper's "accuracy", so that a constant's stands in the same column (docs/reproduction_notes.md, 3.1).
            metrics=[keras.metrics.CategoricalAccuracy(name="accuracy_argmax_ab")],
        )
        return network
