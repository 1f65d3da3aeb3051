"""`make demo`: the main job in a minute, on photographs that scikit-image installs.

Turns them grey, colorizes them with the shipped weights in both looks, as `colorize.py` does for
anybody, and writes one sheet of grey, results and truth with what each look gains over no colour.
What is done is skipped.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

FOLDER = Path("demo")
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "motorcycle_left", "rocket")  # none was in training
LOOKS = ("accurate", "vivid")


def step(what: str, *command: str) -> None:
    """Says what comes and runs one of the repository's scripts as a person would.

    Raises:
        SystemExit: the script failed; its own message stands above.
    """
    print(f"\n== {what}\n$ python {' '.join(command)}", flush=True)
    done = subprocess.run([sys.executable, *command])
    if done.returncode:
        sys.exit(done.returncode)


def grey_photographs() -> dict[str, np.ndarray]:
    """Writes the photographs turned grey into demo/grey.

    Returns:
        name -> (H, W, 3) uint8 sRGB, the originals.
    """
    import skimage

    from colorizer import color, photos

    originals = {}
    for name in PHOTOGRAPHS:
        path = next((Path(skimage.__file__).parent / "data").glob(f"{name}.*"))
        originals[name] = photos.read(path).rgb
        if not (FOLDER / "grey" / f"{name}.png").is_file():
            photos.write(FOLDER / "grey" / f"{name}.png", color.grey(color.rgb_to_lab(originals[name])[..., 0]))
    return originals


def sheet(originals: dict[str, np.ndarray]) -> Path:
    """Draws grey, both looks and truth side by side and prints how near each came.

    Args:
        originals: from `grey_photographs`.

    Returns:
        The sheet's path.
    """
    from colorizer import color, photos
    from colorizer.data import pixel_store
    from colorizer.evaluation import metrics
    from colorizer.reporting.figures import plots

    squares = [pixel_store.resize_square(original, 256) for original in originals.values()]
    columns = []
    for look in LOOKS:
        results = [photos.read(FOLDER / look / f"{name}.png").rgb for name in originals]
        columns.append(
            (look, [color.split(color.rgb_to_lab(pixel_store.resize_square(rgb, 256)))[1] for rgb in results])
        )
    for i, name in enumerate(originals):
        floor = metrics.score(squares[i], np.zeros_like(columns[0][1][i]))
        gains = [f"{look} {metrics.score(squares[i], ab[i])['psnr_rgb']:.2f}" for look, ab in columns]
        print(f"{name}: PSNR {', '.join(gains)} dB; all-grey {floor['psnr_rgb']:.2f}")
    path = FOLDER / "before_after_truth.png"
    plots.figure5(path, squares, list(originals), columns)
    return path


def main() -> None:
    """Colorizes in both looks and draws, whatever of it is not done yet."""
    originals = grey_photographs()
    for look in LOOKS:
        step(look, "colorize.py", str(FOLDER / "grey"), "-o", str(FOLDER / look), "--look", look)
    print(f"\nBefore, after and truth: {sheet(originals).resolve()}")


if __name__ == "__main__":
    main()
