"""Colorizes photographs at their own size, keeping their own luminance.

    %(prog)s photo.jpg -o colour.png
    %(prog)s photo1.jpg photo2.tif -o coloured/
    %(prog)s album/ -o coloured/             the whole tree, mirrored
    %(prog)s album/ -o coloured/ --dry-run   what would be done
    %(prog)s 'scans/*.png' -o coloured/ --strength 0.8 --format jpeg

In a folder a photo keeps its name and format, with EXIF, XMP, IPTC, depth and alpha. What is there
already is skipped, so that the same command goes on after it was stopped. Of several photos,
report.csv in the output folder has a row each: file, size (bytes), seconds, status, reason.
Exit status: 0 all done; 1 some failed, each named with its reason; 2 wrong usage, or
weights or a classifier that cannot be had; 130 stopped by Ctrl-C.
"""

import argparse
import logging
import os
import sys
from pathlib import Path

from colorizer import cli
from colorizer.errors import ClassifierError, PhotoError, WeightsError

PROG = "colorizer"
FORMATS = ("jpeg", "png", "tiff", "webp", "avif", "bmp")


def parse(argv=None, prog: str = PROG) -> argparse.Namespace:
    """The typed flags; exits with 2 where one of them is wrong."""
    parser = argparse.ArgumentParser(
        cli.typed(prog), description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("inputs", nargs="+", metavar="IN", help="a photo, a folder of photos, or a pattern in quotes")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="a file for one photo, else a folder")
    parser.add_argument("--weights", metavar="NAME|FILE", help="a run's folder or file (default: the shipped default)")
    parser.add_argument("--classifier", metavar="FILE", help="where the class vector comes from (default: as trained)")
    parser.add_argument(
        "--look",
        choices=("accurate", "vivid"),
        help="cautious colours or strong ones (default: vivid, where there are both)",
    )
    parser.add_argument("--strength", type=float, default=1.0, help="of the colours, 0..1 (default: %(default)s)")
    parser.add_argument("--format", choices=FORMATS, help="of the results (default: by OUT's name, else the photo's)")
    parser.add_argument("--quality", type=int, default=95, help="of JPEG, WebP, AVIF, 1..100 (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=8, metavar="N", help="photos at once (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace what is there already")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    flags = parser.parse_args(argv)
    if not 0 <= flags.strength <= 1:
        parser.error(f"--strength lies between 0 and 1. Received: {flags.strength}")
    if not 1 <= flags.quality <= 100:
        parser.error(f"--quality lies between 1 and 100. Received: {flags.quality}")
    if flags.batch_size < 1:
        parser.error(f"--batch-size is at least 1. Received: {flags.batch_size}")
    return flags


def main(argv=None, prog: str = PROG) -> int:
    """Flags -> pairs of files -> `Colorizer.colorize_files`; returns the exit status."""
    flags = parse(argv, prog)
    if hasattr(sys.stdout, "reconfigure"):  # a name that is no text must not end the run
        sys.stdout.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # at 2, a machine without a GPU is told of an error

    from colorizer.cli import file_plan

    try:
        if flags.format == "avif" and ".avif" not in file_plan.photos.FORMATS:
            raise ValueError("--format avif: this Pillow does not write AVIF: pip install --upgrade pillow")
        pairs, closed, into = file_plan.plan(flags.inputs, flags.output, flags.format)
    except ValueError as error:
        return _say(prog, error, 2)
    for line in closed:
        _say(prog, line, 1)
    if flags.dry_run:
        return max(_dry_run(prog, pairs, flags.overwrite), bool(closed))
    several = len(pairs) > 1 or Path(flags.inputs[0]).is_dir()
    return max(_colorize(prog, flags, pairs, Path(flags.output) if into and several else None), bool(closed))


def _dry_run(prog: str, pairs, overwrite: bool) -> int:
    """Says what would be done, from the first bytes of every photo; returns the exit status."""
    from colorizer import photos
    from colorizer.cli.progress import printable

    bad = skipped = pixels = 0
    for source, target in pairs:
        if target.exists() and not overwrite:
            skipped += 1
            print(printable(f"{target} is there already: would be skipped"))
            continue
        try:
            size, _ = photos.probe(source)
        except PhotoError as error:
            bad += 1
            print(printable(f"{prog}: {error}"), file=sys.stderr)
            continue
        pixels += size
        print(printable(f"{source} -> {target} ({size / 1e6:.1f} megapixels)"))
    left = len(pairs) - bad - skipped
    print(f"{left} to colorize ({pixels / 1e6:.0f} megapixels), {skipped} there already, {bad} cannot be read")
    return 1 if bad else 0


def _colorize(prog: str, flags, pairs, folder: Path | None) -> int:
    """Colorizes all pairs, with progress and report; returns the exit status."""
    from colorizer import weights  # seconds of Keras: only now that there is work
    from colorizer.cli import progress as reporting
    from colorizer.inference import colorizer as inference

    try:
        colorizer = inference.Colorizer.load(flags.weights or weights.DEFAULT, flags.classifier, flags.look)
        report = reporting.Report(folder)
    except (WeightsError, ClassifierError, ValueError) as error:
        return _say(prog, error, 2)
    except OSError as error:
        return _say(prog, f"{folder / reporting.NAME} cannot be written: {error.strerror}", 2)
    progress, failed = reporting.Progress(len(pairs)), 0
    options = {"batch_size": flags.batch_size, "strength": flags.strength, "quality": flags.quality}
    try:
        with reporting.notes_above(progress):
            for outcome in colorizer.colorize_files(pairs, overwrite=flags.overwrite, **options):
                report.add(outcome)
                failed += bool(outcome.error)
                _tell(prog, progress, outcome)
    finally:
        progress.close()
        report.close()
    print(f"{len(pairs) - failed} of {len(pairs)} done")
    return 1 if failed else 0


def _tell(prog: str, progress, outcome) -> None:
    """Says what became of a photo."""
    from colorizer.cli.progress import printable

    progress.step(outcome)
    if outcome.error:
        progress.say(printable(f"{prog}: {outcome.source}: {outcome.error}"), sys.stderr)
    elif outcome.skipped:
        progress.say(printable(f"{outcome.target} is there already: skipped (--overwrite replaces it)"))
    else:
        progress.say(printable(f"{outcome.source} -> {outcome.target}"))


def _say(prog: str, message, status: int) -> int:
    print(f"{prog}: {message}", file=sys.stderr)
    return status


def run(prog: str = PROG) -> None:
    """The command as installed: exits with `main`'s status."""
    try:
        status = main(prog=prog)
        sys.stdout.flush()  # here and not at the interpreter's end, where a reader that has gone is an error
        sys.exit(status)
    except KeyboardInterrupt:
        print(f"\n{prog}: stopped; what is written is whole, and the same command goes on", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # whoever read the output has gone (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
