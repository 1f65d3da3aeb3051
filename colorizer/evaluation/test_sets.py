"""The test pictures on this machine: the lists `paintings`, `coco` and `ood`, Figure 5's eight, and one's own.

Evaluation never downloads: it uses only folders that exist already.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from colorizer.config import SPLIT
from colorizer.data import cache, datasets, pixel_store
from colorizer.errors import DataError
from colorizer.evaluation.runs import Run
from colorizer.evaluation.scores import TEST_LISTS

SIDE = 256  # pictures are scored at the paper's size, whatever size a run was trained at
SAMPLE = "sample"  # the data set that needs no download; its test pictures are a list of their own


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures of one test list.

    Attributes:
        name: the list's name.
        images: file names: first those of the list, then those that only Figure 5 needs.
        count: how many of them belong to the list.
        split_source: how the list was made, as in a run's record.
        store: their pixels.
        rows: (len(images),) the row of each in the store.
        runs: names of the only runs that may be scored on it; None for all.
    """

    name: str
    images: list[str]
    count: int
    split_source: str
    store: pixel_store.Store
    rows: np.ndarray
    runs: frozenset[str] | None = None


def roots(runs: Iterable[Run], data_dir: str | Path | None = None) -> Iterator[Path]:
    """Yields the places where coco/, paintings/ and ood/ may lie, the most likely first.

    Args:
        runs: the other lists may lie beside the folders that these were trained from.
        data_dir: from `--data-dir`: that root, or the folder of one list in it.

    Yields:
        Folders; not all need exist.
    """
    if data_dir is not None:
        yield Path(data_dir)
        yield Path(data_dir).resolve().parent
    if root := os.environ.get("COLORIZER_DATA"):
        yield Path(root).expanduser()
    for run in runs:
        if run.config.get("data_dir"):
            yield Path(run.config["data_dir"]).resolve().parent
    yield cache.cache_dir() / "data"


def figure5() -> list[tuple[str, str]]:
    """The eight pictures of Figure 5, (test list, file name) each, from colorizer/figure5.txt."""
    text = resources.files("colorizer").joinpath("figure5.txt").read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split("/", 1)) for line in lines]


def find(
    runs: Sequence[Run], data_dir: str | Path | None = None, limit: int | None = None
) -> tuple[list[Pictures], list[str]]:
    """Finds the test lists that are on this machine.

    Args:
        runs: see `roots`; the test splits of the folders they were trained on become lists too.
        data_dir: see `roots`.
        limit: at most this many of each list, see `datasets.some`; those of Figure 5 are added.

    Returns:
        The lists, and a line for each that is missing.
    """
    places = list(dict.fromkeys(roots(runs, data_dir)))
    lists, notes = [], []
    for name in TEST_LISTS:
        root = next((place for place in places if (place / name).is_dir()), None)
        if root is None:
            notes.append(f"{name}: no pictures here")
            continue
        try:
            lists.append(_of_list(name, root / name, limit, runs))
        except DataError as error:
            notes.append(f"{name}: {root / name} cannot be used: {error}")
    own, own_notes = _own(runs, data_dir, limit)
    return lists + own, notes + own_notes


def sample() -> Pictures:
    """The test pictures of `sample`, which need no download: for a machine without the other lists."""
    data = datasets.find(SAMPLE)
    return _pictures(SAMPLE, data.root, list(data.test), [], data.split_source, keep_gray=True)


def _of_list(name, folder, limit, runs):
    data = datasets.find(name, folder)
    names = datasets.some(data.test, limit)
    extra = [n for test_list, n in figure5() if test_list == name and n in set(data.test) - set(names)]
    # scikit-image's photographs are in `ood` and, as crops, in `sample`.
    allowed = frozenset(r.name for r in runs if SAMPLE not in r.named_sets) if name == "ood" else None
    return _pictures(name, data.root, names, extra, data.split_source, keep_gray=True, runs=allowed)


def _pictures(name, root, names, extra, split_source, keep_gray, runs=None):
    pixels = pixel_store.build(root, [*names, *extra], SIDE, keep_gray=keep_gray)
    names, extra = ([n for n in part if n not in pixels.dropped] for part in (names, extra))
    return Pictures(name, [*names, *extra], len(names), split_source, pixels, pixels.select([*names, *extra]), runs)


def _has_own_list(run) -> bool:
    return run.has_own_pictures or SAMPLE in run.named_sets


def _own(runs, data_dir, limit) -> tuple[list[Pictures], list[str]]:
    """The test splits of `sample` and of folders that runs were trained on; runs with the same split share a list.

    Other runs trained on such a folder are not scored on it: its test pictures may be their training pictures.
    """
    splits, notes = {}, []
    for run in runs:
        if not _has_own_list(run):
            continue
        try:
            own, root, names, source = _own_split(run, data_dir)
        except (DataError, OSError, ValueError, KeyError, TypeError) as error:
            notes.append(f"{run.name}: its own test pictures cannot be used: {error}")
            continue
        splits.setdefault((own, root.resolve(), names, source), []).append(run)
    lists = []
    named = {run.name for run in runs if not _has_own_list(run)}
    for (own, root, names, source), sharing in splits.items():
        taken = {*TEST_LISTS, *(pictures.name for pictures in lists)}
        name = own if own not in taken else f"{own} of {sharing[0].name}"
        here = [n for n in names if (root / n).is_file()]
        if len(here) < len(names):
            notes.append(f"{name}: {len(names) - len(here)} of {len(names)} test pictures are no longer in {root}")
        if not here:
            continue
        try:
            of_runs = frozenset(named | {run.name for run in sharing})
            pictures = _pictures(name, root, datasets.some(here, limit), [], source, keep_gray=False, runs=of_runs)
        except DataError as error:
            notes.append(f"{name}: {root} cannot be used: {error}")
            continue
        if pictures.count:
            lists.append(pictures)
        else:
            notes.append(f"{name}: no test picture in {root} has colors")
    return lists, notes


def _own_split(run, data_dir) -> tuple[str, Path, tuple[str, ...], str]:
    """(name of the list, folder, names of its test pictures, how they were chosen)."""
    if not run.has_own_pictures:
        data = datasets.find(SAMPLE)
        return SAMPLE, data.root, data.test, data.split_source
    source = run.config["data"]["split_source"]
    places = [run.config.get("data_dir"), run.config["dataset"], data_dir and Path(data_dir) / run.trained_on]
    root = next((Path(place) for place in places if place and Path(place).is_dir()), None)
    if root is None:
        raise DataError(f"the folder is not here. Received: {run.config['dataset']}")
    if source == "lists":
        return run.trained_on, root, datasets.find(str(root)).test, source
    split = run.folder / SPLIT
    if not split.is_file():
        raise DataError(f"{split} is missing")
    return run.trained_on, root, tuple(json.loads(split.read_text("utf-8"))["test"]), source
