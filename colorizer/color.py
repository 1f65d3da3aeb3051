"""sRGB <-> CIE L*a*b*, scaling and merging: the only file that knows 50, 100 and 128.

    rgb --> rgb_to_lab --> L 0..100; a, b about -108..98 --> split --> l_norm = L/50 - 1, ab_norm = ab/128
    the photograph's own L, ab_norm_hat --> merge --> rgb

L is luminance, the gray photograph. a goes from green to red and b from blue to yellow; both are 0 for gray. So a
network that is given L has two numbers of each pixel to predict, and not three (paper, section III).

D65 white, 2 degree observer, the same constants as scikit-image.
"""

from __future__ import annotations

import threading

import cv2
import numpy as np

L_HALF = 50.0  # L* of middle gray: l_norm = L / 50 - 1 lies in -1..1
AB_SCALE = 128.0  # ab_norm = ab / 128 lies in -0.85..0.77 for every sRGB color
LAB_KNEE, LAB_SLOPE = 0.2068966, 7.787  # below this cube root, at L* = 8, a line continues it (CIE 15)
SRGB_KNEE, SRGB_SLOPE = 0.0031308, 12.92  # below this linear light the sRGB curve is a line (IEC 61966-2-1)
# Lab units of chroma. Of 7,453 pictures of COCO and paintings the palest has 7.0 in its 99th percentile, gray JPEG
# files have 0.1.
GRAY_CHROMA = 4.0


def rgb_to_lab(rgb: np.ndarray) -> np.ndarray:
    """Converts an sRGB image to CIE L*a*b*.

    Args:
        rgb: (H, W, 3) uint8, uint16, or float in 0..1.

    Returns:
        (H, W, 3) float32; L 0..100; a -86..98, b -108..94. Within 2e-4 of scikit-image, but
        for gray pixels, whose ab is 0 here and up to 0.005 there.

    Raises:
        ValueError: the array is not an RGB image.

    Source: CIE 15, IEC 61966-2-1.
    """
    _check_rgb(rgb)
    out = np.empty(rgb.shape, np.float32)
    for piece, lab, *scratch in _pieces(rgb, out):
        _lab_of(piece, lab, _LAB_FROM_F, *scratch)
    return out


def rgb_to_l_ab(rgb: np.ndarray, out: tuple[np.ndarray, np.ndarray] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """`split(rgb_to_lab(rgb))` in one pass: what a network is fed and what it is to predict.

    Args:
        rgb: (H, W, 3) uint8, uint16, or float in 0..1.
        out: (H, W, 1) and (H, W, 2) float32, contiguous, to write into; None makes them.

    Returns:
        `l_norm` (H, W, 1) float32 in -1..1, `ab_norm` (H, W, 2) float32 within -0.85..0.77.

    Raises:
        ValueError: the array is not an RGB image.
    """
    _check_rgb(rgb)
    out = out or tuple(np.empty((*rgb.shape[:2], n), np.float32) for n in (1, 2))
    for piece, l_norm, ab_norm, f, linear, line in _pieces(rgb, *out):
        _lab_of(piece, linear, _NORM_FROM_F, f, linear, line)
        cv2.mixChannels([linear], [l_norm, ab_norm], [0, 0, 1, 1, 2, 2])
    return out


def lab_to_rgb(lab: np.ndarray, dtype: type[np.generic] = np.uint8) -> np.ndarray:
    """Converts CIE L*a*b* to sRGB; colors outside sRGB are clipped.

    Args:
        lab: (H, W, 3) float; L 0..100, a and b in Lab units.
        dtype: `np.uint8`, `np.uint16` or `np.float32` (0..1).

    Returns:
        (H, W, 3) of `dtype`, rounded to the nearest level.
    """
    out = np.empty(lab.shape, dtype)
    for piece, rgb, one, two, three in _pieces(np.asarray(lab, np.float32), out):
        _linear_from_lab(piece, one, two, three)
        _encode(one, two)
        if dtype == np.float32:
            np.clip(two, 0, 1, out=rgb)  # rounding leaves -4e-8 for black
        elif dtype == np.uint8:
            cv2.convertScaleAbs(two, dst=rgb, alpha=255)
        else:
            two *= np.float32(65535)
            np.rint(two, out=two)
            rgb[:] = two
    return out


def split(lab: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Separates luminance from chroma and scales both for the networks.

    Args:
        lab: (..., 3) float32; L 0..100, a and b in Lab units.

    Returns:
        `l_norm` (..., 1) float32 in -1..1, `ab_norm` (..., 2) float32 within -0.85..0.77.

    Source: docs/reproduction_notes.md, 2.1.
    """
    l_norm, ab_norm = (np.empty((*lab.shape[:-1], n), np.float32) for n in (1, 2))
    pixels = np.ascontiguousarray(lab, np.float32).reshape(1, -1, 3)
    cv2.mixChannels([pixels], [l_norm.reshape(1, -1, 1), ab_norm.reshape(1, -1, 2)], [0, 0, 1, 1, 2, 2])
    l_norm *= np.float32(1 / L_HALF)
    l_norm -= 1
    ab_norm *= np.float32(1 / AB_SCALE)
    return l_norm, ab_norm


def join(l_norm: np.ndarray, ab_norm: np.ndarray) -> np.ndarray:
    """The inverse of `split`.

    Args:
        l_norm: (..., 1) float, -1..1.
        ab_norm: (..., 2) float.

    Returns:
        (..., 3) float32 Lab.
    """
    return np.concatenate([(l_norm + 1) * L_HALF, ab_norm * AB_SCALE], axis=-1).astype(np.float32)


def merge(l: np.ndarray, ab_norm_hat: np.ndarray, dtype: type[np.generic] = np.uint8) -> np.ndarray:
    """Gives a photograph's own luminance the predicted colors.

    Args:
        l: (H, W) float32, 0..100, the photograph's L*.
        ab_norm_hat: (h, w, 2) float, ab/128 at any size; enlarged bilinearly to (H, W).
        dtype: `np.uint8` or `np.uint16`.

    Returns:
        (H, W, 3) sRGB of `dtype`. L* is the input's wherever the color is inside sRGB.

    Source: docs/reproduction_notes.md, 0.
    """
    height, width = l.shape
    ab = ab_norm_hat.astype(np.float32) * AB_SCALE
    if ab.shape[:2] != (height, width):
        ab = cv2.resize(ab, (width, height), interpolation=cv2.INTER_LINEAR)
    return lab_to_rgb(np.dstack([l, ab]), dtype)


def gray(l: np.ndarray) -> np.ndarray:
    """The photograph without color: what a black-and-white film would have kept.

    Args:
        l: (H, W) float32, 0..100.

    Returns:
        (H, W, 3) uint8 sRGB with three equal channels. For a photograph that is gray already, itself.

    L* and not luma, so that training and black-and-white input agree.
    """
    # One channel three times: rounding alone would set the three apart by a level here and there.
    return np.repeat(merge(l, np.zeros((*l.shape, 2), np.float32))[..., :1], 3, axis=-1)


def gray_of(rgb: np.ndarray) -> np.ndarray:
    """`gray(rgb_to_lab(rgb)[..., 0])` with one channel and a third of the work: L* to Y and back is left out.

    Args:
        rgb: (H, W, 3) uint8 sRGB.

    Returns:
        (H, W) uint8 sRGB gray of the same L*.
    """
    out = np.empty((*rgb.shape[:2], 1), np.uint8)
    for piece, gray_u8, linear, _, _ in _pieces(rgb, out):
        cv2.LUT(piece, _LINEAR_FROM_U8, dst=linear)
        y = cv2.transform(linear, _XYZ_FROM_RGB[1:2].astype(np.float32))
        encoded = np.empty_like(y)
        _encode(y, encoded)
        cv2.convertScaleAbs(encoded, dst=gray_u8, alpha=255)
    return out[..., 0]


def is_gray(ab: np.ndarray) -> bool:
    """Whether a picture has no colors: 99 of 100 pixels have less chroma than `GRAY_CHROMA`.

    Args:
        ab: (..., 2) float, a and b in Lab units.
    """
    return bool(np.percentile(np.hypot(ab[..., 0], ab[..., 1]), 99) < GRAY_CHROMA)


# How it is computed.
#
# TRICKY: `cv2.cvtColor(float32, COLOR_RGB2LAB)` interpolates in tables and is off by up to 0.4 Lab units, and its way
# back moves one color in a hundred by a level. The matrix products here are OpenCV's and the curves exact:
# scikit-image's numbers to 2e-4, and every one of the 2^24 colors returns to itself. Roots are exp(log(x) / n) by
# OpenCV, which is as exact here as `np.cbrt` and on some processors ten times as fast.
#
# Pictures are converted in pieces that fit the processor's cache, in memory that each thread keeps: of fresh arrays,
# the operating system's clearing of their pages would cost more than the arithmetic.

_XYZ_FROM_RGB = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])  # D65, 2 degrees
_WHITE_FROM_RGB = (_XYZ_FROM_RGB / _WHITE[:, None]).astype(np.float32)
_RGB_FROM_WHITE = np.linalg.inv(_XYZ_FROM_RGB / _WHITE[:, None])
_F_FROM_LAB = np.array(
    [[1 / 116, 1 / 500, 0, 16 / 116], [1 / 116, 0, 0, 16 / 116], [1 / 116, 0, -1 / 200, 16 / 116]], np.float32
)
_KNEE_XYZ = 0.008856  # where the cube root is `LAB_KNEE`
# L* = 116 f(y) - 16, a* = 500 (f(x) - f(y)), b* = 200 (f(y) - f(z)), as one affine map of f + LAB_SLOPE * _KNEE_XYZ.
_LAB_FROM_F = np.array(
    [[0, 116, 0, -16 - 116 * LAB_SLOPE * _KNEE_XYZ], [500, -500, 0, 0], [0, 200, -200, 0]], np.float32
)
_NORM_FROM_F = _LAB_FROM_F / np.float32([[L_HALF], [AB_SCALE], [AB_SCALE]])  # L / 50 - 1, a / 128, b / 128
_NORM_FROM_F[0, 3] -= 1
# The same offset the other way: linear RGB from xyz + LAB_KNEE / LAB_SLOPE.
_RGB_FROM_XYZ_AND_LINE = np.column_stack([_RGB_FROM_WHITE, _RGB_FROM_WHITE @ np.full(3, -LAB_KNEE / LAB_SLOPE)]).astype(
    np.float32
)
_PIECE = 2**15  # pixels: three float32 channels of it are 384 KiB


class _Scratch(threading.local):
    """Three arrays of a piece's size for each thread that converts colors."""

    def __init__(self):
        self.arrays = np.empty((3, 1, _PIECE, 3), np.float32)

    def first(self, pixels: int) -> list[np.ndarray]:
        return [array[:, :pixels] for array in self.arrays]


_scratch = _Scratch()


def _pieces(*images):
    """Pieces of (H, W, C) images of one size: a (1, n, C) view of each, n <= _PIECE, then three float32 to work in."""
    rows = [np.ascontiguousarray(image).reshape(1, -1, image.shape[-1]) for image in images]
    for start in range(0, rows[0].shape[1], _PIECE):
        pieces = [row[:, start : start + _PIECE] for row in rows]
        yield *pieces, *_scratch.first(pieces[0].shape[1])


def _decode(srgb):
    """sRGB transfer curve: encoded 0..1 -> linear 0..1 (IEC 61966-2-1)."""
    return np.where(srgb > 0.04045, ((srgb + 0.055) / 1.055) ** 2.4, srgb / SRGB_SLOPE).astype(np.float32)


_LINEAR_FROM_U8 = _decode(np.arange(256) / 255.0)
_LINEAR_FROM_U16 = _decode(np.arange(65536) / 65535.0)


def _check_rgb(rgb):
    if rgb.ndim != 3 or rgb.shape[-1] != 3:
        raise ValueError(f"An RGB image has the shape (H, W, 3). Received: {rgb.shape}")


def _lab_of(rgb, lab, lab_from_f, f, linear, line):
    """A piece of sRGB -> Lab, scaled as `lab_from_f` says, in `lab`, which may be `linear`."""
    if rgb.dtype == np.uint8:
        cv2.LUT(rgb, _LINEAR_FROM_U8, dst=linear)
    elif rgb.dtype == np.uint16:
        np.take(_LINEAR_FROM_U16, rgb, out=linear, mode="clip")
    else:
        linear[:] = _decode(rgb)
    cv2.transform(linear, _WHITE_FROM_RGB, dst=f)
    # A cube root above the knee, and below it the line that continues it: the sum of two clipped curves.
    cv2.threshold(f, _KNEE_XYZ, 0, cv2.THRESH_TRUNC, dst=line)
    _at_least(f, _KNEE_XYZ, f)
    _power(f, 1 / 3)
    cv2.scaleAdd(line, LAB_SLOPE, f, dst=f)
    cv2.transform(f, lab_from_f, dst=lab)
    # The published matrix and white point leave a gray pixel 0.005 units of color, scikit-image's
    # too. Gray is gray: no metric may call it yellow.
    red, green, blue = cv2.split(rgb)
    gray = cv2.bitwise_and(cv2.compare(red, green, cv2.CMP_EQ), cv2.compare(green, blue, cv2.CMP_EQ))
    if cv2.countNonZero(gray):
        cv2.mixChannels([lab], [f], [0, 0, -1, 1, -1, 2])  # L alone; -1 is zero
        cv2.copyTo(f, gray, lab)


def _at_least(x, least, out):
    """The larger of x and a number, in `out`."""
    if x.shape[1] > 1:
        cv2.max(x, (least,) * 4, dst=out)
    else:  # OpenCV takes a single pixel for the number, and compares with 0
        np.maximum(x, np.float32(least), out=out)


def _power(x, exponent):
    """x ** exponent in place, for x > 0."""
    cv2.log(x, dst=x)
    x *= np.float32(exponent)
    cv2.exp(x, dst=x)


def _linear_from_lab(lab, linear, f, line):
    """A piece of float32 Lab -> linear sRGB 0..1, in `linear`; colors outside sRGB are clipped."""
    cv2.transform(lab, _F_FROM_LAB, dst=f)
    np.maximum(f[..., 2], 0, out=f[..., 2])  # a very yellow ab asks for negative blue light
    cv2.threshold(f, LAB_KNEE, 0, cv2.THRESH_TRUNC, dst=line)
    _at_least(f, LAB_KNEE, f)
    cv2.multiply(f, f, dst=linear)
    cv2.multiply(linear, f, dst=linear)
    cv2.scaleAdd(line, 1 / LAB_SLOPE, linear, dst=linear)
    cv2.transform(linear, _RGB_FROM_XYZ_AND_LINE, dst=f)
    np.clip(f, 0, 1, out=linear)


def _encode(linear, srgb):
    """A piece of linear sRGB 0..1, overwritten -> encoded 0..1, in `srgb`."""
    _at_least(linear, SRGB_KNEE, srgb)
    cv2.threshold(linear, SRGB_KNEE, 0, cv2.THRESH_TRUNC, dst=linear)
    _power(srgb, 1 / 2.4)
    srgb *= np.float32(1.055)
    cv2.scaleAdd(linear, SRGB_SLOPE, srgb, dst=srgb)
    srgb -= np.float32(0.055 + SRGB_SLOPE * SRGB_KNEE)
