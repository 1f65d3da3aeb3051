"""Photographs in files: read upright as sRGB, written whole or not at all, with all their files said.

JPEG, PNG, WebP, TIFF, BMP, AVIF, and for reading also GIF, JPEG 2000 and HEIC (with pillow-heif), told
apart by their first bytes and not by their names. Whatever is wrong with a file, the answer is one
`PhotoError` of one line.
"""

from __future__ import annotations

import logging
import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from colorizer import atomic_files
from colorizer.errors import PhotoError
from colorizer.images import to_uint8 as to_uint8  # part of this module's interface
from colorizer.photos import icc, metadata, reader, writer
from colorizer.photos.writer import FORMATS

__all__ = [
    "FORMATS",
    "Photo",
    "PhotoError",
    "coloured",
    "from_image",
    "is_photo_name",
    "probe",
    "read",
    "to_uint8",
    "write",
]

logger = logging.getLogger(__name__)

MAX_PIXELS = 200_000_000  # 600 MB as 8-bit RGB: what a small machine can still hold
MAX_SIDE = 100_000  # a JPEG's longest is 65,535; one row of 200 megapixels cannot be worked on in bands
JPEG_QUALITY = 95
EXTENSIONS = tuple(FORMATS)  # readable and writable, lower case
# Readable only, and what their copies in colour are written as: the nearest that loses no more.
ONLY_READ = {".gif": ".png", ".jp2": ".png", ".j2k": ".png", ".heic": ".jpg", ".heif": ".jpg"}


@dataclass
class Photo:
    """A photograph as pixels, and what its file said besides.

    Attributes:
        rgb: (H, W, 3) uint8 or uint16, upright sRGB.
        alpha: (H, W) of the same dtype, or None where the file has no transparency.
        grey: whether the file had a single channel of colour; the three of `rgb` are then equal.
        metadata: `format` (str), `exif` (bytes, orientation reset, may be empty), `icc` (the profile
            of the file), `xmp` and `iptc` (bytes or None), `xmp_extension` (of a JPEG, a tuple of bytes), `dpi`
            (tuple or None), `comments` (a tuple of bytes), `text` (dict, of a PNG).
        notes: a line for each thing in the file that could not be kept.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None = None
    grey: bool = False
    metadata: dict = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def save(self, path: str | Path, quality: int = JPEG_QUALITY) -> None:
        """Writes it with everything its file said; see `write`. Source: ours."""
        write(path, self, quality=quality)

    def to_image(self) -> Image.Image:
        """It as Pillow's RGB or RGBA picture, 8 bits, with sRGB, EXIF, XMP and resolution in `info`. Source: ours."""
        image = writer.picture(self.rgb, self.alpha)
        image.info["icc_profile"] = icc.srgb()
        image.info.update({key: self.metadata[key] for key in ("exif", "xmp", "dpi") if self.metadata.get(key)})
        return image


def is_photo_name(path) -> bool:
    """Whether the name of a file ends like a photograph's. Names that begin with a dot do not count."""
    path = Path(path)
    suffix = path.suffix.lower()
    return (suffix in FORMATS or suffix in ONLY_READ) and not path.name.startswith(".")


def written_suffix(path) -> str:
    """The ending that a photograph's copy in colour gets: its own, where that format can be written. Source: ours."""
    suffix = Path(path).suffix
    return suffix if suffix.lower() in FORMATS else ONLY_READ.get(suffix.lower(), ".png")


def read(path, max_pixels: int = MAX_PIXELS) -> Photo:
    """Reads a photograph, upright and in sRGB.

    Args:
        path: a JPEG, PNG, WebP, TIFF, BMP, GIF, JPEG 2000, AVIF or HEIC file under any name; of
            several pages, the first.
        max_pixels: larger pictures are refused before they are decoded.

    Returns:
        A `Photo`; uint16 for 16-bit grey and RGB, uint8 for everything else. Its notes are logged.

    Raises:
        PhotoError: it is not there, not a picture, empty, truncated, damaged, animated or too large.
    """
    return _guarded(path, max_pixels, _photo)


def probe(path, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """What reading, colorizing and writing a photograph will take, from its first bytes.

    Args:
        path: see `read`.
        max_pixels: see `read`.

    Returns:
        Its number of pixels, and the most bytes of memory it will need.

    Raises:
        PhotoError: as `read`, of what the first bytes show.
    """
    return _guarded(path, max_pixels, lambda image, _: (image.width * image.height, reader.need(image)))


def _guarded(path, max_pixels, use):
    """Opens a picture for `use(image, path)`; whatever is raised becomes a `PhotoError`."""
    try:
        mode = os.stat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # reading a pipe would wait for ever
            raise PhotoError(path, "not a file but a device or a pipe")
        with open(path, "rb") as file:
            image = reader.open_header(file, str(path))
            if image.width * image.height > max_pixels:
                size = f"{image.width} x {image.height} = {image.width * image.height / 1e6:.1f} megapixels"
                raise PhotoError(path, f"too large: {size}; the limit is {max_pixels / 1e6:.1f}")
            if max(image.size) > MAX_SIDE:
                raise PhotoError(path, f"too long: {max(image.size)} pixels; the limit is {MAX_SIDE} a side")
            return use(image, path)
    except PhotoError:
        raise
    except reader.Refused as error:
        raise PhotoError(path, str(error)) from error
    except Exception as error:  # decoders answer damaged files with a dozen kinds of exception
        if isinstance(error, MemoryError) or getattr(error, "strerror", None):
            raise PhotoError(path, f"cannot be read: {getattr(error, 'strerror', 'not enough memory')}") from error
        raise PhotoError(path, f"truncated or damaged: {error or type(error).__name__}") from error


def from_image(image: Image.Image) -> Photo:
    """A picture of Pillow as a photograph, upright and in sRGB.

    Args:
        image: of any mode that has a range: 1, L, LA, P, RGB, RGBA, CMYK, YCbCr, I;16.

    Returns:
        A `Photo`.

    Raises:
        ValueError: the mode has no stated range.
    """
    try:
        return _photo(image, None)
    except reader.Refused as error:
        raise ValueError(f"A picture has 8 or 16 bits of grey or RGB. Received: mode {image.mode}: {error}") from error


def _photo(image, path) -> Photo:
    """Decodes an opened picture."""
    grey = reader.is_gray(image)
    rgb, alpha, notes = reader.pixels(image, path)
    # Of a TIFF, Pillow and OpenCV have turned it while decoding.
    turn = 1 if image.format == "TIFF" else metadata.orientation(image)
    entries, more = metadata.extract(image, turn in (5, 6, 7, 8), path)
    if path is not None:
        image.im = None  # the pixels twice are what memory runs out on
    notes += more
    for note in notes:
        logger.warning("%s: %s", path or "picture", note)
    if alpha is not None:
        rgb[alpha == 0] = np.iinfo(rgb.dtype).max
        alpha = reader.upright(alpha, turn)
    return Photo(reader.upright(rgb, turn), alpha, grey, entries, notes)


def write(path, photo: Photo | np.ndarray, alpha: np.ndarray | None = None, quality: int = JPEG_QUALITY) -> None:
    """Writes a photograph under a temporary name and renames it: never half a file under `path`.

    It is marked as sRGB and carries EXIF, XMP, IPTC and resolution as far as the format holds them. PNG and
    TIFF keep 16 bits and alpha, WebP and AVIF alpha; of what a format cannot hold, a note is logged.

    Args:
        path: where to; the suffix decides the format. Its folder is made.
        photo: a `Photo`, or (H, W, 3) uint8 or uint16 sRGB.
        alpha: (H, W) of the same dtype; for an array, a `Photo` brings its own.
        quality: of JPEG (always 4:4:4), WebP and AVIF, 1..100.

    Raises:
        PhotoError: the suffix is unknown, or the file cannot be written.

    Source: ours; quality 95 without chroma subsampling, because colour is what this program adds.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise PhotoError(path, f"the name of a photo ends in {', '.join(EXTENSIONS)}. Received: {path.suffix!r}")
    photo = photo if isinstance(photo, Photo) else Photo(photo, alpha)
    form = FORMATS[path.suffix.lower()]
    try:
        with atomic_files.replacing(path) as part, open(part, "wb") as file:
            notes = writer.encode(file, form, photo.rgb, photo.alpha, photo.metadata, quality)
    except Exception as error:  # encoders refuse sizes, metadata and full disks with as many kinds of exception
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise PhotoError(path, f"cannot be written: {reason}") from error
    for note in notes:
        logger.warning("%s: %s", path, note)


def coloured(photo: Photo, rgb: np.ndarray) -> Photo:
    """The same photograph with other pixels. Source: ours."""
    return replace(photo, rgb=rgb, grey=False)
