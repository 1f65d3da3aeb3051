"""Photographs without a truth, colorized by every run: `python -m colorizer.reporting.figures.side_by_side --help`.

A row per photograph: gray, then each run's weights in each look; a run without weights uses its predictions.npz.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from colorizer import color, images, methods, photos, weights
from colorizer.data import datasets
from colorizer.errors import ClassifierError, ColorizerError, EvaluationError, WeightsError
from colorizer.evaluation import predictions, runs
from colorizer.inference.colorizer import Colorizer
from colorizer.reporting import tables
from colorizer.reporting.figures import contact_sheets

TILE, ACROSS = 64, 2
GRAY = "gray"


class System(NamedTuple):
    """One column.

    Attributes:
        label: for the title: the run's name, and its look if it has several.
        colorize: (file name, (S, S, 3) uint8 sRGB) -> the same in color, or None without a prediction.
    """

    label: str
    colorize: Callable[[str, np.ndarray], np.ndarray | None]


def systems(finished: Sequence[runs.Run], dataset: str, classifier_spec: str | None) -> Iterator[System]:
    """Makes a column of each recorded run, and of each of its looks.

    Args:
        finished: the runs, in order.
        dataset: the list's name, of which a run without weights may have predictions.
        classifier_spec: see `Colorizer.load`.

    Yields:
        A `System` each; runs that cannot be loaded are logged and left out.
    """
    for run in finished:
        folder = weights.of_run(run.folder)
        if folder is None:
            yield System(run.name, _recorded(run, dataset))
            continue
        for look in methods.declared(run.method).looks or (None,):
            try:
                colorizer = Colorizer.load(folder, classifier_spec, look, "keras")
            except (WeightsError, ClassifierError) as error:
                logging.warning("%s is left out: %s", run.name, error)
                break
            label = f"{run.name}, {look}" if look else run.name
            yield System(label, lambda _, rgb, colorizer=colorizer: colorizer.colorize(rgb))


def _recorded(run, dataset):
    """Finds a picture's prediction in a run's predictions.npz."""
    names, ab = predictions.read(predictions.file_of(run.folder)).get(dataset, ([], None))

    def colorize(name, rgb):
        if name not in names:
            return None
        return contact_sheets.pair(rgb, predictions.unshrink(ab[names.index(name)]))[1]

    return colorize


def draw(root: Path, names: Sequence[str], columns: Sequence[System]) -> contact_sheets.Picture:
    """Draws a row per picture: gray, then every system that has predictions of all of them.

    Args:
        root: the folder.
        names: of its pictures.
        columns: from `systems`.

    Returns:
        A JPEG, its columns named in the title.

    Raises:
        PhotoError: a picture cannot be read.
    """
    rows, complete = [], [True] * len(columns)
    for name in names:
        rgb = images.resize_square(images.to_uint8(photos.read(root / name).rgb), 256)
        colorized = [system.colorize(name, rgb) for system in columns]
        complete = [before and picture is not None for before, picture in zip(complete, colorized, strict=True)]
        rows.append((color.gray(color.rgb_to_lab(rgb)[..., 0]), colorized))
    groups = [
        contact_sheets.Group([gray, *(picture for picture, has in zip(colorized, complete, strict=True) if has)])
        for gray, colorized in rows
    ]
    labels = [GRAY, *(system.label for system, has in zip(columns, complete, strict=True) if has)]
    return contact_sheets.sheet(contact_sheets.in_rows(groups, ACROSS), " | ".join(_short(labels)), TILE)


def _short(labels):
    """A run's name stands before its first look only: titles are as wide as the sheet."""
    for before, label in itertools.pairwise(["", *labels]):
        name, _, look = label.partition(", ")
        yield look if look and before.startswith(f"{name}, ") else label


def flags_of(argv) -> argparse.Namespace:
    """The typed flags."""
    parser = argparse.ArgumentParser(
        prog="python -m colorizer.reporting.figures.side_by_side",
        description="Draws photographs of a list, colorized by every recorded run.",
        epilog="Exit status: 0 done, 2 wrong usage, or missing or broken pictures.",
    )
    parser.add_argument("--dataset", nargs="+", default=["bw", "ood"], help="lists, or folders (default: bw ood)")
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="holds the lists' folders (default: $COLORIZER_DATA, then the cache)",
    )
    parser.add_argument("--runs", type=Path, default=Path("results/runs"), help="(default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("results/figures"), help="(default: %(default)s)")
    parser.add_argument("--classifier", metavar="FILE|NAME", help="for the class vector (default: the recorded one)")
    return parser.parse_args(argv)


def main(argv=None) -> int:
    """Draws a sheet per list. Returns the exit status."""
    flags = flags_of(argv)
    try:
        if not flags.runs.is_dir():
            raise EvaluationError(f"--runs needs a folder with a folder per run. Received: {flags.runs}, not there.")
        finished = tables.in_order(runs.representatives(runs.read(flags.runs)[0]).values())
        flags.output.mkdir(parents=True, exist_ok=True)
        for name in flags.dataset:
            dataset = datasets.find(name, flags.data_dir and flags.data_dir / name)
            names = datasets.pictures(dataset.root)
            path = flags.output / f"side-by-side-{dataset.name}.jpg"
            draw(dataset.root, names, list(systems(finished, dataset.name, flags.classifier))).save(path)
            print(f"{path}: {len(names)} photographs")
    except ColorizerError as error:
        print(f"side_by_side: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
