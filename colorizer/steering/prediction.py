"""What a network says about a photo, kept so that the photo can be steered without asking it again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Prediction(NamedTuple):
    """What a network says about the part of a photo inside its frame. The grids of the arrays may differ.

    That of a batch has arrays with one more axis in front.

    Attributes:
        ab_norm_hat: (h, w, 2) float32, ab/128.
        probabilities: (h, w, 313) float32, how likely each color of `methods.layers.bins` is; None where the method
            has no such output.
        features: (h, w, C) float32, what the encoder sees, every vector of length 1; None without an encoder.
    """

    ab_norm_hat: np.ndarray
    probabilities: np.ndarray | None = None
    features: np.ndarray | None = None
