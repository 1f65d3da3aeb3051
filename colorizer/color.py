"""sRGB <-> CIE L*a*b*, scaling and merging: the only file that knows 50, 100 and 128.

D65 white, 2 degree observer, the same constants as scikit-image.

TRICKY: `cv2.cvtColor(float32, COLOR_RGB2LAB)` interpolates in tables and is off by up
to 0.4 Lab units, and its way back moves one colour in a hundred by a level. The matrix
products here are OpenCV's and the curves exact: scikit-image's numbers to 2e-4, and every
one of the 2^24 colours returns to itself.
"""

from __future__ import annotations

import cv2
import numpy as np

L_HALF = 50.0  # L* of middle grey: l_norm = L / 50 - 1 lies in -1..1
AB_SCALE = 128.0  # ab_norm = ab / 128 lies in -0.85..0.77 for every sRGB colour

_XYZ_FROM_RGB = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])  # D65, 2 degrees
_WHITE_FROM_RGB = (_XYZ_FROM_RGB / _WHITE[:, None]).astype(np.float32)
_RGB_FROM_WHITE = np.linalg.inv(_XYZ_FROM_RGB / _WHITE[:, None]).astype(np.float32)
# L* = 116 f(y) - 16, a* = 500 (f(x) - f(y)), b* = 200 (f(y) - f(z)), as one affine map.
_LAB_FROM_F = np.array([[0, 116, 0, -16], [500, -500, 0, 0], [0, 200, -200, 0]], np.float32)
_F_FROM_LAB = np.array(
    [[1 / 116, 1 / 500, 0, 16 / 116], [1 / 116, 0, 0, 16 / 116], [1 / 116, 0, -1 / 200, 16 / 116]], np.float32
)


def _decode(srgb):
    """sRGB transfer curve: encoded 0..1 -> linear 0..1 (IEC 61966-2-1)."""
    return np.where(srgb > 0.04045, ((srgb + 0.055) / 1.055) ** 2.4, srgb / 12.92).astype(np.float32)


def _encode(linear):
    """sRGB transfer curve: linear 0..1 -> encoded 0..1."""
    return np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, linear * 12.92).astype(np.float32)


_LINEAR_FROM_U8 = _decode(np.arange(256) / 255.0)
_LINEAR_FROM_U16 = _decode(np.arange(65536) / 65535.0)
# 16 bits of linear light tell all 256 levels apart, also in the shadows (20 steps a level).
_U8_FROM_LINEAR16 = np.rint(_encode(np.arange(65536) / 65535.0) * 255).astype(np.uint8)


def rgb_to_lab(rgb: np.ndarray) -> np.ndarray:
    """Converts an sRGB image to CIE L*a*b*.

    Args:
        rgb: (H, W, 3) uint8, uint16, or float in 0..1.

    Returns:
        (H, W, 3) float32; L 0..100; a -86..98, b -108..94. Within 2e-4 of scikit-image, but
        for grey pixels, whose ab is 0 here and up to 0.005 there.

    Raises:
        ValueError: the array is not an RGB image.

    Source: ours; CIE 15, IEC 61966-2-1.
    """
    if rgb.ndim != 3 or rgb.shape[-1] != 3:
        raise ValueError(f"An RGB image has the shape (H, W, 3). Received: {rgb.shape}")
    if rgb.dtype == np.uint8:
        linear = _LINEAR_FROM_U8[rgb]
    elif rgb.dtype == np.uint16:
        linear = _LINEAR_FROM_U16[rgb]
    else:
        linear = _decode(rgb)
    xyz = cv2.transform(linear, _WHITE_FROM_RGB)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), np.float32(7.787) * xyz + np.float32(16 / 116))
    lab = cv2.transform(f, _LAB_FROM_F)
    # The published matrix and white point leave a grey pixel 0.005 units of colour, scikit-image's
    # too. Grey is grey: no metric may call it yellow.
    lab[(rgb[..., 0] == rgb[..., 1]) & (rgb[..., 1] == rgb[..., 2]), 1:] = 0
    return lab


def _linear_from_lab(lab):
    """(H, W, 3) float32 Lab -> linear sRGB 0..1; colours outside sRGB are clipped."""
    f = cv2.transform(np.ascontiguousarray(lab, np.float32), _F_FROM_LAB)
    np.maximum(f[..., 2], 0, out=f[..., 2])  # a very yellow ab asks for negative blue light
    xyz = np.where(f > 0.2068966, f * f * f, (f - np.float32(16 / 116)) * np.float32(1 / 7.787))
    return np.clip(cv2.transform(xyz, _RGB_FROM_WHITE), 0, 1)


def lab_to_rgb(lab: np.ndarray, dtype=np.uint8) -> np.ndarray:
    """Converts CIE L*a*b* to sRGB; colours outside sRGB are clipped.

    Args:
        lab: (H, W, 3) float; L 0..100, a and b in Lab units.
        dtype: `np.uint8`, `np.uint16` or `np.float32` (0..1).

    Returns:
        (H, W, 3) of `dtype`, rounded to the nearest level.

    Source: ours.
    """
    linear = _linear_from_lab(lab)
    if dtype == np.uint8:
        return _U8_FROM_LINEAR16[np.rint(linear * 65535).astype(np.uint16)]
    srgb = _encode(linear)
    return srgb if dtype == np.float32 else np.rint(srgb * 65535).astype(np.uint16)


def split(lab: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Separates luminance from chroma and scales both for the networks.

    Args:
        lab: (..., 3) float32; L 0..100, a and b in Lab units.

    Returns:
        `l_norm` (..., 1) float32 in -1..1, `ab_norm` (..., 2) float32 within -0.85..0.77.

    Source: DESIGN data flow; ab/128 from BASELINES §2.1.
    """
    return lab[..., :1] * np.float32(1 / L_HALF) - 1, lab[..., 1:] * np.float32(1 / AB_SCALE)


def join(l_norm: np.ndarray, ab_norm: np.ndarray) -> np.ndarray:
    """The inverse of `split`.

    Args:
        l_norm: (..., 1) float, -1..1.
        ab_norm: (..., 2) float.

    Returns:
        (..., 3) float32 Lab.

    Source: ours.
    """
    return np.concatenate([(l_norm + 1) * L_HALF, ab_norm * AB_SCALE], axis=-1).astype(np.float32)


def merge(l: np.ndarray, ab_norm_hat: np.ndarray, dtype=np.uint8) -> np.ndarray:
    """Gives a photograph's own luminance the predicted colours.

    Args:
        l: (H, W) float32, 0..100, the photograph's L*.
        ab_norm_hat: (h, w, 2) float, ab/128 at any size; enlarged bilinearly to (H, W).
        dtype: `np.uint8` or `np.uint16`.

    Returns:
        (H, W, 3) sRGB of `dtype`. L* is the input's wherever the colour is inside sRGB.

    Source: BASELINES §0, "Colour merge at full resolution".
    """
    height, width = l.shape
    ab = ab_norm_hat.astype(np.float32) * AB_SCALE
    if ab.shape[:2] != (height, width):
        ab = cv2.resize(ab, (width, height), interpolation=cv2.INTER_LINEAR)
    return lab_to_rgb(np.dstack([l, ab]), dtype)


def grey(l: np.ndarray) -> np.ndarray:
    """The photograph without colour: what a black-and-white film would have kept.

    Args:
        l: (H, W) float32, 0..100.

    Returns:
        (H, W, 3) uint8 sRGB with three equal channels. For a photograph that is grey already, itself.

    Source: ours. L* and not luma, so that training and black-and-white input agree (BASELINES §0).
    """
    # One channel three times: rounding alone would set the three apart by a level here and there.
    return np.repeat(merge(l, np.zeros((*l.shape, 2), np.float32))[..., :1], 3, axis=-1)
