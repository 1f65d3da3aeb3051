"""How fast finished runs were trained, as an estimate of how long others will take."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from colorizer import experiments, methods
from colorizer.config import TrainConfig
from colorizer.evaluation import runs


class Rate(NamedTuple):
    """How fast a run was.

    Attributes:
        precision: of its training.
        method: a module's name.
        image_size: side of its pictures.
        hours: for each unit of `work`.
    """

    precision: str
    method: str
    image_size: int
    hours: float


def work(flags: Mapping[str, Any], method: str, pictures: int | None = None, epochs: int | None = None) -> float:
    """How much a run computes: G multiply-adds of its forward passes.

    Args:
        flags: field of `TrainConfig` -> value, where it is not the default.
        method: a module's name.
        pictures: in training; None: the limit, or the data set's.
        epochs: None: those of `flags`.

    Returns:
        G multiply-adds, in proportion to the pixels. A training step costs about the same multiple for all methods.
    """
    size = flags.get("image_size", TrainConfig.image_size)
    whole = experiments.PICTURES.get(flags.get("dataset", TrainConfig.dataset), 0)
    pictures = pictures or min(flags.get("limit") or whole, whole)
    epochs = flags.get("epochs", TrainConfig.epochs) if epochs is None else epochs
    cost = methods.declared(method).multiply_adds if method in methods.names() else 0
    return cost * (size / TrainConfig.image_size) ** 2 * pictures * epochs


def read(runs_dir: Path, device: str) -> list[Rate]:
    """The rates of the finished runs in a folder; a record that cannot be read, or only half, is left out.

    Args:
        runs_dir: holds a folder per run; it may be absent.
        device: from `environment.device`; runs of another one are left out.
    """
    rates = []
    for run in runs.read(runs_dir)[0] if Path(runs_dir).is_dir() else []:
        with contextlib.suppress(KeyError, TypeError):  # half a record
            hours, summary = run.summary["runtime_hours"], run.summary
            done = work(run.config, run.method, summary["train_images"], summary["epochs_done"])
            if summary["device"] == device and done and hours:
                rates.append(Rate(summary["precision"], run.method, run.config["image_size"], hours / done))
    return rates


def like(rates: Sequence[Rate], precision: str, method: str, image_size: int) -> float:
    """The rate that a run is likely to have.

    Args:
        rates: from `read`.
        precision: of the run.
        method: a module's name.
        image_size: side of its pictures.

    Returns:
        Hours for each unit of `work`: the median of the runs of the same precision and method; where there is none, of
        the same precision; where there is none, of all. Of these those count whose pictures are nearest in size: small
        ones cost more for each pixel. 0 without any run.
    """
    kind = (precision, method)
    alike = next(filter(None, ([r for r in rates if r[:n] == kind[:n]] for n in (2, 1, 0))), [])
    nearest = min((abs(rate.image_size - image_size) for rate in alike), default=0)
    return statistics.median([r.hours for r in alike if abs(r.image_size - image_size) == nearest] or [0.0])
