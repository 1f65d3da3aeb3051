"""Color profiles (ICC): pixels of any profile become sRGB, at their own depth.

LittleCMS, by way of Pillow, converts 8 bits. It is given no 16-bit pixels by Pillow, so profiles
made of curves and a matrix, which cameras and scanners use, are computed here for those.
"""

from __future__ import annotations

import functools
import io
import struct
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image, ImageCms

from colorizer import color

Converter = Callable[[Image.Image], Image.Image]
SAME_CURVE = 0.01  # of linear light; gamma 2.2, which some profiles of sRGB have, is 0.0085 from its curve
SAME_PRIMARIES = 0.1  # in the matrix to linear sRGB; EBU's primaries are 0.04 from sRGB's, Display P3's 0.23
SAME_WHITE = 0.02
_LEVELS = np.linspace(0, 1, 65536)
_NOT_A_PROFILE = (ImageCms.PyCMSError, OSError, TypeError, ValueError, struct.error, IndexError, KeyError)


@functools.cache
def srgb() -> bytes:
    """The sRGB profile that written files carry; always the same bytes, made by LittleCMS."""
    icc = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    icc[24:36] = struct.pack(">6H", 2020, 1, 1, 0, 0, 0)  # the time of its making would differ from run to run
    return bytes(icc)


def is_srgb(icc: bytes | None) -> bool:
    """Whether pixels are sRGB already: no profile, one too damaged, or one of sRGB's name, curves and colors."""
    if not icc or icc == srgb():
        return True
    try:
        if "srgb" not in ImageCms.getProfileDescription(_open(icc)).lower():
            return False
        shape = _shape(icc)  # "GIMP built-in Linear sRGB" has sRGB's colors without its curve
        if shape is None:
            return True
        curves, matrix = shape
        return all(np.abs(curve - _srgb_curve()).max() < SAME_CURVE for curve in curves) and _same_primaries(matrix)
    except _NOT_A_PROFILE:
        return True


def _same_primaries(matrix: np.ndarray | None) -> bool:
    """Whether a matrix to linear sRGB leaves colors alone, which that of "Rec2020-elle-V4-srgbtrc" does not.

    A matrix that moves white was written without ICC's adaptation to D50; such a profile is believed by its name.
    """
    if matrix is None or np.abs(matrix.sum(axis=1) - 1).max() > SAME_WHITE:
        return True
    return np.abs(matrix - np.eye(3)).max() < SAME_PRIMARIES


@functools.cache
def _srgb_curve() -> np.ndarray:
    return _curve(_tags(srgb())[b"rTRC"])


def _open(icc: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(icc))


def converter(icc: bytes | None, mode: str) -> Converter | None:
    """Returns a function that turns 8-bit pictures of a profile into sRGB.

    Args:
        icc: the profile, or None.
        mode: Pillow's mode of the pictures, without alpha.

    Returns:
        picture -> picture of mode RGB, by LittleCMS with perceptual intent; None where nothing is to be converted.

    Raises:
        ValueError: the profile is damaged or describes other pixels.
    """
    if is_srgb(icc):
        return None
    try:
        profile = _open(icc)
        space = profile.profile.xcolor_space.strip()
        # A profile of RGB also lies in gray and palette files, one of gray in files with a palette or transparency.
        source = {"RGB": "RGB", "GRAY": "L"}.get(space, mode)
        is_gray = "L" in (mode, source)
        shape = _shape(icc) if is_gray else None  # LittleCMS is off by ten levels in the shadows of linear gray
        if not shape:
            transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), source, "RGB")
    except _NOT_A_PROFILE as error:
        raise ValueError(str(error)) from error
    if not is_gray:
        return lambda picture: transform.apply(picture if picture.mode == source else picture.convert(source))
    levels = np.arange(256, dtype=np.uint8)[:, None]
    if shape:
        table = (_by_shape(np.dstack([levels] * 3) * np.uint16(257), *shape)[:, 0, 1].astype(int) + 128) // 257
    else:
        table = np.asarray(transform.apply(Image.fromarray(levels).convert(source)))[:, 0, 1]
    # One table for three channels: gray stays gray, which LittleCMS' rounding sets apart by a level.
    return lambda picture: picture.convert("RGB").point(table.tolist() * 3)


def convert_deep(rgb: np.ndarray, icc: bytes | None, rows: int) -> None:
    """Turns 16-bit pixels of a profile into sRGB, in place.

    Args:
        rgb: (H, W, 3) uint16; of gray pictures three equal channels.
        icc: their profile, or None.
        rows: how many rows to work on at once.

    Raises:
        ValueError: the profile is damaged or describes other pixels.

    Source: ICC.1:2022 §8.3 (curves and matrix) and IEC 61966-2-1. Profiles made of tables are applied
    by LittleCMS to the upper 8 bits; the lower ones travel along, so steps stay fine.
    """
    if is_srgb(icc):
        return
    try:
        shape = _shape(icc)
        if shape is None:
            convert = converter(icc, "L" if icc[16:20] == b"GRAY" else "RGB")
    except _NOT_A_PROFILE as error:
        raise ValueError(str(error)) from error
    for top in range(0, len(rgb), rows):
        band = rgb[top : top + rows]
        if shape is None:
            band[:] = _by_eight_bits(band, convert, icc[16:20] == b"GRAY")
        else:
            band[:] = _by_shape(band, *shape)


def _by_shape(band, curves, matrix):
    """Curves, then a matrix (None for gray), then sRGB's curve."""
    linear = np.dstack([np.take(curve, band[..., i]) for i, curve in enumerate(curves)])
    linear = linear if matrix is None else cv2.transform(linear, matrix)
    np.clip(linear, 0, 1, out=linear)
    encoded = np.where(linear > color.SRGB_KNEE, 1.055 * linear ** (1 / 2.4) - 0.055, color.SRGB_SLOPE * linear)
    return np.rint(encoded * 65535).astype(np.uint16)


def _by_eight_bits(band, convert, gray):
    """The upper 8 bits by LittleCMS; what they leave out is added again."""
    upper = cv2.convertScaleAbs(band, alpha=1 / 257).reshape(band.shape)
    rest = band.astype(np.int32) - upper.astype(np.int32) * 257
    converted = np.asarray(convert(Image.fromarray(upper[..., 0] if gray else upper)))
    return np.clip(converted.astype(np.int32) * 257 + rest, 0, 65535).astype(np.uint16)


def _shape(icc: bytes):
    """Curves and matrix of a profile, in one step to linear sRGB; None where it is made of tables."""
    tags = _tags(icc)
    if any(name in tags for name in (b"A2B0", b"A2B1")) or icc[20:24] != b"XYZ ":
        return None
    if icc[16:20] == b"GRAY":
        return [_curve(tags[b"kTRC"])] * 3, None
    if icc[16:20] != b"RGB ":
        raise ValueError(f"a profile of {icc[16:20].decode('latin-1').strip()} for pixels of RGB")
    to_srgb = np.linalg.inv(_matrix(_tags(srgb()))) @ _matrix(tags)
    return [_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")], to_srgb.astype(np.float32)


def _tags(icc: bytes) -> dict[bytes, bytes]:
    """The parts of a profile by their four letters."""
    (count,) = struct.unpack_from(">I", icc, 128)
    entries = (struct.unpack_from(">4sII", icc, 132 + 12 * i) for i in range(min(count, 200)))
    return {name: icc[offset : offset + size] for name, offset, size in entries}


def _matrix(tags):
    """Linear RGB -> XYZ under D50, (3, 3)."""
    columns = (struct.unpack_from(">3i", tags[name], 8) for name in (b"rXYZ", b"gXYZ", b"bXYZ"))
    return np.array(list(columns)).T / 65536


def _curve(data: bytes) -> np.ndarray:
    """The linear light of each of 65536 levels, float32."""
    if data[:4] == b"curv":
        (count,) = struct.unpack_from(">I", data, 8)
        if count == 0:
            return _LEVELS.astype(np.float32)
        table = np.frombuffer(data, ">u2", count, 12)
        if count == 1:
            return (_LEVELS ** (table[0] / 256)).astype(np.float32)
        return np.interp(_LEVELS, np.linspace(0, 1, count), table / 65535).astype(np.float32)
    if data[:4] != b"para":
        raise ValueError("a curve of unknown kind")
    (kind,) = struct.unpack_from(">H", data, 8)
    length = (1, 3, 4, 5, 7)[kind]
    g, a, b, c, d, e, f = (n / 65536 for n in (*struct.unpack_from(f">{length}i", data, 12), *[0] * (7 - length)))
    if kind == 0:
        return (_LEVELS**g).astype(np.float32)
    if kind in (1, 2):  # below the knee constant; of the second, c is added everywhere
        d, e, f, c = -b / a, c, c, 0.0
    above = np.maximum(a * _LEVELS + b, 0) ** g + e
    return np.where(d <= _LEVELS, above, c * _LEVELS + f).astype(np.float32)
