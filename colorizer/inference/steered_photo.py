"""A photo that can be colored again and again with other hints; each set is one more pass, if the network takes hints.

The photo's frame, its automatic colors and what the encoder sees are found once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from colorizer import color, images
from colorizer.errors import HintError
from colorizer.inference import borders, full_size
from colorizer.steering import hint as hint_checks
from colorizer.steering import likely, samples
from colorizer.steering.hint import Hint
from colorizer.steering.reference import hints as matched
from colorizer.steering.reference import places
from colorizer.steering.spreading import Canvas

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from colorizer.inference.forward import Forward

# The network's colors with hints count within a hint's reach, and fade until twice of it.
REACHED, BEYOND = 1.0, 2.0
# Lab units by which each hint may move the colors beyond. One hint's 2 are hardly seen. Ten hints that agree say much
# about the whole photo (results/experiments/steering.md).
SPILL = 2.0
# A large change is dropped that is far from all hints, or leads to a color that no hint asks for: distances of the
# canvas, and Lab units of ab. True hints lose 0.02 dB at most by it (results/experiments/steering.md).
NEAR, FAR = 2.0, 4.0
ASKED, FOREIGN = 20.0, 40.0
MODERATE, LARGE = 15.0, 30.0


class SteeredPhoto:
    """A photo, what the network says about it, and its colors with hints.

    Args:
        forward: the network.
        rgb: (H, W, 3) uint8 or uint16 sRGB.
        turn: held while the network works.

    Raises:
        ValueError: not such a photo.
        WeightsError: the network gives something that is no number.
    """

    def __init__(self, forward: Forward, rgb: np.ndarray, turn: threading.Lock):
        self.rgb, self._forward, self._turn = images.require_photo(rgb), forward, turn
        self.rows, self.columns = borders.find(rgb)
        self._inside = np.ascontiguousarray(rgb[self.rows, self.columns])
        with turn:
            self.prediction = forward.prediction(self._inside)
        self.canvas = Canvas(self._inside, self.prediction)

    def colorized(self, hints: Sequence[Hint] = (), strength: float = 1.0) -> np.ndarray:
        """The photo in color: (H, W, 3) of its dtype; L* is its own.

        Args:
            hints: see `ab_norm`.
            strength: see `ab_norm`.

        Raises:
            ArgumentError, HintError: see `ab_norm`.
        """
        return full_size.merge(self.rgb, self.ab_norm(hints, strength))

    def ab_norm(self, hints: Sequence[Hint] = (), strength: float = 1.0) -> np.ndarray:
        """The colors with hints.

        Args:
            hints: with x and y in pixels of the photo.
            strength: factor of the predicted colors; hints are as asked.

        Returns:
            (h, w, 2) float32, ab/128, of the part inside the frame; finer than the network's where there are hints.

        Raises:
            ArgumentError: `strength` lies outside 0..1.
            HintError: a hint lies outside of the photo, or on its frame, which stays without color.
        """
        full_size.require_strength(strength)
        inner = self.inner(hints)
        if not inner:
            return self.prediction.ab_norm_hat * np.float32(strength)
        ab = None
        if self._forward.takes_hints:
            with self._turn:
                hinted = self._forward.hinted(self._inside, inner)
            nearest = self.canvas.nearest(inner)
            ab = without_leaps(self.canvas.enlarged(hinted) * np.float32(color.AB_SCALE), self.canvas, inner, nearest)
            ab = contained(ab, self.canvas, len(inner), nearest)
        return self.canvas.ab_norm(inner, ab, strength)

    def likely_colors(self, x: float, y: float, count: int = 5) -> list[str]:
        """The colors that a place most likely has, the likeliest first.

        Args:
            x: pixels from the photo's left.
            y: pixels from its top.
            count: how many at most; they differ visibly.

        Returns:
            "#rrggbb" of each, at the place's own luminance.

        Raises:
            HintError: the place lies outside of the photo, or on its frame.
        """
        (place,) = self.inner([Hint(x, y, "#000")])
        return likely.colors(self.canvas, self.prediction, *self.canvas.place(place), count)

    def samples(self, count: int, hints: Sequence[Hint] = (), seed: int = 0, strength: float = 1.0) -> list[list[Hint]]:
        """Hints of several plausible versions of the whole photo. The first has `hints` alone.

        Args:
            count: how many at most.
            hints: that are part of every version.
            seed: of the draws; the same one gives the same versions.
            strength: factor of the versions' own colors, 0..1; `hints` are as asked.

        Raises:
            ArgumentError: `strength` lies outside 0..1.
            HintError: the network predicts no distribution, or nothing has more than one likely color.
        """
        full_size.require_strength(strength)
        drawn = samples.versions(self.canvas, self.prediction, count, seed, strength)
        return [[*without_near(self._outer(version), hints, self), *hints] for version in drawn]

    def hints_from(self, reference: SteeredPhoto) -> list[Hint]:
        """The hints that a photo in color gives: see `steering.reference`.

        Raises:
            HintError: the network has no encoder, or the reference no colors.
        """
        here, there = (places(photo._inside, photo.prediction) for photo in (self, reference))
        return self._outer(matched(here, there, self._inside.shape[:2]))

    def _outer(self, hints: Sequence[Hint]) -> list[Hint]:
        """Hints of the part inside the frame, counted from the photo's corner."""
        return [replace(hint, x=hint.x + self.columns.start, y=hint.y + self.rows.start) for hint in hints]

    def inner(self, hints: Sequence[Hint]) -> list[Hint]:
        """The hints counted from the corner of the part inside the frame. Of several on one place the last counts.

        Raises:
            HintError: a hint lies outside of the photo, or on its frame.
        """
        inner = []
        for hint in hint_checks.require_inside(hints, *self.rgb.shape[:2]):
            x, y = hint.x - self.columns.start, hint.y - self.rows.start
            if not (0 <= x < self._inside.shape[1] and 0 <= y < self._inside.shape[0]):
                raise HintError(
                    "The frame around the photo gets no color. "
                    f"Received: a hint at {hint.x:g},{hint.y:g}; the photo itself begins at "
                    f"{self.columns.start},{self.rows.start} and ends at {self.columns.stop},{self.rows.stop}"
                )
            inner.append(replace(hint, x=x, y=y))
        return list({self.canvas.place(hint): hint for hint in inner}.values())


class FileSteering(NamedTuple):
    """How files are steered, one after the other.

    Attributes:
        hints_of: source, height and width of a photo -> its hints.
        reference: a photo in color, or None.
        save: is given source, hints, height and width of each photo; None for nothing.
    """

    hints_of: Callable[[Path, int, int], Sequence[Hint]]
    reference: SteeredPhoto | None = None
    save: Callable[[Path, Sequence[Hint], int, int], None] | None = None

    def colors(self, source: Path, rgb: np.ndarray, steer: Callable[[np.ndarray], SteeredPhoto], strength: float):
        """The colors of one photo.

        Args:
            source: its file.
            rgb: its pixels.
            steer: `Colorizer.steer`.
            strength: see `SteeredPhoto.ab_norm`.

        Returns:
            (h, w, 2) float32, ab/128, of the part inside the frame; None where it has no hints.

        Raises:
            HintError: its hints cannot be used.
        """
        # Before the network sees the photo, which takes longer.
        hints = hint_checks.require_inside(self.hints_of(source, *rgb.shape[:2]), *rgb.shape[:2])
        photo = steer(rgb) if hints or self.reference else None
        if self.reference:
            # What a person asks for comes last and counts alone where both speak.
            given = photo.hints_from(self.reference)
            if not given:
                logger.warning("%s: the reference shows nothing that is in this photo, and changes nothing", source)
            hints = without_near(given, hints, photo) + hints
        ab_norm_hat = photo.ab_norm(hints, strength) if photo else None
        if self.save:  # only now: a hint on the photo's frame is refused
            self.save(source, hints, *rgb.shape[:2])
        return ab_norm_hat


def contained(ab: np.ndarray, canvas: Canvas, count: int, nearest: np.ndarray) -> np.ndarray:
    """The colors of a network with hints near them; elsewhere the automatic ones, moved a little.

    With one hint the network sees the whole photo in another light. A person who sets one thing's color does not ask
    for that.

    Args:
        ab: (h, w, 2) float32 on the canvas's grid, Lab units.
        canvas: of the photo.
        count: of the hints; at least one.
        nearest: see `Canvas.nearest`.
    """
    change = ab - canvas.ab
    size = np.linalg.norm(change, axis=-1)
    moved = np.minimum(1, np.float32(SPILL * count) / np.maximum(size, 1e-6))
    share = np.maximum(1 - _step(nearest, REACHED, BEYOND), moved)
    return canvas.ab + share[..., None] * change


def without_leaps(ab: np.ndarray, canvas: Canvas, hints: Sequence[Hint], nearest: np.ndarray) -> np.ndarray:
    """The colors of a network with hints, without large changes that no hint can be the reason of.

    Those are changes of what is far from all hints and unlike them, and changes to a color that no hint asks for. A
    moderate change is what a true hint tells about the rest of the photo.

    Args:
        ab: (h, w, 2) float32 on the canvas's grid, Lab units.
        canvas: of the photo.
        hints: with x and y in its pixels; at least one.
        nearest: see `Canvas.nearest`.
    """
    foreign = np.full(canvas.shape, np.inf, np.float32)
    for hint in hints:
        np.minimum(foreign, np.linalg.norm(ab - hint.ab, axis=-1), out=foreign)
    change = ab - canvas.ab
    size = np.linalg.norm(change, axis=-1)
    dropped = np.maximum(_step(nearest, NEAR, FAR), _step(foreign, ASKED, FOREIGN)) * _step(size, MODERATE, LARGE)
    return canvas.ab + (1 - dropped)[..., None] * change


def _step(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 up to one value, 1 from another on, smooth between."""
    share = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return share * share * (3 - 2 * share)


def without_near(given: Sequence[Hint], asked: Sequence[Hint], photo: SteeredPhoto) -> list[Hint]:
    """The hints of a reference that lie on nothing that a person's hints cover."""
    if not asked or not given:
        return list(given)
    covered = photo.canvas.nearest(photo.inner(asked)) < 1
    return [
        hint for hint, inner in zip(given, photo.inner(given), strict=True) if not covered[photo.canvas.place(inner)]
    ]
