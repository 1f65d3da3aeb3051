"""Hints by clicks: what the page does with one photograph whose colors are set by hand. Nothing of Gradio is in here.

Every click is worked on in the preview, each set of hints in one more pass of the network. The full size is for the
download.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from colorizer import photos
from colorizer.app.service import Workbench, preview_of
from colorizer.errors import ColorizerError, PhotoError, WorkError
from colorizer.inference.steered_photo import FileSteering, SteeredPhoto
from colorizer.steering import sidecar
from colorizer.steering.hint import Hint

MOST_OPEN = 8  # photographs kept ready for clicks: 20 to 40 MB each
MOST_HINTS = 200  # of one photograph
MOST_STEPS = 100  # that can be taken back
SWATCH, SWATCHES = 64, 6  # side of a color that is offered, in pixels; how many are offered


class Steps(NamedTuple):
    """What was set by clicks, and how it came to be. Every step keeps a whole list: a color may take another's place.

    Attributes:
        hints: entries (x, y, color) that are set now.
        before: the lists before each step, the last one at the end.
        undone: the lists that were taken back, the last one at the end.
    """

    hints: tuple[tuple[float, float, str], ...] = ()
    before: tuple = ()
    undone: tuple = ()

    def add(self, x: float, y: float, color: str) -> Steps:
        """Sets a color; at a place that has one, it takes its place."""
        others = tuple(entry for entry in self.hints if entry[:2] != (x, y))
        return Steps((*others, (x, y, color)), (*self.before, self.hints)[-MOST_STEPS:])

    def undo(self) -> Steps:
        """Takes the last step back, where there is one."""
        if not self.before:
            return self
        return Steps(self.before[-1], self.before[:-1], (*self.undone, self.hints))

    def redo(self) -> Steps:
        """Makes the step again that was taken back last, where there is one."""
        if not self.undone:
            return self
        return Steps(self.undone[-1], (*self.before, self.hints), self.undone[:-1])


class _Open(NamedTuple):
    """A photograph's preview, seen by the network, and the height and width of the photograph itself."""

    preview: SteeredPhoto
    size: tuple[int, int]


class Painting:
    """Colors photographs by hints, one click after another.

    Args:
        bench: of the page; its networks, folder and limits.
    """

    def __init__(self, bench: Workbench):
        self.bench = bench
        self._open: OrderedDict[tuple[str, str], _Open] = OrderedDict()

    def picture(self, source: str, label: str, hints: Sequence[Hint], strength: float) -> Path:
        """A preview with hints.

        Args:
            source: an uploaded file.
            label: a key of the bench's networks.
            hints: with x and y in pixels of the preview.
            strength: of the network's colors, 0..1.

        Returns:
            A JPEG file.

        Raises:
            WorkError: the photograph or a hint cannot be used.
        """
        with self.bench.turn():
            photo = self._steered(source, label)
            try:
                rgb = photo.colorized(hints, strength)
            except ColorizerError as error:
                raise WorkError(str(error)) from error
            return self._written(".jpg", rgb)

    def likely_colors(self, source: str, label: str, x: float, y: float) -> list[str]:
        """The colors that a place of the preview likely has, "#rrggbb" each.

        Raises:
            WorkError: the photograph cannot be used, or the place gets no color.
        """
        with self.bench.turn():
            try:
                return self._steered(source, label).likely_colors(x, y, SWATCHES)
            except ColorizerError as error:
                raise WorkError(str(error)) from error

    def swatches(self, colors: Sequence[str]) -> Path:
        """A PNG file with the colors side by side, each a square of `SWATCH` pixels."""
        row = np.array([list(bytes.fromhex(color[1:])) for color in colors], np.uint8)
        return self._written(".png", np.kron(row[None], np.ones((SWATCH, SWATCH, 1), np.uint8)))

    def sidecar(self, source: str, label: str, hints: Sequence[Hint]) -> Path:
        """A file of the hints, for the photograph at its own size; see `steering.sidecar`.

        Raises:
            WorkError: the photograph cannot be used.
        """
        with self.bench.turn():
            whole = self._on_whole(source, label, hints)
            target = self._place() / f"{Path(source).name}{sidecar.ENDING}"
            sidecar.write(target, whole.hints, whole.height, whole.width)
        return target

    def full_size(self, source: str, label: str, hints: Sequence[Hint], strength: float) -> Path:
        """The photograph in color at its own size, with its metadata.

        Raises:
            WorkError: it cannot be colorized.
        """
        with self.bench.turn():
            given = self._on_whole(source, label, hints)
            steering = FileSteering(lambda _, height, width: given.on(height, width))
            target = self._place() / f"{Path(source).stem}-color{photos.written_suffix(source)}"
            (outcome,) = self.bench.networks[label].colorize_files([(source, target)], 1, strength, steering=steering)
            if outcome.error:
                raise WorkError(f"{Path(source).name}: {outcome.error}")
        return target

    def _on_whole(self, source, label, hints) -> sidecar.Sidecar:
        """The hints for the whole photograph, of which the preview is a smaller copy."""
        small, (height, width) = self._opened(source, label)
        on_preview = sidecar.Sidecar(tuple(hints), *small.rgb.shape[1::-1])
        return sidecar.Sidecar(tuple(on_preview.on(height, width)), width, height)

    def _steered(self, source: str, label: str) -> SteeredPhoto:
        """The photograph's preview, seen by the network."""
        return self._opened(source, label).preview

    def _opened(self, source: str, label: str) -> _Open:
        """The photograph, ready for clicks."""
        if label not in self.bench.networks:
            raise WorkError(f"A method is one of {', '.join(self.bench.networks)}. Received: {label}")
        key = (str(source), label)
        if key in self._open and Path(source).is_file():
            self._open.move_to_end(key)
            return self._open[key]
        self._open.pop(key, None)
        photo = self._read(source)
        self._open[key] = _Open(self.bench.networks[label].steer(preview_of(photo)), photo.rgb.shape[:2])
        while len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)
        return self._open[key]

    def _read(self, source: str) -> photos.Photo:
        try:
            return photos.read(source, self.bench.max_pixels)
        except PhotoError as error:
            raise WorkError(f"{Path(source).name}: {error.reason}") from error

    def _place(self) -> Path:
        """A new folder. Nobody guesses its name: who knows the path of a file here can fetch it."""
        self.bench.require_room()
        folder = self.bench.folder / f"painting-{secrets.token_hex(16)}"
        try:
            folder.mkdir()
        except OSError as error:
            raise WorkError(f"The results cannot be written: {error.strerror or error}") from error
        return folder

    def _written(self, ending: str, rgb: np.ndarray) -> Path:
        path = self._place() / f"preview{ending}"
        photos.write(path, rgb, quality=90)
        return path
