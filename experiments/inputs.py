"""What the size of the input does to a trained network, on validation pictures: results/experiments/inputs.jsonl.

    python -m experiments.inputs --run results/runs/NAME > results/experiments/inputs.jsonl

A line for each data set, side of the square that the network sees (its convolutions fit any), and with or
without the average over the picture and its mirror image, which costs twice the time.
"""

from __future__ import annotations

import argparse

import numpy as np

from colorizer import weights
from experiments import looks

SIDES = (128, 160, 192, 256)


def at(trained: weights.Trained, side: int) -> weights.Trained:
    """The same weights in a network for squares of another side."""
    encoder = trained.method.encoder_of(trained.network)
    network = trained.method.build(side, encoder=encoder)
    network.set_weights(trained.network.get_weights())
    return weights.Trained(trained.method, network, trained.config | {"image_size": side}, trained.path)


def main(argv=None) -> None:
    """Prints a line for every data set, side and average."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.inputs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", required=True, help="a run of a method with a distribution over colors")
    parser.add_argument("--limit", type=int, default=60, help="pictures of each data set (default: %(default)s)")
    flags = parser.parse_args(argv)
    trained = weights.load(flags.run)
    pictures = looks.pictures(trained.config, flags.limit)
    for side in SIDES:
        sized = at(trained, side)
        for name, rgb_u8 in pictures.items():
            ab = looks.mean_of(looks.logits_of(sized, rgb_u8)[0], 1.0)
            mirrored = looks.mean_of(looks.logits_of(sized, rgb_u8[:, :, ::-1])[0], 1.0)[:, :, ::-1]
            for average, ab_norm_hat in ((False, ab), (True, (ab + mirrored) / 2)):
                what = {"dataset": name, "side": side, "mirror_average": average}
                print(looks.line(rgb_u8, np.ascontiguousarray(ab_norm_hat), **what), flush=True)


if __name__ == "__main__":
    main()
