"""Does a loss over colors aim at the squared error? A run's distributions on validation pictures, decoded three ways.

    python -m experiments.decoding --run results/runs/colorful-coco-128 > results/experiments/decoding.jsonl

"as trained": the method's own annealed mean. "mean": the plain mean, which has the least expected squared error by the
network's own odds. "mean, weights divided out": the same after the odds are divided by what each color weighed in the
loss, since a weighted cross entropy has its least where odds are true odds times weights (Zhang 2016, section 2.2).
Nearly: a pixel weighs what its nearest color does, and its soft code is spread over ten.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from colorizer import weights
from colorizer.data import batches, datasets, pixel_store
from colorizer.methods import colorful
from colorizer.methods.layers.soft_encoding import prior_of
from experiments import validation


def class_weights_of(dataset: str, image_size: int) -> np.ndarray:
    """(313,) float32: what each color weighed in a training on a data set, from its pictures' mean soft code."""
    found = datasets.find(dataset)
    store = pixel_store.build(found.root, found.train, image_size)
    return colorful.rebalance(prior_of(batches.Batches(store, store.rows)))


def unweighted(logits: np.ndarray, class_weights: np.ndarray) -> np.ndarray:
    """Divides the weights of the loss out of a distribution: odds / weight.

    Args:
        logits: (..., 313).
        class_weights: (313,), above 0.

    Returns:
        Logits (..., 313).
    """
    return logits - np.log(class_weights)


def main(argv=None) -> None:
    """Prints a line for each way of decoding."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.decoding", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", required=True, help="a run of the method colorful, with its weights")
    parser.add_argument("--limit", type=int, default=125, help="validation pictures (default: %(default)s)")
    flags = parser.parse_args(argv)
    trained = weights.load(flags.run)
    dataset, size = trained.config["dataset"], trained.config["image_size"]
    rgb_u8 = validation.pictures([dataset], flags.limit)[dataset]
    logits, _ = validation.logits_of(trained, rgb_u8)
    true_odds = unweighted(logits, class_weights_of(dataset, size))
    ways = {
        "as trained": validation.mean_of(logits, colorful.TEMPERATURE),
        "mean": validation.mean_of(logits, 1.0),
        "mean, weights divided out": validation.mean_of(true_odds, 1.0),
        "all-gray": np.zeros((len(rgb_u8), 1, 1, 2), np.float32),
    }
    for way, ab_norm_hat in ways.items():
        print(validation.line(rgb_u8, ab_norm_hat, run=Path(flags.run).name, way=way), flush=True)


if __name__ == "__main__":
    main()
