"""Training steps of the ViT decoder, at one input size, in pictures a second.

    python -m benchmarks.steps
    python -m benchmarks.steps --image-size 64 --batch-size 4 --rounds 2

Sides, each in float32 and in mixed bfloat16: the decoder whose frozen encoder computes its features in every step, as
`train.py` trains it; the same on cached features, as `colorizer.training.long` trains it; its stage two, which computes
features and trains the last two blocks as well; its stage three on cached features, with a critic. All take turns in
one process, on one batch of noise that lies in memory.

`ratio` is the fastest step on cached features over the fastest that computes them. Beside each side stands its
share of what this processor does at matrix products of its precision; a step is three times the forward pass of what
is trained, plus one forward pass of what is frozen. Of the step with a critic it is not counted. `processor_time` has
the same by the processor's seconds instead of the clock's: for a machine that does other work too. The encoder has
random weights: a step's time does not depend on them.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks.measuring import result, say

MATRIX, PRODUCTS = 1024, 8  # side and number of the matrix products that say what the processor can do
BLOCKS, CRITIC = 2, 0.5  # trainable blocks of stage two, the critic's gradient in stage three
PRECISIONS = {"float32": "float32", "mixed_bfloat16": "bfloat16"}  # of layers: of their products


def parse(argv=None) -> argparse.Namespace:
    """The typed flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-size", type=int, default=192)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side, after one that compiles")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    return parser.parse_args(argv)


def vit_steps(flags, precision: str) -> tuple[dict[str, Callable], float]:
    """Steps of the ViT decoder as the long training compiles it.

    Returns:
        "computed", "kept" (on cached features), "tuned" and "critic", the names in the record -> one step; and the
        decoder's G multiply-adds for one picture, forward.
    """
    from colorizer.classifiers.encoders import dinov2, vision_transformer
    from colorizer.methods.layers import backbone
    from colorizer.methods.layers.bins import STRIDE
    from colorizer.training.long import tuning
    from colorizer.training.long.adversarial import AdversarialTrainer
    from colorizer.training.long.feature_cache import Features
    from colorizer.training.long.settings import Settings

    size = flags.image_size
    encoder = backbone.token_encoder(vision_transformer.build((dinov2.SIZE,) * 2, dinov2.LEVELS), size, precision)

    def network(blocks=0):
        settings = Settings(image_size=size, trainable_blocks=blocks)
        return tuning.compiled(tuning.build(encoder, settings, precision), settings)

    decoder, tuned, generator = network(), network(BLOCKS), network()
    adversarial = AdversarialTrainer(
        generator, gradient_ratio=CRITIC, critic_rate=Settings().critic_rate, critic_alone=0
    )
    rng, side = np.random.default_rng(0), size // STRIDE
    l_norm = rng.uniform(-1, 1, (flags.batch_size, size, size, 1)).astype(np.float32)
    ab_norm = rng.uniform(-0.4, 0.4, (flags.batch_size, side, side, 2)).astype(np.float32)
    given = np.zeros((flags.batch_size, side, side, 3), np.float32)
    border, numbers = np.zeros((flags.batch_size, side, side, 1), np.float32), itertools.count()
    features, rows = Features(encoder, flags.batch_size), np.arange(flags.batch_size)
    frozen = Features(tuning.frozen_part(encoder, BLOCKS), flags.batch_size)
    ready = features.of(rows, l_norm)
    steps = {
        "computed": lambda: decoder.train_on_batch([l_norm, features.of(rows, l_norm), given], ab_norm),
        "kept": lambda: decoder.train_on_batch([l_norm, ready, given], ab_norm),
        "tuned": lambda: tuned.train_on_batch([l_norm, frozen.of(rows, l_norm), given], ab_norm),
        "critic": lambda: adversarial.step(next(numbers), [l_norm, ready, given], ab_norm, border),
    }
    return steps, convolutions(decoder) / 1e9


def block_cost(size: int) -> float:
    """G multiply-adds of one of the encoder's blocks for one picture, forward: products of weights, then of tokens."""
    from colorizer.classifiers.encoders import vision_transformer
    from colorizer.methods.layers import backbone

    width, tokens = vision_transformer.Shape().width, 1 + (size // backbone.PATCH) ** 2
    return (12 * width**2 * tokens + 2 * tokens**2 * width) / 1e9


def convolutions(model) -> float:
    """Multiply-adds of a model's convolutions for one picture."""
    import keras

    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            total += int(np.prod(layer.output.shape[1:3])) * int(np.prod(layer.kernel.shape))
    return total


def matrix_products(dtype: str) -> Callable:
    """Some products of square matrices, one after another, as one compiled call."""
    import keras

    x = keras.Input((MATRIX,), dtype=dtype)
    layer, y = keras.layers.Dense(MATRIX, use_bias=False, dtype=dtype), x
    for _ in range(PRODUCTS):
        y = layer(y)
    network = keras.Model(x, keras.layers.Lambda(lambda rows: keras.ops.max(rows, axis=-1), dtype=dtype)(y))
    rows = keras.ops.cast(keras.random.normal((MATRIX, MATRIX)), dtype)
    return lambda: network.predict_on_batch(rows)


def turns(works: list[Callable], rounds: int) -> dict[str, list[float]]:
    """The least seconds of each work, taken by turns, after one that compiles.

    Returns:
        "wall": seconds on the clock; "processor": seconds of this process on all cores, over their number. The second
        hardly changes where other processes use the same cores.
    """
    cores = len(os.sched_getaffinity(0))
    taken = []
    for number in range(rounds + 1):
        for index, work in enumerate(works):
            before = time.perf_counter(), time.process_time()
            work()
            taken.append((number, index, time.perf_counter() - before[0], (time.process_time() - before[1]) / cores))
    return {
        clock: [min(row[column] for row in taken if row[0] and row[1] == index) for index in range(len(works))]
        for clock, column in (("wall", 2), ("processor", 3))
    }


def main(argv=None) -> int:
    """Prints one line."""
    from colorizer import methods

    flags = parse(argv)
    at_size = (flags.image_size / 256) ** 2
    works, costs = {}, {}
    for precision in flags.precisions:
        steps, decoder = vit_steps(flags, precision)
        for name, step in steps.items():
            works[name, precision] = step
            costs[name, precision] = 3 * decoder
        encoder = methods.declared("vit_decoder").multiply_adds * at_size - decoder
        costs["computed", precision] += encoder
        # Two backward passes of the trainable blocks.
        costs["tuned", precision] += encoder + 2 * BLOCKS * block_cost(flags.image_size)
        del costs["critic", precision]
    products = {precision: matrix_products(PRECISIONS[precision]) for precision in flags.precisions}
    times = turns([*works.values(), *products.values()], flags.rounds)
    measured = {}
    for clock, took in times.items():
        speeds = {key: flags.batch_size / seconds for key, seconds in zip(works, took, strict=False)}
        rates = {
            precision: PRODUCTS * MATRIX**3 / seconds / 1e9
            for precision, seconds in zip(products, took[len(works) :], strict=True)
        }
        best = {name: max(speed for (side, _), speed in speeds.items() if side == name) for name, _ in speeds}
        measured[clock] = {
            "pictures_per_second": {" ".join(key): speed for key, speed in speeds.items()},
            "share_of_matrix_rate": {" ".join(key): speeds[key] * costs[key] / rates[key[1]] for key in costs},
            "matrix_g_multiply_adds_per_second": rates,
            "best_pictures_per_second": best,
            "ratio": best["kept"] / best["computed"],
        }
    settings = {"image_size": flags.image_size, "batch_size": flags.batch_size}
    say(result("steps", **measured["wall"], processor_time=measured["processor"], **settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
