"""Opens exported networks as functions, each in its own runtime: ONNX Runtime, LiteRT or TensorFlow.

None of the three needs this package. It opens them to check and to time what it exported.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from colorizer import environment
from colorizer.errors import ExportError

ENDINGS = {"onnx": ".onnx", "litert": ".tflite", "saved_model": ""}  # of a SavedModel, which is a folder, none
_PACKAGES = {"onnx": "onnxruntime", "litert": "ai_edge_litert", "saved_model": "keras"}
_WRITERS = {"onnx": "tf2onnx", "litert": "tensorflow", "saved_model": "tensorflow"}
INSTALL = 'pip install -e ".[export]" -c constraints.txt'


def require(format: str, asked: str | None = None) -> None:
    """Checks that a format can be written and read here.

    Args:
        format: a key of `ENDINGS`.
        asked: the name of the format in the message, if it is another.

    Raises:
        ExportError: a package is missing; the message has the command that installs it.
    """
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)  # of operators that `convert.replace_erfc` replaces
    for package in (_WRITERS[format], _PACKAGES[format]):
        if importlib.util.find_spec(package) is None:
            raise ExportError(
                f"--format {asked or format} needs the package {package}, which is not installed. "
                f"In a clone of this repository:\n    {INSTALL}"
            )


def require_ending(format: str, path: Path) -> None:
    """Checks that a name suits a format.

    Raises:
        ExportError: it ends in something else.
    """
    ending = ENDINGS[format]
    if path.suffix.lower() != ending:
        wanted = f"a name that ends in {ending}" if ending else "a folder's name, without an ending"
        raise ExportError(f"--format {format} writes {wanted}. Received: {path}")


def format_of(path: str | Path) -> str:
    """Finds out the format of an exported network by its name.

    Args:
        path: a file, or a SavedModel's folder.

    Returns:
        A key of `ENDINGS`.

    Raises:
        ExportError: it is none of them.
    """
    path = Path(path)
    for format, ending in ENDINGS.items():
        if path.suffix.lower() == ending and path.is_dir() == (format == "saved_model"):
            return format
    raise ExportError(f"An exported network is a .onnx file, a .tflite file or a SavedModel's folder. Received: {path}")


def open_network(path: str | Path, threads: int | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """Opens an exported network.

    Args:
        path: what `python -m colorizer export` wrote.
        threads: of ONNX Runtime and LiteRT; None leaves it to them. TensorFlow has its own for the whole process.

    Returns:
        A function `l_norm` (1, P, P, 1) float32, -1..1 -> `ab_norm_hat` (1, S, S, 2) float32, ab/128.

    Raises:
        ExportError: it is no such file, or its runtime is not installed.
    """
    format = format_of(path)
    require(format)
    return {"onnx": _onnx, "litert": _litert, "saved_model": _saved_model}[format](str(path), threads)


def _onnx(path: str, threads: int | None) -> Callable[[np.ndarray], np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda l_norm: session.run(None, {name: l_norm})[0]


def _litert(path: str, threads: int | None) -> Callable[[np.ndarray], np.ndarray]:
    from ai_edge_litert.interpreter import Interpreter

    with environment.quiet():  # it announces a delegate
        interpreter = Interpreter(path, num_threads=threads)
        interpreter.allocate_tensors()
    given, taken = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(l_norm):
        interpreter.set_tensor(given, l_norm)
        interpreter.invoke()
        return interpreter.get_tensor(taken)

    return run


def _saved_model(path: str, threads: int | None) -> Callable[[np.ndarray], np.ndarray]:
    import keras

    layer = keras.layers.TFSMLayer(path, call_endpoint="serve")
    return lambda l_norm: keras.ops.convert_to_numpy(layer(l_norm))
