"""Spreads hints over the things that they lie on, and leaves the rest of the picture as the network colors it.

    luminance, smoothed; predicted colors --> costs of a step --> distance from each hint along the cheapest path
    encoder's features, unlike the hint's --> added to it     --> a hint's weight, falling steeply at a distance of 1
    weights of all hints --> mean of the asked colors
    their sum, and 1 for the network --> mean of that and the predicted color

A distance grows at edges much more than in flat places, so a color fills a thing and stops at its edge. In shadow the
asked color is darker and paler, as a colored thing is: there a and b shrink with L + 16.

Distances along luminance and weights that are powers of them: Yatziv, Sapiro, Fast Image and Video Colorization Using
Chrominance Blending, IEEE TIP 2006. Written from the paper; no code of theirs is used.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from colorizer import color, images
from colorizer.steering import shortest_paths
from colorizer.steering.hint import Hint
from colorizer.steering.prediction import Prediction

SIDE = 384  # of the longer side of the grid: the shortest paths of a hint then take a few hundredths of a second
# The costs, chosen on twelve photos by eye. A distance of 1 ends a hint's reach.
DIAGONAL = 0.65  # of a path across the whole picture where nothing changes
CONTRAST = 18.0  # units of L* that cost 1, in a picture of usual contrast
USUAL, LEAST = 25.0, 0.5  # standard deviation of L* of such a picture; flatter ones count as having at least half
CHROMA = 72.0  # Lab units of predicted a and b that cost 1
NOISE = 0.028  # of a step's change that costs nothing: grain, and soft shading
UNLIKE = 0.2  # of the difference to the hint's own luminance and color, beside the path
FEATURES, AXES = 0.83, 8  # cost of the difference of features; the number of their main axes that count
POWER = 8  # of distance in a weight: how flat it is within its reach, and how steep at the end
AMONG = 4  # the same between hints: of two that reach a place both count, the nearer one more
FARTHEST = 3.0  # distances beyond are not looked for: a weight is then below 1/6000
KEPT = 256  # hints whose distances are kept for the next change, a third of a megabyte each
CORE = 1  # pixels of the grid around a hint that are exactly as asked
BRIGHTEST = 1.25  # most of the asked a and b in places brighter than the hint's


class Canvas:
    """A picture and what a network says about it, on a grid of at most `SIDE`. It keeps the distances of `KEPT` hints.

    Args:
        rgb: (H, W, 3) uint8 or uint16 sRGB.
        prediction: of the same picture.
    """

    def __init__(self, rgb: np.ndarray, prediction: Prediction):
        height, width = rgb.shape[:2]
        scale = min(1.0, SIDE / max(height, width))
        self.shape = max(2, round(height * scale)), max(2, round(width * scale))
        small = cv2.resize(images.to_uint8(rgb), self.shape[::-1], interpolation=cv2.INTER_AREA)
        self.l = color.rgb_to_lab(small)[..., 0]
        self.scale = self.shape[0] / height, self.shape[1] / width
        self.ab = self.enlarged(prediction.ab_norm_hat) * color.AB_SCALE
        self.features = None if prediction.features is None else self.enlarged(_main_axes(prediction.features))
        smooth = self.l
        for _ in range(2):
            smooth = cv2.bilateralFilter(smooth, 7, 12, 3)
        contrast = CONTRAST * np.clip(self.l.std() / USUAL, LEAST, 1)
        self.guide = np.dstack([smooth / contrast, self.ab / CHROMA]).astype(np.float32)
        self._rgb = rgb
        self._steps: shortest_paths.Steps | None = None
        self._distances: dict[tuple[int, int], np.ndarray] = {}

    def enlarged(self, grid: np.ndarray) -> np.ndarray:
        """(h, w, C) -> the canvas's size, bilinearly, float32."""
        resized = cv2.resize(grid.astype(np.float32), self.shape[::-1], interpolation=cv2.INTER_LINEAR)
        return resized.reshape(*self.shape, -1)

    def place(self, hint: Hint) -> tuple[int, int]:
        """Row and column of a hint, whose x and y are pixels of `rgb`."""
        row, column = int(hint.y * self.scale[0]), int(hint.x * self.scale[1])
        return min(row, self.shape[0] - 1), min(column, self.shape[1] - 1)

    def light(self, hint: Hint) -> float:
        """L* of the very pixel that a hint lies on."""
        pixel = self._rgb[int(hint.y), int(hint.x)]
        return float(color.rgb_to_lab(pixel[None, None])[0, 0, 0])

    def distances(self, row: int, column: int) -> np.ndarray:
        """How far every place is from one of them: (h, w) float32, at most `FARTHEST` along a path and more beside."""
        if (row, column) not in self._distances:
            if self._steps is None:
                self._steps = shortest_paths.Steps(self.guide, DIAGONAL / np.hypot(*self.shape), NOISE)
            far = self._steps.distances(row, column, FARTHEST)
            far = far + UNLIKE * np.linalg.norm(self.guide - self.guide[row, column], axis=-1)
            if self.features is not None:
                far = far + FEATURES * np.linalg.norm(self.features - self.features[row, column], axis=-1)
            if len(self._distances) >= KEPT:  # the first ones stay: hints come in the same order again and again
                return far.astype(np.float32)
            self._distances[row, column] = far.astype(np.float32)
        return self._distances[row, column]

    def nearest(self, hints: Sequence[Hint]) -> np.ndarray:
        """How far every place is from the nearest hint, in that hint's reach: (h, w) float32."""
        nearest = np.full(self.shape, np.inf, np.float32)
        for hint in hints:
            np.minimum(nearest, self.distances(*self.place(hint)) / np.float32(hint.reach), out=nearest)
        return nearest

    def weight(self, hint: Hint) -> np.ndarray:
        """How much a hint counts beside the network, which counts 1: (h, w) float32."""
        row, column = self.place(hint)
        weight = (np.float32(hint.reach) / np.maximum(self.distances(row, column), np.float32(1e-3))) ** POWER
        weight[_core(row, column)] = 1e24  # as at a distance of 0.001
        return weight

    def ab_norm(self, hints: Sequence[Hint], ab: np.ndarray | None = None, strength: float = 1.0) -> np.ndarray:
        """The picture's colors with hints.

        Args:
            hints: with x and y in pixels of `rgb`.
            ab: (h, w, 2) float32 in Lab units on the canvas's grid, where other colors than the predicted are steered.
            strength: factor of the predicted colors; hints are as asked.

        Returns:
            (h, w, 2) float32, ab/128, at the canvas's size.
        """
        own = (self.ab if ab is None else ab) * np.float32(strength)
        total, among, mean = np.ones(self.shape, np.float32), np.zeros(self.shape, np.float32), np.zeros_like(own)
        for hint in hints:
            weight = self.weight(hint)
            row, column = self.place(hint)
            asked = shaded(hint.ab, self.l[row, column], self.l)
            # Where the hint is its own pixel counts, which may be brighter or darker than the mean around it.
            light = self.light(hint)
            asked[_core(row, column)] = shaded(hint.ab, light, np.full((1, 1), light, np.float32))[0, 0]
            total += weight
            weight = weight ** (AMONG / POWER)
            among += weight
            mean += (weight / among)[..., None] * (asked - mean)
        return (mean + (own - mean) / total[..., None]) / np.float32(color.AB_SCALE)


def shaded(ab: np.ndarray, light: float, l: np.ndarray) -> np.ndarray:
    """A thing's color where it is brighter or darker than at one place, never outside sRGB.

    In shadow a thing's light is multiplied with a factor, its cube root with the cube root, and so L + 16, a and b
    with one number. Where sRGB has no such color of that luminance, the most saturated one of the same hue is taken.

    Args:
        ab: (2,) asked at that place, Lab units.
        light: L* of that place.
        l: (h, w) float32, L* of all.

    Returns:
        (h, w, 2) float32, Lab units.
    """
    lights = np.arange(0, 101, dtype=np.float32)
    lights = np.sort(np.append(lights, np.float32(light)))
    shares = np.linspace(0, 1, 64, dtype=np.float32)[:, None]
    wanted = np.minimum((lights + 16) / (light + 16), BRIGHTEST)
    factors = shares * wanted
    lab = np.stack(np.broadcast_arrays(lights, factors * ab[0], factors * ab[1]), axis=-1)
    back = color.rgb_to_lab(color.lab_to_rgb(lab, np.float32))
    outside = np.linalg.norm(back - lab, axis=-1) > 0.5
    inside = np.cumsum(outside, axis=0) == 0
    inside[0] = True
    largest = np.max(np.where(inside, factors, 0), axis=0)
    return np.interp(l, lights, largest).astype(np.float32)[..., None] * np.asarray(ab, np.float32)


def _core(row: int, column: int) -> tuple[slice, slice]:
    """The places around a hint that are exactly as asked."""
    return slice(max(0, row - CORE), row + CORE + 1), slice(max(0, column - CORE), column + CORE + 1)


def _main_axes(features: np.ndarray) -> np.ndarray:
    """The features along their main axes over the picture: (h, w, C) -> (h, w, at most `AXES`) float32."""
    flat = features.reshape(-1, features.shape[-1]).astype(np.float32)
    mean, axes = cv2.PCACompute(flat, mean=None, maxComponents=AXES)
    return cv2.PCAProject(flat, mean, axes).reshape(*features.shape[:2], -1)
