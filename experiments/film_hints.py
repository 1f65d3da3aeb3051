"""Do the colors that a film carries serve a network better as hints? For weights of a method that takes hints.

    python -m experiments.film_hints WEIGHTS --clips DIR > results/experiments/film_hints.jsonl

The clips and measures of `experiments.film`, keys every 8 frames, three ways: frame by frame; "mixed", as the program
does, the mean of carried and predicted colors; "hints", likewise, but key frames are predicted with carried colors as
hints, in patches of 3x3 cells on a grid of 8 cells, wherever more than nine tenths of the flow there can be trusted.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from colorizer import Colorizer
from colorizer.film import carry
from colorizer.inference import forward
from colorizer.methods.layers.bins import STRIDE
from experiments import film

APART = 8  # cells from one patch to the next
TRUSTED = 0.9
SEEN = 0.3  # predictions that a carried color is the mean of, at least


def predicted(library: Colorizer, gray: np.ndarray, carried: np.ndarray, trusted: np.ndarray) -> np.ndarray:
    """The network's colors with hints.

    Args:
        library: of a method that takes hints, computed by Keras.
        gray: (H, W) uint8.
        carried: (h, w, 2) float32, ab/128.
        trusted: (h, w) float32, 1 where they may be hints.

    Returns:
        (h, w, 2) float32, ab/128.
    """
    network = library.forward
    l_norm = network.view(np.repeat(gray[..., None], 3, axis=2)).l_norm[None]
    size = l_norm.shape[2] // STRIDE, l_norm.shape[1] // STRIDE
    ab, sure = (cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in (carried, trusted))
    sure = cv2.erode(sure, np.ones((3, 3), np.uint8))
    given = np.zeros((1, *sure.shape, 3), np.float32)
    for row in range(APART // 2, size[1] - 1, APART):
        for column in range(APART // 2, size[0] - 1, APART):
            if sure[row, column] > TRUSTED:
                given[0, row - 1 : row + 2, column - 1 : column + 2] = *ab[row, column], 1
    hinted = network.network.predict(l_norm, look=network.look, given=given) * forward.contrast_confidence(l_norm)
    return cv2.resize(hinted[0], carried.shape[1::-1], interpolation=cv2.INTER_AREA)


class Hinting(carry._Carrier):
    """A carrier whose key frames are predicted with hints."""

    library: Colorizer

    def _next_key(self, step):
        carried = self.flow.sampled(self.key.ab_norm, step.places)
        known = self.flow.sampled(self.key.weight, step.places) > SEEN
        self._predicted = lambda frame: predicted(self.library, frame.gray, carried, step.trust * known)
        return super()._next_key(step)


def main(argv=None) -> None:
    """Prints a JSON line for each clip and way."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.film_hints",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("weights")
    parser.add_argument("--clips", type=Path, metavar="DIR")
    parser.add_argument("--frames", type=int, default=24, help="of each clip (default: %(default)s)")
    flags = parser.parse_args(argv)
    library = Hinting.library = Colorizer(flags.weights, engine="keras")
    plain = carry._Carrier
    for name, pictures in film.clips(flags.clips, flags.frames):
        size = carry.map_size(*pictures[0].gray.shape)
        nothing = np.zeros((*size, 2), np.float32), np.zeros(size, np.float32)
        single = {id(picture.gray): predicted(library, picture.gray, *nothing) for picture in pictures}
        ways = {"frame by frame": list(single.values())}
        for way, carrier in (("mixed", plain), ("hints", Hinting)):
            carry._Carrier = carrier
            ways[way] = [one.ab_norm for one in carry.colored(pictures, lambda gray, of=single: of[id(gray)])]
        base = film.measured(pictures, ways["frame by frame"])
        for way, maps in ways.items():
            line = film.measured(pictures, maps)
            share = round(line["warp"] / base["warp"], 3)
            print(json.dumps({"clip": name, "way": way, **line, "warp_share": share}), flush=True)


if __name__ == "__main__":
    main()
