"""EXIF blocks and TIFF directories, entry by entry: every value stays the bytes it was.

Pillow decodes texts and encodes them again, which turns letters outside ASCII into question marks, and gives up
a whole block for one damaged entry.
"""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import NamedTuple

EXIF, GPS = 0x8769, 0x8825  # entries that lead to directories of their own
ORIENTATION, INTEROPERABILITY, MAKER_NOTE = 0x0112, 0xA005, 0x927C
COLOR_SPACE, PIXEL_WIDTH, PIXEL_HEIGHT = 0xA001, 0xA002, 0xA003
# What only makes sense in the file that it came from: places of other pictures in it.
_PLACES = {0x014A, 0x0111, 0x0117, 0x0144, 0x0145, 0x0201, 0x0202}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
_SHORT, _LONG, _RATIONAL = 3, 4, 5
_MOST = 2**26  # bytes of metadata; more is no photograph's


class Entry(NamedTuple):
    """One value: its type by TIFF's number, how many, and its bytes in the order of the block."""

    kind: int
    count: int
    data: bytes


Directory = dict[int, "Entry | Directory"]


def parse(block, wanted=None) -> tuple[str, Directory, int]:
    """Reads the first directory of a TIFF or an EXIF block, and those of EXIF and GPS in it.

    Args:
        block: bytes from the mark of the byte order on; a memory map of a file will do.
        wanted: the tags of the first directory that are of interest; None for all.

    Returns:
        The byte order, "<" or ">"; the directory; how many entries were damaged and are left out.

    Raises:
        ValueError: it is neither.
    """
    order = {b"II": "<", b"MM": ">"}.get(bytes(block[:2]))
    version = struct.unpack_from(f"{order}H", block, 2)[0] if order and len(block) >= 8 else 0
    if version not in (42, 43) or version == 43 and len(block) < 16:
        raise ValueError("no EXIF block")
    big = version == 43
    (start,) = struct.unpack_from(order + ("Q" if big else "I"), block, 8 if big else 4)
    reader = _Reader(block, order, big)
    directory = reader.directory(start, wanted, (EXIF, GPS))
    return order, directory, reader.damaged


class _Reader:
    """Follows the directories of one block."""

    def __init__(self, block, order: str, big: bool):
        self.block, self.order, self.damaged = block, order, 0
        self.place, self.head, self.step = ("Q", "Q", 20) if big else ("I", "H", 12)
        self.sizes = _SIZES | {16: 8, 17: 8, 18: 8} if big else _SIZES
        self.left = min(len(block), _MOST)  # entries that overlap could otherwise ask for any amount of memory

    def directory(self, start: int, wanted, nested) -> Directory:
        try:
            (count,) = struct.unpack_from(self.order + self.head, self.block, start)
        except struct.error:
            self.damaged += 1
            return {}
        start += struct.calcsize(self.order + self.head)
        entries: Directory = {}
        for at in range(start, min(start + count * self.step, len(self.block)), self.step):
            try:
                tag, kind, number = struct.unpack_from(f"{self.order}HH{self.place}", self.block, at)
                if (wanted is None or tag in wanted) and tag not in entries:
                    entries[tag] = self.entry(tag, kind, number, at + self.step - struct.calcsize(self.place), nested)
            except (struct.error, ValueError):
                self.damaged += 1
        return entries

    def entry(self, tag: int, kind: int, count: int, at: int, nested) -> Entry | Directory:
        if tag in nested:
            (start,) = struct.unpack_from(self.order + (self.place if kind in (13, 18, 16) else "I"), self.block, at)
            return self.directory(start, None, ())
        size = self.sizes.get(kind, 0) * count
        if size > struct.calcsize(self.place):
            (at,) = struct.unpack_from(self.order + self.place, self.block, at)
        if not size or size > self.left or at + size > len(self.block):
            raise ValueError("its value is not there")
        self.left -= size
        return Entry(kind, count, bytes(self.block[at : at + size]))


def travelling(directory: Directory) -> Directory:
    """The entries that another file can carry."""
    return {
        tag: travelling(value) if isinstance(value, dict) else value
        for tag, value in directory.items()
        if tag not in _PLACES and tag != INTEROPERABILITY and (isinstance(value, dict) or value.kind in _SIZES)
    }


def pack(order: str, directory: Directory) -> bytes:
    """A directory as a TIFF without pixels, or an EXIF block without its first six bytes."""
    mark = b"II" if order == "<" else b"MM"
    return mark + struct.pack(f"{order}HI", 42, 8) + _pack_at(8, order, directory)


def _pack_at(start: int, order: str, directory: Directory) -> bytes:
    """The directory, behind it its values, behind them the directories in it."""
    head, rest = struct.pack(f"{order}H", len(directory)), b""
    after = start + 6 + 12 * len(directory)
    for tag in sorted(directory):
        value = directory[tag]
        if isinstance(value, dict):
            value, rest = numbers(order, [after + len(rest)]), rest + _pack_at(after + len(rest), order, value)
        data = value.data
        if len(data) > 4:
            data, rest = struct.pack(f"{order}I", after + len(rest)), rest + data + b"\0" * (len(data) % 2)
        head += struct.pack(f"{order}HHI", tag, value.kind, value.count) + data.ljust(4, b"\0")
    return head + bytes(4) + rest


def numbers(order: str, values: list[int]) -> Entry:
    """Whole numbers of 32 bits."""
    return Entry(_LONG, len(values), struct.pack(f"{order}{len(values)}I", *values))


def shorts(order: str, *values: int) -> Entry:
    """Whole numbers of 16 bits."""
    return Entry(_SHORT, len(values), struct.pack(f"{order}{len(values)}H", *values))


def rational(order: str, value: float) -> Entry:
    """A positive number as a fraction."""
    fraction = Fraction(value).limit_denominator(10_000)
    return Entry(_RATIONAL, 1, struct.pack(f"{order}2I", fraction.numerator, fraction.denominator))
