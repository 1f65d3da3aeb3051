"""The non-local mean: one color for what looks alike, wherever in the picture it is.

Buades, Coll, Morel, "A non-local algorithm for image denoising", CVPR 2005. A decoder of small convolutions colors
each place by itself: half of a coat, a cloud of orange around a face. The encoder knows better what belongs together,
so each cell takes the mean of what the decoder says of all cells, by the likeness of their tokens.

    tokens S/16 --> cosines --> softmax --> weights of cells
    logits S/4 --> their means over cells --> weighted means - means --> enlarged --> added to the logits

What changes within a cell stays as it is. A cell with a hint keeps its own color, and lends it to what looks alike.
Written from the paper; no code of theirs is used.
"""

from __future__ import annotations

import keras
from keras import ops

from colorizer.methods.layers.backbone import Doubled

# Of the cosines: a token 0.07 less alike counts 1/e. Higher ones have a lower error and paler colors
# (results/experiments/non_local_mean.md).
TEMPERATURE = 0.07
CELL = 4  # logits to a token along a side


@keras.saving.register_keras_serializable("colorizer")
class NonLocalMean(keras.layers.Layer):
    """Averages a distribution's logarithm over cells that look alike. It has no weights.

    Args:
        temperature: of the cosines.
    """

    def __init__(self, temperature: float = TEMPERATURE, **kwargs):
        super().__init__(**kwargs)
        self.temperature = temperature

    def call(self, logits, tokens, hints):
        """Averages.

        Args:
            logits: (B, 4 h, 4 w, bins).
            tokens: (B, h, w, C).
            hints: (B, 4 h, 4 w, 3), the last channel 1 where there is a hint.

        Returns:
            (B, 4 h, 4 w, bins) float32.
        """
        # In float32: an exponential makes a small difference large.
        logits, tokens, hints = (ops.cast(one, "float32") for one in (logits, tokens, hints))
        _, height, width, channels = ops.shape(tokens)
        x = ops.reshape(tokens, (-1, height * width, channels))
        x = x / ops.sqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-6)
        weights = ops.softmax(ops.matmul(x, ops.transpose(x, (0, 2, 1))) / self.temperature, axis=-1)
        means = ops.average_pool(logits, CELL, CELL)
        own = ops.reshape(means, (-1, height * width, logits.shape[-1]))
        change = ops.reshape(ops.matmul(weights, own) - own, (-1, height, width, logits.shape[-1]))
        free = 1 - ops.max_pool(hints[..., 2:], CELL, CELL)
        enlarged = Doubled.enlarge(Doubled.enlarge(change * free))
        return logits + enlarged * (1 - hints[..., 2:])

    def compute_output_shape(self, logits_shape, tokens_shape, hints_shape):
        return logits_shape

    def get_config(self):
        return super().get_config() | {"temperature": self.temperature}
