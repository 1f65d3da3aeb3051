"""What runs predicted, as evaluation keeps it: the colours of all test pictures, small, a file per run and look.

    results/runs/<run>/predictions.npz          `<set>_names`, and `<set>_ab` (n, 64, 64, 2) int8
    results/runs/<run>/predictions_<look>.npz   the same of a look other than the method's first

Figures and tables are drawn from them where neither weights nor classifier are at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from colorizer import atomic_files

SIZE = 64
AB_STEPS = 127  # int8 = round(ab_norm * 127): steps of 1.008 Lab units, and -1..1 fits


def file_of(folder: Path, suffix: str = "") -> Path:
    """Where the predictions of a run, or of a look of it, are kept."""
    return Path(folder) / f"predictions{suffix}.npz"


def shrink(ab_norm_hat: np.ndarray) -> np.ndarray:
    """A prediction as it is kept.

    Args:
        ab_norm_hat: (H, W, 2) float, ab/128.

    Returns:
        (64, 64, 2) int8, round(ab/128 * 127), averaged over areas.

    Source: DESIGN, "A run's record".
    """
    small = cv2.resize(ab_norm_hat, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return np.rint(np.clip(small, -1, 1) * AB_STEPS).astype(np.int8)


def unshrink(kept: np.ndarray) -> np.ndarray:
    """Kept predictions (..., 64, 64, 2) int8 -> ab/128 float32 at that size; off by up to 0.5 Lab units."""
    return kept.astype(np.float32) / AB_STEPS


def write(path: Path, kept: Mapping[str, tuple[list[str], np.ndarray]]) -> None:
    """Writes predictions.npz, whole or not at all.

    Args:
        path: the file.
        kept: test set -> (names, (n, 64, 64, 2) int8); kept as `<set>_names` and `<set>_ab`.
    """
    arrays = {"ab_steps": np.array(AB_STEPS)}
    for test_set, (names, ab) in kept.items():
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
        ValueError: it was written with another scale.
    """
    if not path.is_file():
        return {}
    with np.load(path) as arrays:
        if arrays["ab_steps"] != AB_STEPS:
            raise ValueError(f"{path} holds round(ab/128 * {AB_STEPS}). Received the scale: {arrays['ab_steps']}")
        sets = [key.removesuffix("_names") for key in arrays.files if key.endswith("_names")]
        return {s: (arrays[f"{s}_names"].tolist(), arrays[f"{s}_ab"]) for s in sets}
