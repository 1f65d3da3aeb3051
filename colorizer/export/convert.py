"""Writes a trained network for other runtimes: one file (or folder) that needs no Keras.

    python -m colorizer export --format onnx -o colorizer.onnx
    python -m colorizer export --format litert --weights results/runs/NAME --classifier FILE.keras
    python -m colorizer export --format saved_model --look accurate -o colorizer_saved_model

Input: `l_norm` (1, P, P, 1) float32, L*/50 - 1 of the photograph resized to a square of P = 256 pixels (of the
network's size where that is more). Output: ab/128, (1, S, S, 2) float32, S the network's size. Inside are the
reduction to that size, the look, and the classifier that makes the class vector. What
was written is opened again by its own runtime and compared with Keras on 20 pictures before it gets its name.
Exit status: 0 written and equal; 1 it differs by 1e-3 or more, and is not kept; 2 wrong usage, a package
missing, or weights or a classifier that cannot be had.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from colorizer.errors import ClassifierError, ExportError, PhotoError, WeightsError

if TYPE_CHECKING:
    import numpy as np

    from colorizer.inference.colorizer import Colorizer

PROG = "python -m colorizer export"
FORMATS = ("onnx", "litert", "saved_model")
TOLERANCE = 1e-3  # of ab/128: an eighth of a Lab unit, which nobody sees
PICTURES = 20


def parse(argv=None, prog: str = PROG) -> argparse.Namespace:
    """The typed flags; exits with 2 where one of them is wrong."""
    parser = argparse.ArgumentParser(prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", required=True, choices=FORMATS)
    parser.add_argument("-o", "--output", metavar="OUT", help="default: colorizer.onnx, .tflite or _saved_model")
    parser.add_argument("--weights", metavar="NAME|FILE", help="a run's folder or file (default: the shipped default)")
    parser.add_argument("--classifier", metavar="FILE", help="where the class vector comes from (default: as trained)")
    parser.add_argument(
        "--look", choices=("accurate", "vivid"), help="as in colorize.py, for networks that have both (default: vivid)"
    )
    parser.add_argument("--photos", metavar="DIR", help="pictures to compare on (default: scikit-image's photographs)")
    parser.add_argument("--overwrite", action="store_true", help="replace what is there already")
    return parser.parse_args(argv)


def pictures(folder: str | Path | None = None, count: int = PICTURES, size: int = 256) -> np.ndarray:
    """Pictures to compare two runtimes on.

    Args:
        folder: where photographs lie, the first of them by name are taken; None takes crops of those that
            scikit-image installs.
        count: how many.
        size: their side.

    Returns:
        (n, size, size, 3) uint8 sRGB, n <= `count`.

    Raises:
        ValueError: the folder is not there or holds no photograph.

    Source: ours.
    """
    import numpy as np

    from colorizer import images, photos
    from colorizer.data import sample

    folder = Path(folder) if folder else sample.make()
    found = sorted(path for path in folder.iterdir() if photos.is_photo_name(path)) if folder.is_dir() else []
    if not found:
        raise ValueError(f"--photos is a folder with {', '.join(photos.EXTENSIONS)} files. Received: {folder}")
    step = max(1, len(found) // count)  # crops of one photograph lie side by side
    chosen = (images.to_uint8(photos.read(path).rgb) for path in found[::step][:count])
    return np.stack([images.resize_square(rgb, size) for rgb in chosen])


def disagreement(colorizer: Colorizer, run: Callable, rgb_u8: np.ndarray) -> float:
    """How far an exported network is from Keras.

    Args:
        colorizer: what was exported.
        run: from `runtimes.open_network`.
        rgb_u8: (N, H, W, 3) uint8 sRGB.

    Returns:
        The largest difference of ab/128 over all pixels of all pictures.

    Source: ours.
    """
    import numpy as np

    from colorizer.inference import forward

    worst = 0.0
    for rgb in rgb_u8:
        square = forward.squares([rgb], colorizer.image_size)
        l_norm = forward.luminance(square, square.shape[1])
        worst = max(worst, float(np.abs(run(l_norm)[0] - colorizer.forward.ab_norm([rgb])[0]).max()))
    return worst


def write(colorizer: Colorizer, format: str, path: str | Path) -> None:
    """Exports a colorizer, whole or not at all; what is there already is replaced.

    Args:
        colorizer: a loaded `Colorizer`, on the TensorFlow backend.
        format: one of `FORMATS`.
        path: the file, or the SavedModel's folder; its parent is made.

    Raises:
        ExportError: a package is missing, the backend is another, or the name does not suit the format.

    Source: ours; the conversions are Keras' `Model.export`.
    """
    import keras

    from colorizer.export import graph, runtimes

    runtimes.require(format)
    path, ending = Path(path), runtimes.ENDINGS[format]
    if path.suffix.lower() != ending:
        wanted = f"a name that ends in {ending}" if ending else "a folder's name, without an ending"
        raise ExportError(f"--format {format} writes {wanted}. Received: {path}")
    if keras.backend.backend() != "tensorflow":
        raise ExportError(
            f"Exporting goes by TensorFlow: set KERAS_BACKEND=tensorflow. Received: {keras.backend.backend()}"
        )
    model = graph.build(colorizer)
    signature = [keras.InputSpec(shape=(1, *model.input_shape[1:]), dtype="float32", name="l_norm")]
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        part = Path(folder) / f"network{ending}"
        name = "tf_saved_model" if format == "saved_model" else format
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the converters' own, about NumPy's and TensorFlow's future
            model.export(str(part), format=name, input_signature=signature, verbose=False)
        remove(path)
        os.replace(part, path)


def remove(path: Path) -> None:
    """Removes an exported file or folder, if it is there. Source: ours."""
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder. Source: ours."""
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) if path.is_dir() else path.stat().st_size


def main(argv=None, prog: str = PROG) -> int:
    """Flags -> a file beside its name -> the comparison -> its name; returns the exit status."""
    flags = parse(argv, prog)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    from colorizer.export import runtimes

    output = Path(flags.output or f"colorizer{runtimes.ENDINGS[flags.format] or '_saved_model'}")
    part = output.with_name(f"unchecked-{os.getpid()}{output.suffix}")
    try:
        runtimes.require(flags.format)
        if output.exists() and not flags.overwrite:
            raise ExportError(f"{output} is there already: choose another -o, or --overwrite")
    except ExportError as error:
        return _said(error, 2)

    from colorizer import weights  # seconds of Keras: only now that there is work
    from colorizer.inference import colorizer as inference
    from colorizer.inference import forward

    try:
        colorizer = inference.Colorizer.load(flags.weights or weights.DEFAULT, flags.classifier, flags.look)
        compared = pictures(flags.photos, size=forward.square_side(colorizer.image_size))
        write(colorizer, flags.format, part)
        worst = disagreement(colorizer, runtimes.open_network(part), compared)
        said = f"largest difference to Keras over {len(compared)} pictures: {worst:.1e} of ab/128"
        if not worst < TOLERANCE:  # a NaN is none either
            return _said(f"{said}; {TOLERANCE} or more is not kept", 1)
        remove(output)
        os.replace(part, output)
    except (
        *(ValueError, OSError, ExportError),
        *(WeightsError, ClassifierError, PhotoError),
    ) as error:
        return _said(error, 2)
    finally:
        remove(part)
    print(f"{output}: {size_of(output) / 1e6:.1f} MB, {said}")
    return 0


def _said(error, status: int) -> int:
    print(f"colorizer.export: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
