"""The two inputs that every network has."""

from __future__ import annotations

import keras

from colorizer.config import CLASSES

Shape = tuple[int | None, int | None]  # height and width; None for any


def shape_of(image_size: int | Shape) -> Shape:
    """Height and width of an input: of a square's side, or as they are given."""
    return (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)


def inputs(image_size: int | Shape) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Makes the inputs of a network; see `colorizer.methods.base.Method`.

    Args:
        image_size: side of the pictures, or height H and width W.

    Returns:
        `l_norm` (B, H, W, 1) and `vector` (B, 1000), both float32. A network that does not use the vector has it
        all the same, so that all methods are called alike.
    """
    return keras.Input((*shape_of(image_size), 1), name="l_norm"), keras.Input((CLASSES,), name="vector")
