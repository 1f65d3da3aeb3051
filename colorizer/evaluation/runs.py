"""The records of finished runs, and which of them represents a method in a table.

Nothing here needs Keras, pixels or weights.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from colorizer import experiments, methods
from colorizer.config import CUT, ENDED, HISTORY, RECORD, STOPPED, SUMMARY, TrainConfig
from colorizer.data.datasets import NAMES, parts_of
from colorizer.evaluation.scores import PREDICTOR

# Where and how fast a run is trained, and its seed.
_NOT_IN_RECIPE = {"seed", "run", "data_dir", "workers", "max_minutes", "strategy", "tensorboard"}
KERAS_INITIALIZER = "glorot_uniform"  # Keras' own, where a record names none
OWN_L = "_own_l"  # after a method's name: its predictions with its own luminance, not the true one


@dataclass(frozen=True)
class Run:
    """A finished run's record.

    Attributes:
        folder: where it lies; its name is the run's name.
        config: `config.json`.
        summary: `summary.json`.
        history: `history.csv`, a row per epoch.
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
    def ending(self) -> str:
        """How it ended, one of `config.ENDINGS`; of a record from before there was `patience`, what follows from it."""
        few = self.summary["epochs_done"] < self.summary["epochs"]
        return self.summary.get("ending", CUT if few else ENDED)

    @property
    def is_whole(self) -> bool:
        """Whether it stands beside the paper's runs: as many epochs as theirs, or stopped where more taught nothing.

        With less patience than a plateau has it stopped after a cut of the rate that others might have followed.
        """
        patience = self.config.get("patience")
        waited = patience is None or patience >= self.config.get("plateau_patience", 0)
        stopped = self.ending == STOPPED and waited and self.summary["epochs"] >= TrainConfig.epochs
        return stopped or self.summary["epochs_done"] >= TrainConfig.epochs

    @property
    def recipe(self) -> str:
        """What the run computes but for its seed: runs of one recipe differ by chance alone."""
        same = [f for f in dataclasses.fields(TrainConfig) if f.name not in _NOT_IN_RECIPE]
        values = {f.name: self.config.get(f.name, f.default) for f in same}
        values["initializer"] = values["initializer"] or KERAS_INITIALIZER  # of records from before there was a choice
        about = {"classifier": self.config.get("classifier_sha256"), "images": self.summary["train_images"]}
        length = self.summary["epochs_done"] if self.ending == CUT else None
        return json.dumps([values | about, length], sort_keys=True)

    @property
    def seed(self) -> int:
        """The seed of its training; that of older records is the default."""
        return self.config.get("seed", TrainConfig.seed)

    @property
    def has_earlier_stages(self) -> bool:
        """Whether its history begins before its settings do: a learning rate is above the highest of its settings."""
        rate, rates = self.config.get("learning_rate"), self.history.get("learning_rate")
        # The history has it rounded to float32.
        return rate is not None and rates is not None and bool(rates.max() > 1.001 * rate)

    @property
    def pictures_seen(self) -> int:
        """Training pictures times epochs: how much training the run has had."""
        return self.summary["epochs_done"] * self.summary["train_images"]

    @property
    def key(self) -> dict[str, str]:
        """The columns of metrics.csv that name this predictor."""
        return dict(zip(PREDICTOR, (self.name, self.method, self.trained_on, self.classifier), strict=True))

    @property
    def has_own_pictures(self) -> bool:
        """Whether it was trained on a folder of pictures, alone or joined with named data sets."""
        return any(part.name not in NAMES for part in parts_of(self.config["dataset"]))

    @property
    def named_sets(self) -> set[str]:
        """The named data sets that it was trained on, alone or joined with others."""
        return {part.name for part in parts_of(self.config["dataset"])} & set(NAMES)


@dataclass(frozen=True)
class Look(Run):
    """A run's network in another look than its first.

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
    """A run, and a `Look` for each further look of its method."""
    suffixes = [suffix for suffix in variants(methods.declared(run.method)) if suffix != OWN_L]
    return [run, *(Look(run.folder, run.config, run.summary, run.history, suffix) for suffix in suffixes)]


def read(runs_dir: Path) -> tuple[list[Run], list[str]]:
    """Reads the runs of a folder.

    Args:
        runs_dir: holds a folder per run.

    Returns:
        The finished runs by name, and a line for each run that cannot be used, with the reason.
    """
    runs, notes = [], []
    for folder in sorted(path for path in Path(runs_dir).iterdir() if path.is_dir()):
        if not (folder / RECORD).is_file() and not (folder / SUMMARY).is_file():
            continue  # no run: the folder of an evaluation, say
        if not (folder / SUMMARY).is_file():
            notes.append(f"{folder.name}: skipped, its training has not finished (no {SUMMARY})")
            continue
        try:
            config, summary = (json.loads((folder / name).read_text("utf-8")) for name in (RECORD, SUMMARY))
            run = Run(folder, config, summary, pd.read_csv(folder / HISTORY))
            _ = run.key, run.pictures_seen, run.has_own_pictures
            if run.method not in methods.names():
                raise ValueError(f"there is no method {run.method}")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            notes.append(f"{folder.name}: skipped, its record cannot be read: {type(error).__name__}: {error}")
            continue
        runs.append(run)
    return runs, notes


def variants(method) -> tuple[str, ...]:
    """The further predictions that a method is scored with, as suffixes of its name.

    Args:
        method: from `colorizer.methods.get` or `colorizer.methods.declared`.

    Returns:
        `OWN_L` for a method that predicts luminance too, `_<look>` for every look but the first.
    """
    own = (OWN_L,) if method.predicts_luminance else ()
    return own + tuple(f"_{look}" for look in method.looks[1:])


def representatives(runs: Iterable[Run]) -> dict[tuple[str, str], Run]:
    """Picks the run that represents a method and a training set where a table has room for one.

    Args:
        runs: any number.

    Returns:
        (method, trained_on) -> the run that has seen most training pictures, epochs times images. In a tie a run
        without a suffix, then the one with the lowest validation MSE, then the first by name. Never an ablation.
    """
    best = {}
    for run in sorted(
        (r for r in runs if not experiments.is_ablation(r.name)),
        key=lambda r: (-r.pictures_seen, r.name != f"{r.method}-{r.trained_on}", r.summary["val_mse"], r.name),
    ):
        best.setdefault((run.method, run.trained_on), run)
    return best


def mean_colors(runs: Iterable[Run]) -> dict[str, Run]:
    """Picks the run whose record gives a training set's mean color: that of the most training images.

    Args:
        runs: any number.

    Returns:
        trained_on -> run; its `summary["mean_ab_norm"]` is the color.
    """
    best = {}
    for run in sorted(runs, key=lambda r: (-r.summary["train_images"], r.name)):
        best.setdefault(run.trained_on, run)
    return best
