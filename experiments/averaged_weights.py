"""Interpolates weights before and after a long training: which share of the old ones is best on validation pictures?

    python -m experiments.averaged_weights --run AFTER --other BEFORE > results/experiments/averaged_weights.jsonl

A line for each list, share of the other weights, and look. Share 0 is the run, share 1 the other weights.
"""

from __future__ import annotations

import argparse

from colorizer import weights
from colorizer.methods.vit_decoder import LOOKS
from colorizer.training.long import export
from experiments import validation

LISTS = ("coco", "paintings")
SHARES = (0.0, 0.25, 0.4, 0.5, 1.0)


def main(argv=None) -> None:
    """Prints a line for every list, share and look."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.averaged_weights",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", required=True, help="weights after the training")
    parser.add_argument("--other", required=True, help="weights before it")
    parser.add_argument("--limit", type=int, default=125, help="pictures of each list (default: %(default)s)")
    flags = parser.parse_args(argv)
    pictures = validation.pictures(LISTS, flags.limit)
    for share in SHARES:
        trained = weights.load(flags.run)
        export.interpolate(trained.network, flags.other, share)
        for name, rgb_u8 in pictures.items():
            logits, l_norm = validation.logits_of(trained, rgb_u8)
            for look, setting in LOOKS.items():
                ab = validation.smoothed(l_norm, validation.decoded(logits, setting), logits, trained.method.smoothing)
                line = validation.line(rgb_u8, ab, dataset=name, share=share, look=look)
                print(line, flush=True)


if __name__ == "__main__":
    main()
