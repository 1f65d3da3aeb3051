"""Colorizes photographs at their own size; each keeps its own luminance.

    %(prog)s photo.jpg -o color.png
    %(prog)s photo1.jpg photo2.tif -o colored/
    %(prog)s album/ -o colored/             the whole tree, mirrored
    %(prog)s album/ -o colored/ --dry-run   only show what would be done
    %(prog)s 'scans/*.png' -o colored/ --strength 0.8 --format jpeg
    %(prog)s film.mp4 -o film-color.mp4     a film, with its sound; try --preview 10 first

In a folder a photo keeps its name and format, with EXIF, XMP, IPTC, depth and alpha. Where the format
changes, the new ending follows the old one: a.gif becomes a.gif.png. Existing results are skipped, so that
the same command continues after an interruption. report.csv in the output folder has one row for each photo and
film: file, size (bytes), seconds, status, reason, target, path. A result that -o names gets a row where its
folder has a report already.
A folder may hold films too.
Exit status: 0 all done or skipped; 1 some failed, each named with its reason; 2 wrong usage, or missing
weights or classifier; 130 interrupted by Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import colorizer
from colorizer import cli
from colorizer.cli import film, steering
from colorizer.errors import ClassifierError, ColorizerError, PhotoError, UsageError

if TYPE_CHECKING:
    from colorizer.cli.file_plan import Work
    from colorizer.cli.progress import Progress, Report
    from colorizer.inference.batch_files import Outcome
    from colorizer.inference.colorizer import Colorizer

PROG = "colorizer"
FORMATS = ("jpeg", "png", "tiff", "webp", "avif", "bmp")  # `photos.SUFFIXES`: that loads Pillow, and --help must not
INTERRUPTED = "interrupted; every written photo is complete. Run the same command again to continue."


def add_options(parser: argparse.ArgumentParser, many: bool = False) -> None:
    """Adds the flags that say how photographs are colorized, here and on a cluster.

    Args:
        parser: of the command.
        many: whether it is for many photos alone, see `steering.add_options`.
    """
    add = parser.add_argument
    add(
        "--weights",
        metavar="NAME|FILE",
        help="a run's folder or weights file (default: $COLORIZER_WEIGHTS, else the shipped ones)",
    )
    looks = "cautious or strong colors (default: vivid, where the weights have both)"
    add("--look", choices=("accurate", "vivid"), help=looks)
    add_network(parser)
    add("--strength", type=float, default=1.0, help="factor of the colors, 0..1; 0 is gray (default: %(default)s)")
    add("--format", choices=FORMATS, help="format of the results (default: that of OUT's name, else the photo's own)")
    add("--quality", type=int, default=95, help="quality of JPEG, WebP and AVIF, 1..100 (default: %(default)s)")
    add("--batch-size", type=int, default=8, metavar="N", help="photos per forward pass (default: %(default)s)")
    add("--overwrite", action="store_true", help="replace existing results")
    add("--dry-run", action="store_true", help="only show what would be done")
    steering.add_options(parser, many)


def add_network(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say how the network runs, here, on a page and on a server."""
    add = parser.add_argument
    add("--classifier", metavar="NAME|FILE", help="source of the class vector (default: the one used in training)")
    engines = "runs the network (default: onnx, which starts faster, where the weights have it)"
    add("--engine", choices=("keras", "onnx"), help=engines)
    seen = "what the network sees: about NxN pixels, in the photo's own shape (default: the weights' own)"
    add("--size", type=int, metavar="N", help=seen)


def check_options(parser: argparse.ArgumentParser, flags: argparse.Namespace) -> None:
    """Exits with 2 where a number of `add_options` is out of range."""
    if not 0 <= flags.strength <= 1:
        parser.error(f"--strength lies between 0 and 1. Received: {flags.strength}")
    if not 1 <= flags.quality <= 100:
        parser.error(f"--quality lies between 1 and 100. Received: {flags.quality}")
    if flags.batch_size < 1:
        parser.error(f"--batch-size is at least 1. Received: {flags.batch_size}")
    check_size(parser, flags.size)
    steering.check_options(parser, flags)


def check_size(parser: argparse.ArgumentParser, size: int | None, flag: str = "--size") -> None:
    """Exits with 2 where `--size`, or another flag, is out of range."""
    if size is None:
        return
    from colorizer.methods.base import MAX_SIZE, MIN_SIZE

    if not MIN_SIZE <= size <= MAX_SIZE:
        parser.error(f"{flag} lies between {MIN_SIZE} and {MAX_SIZE}. Received: {size}")


def check_files(flags: argparse.Namespace) -> None:
    """Looks for weights, look, size, classifier and format, without loading a backend.

    Args:
        flags: with the fields of `add_options`, those of `steering.add_options` aside.

    Raises:
        WeightsError: the weights or their record do not exist.
        ClassifierError: `--classifier`, or the record of the weights, names a classifier that is not here.
        EngineError: the engine is not installed or cannot compute these weights.
        UsageError: the method has no such look, the size is not to be chosen, or this Pillow cannot write the format.
    """
    from colorizer import methods, photos, weights
    from colorizer.classifiers import classifier
    from colorizer.inference import engine

    if flags.format == "avif" and ".avif" not in photos.FORMATS:
        raise UsageError("--format avif: this Pillow does not write AVIF: pip install --upgrade pillow")
    path = weights.place(flags.weights or weights.DEFAULT)
    config = weights.record_of(path)
    method = methods.declared(config["method"])
    engine.choose(path, flags.engine)
    method.look_of(flags.look)
    method.inference_size(config["image_size"], flags.size)
    steering.check_method(flags, method)
    file = Path((flags.classifier or "").rpartition(":")[2])
    if file.suffix in (".keras", ".h5") and not file.is_file():
        raise ClassifierError(
            f"--classifier names a file that does not exist. Received: {flags.classifier}. "
            "Choose another file, or none (zeros instead of a class vector)."
        )
    if method.uses_vector:
        classifier.check_recorded(config, flags.classifier)


def parse(argv: list[str] | None = None, prog: str = PROG) -> argparse.Namespace:
    """The typed flags; exits with 2 where one of them is wrong."""
    parser = cli.Parser(prog, description=__doc__)
    parser.add_argument(
        "inputs", nargs="+", metavar="IN", help="a photo or film, a folder of them, or a pattern in quotes"
    )
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="a file for one photo, else a folder")
    add_options(parser)
    parser.add_argument("--version", action="version", version=f"colorizer {colorizer.__version__}")
    film.add_options(parser)
    flags = parser.parse_args(argv)
    check_options(parser, flags)
    film.check_options(parser, flags)
    return flags


def main(argv: list[str] | None = None, prog: str = PROG) -> int:
    """Flags -> pairs of files -> `Colorizer.colorize_files`; returns the exit status."""
    flags = parse(argv, prog)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        return _run(flags, prog)
    except ColorizerError as error:
        from colorizer.cli import progress

        progress.say_error(prog, error)
        return error.exit_status
    except KeyboardInterrupt:
        print(f"\n{prog}: {INTERRUPTED}", file=sys.stderr)
        return 130


def _run(flags: argparse.Namespace, prog: str) -> int:
    """Photographs first, then films."""
    from colorizer.cli import progress

    if not flags.output.strip():
        raise UsageError("-o is empty. Name a file or a folder.")
    if "://" in flags.output:
        raise UsageError(
            f"-o is a file or a folder of this computer; `python -m colorizer cluster colorize` writes to buckets. "
            f"Received: {flags.output}"
        )
    films = film.split(flags.inputs, flags.output)
    if not (films.typed or films.listed):
        return _run_photos(flags, prog, flags.inputs)
    pairs = film.plan(films, flags.output, bool(flags.preview))
    check_files(flags)
    if not films.others:
        refuse_flags_of_photos(flags)
    elif films.typed:
        steering.refuse_films(flags)
    if films.typed or film.is_installed():
        film.check_codec(flags, pairs)
    for line in films.unlisted:
        progress.say_error(prog, line)
    status = _run_photos(flags, prog, films.others) if films.others else 0
    status = max(status, bool(films.unlisted))
    try:
        return max(status, film.run(flags, prog, pairs, _loader(flags)))
    except UsageError as error:
        if films.typed or not films.others:
            raise
        progress.say_error(prog, error)  # the photos of the folder are done
        return 1


def refuse_flags_of_photos(flags: argparse.Namespace) -> None:
    """Refuses hints, references and formats where there are films only.

    Raises:
        UsageError: something is asked for.
    """
    steering.refuse_films(flags)
    if flags.format:
        raise UsageError(f"--format is for photos; a film has the format of -o. Received: --format {flags.format}")


def _run_photos(flags: argparse.Namespace, prog: str, inputs: list[str]) -> int:
    """Checks everything that is cheap, then colorizes what is left to do."""
    from colorizer.cli import file_plan, progress

    plan = file_plan.plan(inputs, flags.output, flags.format)
    check_files(flags)
    asked = steering.check_files(flags, plan.pairs)
    if flags.samples:
        return steering.write_samples(flags, *plan.pairs[0], asked, prog, load=_loader(flags))
    for line in plan.unlisted:
        progress.say_error(prog, line)
    out, writes = Path(flags.output), not flags.dry_run
    report = progress.Report(out, writes) if plan.into_folder else progress.Report.of_file(out, writes)
    work = file_plan.sort_pairs(plan.pairs, report.existing, flags.overwrite)
    status = _dry_run(prog, work) if flags.dry_run else _colorize(prog, flags, work, report, asked)
    return max(status, bool(plan.unlisted))


def _dry_run(prog: str, work: Work) -> int:
    """Prints what would be done, from the first bytes of every photo; returns the exit status."""
    from colorizer import photos
    from colorizer.cli import progress

    failed, pixels = progress.say_ended(prog, work.ended), 0
    for source, target in work.to_do:
        try:
            size, _ = photos.probe(source)
        except PhotoError as error:
            failed += 1
            progress.say_error(prog, error)
            continue
        pixels += size
        print(progress.printable(f"{source} -> {target} ({_megapixels(size)})"))
    skipped = sum(outcome.skipped for outcome in work.ended)
    left = len(work.to_do) + len(work.ended) - skipped - failed
    print(f"{left} to colorize ({_megapixels(pixels)}), {skipped} to skip, {failed} would fail")
    return 1 if failed else 0


def _megapixels(pixels: int) -> str:
    """A number of pixels as text, with three digits or one decimal."""
    return f"{pixels / 1e6:.{0 if pixels >= 1e8 else 1}f} megapixels"


def _colorize(prog: str, flags: argparse.Namespace, work: Work, report: Report, asked: steering.Asked) -> int:
    """Colorizes what is to do, with progress and report; returns the exit status."""
    from colorizer.cli import progress as progress_lines

    report.open()
    unreadable = list(_leading_unreadable(work.to_do))
    to_do = work.to_do[len(unreadable) :]
    progress, statuses = progress_lines.Progress(len(to_do)), []
    try:
        with contextlib.closing(_outcomes(flags, to_do, [*work.ended, *unreadable], progress, asked)) as outcomes:
            for outcome in outcomes:
                report.add(outcome)
                statuses.append(progress_lines.status_of(outcome)[0])
                progress_lines.say_outcome(prog, progress, outcome, outcome.target in work.outdated)
    finally:
        progress.close()
        report.close()
    print(progress_lines.summary(statuses))
    return 1 if progress_lines.FAILED in statuses else 0


def _leading_unreadable(pairs: Iterable[tuple[Path, Path]]) -> Iterator[Outcome]:
    """The outcomes of files at the beginning that are no photographs: without a readable one no backend is loaded."""
    from colorizer import photos
    from colorizer.inference.batch_files import Outcome

    for source, target in pairs:
        try:
            photos.probe(source)
            return
        except PhotoError as error:
            yield Outcome(source, target, error.reason)


def _outcomes(
    flags: argparse.Namespace,
    to_do: list[tuple[Path, Path]],
    ended: Iterable[Outcome],
    progress: Progress,
    asked: steering.Asked,
) -> Iterator[Outcome]:
    """Every photograph's outcome: first those that need no network."""
    from colorizer.cli.progress import notes_above

    yield from ended
    if to_do:
        network = _loader(flags)()
        with notes_above(progress):
            yield from network.colorize_files(
                to_do,
                flags.batch_size,
                overwrite=flags.overwrite,
                strength=flags.strength,
                quality=flags.quality,
                steering=asked.for_files(network),
            )


def _loader(flags: argparse.Namespace) -> Callable[[], Colorizer]:
    """What loads the network that the flags name."""
    return partial(load, flags.weights, flags.classifier, flags.look, flags.engine, flags.size)


def load(
    weights: str | None,
    classifier: str | None,
    look: str | None,
    engine: str | None = None,
    size: int | None = None,
) -> Colorizer:
    """The network of these names; with Keras it takes seconds.

    Raises:
        ColorizerError: weights, classifier, look or engine cannot be had.
    """
    from colorizer.inference import colorizer as inference
    from colorizer.weights import DEFAULT

    return inference.Colorizer.load(weights or DEFAULT, classifier, look, engine, size)
