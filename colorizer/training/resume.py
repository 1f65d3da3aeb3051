"""Where a training starts: at the beginning, or from the record of the run that it resumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from colorizer import weights
from colorizer.classifiers import classifier
from colorizer.config import SPLIT, TrainConfig, flag_of
from colorizer.errors import RecordError
from colorizer.training import run_folders
from colorizer.training.data import Data
from colorizer.training.run_record import Record

# What a resumed run may change: how long, how fast, where the same pictures lie, and who watches.
_FREE_ON_RESUME = {"epochs", "max_minutes", "patience", "workers", "data_dir", "run", "strategy", "tensorboard"}


@dataclass(frozen=True)
class Start:
    """What a training takes over from the run that it resumes; of a new run nothing.

    Attributes:
        config: the configuration to train with. Its `init_weights` are those of the run that is resumed, where that
            began with others: these may be gone. The record keeps the name of the others.
        recorded: the `config.json` that is there; empty for a new run.
        split: the run's own lists of pictures, see `Record.split`; None where they are still to be drawn or read.
    """

    config: TrainConfig
    recorded: Mapping[str, Any] = field(default_factory=dict)
    split: Mapping[str, Sequence[str]] | None = None

    @classmethod
    def new(cls, config: TrainConfig, record: Record) -> Start:
        """The start of a new run.

        Args:
            config: from `config.resolve`.
            record: of the run's folder.

        Raises:
            RecordError: the folder holds a run already.
        """
        run_folders.refuse_taken(record.folder)
        return cls(config)

    @classmethod
    def resumed(cls, config: TrainConfig, record: Record) -> Start:
        """The start of a run that is continued.

        Args:
            config: from `config.resolve`.
            record: of the run's folder.

        Raises:
            RecordError: there is no run, it had other settings, or its record or state is damaged or absent.
        """
        run_folders.refuse_absent(record.folder)
        recorded = record.config()
        _check_settings(config, recorded, record.folder)
        record.require_state()
        if config.init_weights and record.has_state():
            config = replace(config, init_weights=config.run)
        return cls(config, recorded, record.split())

    def same_source(self, data: Data) -> Data:
        """The data with the source of their split as recorded, whatever lists lie beside the pictures now.

        Args:
            data: from `prepare`, with this `split`.

        Raises:
            RecordError: the run's lists are gone, and other pictures than then would be split anew.
        """
        if not self.split:
            self._require_as_many(data)
            return data
        source = self.recorded["data"]["split_source"]
        return replace(data, dataset=replace(data.dataset, split_source=source))

    def _require_as_many(self, data: Data) -> None:
        """Without a run's lists the same pictures are split alike, and others are not: pictures would change sides."""
        before = self.recorded.get("data", {})
        dataset = data.dataset
        now = sum(len(part) for part in (dataset.train, dataset.val, dataset.test))
        counted = ("train", "val", "test", "dropped")
        then = sum(before.get(part, 0) for part in counted)
        if all(part in before for part in counted) and now != then:  # older records lack some
            raise RecordError(
                f"{self.config.run} has no {SPLIT}, which says which pictures were held out, and there were {then:,} "
                f"pictures. Received: {now:,}. Restore the file, or train again in another --run."
            )

    def check_classifier(self, loaded: classifier.Classifier) -> None:
        """Refuses another classifier than the run was started with.

        Args:
            loaded: the one that was found now.

        Raises:
            RecordError: its sha256 differs from the recorded one.
        """
        if self.recorded.get("classifier_sha256", loaded.fingerprint) != loaded.fingerprint:
            raise RecordError(
                f"{self.config.run} was trained with the classifier {self.recorded['classifier_name']} "
                f"({self.recorded['classifier_sha256']}). Received: {loaded.name} ({loaded.fingerprint}). "
                "Name the right file with --classifier."
            )

    def trained_blocks(self) -> list[str]:
        """The blocks of the encoder that were trained before this run, by name; a long training takes them over."""
        recorded = self.recorded
        if not recorded and self.config.init_weights:
            recorded = weights.record_for(self.config.init_weights, self.config.method)
        return recorded.get(weights.TRAINED_BLOCKS, [])

    def all_commits(self, now: str) -> str:
        """The commits that train the run, the latest one last: "a1b2c3, then d4e5f6".

        Args:
            now: the present commit.
        """
        before = self.recorded.get("commit", now)
        return before if before.endswith(now) else f"{before}, then {now}"


def _check_settings(config: TrainConfig, recorded: Mapping[str, Any], folder: Path) -> None:
    """Refuses to resume a run with other settings than it was started with."""
    for name, value in asdict(config).items():
        # A run from before there was a setting was trained with what is now its default.
        before = recorded.get(name, getattr(TrainConfig, name))
        if name == "classifier":  # its file may be elsewhere now, under another name
            renamed = classifier.has_fingerprint(value, recorded.get("classifier_sha256"))
            before, value = classifier.name_of(before), classifier.name_of(value)
            value = before if renamed else value
        same = run_folders.same_data_set(before, value) if name == "dataset" else before == value
        if name not in _FREE_ON_RESUME and not same:
            raise RecordError(
                f"{folder} was started with {flag_of(name)} {before}; a resumed run keeps its settings. "
                f"Received: {value}"
            )
        # The rate of every step depends on the number of epochs: the steps that are done had another schedule's.
        if name == "epochs" and config.schedule == "one_cycle" and not same:
            raise RecordError(
                f"{folder} was started with --schedule one_cycle over --epochs {before}, and its learning rate "
                f"falls to 0 at their end; a resumed run keeps both. Received: --epochs {value}. "
                f"Start another run with --init-weights {folder}."
            )
