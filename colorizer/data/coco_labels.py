"""Class labels of COCO pictures, for the method that learns them beside the colors.

COCO marks many objects in a picture; "Let there be Color!" needs one class for the whole picture. The
category of the largest marked object is used (docs/reproduction_notes.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from colorizer.errors import LabelsError

UNLABELLED = -1  # a picture without annotations


@dataclass(frozen=True)
class Labels:
    """The classes of an annotation file's pictures.

    Attributes:
        path: of the file.
        categories: their names in the order of their ids, 80 for COCO.
        labels: file name of a picture -> an index into the categories.
    """

    path: str | Path
    categories: list[str]
    labels: Mapping[str, int]

    def of(self, names: Sequence[str]) -> np.ndarray:
        """Looks up the class of each picture.

        Args:
            names: file names of the pictures, as in a data set's lists.

        Returns:
            (len(names),) int32, an index into the categories, or `UNLABELLED`.

        Raises:
            LabelsError: the file has none of the pictures.
        """
        found = [self.labels.get(PurePosixPath(name).name, UNLABELLED) for name in names]
        if names and max(found) == UNLABELLED:
            raise LabelsError(
                f"--labels must name the pictures that are trained on. Received: {self.path}, which has none of them"
            )
        return np.array(found, np.int32)


def read(path: str | Path) -> Labels:
    """Reads the class of each picture from a COCO annotation file.

    Args:
        path: `instances_*.json` of COCO (annotations_trainval2017.zip of its site).

    Returns:
        The file's `Labels`.

    Raises:
        LabelsError: the file is no such annotation file.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        categories = sorted((category["id"], category["name"]) for category in content["categories"])
        images = {image["id"]: PurePosixPath(image["file_name"]).name for image in content["images"]}
        index = {identity: i for i, (identity, _) in enumerate(categories)}
        instances = [(images[a["image_id"]], float(a["area"]), index[a["category_id"]]) for a in content["annotations"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabelsError(
            f"--labels is an instances_*.json file of COCO with categories, images and annotations. "
            f"Received: {path} ({type(error).__name__}: {error})"
        ) from error
    largest: dict[str, tuple[float, int]] = {}
    for name, area, label in instances:
        largest[name] = max(largest.get(name, (-1.0, UNLABELLED)), (area, label))
    return Labels(path, [name for _, name in categories], {name: label for name, (_, label) in largest.items()})
