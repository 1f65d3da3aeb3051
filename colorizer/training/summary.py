"""What a run's record says about it: its settings before it starts, its results when it is done."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import asdict

import keras
import numpy as np

from colorizer import environment, weights
from colorizer.classifiers import classifier
from colorizer.config import TrainConfig
from colorizer.data import batches
from colorizer.evaluation import metrics
from colorizer.inference import forward
from colorizer.training.data import Data
from colorizer.training.distribution import Group


def describe(config: TrainConfig, method, data: Data, group: Group) -> dict:
    """What `config.json` holds: every setting and everything that can change a result."""
    return asdict(config) | {
        "classifier": classifier.name_of(config.classifier),
        "method_title": method.title,
        # The method's own defaults and departures, each with its reason, as they were on the day of the run.
        "departures": {
            name: {"value": default.value, "source": default.reason}
            for name, default in (method.defaults | method.departures).items()
        },
        "classifier_name": data.classifier.name,
        "classifier_sha256": data.classifier.fingerprint,
        "backend": keras.backend.backend(),
        "device": environment.device(),
        "ranks": group.ranks,
        "devices": group.devices,
        "versions": environment.versions(),
        "commit": environment.commit(),
        "data": {
            "name": data.dataset.name,
            "train": len(data.train_rows),
            "val": len(data.val_rows),
            "test": len(data.dataset.test),
            "dropped": len(data.store.dropped),
            "split_source": data.dataset.split_source,
        },
    }


def summarize(config: TrainConfig, method, data: Data, history: Sequence[dict], ending: str) -> dict:
    """What `summary.json` holds; the validation figures are those of the best weights.

    Args:
        config: the run's configuration.
        method: from `colorizer.methods.get`.
        data: the run's pictures.
        history: the rows of `history.csv`.
        ending: one of `config.ENDINGS`.
    """
    # From the file, in half precision as it is kept: the figures are those of what a user gets.
    network = weights.load(config.run).network
    mean = batches.mean_ab_norm(data.store, data.train_rows)
    # The first of equals, as `BestWeights` keeps it.
    best = min(history, key=lambda row: row["val_loss"])
    return {
        "method": config.method,
        "trained_on": data.dataset.name,
        "classifier": data.classifier.name,
        "epochs": config.epochs,
        "epochs_done": len(history),
        "best_epoch": best["epoch"],
        "ending": ending,
        # Of all sessions of a run that was resumed; validation is part of an epoch, setting up is not.
        "runtime_hours": sum(row["seconds"] for row in history) / 3600,
        **validate(method, network, data.batches(data.val_rows, config), mean),
        "val_images": len(data.val_rows),
        "train_images": len(data.train_rows),
        "mean_ab_norm": mean,
        "parameters": network.count_params(),
        "precision": config.precision,
        "device": environment.device(),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def validate(
    method, network: keras.Model, validation: batches.Batches, mean_ab_norm: Sequence[float]
) -> dict[str, float]:
    """Mean squared error and "accuracy" of decoded predictions, beside the trivial baselines.

    Args:
        method: the network's method.
        network: trained.
        validation: batches without augmentation.
        mean_ab_norm: the training set's mean color, two floats, ab/128.

    Returns:
        `val_mse`, `val_accuracy` and the same with `_all_grey` and `_mean_colour`; ab/128, means over images.

    Source: Table 2.
    """
    # Sums over images, divided at the end: the last batch may be smaller.
    totals: dict[str, float] = {}
    images = 0
    for index in range(len(validation)):
        (l_norm, vector), ab_norm = validation[index]
        predictions = {
            # The trivial baselines on the same pictures: what looks at nothing reaches that much.
            "": forward.require_finite(method.predict_ab(network, l_norm, vector)),
            "_all_grey": np.zeros_like(ab_norm),
            "_mean_colour": np.broadcast_to(np.float32(mean_ab_norm), ab_norm.shape),
        }
        for suffix, ab_norm_hat in predictions.items():
            for name, metric in (("val_mse", metrics.mse_ab), ("val_accuracy", metrics.accuracy_argmax_ab)):
                scores = [metric(truth, guess) for truth, guess in zip(ab_norm, ab_norm_hat, strict=True)]
                totals[name + suffix] = totals.get(name + suffix, 0.0) + float(np.sum(scores))
        images += len(ab_norm)
    return {name: total / images for name, total in totals.items()}
