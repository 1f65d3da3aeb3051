"""Colorizes photographs at their own size, keeping their own luminance.

    python colorize.py photo.jpg -o colour.png
    python colorize.py photo1.jpg photo2.tif -o coloured/
    python colorize.py album/ -o coloured/             the whole tree, mirrored
    python colorize.py 'scans/*.png' -o coloured/ --strength 0.8

In a folder a photo keeps its name and format. What is there already is skipped.
Exit status: 0 all done; 1 some failed, each named with its reason; 2 wrong usage, or
weights or a classifier that cannot be had; 130 stopped by Ctrl-C.
"""

import argparse
import glob
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path


def parse(argv=None) -> argparse.Namespace:
    """The typed flags; exits with 2 where one of them is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="+", metavar="IN", help="a photo, a folder of photos, or a pattern in quotes")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="a file for one photo, else a folder")
    parser.add_argument("--weights", metavar="NAME|FILE", help="a run's folder or file (default: the shipped default)")
    parser.add_argument("--classifier", metavar="FILE", help="where the class vector comes from (default: as trained)")
    parser.add_argument("--strength", type=float, default=1.0, help="of the colours, 0..1 (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=8, metavar="N", help="photos at once (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace what is there already")
    flags = parser.parse_args(argv)
    if not 0 <= flags.strength <= 1:
        parser.error(f"--strength lies between 0 and 1. Received: {flags.strength}")
    if flags.batch_size < 1:
        parser.error(f"--batch-size is at least 1. Received: {flags.batch_size}")
    return flags


def find(inputs: list[str], output: Path) -> Iterator[tuple[Path, Path]]:
    """The photos of all inputs: (file, its place below the output folder).

    Args:
        inputs: files, folders and patterns, as typed.
        output: where results go; not searched, so that a second run does not colorize the first one's.

    Raises:
        ValueError: an input is not there.
    """
    from colorizer import photos

    for typed in inputs:
        matches = [typed] if os.path.exists(typed) else sorted(glob.glob(typed, recursive=True))
        if not matches:
            raise ValueError(f"no such file or folder: {typed}")
        for path in map(Path, matches):
            if path.is_dir() and len(matches) == 1:
                for folder, subfolders, names in os.walk(path):
                    subfolders[:] = sorted(s for s in subfolders if (Path(folder) / s).resolve() != output.resolve())
                    files = (Path(folder) / name for name in sorted(names) if photos.is_photo_name(name))
                    yield from ((file, file.relative_to(path)) for file in files)
            elif len(matches) == 1 or (photos.is_photo_name(path) and path.is_file()):
                yield path, Path(path.name)


def plan(inputs: list[str], output: str) -> list[tuple[Path, Path]]:
    """Which photo goes where.

    Returns:
        (source, target) pairs.

    Raises:
        ValueError: an input is not there or holds no photo, `output` does not suit the inputs,
            two photos would become one file, or one would replace another.
    """
    from colorizer import photos

    out, endings = Path(output), ", ".join(photos.EXTENSIONS)
    found = list(find(inputs, out))
    if not found:
        raise ValueError(f"no photos ({endings}) in {', '.join(inputs)}")
    one = len(found) == 1 and not Path(inputs[0]).is_dir()
    if out.is_dir() or output.endswith(("/", os.sep)) or not (out.suffix if one else photos.is_photo_name(out)):
        if out.is_file():
            raise ValueError(f"-o {output} is a file, and a folder is needed")
        pairs = [(source, out / (p if photos.is_photo_name(p) else p.with_suffix(".png"))) for source, p in found]
    elif not one:
        raise ValueError(f"-o {output} names a file; several photos, or a folder of them, need a folder")
    elif not photos.is_photo_name(out):
        raise ValueError(f"-o ends in one of {endings}, or in {os.sep} for a folder. Received: {output}")
    else:
        pairs = [(found[0][0], out)]
    sources = {source.resolve() for source, _ in pairs}
    taken: dict[Path, Path] = {}
    for source, target in pairs:
        if target in taken:
            raise ValueError(f"{taken[target]} and {source} would both become {target}")
        if target.resolve() in sources:
            raise ValueError(f"{target} is one of the photos to colorize: choose another -o")
        taken[target] = source
    return pairs


def main(argv=None) -> int:
    """Flags -> pairs of files -> `Colorizer.colorize_files`; returns the exit status."""
    flags = parse(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # at 2, a machine without a GPU is told of an error
    try:
        pairs = plan(flags.inputs, flags.output)
    except ValueError as error:
        print(f"colorize.py: {error}", file=sys.stderr)
        return 2

    from colorizer import classifier, inference, weights  # seconds of Keras: only now that there is work

    try:
        colorizer = inference.Colorizer.load(flags.weights or weights.DEFAULT, flags.classifier)
    except (weights.WeightsError, classifier.ClassifierError) as error:
        print(f"colorize.py: {error}", file=sys.stderr)
        return 2
    failed = 0
    for outcome in colorizer.colorize_files(pairs, flags.batch_size, flags.strength, flags.overwrite):
        if outcome.error:
            failed += 1
            print(f"colorize.py: {outcome.source}: {outcome.error}", file=sys.stderr)
        elif outcome.skipped:
            print(f"{outcome.target} is there already: skipped (--overwrite replaces it)")
        else:
            print(f"{outcome.source} -> {outcome.target}")
    print(f"{len(pairs) - failed} of {len(pairs)} done")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\ncolorize.py: stopped; what is written is whole, and the same command goes on", file=sys.stderr)
        sys.exit(130)
