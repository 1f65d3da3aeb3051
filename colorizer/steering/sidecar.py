"""Hints in a file beside the photo: the file and the photo give the same colors again.

    {"format": "colorizer-hints", "version": 1, "width": 4000, "height": 3000,
     "hints": [{"x": 1200, "y": 800, "color": "#7a1f1f"}, ...]}

`width` and `height` are those of the photo that the hints were set on. On a copy of another size they are scaled.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from colorizer import atomic_files
from colorizer.errors import HintError
from colorizer.steering.hint import LARGEST, Hint

FORMAT, VERSION = "colorizer-hints", 1
ENDING = ".hints.json"  # photo.jpg.hints.json lies beside photo.jpg
MOST_BYTES, MOST_HINTS = 2**20, 2000
SAME_SHAPE = 0.02  # of the aspect ratio: a smaller copy is rounded to whole pixels


@dataclass(frozen=True)
class Sidecar:
    """The hints of one photo.

    Attributes:
        hints: see `Hint`.
        width, height: of the photo that they were set on, in pixels.
    """

    hints: tuple[Hint, ...]
    width: int
    height: int

    def on(self, height: int, width: int) -> list[Hint]:
        """The hints for the same photo at another size.

        Raises:
            HintError: a photo of that shape is another one.
        """
        ratio = (width / height) / (self.width / self.height)
        if not 1 - SAME_SHAPE < ratio < 1 / (1 - SAME_SHAPE):
            raise HintError(
                f"These hints were set on a photo of {self.width} x {self.height} pixels. "
                f"Received: a photo of {width} x {height}, which has another shape. Take that photo's own hints."
            )
        across, down = width / self.width, height / self.height
        return [Hint(hint.x * across, hint.y * down, hint.color, hint.reach) for hint in self.hints]


def text_of(hints: Iterable[Hint], height: int, width: int) -> str:
    """A sidecar file's text.

    Args:
        hints: of a photo.
        height, width: of that photo in pixels.

    Raises:
        HintError: there are more than `read` takes.
    """
    hints = list(hints)
    if len(hints) > MOST_HINTS:
        raise HintError(_too_many(f"{len(hints)} of them"))
    lines = [json.dumps({key: value for key, value in asdict(hint).items() if key != "reach" or value != 1})
             for hint in hints]  # fmt: skip
    head = json.dumps({"format": FORMAT, "version": VERSION, "width": width, "height": height})
    return head[:-1] + ', "hints": [\n  ' + ",\n  ".join(lines) + "\n]}\n"


def write(path: str | Path, hints: Iterable[Hint], height: int, width: int) -> None:
    """Writes a sidecar file whole or not at all.

    Raises:
        HintError: it cannot be written, or there are more hints than `read` takes.
    """
    try:
        atomic_files.write_text(Path(path), text_of(hints, height, width))
    except OSError as error:
        raise HintError(f"{path}: the hints cannot be written: {error.strerror or error}") from error


def read(path: str | Path) -> Sidecar:
    """Reads a sidecar file.

    Raises:
        HintError: it cannot be read, or is no such file; the message names the place.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise HintError(f"{path}: the hints cannot be read: {error.strerror or error}") from error
    try:
        return parse(content)
    except HintError as error:
        raise HintError(f"{path}: {error}") from error


def beside(source: str | Path) -> Path:
    """The sidecar file of a photo: photo.jpg.hints.json beside photo.jpg. It may not exist."""
    return Path(f"{source}{ENDING}")


def parse(content: bytes | str) -> Sidecar:
    """A sidecar file's content.

    Raises:
        HintError: it is no such file; the message names the place.
    """
    if len(content) > MOST_BYTES:
        raise HintError(f"A file of hints has at most {MOST_BYTES // 2**20} MiB. This is another file.")
    try:
        found = json.loads(content)
    except ValueError as error:  # broken text, too
        raise HintError(f"A file of hints is JSON. Received: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise HintError("A file of hints is JSON. Received: lists in lists without an end") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        shown = found.get("format") if isinstance(found, dict) else type(found).__name__
        raise HintError(f'A file of hints is an object with "format": "{FORMAT}". Received: {shown!r}')
    if found.get("version") != VERSION:
        raise HintError(f"This colorizer reads hints of version {VERSION}. Received: {found.get('version')!r}")
    width, height = (_side(found, name) for name in ("width", "height"))
    listed = found.get("hints")
    if not isinstance(listed, list) or len(listed) > MOST_HINTS:
        shown = f"{len(listed)} of them" if isinstance(listed, list) else repr(listed)
        raise HintError(_too_many(shown))
    hints = tuple(_hint(entry, number, height, width) for number, entry in enumerate(listed, 1))
    return Sidecar(hints, width, height)


def _too_many(received: str) -> str:
    return f'"hints" is a list of at most {MOST_HINTS} hints. Received: {received}'


def _side(found: dict[str, Any], name: str) -> int:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < LARGEST:
        shown = repr(value)[:20]
        raise HintError(f'"{name}" is the photo\'s size in pixels, a whole number below {LARGEST:g}. Received: {shown}')
    return value


def _hint(entry: Any, number: int, height: int, width: int) -> Hint:
    """One entry of the list."""
    fields = ("x", "y", "color", "reach")
    if not isinstance(entry, dict) or not {"x", "y", "color"} <= set(entry) <= set(fields):
        shown = f"the fields {', '.join(map(str, entry))}" if isinstance(entry, dict) else repr(entry)
        raise HintError(f'hint {number}: it has "x", "y", "color" and perhaps "reach". Received: {shown[:200]}')
    try:
        hint = Hint(**entry)
    except HintError as error:
        raise HintError(f"hint {number}: {error}") from error
    if hint.x >= width or hint.y >= height:
        raise HintError(f"hint {number}: it lies outside {width} x {height} pixels. Received: {hint.x:g},{hint.y:g}")
    return hint
