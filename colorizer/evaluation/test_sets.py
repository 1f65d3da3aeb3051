"""The test pictures on this machine: the lists `paintings`, `coco` and `ood`, and the eight of Figure 5.

Only folders that are there already are looked at: evaluation never downloads.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from colorizer.data import cache, datasets, pixel_store
from colorizer.errors import DataError
from colorizer.evaluation.runs import TEST_LISTS, Run

SIDE = 256  # pictures are scored at the paper's size, whatever size a run was trained at


@dataclass(frozen=True)
class Pictures:
    """The pictures of one test list.

    Attributes:
        name: the list's name.
        images: file names: first those of the list, then those that only Figure 5 needs.
        listed: how many of them belong to the list.
        split_source: how the list was made, as in a run's record.
        store: their pixels.
        rows: (len(images),) where in the store each is.
    """

    name: str
    images: list[str]
    listed: int
    split_source: str
    store: pixel_store.Store
    rows: np.ndarray


def roots(found: Iterable[Run], data_dir: str | Path | None = None) -> Iterator[Path]:
    """Where coco/, paintings/ and ood/ may lie, in the order they are looked for.

    Args:
        found: the runs; beside the folders they were trained from the other lists may stand.
        data_dir: named by a person: that root, or the folder of one list in it.

    Yields:
        Folders; not all need exist.

    Source: DESIGN, "Data at hand".
    """
    if data_dir is not None:
        yield Path(data_dir)
        yield Path(data_dir).resolve().parent
    if own := os.environ.get("COLORIZER_DATA"):
        yield Path(own).expanduser()
    for run in found:
        if run.config.get("data_dir"):
            yield Path(run.config["data_dir"]).resolve().parent
    yield cache.cache_dir() / "data"


def figure5() -> list[tuple[str, str]]:
    """The eight pictures of Figure 5, (test list, file name) each, from figure5.txt. Source: ours, see there."""
    text = resources.files("colorizer").joinpath("figure5.txt").read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split("/", 1)) for line in lines]


def find(
    found: Iterable[Run], data_dir: str | Path | None = None, limit: int | None = None
) -> tuple[list[Pictures], list[str]]:
    """Finds the test lists that are on this machine.

    Args:
        found: the runs, see `roots`.
        data_dir: see `roots`.
        limit: at most this many of each list, a seeded choice; those of Figure 5 come on top.

    Returns:
        The lists there are, and a line for each that is missing.

    Source: ours.
    """
    places = list(dict.fromkeys(roots(found, data_dir)))
    lists, lines = [], []
    for name in TEST_LISTS:
        root = next((place for place in places if (place / name).is_dir()), None)
        if root is None:
            lines.append(f"{name}: its pictures are not here; recorded rows are kept")
            continue
        try:
            lists.append(_open(name, root / name, limit))
        except DataError as error:
            lines.append(f"{name}: {root / name} cannot be used; recorded rows are kept: {error}")
    return lists, lines


def _open(name, folder, limit):
    data = datasets.find(name, folder)
    names = list(data.test)
    if limit is not None:
        names = [names[i] for i in sorted(np.random.default_rng(42).permutation(len(names))[:limit])]
    extra = [n for test_list, n in figure5() if test_list == name and n in set(data.test) - set(names)]
    pixels = pixel_store.build(data.root, [*names, *extra], SIDE, keep_gray=True)
    names, extra = ([n for n in part if n not in pixels.dropped] for part in (names, extra))
    return Pictures(name, [*names, *extra], len(names), data.split_source, pixels, pixels.select([*names, *extra]))
