"""Colors for every frame of a film from the network's colors of its key frames.

    first frame of a shot        key            key ...        the shot's last frame
    predicted                    carried from the key before, mixed with the prediction
                 between two keys: carried from both sides, nearer ones count more

Where the flow from a key cannot be trusted, the key on the other side decides; where neither can, the neighborhood.
So does the key after for what a thing has uncovered since the key before, however plain it is.
A key's colors are the mean of all predictions that the pixel has had, at most of the last `MEMORY`: they
change slowly, and nothing drifts away from what the network says. A mean of different hues is paler than each of them;
so chroma is brought back, of each pixel and of the whole picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np

from colorizer.color import AB_SCALE
from colorizer.film import flow as flows

SIDE = 256  # pixels: the longer side of the maps of colors and of the frames that flow is searched in
EVERY = 8  # frames from one key to the next, at most
MEMORY = 12.0  # predictions that a key's colors are the mean of, at most
FIRST = 3.0  # predictions that the first of a shot, or of a new thing in it, counts for
LEAST_CARRIED = 0.6  # share of the picture that a key still colors; below it the next key comes early
CUT_TRUST, CUT_CHANGE = (
    0.5,
    12.0,
)  # a cut: less of the flow can be trusted, and gray levels differ by more even along it
CONTRAST = 24.0  # standard deviation of gray levels from which on a prediction counts in full
SURE, LEAST_SURE = 24.0 / AB_SCALE, 0.1  # chroma from which on it does, and what it counts at least: pale is unsure
GAINS = 0.8, 1.5  # of chroma, at most
GAIN_SPEED = 6.0  # how fast chroma follows the predictions', against the colors themselves
HALO = 0.5  # of what has been carried beside a thing that moves on: colors of the thing ran over its edge there
_FILL = 0.005  # weight of the neighborhood against a key that is trusted in full


class Frame(Protocol):
    """A frame: its luminance, (H, W) uint8 in full range."""

    gray: np.ndarray


class Key(NamedTuple):
    """A key frame after its colors are decided.

    Attributes:
        small: (h, w) uint8, its luminance.
        ab_norm: (h, w, 2) float32, ab/128.
        weight: (h, w) float32, how many predictions each color is the mean of.
    """

    small: np.ndarray
    ab_norm: np.ndarray
    weight: np.ndarray


class Colored(NamedTuple):
    """A frame with its colors.

    Attributes:
        frame: as it came.
        ab_norm: (h, w, 2) float32, ab/128.
        starts_shot: whether a cut lies before it.
        key: with which the film can be continued after this frame; None between keys.
    """

    frame: Any
    ab_norm: np.ndarray
    starts_shot: bool
    key: Key | None


class _Step(NamedTuple):
    """A frame that waits for the next key."""

    frame: Any
    small: np.ndarray
    to_here: np.ndarray  # flow from the frame before
    trust_before: np.ndarray  # of that flow, at the pixels of the frame before
    places: np.ndarray  # where this frame's pixels lie in the key before
    trust: np.ndarray  # of these places
    uncovered: np.ndarray  # 1 where they were covered in the key before, by a thing that has moved on


def map_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of the maps of colors for frames of a size."""
    scale = min(1.0, SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def colored(
    frames: Iterable[Frame],
    predict: Callable[[np.ndarray], np.ndarray],
    *,
    every: int = EVERY,
    key: Key | None = None,
) -> Iterator[Colored]:
    """Colors the frames of a film in order.

    Args:
        frames: of one size. At most `every` of them are held at once.
        predict: (H, W) uint8 of a frame -> (h, w, 2) float32, ab/128, of any size.
        every: frames from one key to the next, at most; 1 asks the network for each frame.
        key: of an earlier `Colored`, to continue after it; None begins a shot.

    Yields:
        A `Colored` for each frame.
    """
    carrier: _Carrier | None = None
    for frame in frames:
        if carrier is None:
            carrier = _Carrier(map_size(*frame.gray.shape), predict, every, key)
        yield from carrier.add(frame)
    if carrier is not None:
        yield from carrier.finish()


def shot_ends(frames: Iterable[Any]) -> Iterator[Any]:
    """Finds the last frame of each shot, as `colored` cuts a film, without any colors.

    Args:
        frames: of one size, in order.

    Yields:
        The last frame of each shot, without its pixels where it has `_replace`.
    """
    last = small = flow = None
    for frame in frames:
        size = map_size(*frame.gray.shape)
        flow = flow or flows.Flow(*size)
        before, small = small, cv2.resize(frame.gray, size[::-1], interpolation=cv2.INTER_AREA)
        if before is not None:
            ways = flow.both_ways(before, small)
            if is_cut(small, flow.sampled(before, flow.grid + ways.back), ways.trust_back):
                yield last
        last = frame._replace(gray=None) if hasattr(frame, "_replace") else frame
    if last is not None:
        yield last


class _Carrier:
    """The state of `colored`: the last key, and the frames that wait for the next."""

    def __init__(self, size: tuple[int, int], predict: Callable, every: int, key: Key | None):
        self.size, self.every, self.key = size, every, key
        self.flow = flows.Flow(*size)
        self._predict = predict
        self.waiting: list[_Step] = []

    def add(self, frame: Frame) -> Iterator[Colored]:
        small = cv2.resize(frame.gray, self.size[::-1], interpolation=cv2.INTER_AREA)
        if self.key is None:
            yield self._begin(frame, small)
            return
        before = self.waiting[-1].small if self.waiting else self.key.small
        ways = self.flow.both_ways(before, small)
        if is_cut(small, self.flow.sampled(before, self.flow.grid + ways.back), ways.trust_back):
            yield from self.finish()
            yield self._begin(frame, small)
            return
        self._wait(frame, small, ways)
        if len(self.waiting) >= self.every or self.waiting[-1].trust.mean() < LEAST_CARRIED:
            yield from self.finish()

    def _begin(self, frame: Frame, small: np.ndarray) -> Colored:
        """The first frame of a shot."""
        ab_norm = self._predicted(frame)
        self.key = Key(small, ab_norm, np.float32(FIRST) * _reliance(small, ab_norm))
        return Colored(frame, ab_norm, True, self.key)

    def _wait(self, frame, small, ways: flows.Ways) -> None:
        """Adds a frame, with its pixels' places in the key before."""
        places, trust = self.flow.grid + ways.back, ways.trust_back
        uncovered = flows.uncovered(ways.back)
        if self.waiting:
            last = self.waiting[-1]
            uncovered = np.maximum(uncovered, self.flow.sampled(last.uncovered, places))
            trust = trust * self.flow.sampled(last.trust, places)
            places = self.flow.sampled(last.places, places)
        trust = trust * self._fit(small, self.key.small, places)
        self.waiting.append(_Step(frame, small, ways.there, ways.trust_there, places, trust, uncovered))

    def _fit(self, small: np.ndarray, key_small: np.ndarray, places: np.ndarray) -> np.ndarray:
        """How far a frame's luminance fits a key's, but for a change of all of it, as in a fade."""
        there = self.flow.sampled(key_small, places)
        offset = float(np.median(small.astype(np.int16) - there))
        return flows.alike(small, there, offset)

    def finish(self) -> Iterator[Colored]:
        """Makes the last frame that waits a key, and colors all that wait."""
        if not self.waiting:
            return
        before, steps = self.key, self.waiting
        self.key, self.waiting = self._next_key(steps[-1]), []
        maps = [self.key.ab_norm]
        places, trust = self.flow.grid, np.ones(self.size, np.float32)
        for number in range(len(steps) - 1, 0, -1):
            step, after = steps[number - 1], steps[number]
            ahead = self.flow.grid + after.to_here
            trust = after.trust_before * self.flow.sampled(trust, ahead)
            places = self.flow.sampled(places, ahead)
            trust = trust * self._fit(step.small, self.key.small, places)
            share = np.float32(number / len(steps))
            maps.append(
                _mixed(
                    self.flow.sampled(before.ab_norm, step.places),
                    (1 - share) * step.trust * (1 - step.uncovered * trust),
                    self.flow.sampled(self.key.ab_norm, places),
                    share * trust,
                )
            )
        for step, ab_norm in zip(steps, reversed(maps), strict=True):
            yield Colored(step.frame, ab_norm, False, self.key if step is steps[-1] else None)

    def _next_key(self, step: _Step) -> Key:
        """Mixes what the key before carries here with the network's prediction."""
        predicted = self._predicted(step.frame)
        reliance = _reliance(step.small, predicted)
        trust = step.trust * (1 - np.float32(HALO) * step.uncovered)
        weight = self.flow.sampled(self.key.weight, step.places) * trust
        carried = self.flow.sampled(self.key.ab_norm, step.places)
        share = reliance / (weight + reliance)
        gained = reliance * (trust + (1 - trust) * np.float32(FIRST))  # a new thing: its first prediction
        ab_norm = _averaged(carried, predicted, share)
        ab_norm *= _gain(predicted, ab_norm, share)[..., None]
        return Key(step.small, ab_norm, np.minimum(weight + gained, np.float32(MEMORY)))

    def _predicted(self, frame: Frame) -> np.ndarray:
        ab_norm = self._predict(frame.gray).astype(np.float32)
        return ab_norm if ab_norm.shape[:2] == self.size else cv2.resize(ab_norm, self.size[::-1])


def is_cut(small: np.ndarray, expected: np.ndarray, trust: np.ndarray) -> bool:
    """Whether a frame belongs to another shot than the one before.

    Args:
        small: (h, w) uint8, the frame.
        expected: (h, w) uint8, the frame before, moved along the flow.
        trust: (h, w) float32, of the flow, 0..1.
    """
    change = small.astype(np.float32) - expected
    change -= np.median(change)  # a flash or a fade lightens all of it
    return bool(trust.mean() < CUT_TRUST and np.abs(change).mean() > CUT_CHANGE)


def _reliance(small: np.ndarray, ab_norm: np.ndarray) -> np.ndarray:
    """How much a prediction counts: (h, w) float32, 0..1.

    In a fade from black the network sees nothing, and says nothing. A pale color is the mean of several possible ones.
    """
    chroma = cv2.blur(np.linalg.norm(ab_norm, axis=-1), (9, 9))
    seen = np.clip((small.std() / CONTRAST) ** 2, 0.01, 1)
    return np.float32(seen) * np.clip(chroma / np.float32(SURE), np.float32(LEAST_SURE), 1)


def _averaged(one: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The mean of two maps with the chroma of their mean square: different hues do not make a pixel pale.

    Args:
        one: (h, w, 2).
        other: (h, w, 2).
        share: (h, w), of `other`.
    """
    mean = one + share[..., None] * (other - one)
    first, second, result = (np.square(ab).sum(axis=-1) for ab in (one, other, mean))
    wanted = first + share * (second - first)
    return mean * np.clip(np.sqrt(wanted / np.maximum(result, np.float32(1e-8))), 1, GAINS[1])[..., None]


def _gain(predicted: np.ndarray, mixed: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Brings back the chroma that is lost where predictions of different hues are mixed, little by little.

    Colors are rich by their chroma and by how much they differ over the picture: neither shall be lost.

    Args:
        predicted: (h, w, 2).
        mixed: (h, w, 2).
        share: (h, w) of the prediction in `mixed`. What is new is all prediction, and has lost nothing.

    Returns:
        (h, w) float32, a factor.
    """
    old = 1 - share
    total = max(float(old.sum()), 1e-6)
    pairs = zip(_richness(predicted, old / total), _richness(mixed, old / total), strict=True)
    lost = max(before / max(after, 1e-6) for before, after in pairs)
    speed = min(1.0, GAIN_SPEED * float((share * old).sum()) / total)
    return 1 + np.float32(speed * (np.clip(lost, *GAINS) - 1)) * old


def _richness(ab_norm: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Root mean square of a map's chroma, and of its difference from the mean color; weights sum to 1."""
    mean = (ab_norm * weight[..., None]).sum(axis=(0, 1))
    square = float((np.square(ab_norm).sum(axis=-1) * weight).sum())
    return square**0.5, max(0.0, square - float(np.square(mean).sum())) ** 0.5


def _mixed(one: np.ndarray, one_weight: np.ndarray, other: np.ndarray, other_weight: np.ndarray) -> np.ndarray:
    """The weighted mean of two maps; where both have no weight, the mean of the neighborhood."""
    weight = one_weight + other_weight
    total = one * one_weight[..., None] + other * other_weight[..., None]
    around = cv2.GaussianBlur(np.dstack([total, weight + np.float32(1e-4)]), (0, 0), 6)
    fill = around[..., :2] / around[..., 2:]
    return (total + _FILL * fill) / (weight + np.float32(_FILL))[..., None]
