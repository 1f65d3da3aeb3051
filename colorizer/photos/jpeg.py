"""JPEG files that lack nothing but the mark of their end, as broken transfers leave them."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image, JpegImagePlugin

_END, _START_OF_SCAN, _RESTARTS = b"\xff\xd9", 0xDA, range(0xD0, 0xD8)
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
# What may follow: a decoder that still needs bits takes them from here, and gives other pixels with each of these.
# Where it waits for a restart, it passes over anything but its mark, or one that is 3 to 5 ahead of it (modulo 8):
# of the marks 0, 2 and 4, one always is.
_TAILS = (bytes(512), b"\xaa" * 512, *(bytes((0xFF, mark)) + b"\x55" * 512 for mark in (0xD0, 0xD2, 0xD4)))


def without_end(path) -> Image.Image | None:
    """Decodes a JPEG whose last bytes are missing.

    Returns:
        The picture, where every pixel is in the file; else None.
    """
    with open(path, "rb") as file:
        content = file.read().rstrip(b"\xff")
    if not _has_all_scans(content):
        return None
    first = _decode(content + _TAILS[0] + _END)
    pixels = np.asarray(first)
    if all(np.array_equal(pixels, np.asarray(_decode(content + tail + _END))) for tail in _TAILS[1:]):
        return first
    return None


def _decode(content: bytes) -> Image.Image:
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(content))  # not Image.open, which has a limit of its own
    image.load()
    return image


def _has_all_scans(content: bytes) -> bool:
    """Whether every coefficient of every channel has its last bit in some scan (a progressive file has about ten)."""
    missing: set[tuple[int, int]] = set()
    at = 2
    while at + 4 <= len(content):
        if content[at] != 0xFF or content[at + 1] in (0, 0xFF, *_RESTARTS):
            at = content.find(b"\xff", at + 1)
            if at < 0:
                break
            continue
        marker, (length,) = content[at + 1], struct.unpack_from(">H", content, at + 2)
        segment = content[at + 4 : at + 2 + length]
        if marker in _FRAMES:
            missing = {(segment[i], k) for i in range(6, len(segment) - 2, 3) for k in range(64)}
        if marker == _START_OF_SCAN and len(segment) == 2 * segment[0] + 4:
            first, last, bits = segment[-3:]
            if bits & 15 == 0:
                channels = segment[1 : 1 + 2 * segment[0] : 2]
                missing -= {(channel, k) for channel in channels for k in range(first, last + 1)}
        at += 2 + length
    return not missing
