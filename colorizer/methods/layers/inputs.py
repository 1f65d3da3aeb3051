"""The two inputs that every network has."""

from __future__ import annotations

import keras

from colorizer.config import CLASSES


def inputs(image_size: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Makes the inputs of a network; see `colorizer.methods.base.Method`.

    Args:
        image_size: side S of the pictures.

    Returns:
        `l_norm` (B, S, S, 1) and `vector` (B, 1000), both float32. A network that does not use the vector has it
        all the same, so that all methods are called alike.
    """
    return keras.Input((image_size, image_size, 1), name="l_norm"), keras.Input((CLASSES,), name="vector")
