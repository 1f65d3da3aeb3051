"""Where the time of a batch and of preparing a data set goes: processor time of each part, for one picture.

    python -m benchmarks.parts

Processor time of one thread, the least of some rounds, so that other work on the machine matters less. Three lines:
`parts:batch`, our chain and the ancestors' as in `benchmarks.pipeline`, with our parts on memory that is there
already, which add up to the floor; `parts:prepare`, what a data set's picture needs but for writing; `parts:loop`, what
a step of `train.py` costs besides the network, in all threads: making its batch, and Keras' `fit` with the callbacks of
each step. The network there is a convolution of one pixel, and the same step without batches and `fit` is taken off.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks import pipeline, store
from benchmarks.measuring import cores, folder_of, result, say
from colorizer import color, images, photos
from colorizer.config import TrainConfig
from colorizer.data import augment, batches, filters, pixel_store

SIDE, LOOP_SIDE, ROUNDS = 256, 64, 9  # LOOP_SIDE is that of `benchmarks.training`
STEPS = 50  # of an epoch of the loop


def milliseconds(work, pictures: int, rounds: int = ROUNDS) -> float:
    """Processor time of `work()` for one of its pictures."""
    work()
    times = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times) / pictures * 1e3


def batch_parts(rgb_u8: np.ndarray) -> dict[str, float]:
    """The steps of one picture from the store to a batch, each alone, on memory that is already there."""
    generator = batches.generator_of(TrainConfig(dataset="benchmark"))
    draws = [generator.get_random_transform(p.shape, augment.draw_seed(42, 0, i)) for i, p in enumerate(rgb_u8)]
    moved = [generator.apply_transform(p, draw) for p, draw in zip(rgb_u8, draws, strict=True)]
    rgba, warped = (np.empty((SIDE, SIDE, 4), np.uint8) for _ in range(2))
    out = tuple(np.empty((SIDE, SIDE, n), np.float32) for n in (1, 2))
    affine, flags = np.array([[0.9, 0.1, 3], [-0.1, 0.95, 5]]), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    works = {
        "draw": lambda i, p: generator.get_random_transform(p.shape, augment.draw_seed(42, 0, i)),
        "to_four_channels": lambda i, p: cv2.cvtColor(p, cv2.COLOR_RGB2RGBA, dst=rgba),
        "warp": lambda i, p: cv2.warpAffine(
            rgba, affine, (SIDE, SIDE), dst=warped, flags=flags, borderMode=cv2.BORDER_REPLICATE
        ),
        "to_three_channels": lambda i, p: cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB, dst=p),
        "lab": lambda i, p: color.rgb_to_l_ab(p, out),
    }
    n = len(moved)
    return {name: milliseconds(lambda w=w: [w(i, p) for i, p in enumerate(moved)], n) for name, w in works.items()}


def prepare_parts(paths: list[Path]) -> dict[str, float]:
    """Decoding by Pillow alone; then what the store does: reading, resizing, the search for gray and toned pictures."""
    read = [photos.read(path).rgb for path in paths]
    squares = [images.resize_square(rgb, SIDE) for rgb in read]
    n = len(paths)
    return {
        "decode": milliseconds(lambda: [store.decoded(path) for path in paths], n),
        "read": milliseconds(lambda: [photos.read(path) for path in paths], n),
        "resize": milliseconds(lambda: [images.resize_square(rgb, SIDE) for rgb in read], n),
        "filter": milliseconds(lambda: [filters.defect(*pair) for pair in zip(read, squares, strict=True)], n),
    }


def loop_parts(pictures: pixel_store.Store) -> dict[str, float]:
    """Milliseconds of processor time that a step of the loop takes besides the network.

    Args:
        pictures: any; they are repeated.
    """
    import keras

    from colorizer.training.callbacks import EpochClock, Progress

    rows = np.resize(pictures.rows, STEPS * pipeline.BATCH_SIZE)
    generator = batches.generator_of(TrainConfig(dataset="benchmark"))

    def batches_of(workers: int) -> batches.Batches:
        size = pipeline.BATCH_SIZE
        return batches.Batches(pictures, rows, batch_size=size, generator=generator, shuffle=True, workers=workers)

    made, trained, validation = batches_of(0), batches_of(2), batches_of(0)
    l_norm, vector = keras.Input((None, None, 1)), keras.Input((None,))
    network = keras.Model([l_norm, vector], keras.layers.Conv2D(2, 1)(l_norm))
    network.compile("adam", "mse")
    inputs, target = made[0]
    callbacks = [EpochClock(trained), keras.callbacks.TerminateOnNaN(), Progress(1, trained, validation)]
    works = {
        "bare": lambda: [network.train_on_batch(inputs, target) for _ in range(STEPS)],
        "batches": lambda: [made[index] for index in range(STEPS)],
        "fit": lambda: network.fit(trained, shuffle=False, verbose=0, callbacks=callbacks),
    }
    took = {name: milliseconds(work, STEPS, rounds=3) for name, work in works.items()}
    return {"batch": took["batches"], "fit": took["fit"] - took["batches"] - took["bare"]}


def main(argv=None) -> int:
    """Prints three lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--side", type=int, default=560, help="of the JPEGs of a data set; COCO's have 640x480 pixels")
    flags = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary, cores(1):
        folder = folder_of(flags.images, Path(temporary, "squares"), SIDE)
        pictures = pixel_store.build(folder, sorted(p.name for p in folder.iterdir()), SIDE, cache=Path(temporary))
        vectors = np.zeros((flags.images, 1000), np.float32)
        ours = milliseconds(pipeline.ours(pictures, vectors), flags.images)
        theirs = milliseconds(pipeline.ancestors(pictures.read(pictures.rows), vectors), flags.images, rounds=2)
        parts = batch_parts(pictures.read(pictures.rows))
        floor = sum(parts.values())
        say(
            result(
                "parts:batch", ratio=theirs / ours, ours_ms=ours, ancestors_ms=theirs, parts_ms=parts,
                floor={"ms": floor, "ratio": theirs / floor},
            )
        )  # fmt: skip
        paths = sorted(folder_of(flags.images, Path(temporary, "pictures"), flags.side).iterdir())
        parts = prepare_parts(paths)
        alone, ours = parts["decode"] + parts["resize"], parts["read"] + parts["resize"] + parts["filter"]
        say(result("parts:prepare", ratio=alone / ours, parts_ms=parts))
        small = folder_of(flags.images, Path(temporary, "small"), LOOP_SIDE)
        pictures = pixel_store.build(small, sorted(p.name for p in small.iterdir()), LOOP_SIDE, cache=Path(temporary))
        say(result("parts:loop", parts_ms=loop_parts(pictures), side=LOOP_SIDE, batch_size=pipeline.BATCH_SIZE))
    return 0


if __name__ == "__main__":
    sys.exit(main())
