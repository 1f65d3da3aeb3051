"""The records of finished runs, read back, which of them stand in tables, which are pending; and metrics.csv.

    results/metrics.csv   a row per run, test set and picture

Nothing here needs Keras, pixels or weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from colorizer import atomic_files, experiments, methods
from colorizer.config import TrainConfig
from colorizer.evaluation import metrics

KEYS = ("run", "method", "trained_on", "classifier", "test_set", "image")
COLUMNS = KEYS + metrics.COLUMNS
TEST_LISTS = ("paintings", "coco", "ood")
FIGURE5 = "figure5"
OWN_L = "_own_l"  # after a method's name: its predictions with its own luminance, not the true one
NONE = "-"  # in a key: there is none, as the run of a trivial row


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
    suffixes = [suffix for suffix in variants(methods.declared(run.method)) if suffix != OWN_L]
    return [run, *(Look(run.folder, run.config, run.summary, run.history, suffix) for suffix in suffixes)]


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
        method: from `colorizer.methods.get` or `colorizer.methods.declared`.

    Returns:
        `OWN_L` for one that predicts luminance too, `_<look>` for every look but the first.

    Source: ours.
    """
    own = (OWN_L,) if method.predicts_luminance else ()
    return own + tuple(f"_{look}" for look in method.looks[1:])


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
        (r for r in runs if not experiments.is_ablation(r.name)),
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
    whole = [row.flags for row in experiments.MATRICES["gpu"] if not row.base]
    still = []
    for key in ((flags.get("method", TrainConfig.method), flags["dataset"]) for flags in whole):
        epochs = best[key].summary["epochs_done"] if key in best else 0
        if epochs < TrainConfig.epochs:
            still.append((*key, f", so far {epochs} epochs in {best[key].name}" if epochs else ""))
    return still


def pending_ablations(found: Iterable[Run]) -> list[str]:
    """The rows of the matrix gpu that change one thing of the paper's network and that no run has finished.

    Args:
        found: the finished runs.

    Returns:
        Their names, in the matrix's order.

    Source: ours.
    """
    finished = {run.name for run in found}
    return [row.name for row in experiments.MATRICES["gpu"] if row.base and row.name not in finished]


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
    with atomic_files.replacing(path) as part:
        table.to_csv(part, index=False, columns=list(COLUMNS))
