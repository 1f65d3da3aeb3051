"""Photographs with an ImageNet class each: a folder for each class, or a CSV."""

from __future__ import annotations

import csv
import json
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from colorizer.config import CLASSES
from colorizer.data import datasets
from colorizer.errors import LabelsError


class ClassPictures(NamedTuple):
    """Some photographs and their classes.

    Attributes:
        name: for tables: the folder's, or the CSV's.
        root: the folder.
        classes: file relative to it -> class, 0..999.
    """

    name: str
    root: Path
    classes: dict[str, int]


def ids() -> list[str]:
    """The WordNet ids of ImageNet's 1000 classes, in the order of a classifier's scores."""
    text = resources.files("colorizer.classifiers").joinpath("imagenet_ids.json").read_text("utf-8")
    return json.loads(text)


def read(place: str | Path) -> ClassPictures:
    """Reads which photographs there are, and their classes.

    Args:
        place: a folder that holds a folder for each class, or a CSV with the columns `file` (relative to the CSV's
            folder) and `class`. A class is a WordNet id such as n01440764 or a number, 0..999.

    Returns:
        `ClassPictures`, one or more.

    Raises:
        LabelsError: there is none, or a class is none of ImageNet's.
    """
    place = Path(place)
    numbers = {name: number for number, name in enumerate(ids())}
    numbers |= {str(number): number for number in range(CLASSES)}
    if place.is_dir():
        # Folders of other things may lie beside those of classes.
        chosen = {}
        for folder in sorted(path for path in place.iterdir() if path.is_dir() and path.name in numbers):
            chosen |= {f"{folder.name}/{name}": numbers[folder.name] for name in datasets.pictures(folder)}
        if not chosen:
            raise LabelsError(
                f"--classes needs a folder for each class, named by its WordNet id or number, with photographs. "
                f"Received: {place} without any."
            )
        return ClassPictures(place.resolve().name, place, chosen)
    try:
        with open(place, encoding="utf-8-sig", newline="") as file:
            rows = [(row["file"], row["class"].strip()) for row in csv.DictReader(file)]
    except (OSError, KeyError, AttributeError, UnicodeDecodeError, csv.Error) as error:
        raise LabelsError(
            f"--classes takes a folder with a folder for each class, or a CSV with the columns file and class. "
            f"Received: {place} ({type(error).__name__}: {error})"
        ) from error
    unknown = [label for _, label in rows if label not in numbers]
    if unknown or not rows:
        received = f"{place} with the class {unknown[0]!r}" if unknown else f"{place} without a row"
        raise LabelsError(f"A class is a WordNet id of ImageNet's 1000, or 0..999. Received: {received}.")
    return ClassPictures(place.stem, place.parent, {name: numbers[label] for name, label in rows})
