"""What a mean over cells that look alike does to colors, on validation pictures.

    python -m experiments.non_local_mean --run shipped > results/experiments/non_local_mean.jsonl

A line for each list, temperature of the cosines (null: no such mean) and look: the accurate one without hints and with
ten true ones, and the vivid one with Lab units of chroma added by the distribution's variance. The numbers in
`methods.vit_decoder` are chosen from these lines and from what the pictures look like, never from a test list.
"""

from __future__ import annotations

import argparse

import cv2
import keras
import numpy as np
from keras import ops

from colorizer import color, images, weights
from colorizer.methods.layers import color_bins, hints
from colorizer.methods.layers.color_bins import Look
from colorizer.methods.layers.non_local_mean import NonLocalMean
from experiments import validation

LISTS = ("coco", "paintings")
TEMPERATURES = (None, 0.05, 0.07, 0.1, 0.15)
ADDED = (0.025, 0.035, 0.045)
HINTS = 10


def given_of(rgb: np.ndarray, side: int, count: int, seed: int) -> np.ndarray:
    """Hints of a picture's true colors at places drawn by lot: (1, side, side, 3) float32, see `hints`."""
    ab_norm = cv2.resize(color.rgb_to_l_ab(rgb)[1], (side, side), interpolation=cv2.INTER_AREA)
    mask = np.zeros((1, side, side, 1), np.float32)
    mask[0][tuple(np.random.default_rng(seed).integers(side, size=(2, count)))] = 1
    return ops.convert_to_numpy(hints.make_hints(ab_norm[None], mask))


def inputs(trained: weights.Trained, rgb_u8: np.ndarray, count: int):
    """Of each picture `l_norm`, the encoder's tokens, the hints and what the mean is taken of, each (1, ...)."""
    size = trained.config["image_size"]
    decoder = trained.network.get_layer("decoder")
    trunk = keras.Model(decoder.inputs, decoder.get_layer("non_local_mean").input[0])
    for seed, rgb in enumerate(rgb_u8):
        l_norm = color.split(color.rgb_to_lab(images.resize_square(rgb, size)))[0][None]
        tokens = trained.network.get_layer("encoder").predict_on_batch(l_norm)
        given = given_of(rgb, size // 4, count, seed)
        yield l_norm, tokens, given, trunk.predict_on_batch([l_norm, tokens, given])


def colors(logits, l_norm, look: Look, smoothing) -> np.ndarray:
    """(1, S, S, 2) float32, ab/128, of logits in a look."""
    mean = color_bins.annealed_mean(logits, look.temperature)
    ab_norm = color_bins.boost_chroma(logits, mean, look) / color.AB_SCALE
    return validation.smoothed(l_norm, *map(ops.convert_to_numpy, (ab_norm, logits)), smoothing)


def main(argv=None) -> None:
    """Prints a line for every list, temperature and look."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.non_local_mean",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", required=True, help="a run of the ViT decoder")
    parser.add_argument("--limit", type=int, default=40, help="pictures of each list (default: %(default)s)")
    flags = parser.parse_args(argv)
    trained = weights.load(flags.run)
    to_logits = trained.network.get_layer("decoder").get_layer("logits")
    wanted = [("accurate", 0, Look(1.0, 0.0)), ("accurate", HINTS, Look(1.0, 0.0))]
    wanted += [("vivid", 0, Look(0.5, added, cast=0.7)) for added in ADDED]
    for name, rgb_u8 in validation.pictures(LISTS, flags.limit).items():
        pictures = {count: list(inputs(trained, rgb_u8, count)) for count in (0, HINTS)}
        for temperature in TEMPERATURES:
            for look_name, count, look in wanted:
                colored = []
                for l_norm, tokens, given, x in pictures[count]:
                    mean = x if temperature is None else NonLocalMean(temperature)(x, tokens, given)
                    logits = to_logits(ops.convert_to_tensor(mean))
                    colored.append(colors(logits, l_norm, look, trained.method.smoothing)[0])
                setting = {"dataset": name, "of_cosines": temperature, "look": look_name, "hints": count}
                print(validation.line(rgb_u8, colored, **setting, added=look.added), flush=True)


if __name__ == "__main__":
    main()
