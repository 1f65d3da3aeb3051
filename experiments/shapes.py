"""What shape and size of the input do to colors of photographs: results/experiments/shapes.jsonl is this command's.

    python -m experiments.shapes > results/experiments/shapes.jsonl

A line for each list, look, size, and for photographs squeezed to a square or in their own shape. Both have about as
many pixels. Scores are taken at the photograph's own shape, reduced to about 256 x 256 pixels, with the true L*.
`minus_base` is the difference in PSNR to squares of the size that the network was trained with, picture by picture.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from colorizer import images, photos, weights
from colorizer.data import datasets
from colorizer.evaluation import metrics, statistics
from colorizer.inference.colorizer import Colorizer

SIZES = (160, 192, 256, 320)
PIXELS = 256 * 256  # of a scored picture
MEASURES = ("psnr_rgb", "ciede2000", "colourfulness", "colourfulness_truth")


def pictures(name: str, limit: int) -> list[Path]:
    """The first validation pictures of a data set; of one that is for tests only the first of all."""
    dataset = datasets.find(name)
    return [Path(dataset.root, picture) for picture in (dataset.val or dataset.test)[:limit]]


def reduced(rgb: np.ndarray) -> np.ndarray:
    """A picture of `PIXELS` in its own shape: (h, w, 3) uint8."""
    scale = (PIXELS / (rgb.shape[0] * rgb.shape[1])) ** 0.5
    return images.to_uint8(images.resize(rgb, tuple(max(8, round(side * scale)) for side in rgb.shape[:2])))


def scored(colorizer: Colorizer, paths: Sequence[Path], keeps_shape: bool, size: int) -> Iterator[dict[str, float]]:
    """The scores of each picture."""
    forward = dataclasses.replace(colorizer.forward, image_size=size, size=size if keeps_shape else None)
    for path in paths:
        rgb = photos.read(path).rgb
        truth, (ab_norm_hat,) = reduced(rgb), forward.ab_norm_of([forward.view(rgb)])
        yield metrics.score(truth, cv2.resize(ab_norm_hat, truth.shape[1::-1], interpolation=cv2.INTER_LINEAR))


def main(argv=None) -> None:
    """Prints a line for every list, look, size and shape."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.shapes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default=weights.DEFAULT, help="of a method that takes any shape")
    parser.add_argument("--lists", nargs="+", default=["coco", "paintings", "ood"])
    parser.add_argument("--looks", nargs="+", default=["vivid", "accurate"])
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--limit", type=int, default=60, help="pictures of each list (default: %(default)s)")
    flags = parser.parse_args(argv)
    for look in flags.looks:
        colorizer = Colorizer.load(flags.weights, look=look)
        for name in flags.lists:
            paths = pictures(name, flags.limit)
            base = list(scored(colorizer, paths, False, colorizer.image_size))
            for size in flags.sizes:
                for keeps_shape in (False, True):
                    rows = list(scored(colorizer, paths, keeps_shape, size))
                    setting = {"dataset": name, "look": look, "size": size, "keeps_shape": keeps_shape}
                    print(json.dumps(setting | line(rows, base)), flush=True)


def line(rows: list[dict[str, float]], base: list[dict[str, float]]) -> dict[str, float]:
    """Means over pictures, and the difference to the base with its 95 % interval."""
    means = {measure: float(np.mean([row[measure] for row in rows])) for measure in MEASURES}
    differences = [row["psnr_rgb"] - other["psnr_rgb"] for row, other in zip(rows, base, strict=True)]
    low, high = statistics.bootstrap_interval(differences)
    values = means | {"minus_base": float(np.mean(differences)), "low": low, "high": high}
    return {"pictures": len(rows)} | {name: round(float(value), 5) for name, value in values.items()}


if __name__ == "__main__":
    main()
