"""Colorizes a few photos that come with scikit-image, in about a minute: `make demo`.

It turns them gray, colorizes them with the shipped weights in both looks, and writes one sheet with gray, results
and truth. It prints the PSNR of each look beside that of no color. What is done already is skipped.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from colorizer import cli

PROG = "python -m colorizer demo"
# None was in training.
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
LOOKS = ("accurate", "vivid")
STRIP = ("astronaut", "chelsea", "coffee", "rocket")  # on the front page; two of them are misses


def step(title: str, *words: str) -> int:
    """Prints a command, runs it as a person would, and returns its exit status."""
    command = ["-m", "colorizer", *words]
    print(f"\n== {title}\n$ python {' '.join(command)}", flush=True)
    return subprocess.run([sys.executable, *command]).returncode


def gray_photos(folder: Path) -> dict[str, np.ndarray]:
    """Writes the photos, turned gray, into `folder`/gray.

    Returns:
        name -> (H, W, 3) uint8 sRGB, the originals.
    """
    from colorizer import color, photos
    from colorizer.data import sample

    originals = {}
    for path in map(sample.photograph, PHOTOGRAPHS):
        name = path.stem
        originals[name] = photos.read(path).rgb
        if not (folder / "gray" / f"{name}.png").is_file():
            photos.write(folder / "gray" / f"{name}.png", color.gray(color.rgb_to_lab(originals[name])[..., 0]))
    return originals


def sheet(folder: Path, originals: dict[str, np.ndarray]) -> Path:
    """Draws gray, both looks and truth side by side, and prints the PSNR of each.

    Args:
        folder: of the demo.
        originals: from `gray_photos`.

    Returns:
        The sheet's path.
    """
    from colorizer import color, images, photos
    from colorizer.evaluation import metrics
    from colorizer.reporting.figures import plots

    squares = [images.resize_square(original, 256) for original in originals.values()]
    columns = []
    for look in LOOKS:
        results = [photos.read(folder / look / f"{name}.png").rgb for name in originals]
        columns.append((look, [color.split(color.rgb_to_lab(images.resize_square(rgb, 256)))[1] for rgb in results]))
    for i, name in enumerate(originals):
        floor = metrics.score(squares[i], np.zeros_like(columns[0][1][i]))
        gains = [f"{look} {metrics.score(squares[i], ab[i])['psnr_rgb']:.2f}" for look, ab in columns]
        print(f"{name}: PSNR {', '.join(gains)} dB; all-gray {floor['psnr_rgb']:.2f}")
    path = folder / "before_after_truth.png"
    plots.figure5(path, squares, list(originals), columns)
    return path


def main(argv=None, prog: str = PROG) -> int:
    """Colorizes in both looks and draws the sheet; returns the exit status."""
    parser = cli.Parser(prog, description=__doc__, allow_abbrev=False)
    parser.add_argument("-o", "--output", default="demo", metavar="DIR", help="for the pictures (default: %(default)s)")
    parser.add_argument("--strip", metavar="FILE", help="also write the front page's strip of before/after pairs")
    flags = parser.parse_args(argv)
    folder = Path(flags.output)
    originals = gray_photos(folder)
    for look in LOOKS:
        status = step(look, "colorize", str(folder / "gray"), "-o", str(folder / look), "--look", look)
        if status:
            return status
    print(f"\nBefore, after and truth: {sheet(folder, originals).resolve()}")
    if flags.strip:
        from colorizer import photos
        from colorizer.reporting.figures import strip

        def pair(name):
            return tuple(photos.read(folder / part / f"{name}.png").rgb for part in ("gray", LOOKS[-1]))

        strip.write(flags.strip, [pair(name) for name in STRIP])
        print(f"The strip: {Path(flags.strip).resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
