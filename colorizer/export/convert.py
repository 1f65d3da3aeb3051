"""Exports a network, and compares what was exported with Keras."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from colorizer import images, photos
from colorizer.errors import ExportError
from colorizer.export import runtimes
from colorizer.inference import forward

if TYPE_CHECKING:
    import onnx

    from colorizer.inference.colorizer import Colorizer

TOLERANCE = 1e-3  # of ab/128: an eighth of a Lab unit, which nobody sees
PICTURES = 20


def pictures(folder: str | Path | None = None, count: int = PICTURES, size: int = forward.SIDE) -> np.ndarray:
    """Reads pictures to compare two runtimes on.

    Args:
        folder: of photos; by name an even choice of them all is taken. None takes crops of those that scikit-image
            installs.
        count: how many.
        size: their side.

    Returns:
        (n, size, size, 3) uint8 sRGB, n <= `count`.

    Raises:
        ExportError: the folder is missing or holds no photo.
        PhotoError: a photo cannot be read.
    """
    from colorizer.data import sample

    folder = Path(folder) if folder else sample.make()
    names = sorted(path for path in folder.iterdir() if photos.is_photo_name(path)) if folder.is_dir() else []
    if not names:
        raise ExportError(f"--photos is a folder with {', '.join(photos.EXTENSIONS)} files. Received: {folder}")
    count = min(count, len(names))
    chosen = [names[i * len(names) // count] for i in range(count)]  # crops of one photo lie side by side
    return np.stack([images.resize_square(images.to_uint8(photos.read(path).rgb), size) for path in chosen])


def disagreement(colorizer: Colorizer, run: Callable[[np.ndarray], np.ndarray], rgb_u8: np.ndarray) -> float:
    """Measures how far an exported network is from `inference.forward`.

    Args:
        colorizer: what was exported.
        run: from `runtimes.open_network`.
        rgb_u8: (N, H, W, 3) uint8 sRGB.

    Returns:
        The largest difference of ab/128 over all pixels of all pictures.
    """
    worst = 0.0
    for rgb in rgb_u8:
        square = forward.squares([rgb], colorizer.image_size)
        l_norm = forward.luminance(square, square.shape[1:3])
        difference = np.abs(run(l_norm)[0] - colorizer.forward.ab_norm([rgb])[0]).max()
        worst = float(np.maximum(worst, difference))  # a NaN stays
    return worst


def write(colorizer: Colorizer, format: str, path: str | Path) -> None:
    """Exports a colorizer, whole or not at all; an existing file or SavedModel is replaced.

    Args:
        colorizer: a loaded `Colorizer`, on the TensorFlow backend.
        format: a key of `runtimes.ENDINGS`.
        path: the file, or the SavedModel's folder; its parent is made.

    Raises:
        ExportError: a package is missing, the backend is another, the name does not suit the format, or another
            folder has it.

    Source of the conversions: Keras' `Model.export`.
    """
    import keras

    from colorizer.export import graph

    runtimes.require(format)
    path, ending = Path(path), runtimes.ENDINGS[format]
    runtimes.require_ending(format, path)
    require_replaceable(path)
    if keras.backend.backend() != "tensorflow":
        raise ExportError(
            f"Exporting needs the TensorFlow backend: set KERAS_BACKEND=tensorflow. Received: {keras.backend.backend()}"
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
        if format == "onnx":
            import onnx

            graph_file = onnx.load(part)
            if replace_erfc(graph_file):
                onnx.save(graph_file, part)
        replace(part, path)


def replace_erfc(model: onnx.ModelProto) -> int:
    """Writes the complementary error function of Keras' exact GELU as 1 - erf, since ONNX has no operator for it.

    Args:
        model: is changed.

    Returns:
        How often it occurred.
    """
    from onnx import helper, numpy_helper

    nodes, count = [], 0
    for node in model.graph.node:
        if node.op_type != "Erfc":
            nodes.append(node)
            continue
        count += 1
        (result,) = node.output
        nodes.append(helper.make_node("Erf", list(node.input), [f"{result}/erf"]))
        nodes.append(helper.make_node("Sub", ["erfc/one", f"{result}/erf"], [result]))
    if count:
        model.graph.initializer.append(numpy_helper.from_array(np.float32(1), "erfc/one"))
        model.graph.ClearField("node")
        model.graph.node.extend(nodes)
    return count


def require_replaceable(path: Path) -> None:
    """Checks that no folder but a SavedModel would be replaced.

    Args:
        path: the place of an export.

    Raises:
        ExportError: a folder without `saved_model.pb` stands there.
    """
    if path.is_dir() and not (path / "saved_model.pb").is_file():
        raise ExportError(f"The output is a folder, and no SavedModel. Received: {path}. Choose another -o.")


def replace(part: Path, path: Path) -> None:
    """Gives an exported file or folder its name, in one step where a file takes the place of a file."""
    if path.is_dir():  # of a folder no system does it in one step
        remove(path)
    os.replace(part, path)


def remove(path: Path) -> None:
    """Deletes an exported file or folder, if there is one."""
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def size_of(path: Path) -> int:
    """Counts the bytes of a file, or of all files in a folder."""
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) if path.is_dir() else path.stat().st_size
