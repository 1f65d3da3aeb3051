"""Data sets: named sets, folders of pictures, and several of them joined; found or downloaded, and split.

A name is `coco`, `coco_train`, `paintings`, `sample`, one of the test sets `ood` and `bw`, or any folder.
`coco+paintings+photos:2` joins three sets; an epoch draws the pictures of the last one twice.
Nothing here imports Keras, so a wrong name is reported at once.
"""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from colorizer import photos
from colorizer.data import download, sample
from colorizer.data.cache import cache_dir
from colorizer.errors import DataError

logger = logging.getLogger(__name__)

NAMES = ("coco", "coco_train", "paintings", "sample", "ood", "bw")
TEST_ONLY = ("ood", "bw")
PARTS = ("train", "val", "test")

_T = TypeVar("_T")
_SEED = 42  # of `some`
_WEIGHT = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True)
class Dataset:
    """A data set's files and what they are for.

    Attributes:
        name: as in tables and in a run's record; without weights.
        root: the folder.
        train: names relative to `root`, with forward slashes; likewise `val` and `test`.
        split_source: "lists", or how the lists were drawn.
        draws: (len(train),) how often an epoch draws each training picture; empty: each once.
    """

    name: str
    root: Path
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    split_source: str
    draws: tuple[float, ...] = ()


class Part(NamedTuple):
    """One of the sets that a name joins.

    Attributes:
        name: one of `NAMES`, or a folder.
        weight: how often an epoch draws each of its training pictures.
    """

    name: str
    weight: float = 1.0


def parts_of(name: str) -> list[Part]:
    """The sets that a name joins.

    Args:
        name: sets joined by "+", each with ":WEIGHT" behind it or not. A folder that exists is one set, whatever
            its name; in a joined name a folder's name cannot have a "+".

    Returns:
        One `Part` or more.

    Raises:
        DataError: a weight is 0.
    """
    if Path(name).is_dir():
        return [Part(name)]
    parts = []
    for text in name.split("+"):
        before, _, weight = text.rpartition(":")
        if not before or not _WEIGHT.fullmatch(weight) or Path(text).is_dir():
            parts.append(Part(text))
        elif float(weight) == 0:
            raise DataError(f"The weight of a data set must be above 0, as in coco+photos:2. Received: {text}")
        else:
            parts.append(Part(before, float(weight)))
    return parts


def absolute(name: str) -> str:
    """The same data set with absolute paths, for a process that begins in another folder."""
    texts = []
    for part in parts_of(name):
        is_folder = part.name not in NAMES and Path(part.name).is_dir()
        place = str(Path(part.name).resolve()) if is_folder else part.name
        texts.append(place if part.weight == 1 else f"{place}:{part.weight:g}")
    return "+".join(texts)


def check(name: str, data_dir: str | Path | None = None, seed: int = 42) -> Dataset | None:
    """Checks, quickly and without a download, that `find` can find a data set.

    Args:
        name: as for `find`.
        data_dir: as for `find`.
        seed: as for `find`.

    Returns:
        What `find` returns; None if some of it is still to be downloaded.

    Raises:
        DataError: as `find`, or the package that downloads the set is missing.
    """
    parts = parts_of(name)
    absent = [part.name for part in parts if _place(part.name, data_dir, len(parts) > 1) is None]
    for part in absent:
        _check_download(part)
    return None if absent else find(name, data_dir, seed)


def is_here(name: str) -> bool:
    """Whether one set can be used without a download; `sample` always can."""
    return name == "sample" or _place(name, None, joined=False) is not None


def missing(names: Sequence[str]) -> str:
    """One line that says which sets are not on this machine and what to do; "" where all are here."""
    absent = [name for name in names if not is_here(name)]
    if not absent:
        return ""
    return (
        f"Not on this machine: {', '.join(absent)}. Set COLORIZER_DATA to the folder that holds "
        f"{', '.join(f'{name}/' for name in absent)}; `python train.py --dataset coco` downloads coco."
    )


def find(name: str, data_dir: str | Path | None = None, seed: int = 42) -> Dataset:
    """Finds a data set: in `data_dir`, $COLORIZER_DATA/<name>, the user's cache, or by a download.

    Args:
        name: one of `NAMES`, a folder of pictures, or several joined, see `parts_of`.
        data_dir: the folder itself, or the one that holds it under its name, of a path the last part; no other place
            is searched.
            Of a joined set it holds every part under its name.
        seed: of the split, where there are no lists.

    Returns:
        A `Dataset`. Its lists are <folder>/../splits/<name>_{train,val,test}.txt where they exist, else 90/5/5 of
        the sorted names, shuffled. `ood` and `bw` are test pictures only; a folder of that name is any folder.

    Raises:
        DataError: nothing is there, no pictures, lists that name absent files, or one picture in two joined sets.
    """
    parts = parts_of(name)
    sets = [_single(part.name, data_dir, seed, len(parts) > 1) for part in parts]
    dataset = _joined(sets) if len(sets) > 1 else sets[0]
    if all(part.weight == 1 for part in parts):
        return dataset
    draws = (part.weight for part, one in zip(parts, sets, strict=True) for _ in one.train)
    return replace(dataset, draws=tuple(draws))


def require_trainable(dataset: Dataset) -> None:
    """Raises DataError where a data set has no picture to train on, or none to validate with."""
    if not dataset.train and dataset.test:
        raise DataError(
            f"{dataset.name} has no picture to train on: {dataset.split_source}, {len(dataset.test)} of them. "
            f"To train on these pictures, name their folder. Received: --dataset {dataset.name}"
        )
    if not dataset.train or not dataset.val:
        raise DataError(
            f"Training needs pictures to train on and others to validate with: three in a folder, or lists with both. "
            f"Received: {len(dataset.train)} and {len(dataset.val)} in {dataset.root} ({dataset.split_source})."
        )


def _single(name: str, data_dir: str | Path | None, seed: int, joined: bool) -> Dataset:
    """`find` for one set; `joined`: it is part of a larger one."""
    root = _place(name, data_dir, joined) or _downloaded(name)
    if name in TEST_ONLY:
        return Dataset(name, root, (), (), tuple(pictures(root)), "all test")
    name = name if name in NAMES else Path(name).resolve().name
    train, val, test, source = _lists(name, root) or (*_drawn(pictures(root), seed), f"90/5/5, seed {seed}")
    return Dataset(name, root, train, val, test, source)


def _joined(parts: Sequence[Dataset]) -> Dataset:
    """Several data sets as one: their lists one after another, relative to a folder that holds all."""
    roots = [part.root.resolve() for part in parts]
    try:
        root = Path(os.path.commonpath(roots))
    except ValueError as error:  # two drives of Windows
        raise DataError(f"Joined data sets must be on one drive. Received: {', '.join(map(str, roots))}") from error

    def names_of(which):
        places = [(place.relative_to(root), getattr(part, which)) for place, part in zip(roots, parts, strict=True)]
        return tuple((place / name).as_posix() for place, names in places for name in names)

    lists = [names_of(which) for which in PARTS]
    twice = [name for name, count in Counter(name for names in lists for name in names).items() if count > 1]
    if twice:
        raise DataError(
            f"Joined data sets must not share pictures: one could be in the training and in the test list. "
            f"Received: {len(twice):,} in two sets, such as {root / twice[0]}"
        )
    sources = " + ".join(dict.fromkeys(part.split_source for part in parts))
    return Dataset("+".join(part.name for part in parts), root, *lists, sources)


def _place(name: str, data_dir: str | Path | None, joined: bool) -> Path | None:
    """The folder of one set; None for one of `NAMES` that is not on this machine."""
    is_folder = name not in NAMES and Path(name).is_dir()
    if data_dir is None:
        places = [Path(name)] if is_folder else list(_places(name))
    elif not Path(data_dir).is_dir():
        raise DataError(f"--data-dir must name the folder that holds the pictures. Received: {data_dir}")
    else:
        # The name alone: a run's record keeps the path where its pictures lay, and they may lie here now.
        own, last = Path(data_dir), Path(name).name
        places = [own / last]
        if joined:
            places += [Path(name)] if is_folder else []
        elif is_folder or name in NAMES or own.name == last:
            places.append(own)
            _refuse_mixture(name, own)
    place = next((place for place in places if place.is_dir()), None)
    if place is None and data_dir is not None and joined:
        raise DataError(
            f"--data-dir must hold each of the joined data sets under its name. Received: no {name} in {data_dir}"
        )
    if place is None and name not in NAMES:
        raise DataError(
            f"A data set is one of {', '.join(NAMES)}, or a folder that exists, or several of them joined as in "
            f"coco+paintings or coco+path/to/photos:2. Received: {name}"
        )
    return place


def _refuse_mixture(name: str, folder: Path) -> None:
    """Raises DataError for a folder that holds other sets than this one: read as this one it would mix them."""
    others = [other for other in NAMES if other != name and (folder / other).is_dir()]
    if name in NAMES and others and not (folder / name).is_dir():
        raise DataError(
            f"--data-dir must name the folder of {name}, or the one that holds {name}/. Received: {folder}, "
            f"which holds {', '.join(f'{other}/' for other in others)}"
        )


def _places(name: str) -> Iterator[Path]:
    """Where a set is searched by its name, in this order."""
    if Path(name).name != name:
        return  # a path, not a name
    if own := os.environ.get("COLORIZER_DATA"):
        yield Path(own).expanduser() / name
    yield cache_dir() / "data" / name


def _check_download(name: str) -> None:
    """Raises DataError if one of `NAMES` that is not on this machine cannot be had, as far as is known offline."""
    if name == "paintings":
        download.check_kagglehub()
    if name in TEST_ONLY:
        raise DataError(
            f"The data set {name} cannot be downloaded. Name its folder with --data-dir, or set COLORIZER_DATA to the "
            f"folder that holds {name}/. Received: nothing at {' or '.join(map(str, _places(name)))}"
        )


def _downloaded(name: str) -> Path:
    """The folder of one of `NAMES` that is not on this machine yet."""
    if name == "sample":
        return sample.make()
    if name == "paintings":
        return download.paintings()
    _check_download(name)
    return download.coco(name)


def pictures(root: Path) -> list[str]:
    """The pictures in a folder and its subfolders, sorted, relative to it, without hidden files and folders.

    Links that lead nowhere are left out. So are folders that cannot be opened, with a warning.

    Raises:
        DataError: there are none.
    """

    def note(error: OSError) -> None:  # os.walk would pass over the folder in silence
        logger.warning("Left out: %s cannot be opened (%s)", error.filename, error.strerror)

    names = []
    for folder, inner, files in os.walk(root, onerror=note):
        inner[:] = [i for i in inner if not i.startswith(".")]
        paths = (Path(folder) / n for n in files if photos.is_photo_name(n))
        names += [path.relative_to(root).as_posix() for path in paths if not path.is_symlink() or path.exists()]
    if not names:
        raise DataError(f"A data set needs pictures ({', '.join(photos.EXTENSIONS)}). Received: none in {root}")
    return sorted(names)


def _lists(name: str, root: Path) -> tuple | None:
    """(train, val, test, "lists") from the split lists beside the folder, or None where there are none."""
    paths = [root.resolve().parent / "splits" / f"{name}_{part}.txt" for part in PARTS]
    absent = [path.name for path in paths if not path.is_file()]
    if len(absent) == len(paths):
        return None
    if absent:
        raise DataError(f"Split lists come in threes, {paths[0].parent}. Received: no {' and no '.join(absent)}")
    lists = [read_list(path) for path in paths]
    missing = [n for names in lists for n in names if not (root / n).is_file()]
    if missing:
        raise DataError(
            f"{len(missing):,} of {sum(map(len, lists)):,} files that the lists in {paths[0].parent} name are not in "
            f"{root}; the data set is incomplete, or the lists belong to another. Received: no {missing[0]}"
        )
    return (*lists, "lists")


def read_list(path: Path) -> tuple[str, ...]:
    """The names in a text file, one a line, without empty lines and without the mark that Windows' editors begin with.

    Names that are not UTF-8 are read as the file system gives them.
    """
    lines = path.read_text("utf-8-sig", errors="surrogateescape").split("\n")
    return tuple(line.strip() for line in lines if line.strip())


def _drawn(names: Sequence[str], seed: int) -> tuple[tuple[str, ...], ...]:
    """(train, val, test): 90/5/5 of a seeded shuffle; from 3 pictures on, none of them is empty."""
    order = np.random.default_rng(seed).permutation(len(names))
    few = max(int(0.05 * len(names)), 1 if len(names) >= 3 else 0)
    cuts = order[2 * few :], order[:few], order[few : 2 * few]
    return tuple(tuple(names[i] for i in sorted(cut)) for cut in cuts)


def some(items: Sequence[_T], limit: int | None) -> list[_T]:
    """A random choice, the same for every call with as many items; a larger limit includes a smaller one's.

    Args:
        items: any.
        limit: at most this many; None for all.

    Returns:
        The chosen ones in their order.
    """
    if limit is None:
        return list(items)
    return [items[i] for i in sorted(np.random.default_rng(_SEED).permutation(len(items))[:limit])]


def limited(dataset: Dataset, limit: int | None) -> Dataset:
    """A smaller copy for trying things out.

    Args:
        dataset: any.
        limit: at most this many training and this many validation pictures, see `some`; None for all.

    Returns:
        A `Dataset`; the test list is untouched.
    """
    if limit is None:
        return dataset
    # As many draws as training pictures: `some` chooses those of the chosen pictures.
    train, val, draws = (tuple(some(items, limit)) for items in (dataset.train, dataset.val, dataset.draws))
    return replace(dataset, train=train, val=val, draws=draws)
