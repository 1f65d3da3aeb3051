"""A run's folder: what it was told, what happened, what `--resume` needs.

    config.json       every setting, package versions, commit, device, classifier, data
    history.csv       a row an epoch
    best.weights.h5   the network after the epoch with the lowest validation loss, kernels in half precision
    summary.json      written once, when the run is done
    encoder.json      the encoder's layers, where it was a classifier's
    last/             state.json and the weights it names: network and optimizer after the last whole epoch

`state.json` is renamed into place last, so there is always one whole state: after a kill
anywhere the run goes on from the end of the last epoch it names.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from colorizer import atomic_files, weights
from colorizer.errors import RecordError


class Record:
    """The folder of one run.

    Args:
        folder: made when the first file is written.

    Source: DESIGN, "A run's record".
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.last = self.folder / "last"
        self.candidate = self.last / "candidate.weights.h5"  # ModelCheckpoint's file, until it is halved

    def config(self) -> dict | None:
        """The run's `config.json`, or None where no run has begun."""
        return _read_json(self.folder / "config.json")

    def state(self) -> dict | None:
        """The state after the last whole epoch, or None where no epoch was finished.

        Returns:
            {"epochs_done", "weights" (a file name in last/), "history" (a list of rows),
            "callbacks" (name -> attributes)}.
        """
        return _read_json(self.last / "state.json")

    def refuse_another(self) -> None:
        """Raises RecordError where a run is there already."""
        if self.config() is not None:
            raise RecordError(
                f"{self.folder} already holds a run. Go on with it: --run {self.folder} --resume; "
                f"or choose another --run, or delete the folder."
            )

    def start(self, config: dict) -> dict | None:
        """Begins a run, or goes on with the one that is there.

        Args:
            config: what goes into `config.json`.

        Returns:
            The state to go on from; None to begin at the beginning.
        """
        self.last.mkdir(parents=True, exist_ok=True)
        self.candidate.unlink(missing_ok=True)
        atomic_files.write_json(self.folder / "config.json", config)
        return self.state()

    def save_state(self, trainer, epochs_done: int, history: list[dict], callbacks: dict) -> None:
        """Makes the end of an epoch the point a resumed run goes on from.

        Args:
            trainer: the compiled model; its optimizers' state is saved with it.
            epochs_done: whole epochs so far.
            history: all rows of `history.csv`.
            callbacks: what the callbacks must remember, JSON values.
        """
        name = f"epoch-{epochs_done:04d}.weights.h5"
        with atomic_files.replacing(self.last / name) as part:
            trainer.save_weights(part)
        state = {"epochs_done": epochs_done, "weights": name, "history": history, "callbacks": callbacks}
        atomic_files.write_json(self.last / "state.json", state)
        self.write_history(history)
        for old in self.last.glob("epoch-*.weights.h5"):
            if old.name != name:
                old.unlink()

    def write_history(self, history: list[dict]) -> None:
        """Writes `history.csv`, whole."""
        with atomic_files.replacing(self.folder / "history.csv") as part:
            pd.DataFrame(history).to_csv(part, index=False)

    def keep_split(self, dataset) -> None:
        """Writes `split.json`: which picture trains, validates and tests, where no lists say so."""
        atomic_files.write_json(
            self.folder / "split.json", {name: getattr(dataset, name) for name in ("train", "val", "test")}
        )

    def keep_encoder(self, encoder) -> None:
        """Writes `encoder.json`: the layers of a classifier that became part of the network, without weights."""
        atomic_files.write_text(self.folder / weights.ENCODER, encoder.to_json())

    def keep_best(self) -> None:
        """Takes the checkpoint that was just written, if one was, as the run's best weights."""
        if self.candidate.is_file():
            weights.halve(self.candidate, self.folder / weights.BEST)
            self.candidate.unlink()

    def finish(self, summary: dict) -> None:
        """Writes `summary.json`, which says that the run is done."""
        atomic_files.write_json(self.folder / "summary.json", summary)


class ReadOnly(Record):
    """The record as those ranks of a training see it that do not write it: everything is left to rank 0."""

    def start(self, config: dict) -> dict | None:
        """The state to go on from; see `Record.start`."""
        return self.state()

    def save_state(self, *arguments) -> None:
        """Nothing; so the others."""

    write_history = keep_split = keep_best = keep_encoder = finish = save_state


def _read_json(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
