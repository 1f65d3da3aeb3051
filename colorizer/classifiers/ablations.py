"""Class vectors that an ablation asks for: logits, an untrained network's, another picture's."""

from __future__ import annotations

import keras
import numpy as np

SEED = 42


def without_softmax(model: keras.Model) -> keras.Model:
    """A classifier without its last softmax: scores of every size, where softmax leaves 999 of them near zero.

    Args:
        model: ends in a softmax, as a layer or as the last layer's activation; it may be changed.

    Returns:
        The model that gives logits.

    Raises:
        ValueError: it does not end in a softmax.

    Source: BASELINES §2.3, "softmax or logits: not stated".
    """
    last = model.layers[-1]
    if isinstance(last, keras.layers.Softmax):
        return keras.Model(model.input, last.input)
    if getattr(last, "activation", None) is not keras.activations.softmax:
        raise ValueError(f"logits: needs a classifier that ends in a softmax. Received: one that ends in {last.name}")
    last.activation = keras.activations.linear  # read when the model is compiled, which is later
    return model


def untrained_efficientnet_b4() -> keras.Model:
    """EfficientNet-B4 as it is before training: kernels normal, variance 2 over what goes out, as in Keras.

    Returns:
        (B, 380, 380, 3) float32 0..255 -> (B, 1000) softmax; the same on every backend.

    Source: ours: is it what the classifier has learnt that helps, or any function of the picture?
    """
    model = keras.applications.EfficientNetB4(weights=None)
    rng = np.random.default_rng(SEED)
    for weight in model.weights:
        if len(weight.shape) >= 2:
            fan_out = np.prod(weight.shape[:-2]) * weight.shape[-1]
            weight.assign(rng.normal(0, np.sqrt(2 / fan_out), weight.shape).astype(np.float32))
    return model


def turned(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Gives each picture the vector of the next in a seeded order: nobody keeps its own.

    Args:
        vectors: (n, 1000) float32.
        rows: the rows of those that are pictures, two or more.

    Returns:
        (n, 1000) float32, a copy: as informative as before, and about something else.

    Source: BASELINES §2.4, "vector replaced by another image's".
    """
    order = np.random.default_rng(SEED).permutation(rows)
    copy = np.array(vectors)
    copy[order] = vectors[np.roll(order, 1)]
    return copy
