"""One photo: bytes in, bytes out. On the disk it has a name that nobody chose, while it is worked on."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from colorizer import photos
from colorizer.errors import PhotoError
from colorizer.inference import memory
from colorizer.inference.colorizer import Colorizer
from colorizer.methods.base import MIN_SIZE
from colorizer.server.options import FORMATS, SAME, Options
from colorizer.server.work_queue import Busy, Share

# What a picture comes back as if nothing is asked for, by Pillow's name for its format: the same where it is written.
OWN = {name.upper(): name for name in FORMATS} | {"MPO": "jpeg", "HEIF": "jpeg"}
OTHER = "png"  # loses nothing
SECONDS_LATER = 30  # after which memory or disk may be free again


@dataclass(frozen=True)
class Picture:
    """A photo in color.

    Attributes:
        data: the file.
        content_type: of the format that it was encoded in, never one that the client named.
        width, height: in pixels.
        notes: a line for each thing in the file that could not be kept.
    """

    data: bytes
    content_type: str
    width: int
    height: int
    notes: tuple[str, ...]


class Worker:
    """Colorizes files for all threads with one network.

    Args:
        colorizers: look -> `Colorizer`, the default one first; all share one network. See `service.looks`.
        folder: private; for files of the moment.
        max_pixels: of one photo, and of all photos that are in memory at once.
    """

    def __init__(self, colorizers: dict[str | None, Colorizer], folder: Path, max_pixels: int):
        self.colorizers, self.folder, self.max_pixels = colorizers, folder, max_pixels
        self._pixels = Share(max_pixels)

    def sizes(self, most: int) -> tuple[int, int] | None:
        """The least and the largest size that a request may ask for; None for a network of one size.

        Args:
            most: the largest, unless the server's own size is larger.
        """
        own = next(iter(self.colorizers.values())).size
        return None if own is None else (MIN_SIZE, max(most, own))

    def colorize(self, data: bytes, options: Options) -> Picture:
        """Colorizes one file.

        Args:
            data: the file, of any content.
            options: what the client asks for.

        Returns:
            A `Picture`.

        Raises:
            PhotoError: the file is no photo, or too large a one.
            HintError: a hint lies outside of the photo.
            Busy: memory or disk are full.
        """
        path = self.folder / secrets.token_hex(16)
        try:
            path.write_bytes(data)
            with self._pixels.take(self._pixels_of(path)):
                return self._colorize(path, options)
        except OSError as error:
            raise Busy(f"The server has no room: {error.strerror or error}.", SECONDS_LATER) from error
        finally:
            with contextlib.suppress(OSError):
                path.unlink()

    def _pixels_of(self, path: Path) -> int:
        """The number of a photo's pixels; refuses one that cannot be held."""
        pixels, need = photos.probe(path, self.max_pixels)
        if memory.shortage(need):
            raise Busy("The server has too little memory for this photo now.", SECONDS_LATER)
        return pixels

    def _colorize(self, path: Path, options: Options) -> Picture:
        photo = photos.read(path, self.max_pixels)
        colorizer = self.colorizers[options.look or next(iter(self.colorizers))]
        if options.size:  # a copy for this photo alone: nothing is kept of a size
            colorizer = colorizer.with_look(colorizer.look, options.size)
        colored = colorizer.colorize(photo, options.strength, hints=[place.hint for place in options.hints])
        form = self._format(photo, options)
        target = path.with_suffix(photos.SUFFIXES[form])
        try:
            notes = photos.write(target, colored, quality=options.quality)
            data = target.read_bytes()
        except PhotoError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno:
                raise error.__cause__ from error  # the disk, not the photo
            raise
        finally:
            with contextlib.suppress(OSError):
                target.unlink()
        height, width = colored.rgb.shape[:2]
        return Picture(data, FORMATS[form], width, height, (*photo.notes, *notes))

    @staticmethod
    def _format(photo: photos.Photo, options: Options) -> str:
        """What the answer is encoded in, a key of `FORMATS`."""
        return OWN.get(photo.metadata.get("format"), OTHER) if options.format == SAME else options.format
