"""How should coarse colors follow a photograph's edges? Filters on validation pictures, one after the other.

    python -m experiments.smoothing --run shipped > results/experiments/smoothing.jsonl

    logits --> look --> coarse ab --> none, guided filter or domain transform --> scores, blotches

A line for each list, filter and look. "weighted": a place counts by the certainty of its distribution
(`color_bins.certainty`), as in the network's own smoothing; else all places count alike.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from colorizer import weights
from colorizer.evaluation.perceptual import blotches
from colorizer.methods.vit_decoder import LOOKS
from experiments import validation

LISTS = ("coco", "paintings")
# Radius as a part of the side, and the variance of `l_norm` below which a window is flat.
GUIDED = ((1 / 16, 0.003), (1 / 32, 0.003))
# Spread and contrast, see `colorizer.methods.layers.domain_transform`; whether places are weighted.
DOMAIN = ((0.4, 0.2, False), (0.4, 0.2, True), (0.2, 0.2, True), (0.8, 0.2, True), (0.4, 0.1, True), (0.4, 0.4, True))

# (l_norm (S, S, 1), coarse ab/128 (h, w, 2), logits (h, w, 313)) -> ab_norm_hat (S, S, 2), all float32
Filter = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def guided(l_norm: np.ndarray, ab_norm: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """The guided filter (He, Sun, Tang, ECCV 2010, eq. 5-8), the picture mirrored at its borders.

    Args:
        l_norm: (S, S, 1) float32, -1..1.
        ab_norm: (S, S, 2) float32, ab/128.
        radius: of the square window, in pixels.
        epsilon: variance of `l_norm` below which a window counts as flat; its color is then the window's mean.

    Returns:
        (S, S, 2) float32.
    """
    width = 2 * radius + 1

    def means(x):
        return cv2.boxFilter(x, -1, (width, width), borderType=cv2.BORDER_REFLECT).reshape(x.shape)

    mean_l, mean_ab = means(l_norm), means(ab_norm)
    slope = (means(l_norm * ab_norm) - mean_l * mean_ab) / (means(l_norm * l_norm) - mean_l * mean_l + epsilon)
    return means(slope) * l_norm + means(mean_ab - slope * mean_l)


def filters() -> Iterator[tuple[dict, Filter]]:
    """Every filter with its name and parameters."""
    yield {"filter": "none"}, lambda l_norm, ab_norm, _: _enlarged(ab_norm, l_norm)
    for part, epsilon in GUIDED:

        def smooth(l_norm, ab_norm, _, part=part, epsilon=epsilon):
            return guided(l_norm, _enlarged(ab_norm, l_norm), round(part * len(l_norm)), epsilon)

        yield {"filter": "guided", "radius": round(part, 4), "variance": epsilon}, smooth
    for spread, contrast, weighted in DOMAIN:

        def smooth(l_norm, ab_norm, logits, spread=spread, contrast=contrast, weighted=weighted):
            logits = logits if weighted else np.zeros_like(logits)  # all distributions alike
            return validation.smoothed(l_norm[None], ab_norm[None], logits[None], (spread, contrast))[0]

        yield {"filter": "domain", "spread": spread, "contrast": contrast, "weighted": weighted}, smooth


def _enlarged(ab_norm: np.ndarray, l_norm: np.ndarray) -> np.ndarray:
    return cv2.resize(ab_norm, l_norm.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def main(argv=None) -> None:
    """Prints a line for every list, filter and look."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.smoothing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", required=True, help="a run of the ViT decoder")
    parser.add_argument("--limit", type=int, default=125, help="pictures of each list (default: %(default)s)")
    flags = parser.parse_args(argv)
    trained = weights.load(flags.run)
    for name, rgb_u8 in validation.pictures(LISTS, flags.limit).items():
        regions = [blotches.regions(rgb) for rgb in rgb_u8]
        logits, l_norm = validation.logits_of(trained, rgb_u8)
        coarse = {look: validation.decoded(logits, setting) for look, setting in LOOKS.items()}
        for parameters, smooth in filters():
            for look, ab_norm in coarse.items():
                ab_norm_hat = [np.clip(smooth(*one), -1, 1) for one in zip(l_norm, ab_norm, logits, strict=True)]
                patchy = [
                    blotches.score(blotches.resized(ab, math.isqrt(where.size)), where)
                    for ab, where in zip(ab_norm_hat, regions, strict=True)
                ]
                means = {key: round(float(np.nanmean([one[key] for one in patchy])), 4) for key in blotches.MEASURES}
                setting = {"dataset": name, "look": look} | parameters | means
                print(validation.line(rgb_u8, ab_norm_hat, **setting), flush=True)


if __name__ == "__main__":
    main()
