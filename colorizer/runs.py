"""The records of finished runs, read back, and the two files evaluation keeps.

    results/runs/<run>/predictions.npz   the predicted colours of all test pictures at 64x64
    results/metrics.csv                  a row per run, test set and picture

Nothing here needs Keras, pixels or weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from colorizer import files, matrix, methods, metrics
from colorizer.config import TrainConfig

KEYS = ("run", "method", "trained_on", "classifier", "test_set", "image")
COLUMNS = KEYS + metrics.COLUMNS
TEST_LISTS = ("paintings", "coco", "ood")
FIGURE5 = "figure5"
OWN_L = "_own_l"  # after a method's name: its predictions with its own luminance, not the true one
NONE = "-"  # in a key: there is none, as the run of a trivial row

PREDICTION_SIZE = 64
AB_STEPS = 127  # int8 = round(ab_norm * 127): steps of 1.008 Lab units, and -1..1 fits


@dataclass(frozen=True)
class Run:
    """A finished run's record.

    Attributes:
        folder: where it lies; its name is the run's name.
        config: `config.json`.
        summary: `summary.json`.
        history: `history.csv`, a row an epoch.
    """

    folder: Path
    config: Mapping
    summary: Mapping
    history: pd.DataFrame

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def method(self) -> str:
        return self.summary["method"]

    @property
    def trained_on(self) -> str:
        return self.summary["trained_on"]

    @property
    def classifier(self) -> str:
        return self.summary["classifier"]

    @property
    def pictures_seen(self) -> int:
        """Training pictures times epochs: how much training the run has had."""
        return self.summary["epochs_done"] * self.summary["train_images"]

    def keys(self, test_set: str, image: str) -> dict[str, str]:
        """The key columns of one row of metrics.csv."""
        values = (self.name, self.method, self.trained_on, self.classifier, test_set, image)
        return dict(zip(KEYS, values, strict=True))


@dataclass(frozen=True)
class Look(Run):
    """What a run's network makes of pictures in another look than its first.

    Attributes:
        suffix: of `variants`; it follows the run's name and the method's.
    """

    suffix: str

    @property
    def name(self) -> str:
        return self.folder.name + self.suffix

    @property
    def method(self) -> str:
        return super().method + self.suffix


def with_looks(run: Run) -> list[Run]:
    """A run, and a `Look` for each of its method's looks but the first, which is the run's own. Source: ours."""
    suffixes = [suffix for suffix in variants(methods.get(run.method)) if suffix != OWN_L]
    return [run, *(Look(run.folder, run.config, run.summary, run.history, suffix) for suffix in suffixes)]


def predictions_file(folder: Path, suffix: str = "") -> Path:
    """Where the predictions of a run, or of a look of it, are kept."""
    return Path(folder) / f"predictions{suffix}.npz"


def read(runs_dir: Path) -> tuple[list[Run], list[str]]:
    """Reads the runs of a folder.

    Args:
        runs_dir: holds a folder per run.

    Returns:
        The finished runs by name, and for each folder that is not one a line that says why.

    Source: DESIGN, "A run's record".
    """
    found, skipped = [], []
    for folder in sorted(path for path in Path(runs_dir).iterdir() if path.is_dir()):
        if not (folder / "summary.json").is_file():
            skipped.append(f"{folder.name}: skipped, it has no summary.json: still going, or broken off")
            continue
        try:
            config, summary = (json.loads((folder / f"{n}.json").read_text("utf-8")) for n in ("config", "summary"))
            run = Run(folder, config, summary, pd.read_csv(folder / "history.csv"))
            _ = run.keys("", ""), run.pictures_seen
        except (OSError, ValueError, KeyError) as error:
            skipped.append(f"{folder.name}: skipped, its record cannot be read: {type(error).__name__}: {error}")
            continue
        found.append(run)
    return found, skipped


def variants(method) -> tuple[str, ...]:
    """What a method's network is scored as beside `predict_ab`, as suffixes of the method's name.

    Args:
        method: a module of `colorizer.methods`.

    Returns:
        `OWN_L` for one that predicts luminance too, `_<look>` for every look but the first.

    Source: ours.
    """
    own = (OWN_L,) if hasattr(method, "predict_lab") else ()
    return own + tuple(f"_{look}" for look in methods.looks_of(method)[1:])


def chosen(runs: Iterable[Run]) -> dict[tuple[str, str], Run]:
    """The run that stands for a method and a training set where a table has room for one.

    Args:
        runs: any number.

    Returns:
        (method, trained_on) -> the run that was shown most training pictures, epochs times images.
        In a tie a run without a suffix, then the one whose best epoch has the lowest validation MSE, then the first
        by name. Never one that only serves an ablation.

    Source: ours.
    """
    best = {}
    for run in sorted(
        (r for r in runs if not matrix.is_ablation(r.name)),
        key=lambda r: (-r.pictures_seen, r.name != f"{r.method}-{r.trained_on}", r.summary["val_mse"], r.name),
    ):
        best.setdefault((run.method, run.trained_on), run)
    return best


def mean_colours(runs: Iterable[Run]) -> dict[str, Run]:
    """The run whose record names a training set's mean colour: that of the most training images.

    Args:
        runs: any number.

    Returns:
        trained_on -> run; its `summary["mean_ab_norm"]` is the colour.

    Source: ours.
    """
    best = {}
    for run in sorted(runs, key=lambda r: (-r.summary["train_images"], r.name)):
        best.setdefault(run.trained_on, run)
    return best


def command(method: str, dataset: str) -> str:
    """The command that makes a missing run; the paper's method is the default and need not be named."""
    named = "" if method == TrainConfig.method else f"--method {method} "
    return f"python train.py {named}--dataset {dataset}"


def pending(found: Iterable[Run]) -> list[tuple[str, str, str]]:
    """The trainings that no run has finished: the four systems of the paper on both of its sets.

    Args:
        found: the finished runs.

    Returns:
        (method, dataset, what there is instead: "" or ", so far 3 epochs in efficientnet-coco").

    Source: Tables 2 and 4; the three earlier systems on COCO are ours.
    """
    best = chosen(found)
    whole = [row.flags for row in matrix.MATRICES["gpu"] if not row.base]
    still = []
    for key in ((flags.get("method", TrainConfig.method), flags["dataset"]) for flags in whole):
        epochs = best[key].summary["epochs_done"] if key in best else 0
        if epochs < TrainConfig.epochs:
            still.append((*key, f", so far {epochs} epochs in {best[key].name}" if epochs else ""))
    return still


def pending_ablations(found: Iterable[Run]) -> list[str]:
    """The rows of the matrix gpu that change one thing of the paper's network and are not finished, by name."""
    finished = {run.name for run in found}
    return [row.name for row in matrix.MATRICES["gpu"] if row.base and row.name not in finished]


def read_metrics(path: Path) -> pd.DataFrame:
    """Reads metrics.csv.

    Args:
        path: the file; it may be absent.

    Returns:
        `COLUMNS`; no rows where there is no file.

    Raises:
        ValueError: the file has other columns.

    Source: DESIGN, "A run's record".
    """
    if not path.is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    # A classifier called "none" is a name, not a missing value.
    table = pd.read_csv(path, dtype=dict.fromkeys(KEYS, str), keep_default_na=False)
    if tuple(table.columns) != COLUMNS:
        raise ValueError(f"{path} has the columns {', '.join(COLUMNS)}. Received: {', '.join(table.columns)}")
    return table


def write_metrics(path: Path, table: pd.DataFrame) -> None:
    """Writes metrics.csv at full precision, whole or not at all."""
    with files.replacing(path) as part:
        table.to_csv(part, index=False, columns=list(COLUMNS))


def shrink(ab_norm_hat: np.ndarray) -> np.ndarray:
    """A prediction as it is kept.

    Args:
        ab_norm_hat: (H, W, 2) float, ab/128.

    Returns:
        (64, 64, 2) int8, round(ab/128 * 127), averaged over areas.

    Source: DESIGN, "A run's record".
    """
    small = cv2.resize(ab_norm_hat, (PREDICTION_SIZE, PREDICTION_SIZE), interpolation=cv2.INTER_AREA)
    return np.rint(np.clip(small, -1, 1) * AB_STEPS).astype(np.int8)


def unshrink(kept: np.ndarray) -> np.ndarray:
    """Kept predictions (..., 64, 64, 2) int8 -> ab/128 float32 at that size; off by up to 0.5 Lab units."""
    return kept.astype(np.float32) / AB_STEPS


def write_predictions(path: Path, predictions: Mapping[str, tuple[list[str], np.ndarray]]) -> None:
    """Writes predictions.npz, whole or not at all.

    Args:
        path: the file.
        predictions: test set -> (names, (n, 64, 64, 2) int8); kept as `<set>_names` and `<set>_ab`.
    """
    arrays = {"ab_steps": np.array(AB_STEPS)}
    for test_set, (names, ab) in predictions.items():
        arrays |= {f"{test_set}_names": np.array(names), f"{test_set}_ab": ab}
    with files.replacing(path) as part:
        np.savez_compressed(part, **arrays)


def read_predictions(path: Path) -> dict[str, tuple[list[str], np.ndarray]]:
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
