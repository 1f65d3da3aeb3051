"""Blotches: how much predicted colors vary where the true color does not.

    truth --> SLIC superpixels --> neighbors of one color merged --> regions --> of the prediction in each:
                                                          deviation of color (a and b), share of stray hues

A gray prediction has no blotches, and a pale one has few: compare predictions of one colorfulness. Any other map of
regions can be given, such as annotated segments.
"""

from __future__ import annotations

import cv2
import numpy as np
from skimage import graph, segmentation

from colorizer import color
from colorizer.evaluation.color_statistics import HAS_HUE

SUPERPIXELS, COMPACTNESS = 200, 5.0  # of SLIC on 256x256 pixels; regions follow the edges that an eye sees
LIGHT = 0.5  # weight of L beside a and b: shading does not make another color
MERGED = 8.0  # distance of two regions' mean colors below which they become one; Lab, L weighted
ONE_COLOR = 6.0  # Lab units: true colors of a region deviate less; grain and JPEG alone make 2 to 5
SMALLEST = 0.01  # of the picture's pixels
STRAY = 60.0  # degrees from a region's median hue
MEASURES = ("blotch_deviation", "blotch_hues")


def regions(rgb_u8: np.ndarray) -> np.ndarray:
    """Finds regions of one true color.

    Args:
        rgb_u8: (H, W, 3) uint8 sRGB, the true picture.

    Returns:
        (H, W) int: the region of each pixel from 0 on; -1 where the true color varies or the region is small.

    Source: Achanta et al., SLIC Superpixels, 2012; merged by mean color, the most similar neighbors first.
    """
    superpixels = segmentation.slic(rgb_u8, SUPERPIXELS, COMPACTNESS, sigma=1, start_label=0)
    lab = color.rgb_to_lab(rgb_u8).astype(np.float64)
    neighbors = graph.rag_mean_color(lab * (LIGHT, 1, 1), superpixels)
    merged = graph.merge_hierarchical(
        *(superpixels, neighbors),
        thresh=MERGED,
        rag_copy=False,
        in_place_merge=True,
        merge_func=_merge,
        weight_func=_distance,
    )
    labels = merged.ravel()
    pixels = np.bincount(labels)
    deviation = _deviations(lab[..., 1:].reshape(-1, 2), labels)
    chosen = (pixels >= SMALLEST * labels.size) & (deviation < ONE_COLOR)
    numbers = np.where(chosen, np.cumsum(chosen) - 1, -1)
    return numbers[merged]


def _merge(neighbors, source, target):
    """The mean color of two regions that become one."""
    one, other = neighbors.nodes[target], neighbors.nodes[source]
    one["total color"] += other["total color"]
    one["pixel count"] += other["pixel count"]
    one["mean color"] = one["total color"] / one["pixel count"]


def _distance(neighbors, _, target, neighbor):
    """How far apart two regions' mean colors are."""
    difference = neighbors.nodes[target]["mean color"] - neighbors.nodes[neighbor]["mean color"]
    return {"weight": float(np.linalg.norm(difference))}


def _deviations(ab: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Root of the summed variances of a and b in each region: (n, 2), (n,) from 0 on -> (regions,), Lab units."""
    pixels = np.bincount(labels)
    means = np.stack([np.bincount(labels, channel) / pixels for channel in ab.T], axis=-1)
    return np.sqrt(np.bincount(labels, np.square(ab - means[labels]).sum(axis=-1)) / pixels)


def score(ab_norm_hat: np.ndarray, of_regions: np.ndarray) -> dict[str, float]:
    """Measures the blotches of a prediction.

    Args:
        ab_norm_hat: (H, W, 2) float, the predicted ab/128.
        of_regions: (H, W) int, see `regions`.

    Returns:
        `blotch_deviation`: standard deviation of a and b together inside a region, mean over the regions' pixels;
        0 and up, Lab units. `blotch_hues`: share of the regions' pixels with a hue more than 60 degrees from the
        median hue of their region; 0..1, in practice at most 0.5. Pixels without a hue (chroma below 5) are none.
        Both NaN where there is no region.
    """
    inside = of_regions.ravel() >= 0
    labels = of_regions.ravel()[inside]
    if not len(labels):
        return dict.fromkeys(MEASURES, float("nan"))
    ab = (np.asarray(ab_norm_hat, np.float64).reshape(-1, 2) * color.AB_SCALE)[inside]
    pixels = np.bincount(labels)
    deviation = float((_deviations(ab, labels) * pixels).sum() / pixels.sum())
    stray = sum(_strays(ab[labels == number]) for number in range(len(pixels)))
    return dict(zip(MEASURES, (deviation, stray / len(labels)), strict=True))


def _strays(ab: np.ndarray) -> int:
    """How many pixels of a region have a hue far from the region's median hue."""
    ab = ab[np.hypot(*ab.T) >= HAS_HUE]
    if not len(ab):
        return 0
    hues = np.degrees(np.arctan2(ab[:, 1], ab[:, 0]))
    return int((_apart(hues, median_hue(hues)) > STRAY).sum())


def median_hue(hues: np.ndarray) -> float:
    """The hue from which some hues differ least, in sum.

    Args:
        hues: (n,) degrees, n >= 1.

    Returns:
        Whole degrees, 0..359.

    Source: Fisher, Statistical Analysis of Circular Data, 1993, section 2.3.2.
    """
    degrees = np.arange(360)
    counts = np.bincount(np.rint(hues).astype(int) % 360, minlength=360)
    return float(np.argmin(_apart(degrees[:, None], degrees) @ counts))


def _apart(hues, other) -> np.ndarray:
    """How far hues lie apart on the circle: 0..180 degrees."""
    return np.abs((hues - other + 180) % 360 - 180)


def resized(ab_norm_hat: np.ndarray, side: int) -> np.ndarray:
    """A small prediction at the picture's size, bilinearly: (s, s, 2) float -> (side, side, 2)."""
    return cv2.resize(ab_norm_hat, (side, side), interpolation=cv2.INTER_LINEAR)
