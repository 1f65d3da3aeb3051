"""Several plausible versions of one picture: in each the doubtful things have other likely colors.

    distribution --> doubtful regions --> things: regions that look alike --> likely colors --> combinations, far apart

A version is a list of hints, so that a thing has one color all over, and so that it can be kept and changed. A saucer
that a spoon divides is two regions and one thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from colorizer.errors import HintError
from colorizer.methods.layers.bins import BINS
from colorizer.steering import likely
from colorizer.steering.hint import Hint
from colorizer.steering.prediction import Prediction
from colorizer.steering.spreading import Canvas

MOST_THINGS = 8  # of which the color is varied
TRIALS = 40  # places that are looked at for them
SMALLEST = 0.004  # share of the picture that a thing covers
RAREST = 0.25  # a color's probability over that of the likeliest
ALIKE = 0.82  # cosine of what the encoder sees in two regions of one thing; by eye, on a cup, a cat and a portrait
DOUBTFUL = 11.0  # Lab units: standard deviation of the distribution over a thing that is varied
CHOICES = 5  # likely colors of a thing
CHANCES = 0.7  # power of a color's probability when it is drawn: rarer ones come up too
DRAWN = 400  # combinations to choose from
UNLIKELY = 10.0  # Lab units of distance that a combination e times less likely must gain, for each thing


class Region(NamedTuple):
    """A connected region of doubtful color.

    Attributes:
        row, column: of a place in it, on the canvas.
        area: share of the picture.
        probabilities: (n,) float32, how likely each of the bins is, the region's mean.
        features: (C,) float32, what the encoder sees in it, of length 1; None without an encoder.
    """

    row: int
    column: int
    area: float
    probabilities: np.ndarray
    features: np.ndarray | None


class Thing(NamedTuple):
    """A thing of doubtful color.

    Attributes:
        places: rows and columns on the canvas, one of each of its regions.
        area: share of the picture.
        colors: (n, 2) float32, Lab units, the predicted one first.
        logs: (n,) logarithms of how likely they are.
    """

    places: tuple[tuple[int, int], ...]
    area: float
    colors: np.ndarray
    logs: np.ndarray


def versions(
    canvas: Canvas, prediction: Prediction, count: int, seed: int = 0, strength: float = 1.0
) -> list[list[Hint]]:
    """Hints of several versions; the first has none and is the automatic result.

    Args:
        canvas: of the picture.
        prediction: of the picture, with probabilities.
        count: how many versions.
        seed: of the draws; the same one gives the same versions.
        strength: factor of the versions' colors, 0..1.

    Returns:
        At most `count` lists of hints, with x and y in the picture's pixels.

    Raises:
        HintError: there is no distribution, or nothing of doubtful color.
    """
    if prediction.probabilities is None:
        raise HintError(
            "Several versions need a network that predicts how likely each color is. "
            "Received: weights of another method. Choose other weights."
        )
    found = things(canvas, prediction)
    if not found:
        raise HintError("Nothing in this photo has more than one likely color: there is one version only.")
    rng = np.random.default_rng(seed)
    drawn = [np.zeros(len(found), int)]
    for _ in range(DRAWN):
        drawn.append(np.array([_draw(thing, rng) for thing in found]))
    chosen = _far_apart(found, np.unique(drawn, axis=0), count)
    others = [
        [hint for thing, choice in zip(found, one, strict=True) for hint in _hints(canvas, thing, choice, strength)]
        for one in chosen[1:]
    ]
    return [[], *others]


def things(canvas: Canvas, prediction: Prediction) -> list[Thing]:
    """The things of doubtful color, the largest doubt first."""
    groups: list[list[Region]] = []
    for region in regions(canvas, prediction):
        alike = [_likeness(region, group) for group in groups]
        if max(alike, default=0) > ALIKE:
            groups[int(np.argmax(alike))].append(region)
        elif len(groups) < MOST_THINGS:
            groups.append([region])
    return [_thing(canvas, group) for group in groups]


def _likeness(region: Region, group: Sequence[Region]) -> float:
    """The cosine of what the encoder sees in a region and in a group of regions; 0 without an encoder."""
    if region.features is None:
        return 0.0
    whole = np.sum([one.features for one in group], axis=0)
    return float(region.features @ whole / np.linalg.norm(whole))


def _thing(canvas: Canvas, group: Sequence[Region]) -> Thing:
    """The thing that regions are parts of."""
    areas = np.array([region.area for region in group])
    shares = areas / areas.sum()
    near = shares @ [region.probabilities for region in group]
    predicted = shares @ [canvas.ab[region.row, region.column] for region in group]
    places = tuple((region.row, region.column) for region in group)
    return Thing(places, float(areas.sum()), *_choices(near.astype(np.float32), predicted.astype(np.float32)))


def regions(canvas: Canvas, prediction: Prediction) -> list[Region]:
    """The regions of doubtful color, the largest doubt first."""
    probabilities = prediction.probabilities.astype(np.float32)
    mean = probabilities @ BINS
    variance = probabilities @ np.square(BINS).sum(axis=1) - np.square(mean).sum(axis=-1)
    doubt = np.sqrt(np.maximum(cv2.GaussianBlur(variance, (0, 0), 1), 0))
    doubt = canvas.enlarged(doubt[..., None])[..., 0]
    free, found = np.ones(canvas.shape, bool), []
    inner = np.zeros(canvas.shape, bool)
    inner[4:-4, 4:-4] = True
    for _ in range(TRIALS):
        row, column = np.unravel_index(np.argmax(np.where(free & inner, doubt, 0)), canvas.shape)
        if not (free & inner)[row, column] or doubt[row, column] < DOUBTFUL:
            break
        weight = canvas.weight(_at(canvas, row, column, "#000"))
        mine = free & (weight > 0.5)
        share = cv2.resize(mine.astype(np.float32), probabilities.shape[1::-1], interpolation=cv2.INTER_AREA)
        near = np.tensordot(share, probabilities, 2) / max(float(share.sum()), 1e-6)
        spread = near @ np.square(BINS - near @ BINS).sum(axis=1)
        if mine.mean() >= SMALLEST and spread > DOUBTFUL**2:
            found.append(Region(row, column, float(mine.mean()), near, _seen_in(mine, prediction.features)))
        free &= ~mine
        free[max(0, row - 4) : row + 5, max(0, column - 4) : column + 5] = False
    return found


def _seen_in(mine: np.ndarray, features: np.ndarray | None) -> np.ndarray | None:
    """What the encoder sees in a region (h, w), as a vector of length 1; None without an encoder."""
    if features is None:
        return None
    share = cv2.resize(mine.astype(np.float32), features.shape[1::-1], interpolation=cv2.INTER_AREA)
    seen = np.tensordot(share, features - features.mean(axis=-1, keepdims=True), 2)
    return seen / max(float(np.linalg.norm(seen)), 1e-6)


def _choices(near: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A thing's colors, the predicted one first, and the logarithms of how likely they are."""
    colors = [predicted, *likely.peaks(BINS, near, CHOICES)]
    masses = [near @ (np.square(BINS - one).sum(axis=1) < likely.WIDTH**2) for one in colors]
    masses[0] = max(masses)
    chosen = [
        index
        for index, (one, mass) in enumerate(zip(colors, masses, strict=True))
        if not index or (mass > RAREST * masses[0] and np.linalg.norm(one - predicted) > likely.APART)
    ]
    return np.array(colors)[chosen], np.log(np.array(masses)[chosen] + 1e-6)


def _draw(thing: Thing, rng: np.random.Generator) -> int:
    """One of a thing's colors."""
    chances = np.exp(CHANCES * thing.logs)
    return int(rng.choice(len(chances), p=chances / chances.sum()))


def _far_apart(found: Sequence[Thing], drawn: np.ndarray, count: int) -> list[np.ndarray]:
    """Combinations that differ most from each other and are not too unlikely, the predicted one first."""
    # Large things count more, but not as much more as they are larger.
    shares = np.sqrt([thing.area for thing in found])
    shares = shares / shares.sum()
    colors = np.stack([thing.colors[column] for thing, column in zip(found, drawn.T, strict=True)], axis=1)
    logs = np.stack([(thing.logs - thing.logs.max())[column] for thing, column in zip(found, drawn.T, strict=True)], 1)
    cost = -UNLIKELY * (logs * shares).sum(axis=1)
    chosen = [int(np.flatnonzero((drawn == 0).all(axis=1))[0])]
    while len(chosen) < min(count, len(drawn)):
        apart = np.linalg.norm(colors[:, None] - colors[None, chosen], axis=-1) @ shares
        gain = apart.min(axis=1) - cost
        gain[chosen] = -np.inf
        chosen.append(int(np.argmax(gain)))
    return [drawn[index] for index in chosen]


def _at(canvas: Canvas, row: int, column: int, asked: str) -> Hint:
    """A hint at a place of the canvas."""
    return Hint((column + 0.5) / canvas.scale[1], (row + 0.5) / canvas.scale[0], asked)


def _hints(canvas: Canvas, thing: Thing, choice: int, strength: float) -> list[Hint]:
    """The hints that give a thing one of its colors, paler by `strength`."""
    ab = thing.colors[choice] * np.float32(strength)
    return [_at(canvas, *place, likely.named(ab, canvas.l[place])) for place in thing.places]
