"""The inside of TIFF files: strips and tiles, checked for being whole, and decoded at 16 bits.

libtiff reports success for fax and JPEG strips as soon as one row has decoded, and Pillow does not clear the
memory that it decodes into: the missing rows would be whatever this process held there before.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import itertools
import threading
from typing import NamedTuple

import numpy as np
from PIL import Image, JpegImagePlugin, TiffImagePlugin

from colorizer.photos import exif

WIDTH, HEIGHT, BITS, COMPRESSION, POLARITY, FILL_ORDER = 256, 257, 258, 259, 262, 266
OFFSETS, ORIENTATION, SAMPLES, ROWS, LENGTHS, PLANES, FAX_OPTIONS = 273, 274, 277, 278, 279, 284, 292
PREDICTOR, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_LENGTHS, EXTRA, JPEG_TABLES = 317, 322, 323, 324, 325, 338, 347
_OLD_JPEG, _OLD_JPEG_OFFSET, _OLD_JPEG_LENGTH = 6, 513, 514
_RAW, _JPEG, _FAX = 1, 7, {2: "tiff_ccitt", 3: "group3", 4: "group4"}
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_M_PERTURB = -6  # of glibc's mallopt
_LOCK, _clearing = threading.Lock(), 0
GROUP_PIXELS = 2**20  # decoded at once, where strips or tiles are small
MOST_TILE_PIXELS = 2**24  # of a tile that is larger than its picture


class Damaged(ValueError):
    """A TIFF whose strips or tiles hold less than its directory promises."""


class File(TiffImagePlugin.TiffImageFile):
    """Pillow's, without its own limit of 179 megapixels, and with 16-bit gray that has alpha."""

    def load_prepare(self) -> None:
        if self._im is None:  # else Pillow looks at its limit, then does the same
            self.im = Image.core.new(self.mode, getattr(self, "_tile_size", self.size))
        super().load_prepare()

    def _setup(self) -> None:
        bits = self.tag_v2.get(BITS)
        if bits == (16, 16) and self.tag_v2.get(POLARITY) == 1:
            # Pillow has no mode for it. It opens the header as that of 8 bits; `deep_pixels` reads the pixels.
            self.tag_v2[BITS] = (8, 8)
        super()._setup()
        if bits:
            self.tag_v2[BITS] = bits


class Parts(NamedTuple):
    """How the pixels of a TIFF lie in its file: a grid of strips or tiles, once or once for each plane."""

    width: int
    height: int
    across: int
    down: int
    planes: int
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]

    def rows(self, index: int, total: int, tiled: bool) -> int:
        """The rows that part `index` holds; the last strip of a picture of `total` rows may be shorter."""
        top = index // self.across % self.down * self.height
        return self.height if tiled else min(self.height, total - top)


def parts(tags) -> Parts:
    """Where the strips or tiles of a TIFF lie.

    Args:
        tags: Pillow's `tag_v2`.

    Raises:
        Damaged: the directory promises more parts than it lists.
    """
    tiled = TILE_OFFSETS in tags
    width, height = (tags[TILE_WIDTH], tags[TILE_HEIGHT]) if tiled else (tags[WIDTH], tags.get(ROWS, tags[HEIGHT]))
    height = height if tiled else min(height, tags[HEIGHT])
    if min(width, height) < 1 or width * height > max(MOST_TILE_PIXELS, 4 * tags[WIDTH] * tags[HEIGHT]):
        raise Damaged(f"strips or tiles of {width} x {height} pixels")
    across, down = -(-tags[WIDTH] // width), -(-tags[HEIGHT] // height)
    planes = tags.get(SAMPLES, 1) if tags.get(PLANES) == 2 else 1
    offsets, lengths = (_numbers(tags, tag) for tag in ((TILE_OFFSETS, TILE_LENGTHS) if tiled else (OFFSETS, LENGTHS)))
    full = height * (width * sum(_numbers(tags, BITS) or (1,)) // planes // 8)
    if not lengths and tags.get(COMPRESSION, _RAW) == _RAW:  # old programs leave them out
        lengths = (full,) * len(offsets)
    if min(len(offsets), len(lengths)) < across * down * planes:
        raise Damaged("fewer strips or tiles than its size needs")
    # Nothing grows eightfold by compression: a file may not make us read itself once for each of its strips.
    lengths = tuple(min(length, 8 * full + 2**16) for length in lengths)
    return Parts(width, height, across, down, planes, offsets, lengths)


def _numbers(tags, tag) -> tuple[int, ...]:
    value = tags.get(tag, ())
    return value if isinstance(value, tuple) else (value,)


def check_whole(image: Image.Image) -> None:
    """Refuses a TIFF with strips or tiles that decode short, where libtiff would not say so.

    Args:
        image: opened by Pillow, not loaded.

    Raises:
        Damaged: a strip or tile holds fewer rows than it should. What decoders raise comes through.
    """
    tags = image.tag_v2
    compression = tags.get(COMPRESSION, _RAW)
    if compression == _OLD_JPEG:
        stream = _read(image.fp, tags.get(_OLD_JPEG_OFFSET, 0), tags.get(_OLD_JPEG_LENGTH) or -1)  # to the file's end
        _check_jpeg(stream, tags[WIDTH], range(tags[HEIGHT], tags[HEIGHT] + 1))
    if compression != _JPEG and compression not in _FAX:
        return
    layout = parts(tags)
    for index in range(layout.across * layout.down * layout.planes):
        data = _read(image.fp, layout.offsets[index], layout.lengths[index])
        rows = layout.rows(index, tags[HEIGHT], TILE_OFFSETS in tags)
        if compression == _JPEG:
            tables = tags.get(JPEG_TABLES, b"")
            # The last strip may be as high as the others.
            _check_jpeg(tables[:-2] + data[2:] if tables else data, layout.width, range(rows, layout.height + 1))
        else:
            _check_fax(data, layout.width, rows, tags)


def _read(file, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)


def _check_jpeg(data: bytes, width: int, heights: range) -> None:
    try:
        jpeg = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    except SyntaxError:  # Pillow's answer to something else
        raise Damaged("no JPEG where one should be") from None
    with jpeg:
        if jpeg.width != width or jpeg.height not in heights:
            raise Damaged(f"a JPEG of {jpeg.width} x {jpeg.height} pixels where {width} x {heights[0]} should be")
        jpeg.load()  # raises where it is truncated


def _check_fax(data: bytes, width: int, rows: int, tags) -> None:
    """Decodes a strip after a white and after a black one: rows that the strip lacks stay white, and black."""
    compression, options, fill_order = tags[COMPRESSION], tags.get(FAX_OPTIONS, 0), tags.get(FILL_ORDER, 1)
    white, black = (_plain_fax(width, rows, shade, compression, options) for shade in (1, 0))
    strips = [white, data, black, data]
    if fill_order == 2:
        strips[::2] = (strip.translate(_REVERSED_BITS) for strip in strips[::2])
    fields = {WIDTH: width, HEIGHT: 4 * rows, BITS: 1, COMPRESSION: compression, POLARITY: 1, FILL_ORDER: fill_order}
    pixels = _decode(fields | {FAX_OPTIONS: options, ROWS: rows}, strips)
    if not np.array_equal(pixels[rows : 2 * rows], pixels[3 * rows :]):
        raise Damaged("a fax with fewer rows than it should have")


@functools.lru_cache(maxsize=8)
def _plain_fax(width: int, rows: int, shade: int, compression: int, options: int) -> bytes:
    """A white (1) or black (0) strip, compressed by libtiff itself."""
    file = io.BytesIO()
    plain = Image.new("1", (width, rows), shade)
    size = rows * (width + 7) // 8 + width
    info = {FAX_OPTIONS: options, POLARITY: 1}
    plain.save(file, "TIFF", compression=_FAX[compression], tiffinfo=info, strip_size=size)
    with TiffImagePlugin.TiffImageFile(io.BytesIO(file.getvalue())) as image:
        (offset,), (length,) = image.tag_v2[OFFSETS], image.tag_v2[LENGTHS]
    return file.getvalue()[offset : offset + length]


def _decode(fields: dict[int, int], strips: list[bytes], order: str = "<") -> np.ndarray:
    """Strips of one channel as a picture, (rows, width), by way of a TIFF in memory.

    Args:
        fields: the numbers of its directory.
        strips: their bytes; the list is empty afterwards.
        order: of the bytes in a number, "<" or ">".
    """
    lengths = [len(strip) for strip in strips]

    def directory(start: int) -> bytes:
        offsets = list(itertools.accumulate(lengths[:-1], initial=start))
        values = {tag: [value] for tag, value in fields.items()} | {OFFSETS: offsets, LENGTHS: lengths, SAMPLES: [1]}
        return exif.pack(order, {tag: exif.numbers(order, value) for tag, value in values.items()})

    content = b"".join([directory(len(directory(0))), *strips])
    strips.clear()  # a large picture may lie in one strip: it need not be in memory twice
    with File(io.BytesIO(content)) as image:
        image.load()
        return np.array(image)


def deep_pixels(image: Image.Image) -> np.ndarray:
    """The pixels of an opened TIFF at 16 bits, as they lie in the file, not yet upright.

    Pillow holds 16 bits of one channel only: several are decoded as one channel of a wider picture.

    Returns:
        (H, W, C) uint16.

    Raises:
        Damaged: it is truncated.
    """
    tags, layout = image.tag_v2, parts(image.tag_v2)
    tiled, order = TILE_OFFSETS in tags, "<" if tags.prefix == b"II" else ">"
    channels, each = tags.get(SAMPLES, 1) // layout.planes, layout.across * layout.down
    group = max(1, GROUP_PIXELS // (layout.width * layout.height)) if layout.across == 1 else 1
    values = None
    for plane in range(layout.planes):
        for first in range(0, each, group):
            indices = range(plane * each + first, plane * each + min(first + group, each))
            shape = (sum(layout.rows(i, tags[HEIGHT], tiled) for i in indices), layout.width, channels)
            data = [_read(image.fp, layout.offsets[i], layout.lengths[i]) for i in indices]
            block = _deep_block(data, shape, layout.height, tags, order)
            if block.shape == (tags[HEIGHT], tags[WIDTH], channels * layout.planes):
                return block
            if values is None:
                values = np.empty((tags[HEIGHT], tags[WIDTH], channels * layout.planes), np.uint16)
            top, left = first // layout.across * layout.height, first % layout.across * layout.width
            target = values[top : top + shape[0], left : left + shape[1], plane * channels : (plane + 1) * channels]
            target[:] = block[: target.shape[0], : target.shape[1]]
    return values


def _deep_block(data, shape, rows: int, tags, order: str) -> np.ndarray:
    """Strips that follow each other, or one tile, as (H, W, C) uint16."""
    compression, predictor = tags.get(COMPRESSION, _RAW), tags.get(PREDICTOR, 1)
    if compression == _RAW:
        block = np.frombuffer(b"".join(data), f"{order}u2")
        if block.size < np.prod(shape):
            raise Damaged("fewer pixels than its size needs")
        return block[: np.prod(shape)].reshape(shape).astype(np.uint16)
    if predictor not in (1, 2):
        raise Damaged(f"an unknown predictor ({predictor})")
    fields = {WIDTH: shape[1] * shape[2], HEIGHT: shape[0], BITS: 16, COMPRESSION: compression, POLARITY: 1}
    fields |= {FILL_ORDER: tags.get(FILL_ORDER, 1), ROWS: rows}
    block = _decode(fields, data, order).astype(np.uint16, copy=False).reshape(shape)
    if predictor == 2:
        for top in range(0, len(block), rows_at_once := max(1, GROUP_PIXELS // shape[1])):
            band = block[top : top + rows_at_once]
            band[:] = np.cumsum(band, axis=1, dtype=np.uint16)
    return block


@contextlib.contextmanager
def cleared_memory():
    """Memory that the C library gives out within is filled with zeros; where it is not glibc's, nothing changes.

    This is a second line behind `check_whole`: rows that a decoder leaves out are then black, and no one's pixels.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, TypeError, OSError):
        yield
        return
    _count_clearing(mallopt, 1)
    try:
        yield
    finally:
        _count_clearing(mallopt, -1)


def _count_clearing(mallopt, step: int) -> None:
    """The setting is the whole process's: it lasts until the last of several threads is done."""
    global _clearing
    with _LOCK:
        _clearing += step
        mallopt(_M_PERTURB, 0xFF if _clearing else 0)  # new memory gets the complement
