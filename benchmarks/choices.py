"""What each choice in the transfer U-Net is worth, on COCO's validation pictures; makes results/choices.jsonl.

    python -m colorizer.reproduce --matrix unet --classifier FILE.keras
    python -m benchmarks.choices > results/choices.jsonl

A line per row of the matrix that has been run. A loss moves how pale the mean is, and the looks are set for one
loss; so every run is given the temperature and gain that serve it best before it is compared:

    accurate   the best mean PSNR; its difference to the first row's, picture by picture, with a 95 % interval
    vivid      the most colour, as a share of the truth's, at a PSNR of 0.4 dB above no colour
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import cv2
import numpy as np

from benchmarks import looks
from colorizer import color, matrix, metrics, weights

TEMPERATURES = (1.0, 0.7, 0.5)
GAINS = (0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
MARGIN = 0.4  # dB over all-grey that the vivid look keeps, as in `benchmarks.looks`


def scores(rgb_u8: np.ndarray, ab_norm_hat: np.ndarray) -> tuple[np.ndarray, float]:
    """PSNR of each picture (n,) and the mean colourfulness; `rgb_u8` is 256x256, colours are enlarged to it."""
    psnr, colourfulness = [], []
    for rgb, ab_norm in zip(rgb_u8, np.clip(ab_norm_hat, -1, 1), strict=True):
        rgb_hat = color.merge(color.rgb_to_lab(rgb)[..., 0], cv2.resize(ab_norm, rgb.shape[1::-1]))
        psnr.append(metrics.psnr_rgb(rgb, rgb_hat))
        colourfulness.append(metrics.colourfulness(rgb_hat))
    return np.array(psnr), float(np.mean(colourfulness))


def most_colour(points: list[tuple[float, float]], least: float) -> float | None:
    """The highest colourfulness with a PSNR of `least`, between (colourfulness, PSNR) of rising gains; or None."""
    found = None
    for (low, above), (high, below) in itertools.pairwise(points):
        if above >= least > below:
            found = max(found or 0, low + (high - low) * (above - least) / (above - below))
    return found


def measure(folder: Path, rgb_u8: np.ndarray, least: float) -> tuple[dict, np.ndarray]:
    """A run's best accurate and vivid look, and the accurate one's PSNR of each picture."""
    trained = weights.load(folder)
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
        vivid.append(most_colour(points, least) or 0.0)
    told = json.loads(looks.line(rgb_u8, [cv2.resize(ab, (256, 256)) for ab in picked]))
    return best | {key: told[key] for key in ("ssim_rgb", "ciede2000")} | {"vivid": max(vivid)}, of_best


def main(argv=None) -> None:
    """Prints a line for every row that has been run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.choices", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=Path(matrix.folder_of(matrix.CHOICES)), metavar="DIR")
    parser.add_argument("--limit", type=int, default=250, help="validation pictures (default: %(default)s)")
    flags = parser.parse_args(argv)
    rows = [row for row in matrix.MATRICES[matrix.CHOICES] if (flags.runs / row.name / "summary.json").is_file()]
    rgb_u8 = looks.pictures({"dataset": "coco"}, flags.limit)["coco"]
    grey, _ = scores(rgb_u8, np.zeros((len(rgb_u8), 1, 1, 2), np.float32))
    truth = float(np.mean([metrics.colourfulness(rgb) for rgb in rgb_u8]))
    base = None
    for row in rows:
        found, psnr = measure(flags.runs / row.name, rgb_u8, grey.mean() + MARGIN)
        base = psnr if row.base == row.name else base
        low, high = metrics.bootstrap_interval(psnr - base)
        summary = json.loads((flags.runs / row.name / "summary.json").read_text("utf-8"))
        told = {"run": row.name, "change": row.change, "pictures": len(rgb_u8), "val_mse": summary["val_mse"]}
        told |= {"psnr_grey": float(grey.mean()), "psnr_rgb": found.pop("psnr_rgb")}
        told |= {"minus_base": float(np.mean(psnr - base)), "low": low, "high": high} | found
        told["vivid"] /= truth
        told["colourfulness"] /= truth
        print(json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in told.items()}), flush=True)


if __name__ == "__main__":
    main()
