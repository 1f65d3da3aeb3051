"""Reads and writes photographs: orientation applied, sRGB, metadata kept, atomic writes.

JPEG, PNG, WebP, TIFF, BMP, AVIF, and for reading also GIF, JPEG 2000 and HEIC (with pillow-heif). The first bytes
of a file decide what it is, not its name. Whatever is wrong with a file, the answer is one `PhotoError` of one line.

Transparency: pixels that are fully transparent are read as white, whatever color the file hides there. PNG, TIFF,
WebP and AVIF keep the alpha channel; in a JPEG or BMP the picture lies on white.
"""

from __future__ import annotations

import logging
import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from colorizer import atomic_files, images
from colorizer.errors import ArgumentError, PhotoError
from colorizer.images import to_uint8 as to_uint8  # part of this module's interface
from colorizer.photos import icc, metadata, reader, writer
from colorizer.photos.writer import FORMATS

logger = logging.getLogger(__name__)

MAX_PIXELS = 200_000_000  # 600 MB as 8-bit RGB: what a small machine can still hold
MAX_SIDE = 100_000  # a JPEG's longest is 65,535; one row of 200 megapixels cannot be worked on in bands
JPEG_QUALITY = 95
EXTENSIONS = tuple(FORMATS)  # readable and writable, lower case
# Readable only, and what their copies in color are written as: the nearest that loses no more.
ONLY_READ = {".gif": ".png", ".jp2": ".png", ".j2k": ".png", ".heic": ".jpg", ".heif": ".jpg"}


@dataclass(repr=False)
class Photo:
    """A photograph as pixels, and the metadata of its file.

    Attributes:
        rgb: (H, W, 3) uint8 or uint16, upright sRGB; white where it is fully transparent.
        alpha: (H, W) of the same dtype, or None where the file has no transparency.
        gray: whether the file had a single channel of color; the three of `rgb` are then equal.
        metadata: `format` (str), `exif` (bytes, orientation reset, may be empty), `icc` (the profile
            of the file), `xmp` and `iptc` (bytes or None), `xmp_extension` (of a JPEG, a tuple of bytes), `dpi`
            (tuple or None), `comments` (a tuple of bytes), `text` (dict, of a PNG).
        notes: a line for each thing in the file that could not be kept.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None = None
    gray: bool = False
    metadata: dict = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        height, width = self.rgb.shape[:2]
        form, alpha = self.metadata.get("format"), self.alpha is not None
        return f"Photo({width} x {height}, {self.rgb.dtype}, format={form}, gray={self.gray}, alpha={alpha})"

    def save(self, path: str | Path, quality: int = JPEG_QUALITY) -> None:
        """Writes it with its metadata; see `write`."""
        write(path, self, quality=quality)

    def to_image(self) -> Image.Image:
        """Returns it as a picture of Pillow: RGB or RGBA, 8 bits, with sRGB, EXIF, XMP and resolution in `info`."""
        image = writer.picture(self.rgb, self.alpha)
        image.info["icc_profile"] = icc.srgb()
        image.info.update({key: self.metadata[key] for key in ("exif", "xmp", "dpi") if self.metadata.get(key)})
        return image


def is_photo_name(path: str | Path) -> bool:
    """Whether a file name ends like that of a photograph. Names that begin with a dot do not count."""
    path = Path(path)
    suffix = path.suffix.lower()
    return (suffix in FORMATS or suffix in ONLY_READ) and not path.name.startswith(".")


def written_suffix(path: str | Path) -> str:
    """The suffix of the copy in color: that of the photograph, where its format can be written."""
    suffix = Path(path).suffix
    return suffix if suffix.lower() in FORMATS else ONLY_READ.get(suffix.lower(), ".png")


def read(path: str | Path, max_pixels: int = MAX_PIXELS) -> Photo:
    """Reads a photograph, upright and in sRGB.

    Args:
        path: a JPEG, PNG, WebP, TIFF, BMP, GIF, JPEG 2000, AVIF or HEIC file under any name; of
            several pages, the first.
        max_pixels: larger pictures are refused before they are decoded.

    Returns:
        A `Photo`; uint16 for 16-bit gray and RGB, uint8 for everything else, as AVIF, HEIC, CMYK and JPEG 2000 in
        color; a note says where the file has more bits. Its notes are logged.

    Raises:
        PhotoError: it is not there, not a picture, empty, truncated, damaged, animated or too large.
    """
    return _guarded(path, max_pixels, _photo)


def probe(path: str | Path, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Tells from the first bytes what reading, colorizing and writing a photograph will take.

    Args:
        path: see `read`.
        max_pixels: see `read`.

    Returns:
        Its number of pixels, and the most bytes of memory it will need.

    Raises:
        PhotoError: as `read`, of what the first bytes show.
    """
    return _guarded(path, max_pixels, lambda image, _: (image.width * image.height, reader.need(image)))


def shown_size(path: str | Path) -> tuple[int, int] | None:
    """Height and width of a photograph as it is shown, from its first bytes; None for a TIFF, which may lie.

    Args:
        path: see `read`.

    Raises:
        PhotoError: as `read`, of what the first bytes show.
    """

    def size(image, _):
        if image.format == "TIFF":  # some versions of Pillow have turned it already
            return None
        lying = metadata.orientation(image) in (5, 6, 7, 8)
        return image.size if lying else image.size[::-1]

    return _guarded(path, MAX_PIXELS, size)


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
        ArgumentError: the picture is empty, or its mode has no stated range.
    """
    if 0 in image.size:
        raise ArgumentError(f"A picture has at least one pixel. Received: {image.width} x {image.height} pixels")
    try:
        return _photo(image, None)
    except reader.Refused as error:
        raise ArgumentError(
            f"A picture has 8 or 16 bits of gray or RGB. Received: mode {image.mode}: {error}"
        ) from error


def _photo(image, path) -> Photo:
    """Decodes an opened picture."""
    gray = reader.is_gray(image)
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
    return Photo(reader.upright(rgb, turn), alpha, gray, entries, notes)


def write(
    path: str | Path, photo: Photo | np.ndarray, alpha: np.ndarray | None = None, quality: int = JPEG_QUALITY
) -> list[str]:
    """Writes a photograph under a temporary name and renames it: never half a file under `path`.

    It is marked as sRGB and carries EXIF, XMP, IPTC and resolution as far as the format holds them. PNG and
    TIFF keep 16 bits and alpha, WebP and AVIF alpha.

    Args:
        path: where to; the suffix decides the format. Its folder is made.
        photo: a `Photo`, or (H, W, 3) uint8 or uint16 sRGB.
        alpha: (H, W) of the same dtype; for an array, a `Photo` brings its own.
        quality: of JPEG (always 4:4:4), WebP and AVIF, 1..100.

    Returns:
        One line for each thing that the format cannot hold; they are logged as well.

    Raises:
        ArgumentError: no photo, an alpha that does not fit it, or a quality that is no whole number of 1..100.
        PhotoError: the suffix is unknown, or the file cannot be written.

    The default quality is 95, without chroma subsampling: color is what this program adds.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise PhotoError(path, f"the name of a photo ends in {', '.join(EXTENSIONS)}. Received: {path.suffix!r}")
    photo = photo if isinstance(photo, Photo) else Photo(photo, alpha)
    images.require_photo(photo.rgb)
    if photo.alpha is not None and (photo.alpha.dtype, photo.alpha.shape) != (photo.rgb.dtype, photo.rgb.shape[:2]):
        wanted = f"{photo.rgb.dtype}, shape {photo.rgb.shape[:2]}"
        raise ArgumentError(
            f"alpha is {wanted}, as the photo. Received: {photo.alpha.dtype}, shape {photo.alpha.shape}"
        )
    require_quality(quality)
    form = FORMATS[path.suffix.lower()]
    try:
        with atomic_files.replacing(path) as part, open(part, "wb") as file:
            notes = writer.encode(file, form, photo.rgb, photo.alpha, metadata=photo.metadata, quality=quality)
    except Exception as error:  # encoders refuse sizes, metadata and full disks with as many kinds of exception
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise PhotoError(path, f"cannot be written: {reason}") from error
    for note in notes:
        logger.warning("%s: %s", path, note)
    return notes


def require_quality(quality: int) -> None:
    """Refuses what is no quality of a file.

    Args:
        quality: 1..100.

    Raises:
        ArgumentError: it is something else.
    """
    if not isinstance(quality, (int, np.integer)) or not 1 <= quality <= 100:
        raise ArgumentError(f"quality is a whole number of 1..100. Received: {quality}")


def with_pixels(photo: Photo, rgb: np.ndarray) -> Photo:
    """The same photograph, in color, with other pixels: (H, W, 3) uint8 or uint16 sRGB."""
    return replace(photo, rgb=rgb, gray=False)
