"""Which encoder, and which pictures? Decoders trained from scratch on as many samples, scored on validation pictures.

    python -m experiments.encoders --photographs FOLDER --output runs/encoders > results/experiments/encoders.jsonl

    case --> training.long, frozen encoder --> cooldown --> PSNR of each picture --> minus the first case

A line for each case and list: means, and the paired difference in PSNR to the first case with its 95 % interval. The
look is the accurate one. A case that is finished is not trained again, so the same command goes on after a kill.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from colorizer import weights
from colorizer.data import datasets
from colorizer.evaluation import metrics, statistics
from colorizer.methods.vit_decoder import LOOKS, ViTDecoder
from colorizer.training.long import run_files
from experiments import validation

LISTS = ("coco", "paintings")
MEASURES = ("psnr_rgb", "ciede2000", "colourfulness")
COOLDOWN = 4  # the rate falls to zero in this part of the samples, one in so many


class Case(NamedTuple):
    """One training.

    Attributes:
        encoder: what `--encoder` of `colorizer.training.long` takes.
        sets: which pictures it is trained on.
    """

    encoder: str
    sets: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of the run's folder."""
        return f"{self.encoder}-{'+'.join(self.sets)}"


ALL = ("coco", "paintings", "photographs")
CASES = (
    Case("dinov2_small", ALL),
    Case("efficientnet_lite2", ALL),
    Case("mobilenet_edgetpu", ALL),
    Case("dinov2_small", ("coco",)),
)


def set_flags(sets: tuple[str, ...], photographs: Path, output: Path, data_dir: str | None) -> list[str]:
    """The flags of `colorizer.training.long` that name the training's sets; lists of names are written to `output`."""
    flags = []
    for name in sets:
        if name == "photographs":
            flags += ["--set", f"{name}={photographs}*2"]
            continue
        dataset = datasets.find(name, data_dir)
        names = output / f"{name}.txt"
        names.write_text("\n".join(dataset.train), encoding="utf-8")
        flags += ["--set", f"{name}={dataset.root}@{names}"]
    return flags


def train(case: Case, sets: list[str], flags: argparse.Namespace) -> Path:
    """Trains a case to its end, or resumes it; returns the folder of its exported network."""
    # Another number of samples, or another seed, is another training.
    name = f"{case.name}-{flags.samples}-seed{flags.seed}"
    run, exported = flags.output / name, flags.output / "exported" / name
    cooldown = flags.samples // COOLDOWN
    training = [*sets, "--seed", str(flags.seed), "--feature-cache", str(flags.output / "features" / case.name)]
    constant, falling = ["--samples", str(flags.samples - cooldown)], ["--cooldown", str(cooldown)]
    steps = (
        (run, [*training, *constant]),
        (run, [*training, *falling]),
        (run / run_files.COOLDOWN, ["--export", str(exported)]),
    )
    if not (exported / weights.RECORD).is_file():
        for place, more in steps:
            command = [sys.executable, "-m", "colorizer.training.long", "--run", str(place), "--encoder", case.encoder]
            subprocess.run([*command, *more], check=True, stdout=sys.stderr)  # standard output is the record
    return exported


def scores(exported: Path, pictures: dict[str, np.ndarray]) -> dict[str, list[dict[str, float]]]:
    """The scores of each validation picture of each list in the accurate look."""
    trained, rows = weights.load(str(exported)), {}
    for name, rgb_u8 in pictures.items():
        logits, l_norm = validation.logits_of(trained, rgb_u8)
        coarse = validation.decoded(logits, LOOKS["accurate"])
        ab_norm_hat = validation.smoothed(l_norm, coarse, logits, ViTDecoder.smoothing)
        pairs = zip(rgb_u8, ab_norm_hat, strict=True)
        rows[name] = [metrics.score(rgb, cv2.resize(ab, rgb.shape[1::-1])) for rgb, ab in pairs]
    return rows


def lines(case: Case, rows: dict[str, list], base: dict[str, list], samples: int) -> Iterator[dict]:
    """A line for each list.

    Args:
        case: of the rows.
        rows: from `scores`.
        base: the first case's.
        samples: of the training.
    """
    for name, own in rows.items():
        line = {"encoder": case.encoder, "sets": "+".join(case.sets), "samples": samples}
        line |= {"dataset": name, "pictures": len(own)}
        line |= {measure: round(float(np.mean([row[measure] for row in own])), 4) for measure in MEASURES}
        if own is not base[name]:
            gaps = [row["psnr_rgb"] - other["psnr_rgb"] for row, other in zip(own, base[name], strict=True)]
            ends = (float(np.mean(gaps)), *statistics.bootstrap_interval(gaps))
            line |= {key: round(float(end), 4) for key, end in zip(("minus_base", "low", "high"), ends, strict=True)}
        yield line


def main(argv=None) -> int:
    """Trains what is missing and prints a line for every case and list; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.encoders", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photographs", type=Path, required=True, help="a folder of photographs, beside the data sets")
    parser.add_argument("--output", type=Path, required=True, help="the runs' folder; what is in it is not done again")
    parser.add_argument("--data-dir", help="see train.py")
    parser.add_argument("--samples", type=int, default=16_000, help="of each training (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=125, help="pictures of each list (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=42)
    flags = parser.parse_args(argv)
    flags.output.mkdir(parents=True, exist_ok=True)
    pictures, base = validation.pictures(LISTS, flags.limit), None
    for case in CASES:
        sets = set_flags(case.sets, flags.photographs, flags.output, flags.data_dir)
        rows = scores(train(case, sets, flags), pictures)
        base = base or rows
        for line in lines(case, rows, base, flags.samples):
            print(json.dumps(line), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
