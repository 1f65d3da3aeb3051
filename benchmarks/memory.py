"""Memory that stays flat: over the epochs of a training, and over a thousand photographs.

    python -m benchmarks.memory
    python -m benchmarks.memory --epochs 20 --photos 1000

Two lines: what the process held after epoch 2 and after the last one; after a tenth of the photos and
after the last one. The target is a growth of less than a twentieth.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import apart, folder_of, result, rss_mib, say

GROWTH = 0.05


def parse(argv=None) -> argparse.Namespace:
    """The typed flags. `--measure` is how a process of its own is told what to do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


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


def colorizing(flags, folder: Path) -> dict:
    """MiB after a tenth of the photos and after the last."""
    from colorizer import Colorizer, methods

    method = methods.get("efficientnet")
    colorizer = Colorizer(method.build(32), method, image_size=32)  # its own memory is not what is asked for
    paths = sorted(folder.iterdir())
    pairs = [(paths[i % len(paths)], folder.parent / "out" / f"{i}.jpg") for i in range(flags.photos)]
    held = []
    for outcome in colorizer.colorize_files(pairs):
        if outcome.error:
            raise RuntimeError(outcome.error)
        outcome.target.unlink()
        held.append(rss_mib())
    return {"early_mib": held[len(held) // 10], "late_mib": held[-1]}


def main(argv=None) -> int:
    """Prints the two lines."""
    argv = sys.argv[1:] if argv is None else argv
    flags = parse(argv)
    if flags.measure:
        part, folder = flags.measure
        say({"training": training, "colorizing": colorizing}[part](flags, Path(folder)))
        return 0
    for part, size in (("training", 64), ("colorizing", 512)):
        with tempfile.TemporaryDirectory() as temporary:
            folder = folder_of(48, Path(temporary, "pictures"), size)
            got = apart("benchmarks.memory", *argv, "--measure", part, folder)
        growth = got["late_mib"] / got["early_mib"] - 1
        ratio = GROWTH / max(growth, 1e-6)
        say(result(f"memory:{part}", **got, growth=growth, ratio=min(ratio, 1e3), target=1.0))
    return 0


if __name__ == "__main__":
    sys.exit(main())
