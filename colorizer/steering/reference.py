"""Colors from another photo: where the encoder sees the same thing in both, the photo gets a hint in the other's color.

    features of both --> pairs that are each other's nearest --> alike, unlike all of another color --> hints

Unrelated photos have a few such pairs by chance. Fewer than `LEAST_SHARE` of the places count as none.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from colorizer import color, images
from colorizer.errors import HintError
from colorizer.steering.hint import Hint, hexadecimal
from colorizer.steering.prediction import Prediction

# Measured on two overlapping cuts of each of 12 photos, one of them darkened, and on all 132 pairs of different photos,
# with the encoders of both methods that have one: see docs/steer.md.
ALIKE = 0.76  # least cosine of two places' features, each without its mean
MARGIN = 0.05  # by which the cosine is larger than that to any place of another color
ANOTHER = 15.0  # Lab units between two colors that count as different
LEAST_SHARE = 0.1  # of the places, that have a partner, or the photos have nothing in common
LIGHT = 1.5  # most difference of luminance, each in standard deviations of its photo
REACH = 0.5  # of the hints: there are many
MOST = 256  # hints: a large `--size` gives more, side by side, and each costs a search of paths over the whole photo
CELL = 8  # pixels that are looked at along a place's side
SMALL = 64  # pixels, the side of the copy in which colors are looked for


class Places(NamedTuple):
    """What is compared of a photo, for each place of the grid of features.

    Attributes:
        features: (n, C) float32, without mean, of length 1.
        lab: (n, 3) float32, the color at `offsets`.
        offsets: (n, 2) float32, row and column of a typical point, 0..1 of the photo.
    """

    features: np.ndarray
    lab: np.ndarray
    offsets: np.ndarray


def places(rgb: np.ndarray, prediction: Prediction) -> Places:
    """What is compared of a photo.

    Args:
        rgb: (H, W, 3) uint8 or uint16 sRGB.
        prediction: of the same photo, with features.

    Raises:
        HintError: there are no features.
    """
    if prediction.features is None:
        raise HintError(
            "A reference needs a network with an encoder, which sees what is alike. Received: weights of a method "
            "without one. Choose other weights, or set hints."
        )
    rows, columns, channels = prediction.features.shape
    features = prediction.features.reshape(-1, channels).astype(np.float32)
    features = features - features.mean(axis=1, keepdims=True)
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-6)
    small = cv2.resize(images.to_uint8(rgb), (columns * CELL, rows * CELL), interpolation=cv2.INTER_AREA)
    lab = color.rgb_to_lab(small).reshape(rows, CELL, columns, CELL, 3).swapaxes(1, 2).reshape(-1, CELL**2, 3)
    # The typical pixels of a place have its median luminance: a mean over an edge is no color of either side.
    typical = np.argsort(np.abs(lab[..., 0] - np.median(lab[..., 0], axis=1, keepdims=True)), axis=1, kind="stable")
    some = np.take_along_axis(lab, typical[:, : CELL**2 // 4, None], axis=1).mean(axis=1)
    place, pixel = np.arange(rows * columns), typical[:, 0]
    offsets = np.column_stack(
        [(place // columns * CELL + pixel // CELL + 0.5) / (rows * CELL),
         (place % columns * CELL + pixel % CELL + 0.5) / (columns * CELL)]
    ).astype(np.float32)  # fmt: skip
    return Places(features, some, offsets)


def hints(photo: Places, reference: Places, size: tuple[int, int]) -> list[Hint]:
    """The hints that a reference gives.

    Args:
        photo: of the photo that is colored; its own colors do not count.
        reference: of a photo in color.
        size: height and width of the photo that is colored.

    Returns:
        At most `MOST` hints with x and y in its pixels; none where the photos have nothing in common.

    Raises:
        HintError: the reference has no colors.
    """
    ab = reference.lab[:, 1:]
    _require_colors(ab)
    cosines = photo.features @ reference.features.T
    partner, own = cosines.argmax(axis=1), np.arange(len(cosines))
    other = np.linalg.norm(ab[partner][:, None] - ab[None], axis=-1) > ANOTHER
    margins = cosines[own, partner] - np.where(other, cosines, -1).max(axis=1)
    light, theirs = (_standardized(one.lab[:, 0]) for one in (photo, reference))
    good = (cosines.argmax(axis=0)[partner] == own) & (cosines[own, partner] > ALIKE) & (margins > MARGIN)
    good &= np.abs(light - theirs[partner]) < LIGHT
    if good.sum() < LEAST_SHARE * len(good):
        return []
    chosen = _spread(np.flatnonzero(good), photo.offsets, cosines[own, partner], size)
    return [
        Hint(float(x) * size[1], float(y) * size[0], hexadecimal(reference.lab[partner[place]]), REACH)
        for place, (y, x) in zip(chosen, photo.offsets[chosen], strict=True)
    ]


def _spread(chosen: np.ndarray, offsets: np.ndarray, cosines: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Of more than `MOST` places the most alike one in each of at most `MOST` squares, in the order of `chosen`."""
    if len(chosen) <= MOST:
        return chosen
    side = np.sqrt(size[0] * size[1] / MOST)
    rows, columns = (max(1, int(length / side)) for length in size)
    squares = (offsets[chosen] * (rows, columns)).astype(int) @ (columns, 1)
    best_first = np.argsort(-cosines[chosen], kind="stable")
    _, firsts = np.unique(squares[best_first], return_index=True)
    return np.sort(chosen[best_first[firsts]])


def require_colors(rgb: np.ndarray) -> None:
    """Refuses a photo that cannot be a reference, before a network is asked.

    Args:
        rgb: (H, W, 3) uint8 or uint16 sRGB.

    Raises:
        HintError: it has no colors.
    """
    small = cv2.resize(images.to_uint8(rgb), (SMALL, SMALL), interpolation=cv2.INTER_AREA)
    _require_colors(color.rgb_to_lab(small).reshape(-1, 3)[:, 1:])


def _require_colors(ab: np.ndarray) -> None:
    if color.is_gray(ab):
        raise HintError("A reference is a photo in color. Received: a gray one. Choose another, or colorize it first.")


def _standardized(l: np.ndarray) -> np.ndarray:
    return (l - l.mean()) / max(float(l.std()), 1.0)
