"""Small pictures of every depth, and files that Pillow and OpenCV do not write, for the tests of photos."""

import struct
import zlib

import numpy as np
from conftest import draw_picture

RGB = draw_picture(7, 80, 120)[::2, ::2].copy()
GRAY = RGB[..., 1]
DEEP = RGB.astype(np.uint16) * 257 - (np.arange(60, dtype=np.uint16)[:, None] % 200) * (RGB > 100)
ALPHA = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))
LOSSLESS = (".png", ".tif", ".bmp")


def png16(array, color_type, chunks=()):
    """The bytes of a 16-bit PNG of any color type; Pillow and OpenCV do not write gray with alpha."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = array.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)), *chunks]
    parts += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def oriented(array, orientation):
    """What a camera held in this orientation stores for an upright `array`; NumPy only."""
    stored = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }
    return np.ascontiguousarray(stored[orientation](array))


def hidden_white(rgb, alpha):
    """What is read of `rgb` under `alpha`: the pixels that nobody can see are white."""
    return np.where(np.asarray(alpha)[..., None] == 0, np.iinfo(rgb.dtype).max, rgb)
