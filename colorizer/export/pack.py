"""Copies a run's weights with kernels of one byte, as weights are shipped."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from colorizer import atomic_files, weights
from colorizer.errors import ExportError
from colorizer.inference import engine


def write(named: str | Path, folder: str | Path, overwrite: bool = False) -> str:
    """Copies weights, record and encoder into a folder; the large kernels there take one byte a number.

    Args:
        named: what `weights.load` takes.
        folder: where to.
        overwrite: whether weights that are there are replaced. Their `network.onnx` fits no longer, and goes.

    Returns:
        The sha256 of the new weights file, as `weights.SHIPPED` has it.

    Raises:
        ExportError: the folder has weights, or is that of the weights themselves.
        WeightsError: see `weights.load`.
    """
    source, folder = weights.place(named), Path(folder)
    weights.record_of(source)
    if folder.resolve() == source.parent.resolve():
        raise ExportError(f"--pack names another folder than the weights'. Received: {folder}")
    target = folder / weights.BEST
    if target.exists() and not overwrite:
        raise ExportError(f"The folder has weights already; replace them with --overwrite. Received: {folder}")
    data = weights.quantized(weights.packed(weights.load(source).network))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / engine.FILE).unlink(missing_ok=True)
    for name in (weights.RECORD, weights.ENCODER):
        if (source.parent / name).is_file():
            with atomic_files.replacing(folder / name) as part:
                shutil.copyfile(source.parent / name, part)
    atomic_files.write_bytes(target, data)
    return hashlib.sha256(data).hexdigest()
