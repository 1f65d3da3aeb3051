"""Films on a Ray cluster: a shot is a chunk.

    find the shots -> one task each: colorize it into a part -> put parts, sound and the rest together

Films lie in folders that all machines see under the same path. Finished shots are not done again.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from colorizer.cli.film import place_of_copy, preview_name
from colorizer.cluster.addresses import local_path
from colorizer.errors import ColorizerError, FilmError, UsageError
from colorizer.film import carry, encoder
from colorizer.film.colorize import VERSION, Settings, colorize_shot, finish, prepare, stamp
from colorizer.film.parts import Parts, ending_of
from colorizer.film.probe import is_film_name, probe, require_av
from colorizer.film.reader import Reader
from colorizer.inference.batch_files import Outcome, reason_of

LEFT_OUT = "films are written to local folders only: choose a local -o for them"


class Shot(NamedTuple):
    """A shot of a film.

    Attributes:
        film: the film's file.
        after: time stamp of the last frame before it; None for the first.
        last: time stamp of its last frame.
    """

    film: str
    after: int | None
    last: int


Run = Callable[[list[tuple[str, str]], Callable], Iterator[Outcome]]


def list_films(source: str, output: str, preview: bool = False) -> list[tuple[Path, Path | str]]:
    """Finds the films of a local tree and names their copies; none in what only fsspec opens.

    Args:
        source: a folder.
        output: another one; what it holds is not colorized.
        preview: whether only the beginnings are colorized.

    Returns:
        (file, file) of each film and of its copy. Where `output` is not local, the copy is an address: no film can be
        written there, see `LEFT_OUT`.
    """
    root, out = Path(local_path(source)), local_path(output)
    if not local_path(source) or not root.is_dir():
        return []
    films = [path for path in sorted(root.rglob("*")) if is_film_name(path) and path.is_file()]
    inside = os.path.realpath(out) + os.sep if out else ""
    if inside.startswith(os.path.join(os.path.realpath(root), "")):
        films = [path for path in films if not os.path.realpath(path).startswith(inside)]
    copies = [place_of_copy(path.relative_to(root)) for path in films]
    copies = [preview_name(copy) for copy in copies] if preview else copies
    into = [Path(out).resolve() / copy if out else f"{output.rstrip('/')}/{copy.as_posix()}" for copy in copies]
    return [(path.resolve(), target) for path, target in zip(films, into, strict=True)]


def colorize_film(
    source: Path,
    target: Path,
    settings: Settings,
    *,
    identity: dict,
    load: Callable,
    run: Run,
    overwrite: bool = False,
) -> Outcome:
    """Colorizes one film, its shots by `run`.

    Args:
        source: the film.
        target: its copy.
        settings: see `Settings`.
        identity: what the colors depend on besides: weights and look.
        load: gives the network, in a worker.
        run: gives pairs of a shot and a part's file to workers; see `colorizer.cluster.colorize.run`.
        overwrite: whether finished shots of other settings or another identity are done again; else the film fails.

    Returns:
        The film's `Outcome`. Where the source ends early it has failed, and `partial_name` has what could be read.
    """
    av = require_av()
    try:
        film = probe(source)
        encoding = prepare(film, target, settings)
        about = {"version": VERSION, "source": stamp(source), **identity}
        about |= {"settings": asdict(settings), "encoding": asdict(encoding), "cluster": True}
        with Parts(target, about, overwrite) as parts:
            reader = Reader(film, settings.deinterlace)
            lasts = [frame.time for frame in carry.shot_ends(reader.frames(until=settings.preview))]
            shots = [Shot(str(source), *times) for times in zip([None, *lasts[:-1]], lasts, strict=True)]
            files = {str(parts.file(number)): shot for number, shot in enumerate(shots)}
            left = [(str(source), file) for file in files if ending_of(Path(file)) is None]

            def work(pairs):
                return [_shot(files[file], file, settings, encoding, load) for _, file in pairs]

            for outcome in run(left, work) if left else ():
                if outcome.error:
                    return Outcome(source, target, outcome.error)
            parts.read()
            result = finish(reader, parts, settings, encoding)
            return Outcome(source, target, result.error, notes=tuple(result.notes))
    except FilmError as error:
        return Outcome(source, target, error.reason)
    except av.error.FFmpegError as error:
        return Outcome(source, target, f"cannot be decoded: {error.strerror}")
    except OSError as error:
        return Outcome(source, target, f"cannot be written: {error.strerror or error}")


def _shot(shot: Shot, file: str, settings: Settings, encoding: encoder.Encoding, load: Callable) -> Outcome:
    """Colorizes a shot, in a worker."""
    try:
        film = probe(shot.film)
        colorize_shot(load(), film, settings, encoding, after=shot.after, last=shot.last, file=Path(file))
    except (FilmError, OSError) as error:
        return Outcome(shot.film, file, getattr(error, "reason", None) or str(error))
    except ColorizerError:  # it concerns all shots
        raise
    except Exception as error:  # of the network or a codec, which may like the next film
        return Outcome(shot.film, file, reason_of(error))
    return Outcome(shot.film, file)


def require(films: list, flags: argparse.Namespace) -> None:
    """Checks what films need before any work.

    Raises:
        UsageError: PyAV is not installed, or a codec does not suit a film's ending.
    """
    if films:
        require_av()
    for _, target in films:
        try:
            encoder.choose(target, flags.codec, flags.crf)
        except ColorizerError as error:
            raise UsageError(f"{target}: {error}") from error
