"""What becomes of colors when a picture's color cast is not raised with them, on validation pictures.

    python -m experiments.casts --run runs/NAME > results/experiments/casts.jsonl

A line for each temperature of the annealed mean, each Lab units of chroma by the distribution's variance, and each
factor of the cast; see `color_bins.strengthened`. The look "vivid" of `methods.vit_decoder` is chosen from these lines
and from what the pictures look like, never from a test list.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np
from keras import ops

from colorizer import color, weights
from colorizer.methods.layers import color_bins
from experiments import looks

TEMPERATURES = (0.4, 0.5, 0.6)
ADDED = (0.02, 0.025, 0.03, 0.035)
CASTS = (None, 0.5, 0.7, 1.0)


def decoded(logits: np.ndarray, look: color_bins.Look) -> np.ndarray:
    """Colors of distributions in a look, a picture at a time for want of memory: (n, h, w, 2) float32 in ab/128."""
    one_by_one = []
    for one in logits:
        one = ops.convert_to_tensor(one[None])
        ab = color_bins.strengthened(one, color_bins.annealed_mean(one, look.temperature), look)
        one_by_one.append(ops.convert_to_numpy(ab) / color.AB_SCALE)
    return np.concatenate(one_by_one)


def main(argv=None) -> None:
    """Prints a line for every data set and setting."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.casts", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", required=True, help="a run of a method with a distribution over colors")
    parser.add_argument("--limit", type=int, default=60, help="pictures of each data set (default: %(default)s)")
    flags = parser.parse_args(argv)
    trained = weights.load(flags.run)
    smoothing = trained.method.smoothing
    for name, rgb_u8 in looks.pictures(trained.config, flags.limit).items():
        logits, l_norm = looks.logits_of(trained, rgb_u8)
        print(
            looks.line(rgb_u8, np.zeros((*logits.shape[:3], 2), np.float32), dataset=name, look="all_grey"), flush=True
        )
        print(
            looks.line(
                rgb_u8, looks.smoothed(l_norm, looks.mean_of(logits, 1.0), *smoothing), dataset=name, look="accurate"
            ),
            flush=True,
        )
        for values in itertools.product(TEMPERATURES, ADDED, CASTS):
            look = color_bins.Look(*values)
            ab = looks.smoothed(l_norm, decoded(logits, look), *smoothing)
            print(looks.line(rgb_u8, np.clip(ab, -1, 1), dataset=name, **look._asdict()), flush=True)


if __name__ == "__main__":
    main()
