"""Pictures and pages that a notebook displays and a script can save, without IPython."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from colorizer import atomic_files, images

_QUALITY = 78  # of JPEG: a contact sheet of 24 pairs stays under 90 KB


@dataclass(frozen=True, repr=False)
class Picture:
    """A PNG or JPEG file in memory; a notebook displays it as the last line of a cell.

    Attributes:
        data: the file's bytes.
        form: "png" or "jpeg".
    """

    data: bytes
    form: str

    def save(self, path: str | Path) -> None:
        """Writes the file, whole or not at all."""
        with atomic_files.replacing(path) as part:
            part.write_bytes(self.data)

    def __repr__(self):
        return f"<{self.form}, {len(self.data):,} bytes>"

    def _repr_png_(self):
        return self.data if self.form == "png" else None

    def _repr_jpeg_(self):
        return self.data if self.form == "jpeg" else None


@dataclass(frozen=True, repr=False)
class Page:
    """Markdown; a notebook renders it as the last line of a cell."""

    text: str

    def __repr__(self):
        return f"<Markdown, {len(self.text):,} characters>"

    def _repr_markdown_(self):
        return self.text


def jpeg(pixels: np.ndarray) -> Picture:
    """Encodes (H, W, 3) uint8 sRGB as JPEG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return Picture(stream.getvalue(), "jpeg")


def png(pixels: np.ndarray, step: int) -> Picture:
    """Encodes a drawing as a small PNG, with every `step`-th of the 256 levels, black and white among them.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        step: a divisor of 255; no value moves by more than half of it.

    Returns:
        A PNG, with a palette where 256 colors are enough.
    """
    # Palettes by color counts (Pillow's) turn white to cream and a blue sky to green.
    coarse = np.rint(pixels / step).astype(np.uint8) * np.uint8(step)
    packed = Image.fromarray(coarse)
    numbers = coarse @ np.array([2**16, 2**8, 1], np.int32)  # unique numbers are found faster than unique rows
    if len(palette := np.flatnonzero(np.bincount(numbers.ravel()))) <= 256:
        packed = Image.fromarray(np.searchsorted(palette, numbers).astype(np.uint8), "P")
        packed.putpalette(palette.astype(">u4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes())
    stream = io.BytesIO()
    packed.save(stream, "PNG", optimize=True)
    return Picture(stream.getvalue(), "png")


def stacked(pictures: Sequence[Picture]) -> Picture:
    """Puts several drawings below each other.

    Args:
        pictures: PNGs of one width, one or more.

    Returns:
        A PNG.
    """
    drawings = [np.asarray(Image.open(io.BytesIO(one.data)).convert("RGB")) for one in pictures]
    return png(np.concatenate(drawings), 1)


def rows(pictures: Sequence[Sequence[np.ndarray]], height: int = 240) -> Picture:
    """Puts photos next to and below each other; each keeps its proportions.

    Args:
        pictures: rows of (H, W, 3) uint8 or uint16 sRGB.
        height: of each, in pixels.

    Returns:
        A JPEG.
    """
    lines = [np.concatenate([_of_height(images.to_uint8(rgb), height) for rgb in row], axis=1) for row in pictures]
    width = max(line.shape[1] for line in lines)
    white = [np.full((height, width - line.shape[1], 3), 255, np.uint8) for line in lines]
    return jpeg(np.concatenate([np.concatenate(both, axis=1) for both in zip(lines, white, strict=True)]))


def _of_height(rgb_u8, height):
    width = max(1, round(rgb_u8.shape[1] * height / rgb_u8.shape[0]))
    return np.asarray(Image.fromarray(rgb_u8).resize((width, height), Image.Resampling.BOX))


def page(path: str | Path) -> Page:
    """Opens a Markdown file to display it."""
    return Page(Path(path).read_text(encoding="utf-8"))
