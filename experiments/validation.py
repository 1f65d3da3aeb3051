"""Validation pictures, a network's distributions of them, and a line of scores: what several experiments share."""

from __future__ import annotations

import json
from collections.abc import Iterable

import cv2
import numpy as np
from keras import ops

from colorizer import color, config, images, weights
from colorizer.data import datasets, pixel_store
from colorizer.evaluation import metrics
from colorizer.methods.layers import color_bins, domain_transform
from colorizer.methods.layers.color_bins import BINS

MEASURES = ("mse_ab", "psnr_rgb", "ssim_rgb", "ciede2000", "colourfulness")


def pictures(names: Iterable[str], limit: int) -> dict[str, np.ndarray]:
    """Validation pictures of data sets: name -> (n, 256, 256, 3) uint8 sRGB, n at most `limit`, an even choice."""
    pictures = {}
    for name in names:
        dataset = datasets.find(name)
        prepared = pixel_store.build(dataset.root, dataset.val, 256)
        rows = prepared.rows[:: -(-len(prepared.rows) // limit)]
        pictures[name] = prepared.read(rows)
    return pictures


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


def decoded(logits: np.ndarray, look: color_bins.Look) -> np.ndarray:
    """Colors of distributions in a look, a picture at a time for want of memory: (n, h, w, 2) float32 in ab/128."""
    one_by_one = []
    for one in logits:
        one = ops.convert_to_tensor(one[None])
        ab = color_bins.boost_chroma(one, color_bins.annealed_mean(one, look.temperature), look)
        one_by_one.append(ops.convert_to_numpy(ab) / color.AB_SCALE)
    return np.concatenate(one_by_one)


def smoothed(
    l_norm: np.ndarray, ab_norm: np.ndarray, logits: np.ndarray, smoothing: tuple[float, float] | None
) -> np.ndarray:
    """Enlarges colors to luminance's size and smooths them, as `Method.ab_of` does.

    Args:
        l_norm: (n, S, S, 1) float32, -1..1.
        ab_norm: (n, h, w, 2) float32, ab/128.
        logits: (n, h, w, 313) float32, the distributions that the colors are of.
        smoothing: see `Method.smoothing`; None for no filter.

    Returns:
        `ab_norm_hat` (n, S, S, 2) float32, within -1..1.
    """
    if smoothing is None:
        enlarged = ops.image.resize(ab_norm, l_norm.shape[1:3], interpolation="bilinear")
        return np.clip(ops.convert_to_numpy(enlarged), -1, 1)
    one_by_one = []
    for l_norm_one, ab_norm_one, logits_one in zip(l_norm, ab_norm, logits, strict=True):
        weight = ops.convert_to_numpy(color_bins.certainty(ops.convert_to_tensor(logits_one)))
        coarse = np.concatenate([ab_norm_one, weight], axis=-1)
        one_by_one.append(domain_transform.enlarge_numpy(l_norm_one, coarse, *smoothing))
    return np.stack(one_by_one)


def line(rgb_u8, ab_norm_hat, **setting) -> str:
    """One JSON line: the means over the pictures."""
    scores = [metrics.score(rgb, cv2.resize(ab, (256, 256))) for rgb, ab in zip(rgb_u8, ab_norm_hat, strict=True)]
    means = {name: round(float(np.mean([score[name] for score in scores])), 5) for name in MEASURES}
    truth = round(float(np.mean([metrics.colorfulness(rgb) for rgb in rgb_u8])), 2)
    return json.dumps(setting | {"pictures": len(rgb_u8)} | means | {"colourfulness_truth": truth})
