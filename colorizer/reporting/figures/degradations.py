"""A sheet of what `data.degradation` does to a photograph: `python -m colorizer.reporting.figures.degradations`.

The photograph is scikit-image's astronaut, so the command needs no data.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from skimage import data

from colorizer import color, images
from colorizer.data import degradation
from colorizer.reporting.figures import contact_sheets
from colorizer.reporting.figures.display import Picture

TILE = 192  # pixels: the side that the long training has
ACROSS = 4
DRAWS = 20  # of an effect: the draw that changes the picture most is shown


def draw() -> Picture:
    """Draws the photograph, each effect by itself, a border, and two photographs with effects as training draws them.

    Returns:
        A JPEG, the names below the pictures.
    """
    l_norm = color.rgb_to_l_ab(images.resize_square(data.astronaut(), TILE))[0]
    light = (l_norm[..., 0] + 1) / 2
    shown = {"the photograph": light}
    shown |= {effect.__name__: _strongest(effect, light) for effect in degradation.EFFECTS}
    shown["border"] = _strongest(lambda *given: degradation.framed(*given)[0], light)
    for number in (1, 2):
        old = degradation.aged(l_norm, np.random.default_rng(number)).l_norm
        shown[f"as drawn in training, {number}"] = (old[..., 0] + 1) / 2
    groups = [contact_sheets.Group([color.gray(100 * picture)], name) for name, picture in shown.items()]
    return contact_sheets.sheet(contact_sheets.in_rows(groups, ACROSS), tile=TILE)


def _strongest(effect, light: np.ndarray) -> np.ndarray:
    """Of some seeded draws of an effect the one that moves luminance most: (S, S) float32, 0..1."""
    pictures = [np.clip(effect(light, np.random.default_rng(seed)), 0, 1) for seed in range(DRAWS)]
    return max(pictures, key=lambda picture: float(np.abs(picture - light).mean())).astype(np.float32)


def main(argv=None) -> int:
    """Writes the sheet; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m colorizer.reporting.figures.degradations",
        description="Draws what old photographs look like to a training.",
    )
    default = Path("docs/degradations.jpg")
    parser.add_argument("--output", type=Path, default=default, help="the JPEG (default: %(default)s)")
    flags = parser.parse_args(argv)
    draw().save(flags.output)
    print(f"{flags.output}: {flags.output.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
