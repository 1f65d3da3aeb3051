"""Which photograph goes where: files, folders and patterns as typed -> pairs of source and target."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from colorizer import photos

ENDINGS = {"jpeg": ".jpg", "tiff": ".tif"}  # the other formats are their own endings


def suffix_of(form: str) -> str:
    """The ending of files in a format: "jpeg" -> ".jpg". Source: ours."""
    return ENDINGS.get(form, f".{form}")


def plan(inputs: list[str], output: str, form: str | None = None) -> tuple[list[tuple[Path, Path]], list[str], bool]:
    """Which photo goes where.

    Args:
        inputs: files, folders and patterns, as typed.
        output: a file, or a folder.
        form: the format of all results; None: of a named file its ending's, in a folder the photo's own.

    Returns:
        (source, target) pairs; a line for each folder that cannot be listed; whether `output` is a folder.

    Raises:
        ValueError: an input is not there or holds no photo, `output` does not suit the inputs,
            two photos would become one file, or one would replace another.

    Source: ours.
    """
    out, closed = Path(output), []
    found = list(_find(inputs, out, closed))
    if not found and not closed:
        raise ValueError(f"no photos ({', '.join((*photos.EXTENSIONS, *photos.ONLY_READ))}) in {', '.join(inputs)}")
    one = len(found) == 1 and not Path(inputs[0]).is_dir()
    # A word without an ending, or (for several photos) without a photo's ending, is a folder.
    into = out.is_dir() or output.endswith(("/", os.sep)) or not (out.suffix if one else photos.is_photo_name(out))
    if into:
        if out.is_file():
            raise ValueError(f"-o {output} is a file, and a folder is needed")
        pairs = [(source, out / place) for source, place in places(found, form)]
    elif not one:
        raise ValueError(f"-o {output} names a file; several photos, or a folder of them, need a folder")
    else:
        pairs = [(found[0][0], _named(out, form))]
    _check(pairs)
    return pairs, closed, into


def _find(inputs: list[str], output: Path, closed: list[str]) -> Iterator[tuple[Path, Path]]:
    """The photos of all inputs: (file, its place below the output folder, which is not searched itself)."""
    for typed in inputs:
        matches = [typed] if os.path.exists(typed) else sorted(glob.glob(typed, recursive=True))
        if not matches:
            raise ValueError(f"no such file or folder: {typed}")
        for path in map(Path, matches):
            if path.is_dir() and len(matches) == 1:
                yield from _walk(path, output.resolve(), closed)
            elif len(matches) == 1 or (photos.is_photo_name(path) and path.is_file()):
                yield path, Path(path.name)


def _walk(root: Path, output: Path, closed: list[str]) -> Iterator[tuple[Path, Path]]:
    """The photos of a tree, sorted."""

    def refuse(error: OSError) -> None:  # os.walk would pass over it in silence
        closed.append(f"{error.filename}: cannot be listed: {error.strerror}")

    for folder, subfolders, names in os.walk(root, onerror=refuse):
        subfolders[:] = sorted(s for s in subfolders if (Path(folder) / s).resolve() != output)
        for name in sorted(names):
            if photos.is_photo_name(name):
                yield Path(folder) / name, (Path(folder) / name).relative_to(root)


def _named(out: Path, form: str | None) -> Path:
    """The one file that was named, if its ending suits."""
    if out.suffix.lower() not in photos.FORMATS:
        raise ValueError(
            f"-o ends in one of {', '.join(photos.EXTENSIONS)}, or in {os.sep} for a folder. Received: {out}"
        )
    if form and photos.FORMATS[out.suffix.lower()] != photos.FORMATS[suffix_of(form)]:
        raise ValueError(f"--format {form} and -o {out} name two formats: leave one out")
    return out


def places(found: list, form: str | None = None) -> list:
    """The place of each photo's copy in a folder: its own name, with another ending where the format changes.

    Args:
        found: (photo, its place below the folder) pairs; places are paths of any kind.
        form: the format of all copies, or None.

    Returns:
        (photo, the place of its copy) pairs.

    Source: ours. Where two names then are one (a.gif beside a.png), the one that changed keeps its
    old ending too: a.gif.png.
    """
    own = {place for _, place in found if _ending(place, form) == place.suffix}
    changed = Counter(place.with_suffix(_ending(place, form)) for _, place in found if place not in own)
    pairs = []
    for source, place in found:
        target = place if place in own else place.with_suffix(_ending(place, form))
        if place not in own and (target in own or changed[target] > 1):
            target = place.with_name(place.name + _ending(place, form))
        pairs.append((source, target))
    return pairs


def _ending(place: Path, form: str | None) -> str:
    """The ending of a photo's copy in colour."""
    if form and photos.FORMATS.get(place.suffix.lower()) != photos.FORMATS[suffix_of(form)]:
        return suffix_of(form)
    return photos.written_suffix(place)


def _check(pairs: list[tuple[Path, Path]]) -> None:
    """That no photo is replaced, and no result by another."""
    sources = {source.resolve() for source, _ in pairs}
    taken: dict[Path, Path] = {}
    for source, target in pairs:
        if target in taken:
            raise ValueError(f"{taken[target]} and {source} would both become {target}")
        if target.resolve() in sources:
            raise ValueError(f"{target} is one of the photos to colorize: choose another -o")
        taken[target] = source
