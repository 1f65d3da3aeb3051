"""predictions.npz: the predicted colors of all test pictures, small, a file per run and look.

    <run>/predictions.npz          `<set>_names`, and `<set>_ab` (n, 64, 64, 2) int8
    <run>/predictions_<look>.npz   the same, of a look other than the method's first

Figures and claims are made from them where weights or classifier are missing.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from colorizer import atomic_files
from colorizer.errors import EvaluationError

SIZE = 64
AB_STEPS = 127  # int8 = round(ab_norm * 127): steps of 1.008 Lab units, and -1..1 fits


def file_of(folder: Path, suffix: str = "") -> Path:
    """The file with the predictions of a run, or of a look of it."""
    return Path(folder) / f"predictions{suffix}.npz"


def shrink(ab_norm_hat: np.ndarray) -> np.ndarray:
    """Shrinks a prediction to what the file holds.

    Args:
        ab_norm_hat: (H, W, 2) float, ab/128.

    Returns:
        (64, 64, 2) int8, round(ab/128 * 127), averaged over areas.
    """
    small = cv2.resize(ab_norm_hat, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return np.rint(np.clip(small, -1, 1) * AB_STEPS).astype(np.int8)


def unshrink(small_ab: np.ndarray) -> np.ndarray:
    """Turns (..., 64, 64, 2) int8 of the file into ab/128 float32; off by up to 0.5 Lab units."""
    return small_ab.astype(np.float32) / AB_STEPS


def write(path: Path, by_set: Mapping[str, tuple[list[str], np.ndarray]]) -> None:
    """Writes predictions.npz, whole or not at all.

    Args:
        path: the file.
        by_set: test set -> (names, (n, 64, 64, 2) int8).
    """
    arrays = {"ab_steps": np.array(AB_STEPS)}
    for test_set, (names, ab) in by_set.items():
        arrays |= {f"{test_set}_names": np.array(names), f"{test_set}_ab": ab}
    with atomic_files.replacing(path) as part:
        np.savez_compressed(part, **arrays)


def read(path: Path) -> dict[str, tuple[list[str], np.ndarray]]:
    """Reads predictions.npz.

    Args:
        path: the file; it may be absent.

    Returns:
        test set -> (names, (n, 64, 64, 2) int8); {} where there is no file.

    Raises:
        EvaluationError: it is damaged, or was written with another scale.
    """
    if not path.is_file():
        return {}
    try:
        with open(path, "rb") as file, np.load(file) as arrays:
            if arrays["ab_steps"] != AB_STEPS:
                raise ValueError(f"the scale {arrays['ab_steps']} instead of {AB_STEPS}")
            sets = [key.removesuffix("_names") for key in arrays.files if key.endswith("_names")]
            return {s: (arrays[f"{s}_names"].tolist(), arrays[f"{s}_ab"]) for s in sets}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise EvaluationError(f"{path} cannot be read; delete it. Received: {error}") from error
