"""What each choice in the transfer U-Net is worth on COCO's validation pictures: results/experiments/choices.jsonl.

    python -m colorizer reproduce --matrix unet --classifier FILE.keras
    python -m experiments.choices > results/experiments/choices.jsonl

A line per row of the matrix that has been run. A loss moves how pale the mean is, and the looks are set for one
loss; so every run is given the temperature and gain that serve it best before it is compared:

    accurate   the best mean PSNR; its difference to the first row's, picture by picture, with a 95 % interval
    vivid      the most color, as a share of the truth's, at a PSNR of 0.4 dB above no color
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import cv2
import numpy as np

from colorizer import color, experiments, weights
from colorizer.evaluation import metrics, statistics
from experiments import looks

TEMPERATURES = (1.0, 0.7, 0.5)
GAINS = (0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
MARGIN = 0.4  # dB over all-gray that the vivid look keeps, as in `experiments/looks.py`


def scores(rgb_u8: np.ndarray, ab_norm_hat: np.ndarray) -> tuple[np.ndarray, float]:
    """PSNR of each picture (n,) and the mean colourfulness; `rgb_u8` is 256x256, colors are enlarged to it."""
    psnr, colourfulness = [], []
    for rgb, ab_norm in zip(rgb_u8, np.clip(ab_norm_hat, -1, 1), strict=True):
        rgb_hat = color.merge(color.rgb_to_lab(rgb)[..., 0], cv2.resize(ab_norm, rgb.shape[1::-1]))
        psnr.append(metrics.psnr_rgb(rgb, rgb_hat))
        colourfulness.append(metrics.colorfulness(rgb_hat))
    return np.array(psnr), float(np.mean(colourfulness))


def most_color(points: list[tuple[float, float]], least: float) -> float | None:
    """The highest colourfulness with a PSNR of `least`, between (colourfulness, PSNR) of rising gains; or None."""
    found = None
    for (low, above), (high, below) in itertools.pairwise(points):
        if above >= least > below:
            found = max(found or 0, low + (high - low) * (above - least) / (above - below))
    return found


def bounds(rgb_u8: np.ndarray) -> tuple[float, float]:
    """The PSNR of no color, and the truth's colourfulness: means over the pictures."""
    gray, _ = scores(rgb_u8, np.zeros((len(rgb_u8), 1, 1, 2), np.float32))
    return float(gray.mean()), float(np.mean([metrics.colorfulness(rgb) for rgb in rgb_u8]))


def measure(trained: weights.Trained, rgb_u8: np.ndarray, least: float, of_truth: float) -> tuple[dict, np.ndarray]:
    """A network's best accurate and vivid look, and the accurate one's PSNR of each picture.

    Args:
        trained: a network with a distribution over colors.
        rgb_u8: (n, 256, 256, 3) the pictures.
        least: the PSNR that the vivid look keeps, dB.
        of_truth: colourfulness, which both looks' are a share of.
    """
    logits, l_norm = looks.logits_of(trained, rgb_u8)
    best, vivid = {"psnr_rgb": -np.inf}, []
    of_best, picked = np.empty(0), np.empty(0)
    for temperature in TEMPERATURES:
        mean = looks.smoothed(l_norm, looks.mean_of(logits, temperature), 16, 0.003)
        points = []
        for gain in GAINS:
            psnr, colourfulness = scores(rgb_u8, gain * mean)
            points.append((colourfulness, float(psnr.mean())))
            if psnr.mean() > best["psnr_rgb"]:
                best = {"psnr_rgb": float(psnr.mean()), "temperature": temperature, "gain": gain}
                best["colourfulness"], of_best, picked = colourfulness, psnr, gain * mean
        vivid.append(most_color(points, least) or 0.0)
    told = json.loads(looks.line(rgb_u8, [cv2.resize(ab, (256, 256)) for ab in picked]))
    best["colourfulness"] /= of_truth
    return best | {key: told[key] for key in ("ssim_rgb", "ciede2000")} | {"vivid": max(vivid) / of_truth}, of_best


def finished(folder: Path) -> bool:
    """Whether a run has ended and its weights are still there: records travel, weights do not."""
    return (folder / "summary.json").is_file() and (folder / weights.BEST).is_file()


def main(argv=None) -> None:
    """Prints a line for every row that has been run."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.choices", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=Path(experiments.folder_of(experiments.CHOICES)), metavar="DIR")
    parser.add_argument("--limit", type=int, default=250, help="validation pictures (default: %(default)s)")
    flags = parser.parse_args(argv)
    rows = [row for row in experiments.MATRICES[experiments.CHOICES] if finished(flags.runs / row.name)]
    rgb_u8 = looks.pictures({"dataset": "coco"}, flags.limit)["coco"]
    of_grey, of_truth = bounds(rgb_u8)
    base = None
    for row in rows:
        found, psnr = measure(weights.load(flags.runs / row.name), rgb_u8, of_grey + MARGIN, of_truth)
        base = psnr if row.base == row.name else base
        low, high = statistics.bootstrap_interval(psnr - base)
        summary = json.loads((flags.runs / row.name / "summary.json").read_text("utf-8"))
        told = {"run": row.name, "change": row.change, "pictures": len(rgb_u8), "val_mse": summary["val_mse"]}
        told |= {"psnr_grey": of_grey, "psnr_rgb": found.pop("psnr_rgb")}
        told |= {"minus_base": float(np.mean(psnr - base)), "low": low, "high": high} | found
        print(json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in told.items()}), flush=True)


if __name__ == "__main__":
    main()
