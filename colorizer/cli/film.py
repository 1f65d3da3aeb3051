"""Films on the command line: which inputs are films, where each goes, progress, and what is said at the end."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from colorizer.errors import ColorizerError, FilmError, UsageError

if TYPE_CHECKING:
    from colorizer.film.colorize import Interrupted, Result, Settings
    from colorizer.film.encoder import Encoding
    from colorizer.film.probe import Film
    from colorizer.inference.batch_files import Outcome
    from colorizer.inference.colorizer import Colorizer

# Endings of containers that hold no H.264, or lose its time stamps; a folder's copies of them are Matroska.
OLD_ENDINGS = (".avi", ".mpg", ".mpeg", ".m2v", ".vob", ".wmv", ".asf", ".ogv", ".mxf", ".dv")
LINE_EVERY = 30  # seconds between lines of progress where there is no terminal
CONTINUE = "Run the same command again to continue."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of films."""
    add = parser.add_argument_group("films (extra [film])").add_argument
    add("--codec", default="h264", metavar="NAME", help="h264, hevc, vp9, av1 or an encoder (default: %(default)s)")
    add("--crf", type=int, default=18, metavar="N", help="quality, 0..51, less is better (default: %(default)s)")
    add("--preview", type=float, metavar="SECONDS", help="colorize only the beginning, into NAME.preview.mp4")
    add("--deinterlace", action="store_true", help="make one frame of the two fields of an interlaced film")


def check_options(parser: argparse.ArgumentParser, flags: argparse.Namespace) -> None:
    """Exits with 2 where a number of `add_options` is out of range."""
    if not 0 <= flags.crf <= 51:
        parser.error(f"--crf lies between 0 and 51. Received: {flags.crf}")
    if flags.preview is not None and not 0 < flags.preview < float("inf"):
        parser.error(f"--preview is more than 0 seconds. Received: {flags.preview}")


def is_installed() -> bool:
    """Whether PyAV is installed, without which there are no films."""
    from colorizer.film.probe import require_av

    with contextlib.suppress(UsageError):
        return bool(require_av())
    return False


class Films(NamedTuple):
    """The films among the inputs.

    Attributes:
        typed: films that are named, also by a pattern.
        listed: films of folders, each with its place below its folder.
        others: the inputs, as typed, that hold anything else.
        unlisted: a line for each folder that cannot be listed or is a link, of inputs that are not among `others`.
    """

    typed: list[Path]
    listed: list[tuple[Path, Path]]
    others: list[str]
    unlisted: list[str]


def split(inputs: list[str], output: str) -> Films:
    """Separates films from everything else. A folder is searched for both; results in `output` are left out.

    A film that is named twice is there once.
    """
    from colorizer import photos
    from colorizer.cli import file_plan
    from colorizer.film.probe import is_film_name

    films = Films([], [], [], [])
    for typed in inputs:
        matches = [Path(match) for match in file_plan.matches_of(typed, output)]
        folders = [path for path in matches if file_plan.is_searched(path, typed)]
        files = [path for path in matches if not path.is_dir()]
        if len(matches) > 1:
            files = [path for path in files if not _is_unfinished(path, output)]
        named = [path for path in files if is_film_name(path.name)]
        unlisted: list[str] = []
        below = [pair for folder in folders for pair in file_plan.walk(folder, output, is_film_name, unlisted)]
        below = [pair for pair in below if not _is_unfinished(pair[0], output)]
        films.typed.extend(named)
        films.listed.extend(below)
        # Folders of films alone are no folders without photos.
        has_photos = any(any(file_plan.walk(folder, output, photos.is_photo_name)) for folder in folders)
        if has_photos or len(named) < len(files) or not (named or below):
            films.others.append(typed)
        else:  # those of the others are named with the photos
            films.unlisted.extend(unlisted)
    return films._replace(**{name: list(dict.fromkeys(lines)) for name, lines in films._asdict().items()})


def _is_unfinished(path: Path, output: str) -> bool:
    """Whether a film has the name of a preview or a part that an earlier run left in the output folder."""
    unfinished = path.with_suffix("").suffix in (".part", ".preview")
    return unfinished and Path(os.path.realpath(output)) in Path(os.path.realpath(path)).parents


def place_of_copy(place: Path) -> Path:
    """The place of a film's copy below the output folder.

    Args:
        place: of the film below its own folder.

    Returns:
        The same place. Where the film's container does not hold H.264 and time stamps well, the copy is Matroska and
        its ending follows the old one: `reel.avi` -> `reel.avi.mkv`.
    """
    return place.with_name(f"{place.name}.mkv") if place.suffix.lower() in OLD_ENDINGS else place


def preview_name(target: Path) -> Path:
    """Where a preview goes: film-color.mp4 -> film-color.preview.mp4. So it never stands in the whole film's place."""
    return target.with_name(f"{target.stem}.preview{target.suffix}")


def plan(films: Films, output: str, preview: bool = False) -> list[tuple[Path, Path]]:
    """Names the colored copy of each film.

    Args:
        films: from `split`.
        output: a film's name, or a folder.
        preview: whether only the beginnings are colorized; see `preview_name`.

    Raises:
        UsageError: two films would become one file, a copy or its unfinished part would replace a film, or nothing can
            be written there.
    """
    from colorizer import photos
    from colorizer.cli import file_plan
    from colorizer.film.probe import ENDINGS

    if output == "-":
        raise UsageError("-o - : results are files and do not go to standard output. Name a file or a folder.")
    out, alone = Path(output), len(films.typed) == 1 and not films.listed and not films.others
    in_folder = out.is_dir() or output.endswith(("/", os.sep))
    named = bool(out.suffix) and not in_folder and alone
    if named and out.suffix.lower() not in ENDINGS:
        raise UsageError(f"-o of a film ends in one of {', '.join(ENDINGS)}. Received: {out}")
    if not named and out.is_file():
        raise UsageError(f"-o {output} is a file, and a folder is needed")
    if not (named or in_folder) and (out.suffix.lower() in ENDINGS or photos.is_photo_name(out)):
        kind = "film" if out.suffix.lower() in ENDINGS else "photo"
        raise UsageError(f"-o {output} names a {kind}; several inputs, or a folder of them, need a folder")
    pairs = [(source, out if named else out / place_of_copy(Path(source.name))) for source in films.typed]
    pairs += [(source, out / place_of_copy(place)) for source, place in films.listed]
    pairs = file_plan.distinct(pairs)  # a film may be named beside its folder
    if preview:
        pairs = [(source, preview_name(target)) for source, target in pairs]
    check(pairs)
    file_plan.require_writable(out.parent if named else out, pairs)
    return pairs


def check(pairs: list[tuple[Path, Path]]) -> None:
    """Refuses to replace a film, or a copy by another copy or its unfinished part.

    Args:
        pairs: source and target of each.

    Raises:
        UsageError: two films would become one file, or a copy or its unfinished part would replace a film.
    """
    from colorizer.cli import file_plan
    from colorizer.film.parts import partial_name

    sources = {file_plan.identity(source) for source, _ in pairs}
    taken: dict[Path, Path] = {}
    for source, target in pairs:
        if target in taken:
            raise UsageError(f"{taken[target]} and {source} would both become {target}")
        for name in (target, partial_name(target)):
            if file_plan.identity(name) in sources:
                raise UsageError(f"{name} is one of the films to colorize: choose another -o")
        taken[target] = source
    for source, target in pairs:
        if (part := partial_name(target)) in taken:
            raise UsageError(
                f"{taken[part]} would become {part}, the name of what is done of {source} when it cannot be finished: "
                "colorize them into two folders"
            )


def check_codec(flags: argparse.Namespace, pairs: list[tuple[Path, Path]]) -> None:
    """Refuses films that cannot be encoded, before any of them is opened.

    Args:
        flags: with those of `add_options`.
        pairs: of `plan`.

    Raises:
        UsageError: PyAV is not installed, or the codec does not suit a file.
    """
    from colorizer.film import encoder

    for _, target in pairs:
        encoder.choose(target, flags.codec, flags.crf)


def run(flags: argparse.Namespace, prog: str, pairs: list[tuple[Path, Path]], load: Callable[[], Colorizer]) -> int:
    """Colorizes films one after the other.

    Args:
        flags: of `colorize`.
        prog: stands in front of messages.
        pairs: of `plan`.
        load: gives the network; it is asked when the first film is known to be one.

    Returns:
        The exit status.

    Raises:
        ColorizerError: PyAV is not installed, the codec does not suit the file, or the network or the report cannot be
            used.
    """
    from colorizer.cli import file_plan, progress
    from colorizer.film import colorize as films
    from colorizer.film import parts
    from colorizer.film.probe import probe
    from colorizer.inference.batch_files import Outcome, reason_of

    check_codec(flags, pairs)
    out, again = Path(flags.output), flags.overwrite or bool(flags.preview)  # a preview is for trying
    in_folder = any(out in target.parents for _, target in pairs)  # else it is the film's own name
    writes = not (flags.dry_run or flags.preview)
    report = progress.Report(out, writes) if in_folder else progress.Report.of_file(pairs[0][1], writes)
    work = file_plan.sort_pairs(pairs, report.existing, again)
    failed, network = progress.say_ended(prog, work.ended) if flags.dry_run else 0, None
    report.open()
    with contextlib.closing(report):
        for outcome in () if flags.dry_run else work.ended:
            failed += bool(outcome.error)
            progress.say_outcome(prog, progress.Progress(0), outcome, outcome.target in work.outdated)
            report.add(outcome)
        for source, target in work.to_do:
            try:
                film = probe(source)
                encoding = films.prepare(film, target, settings_of(flags))
                print(f"{source} -> {target} ({_described(film)})", flush=True)
                if flags.dry_run:
                    continue
                parts.require_free(target)
                network = network or load()
                outcome = _colorize(prog, network, film, target, flags, encoding=encoding)
            except FilmError as error:
                outcome = Outcome(source, target, error.reason)
                print(f"{prog}: {error}", file=sys.stderr)
            except (ColorizerError, BrokenPipeError):  # of all films; who reads the output has left
                raise
            except Exception as error:  # of the network or a codec, which may like the next film
                outcome = Outcome(source, target, reason_of(error))
                print(f"{prog}: {source}: {outcome.error}", file=sys.stderr)
            except films.Interrupted as stop:
                print(f"\n{prog}: interrupted; {_done(stop, target)}. {CONTINUE}", file=sys.stderr)
                return 130
            failed += bool(outcome.error)
            report.add(outcome)
    return 1 if failed else 0


def _done(stop: Interrupted, target: Path) -> str:
    """What Ctrl-C leaves."""
    from colorizer.film.parts import partial_name

    if stop.output:
        return f"the first {_clock(stop.seconds)} are in {stop.output}"
    if stop.seconds:
        name = partial_name(target)
        return f"the first {_clock(stop.seconds)} are done, but {name} cannot be written: {stop.reason}"
    return "nothing is done yet"


def settings_of(flags: argparse.Namespace) -> Settings:
    """The settings that flags ask for."""
    from colorizer.film.colorize import Settings

    return Settings(flags.strength, flags.codec, flags.crf, flags.preview, flags.deinterlace)


def _described(film: Film) -> str:
    length = f", {_clock(film.seconds)}" if film.seconds else ""
    return f"{film.width}x{film.height}, {float(film.rate):.4g} frames/s{length}"


def _colorize(
    prog: str, colorizer: Colorizer, film: Film, target: Path, flags: argparse.Namespace, *, encoding: Encoding
) -> Outcome:
    """Colorizes one film, says what became of it and returns that; one that ends early has failed."""
    from colorizer.film import colorize as films
    from colorizer.inference.batch_files import Outcome

    total, settings = film.frames, settings_of(flags)
    if settings.preview:
        total = min(total or 1 << 62, round(settings.preview * film.rate))
    began = time.monotonic()
    with _progress(total) as step:
        result = films.colorize(
            colorizer,
            film.path,
            target,
            settings,
            film=film,
            encoding=encoding,
            progress=step,
            overwrite=flags.overwrite,
        )
    for note in result.notes:
        print(f"{prog}: {film.path}: {note}", file=sys.stderr)
    seconds = time.monotonic() - began
    print(f"{result.output}: {_summary(result, seconds)}")
    if result.error:
        print(f"{prog}: {film.path}: {result.error}", file=sys.stderr)
    return Outcome(film.path, target, result.error, seconds=seconds, notes=tuple(result.notes))


def _summary(result: Result, seconds: float) -> str:
    new = result.frames - result.resumed
    if result.resumed:  # nobody has counted the shots of the earlier run
        more = f"{result.resumed} of them by an earlier run"
    else:
        more = f"{result.shots} shot{'' if result.shots == 1 else 's'}"
    return f"{result.frames} frames, {more}, {new / max(seconds, 1e-3):.1f} frames/s"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    if hours:
        return f"{hours}:{minutes:02d}:{int(rest):02d}"
    return f"{minutes}:{int(rest):02d}" if minutes else f"{rest:.1f} s"


@contextlib.contextmanager
def _progress(total: int, stream: TextIO | None = None) -> Iterator[Callable[[int], None]]:
    """Shows finished frames and the time left: a bar on a terminal, elsewhere a line now and then.

    Args:
        total: frames; 0 where it is unknown.
        stream: where it is drawn; None takes standard error.

    Yields:
        A function that takes the number of finished frames.
    """
    stream = stream or sys.stderr
    if getattr(stream, "isatty", bool)():
        from tqdm import tqdm

        with tqdm(total=total or None, file=stream, unit="frame", dynamic_ncols=True) as bar:

            def step(done: int) -> None:
                if bar.n == 0 and done > 1:
                    bar.initial = bar.n = done - 1  # of an earlier run: no part of the speed
                bar.update(done - bar.n)

            yield step
        return
    began = last = time.monotonic()
    first = None

    def line(done: int) -> None:
        nonlocal last, first
        first = done - 1 if first is None else first
        now = time.monotonic()
        if now - last < LINE_EVERY:
            return
        last, speed = now, (done - first) / (now - began)
        left = f" of {total}, {_clock((total - done) / speed)} left" if total > done else ""
        print(f"{done} frames{left}, {speed:.1f} frames/s", file=stream, flush=True)

    yield line
