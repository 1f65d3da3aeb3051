"""Draws the pictures of docs/steer.md with the shipped weights, from photos that come with scikit-image.

    python -m experiments.steering_pictures --output docs

steer-hints.jpg: automatic colors with a ring at each hint, and the result. steer-reference.jpg: a photo in gray, a
reference, its automatic colors, and its colors with the reference. steer-samples.jpg: several versions of one photo.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from colorizer import Colorizer, Hint, color, photos
from colorizer.data import sample

HEIGHT, GAP = 280, 6  # pixels of a drawn picture, and of white between two
# Of both photos what a person would click: the saucer blue and the table as it is; the suit blue and the rocket gray.
HINTS = {
    "coffee": (
        Hint(110, 235, "#1f5fa8"),
        Hint(300, 335, "#1f5fa8"),
        Hint(450, 240, "#1f5fa8"),
        Hint(530, 170, "#8a7358"),
    ),
    "astronaut": (Hint(230, 330, "#2a62b8"), Hint(205, 465, "#2a62b8"), Hint(380, 100, "#9a9a9a")),
}
VERSIONS = 4
SHIFT = 60  # pixels: the reference is another part of the same photo


def photo(name: str) -> np.ndarray:
    """A photo of scikit-image's: (H, W, 3) uint8 sRGB."""
    return photos.read(sample.photograph(f"{name}.png")).rgb


def gray(rgb_u8: np.ndarray) -> np.ndarray:
    """The same without colors."""
    return color.gray(color.rgb_to_lab(rgb_u8)[..., 0])


def ringed(rgb_u8: np.ndarray, hints: Sequence[Hint]) -> np.ndarray:
    """A copy with a filled ring at each hint, about 7 pixels wide when it is drawn."""
    result = rgb_u8.copy()
    scale = rgb_u8.shape[0] / HEIGHT
    for hint in hints:
        center = round(hint.x), round(hint.y)
        asked = tuple(bytes.fromhex(hint.color[1:]))
        cv2.circle(result, center, round(7 * scale), (255, 255, 255), -1, cv2.LINE_AA)
        cv2.circle(result, center, round(5 * scale), asked, -1, cv2.LINE_AA)
    return result


def write(path: Path, pictures: Sequence[np.ndarray]) -> None:
    """Writes pictures in a row, each `HEIGHT` pixels high."""
    parts = []
    for rgb_u8 in pictures:
        width = round(rgb_u8.shape[1] * HEIGHT / rgb_u8.shape[0])
        parts += [
            cv2.resize(rgb_u8, (width, HEIGHT), interpolation=cv2.INTER_AREA),
            np.full((HEIGHT, GAP, 3), 255, np.uint8),
        ]
    photos.write(path, np.concatenate(parts[:-1], axis=1), quality=90)
    print(path)


def hints_of(colorizer: Colorizer) -> list[np.ndarray]:
    """Of each photo its automatic colors with rings, and those with hints."""
    pictures = []
    for name, given in HINTS.items():
        steered = colorizer.steer(gray(photo(name)))
        pictures += [ringed(steered.colorized(), given), steered.colorized(given)]
    return pictures


def reference_of(colorizer: Colorizer) -> list[np.ndarray]:
    """A photo in gray, another part of the same scene in color, the automatic colors and those by the reference."""
    whole = photo("coffee")
    one, other = whole[:-SHIFT, :-SHIFT], whole[SHIFT:, SHIFT:]
    return [
        gray(one),
        other,
        colorizer.colorize(gray(one)),
        colorizer.colorize(gray(one), reference=other),
    ]


def versions_of(colorizer: Colorizer, name: str) -> list[np.ndarray]:
    """Versions of one photo, the automatic one first."""
    steered = colorizer.steer(gray(photo(name)))
    return [steered.colorized(hints) for hints in steered.samples(VERSIONS)]


def main(argv=None) -> None:
    """Draws all three."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.steering_pictures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=Path, default=Path("docs"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--versions-of", default="astronaut", metavar="NAME", help="photo (default: %(default)s)")
    flags = parser.parse_args(argv)
    colorizer = Colorizer()
    write(flags.output / "steer-hints.jpg", hints_of(colorizer))
    write(flags.output / "steer-reference.jpg", reference_of(colorizer))
    write(flags.output / "steer-samples.jpg", versions_of(colorizer, flags.versions_of))


if __name__ == "__main__":
    main()
