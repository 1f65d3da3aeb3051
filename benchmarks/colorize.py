"""Colorizing photographs: photos a second, the network's share of the time, and memory.

    python -m benchmarks.colorize
    python -m benchmarks.colorize --photos 64 --megapixels 1 12 --huge 100

A line for each number of photos and size, each in a process of its own: JPEGs are read, colorized and written
as `colorize.py` does. The floor is the dearer of the network alone and of decoding and encoding alone on all
cores; where both would overlap for nothing, it is their sum over the cores. Memory is what it rises above the
idle process, which holds the network and has colorized one small photo.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks.measuring import apart, peak_rss_mib, photographs, result, rss_mib, say, seconds

MEMORY_MIB = 400  # over the idle process, for one photo of 12 megapixels and for a folder of them


def parse(argv=None) -> argparse.Namespace:
    """The typed flags. `--measure` is how a process of its own is told what to do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=64, help="in the larger of two folders; the other holds one")
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 12])
    parser.add_argument("--huge", type=float, default=100, help="megapixels of one more photo; 0 for none")
    parser.add_argument("--weights", help="default: the shipped default")
    parser.add_argument("--classifier", default="none", help="default: none, which costs nothing")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def photo_of(megapixels: float, path: Path) -> Path:
    """Writes a JPEG of 4:3 with that many pixels, enlarged from a photograph, with some grain."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    rgb_u8 = cv2.resize(photographs()[0], (height * 4 // 3, height), interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(0).integers(0, 9, (512, 512, 3), np.uint8)
    tiled = np.tile(grain, (height // 512 + 1, rgb_u8.shape[1] // 512 + 1, 1))[:height, : rgb_u8.shape[1]]
    cv2.imwrite(str(path), cv2.add(rgb_u8, tiled)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
    return path


def measure(flags) -> dict:
    """Colorizes one file as often as asked, and says what it took."""
    from colorizer import Colorizer, photos, weights

    path, count = Path(flags.measure[0]), int(flags.measure[1])
    colorizer = Colorizer.load(flags.weights or weights.DEFAULT, flags.classifier)
    for rgb in photographs():  # sizes of batches and shapes compile here
        for batch in (1, 8):
            colorizer.predict_ab([rgb] * batch)
    forward, asked = [], colorizer.predict_ab

    def predict_ab(rgbs):
        began = time.perf_counter()
        answer = asked(rgbs)
        forward.append(time.perf_counter() - began)
        return answer

    colorizer.predict_ab = predict_ab
    idle = rss_mib()
    with tempfile.TemporaryDirectory() as out:
        pairs = [(path, Path(out, f"{i}.jpg")) for i in range(count)]

        def work():
            errors = [outcome.error for outcome in colorizer.colorize_files(pairs) if outcome.error]
            if errors:
                raise RuntimeError(errors[0])

        took = seconds(work)
    peak = peak_rss_mib()
    photo = photos.read(path)
    alone = seconds(lambda: photos.read(path)) + seconds(lambda: photos.write(path.with_suffix(".out.jpg"), photo))
    return {
        "photos_per_second": count / took,
        "network_share": sum(forward) / took,
        "network_photos_per_second": count / sum(forward),
        "decode_encode_seconds": alone,
        "idle_mib": idle,
        "over_idle_mib": peak - idle,
    }


def main(argv=None) -> int:
    """Prints a line for each number of photos and size."""
    import os

    argv = sys.argv[1:] if argv is None else argv
    flags = parse(argv)
    if flags.measure:
        say(measure(flags))
        return 0
    cores = len(os.sched_getaffinity(0))
    cases = [(n, size) for size in flags.megapixels for n in (1, flags.photos)]
    cases += [(1, flags.huge)] if flags.huge else []
    with tempfile.TemporaryDirectory() as temporary:
        for count, size in cases:
            path = photo_of(size, Path(temporary, f"{size:g}.jpg"))
            got = apart("benchmarks.colorize", *argv, "--measure", path, count)
            alone = got.pop("decode_encode_seconds")
            floor = {
                "network_photos_per_second": got["network_photos_per_second"],
                "decode_encode_photos_per_second": cores / alone,
            }
            limited = size == 12
            bound = {"ratio": MEMORY_MIB / max(got["over_idle_mib"], 1), "target": 1.0} if limited else {}
            say(result(f"colorize:{count}x{size:g}MP", **got, floor=floor, **bound))
    return 0


if __name__ == "__main__":
    sys.exit(main())
