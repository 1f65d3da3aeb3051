"""The non-local mean: one color for what looks alike, wherever in the picture it is.

Buades, Coll, Morel, "A non-local algorithm for image denoising", CVPR 2005. A decoder of small convolutions colors
each place by itself: half of a coat, a cloud of orange around a face. The encoder knows better what belongs together,
so each cell takes the mean of what the decoder has for all cells, by the likeness of their tokens.

    tokens S/16 --> cosines --> softmax --> weights of cells
    channels S/4 --> their means over cells --> weighted means - means --> enlarged --> added to the channels

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
    """Averages channels, or logits, over cells that look alike. It has no weights.

    Args:
        temperature: of the cosines.
    """

    def __init__(self, temperature: float = TEMPERATURE, **kwargs):
        super().__init__(**kwargs)
        self.temperature = temperature

    def call(self, x, tokens, hints):
        """Averages.

        Args:
            x: (B, 4 h, 4 w, channels).
            tokens: (B, h, w, C).
            hints: (B, 4 h, 4 w, 3), the last channel 1 where there is a hint.

        Returns:
            (B, 4 h, 4 w, channels) float32.
        """
        # In float32: an exponential makes a small difference large.
        x, tokens, hints = (ops.cast(one, "float32") for one in (x, tokens, hints))
        _, height, width, channels = ops.shape(tokens)
        seen = ops.reshape(tokens, (-1, height * width, channels))
        seen = seen / ops.sqrt(ops.sum(ops.square(seen), axis=-1, keepdims=True) + 1e-6)
        weights = ops.softmax(ops.matmul(seen, ops.transpose(seen, (0, 2, 1))) / self.temperature, axis=-1)
        own = ops.reshape(ops.average_pool(x, CELL, CELL), (-1, height * width, x.shape[-1]))
        change = ops.reshape(ops.matmul(weights, own) - own, (-1, height, width, x.shape[-1]))
        free = 1 - ops.max_pool(hints[..., 2:], CELL, CELL)
        enlarged = Doubled.enlarge(Doubled.enlarge(change * free))
        return x + enlarged * (1 - hints[..., 2:])

    def compute_output_shape(self, x_shape, tokens_shape, hints_shape):
        return x_shape

    def get_config(self):
        return super().get_config() | {"temperature": self.temperature}
