"""Which temperature, gain, cast and smoothing make a look, on validation pictures: results/experiments/looks.jsonl.

    python -m experiments.looks --run shipped > results/experiments/looks.jsonl

A line for each temperature of the annealed mean, each Lab units of chroma by the distribution's variance, each factor
of the cast, and some limits of the chroma; see `color_bins.boost_chroma`. Then lines for other spreads and
contrasts of the smoothing, see `domain_transform`. The looks of `methods.vit_decoder` are chosen from these lines and
from what the pictures look like, never from a test list.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np

from colorizer import weights
from colorizer.methods.layers.color_bins import Look
from experiments import validation

LISTS = ("coco", "paintings")
PLAIN = (1.0, 0.85, 0.7, 0.6, 0.5)  # temperatures without more chroma
TEMPERATURES = (1.0, 0.7, 0.5)
ADDED = (0.03, 0.035)
CASTS = (None, 0.7, 1.0)
LIMITED = tuple(itertools.product((0.7, 0.5), (0.055, 0.07), (0.7, 0.3), (80.0, 110.0)))
SMOOTHINGS = (None, (0.2, 0.2), (0.8, 0.2), (0.4, 0.1), (0.4, 0.4))
# With both the smoothings are compared.
ACCURATE, VIVID = Look(0.7, 0.0), Look(0.7, 0.055, cast=0.7, limit=110.0)


def settings(smoothing: tuple[float, float]) -> list[tuple[Look, tuple[float, float] | None]]:
    """Every look and smoothing measured.

    Args:
        smoothing: the method's own.
    """
    plain = [(Look(temperature, 0.0), smoothing) for temperature in PLAIN]
    vivid = [(Look(*values), smoothing) for values in itertools.product(TEMPERATURES, ADDED, CASTS)]
    vivid += [(Look(*values), smoothing) for values in LIMITED]
    others = [(look, other) for look in (ACCURATE, VIVID) for other in SMOOTHINGS]
    return plain + vivid + others


def main(argv=None) -> None:
    """Prints a line for every list and setting."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.looks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", required=True, help="a run of a method with a distribution over colors")
    parser.add_argument("--limit", type=int, default=40, help="pictures of each list (default: %(default)s)")
    flags = parser.parse_args(argv)
    trained = weights.load(flags.run)
    for name, rgb_u8 in validation.pictures(LISTS, flags.limit).items():
        logits, l_norm = validation.logits_of(trained, rgb_u8)
        gray = np.zeros((*logits.shape[:3], 2), np.float32)
        print(validation.line(rgb_u8, gray, dataset=name, look="all_grey"), flush=True)
        for look, smoothing in settings(trained.method.smoothing):
            ab = validation.smoothed(l_norm, validation.decoded(logits, look), logits, smoothing)
            spread, contrast = smoothing or (None, None)
            setting = {"dataset": name, **look._asdict(), "spread": spread, "contrast": contrast}
            print(validation.line(rgb_u8, ab, **setting), flush=True)


if __name__ == "__main__":
    main()
