"""Pictures and pages that a notebook shows by itself and a script can save: no IPython is needed for either."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from colorizer import atomic_files

_QUALITY = 78  # of JPEG: a contact sheet of 24 pairs stays under 90 KB


@dataclass(frozen=True, repr=False)
class Picture:
    """A PNG or JPEG file in memory; as the last line of a notebook's cell it is shown.

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
    """Markdown; as the last line of a notebook's cell it is rendered."""

    text: str

    def __repr__(self):
        return f"<Markdown, {len(self.text):,} characters>"

    def _repr_markdown_(self):
        return self.text


def jpeg(pixels: np.ndarray) -> Picture:
    """Packs (H, W, 3) uint8 sRGB with losses that tiles of photographs hide. Source: ours."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return Picture(stream.getvalue(), "jpeg")


def png(pixels: np.ndarray, step: int) -> Picture:
    """Packs a drawing small: of the 256 levels every `step`-th is kept, black and white among them.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        step: a divisor of 255; no value moves by more than half of it.

    Returns:
        A PNG, with a palette where 256 colours or fewer are left.

    Source: ours. Palettes chosen by counting colours (Pillow's) turn white to cream and a blue sky to green.
    """
    kept = np.rint(pixels / step).astype(np.uint8) * np.uint8(step)
    packed = Image.fromarray(kept)
    numbers = kept @ np.array([2**16, 2**8, 1], np.int32)  # unique numbers are found faster than unique rows
    if len(colours := np.flatnonzero(np.bincount(numbers.ravel()))) <= 256:
        packed = Image.fromarray(np.searchsorted(colours, numbers).astype(np.uint8), "P")
        packed.putpalette(colours.astype(">u4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes())
    stream = io.BytesIO()
    packed.save(stream, "PNG", optimize=True)
    return Picture(stream.getvalue(), "png")


def stacked(pictures: Sequence[Picture]) -> Picture:
    """Several drawings in one, one under the other.

    Args:
        pictures: PNGs of one width, one or more.

    Returns:
        A PNG.

    Source: ours.
    """
    opened = [np.asarray(Image.open(io.BytesIO(one.data)).convert("RGB")) for one in pictures]
    return png(np.concatenate(opened), 1)


def page(path: str | Path) -> Page:
    """Opens a Markdown file to show it. Source: ours."""
    return Page(Path(path).read_text(encoding="utf-8"))
