"""Whether colors can be relied on: results/experiments/reliability.jsonl is this command's.

    python -m experiments.reliability > results/experiments/reliability.jsonl

For each look of the shipped weights, on photographs of the out-of-dataset list:

- `size`: the same photograph 300 and 3,000 pixels wide, the large one also with grain; CIEDE2000 between both.
- `frame`: chroma left on a frame that has none, by kind of frame. A frame on three sides is not recognised as one.
- `blotches`: 12 megapixels. How much color varies (standard deviation of a and b) in squares an eighth of the side
  wide where the truth's hardly does, with the smoothing and without; the truth's own beside it.
- `seams`: 12 megapixels. The largest mean step of a and b from one line of pixels to the next, and the median line's.
- `pan`: a camera that moves, every fourth photograph. How far the color of a spot is from that in the frame before.
- `toned`: a sepia print against the same photograph in gray; how far colors lie apart.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator
from unittest import mock

import cv2
import numpy as np

from colorizer import Colorizer, color, images, photos
from colorizer.data import datasets
from colorizer.evaluation import metrics
from colorizer.methods.layers import domain_transform

SMALL, LARGE = 300, 3000
GRAIN = 8.0  # standard deviation in levels of 255: a coarse film
FRAME = 0.06  # of the shorter side
SEPIA = np.array([1.0, 0.89, 0.72])
FRAMES = {
    "paper": (235, 4, np.ones(3)),
    "film": (12, 4, np.ones(3)),
    "sepia print": (235, 4, SEPIA),
    "paper, three sides": (235, 3, np.ones(3)),
}
SQUARES, EVEN = 8, 2.5  # squares along a side; Lab units of deviation that count as one color
DARK, LIGHT = 15.0, 95.0  # L* beyond which sRGB has hardly a color
PAN, PAN_FRAMES = 8, 12  # pixels from one frame to the next
LOOKS = ("accurate", "vivid")


def of_width(rgb: np.ndarray, width: int) -> np.ndarray:
    """The photograph at another width, its shape kept."""
    height = round(rgb.shape[0] * width / rgb.shape[1])
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA if width < rgb.shape[1] else cv2.INTER_CUBIC)


def grained(rgb: np.ndarray) -> np.ndarray:
    """With grain, the same in all three channels; seeded."""
    grain = np.random.default_rng(0).normal(0, GRAIN, (*rgb.shape[:2], 1))
    return np.clip(rgb + grain, 0, 255).round().astype(np.uint8)


def ab_of(rgb: np.ndarray) -> np.ndarray:
    """(H, W, 2) float32, Lab units."""
    return color.rgb_to_lab(rgb)[..., 1:]


def size(colorizer: Colorizer, rgbs: list) -> Iterator[dict]:
    """Small against large."""
    for grain in (False, True):
        differences = []
        for rgb in rgbs:
            large = of_width(rgb, LARGE)
            small = of_width(large, SMALL)
            of_large = colorizer.colorize(grained(large) if grain else large)
            differences.append(metrics.ciede2000(colorizer.colorize(small), of_width(of_large, SMALL)))
        yield {"grain": grain, "ciede2000": np.mean(differences), "ciede2000_worst": max(differences)}


def framed(rgb: np.ndarray, tone: int, sides: int, tint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A gray photograph in a frame, toned, and where the frame is: (H, W, 3) uint8 and (H, W) bool."""
    rows = round(FRAME * min(rgb.shape[:2]))
    edges = [(rows, rows), (rows, rows if sides == 4 else 0)]
    gray = np.pad(color.gray_of(rgb).astype(float), edges, constant_values=tone)
    frame = np.pad(np.zeros(rgb.shape[:2], bool), edges, constant_values=True)
    dust = np.random.default_rng(0).normal(0, 1.5, gray.shape)
    return np.clip((gray + dust)[..., None] * tint, 0, 255).round().astype(np.uint8), frame


def frame(colorizer: Colorizer, rgbs: list) -> Iterator[dict]:
    """Chroma on frames."""
    for kind, border in FRAMES.items():
        chroma = []
        for rgb in rgbs:
            scan, edge = framed(rgb, *border)
            chroma.append(np.hypot(*np.moveaxis(ab_of(colorizer.colorize(scan)), -1, 0))[edge])
        worst = max(float(one.mean()) for one in chroma)
        together = np.concatenate(chroma)
        yield {
            "frame": kind,
            "chroma": together.mean(),
            "chroma_p99": np.percentile(together, 99),
            "worst_photo": worst,
        }


def deviations(rgb: np.ndarray) -> np.ndarray:
    """Standard deviation of a and b together in every square, (64,) Lab units."""
    side = 32
    ab = ab_of(cv2.resize(rgb, (side * SQUARES, side * SQUARES), interpolation=cv2.INTER_AREA))
    squares = ab.reshape(SQUARES, side, SQUARES, side, 2)
    return np.sqrt(squares.var(axis=(1, 3)).sum(axis=-1)).ravel()


def twelve_megapixels(rgb: np.ndarray) -> np.ndarray:
    """The photograph blown up to 12 megapixels."""
    return of_width(rgb, round(rgb.shape[1] * np.sqrt(12e6 / (rgb.shape[0] * rgb.shape[1]))))


def blotches(colorizer: Colorizer, rgbs: list) -> Iterator[dict]:
    """Variation of color where there is none in truth."""
    even = [deviations(rgb) < EVEN for rgb in rgbs]
    truth = np.concatenate([deviations(rgb)[here] for rgb, here in zip(rgbs, even, strict=True)])
    for smoothed in (True, False):
        smooth = domain_transform.smooth if smoothed else lambda l_norm, ab_norm_hat, *_: ab_norm_hat
        with mock.patch.object(domain_transform, "smooth", smooth):
            done = [deviations(colorizer.colorize(twelve_megapixels(rgb))) for rgb in rgbs]
        values = np.concatenate([deviation[here] for deviation, here in zip(done, even, strict=True)])
        yield {
            "smoothed": smoothed,
            "squares": len(values),
            "deviation": values.mean(),
            "deviation_p95": np.percentile(values, 95),
            "deviation_truth": truth.mean(),
        }


def steps(lab: np.ndarray, axis: int) -> np.ndarray:
    """Mean step of a and b from each line of pixels to the next, where L* leaves room for color."""
    room = (lab[..., 0] > DARK) & (lab[..., 0] < LIGHT)
    first, second = (np.take(room, range(start, room.shape[axis] - 1 + start), axis) for start in (0, 1))
    counts = np.count_nonzero(first & second, axis=1 - axis)
    step = np.abs(np.diff(lab[..., 1:], axis=axis)).mean(axis=-1) * (first & second)
    return (step.sum(axis=1 - axis) / np.maximum(counts, 1))[counts > 0.1 * room.shape[1 - axis]]


def seams(colorizer: Colorizer, rgbs: list) -> Iterator[dict]:
    """Steps between neighboring lines."""
    of_lines = []
    for rgb in rgbs:
        lab = color.rgb_to_lab(colorizer.colorize(twelve_megapixels(rgb)))
        of_lines += [steps(lab, axis) for axis in (0, 1)]
    yield {"step_largest": max(line.max() for line in of_lines), "step_median": np.median(np.concatenate(of_lines))}


def distance(ab: np.ndarray, other: np.ndarray) -> float:
    """Mean distance in the plane of a and b, Lab units."""
    return float(np.hypot(*np.moveaxis(ab - other, -1, 0)).mean())


def pan(colorizer: Colorizer, rgbs: list) -> Iterator[dict]:
    """Movement of colors where only the camera moves."""
    moves, chroma = [], []
    for rgb in rgbs[::4]:
        width = rgb.shape[1] - PAN * (PAN_FRAMES - 1)
        frames = [rgb[:, PAN * i : PAN * i + width] for i in range(PAN_FRAMES)]
        done = [ab_of(colorizer.colorize(np.ascontiguousarray(one))) for one in frames]
        moves.append(np.mean([distance(a[:, PAN:], b[:, :-PAN]) for a, b in itertools.pairwise(done)]))
        chroma.append(np.mean([distance(one, np.zeros(2)) for one in done]))
    yield {
        "films": len(moves),
        "moves_least": min(moves),
        "moves_most": max(moves),
        "chroma_least": min(chroma),
        "chroma_most": max(chroma),
    }


def toned(colorizer: Colorizer, rgbs: list) -> Iterator[dict]:
    """Colors of a toned scan beside those of a gray one."""
    apart = []
    for rgb in rgbs:
        gray = color.gray_of(rgb)[..., None].repeat(3, axis=-1).astype(np.uint8)
        sepia = (gray * SEPIA).round().astype(np.uint8)
        apart.append(distance(*(ab_of(colorizer.colorize(one)) for one in (gray, sepia))))
    yield {"apart": np.mean(apart), "apart_least": min(apart), "apart_most": max(apart)}


def main(argv=None) -> None:
    """Prints a line for every look and measure."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.reliability",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--weights", default="shipped")
    parser.add_argument("--limit", type=int, default=20, help="photographs (default: %(default)s)")
    flags = parser.parse_args(argv)
    dataset = datasets.find("ood")
    names = dataset.test[:: -(-len(dataset.test) // flags.limit)]
    rgbs = [images.to_uint8(photos.read(dataset.root / name).rgb) for name in names]
    for look in LOOKS:
        colorizer = Colorizer.load(flags.weights, look=look, engine="keras")
        for measure in (size, frame, blotches, seams, pan, toned):
            about = {"look": look, "measure": measure.__name__, "photos": len(rgbs)}
            for line in measure(colorizer, rgbs):
                print(json.dumps(about | {k: rounded(v) for k, v in line.items()}), flush=True)


def rounded(value):
    """Numbers for a line of JSON; all else as it is."""
    return round(float(value), 3) if isinstance(value, (float, np.floating)) else value


if __name__ == "__main__":
    main()
