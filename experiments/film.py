"""Do the colors of a film hold still? Carried along the flow against frame by frame.

    python -m experiments.film > results/experiments/film.jsonl
    python -m experiments.film --clips DIR --every 1 4 8 16      also the films of a folder

Clips that are made here from scikit-image's photographs: a window that pans over one, a cut-out of one that moves over
another, a still with grain, two pans joined by a cut. There the true movement and the true colors are known. For films
of a folder the flow that the program uses stands for the movement.

warp: mean change of ab (Lab units) along the movement from one frame to the next, where nothing is covered or
uncovered. ghost: mean error of ab where something has just been uncovered. Colorfulness: Hasler and Susstrunk's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from colorizer import color
from colorizer.evaluation import metrics
from colorizer.film import carry, flow, join

HEIGHT, WIDTH, FRAMES = 240, 320, 48
GRAIN = 3.0  # gray levels, standard deviation: every frame has its own
PANS = {"astronaut": (2.3, 1.1), "chelsea": (1.7, 0.4), "coffee": (3.1, 1.3), "rocket": (2.7, 0.9)}  # pixels a frame
CUTOUTS = {"chelsea on coffee": ("chelsea", "coffee"), "astronaut on rocket": ("astronaut", "rocket")}


@dataclass
class Picture:
    """A frame with what is known about it.

    Attributes:
        gray: (H, W) uint8.
        back: (h, w, 2) flow to the frame before, at the size of the maps; None where it is unknown.
        visible: (h, w) bool, whether the pixel was visible in the frame before.
        uncovered: (h, w) bool, whether the pixel has just been uncovered.
        truth: (h, w, 2) float32, true ab/128; None where it is unknown.
    """

    gray: np.ndarray
    back: np.ndarray | None = None
    visible: np.ndarray | None = None
    uncovered: np.ndarray | None = None
    truth: np.ndarray | None = None


def photograph(name: str) -> np.ndarray:
    """One of scikit-image's photographs, RGB uint8."""
    from skimage import data

    return getattr(data, name)()


def window(rgb: np.ndarray, left: float, top: float) -> np.ndarray:
    """(HEIGHT, WIDTH, 3) uint8 of a photograph at any place."""
    moved = np.float32([[1, 0, left], [0, 1, top]])
    return cv2.warpAffine(rgb, moved, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)


def grained(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A frame's gray levels with grain of its own."""
    gray = color.gray_of(rgb).astype(np.float32) + rng.normal(0, GRAIN, rgb.shape[:2])
    return np.clip(np.rint(gray), 0, 255).astype(np.uint8)


def small(values: np.ndarray) -> np.ndarray:
    """At the size of the maps."""
    return cv2.resize(values, carry.map_size(HEIGHT, WIDTH)[::-1], interpolation=cv2.INTER_AREA)


def ab_of(rgb: np.ndarray) -> np.ndarray:
    """True colors at the size of the maps."""
    return small(color.rgb_to_l_ab(rgb)[1])


def pan(name: str, speed: tuple[float, float], frames: int = FRAMES, seed: int = 0) -> Iterator[Picture]:
    """A window that moves over a photograph; a speed of 0 is a still."""
    rgb, rng = photograph(name), np.random.default_rng(seed)
    height, width = carry.map_size(HEIGHT, WIDTH)
    scale = width / WIDTH
    back = np.full((height, width, 2), np.float32(speed) * scale)  # what is here now was further right before
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    visible = (x + back[..., 0] <= width - 1) & (y + back[..., 1] <= height - 1)
    for number in range(frames):
        frame = window(rgb, number * speed[0], number * speed[1])
        yield Picture(grained(frame, rng), back, visible, None, ab_of(frame))


def cutout(front: str, behind: str, frames: int = FRAMES, seed: int = 0) -> Iterator[Picture]:
    """An ellipse of one photograph that moves over another, which stands still."""
    rng = np.random.default_rng(seed)
    ground, thing = window(photograph(behind), 120, 60), window(photograph(front), 80, 20)
    height, width = carry.map_size(HEIGHT, WIDTH)
    scale, before = width / WIDTH, None
    for number in range(frames):
        x = 70 + 4.0 * number
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.ellipse(mask, (round(x), 120), (45, 70), 0, 0, 360, 255, -1)
        moved = cv2.warpAffine(thing, np.float32([[1, 0, x - 160], [0, 1, 0]]), (WIDTH, HEIGHT))
        frame = np.where(mask[..., None] > 0, moved, ground)
        inside = small(mask) > 250
        outside = small(mask) < 5
        back = np.zeros((height, width, 2), np.float32)
        back[inside, 0] = -4.0 * scale
        was_outside = before is not None and before[1]
        uncovered = outside & before[0] if before is not None else np.zeros_like(inside)
        visible = inside | (outside & was_outside)
        yield Picture(grained(frame, rng), back, visible, uncovered, ab_of(frame))
        before = inside, outside


def of_file(path: Path, frames: int) -> Iterator[Picture]:
    """The first frames of a film; movement as the program sees it."""
    import av

    with av.open(str(path)) as container:
        before, search = None, None
        for number, frame in enumerate(container.decode(video=0)):
            if number >= frames:
                return
            gray = frame.to_ndarray(format="gray")
            size = carry.map_size(*gray.shape)
            now = cv2.resize(gray, size[::-1], interpolation=cv2.INTER_AREA)
            search = search or flow.Flow(*size)
            back = visible = None
            if before is not None:
                ahead, back = search.both_ways(before, now)
                trust = search.trust(back, ahead, now, before)
                cut = carry.is_cut(now, search.sampled(before, search.grid + back), trust)
                visible = (trust > 0.99) & (not cut)
            yield Picture(gray, back, visible)
            before = now


def measured(pictures: list[Picture], maps: list[np.ndarray]) -> dict:
    """The measures of one clip; None where the truth is unknown."""
    search = flow.Flow(*maps[0].shape[:2])
    warps, ghosts, errors = [], [], []
    for number, (picture, ab) in enumerate(zip(pictures, maps, strict=True)):
        if picture.truth is not None:
            error = np.linalg.norm(ab - picture.truth, axis=-1) * color.AB_SCALE
            errors.append(error.mean())
            if picture.uncovered is not None and picture.uncovered.any():
                ghosts.append(error[picture.uncovered].mean())
        if number and picture.back is not None and picture.visible.any():
            carried = search.sampled(maps[number - 1], search.grid + picture.back)
            change = np.linalg.norm(ab - carried, axis=-1) * color.AB_SCALE
            warps.append(change[picture.visible].mean())
    colors = []
    for picture, ab in list(zip(pictures, maps, strict=True))[::6]:
        l = join.lightness(cv2.resize(picture.gray, ab.shape[1::-1], interpolation=cv2.INTER_AREA))
        colors.append(metrics.colorfulness(color.merge(l, ab)))
    return {
        "warp": _mean(warps),
        "ghost": _mean(ghosts),
        "error": _mean(errors),
        "colorfulness": _mean(colors),
    }


def _mean(values: list) -> float | None:
    return round(float(np.mean(values)), 4) if values else None
