"""Training: pictures a second of `train.py`'s own loop against the bare compiled step.

    python -m benchmarks.training
    python -m benchmarks.training --image-size 256 --images 2000 --precision mixed_bfloat16

A run is trained as `train.py` does it, on a folder of JPEGs, split 90/5/5 like the data sets. The bare step
is the same trainer on one batch that lies in memory, again and again. Two lines: `training`, of the training
part of the best epoch, by the clock and by the processor's seconds (`processor_ratio`), which leave out what the
loop waits for; `training:rest`, of validation, checkpoint and record, as a share of the whole epoch.
The default is small enough for a CPU; small pictures are the harder case, as what surrounds the step is dearer
beside it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measuring import folder_of, multiply_adds_g_per_second, result, say, seconds

REST = 0.08  # of an epoch, at most


def parse(argv=None) -> argparse.Namespace:
    """The typed flags."""
    from colorizer.config import PRECISIONS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=223)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=2, help="the first one, which compiles, is not counted")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    return parser.parse_args(argv)


def train(flags, folder: Path, run: Path) -> tuple[int, list[dict], list[float], list[float]]:
    """Trains as `train.py` does.

    Returns:
        How many pictures, the history, the seconds from each epoch's beginning to the next one's, and the processor's
        seconds of the training part of each.
    """
    import pandas as pd

    from colorizer import config, methods
    from colorizer.training import loop

    begun, processor = [], []

    class Clock(loop.EpochClock):
        def on_epoch_begin(self, epoch, logs=None):
            begun.append(time.perf_counter())
            super().on_epoch_begin(epoch, logs)
            self.processor = time.process_time()

        def on_test_begin(self, logs=None):
            processor.append(time.process_time() - self.processor)

    original, loop.EpochClock = loop.EpochClock, Clock  # an epoch ends only when its record is on disk
    try:
        method = methods.get("efficientnet")
        given = {"dataset": str(folder), "classifier": "none", "run": str(run), "epochs": flags.epochs + 1}
        given |= {name: getattr(flags, name) for name in ("image_size", "batch_size", "precision")}
        summary = loop.run(config.resolve(given, method))
    finally:
        loop.EpochClock = original
    history = pd.read_csv(run / "history.csv").to_dict("records")
    epochs = [end - start for start, end in zip(begun, begun[1:], strict=False)]
    return summary["train_images"], history, epochs, processor


def bare(flags, steps: int) -> tuple[float, float]:
    """The compiled step on one resident batch: pictures a second, and a picture's processor seconds; of three bouts."""
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

    processor = []

    def bout():
        began = time.process_time()
        for _ in range(steps):
            trainer.train_on_batch(inputs, target)
        processor.append(time.process_time() - began)

    pictures = flags.batch_size * steps
    return pictures / min(seconds(bout) for _ in range(3)), min(processor) / pictures


def main(argv=None) -> int:
    """Prints the two lines."""
    from colorizer import methods

    flags = parse(argv)
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder_of(flags.images, Path(temporary, "pictures"), 256)
        before, processor_before = bare(flags, steps=5)
        images, history, epochs, processor = train(flags, folder, Path(temporary, "run"))
        after, processor_after = bare(flags, steps=5)
    ours = max(row["images_per_second"] for row in history[1:])
    step = max(before, after)
    operations = 3 * methods.declared("efficientnet").multiply_adds * (flags.image_size / 256) ** 2
    ceiling = multiply_adds_g_per_second()
    settings = {"image_size": flags.image_size, "batch_size": flags.batch_size, "precision": flags.precision}
    say(
        result(
            "training",
            ours_images_per_second=ours,
            bare_step_images_per_second=step,
            ratio=ours / step,
            processor_ratio=images * min(processor_before, processor_after) / min(processor[1:]),
            target=0.95,
            floor={"images_per_second": ceiling / operations, "conv_g_multiply_adds_per_second": ceiling},
            **settings,
        )
    )
    rests = [1 - images / row["images_per_second"] / took for row, took in zip(history[1:], epochs[1:], strict=False)]
    say(
        result(
            "training:rest",
            share_of_epoch=min(rests),
            epoch_seconds=epochs[1:],
            ratio=REST / max(min(rests), 1e-9),
            target=1.0,
            **settings,
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
