"""Does the critic of the long training tell predicted colors from true ones? At which scale of its colors?

    python -m experiments.critic --run shipped > results/experiments/critic.jsonl

    COCO's pictures --> the run's colors in the vivid look --> a critic trained alone --> pairs in the right order

A critic that is no better than chance teaches nothing. Each is trained on the same training pictures, from the same
initial weights, and judged on validation pictures: in which share of the pairs is its output higher for the true
colors than for the predicted ones? A line for each scale and number of steps.
"""

from __future__ import annotations

import argparse
import json
from typing import NamedTuple

import cv2
import keras
import numpy as np

from colorizer import color, config, images, weights
from colorizer.data import datasets, pixel_store
from colorizer.methods.layers.bins import STRIDE
from colorizer.methods.vit_decoder import LOOKS
from colorizer.training.long import critic
from colorizer.training.long.adversarial import BETA_1
from experiments import validation

SCALES = (2.5, 10.0, 25.0)
STEPS = (300, 700)
BATCH_SIZE = 16  # true pictures, and as many predicted ones; the long training's
RATE = 2e-4  # the long training's `--critic-rate`


class Seen(NamedTuple):
    """What a critic sees of pictures.

    Attributes:
        l_norm: (N, S/4, S/4, 1) float32, L*/50 - 1.
        true: (N, S/4, S/4, 2) float32, ab/128.
        predicted: the same of the run's colors.
        tokens: (N, S/16, S/16, C) float16, the encoder's.
    """

    l_norm: np.ndarray
    true: np.ndarray
    predicted: np.ndarray
    tokens: np.ndarray


def seen_by_critic(trained: weights.Trained, pictures: np.ndarray) -> Seen:
    """What the critic sees of pictures (N, s, s, 3) uint8 sRGB."""
    network, side = trained.network, trained.config["image_size"]
    outputs = keras.Model(network.inputs, [network.output, network.get_layer("encoder")(network.inputs[0])])
    parts = []
    for rgb_u8 in pictures:
        l_norm, ab_norm = color.split(color.rgb_to_lab(images.resize_square(rgb_u8, side)))
        vector = np.zeros((1, config.CLASSES), np.float32)
        logits, tokens = outputs.predict_on_batch([l_norm[None], vector])
        small = (cv2.resize(a, (side // STRIDE,) * 2, interpolation=cv2.INTER_AREA) for a in (l_norm, ab_norm))
        l_norm, ab_norm = (a.reshape(side // STRIDE, side // STRIDE, -1) for a in small)
        colors = validation.decoded(logits, LOOKS[critic.LOOK])[0]
        parts.append((l_norm, ab_norm, colors, tokens[0].astype(np.float16)))
    return Seen(*(np.stack(arrays) for arrays in zip(*parts, strict=True)))


def inputs(seen: Seen, rows: np.ndarray | slice, ab_norm: np.ndarray) -> list[np.ndarray]:
    """The critic's inputs for some pictures in these colors."""
    return [seen.l_norm[rows], ab_norm[rows], seen.tokens[rows].astype(np.float32)]


def lines(train: Seen, held_out: Seen, scale: float, steps: tuple[int, ...], seed: int):
    """Trains a critic alone; yields a line at each of the steps."""
    keras.utils.set_random_seed(seed)
    model = critic.build(train.l_norm.shape[1], train.tokens.shape[-1], scale)
    model.compile(keras.optimizers.Adam(RATE, beta_1=BETA_1), [keras.losses.Hinge(), keras.losses.Hinge()])
    rng = np.random.default_rng(seed)
    everything = slice(None)
    for step in range(1, max(steps) + 1):
        rows = rng.integers(len(train.true), size=BATCH_SIZE)
        pair = (inputs(train, rows, train.true), inputs(train, rows, train.predicted))
        model.train_on_batch(
            [np.concatenate(part) for part in zip(*pair, strict=True)], critic.labels(model.output_shape, BATCH_SIZE)
        )
        if step in steps:
            colors = (held_out.true, held_out.predicted)
            true, predicted = (model.predict(inputs(held_out, everything, ab), verbose=0) for ab in colors)
            shares = {
                name: float((t > p).mean()) for name, t, p in zip(("patches", "pictures"), true, predicted, strict=True)
            }
            rounded = {name: round(share, 4) for name, share in shares.items()}
            yield {"color_scale": scale, "steps": step, "held_out": len(held_out.true)} | rounded


def main(argv=None) -> None:
    """Prints a line for every scale and number of steps."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.critic", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", required=True, help="a run of vit_decoder")
    parser.add_argument("--limit", type=int, default=1000, help="training pictures (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=42)
    flags = parser.parse_args(argv)
    dataset, trained = datasets.find("coco"), weights.load(flags.run)
    prepared = pixel_store.build(dataset.root, dataset.train, 256)
    train = seen_by_critic(trained, prepared.read(prepared.rows[: flags.limit]))
    held_out = seen_by_critic(trained, validation.pictures(("coco",), 250)["coco"])
    for scale in SCALES:
        for line in lines(train, held_out, scale, STEPS, flags.seed):
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
