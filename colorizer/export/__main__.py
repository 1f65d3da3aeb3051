"""Writes a trained network for other runtimes: one file (or folder) that needs no Keras.

    python -m colorizer export --format onnx -o colorizer.onnx
    python -m colorizer export --format litert --weights results/runs/NAME --classifier FILE.keras
    python -m colorizer export --format saved_model --look accurate -o colorizer_saved_model
    python -m colorizer export --format light --weights runs/NAME
    python -m colorizer export --format light --weights runs/NAME --pack small/NAME

Input: `l_norm` (1, P, P, 1) float32, L*/50 - 1 of the photo resized to a square. P is 256, or the network's size S
if that is more. Output: ab/128, (1, S, S, 2) float32. The file holds the whole way between them: the reduction to the
network's size, the classifier that makes the class vector, the network and its look. Before it gets its name, its own
runtime opens it, and 20 pictures are compared with Keras.

`light` makes `network.onnx` beside the weights, with which `colorize.py` needs no Keras: see `colorize.py --engine`.
It is for methods without a class vector, and reads the weights file. Of the pictures' pixels, 99.9 % must be within
one level of Keras'. `--pack` first copies the weights to another folder, with kernels of one byte a number: half of a
run's file. The pictures of both engines are then those of the small weights.
Exit status: 0 written and equal; 1 it differs by 1e-3 or more (`light`: by more than said above), and is deleted;
2 wrong usage, or a package, weights or a classifier are missing.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from colorizer import atomic_files, cli
from colorizer.cli import colorize
from colorizer.errors import ColorizerError, ExportError

PROG = "python -m colorizer export"
FORMATS = ("onnx", "litert", "saved_model", "light")


def parse(argv: list[str] | None = None, prog: str = PROG) -> argparse.Namespace:
    """Reads the typed flags; exits with 2 if one of them is wrong."""
    parser = cli.Parser(prog, description=__doc__)
    parser.add_argument("--format", required=True, choices=FORMATS)
    parser.add_argument("-o", "--output", metavar="OUT", help="default: colorizer.onnx, .tflite or _saved_model")
    parser.add_argument(
        "--weights",
        metavar="NAME|FILE",
        help="a run's folder or file (default: $COLORIZER_WEIGHTS, else the shipped ones)",
    )
    parser.add_argument("--classifier", metavar="FILE", help="source of the class vector (default: as trained)")
    parser.add_argument("--look", choices=("accurate", "vivid"), help="if the network has both (default: vivid)")
    parser.add_argument("--photos", metavar="DIR", help="pictures to compare on (default: scikit-image's photos)")
    parser.add_argument(
        "--pack", metavar="DIR", help="light: copy the weights to DIR, one byte a number, and use those"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file or SavedModel")
    flags = parser.parse_args(argv)
    if flags.format == "light" and (flags.output or flags.look or flags.classifier):
        parser.error("--format light has one place, all looks and no classifier: leave out -o, --look and --classifier")
    if flags.pack and flags.format != "light":
        parser.error(f"--pack is for --format light. Received: --format {flags.format}")
    return flags


def main(argv: list[str] | None = None, prog: str = PROG) -> int:
    """Exports, compares, then gives the file its name; returns the exit status."""
    flags = parse(argv, prog)
    try:
        return _light(flags) if flags.format == "light" else _export(flags, prog)
    except ColorizerError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return error.exit_status
    except (ValueError, OSError) as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 2


def _export(flags: argparse.Namespace, prog: str) -> int:
    from colorizer import weights
    from colorizer.export import convert, runtimes
    from colorizer.inference.colorizer import Colorizer

    output = Path(flags.output or f"colorizer{runtimes.ENDINGS[flags.format] or '_saved_model'}")
    runtimes.require(flags.format)
    runtimes.require_ending(flags.format, output)
    if output.exists() and not flags.overwrite:
        raise ExportError(f"The output exists already: choose another -o, or --overwrite. Received: {output}")
    convert.require_replaceable(output)
    _require_writable(output.parent)
    asked = {name: getattr(flags, name) for name in ("weights", "classifier", "look")}
    colorize.check_files(argparse.Namespace(**asked, engine="keras", size=None, format=None))
    pictures = convert.pictures(flags.photos)
    colorizer = Colorizer.load(flags.weights or weights.DEFAULT, flags.classifier, flags.look, "keras")
    part = output.with_name(f"unchecked-{os.getpid()}{output.suffix}")
    try:
        convert.write(colorizer, flags.format, part)
        worst = convert.disagreement(colorizer, runtimes.open_network(part), pictures)
        difference = f"largest difference to Keras over {len(pictures)} pictures: {worst:.1e} of ab/128"
        if not worst < convert.TOLERANCE:  # a NaN is not below it either
            print(f"{prog}: {difference}; a file with {convert.TOLERANCE} or more is deleted", file=sys.stderr)
            return 1
        convert.replace(part, output)
    finally:
        convert.remove(part)
    print(f"{output}: {convert.size_of(output) / 1e6:.1f} MB, {difference}")
    return 0


def _require_writable(folder: Path) -> None:
    """Raises an `ExportError` where nothing can be written into a folder; minutes of work come before."""
    if reason := atomic_files.obstacle(folder):
        raise ExportError(f"The result cannot be written: {reason}. Choose another place. Received: {folder}")


def _light(flags: argparse.Namespace) -> int:
    """Makes `network.onnx` beside the weights."""
    from colorizer import methods, weights
    from colorizer.export import convert, runtimes
    from colorizer.inference import engine

    runtimes.require("onnx", "light")
    path = weights.place(flags.weights or weights.DEFAULT)
    method = methods.declared(weights.record_of(path)["method"])
    if method.uses_vector:
        raise ExportError(
            f"--format light has no classifier, and {method.title} needs its class vector. Take --format onnx. "
            f"Received: {path}"
        )
    if flags.pack:
        _require_writable(Path(flags.pack))
        from colorizer.export import pack

        digest = pack.write(path, flags.pack, flags.overwrite)
        path = weights.place(flags.pack)
        print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB, sha256 {digest}")
    target = path.parent / engine.FILE
    if target.exists() and not flags.overwrite:
        raise ExportError(f"The file exists already; replace it with --overwrite. Received: {target}")
    _require_writable(target.parent)
    pictures = convert.pictures(flags.photos)
    from colorizer.export import light

    shares = light.write(path, pictures)
    equal = ", ".join(f"{look} {share:.3%}" for look, share in shares.items())
    print(f"{target}: {target.stat().st_size / 1e3:.0f} kB and the kernels of {path.name}")
    print(f"pixels within a level of Keras' over {len(pictures)} pictures: {equal}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
