"""`make demo`: the whole main job in two minutes, on photographs that scikit-image installs.

Trains the paper's network on crops of a few photographs without a classifier, evaluates,
colorizes the photographs turned grey with `colorize.py`, and writes one sheet of truth,
grey and result. What is done is skipped. Two minutes on a handful of pictures show that
everything works; they do not show what the network can do: that is in results/.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

FOLDER = Path("demo")
RUN = FOLDER / "runs" / "efficientnet-sample"
# A quarter of the paper's pixels and no epoch that ends after 100 seconds: two minutes on two cores with start-up.
TRAINING = ["--dataset", "sample", "--classifier", "none", "--image-size", "128", "--batch-size", "6"]
TRAINING += ["--max-minutes", "1.7"]
TRAINED_ON = ("astronaut", "coffee", "rocket")  # crops of these were seen in training, in colour
HELD_OUT = ("motorcycle_left", "chelsea")  # no gradient came from these; the first one chose the best epoch


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
    for name in TRAINED_ON + HELD_OUT:
        path = next((Path(skimage.__file__).parent / "data").glob(f"{name}.*"))
        originals[name] = photos.read(path).rgb
        if not (FOLDER / "grey" / f"{name}.png").is_file():
            photos.write(FOLDER / "grey" / f"{name}.png", color.grey(color.rgb_to_lab(originals[name])[..., 0]))
    return originals


def sheet(originals: dict[str, np.ndarray]) -> Path:
    """Draws truth, grey and result side by side and prints how near the held-out ones came.

    Args:
        originals: from `grey_photographs`.

    Returns:
        The sheet's path.
    """
    from colorizer import color, figures, metrics, photos, store

    squares, predictions = [], []
    for name, original in originals.items():
        result = photos.read(FOLDER / "colour" / f"{name}.png").rgb
        squares.append(store.resize_square(original, 256))
        predictions.append(color.split(color.rgb_to_lab(store.resize_square(result, 256)))[1])
        if name in HELD_OUT:
            ours = metrics.score(squares[-1], predictions[-1])
            floor = metrics.score(squares[-1], np.zeros_like(predictions[-1]))
            print(f"{name}, not seen in training: PSNR {ours['psnr_rgb']:.2f} dB, all-grey {floor['psnr_rgb']:.2f} dB")
    labels = [f"{name}\n{'seen' if name in TRAINED_ON else 'not seen'}" for name in originals]
    path = FOLDER / "before_after_truth.png"
    figures.figure5(path, squares, labels, [("colorized", predictions)])
    return path


def main() -> None:
    """Trains, evaluates, colorizes and draws, whatever of it is not done yet."""
    if (RUN / "summary.json").is_file():
        print(f"{RUN} is trained already.")
    else:
        resume = ["--resume"] if (RUN / "config.json").is_file() else []
        step("training", "train.py", *TRAINING, "--run", str(RUN), *resume)
    if not (FOLDER / "results" / "tables" / "table2.md").is_file():
        step("evaluating", "evaluate.py", "--runs", str(RUN.parent), "--output", str(FOLDER / "results"))
    originals = grey_photographs()
    step("colorizing", "colorize.py", str(FOLDER / "grey"), "-o", str(FOLDER / "colour"), "--weights", str(RUN))
    print(f"\nBefore, after and truth: {sheet(originals).resolve()}")


if __name__ == "__main__":
    main()
