"""What a trained network is worth on its validation pictures, for a run's summary and Table 2."""

from __future__ import annotations

import numpy as np

from colorizer.data import batches
from colorizer.evaluation import metrics
from colorizer.inference import forward


def validate(method, network, validation: batches.Batches, mean_ab_norm) -> dict[str, float]:
    """Mean squared error and "accuracy" of decoded predictions, beside the predictors that look at nothing.

    Args:
        method: the network's method.
        network: trained.
        validation: batches without augmentation.
        mean_ab_norm: the training set's mean colour, two floats.

    Returns:
        `val_mse`, `val_accuracy` and the same with `_all_grey` and `_mean_colour`; ab/128, means over images.

    Source: Table 2; BASELINES §3.
    """
    totals: dict[str, float] = {}
    images = 0
    for index in range(len(validation)):
        (l_norm, vector), ab_norm = validation[index]
        predictions = {
            "": forward.predict(network, method, l_norm, vector),
            "_all_grey": np.zeros_like(ab_norm),
            "_mean_colour": np.broadcast_to(np.float32(mean_ab_norm), ab_norm.shape),
        }
        for suffix, ab_norm_hat in predictions.items():
            for name, metric in (("val_mse", metrics.mse_ab), ("val_accuracy", metrics.accuracy_argmax_ab)):
                scores = [metric(truth, guess) for truth, guess in zip(ab_norm, ab_norm_hat, strict=True)]
                totals[name + suffix] = totals.get(name + suffix, 0.0) + float(np.sum(scores))
        images += len(ab_norm)
    return {name: total / images for name, total in totals.items()}
