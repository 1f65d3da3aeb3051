"""The input pipeline: our batches against the chain of the paper's ancestors, on the same pictures.

    python -m benchmarks.pipeline
    python -m benchmarks.pipeline --images 400

Three lines. `pipeline`: milliseconds for a picture of ((l, vector), ab) with the paper's augmentation on
one core, beside Keras' stock ImageDataGenerator and scikit-image's rgb2lab. `pipeline:cores`: pictures a
second of the threads that training uses, on one core and on all. `pipeline:cold`: the same with the
operating system's memory of the file dropped before, as after a restart.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measuring import by_turns, copy_gb_per_second, cores, folder_of, result, say, seconds

BATCH_SIZE = 20
IMAGE_SIZE = 256


def ancestors(rgb_u8: np.ndarray, vectors: np.ndarray):
    """The ancestors' chain (docs/reproduction_notes.md, 2), class vectors at hand: all pictures in memory as floats.

    Args:
        rgb_u8: (N, S, S, 3) uint8.
        vectors: (N, 1000) float32.

    Returns:
        A function that makes every batch of an epoch.
    """
    from skimage.color import rgb2lab
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    from colorizer.config import TrainConfig

    ranges = {name: getattr(TrainConfig, name) for name in ("zoom_range", "rotation_range", "shear_range")}
    pictures = rgb_u8.astype(np.float32) / 255
    flow = ImageDataGenerator(**ranges, horizontal_flip=True).flow(pictures, vectors, batch_size=BATCH_SIZE)

    def epoch():
        for index in range(len(flow)):
            moved, vector = flow[index]
            lab = rgb2lab(moved)
            yield (lab[..., :1] / 50 - 1, vector), lab[..., 1:] / 128

    return lambda: all(batch is not None for batch in epoch())


def ours(store, vectors, workers: int = 0):
    """A function that makes every batch of an epoch as `train.py` does."""
    from colorizer.config import TrainConfig
    from colorizer.data import batches

    made = batches.Batches(
        store,
        store.rows,
        vectors=vectors,
        batch_size=BATCH_SIZE,
        generator=batches.generator_of(TrainConfig(dataset="benchmark")),
        shuffle=True,
        workers=workers,
    )

    def epoch():
        made.start_epoch(made._epoch + 1)
        return all(made[index] is not None for index in range(len(made)))

    return epoch


def per_core(store, vectors) -> dict:
    """Both chains on one core, and the least that a core must move for a picture."""
    pictures = store.read(store.rows)
    with cores(1):
        mine, theirs = by_turns(ours(store, vectors), ancestors(pictures, vectors), rounds=3)
        copying = copy_gb_per_second()
    pixels, n = IMAGE_SIZE * IMAGE_SIZE, len(pictures)
    moved = pixels * (3 + 3 + 3 * 4)  # the picture read, warped, and three floats of it written
    return result(
        "pipeline",
        ours_ms_per_image=mine / n * 1e3,
        ancestors_ms_per_image=theirs / n * 1e3,
        ratio=theirs / mine,
        target=20,
        floor={"ms_per_image": moved / copying / 1e6, "copy_gb_per_second": copying},
        images=n,
    )


def scaling(store, vectors) -> dict:
    """Pictures a second by as many threads as cores, on one and on all."""
    everything = len(os.sched_getaffinity(0))
    rates = {}
    for count in (1, everything):
        with cores(count):
            (took,) = by_turns(ours(store, vectors, workers=count), rounds=3)
        rates[count] = len(store) / took
    return result(
        "pipeline:cores",
        images_per_second_by_cores={str(count): rate for count, rate in rates.items()},
        ratio=rates[everything] / rates[1],
        target=0.9 * everything,
    )


def cold(store, vectors) -> dict:
    """An epoch from a file that the operating system has forgotten, against one that it remembers."""
    work = ours(store, vectors, workers=len(os.sched_getaffinity(0)))
    (warm,) = by_turns(work, rounds=3)
    descriptor = os.open(store.path / "pixels.npy", os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    took = seconds(work)
    return result(
        "pipeline:cold",
        warm_images_per_second=len(store) / warm,
        cold_images_per_second=len(store) / took,
        ratio=warm / took,
        note="does not stall training as long as the cold rate is above the network's, see training",
    )


def main(argv=None) -> int:
    """Prints the three lines."""
    from colorizer.data import pixel_store

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=160)
    flags = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder_of(flags.images, Path(temporary, "pictures"), IMAGE_SIZE)
        names = sorted(path.name for path in folder.iterdir())
        pictures = pixel_store.build(folder, names, IMAGE_SIZE, cache=Path(temporary))
        vectors = np.random.default_rng(0).random((flags.images, 1000), np.float32)
        for part in (per_core, scaling, cold):
            say(part(pictures, vectors))
    return 0


if __name__ == "__main__":
    sys.exit(main())
