"""What a look's numbers do, on validation pictures: results/experiments/looks.jsonl is this command's.

    python -m experiments.looks --run results/runs/NAME > results/experiments/looks.jsonl

A line for each temperature of the annealed mean and each way to make it stronger: a gain that all pictures have; a gain
for each, to a share of the chroma that its distribution expects; one that adds chroma by the distribution's variance.
Then lines for other radii of the guided filter, as a part of the side, and other variances of luminance that it takes
for flat; then for shares of the prior taken out. The numbers in `methods.transfer_unet` are chosen from these lines,
never from a test list.
"""

from __future__ import annotations

import argparse
import itertools
import json

import cv2
import numpy as np
from keras import ops

from colorizer import color, config, images, weights
from colorizer.data import datasets, pixel_store
from colorizer.evaluation import metrics
from colorizer.methods import transfer_unet
from colorizer.methods.layers import color_bins, guided_filter
from colorizer.methods.layers.color_bins import BINS

TEMPERATURES = (1.0, 0.7, 0.5)
GAINS = (0.9, 1.0, 1.25, 1.6, 2.0, 2.5)  # the same for all pictures
SHARES = (0.8, 0.9, 0.95, 1.0, 1.1)  # of the chroma that the distribution expects of each
ADDED = (0.015, 0.02, 0.025, 0.03, 0.035)  # Lab units of chroma by its variance; see `color_bins.gain`
CHOSEN = transfer_unet.TransferUNet.smoothing
SMOOTHINGS = ((None, None), (16, 0.01), (8, 0.003), (32, 0.003))
POWERS = (0.25, 0.5)  # of the prior
MEASURES = ("mse_ab", "psnr_rgb", "ssim_rgb", "ciede2000", "colourfulness")


def pictures(config: dict, limit: int) -> dict[str, np.ndarray]:
    """Validation pictures of each data set of a run: name -> (n, 256, 256, 3) uint8 sRGB, an even choice."""
    found = {}
    for name in config["dataset"].split("+"):
        dataset = datasets.find(name)
        prepared = pixel_store.build(dataset.root, dataset.val, 256)
        rows = prepared.rows[:: -(-len(prepared.rows) // limit)]
        found[name] = prepared.read(rows)
    return found


def logits_of(trained: weights.Trained, rgb_u8: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, h, w, 313) float32 of pictures, at the run's own size, and their `l_norm` (n, S, S, 1)."""
    side = trained.config["image_size"]
    l_norm = np.stack([color.split(color.rgb_to_lab(images.resize_square(rgb, side)))[0] for rgb in rgb_u8])
    vector = np.zeros((1, config.CLASSES), np.float32)
    return np.concatenate([trained.network.predict_on_batch([one[None], vector]) for one in l_norm]), l_norm


def mean_of(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Annealed mean, (n, h, w, 2) float32 in ab/128."""
    scaled = logits / temperature
    shares = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return (shares @ BINS / shares.sum(axis=-1, keepdims=True) / color.AB_SCALE).astype(np.float32)


def shared(logits: np.ndarray, ab: np.ndarray, share: float) -> np.ndarray:
    """As `color_bins.gain`, to a share of the root mean square chroma that the distribution expects."""
    expected = ops.matmul(ops.softmax(logits, axis=-1), color_bins.MOMENTS[:, 2:])
    reached = np.square(ab).sum(axis=-1).mean()
    return np.clip(share * np.sqrt(np.mean(expected) / max(reached, 1)), 1, color_bins.LARGEST_GAIN)


def gains(logits: np.ndarray, ab_norm_hat: np.ndarray, what: dict) -> np.ndarray:
    """(n, 1, 1, 1) float32 of a setting: each picture's own gain, a picture at a time for want of memory."""
    rule, by = (color_bins.gain, what["added"]) if what["added"] else (shared, what["share"])
    pairs = zip(logits, ab_norm_hat * color.AB_SCALE, strict=True)
    return np.float32([float(np.squeeze(rule(one[None], ab[None], by))) for one, ab in pairs])[:, None, None, None]


def smoothed(l_norm: np.ndarray, ab_norm_hat: np.ndarray, windows: int | None, epsilon: float) -> np.ndarray:
    """Enlarged to luminance's size and put through the guided filter, as `methods.transfer_unet.ab_of` does."""
    side = l_norm.shape[1]
    enlarged = ops.image.resize(ab_norm_hat, (side, side), interpolation="bilinear")
    if windows:
        enlarged = guided_filter.smooth(ops.convert_to_tensor(l_norm), enlarged, side // windows, epsilon)
    return ops.convert_to_numpy(enlarged)


def line(rgb_u8, ab_norm_hat, **what) -> str:
    """One JSON line: the means over the pictures."""
    scores = [metrics.score(rgb, cv2.resize(ab, (256, 256))) for rgb, ab in zip(rgb_u8, ab_norm_hat, strict=True)]
    means = {name: round(float(np.mean([score[name] for score in scores])), 5) for name in MEASURES}
    truth = round(float(np.mean([metrics.colorfulness(rgb) for rgb in rgb_u8])), 2)
    return json.dumps(what | {"pictures": len(rgb_u8)} | means | {"colourfulness_truth": truth})


def settings() -> list[dict]:
    """Every setting measured."""
    names = ("temperature", "gain", "share", "added", "windows", "epsilon", "rebalance")
    of_gains = itertools.product(TEMPERATURES, GAINS, [None], [None], [CHOSEN], [0.0])
    of_shares = itertools.product(TEMPERATURES, [None], SHARES, [None], [CHOSEN], [0.0])
    of_added = itertools.product(TEMPERATURES, [None], [None], ADDED, [CHOSEN], [0.0])
    of_smoothing = itertools.product((0.7,), (1.25, 2.5), [None], [None], SMOOTHINGS, [0.0])
    of_prior = itertools.product(TEMPERATURES, (1.0,), [None], [None], [(None, None)], POWERS)
    every = itertools.chain(of_gains, of_shares, of_added, of_smoothing, of_prior)
    return [dict(zip(names, (*first, *smoothing, r), strict=True)) for *first, smoothing, r in every]


def main(argv=None) -> None:
    """Prints a line for every data set and setting."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.looks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", required=True, help="a run of a method with a distribution over colors")
    parser.add_argument("--limit", type=int, default=60, help="pictures of each data set (default: %(default)s)")
    flags = parser.parse_args(argv)
    trained = weights.load(flags.run)
    prior = np.asarray(trained.network.get_layer("log_prior").log_prior)
    for name, rgb_u8 in pictures(trained.config, flags.limit).items():
        logits, l_norm = logits_of(trained, rgb_u8)
        print(line(rgb_u8, np.zeros((*logits.shape[:3], 2), np.float32), dataset=name, look="all_grey"), flush=True)
        for what in settings():
            mean = mean_of(logits - what["rebalance"] * prior, what["temperature"])
            gain = what["gain"] or gains(logits, mean, what)
            ab = smoothed(l_norm, gain * mean, what["windows"], what["epsilon"])
            print(line(rgb_u8, np.clip(ab, -1, 1), dataset=name, **what), flush=True)


if __name__ == "__main__":
    main()
