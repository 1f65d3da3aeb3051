"""What time and old cameras do to a black-and-white photograph, as an augmentation of luminance.

    luminance --> tone --> blur --> grain --> halftone --> scratches, dust --> JPEG --> border --> old luminance

Every effect is drawn by itself, so most photographs show a few of them. Colors are never touched: a network learns to
see the clean colors in the old luminance. Only under a border there is no color to be seen, so a mask says where it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

# How often each effect is drawn, by its function's name.
CHANCES = {
    "gamma": 0.6,
    "contrast": 0.5,
    "fading": 0.4,
    "blur": 0.5,
    "grain": 0.5,
    "halftone": 0.08,
    "scratches": 0.25,
    "jpeg": 0.4,
}
BORDER_CHANCE = 0.15

Effect = Callable[[np.ndarray, np.random.Generator], np.ndarray]


class Old(NamedTuple):
    """An old photograph.

    Attributes:
        l_norm: (H, W, 1) float32, -1..1.
        border: (H, W) bool, where there is no picture.
    """

    l_norm: np.ndarray
    border: np.ndarray


def aged(l_norm: np.ndarray, rng: np.random.Generator) -> Old:
    """Makes a photograph's luminance look old, each time in another way.

    Args:
        l_norm: (H, W, 1) float32, L/50 - 1.
        rng: the source of all draws; the same generator state gives the same photograph.

    Returns:
        An `Old`.
    """
    light = (l_norm[..., 0] + 1) / 2
    for effect in EFFECTS:
        if rng.random() < CHANCES[effect.__name__]:
            light = np.clip(effect(light, rng), 0, 1).astype(np.float32)
    border = np.zeros(light.shape, bool)
    if rng.random() < BORDER_CHANCE:
        light, border = framed(light, rng)
    return Old((2 * light - 1)[..., None].astype(np.float32), border)


def gamma(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another exposure or developer: black and white stay, the middle moves by up to 0.8 stops."""
    return np.maximum(light, 0) ** np.float32(2 ** rng.uniform(-0.8, 0.8))


def contrast(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A softer or a harder paper: an S-shaped curve, or its opposite."""
    strength = rng.uniform(-0.6, 0.8)
    return light + strength * light * (1 - light) * (2 * light - 1)


def fading(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Silver and paper after years: black turns gray, white turns darker, unevenly over the print."""
    black, white = rng.uniform(0, 0.35), rng.uniform(0.75, 1)
    corners = cv2.resize(rng.uniform(-0.08, 0.08, (3, 3)).astype(np.float32), light.shape[::-1])
    return black + (white - black) * light + corners


def blur(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A lens out of focus, or a movement of the camera."""
    scale = light.shape[0] / 192
    if rng.random() < 0.75:
        return cv2.GaussianBlur(light, (0, 0), rng.uniform(0.4, 1.8) * scale)
    length = max(2, round(rng.uniform(2, 6) * scale))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    turn = cv2.getRotationMatrix2D(((length - 1) / 2,) * 2, rng.uniform(0, 180), 1)
    kernel = cv2.warpAffine(kernel, turn, (length, length))
    return cv2.filter2D(light, -1, kernel / max(kernel.sum(), 1e-6), borderType=cv2.BORDER_REFLECT)


def grain(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The grain of film: noise of one to three pixels, strongest in the middle tones."""
    noise = rng.standard_normal(light.shape).astype(np.float32)
    size = rng.uniform(0, 1.2)
    if size > 0.3:
        noise = cv2.GaussianBlur(noise, (0, 0), size)
        noise /= noise.std()
    return light + rng.uniform(0.01, 0.06) * noise * (0.4 + 2.4 * light * (1 - light))


def halftone(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The dots of a printed page: a screen at an angle, mixed with the picture, as a scan softens it."""
    period, angle = rng.uniform(2.5, 5), rng.uniform(0, np.pi / 2)
    rows, columns = np.mgrid[: light.shape[0], : light.shape[1]].astype(np.float32) * np.float32(2 * np.pi / period)
    across = np.cos(angle) * columns + np.sin(angle) * rows
    down = np.cos(angle) * rows - np.sin(angle) * columns
    screen = 0.5 + 0.25 * (np.cos(across) + np.cos(down))
    dots = 1 / (1 + np.exp(-(light - screen) * rng.uniform(4, 10)))
    share = rng.uniform(0.3, 0.8)
    return (1 - share) * light + share * dots


def scratches(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lines and specks that are lighter or darker than the picture."""
    height, width = light.shape
    damage = np.zeros(light.shape, np.float32)
    for _ in range(rng.integers(0, 6)):
        start = rng.uniform(0, (width, height))
        # Film is scratched along its way, prints in any direction.
        end = start + rng.normal(0, (0.03, 0.6) if rng.random() < 0.5 else (0.4, 0.4), 2) * (width, height)
        points = [tuple(int(v) for v in point) for point in (start, end)]
        cv2.line(damage, *points, rng.uniform(0.3, 1), 1, cv2.LINE_AA)
    for _ in range(rng.integers(0, 25)):
        place = tuple(int(v) for v in rng.uniform(0, (width, height)))
        cv2.circle(damage, place, int(rng.integers(0, 2)), rng.uniform(0.3, 1), -1, cv2.LINE_AA)
    color = 1.0 if rng.random() < 0.7 else 0.0
    return light + damage * (color - light)


def jpeg(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Compression of quality 15 to 80."""
    levels = np.rint(255 * light).astype(np.uint8)
    _, data = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 80))])
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255


EFFECTS: tuple[Effect, ...] = (gamma, contrast, fading, blur, grain, halftone, scratches, jpeg)


def framed(light: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A border of paper, or the black edge of a scan, on one side or on all.

    Args:
        light: (H, W) float32, 0..1.
        rng: the source of all draws.

    Returns:
        (H, W) float32 with the border, and (H, W) bool where it is.
    """
    border = np.ones(light.shape, bool)
    sides = [rng.uniform(0.01, 0.06) if rng.random() < 0.7 else 0 for _ in range(4)]
    top, bottom = (int(share * light.shape[0]) for share in sides[:2])
    left, right = (int(share * light.shape[1]) for share in sides[2:])
    border[top : light.shape[0] - bottom, left : light.shape[1] - right] = False
    tone = rng.uniform(0.75, 1) if rng.random() < 0.75 else rng.uniform(0, 0.15)
    paper = np.clip(tone + rng.uniform(0, 0.02) * rng.standard_normal(light.shape), 0, 1)
    return np.where(border, paper, light).astype(np.float32), border
