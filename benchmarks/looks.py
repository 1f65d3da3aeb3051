"""What the vivid look's three numbers do, on validation pictures: results/looks.jsonl is this command's.

    python -m benchmarks.looks --run results/runs/NAME > results/looks.jsonl

A line for each temperature of the annealed mean, share of the prior taken out and gain of its chroma; the
last alone needs no distribution of colours, only their mean. The numbers in
`methods.transfer_unet` are chosen from these lines, never from a test list.
"""

from __future__ import annotations

import argparse
import itertools
import json

import cv2
import numpy as np

from colorizer import batches, color, datasets, metrics, store, weights
from colorizer.methods.colorful import BINS

TEMPERATURES = (1.0, 0.7, 0.5)
SHARES = (0.0, 0.25, 0.5)
GAINS = (1.0, 1.5, 2.0)
MEASURES = ("mse_ab", "psnr_rgb", "ssim_rgb", "ciede2000", "colourfulness")


def pictures(config: dict, limit: int) -> dict[str, np.ndarray]:
    """Validation pictures of each data set of a run: name -> (n, 256, 256, 3) uint8 sRGB, an even choice."""
    found = {}
    for name in config["dataset"].split("+"):
        dataset = datasets.find(name)
        prepared = store.build(dataset.root, dataset.val, 256)
        rows = prepared.rows[:: -(-len(prepared.rows) // limit)]
        found[name] = prepared.read(rows)
    return found


def logits_of(trained: weights.Trained, rgb_u8: np.ndarray) -> np.ndarray:
    """(n, h, w, 313) float32 of pictures, at the run's own size."""
    side = trained.config["image_size"]
    logits = []
    for rgb in rgb_u8:
        l_norm, _ = color.split(color.rgb_to_lab(store.resize_square(rgb, side)))
        vector = np.zeros((1, batches.CLASSES), np.float32)
        logits.append(trained.network.predict_on_batch([l_norm[None], vector])[0])
    return np.stack(logits)


def mean_of(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Annealed mean, (n, h, w, 2) in ab/128."""
    scaled = logits / temperature
    shares = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return shares @ BINS / shares.sum(axis=-1, keepdims=True) / color.AB_SCALE


def line(rgb_u8, ab_norm_hat, **what) -> str:
    """One JSON line: the means over the pictures."""
    scores = [metrics.score(rgb, cv2.resize(ab, (256, 256))) for rgb, ab in zip(rgb_u8, ab_norm_hat, strict=True)]
    means = {name: round(float(np.mean([score[name] for score in scores])), 5) for name in MEASURES}
    truth = round(float(np.mean([metrics.colourfulness(rgb) for rgb in rgb_u8])), 2)
    return json.dumps(what | {"pictures": len(rgb_u8)} | means | {"colourfulness_truth": truth})


def main(argv=None) -> None:
    """Prints a line for every data set and setting."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.looks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", required=True, help="a run of a method with a distribution over colours")
    parser.add_argument("--limit", type=int, default=60, help="pictures of each data set (default: %(default)s)")
    flags = parser.parse_args(argv)
    trained = weights.load(flags.run)
    prior = np.asarray(trained.network.get_layer("log_prior").log_prior)
    for name, rgb_u8 in pictures(trained.config, flags.limit).items():
        logits = logits_of(trained, rgb_u8)
        print(line(rgb_u8, np.zeros((*logits.shape[:3], 2), np.float32), dataset=name, look="all_grey"), flush=True)
        for temperature, share, gain in itertools.product(TEMPERATURES, SHARES, GAINS):
            ab = np.clip(gain * mean_of(logits - share * prior, temperature), -1, 1)
            print(line(rgb_u8, ab, dataset=name, temperature=temperature, rebalance=share, gain=gain), flush=True)


if __name__ == "__main__":
    main()
