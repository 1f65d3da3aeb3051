"""A folder of photographs on a Ray cluster of this machine's cores, and in one process: `docs/scaling.md`.

    python -m benchmarks.cluster
    python -m benchmarks.cluster --photos 64 1000 --rounds 3

Whole commands by turns, from the shell to the last written file, on two folders of 512x512 JPEGs. What the larger
folder takes longer, over its photographs more, is the rate without start-up; the rest of the smaller one's time is
start-up. To plan for many machines multiply the rate of a core by their cores.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.engines import run
from benchmarks.measuring import folder_of, result, say, seconds

TARGET = 0.9  # of one process' rate with as many cores: what handing out tasks may cost
WORDS = {"one_process": (), "cluster": ("cluster", "colorize")}  # after `python -m colorizer`


def parse(argv=None) -> argparse.Namespace:
    """The typed flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, nargs=2, default=[64, 320], help="in two folders (default: 64 320)")
    parser.add_argument("--rounds", type=int, default=2, help="default: %(default)s")
    return parser.parse_args(argv)


def command(words: tuple[str, ...], source: Path, out: Path) -> list[str]:
    """What a person types."""
    return [sys.executable, "-m", "colorizer", *words, str(source), "-o", str(out), "--overwrite"]


def rates(counts: list[int], least: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Photographs a second without start-up, and seconds of start-up, of each way.

    Args:
        counts: of photographs in the two folders.
        least: way -> seconds of the two folders.
    """
    few, many = counts
    per_second = {way: (many - few) / (long - short) for way, (short, long) in least.items()}
    start = {way: short - few / per_second[way] for way, (short, _) in least.items()}
    return {"photos_per_second": per_second, "start_up_seconds": start}


def main(argv=None) -> int:
    """Prints one line."""
    flags = parse(argv)
    taken: dict[str, list[list[float]]] = {way: [[], []] for way in WORDS}
    with tempfile.TemporaryDirectory() as folder:
        sources = [folder_of(count, Path(folder, str(count))) for count in flags.photos]
        for _ in range(flags.rounds):
            for way, words in WORDS.items():
                for source, times in zip(sources, taken[way], strict=True):
                    line = command(words, source, Path(folder, "out"))
                    times.append(seconds(lambda line=line: run(line)))
    measured = rates(flags.photos, {way: [min(times) for times in both] for way, both in taken.items()})
    per_second = measured["photos_per_second"]
    cores = len(os.sched_getaffinity(0))
    ratio = per_second["cluster"] / per_second["one_process"]
    per_core = per_second["cluster"] / cores
    say(result("cluster", **measured, photos_per_second_and_core=per_core, cores=cores, ratio=ratio, target=TARGET))
    return 0


if __name__ == "__main__":
    sys.exit(main())
