"""Class vectors for ablations: logits, an untrained network's, another picture's.

A prefix asks for one: `logits:CLASSIFIER`, `random:efficientnet_b4`, `shuffled:CLASSIFIER`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

PREFIXES = ("logits", "random", "shuffled")  # before a colon and a classifier
SEED = 42


def without_softmax(model: keras.Model) -> keras.Model:
    """A classifier without its last softmax, which leaves 999 of 1000 scores near zero.

    Args:
        model: ends in a softmax, as a layer or as the last layer's activation; it may be changed.

    Returns:
        The model that gives logits.

    Raises:
        ValueError: it does not end in a softmax.
    """
    import keras

    last = model.layers[-1]
    if isinstance(last, keras.layers.Softmax):
        return keras.Model(model.input, last.input)
    if getattr(last, "activation", None) is not keras.activations.softmax:
        raise ValueError(f"logits: needs a classifier that ends in a softmax. Received: one that ends in {last.name}")
    last.activation = keras.activations.linear  # read when the model is compiled, which is later
    return model


def shuffled(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Gives each picture the vector of the next one in a seeded order, so that no picture keeps its own.

    Args:
        vectors: (n, 1000) float32.
        rows: the rows that are pictures, two or more.

    Returns:
        (n, 1000) float32, a copy.
    """
    order = np.random.default_rng(SEED).permutation(rows)
    copy = np.array(vectors)
    copy[order] = vectors[np.roll(order, 1)]
    return copy
