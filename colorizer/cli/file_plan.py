"""Which photograph goes where: files, folders and patterns as typed -> pairs of source and target."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePath
from typing import NamedTuple, TypeVar

from colorizer import atomic_files, photos
from colorizer.cli.progress import NAME, Existing, Report, is_report
from colorizer.errors import UsageError
from colorizer.inference.batch_files import Outcome

Place = TypeVar("Place", bound=PurePath)


class Plan(NamedTuple):
    """The photographs that a command names.

    Attributes:
        pairs: (source, target) of each photograph.
        unlisted: one line for each folder that cannot be listed, or is a link that is not followed.
        into_folder: whether the output is a folder.
    """

    pairs: list[tuple[Path, Path]]
    unlisted: list[str]
    into_folder: bool


def plan(inputs: list[str], output: str, form: str | None = None) -> Plan:
    """Finds the photographs and names their colored copies.

    Args:
        inputs: files, folders and patterns, as typed.
        output: a file, or a folder.
        form: the format of all copies; None takes the ending of a named file, or each photograph's own format.

    Returns:
        A `Plan`.

    Raises:
        UsageError: an input does not exist or holds no photo, `output` does not suit the inputs,
            cannot be written to, two photos would become one file, or a copy would replace a photo.
    """
    out, unlisted = Path(output), []
    sources = distinct(_sources(inputs, out, unlisted))
    if not sources and not unlisted:
        endings = ", ".join((*photos.EXTENSIONS, *photos.ONLY_READ))
        raise UsageError(f"no photos ({endings}) and no films in {', '.join(inputs)}")
    single = len(sources) == 1 and not Path(inputs[0]).is_dir()
    # A word without an ending, or (for several photos) without a photo's ending, is a folder.
    into_folder = (
        out.is_dir() or output.endswith(("/", os.sep)) or not (out.suffix if single else photos.is_photo_name(out))
    )
    if output == "-":
        raise UsageError("-o - : results are files and do not go to standard output. Name a file or a folder.")
    if into_folder:
        if out.exists() and not out.is_dir():
            raise UsageError(f"-o {output} is a file, and a folder is needed")
        pairs = [(source, out / place_of_copy(place, form)) for source, place in sources]
    elif not single:
        raise UsageError(f"-o {output} names a file; several photos, or a folder of them, need a folder")
    else:
        pairs = [(sources[0][0], _named_file(out, form))]
    check(pairs)
    require_writable(out if into_folder else out.parent, pairs)
    return Plan(pairs, unlisted, into_folder)


def _sources(inputs: list[str], output: Path, unlisted: list[str]) -> Iterator[tuple[Path, Path]]:
    """The photos of all inputs: (file, its place below the output folder, which is not searched itself)."""
    for typed in inputs:
        matches = matches_of(typed, str(output))
        if not matches:
            raise UsageError(f"no such file or folder: {typed}")
        for path in map(Path, matches):
            if is_searched(path, typed):
                if os.path.realpath(path) != os.path.realpath(output):
                    yield from walk(path, str(output), photos.is_photo_name, unlisted)
                elif len(matches) == 1:  # the next run would find its own results
                    raise UsageError(f"-o {output} is the folder of the photos: choose another -o")
            elif len(matches) == 1 or (photos.is_photo_name(path) and path.is_file()):
                yield path, Path(path.name)


def matches_of(typed: str, output: str) -> list[str]:
    """The files and folders that an input names, sorted.

    Args:
        typed: a name or a pattern.
        output: a file, or a folder: of several matches those in it are left out, as results of an earlier run. Where
            all of them are in it, its report and those that this names are left out.

    Returns:
        Names; none where nothing matches.
    """
    if os.path.lexists(typed):
        return [typed]
    matches, folder = sorted(glob.glob(typed, recursive=True)), Path(os.path.realpath(output))
    outside = [match for match in matches if folder not in Path(os.path.realpath(match)).parents]
    report = Report(folder, writes=False)
    results = [match for match in matches if report.names(path := Path(os.path.realpath(match))) or path == report.path]
    return outside or [match for match in matches if match not in results] or matches


def is_searched(path: Path, typed: str) -> bool:
    """Whether a match is a folder to walk through. The pattern ** names what is inside of its folders itself."""
    return path.is_dir() and (str(path) == typed or "**" not in typed)


def walk(
    root: Path, output: str, takes: Callable[[str], bool], unlisted: list[str] | None = None
) -> Iterator[tuple[Path, Path]]:
    """Files of a tree, sorted. Hidden folders are not searched.

    Results of earlier runs, as a `report.csv` in a folder below the root names them, are left out. A report in the root
    itself is not asked, unless the output goes there: who names a folder of results wants them.

    Args:
        root: a folder.
        output: a folder that is not searched, unless it is the root.
        takes: whether a file's name is looked for.
        unlisted: gets one line for each folder that cannot be listed, or is a link to a folder elsewhere: links are
            not followed, since they may lead in a circle.

    Yields:
        Each file, and its place below `root`.
    """

    def note(error: OSError) -> None:  # os.walk would pass over the folder in silence
        if unlisted is not None:
            unlisted.append(f"{error.filename}: cannot be listed: {error.strerror}")

    real_root, output = Path(os.path.realpath(root)), os.path.realpath(output)
    reports: list[Report] = []  # of the folder and those above it
    for folder, subfolders, names in os.walk(root, onerror=note):
        # Not Path.resolve: it raises for a link to itself.
        subfolders[:] = sorted(
            name
            for name in subfolders
            if not name.startswith(".") and os.path.realpath(os.path.join(folder, name)) != output
        )
        for path in (Path(folder) / name for name in subfolders):
            if unlisted is not None and path.is_symlink() and not _overlap(real_root, Path(os.path.realpath(path))):
                unlisted.append(f"{path}: a link to a folder, which is not followed: name that folder as well")
        reports = [report for report in reports if report.path.parent in Path(folder).parents]
        if NAME in names and (Path(folder) != root or str(real_root) == output) and is_report(Path(folder) / NAME):
            reports.append(Report(Path(folder), writes=False))
        for path in (Path(folder) / name for name in sorted(names)):
            if takes(path.name) and not any(report.names(path) for report in reports):
                yield path, path.relative_to(root)


def _overlap(folder: Path, other: Path) -> bool:
    """Whether one of two real folders lies in the other."""
    return folder.is_relative_to(other) or other.is_relative_to(folder)


def distinct(pairs: Iterable[tuple[Path, Path]]) -> list[tuple[Path, Path]]:
    """Drops a file that is named twice, in whatever spelling, and would become the same copy."""
    found: dict[tuple, tuple[Path, Path]] = {}
    for source, place in pairs:
        found.setdefault((identity(source), place), (source, place))
    return list(found.values())


def _named_file(out: Path, form: str | None) -> Path:
    """The named file, if its ending suits."""
    if out.suffix.lower() not in photos.FORMATS:
        raise UsageError(
            f"-o ends in one of {', '.join(photos.EXTENSIONS)}, or in {os.sep} for a folder. Received: {out}"
        )
    if form and photos.FORMATS[out.suffix.lower()] != form.upper():
        raise UsageError(f"--format {form} and -o {out} name two formats: leave one out")
    return out


def place_of_copy(place: Place, form: str | None = None) -> Place:
    """The place of a photograph's copy below the output folder.

    Args:
        place: of the photograph below its own folder; a path of any kind.
        form: the format of all copies; None keeps the photograph's own.

    Returns:
        The same place. Where the format changes, the new ending follows the old one: `a.gif` -> `a.gif.png`, so
        that a copy's name depends on its own photograph alone, whatever `a.png` is added later.
    """
    ending = photos.written_suffix(place)
    if form and photos.FORMATS.get(place.suffix.lower()) != form.upper():
        ending = photos.SUFFIXES[form]
    return place if ending == place.suffix else place.with_name(place.name + ending)


def require_writable(folder: Path, pairs: list[tuple[Path, Path]]) -> None:
    """Refuses an output folder that cannot be made or written to, unless all copies are there already."""
    if all(target.exists() for _, target in pairs):
        return
    if obstacle := atomic_files.obstacle(folder):
        raise UsageError(f"-o: {obstacle}. Received: {folder} as the folder of the results. Choose another -o.")


def check(pairs: Iterable[tuple[Path | str, Path | str]]) -> None:
    """Refuses to replace a photo, or a copy by another copy.

    Args:
        pairs: source and target of each, as paths or addresses.

    Raises:
        UsageError: two photos would become one file, or a copy would replace a photo.
    """
    pairs = list(pairs)
    sources = {identity(source) for source, _ in pairs}
    taken: dict[Path | str, Path | str] = {}
    for source, target in pairs:
        if target in taken:
            raise UsageError(f"{taken[target]} and {source} would both become {target}")
        if identity(target) in sources:
            raise UsageError(f"{target} is one of the photos to colorize: choose another -o")
        taken[target] = source


def identity(path: Path | str) -> tuple[int, int] | str:
    """What two names of one file have in common, also where a file system takes a.jpg and A.JPG for one name."""
    try:
        status = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


class Work(NamedTuple):
    """What a batch has to do.

    Attributes:
        to_do: (source, target) pairs to colorize.
        ended: outcomes that are known already: skipped photographs, and those that must not replace another's copy.
        outdated: targets in `ended` whose photograph has changed since they were made.
    """

    to_do: list[tuple[Path | str, Path | str]]
    ended: list[Outcome]
    outdated: set[Path | str]


def sort_pairs(
    pairs: Iterable[tuple[Path | str, Path | str]],
    existing: Callable[[Path | str, Path | str], Existing | None],
    overwrite: bool,
) -> Work:
    """Splits photographs into those to colorize and those whose result exists.

    Args:
        pairs: source and target of each, as paths or addresses.
        existing: (source, target) -> which photograph the target was made from; None where it does not exist.
        overwrite: whether existing results are replaced.

    Returns:
        A `Work`.
    """
    work = Work([], [], set())
    for source, target in pairs:
        earlier = None if overwrite else existing(source, target)
        if earlier is None:
            work.to_do.append((source, target))
        elif earlier.same:
            work.ended.append(Outcome(source, target, skipped=True))
            if earlier.changed:
                work.outdated.add(target)
        else:
            error = f"{target} was made from {earlier.source}: choose another -o, or replace it with --overwrite"
            work.ended.append(Outcome(source, target, error))
    return work
