"""Photographs without a truth, as every system colours them.

`python -m colorizer.reporting.figures.side_by_side --help`.

pictures of a list -> each run's weights, in each of its looks -> one row of small pictures each -> a JPEG
                   -> of a run without weights, its kept predictions, where it has any of that list
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
from colorizer.errors import ClassifierError, DataError, PhotoError, WeightsError
from colorizer.evaluation import predictions, runs
from colorizer.inference.colorizer import Colorizer
from colorizer.reporting import tables
from colorizer.reporting.figures import contact_sheets

TILE, ACROSS = 64, 2
GREY = "grey"


class System(NamedTuple):
    """One column.

    Attributes:
        label: what it is called in the title: the run's name, and its look if it has several.
        colorize: (file name, (S, S, 3) uint8 sRGB) -> the same in colour, or None where it has nothing to show.
    """

    label: str
    colorize: Callable[[str, np.ndarray], np.ndarray | None]


def systems(found: Sequence[runs.Run], dataset: str, classifier_spec: str | None) -> Iterator[System]:
    """The columns that recorded runs give.

    Args:
        found: the runs, in order.
        dataset: the list's name, of which a run without weights may have kept predictions.
        classifier_spec: see `Colorizer.load`.

    Yields:
        A `System` for each run, or look of one; what cannot be had is logged and left out.

    Source: ours.
    """
    for run in found:
        folder = weights.of_run(run.folder)
        if folder is None:
            yield System(run.name, _kept(run, dataset))
            continue
        for look in methods.declared(run.method).looks or (None,):
            try:
                colorizer = Colorizer.load(folder, classifier_spec, look)
            except (WeightsError, ClassifierError) as error:
                logging.warning("%s is left out: %s", run.name, error)
                break
            label = f"{run.name}, {look}" if look else run.name
            yield System(label, lambda _, rgb, colorizer=colorizer: colorizer.colorize(rgb))


def _kept(run, dataset):
    """Looks a picture up among a run's kept predictions."""
    names, ab = predictions.read(predictions.file_of(run.folder)).get(dataset, ([], None))

    def colorize(name, rgb):
        if name not in names:
            return None
        return contact_sheets.pair(rgb, predictions.unshrink(ab[names.index(name)]))[1]

    return colorize


def draw(root: Path, names: Sequence[str], columns: Sequence[System]) -> contact_sheets.Picture:
    """A row for each picture: grey, then every system that has something to show of all of them.

    Args:
        root: the folder.
        names: of its pictures.
        columns: from `systems`.

    Returns:
        A JPEG, its columns named in the title.

    Raises:
        PhotoError: a picture cannot be read.

    Source: ours.
    """
    rows, shown = [], [True] * len(columns)
    for name in names:
        rgb = images.resize_square(images.to_uint8(photos.read(root / name).rgb), 256)
        coloured = [system.colorize(name, rgb) for system in columns]
        shown = [before and picture is not None for before, picture in zip(shown, coloured, strict=True)]
        rows.append((color.grey(color.rgb_to_lab(rgb)[..., 0]), coloured))
    groups = [
        contact_sheets.Group([grey, *(picture for picture, has in zip(coloured, shown, strict=True) if has)])
        for grey, coloured in rows
    ]
    labels = [GREY, *(system.label for system, has in zip(columns, shown, strict=True) if has)]
    return contact_sheets.sheet(contact_sheets.in_rows(groups, ACROSS), " | ".join(_short(labels)), TILE)


def _short(labels):
    """A run's name before its first look alone: titles are as wide as the sheet."""
    for before, label in itertools.pairwise(["", *labels]):
        name, _, look = label.partition(", ")
        yield look if look and before.startswith(f"{name}, ") else label


def flags_of(argv) -> argparse.Namespace:
    """The typed flags."""
    parser = argparse.ArgumentParser(
        prog="python -m colorizer.reporting.figures.side_by_side",
        description="Draws photographs of a list as every recorded run colours them.",
        epilog="Exit status: 0 drawn, 1 a list or its pictures are missing or broken, 2 wrong usage.",
    )
    parser.add_argument("--dataset", nargs="+", default=["bw", "ood"], help="lists, or folders (default: bw ood)")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="holds the lists' folders (default: found)")
    parser.add_argument("--runs", type=Path, default=Path("results/runs"), help="(default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("results/figures"), help="(default: %(default)s)")
    parser.add_argument("--classifier", help="of the class vector (default: the recorded one)")
    return parser.parse_args(argv)


def main(argv=None) -> int:
    """Draws a sheet per list. Returns the exit status."""
    flags = flags_of(argv)
    found, _ = runs.read(flags.runs)
    found = tables.in_order(runs.chosen(found).values())
    flags.output.mkdir(parents=True, exist_ok=True)
    for name in flags.dataset:
        try:
            dataset = datasets.find(name, flags.data_dir and flags.data_dir / name)
            names = datasets.pictures(dataset.root)
            path = flags.output / f"side-by-side-{dataset.name}.jpg"
            draw(dataset.root, names, list(systems(found, dataset.name, flags.classifier))).save(path)
        except (DataError, PhotoError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        print(f"{path}: {len(names)} photographs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
