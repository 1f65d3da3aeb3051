"""Memory that stays flat: over the epochs of a training, a thousand photographs, and an hour of film.

    python -m benchmarks.memory
    python -m benchmarks.memory --epochs 20 --photos 1000 --frames 20000
    python -m benchmarks.memory --only film
    python -m benchmarks.memory --only film --frames 90000 --film-size 64x48 --small-network

Three lines: what the process held after epoch 2 and after the last one; after a tenth of the photos and
after the last one; after a tenth of the frames of a film and after the last one. The target is a growth of less than a
twentieth. The film has 25 frames a second and a cut every 20 seconds; an hour of it is 90,000 frames.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import apart, folder_of, result, rss_mib, say

GROWTH = 0.05
PARTS = ("training", "colorizing", "film")
SHOT = 500  # frames from cut to cut


def parse(argv=None) -> argparse.Namespace:
    """The typed flags. `--measure` is how a process of its own is told what to do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--frames", type=int, default=20000)
    parser.add_argument("--film-size", type=_size, default=(160, 120), metavar="WxH", help="pixels (default: 160x120)")
    parser.add_argument("--small-network", action="store_true", help="for the film: an untrained one of 32x32 pixels")
    parser.add_argument("--only", choices=PARTS, help="one of the three")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _size(text: str) -> tuple[int, int]:
    """ "160x120" -> (160, 120); sides are even."""
    width, _, height = text.partition("x")
    if not (width + height).isdecimal() or int(width) < 16 or int(height) < 16 or int(width) % 2 or int(height) % 2:
        raise argparse.ArgumentTypeError(f"two even numbers from 16 on, such as 160x120. Received: {text}")
    return int(width), int(height)


def training(flags, folder: Path) -> dict:
    """MiB after epoch 2 and after the last, of `training.run` on small pictures."""
    from colorizer import config, methods
    from colorizer.training import loop

    held = []

    class Clock(loop.EpochClock):
        def on_epoch_end(self, epoch, logs=None):
            held.append(rss_mib())

    loop.EpochClock = Clock
    method = methods.get("efficientnet")
    given = {"dataset": str(folder), "classifier": "none", "run": str(folder.parent / "run"), "epochs": flags.epochs}
    loop.run(config.resolve(given | {"image_size": 32, "batch_size": 8}, method))
    return {"early_mib": held[1], "late_mib": held[-1]}


def _small():
    """A colorizer with a small untrained network: what a network needs is not asked for."""
    from colorizer import Colorizer, methods

    method = methods.get("efficientnet")
    return Colorizer(method.build(32), method, image_size=32)


def colorizing(flags, folder: Path) -> dict:
    """MiB after a tenth of the photos and after the last."""
    colorizer = _small()
    paths = sorted(folder.iterdir())
    pairs = [(paths[i % len(paths)], folder.parent / "out" / f"{i}.jpg") for i in range(flags.photos)]
    held = []
    for outcome in colorizer.colorize_files(pairs):
        if outcome.error:
            raise RuntimeError(outcome.error)
        outcome.target.unlink()
        held.append(rss_mib())
    return {"early_mib": held[len(held) // 10], "late_mib": held[-1]}


def film(flags, folder: Path) -> dict:
    """MiB after a tenth of the frames and after the last, with what the whole took at most."""
    import resource
    import time

    from colorizer import Colorizer
    from colorizer.film.colorize import colorize

    source, held, early = folder.parent / "film.mp4", {}, flags.frames // 10

    def watch(done: int) -> None:
        if done in (early, flags.frames):  # a list of all frames would grow by itself
            held[done] = rss_mib()

    _write_film(source, flags.frames, *flags.film_size)
    began = time.perf_counter()
    colorize(_small() if flags.small_network else Colorizer(), source, folder.parent / "color.mp4", progress=watch)
    return {
        "frames": flags.frames,
        "size": "x".join(map(str, flags.film_size)),
        "early_mib": held[early],
        "late_mib": held[flags.frames],
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "frames_per_second": round(flags.frames / (time.perf_counter() - began), 1),
    }


def _write_film(path: Path, frames: int, width: int, height: int) -> None:
    """Pans over a picture of patches, another one in each shot."""
    import av
    import cv2
    import numpy as np

    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            place = number % SHOT
            if place == 0:
                wide = cv2.resize(rng.integers(0, 256, (12, 66), np.uint8), (width + SHOT, height))
            gray = np.ascontiguousarray(wide[:, place : place + width])
            frame = av.VideoFrame.from_ndarray(gray, format="gray").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def main(argv=None) -> int:
    """Prints the lines."""
    argv = sys.argv[1:] if argv is None else argv
    flags = parse(argv)
    if flags.measure:
        part, folder = flags.measure
        say({"training": training, "colorizing": colorizing, "film": film}[part](flags, Path(folder)))
        return 0
    for part, size in zip(PARTS, (64, 512, 64), strict=True):
        if flags.only not in (None, part):
            continue
        with tempfile.TemporaryDirectory() as temporary:
            folder = folder_of(48, Path(temporary, "pictures"), size)
            got = apart("benchmarks.memory", *argv, "--measure", part, folder)
        growth = got["late_mib"] / got["early_mib"] - 1
        ratio = GROWTH / max(growth, 1e-6)
        say(result(f"memory:{part}", **got, growth=growth, ratio=min(ratio, 1e3), target=1.0))
    return 0


if __name__ == "__main__":
    sys.exit(main())
