"""Preparing a data set: the store against decoding and resizing alone, on the same cores.

    python -m benchmarks.store
    python -m benchmarks.store --images 5000 --side 640

What the store does besides (finding gray and toned pictures, writing, being safe to kill) is to cost a
tenth at most. The floor is Pillow's decoder, which the store uses, and the same resizing.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measuring import by_turns, folder_of, result, say

IMAGE_SIZE = 256


def decoded(path: Path) -> np.ndarray:
    """A picture's pixels by Pillow alone: (H, W, 3) uint8, not upright, of whatever profile."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def decode_and_resize(paths, workers: int) -> None:
    """Every picture decoded and made square, and let go."""
    from colorizer import images

    def one(path):
        return images.resize_square(decoded(path), IMAGE_SIZE).shape

    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(one, paths):
            pass


def main(argv=None) -> int:
    """Prints one line."""
    import os

    from colorizer.data import pixel_store

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--side", type=int, default=560, help="of the JPEGs; COCO's have 640x480 pixels")
    flags = parser.parse_args(argv)
    workers = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder_of(flags.images, Path(temporary, "pictures"), flags.side)
        paths = sorted(folder.iterdir())

        def prepare():
            shutil.rmtree(Path(temporary, "stores"), ignore_errors=True)
            pixel_store.build(folder, [path.name for path in paths], IMAGE_SIZE, cache=Path(temporary), workers=workers)

        ours, alone = by_turns(prepare, lambda: decode_and_resize(paths, workers), rounds=3)
    say(
        result(
            "store",
            ours_images_per_second=flags.images / ours,
            floor={"decode_and_resize_images_per_second": flags.images / alone},
            ratio=alone / ours,
            target=0.9,
            images=flags.images,
            workers=workers,
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
