"""Training: pictures a second of `train.py`'s own loop against the bare compiled step, by turns.

    python -m benchmarks.training
    python -m benchmarks.training --image-size 256 --images 2000 --precision mixed_bfloat16

A run is trained as `train.py` does it, on a folder of JPEGs, split 90/5/5 like the data sets. The bare step
is the same trainer on one batch that lies in memory, again and again: a bout of it before and after each epoch, so that
a busy moment hits both. Two lines: `training`, of the training part of the epochs, the median of their ratios, by the
clock and by the processor's seconds (`processor_ratio`), which leave out what is waited for; `idle` is the share of the
cores' time in which nothing was computed. `training:rest`, of validation, checkpoint and record, as a share of the
whole epoch. The default is small enough for a CPU; small pictures are the harder case, as what surrounds the step is
dearer beside it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.measuring import folder_of, multiply_adds_g_per_second, result, say

REST = 0.08  # of an epoch, at most
BOUT = 5  # bare steps


class Span(NamedTuple):
    """Seconds a picture, on the clock and of this process on all cores."""

    wall: float
    processor: float


class Epoch(NamedTuple):
    """An epoch after the first, which compiles.

    Attributes:
        ours: its training part.
        bare: the mean of the bouts before and after it.
        rest: the share of validation, checkpoint and record in its seconds.
        seconds: of all of it.
    """

    ours: Span
    bare: Span
    rest: float
    seconds: float


def parse(argv=None) -> argparse.Namespace:
    """The typed flags."""
    from colorizer.config import PRECISIONS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=223)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=4, help="the first one, which compiles, is not counted")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    return parser.parse_args(argv)


def train(flags, folder: Path, run: Path, bout: Callable[[], Span]) -> list[Epoch]:
    """Trains as `train.py` does, with a bout of bare steps before and after each epoch.

    Args:
        flags: of `parse`.
        folder: of JPEGs.
        run: the run's folder.
        bout: computes bare steps.

    Returns:
        The epochs that count.
    """
    import pandas as pd

    from colorizer import config, methods
    from colorizer.training import loop

    begun, ended, processor, bouts = [], [], [], []

    class Clock(loop.EpochClock):
        def on_epoch_begin(self, epoch, logs=None):
            ended.append(time.perf_counter())  # an epoch ends only when its record is on disk
            bouts.append(bout())
            begun.append(time.perf_counter())
            super().on_epoch_begin(epoch, logs)
            self.processor = time.process_time()

        def on_test_begin(self, logs=None):
            processor.append(time.process_time() - self.processor)

    original, loop.EpochClock = loop.EpochClock, Clock
    try:
        method = methods.get("efficientnet")
        given = {"dataset": str(folder), "classifier": "none", "run": str(run), "epochs": flags.epochs + 1}
        given |= {name: getattr(flags, name) for name in ("image_size", "batch_size", "precision")}
        images = loop.run(config.resolve(given, method))["train_images"]
    finally:
        loop.EpochClock = original
    rates = pd.read_csv(run / "history.csv")["images_per_second"]
    epochs = []
    for i in range(1, flags.epochs):
        took = ended[i + 1] - begun[i]
        ours = Span(1 / rates[i], processor[i] / images)
        bare = Span(*np.mean(bouts[i : i + 2], axis=0).tolist())
        epochs.append(Epoch(ours, bare, 1 - images * ours.wall / took, took))
    return epochs


def bare(flags) -> Callable[[], Span]:
    """The compiled step on one resident batch, as a function that takes `BOUT` of them."""
    import keras

    from benchmarks.methods import noise
    from colorizer import config, methods
    from colorizer.training import loop

    method = methods.get("efficientnet")
    batch = noise(flags.batch_size, flags.image_size, 1)
    chosen = config.resolve({"dataset": "noise", "batch_size": flags.batch_size}, method)
    keras.utils.set_random_seed(0)
    with loop.precision(flags.precision):
        network = method.build(flags.image_size)
        trainer = method.trainer(network, chosen, batch)
    inputs, target = batch[0]
    trainer.train_on_batch(inputs, target)

    def bout() -> Span:
        began = time.perf_counter(), time.process_time()
        for _ in range(BOUT):
            trainer.train_on_batch(inputs, target)
        pictures = BOUT * flags.batch_size
        return Span((time.perf_counter() - began[0]) / pictures, (time.process_time() - began[1]) / pictures)

    return bout


def compared(epochs: list[Epoch]) -> dict:
    """Both sides of the line `training`: rates, ratios and idle shares, the median of the epochs of each."""
    cores = len(os.sched_getaffinity(0))

    def median(of: Callable[[Epoch], float]) -> float:
        return float(np.median([of(epoch) for epoch in epochs]))

    return {
        "ours_images_per_second": median(lambda epoch: 1 / epoch.ours.wall),
        "bare_step_images_per_second": median(lambda epoch: 1 / epoch.bare.wall),
        "ratio": median(lambda epoch: epoch.bare.wall / epoch.ours.wall),
        "processor_ratio": median(lambda epoch: epoch.bare.processor / epoch.ours.processor),
        "idle": {
            "ours": median(lambda epoch: 1 - epoch.ours.processor / epoch.ours.wall / cores),
            "bare": median(lambda epoch: 1 - epoch.bare.processor / epoch.bare.wall / cores),
        },
        "epochs": len(epochs),
    }


def main(argv=None) -> int:
    """Prints the two lines."""
    from colorizer import methods

    flags = parse(argv)
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder_of(flags.images, Path(temporary, "pictures"), 256)
        epochs = train(flags, folder, Path(temporary, "run"), bare(flags))
    operations = 3 * methods.declared("efficientnet").multiply_adds * (flags.image_size / 256) ** 2
    ceiling = multiply_adds_g_per_second()
    settings = {"image_size": flags.image_size, "batch_size": flags.batch_size, "precision": flags.precision}
    say(
        result(
            "training",
            **compared(epochs),
            target=0.95,
            floor={"images_per_second": ceiling / operations, "conv_g_multiply_adds_per_second": ceiling},
            **settings,
        )
    )
    share = min(epoch.rest for epoch in epochs)
    say(
        result(
            "training:rest",
            share_of_epoch=share,
            epoch_seconds=[round(epoch.seconds, 3) for epoch in epochs],
            ratio=REST / max(share, 1e-9),
            target=1.0,
            **settings,
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
