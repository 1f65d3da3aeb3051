"""Data sets: found, or downloaded, split, and freed of pictures without colour.

`coco`, `coco_train`, `paintings`, `sample`, the test sets `ood` and `bw`, or any folder.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from colorizer import atomic_files, color, photos
from colorizer.data import download
from colorizer.data.cache import cache_dir, once
from colorizer.errors import DataError

NAMES = ("coco", "coco_train", "paintings", "sample", "ood", "bw")
TEST_ONLY = ("ood", "bw")
PARTS = ("train", "val", "test")

# The sample's colour photographs lie in scikit-image's own package, so no network is needed.
# A photograph is in one list only: crops of one overlap.
SAMPLE = {
    "train": ("astronaut.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg", "retina.jpg", "ihc.png"),
    "val": ("motorcycle_left.png",),
    "test": ("chelsea.png",),
}
_SAMPLE_SIDE = 256

_TINY = 64  # shorter side in pixels; enlarged four times and more, a picture is all interpolation
# In Lab units, measured on 7,453 pictures of COCO and paintings: the palest has 7.0 in its 99th percentile
# of chroma and grey JPEG files have 0.1; the residual below is under 1.6 in 5 of them.
_GREY_CHROMA = 4.0
_TONED_RESIDUAL = 1.6


@dataclass(frozen=True)
class Dataset:
    """A data set's files and what they are for.

    Attributes:
        name: as in tables and in a run's record.
        root: the folder.
        train: names relative to `root`, with forward slashes; likewise `val` and `test`.
        split_source: "lists", or how the lists were drawn.
    """

    name: str
    root: Path
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    split_source: str


def find(name: str, data_dir: str | Path | None = None, seed: int = 42) -> Dataset:
    """Finds a data set: in `data_dir`, $COLORIZER_DATA/<name>, the user's cache, or by a download.

    Args:
        name: one of `NAMES`, several of them joined by "+", or a folder of pictures.
        data_dir: the folder itself, or the one that holds it under its name; nothing else is looked at.
        seed: of the split, where there are no lists.

    Returns:
        A `Dataset`. Its lists are <folder>/../splits/<name>_{train,val,test}.txt where they exist, else 90/5/5 of
        the sorted names, shuffled. `ood` and `bw` are test pictures only; a folder of that name is any folder.

    Raises:
        DataError: nothing there, no pictures, or lists that name absent files.

    Source: ours; 90/5/5 as the split lists at hand.
    """
    if "+" in name and set(name.split("+")) <= set(NAMES):
        return _together([find(part, data_dir and Path(data_dir) / part, seed) for part in name.split("+")])
    if name not in NAMES and not Path(name).is_dir():
        raise DataError(
            f"A data set is one of {', '.join(NAMES)}, several of them as in coco+paintings, or a folder that exists. "
            f"Received: {name}"
        )
    root = _folder(name, data_dir)
    if name in TEST_ONLY:
        return Dataset(name, root, (), (), tuple(pictures(root)), "all test")
    name = name if name in NAMES else Path(name).resolve().name
    train, val, test, source = _lists(name, root) or (*_drawn(pictures(root), seed), f"90/5/5, seed {seed}")
    return Dataset(name, root, train, val, test, source)


def _together(parts: Sequence[Dataset]) -> Dataset:
    """Several data sets as one: their lists one after another, relative to a folder that holds all."""
    root = Path(os.path.commonpath([part.root.resolve() for part in parts]))

    def joined(which):
        places = [(part.root.resolve().relative_to(root), getattr(part, which)) for part in parts]
        return tuple((place / name).as_posix() for place, names in places for name in names)

    sources = " + ".join(dict.fromkeys(part.split_source for part in parts))
    return Dataset("+".join(part.name for part in parts), root, *map(joined, PARTS), sources)


def _folder(name: str, data_dir: str | Path | None) -> Path:
    if data_dir is not None:
        if not Path(data_dir).is_dir():
            raise DataError(f"--data-dir must name the folder that holds the pictures. Received: {data_dir}")
        # The folder that holds several sets is not one of them: read as such it would mix them.
        within = Path(data_dir) / name
        return within if name in NAMES and within.is_dir() else Path(data_dir)
    if name not in NAMES:
        return Path(name)
    places = [cache_dir() / "data" / name]
    if own := os.environ.get("COLORIZER_DATA"):
        places.insert(0, Path(own).expanduser() / name)
    for place in places:
        if place.is_dir():
            return place
    if name == "sample":
        return sample()
    if name == "paintings":
        return download.paintings()
    if name in download.COCO:
        return download.coco(name)
    raise DataError(
        f"The data set {name} cannot be downloaded. Name its folder with --data-dir, or set COLORIZER_DATA to the "
        f"folder that holds {name}/. Received: nothing at {' or '.join(map(str, places))}"
    )


def pictures(root: Path) -> list[str]:
    """The pictures in a folder and its subfolders, sorted, relative to it; what starts with a dot is left out.

    Raises:
        DataError: there are none.

    Source: ours.
    """
    names = []
    for folder, inner, here in os.walk(root):
        inner[:] = [i for i in inner if not i.startswith(".")]
        names += [(Path(folder) / n).relative_to(root).as_posix() for n in here if photos.is_photo_name(n)]
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
    lists = [tuple(line.strip() for line in p.read_text("utf-8").splitlines() if line.strip()) for p in paths]
    missing = [n for names in lists for n in names if not (root / n).is_file()]
    if missing:
        raise DataError(
            f"{len(missing):,} of {sum(map(len, lists)):,} files that the lists in {paths[0].parent} name are not in "
            f"{root}; the data set is incomplete, or the lists are another's. Received: no {missing[0]}"
        )
    return (*lists, "lists")


def _drawn(names: Sequence[str], seed: int) -> tuple[tuple[str, ...], ...]:
    """(train, val, test): 90/5/5 of a seeded shuffle; from 3 pictures on, none of them is empty."""
    order = np.random.default_rng(seed).permutation(len(names))
    few = max(int(0.05 * len(names)), 1 if len(names) >= 3 else 0)
    cuts = order[2 * few :], order[:few], order[few : 2 * few]
    return tuple(tuple(names[i] for i in sorted(cut)) for cut in cuts)


def limited(dataset: Dataset, limit: int | None, seed: int = 42) -> Dataset:
    """A smaller copy for trying things out.

    Args:
        dataset: any.
        limit: at most this many training and this many validation pictures; None for all.
        seed: of the choice, the same for the same data set; a larger limit includes a smaller one's.

    Returns:
        A `Dataset`; the test list is untouched.

    Source: ours.
    """
    if limit is None:
        return dataset

    def some(names):
        chosen = np.random.default_rng(seed).permutation(len(names))[:limit]
        return tuple(names[i] for i in sorted(chosen))

    return replace(dataset, train=some(dataset.train), val=some(dataset.val))


def sample() -> Path:
    """Makes the data set `sample` in the user's cache: crops of the photographs scikit-image installs.

    Nine overlapping squares a photograph, of 60 % of its shorter side but no less than 256 pixels, as PNG at
    256x256. The split is by photograph: six to train on, the motorcycle to validate, the cat to test.

    Returns:
        The folder `sample`; its lists lie beside it in `splits`.

    Raises:
        DataError: scikit-image came without its photographs.

    Source: ours: a data set that needs no network.
    """
    folder = cache_dir() / "data" / "sample"

    def make(unfinished: Path) -> None:
        for part, photographs in SAMPLE.items():
            names = [name for file in photographs for name in _crops(file, unfinished)]
            atomic_files.write_text(folder.parent / "splits" / f"sample_{part}.txt", "\n".join(names) + "\n")

    return once(folder, make)


def _crops(file: str, folder: Path) -> list[str]:
    """Writes a 3x3 grid of square crops of one installed photograph; returns their names."""
    path = resources.files("skimage") / "data" / file
    if not path.is_file():
        raise DataError(f"scikit-image should have installed {file}: pip install --force-reinstall scikit-image")
    with path.open("rb") as stream, Image.open(stream) as photograph:
        rgb = photograph.convert("RGB")
    side = max(_SAMPLE_SIDE, int(0.6 * min(rgb.size)))
    names = []
    for index in range(9):
        left, top = ((length - side) * step // 2 for length, step in zip(rgb.size, divmod(index, 3), strict=True))
        crop = rgb.crop((left, top, left + side, top + side)).resize((_SAMPLE_SIDE, _SAMPLE_SIDE), Image.Resampling.BOX)
        names.append(f"{path.stem}_{index}.png")
        crop.save(folder / names[-1])
    return names


def inspect(rgb_u8: np.ndarray, square: np.ndarray | None = None) -> str | None:
    """Why a picture is no use for training on colour, or None.

    Args:
        rgb_u8: (H, W, 3) uint8 sRGB.
        square: the same picture averaged to a smaller size, where that is at hand; it spares averaging it again.

    Returns:
        "tiny" (shorter side under 64), "grey" (no chroma), "toned" (a grey picture printed in one tint:
        L tells the colour), or None.

    Source: ours; thresholds above. In doubt a picture is kept.
    """
    if min(rgb_u8.shape[:2]) < _TINY:
        return "tiny"
    # TRICKY: two ways to 64x64. Averaging silences the noise of JPEG but leaves a tone curve where it bends
    # (burnt-out sepia); picking pixels keeps to the curve. A toned picture passes for one by either.
    height, width = rgb_u8.shape[:2]
    rows, columns = (np.linspace(0, n - 1, _TINY).astype(int) for n in (height, width))
    whole = rgb_u8 if square is None or len(square) < _TINY else square
    averaged = color.rgb_to_lab(cv2.resize(whole, (_TINY, _TINY), interpolation=cv2.INTER_AREA)).reshape(-1, 3)
    if np.percentile(np.hypot(averaged[:, 1], averaged[:, 2]), 99) < _GREY_CHROMA:
        return "grey"
    picked = color.rgb_to_lab(rgb_u8[rows][:, columns]).reshape(-1, 3)
    return "toned" if min(_residual(averaged), _residual(picked)) < _TONED_RESIDUAL else None


def _residual(lab: np.ndarray) -> float:
    """What L leaves unexplained of the colours.

    Args:
        lab: (N, 3) float32.

    Returns:
        RMS distance in Lab units of (a, b) to a curve over L: twelve straight pieces of as many pixels each.
    """
    pieces = lab[np.argsort(lab[:, 0], kind="stable")][: len(lab) // 12 * 12].reshape(12, -1, 3).astype(np.float64)
    pieces -= pieces.mean(axis=1, keepdims=True)
    light, ab = pieces[..., :1], pieces[..., 1:]
    slope = light.swapaxes(1, 2) @ ab / np.maximum(np.square(light).sum(axis=1, keepdims=True), 1e-6)
    return float(np.sqrt(np.square(ab - light * slope).sum() / len(lab)))
