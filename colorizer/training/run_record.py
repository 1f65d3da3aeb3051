"""A run's folder: its settings, its history, and what `--resume` needs.

    config.json       every setting, package versions, commit, device, classifier, data
    history.csv       a row an epoch
    best.weights.h5   the network after the epoch with the lowest validation loss, kernels in half precision
    summary.json      written once, when the run is done
    split.json        which picture trains, validates and tests, where no lists of the data set say so
    encoder.json      the encoder's layers, where it was a classifier's
    last/             state.json and the weights it names: network and optimizer after the last whole epoch;
                      split.json where lists of the data set say it

`state.json` is renamed into place last, so there is always one whole state: after a kill
anywhere the run resumes from the end of the last epoch it names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import keras
import pandas as pd

from colorizer import atomic_files, weights
from colorizer.config import HISTORY, LAST, RECORD, SPLIT, STATE, SUMMARY
from colorizer.data import datasets
from colorizer.errors import RecordError
from colorizer.training import run_folders


class Record:
    """The folder of one run.

    Args:
        folder: made when the first file is written.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.last = self.folder / LAST

    def config(self) -> dict | None:
        """The run's `config.json`, or None where no run has started.

        Raises:
            RecordError: the file is damaged.
        """
        return run_folders.read_config(self.folder)

    def has_state(self) -> bool:
        """Whether an epoch was finished, so that the run can be resumed."""
        return run_folders.has_state(self.folder)

    def state(self) -> dict | None:
        """The state after the last whole epoch, or None where no epoch was finished.

        Returns:
            {"epochs_done", "weights" (a file name in last/), "sha256" (of that file), "history" (a list of rows),
            "callbacks" (name -> attributes)}.

        Raises:
            RecordError: the file is damaged.
        """
        return run_folders.read_json(self.folder / STATE, self._advice())

    def load_state(self, trainer: keras.Model, state: dict) -> None:
        """Gives a trainer the weights, and the optimizer the variables, of a state.

        Args:
            trainer: compiled, with the optimizer's variables built.
            state: from `state`.

        Raises:
            RecordError: the file is absent or damaged; the message says how to train on.
        """
        path = self.last / state["weights"]
        try:
            trainer.load_weights(path)
        except (OSError, ValueError, KeyError) as error:
            raise self._damaged(path, error) from error

    def require_state(self) -> None:
        """Refuses to start a run over that has finished an epoch but lacks what it resumes from.

        Raises:
            RecordError: the state is absent or damaged; the message says how to train on.
        """
        state = self.state()
        # A history is written after the first state: a run that was killed before may begin anew.
        if state is None and any((self.folder / name).is_file() for name in (HISTORY, SUMMARY)):
            raise RecordError(f"{self.folder / STATE} is not there. {self._advice()}")
        if state is None or "sha256" not in state:  # records of older versions have no checksum
            return
        path = self.last / state["weights"]
        try:
            if hashlib.sha256(path.read_bytes()).hexdigest() != state["sha256"]:
                raise ValueError("other bytes than were written")
        except (OSError, ValueError) as error:
            raise self._damaged(path, error) from error

    def _damaged(self, path: Path, error: Exception) -> RecordError:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return RecordError(f"{path} is damaged. {self._advice()} Received: {reason}")

    def _advice(self) -> str:
        """What a person can do where the state to resume from is damaged or absent."""
        advice = "The run cannot be resumed."
        if (self.folder / weights.BEST).is_file():
            return f"{advice} Its best weights are intact: start a new run from them with --init-weights {self.folder}."
        return f"{advice} Train again in another --run."

    def split(self) -> dict[str, list[str]] | None:
        """The run's own lists of pictures, "train", "val" and "test"; None where it kept none.

        Raises:
            RecordError: the file is damaged.
        """
        # Lists of a data set that has its own need not be committed with the record: they lie in last/.
        advice = "It says which pictures were held out. Restore the file, or train again in another --run."
        return run_folders.read_json(self.folder / SPLIT, advice) or run_folders.read_json(self.last / SPLIT, advice)

    def start(self, config: dict, resume: bool = False) -> dict | None:
        """Starts a run, or resumes the one that is there.

        Args:
            config: what goes into `config.json`.
            resume: whether a run is there.

        Returns:
            The state to resume from; None to start at the beginning.

        Raises:
            RecordError: a run is there although none is resumed.
        """
        if not resume:
            run_folders.refuse_taken(self.folder)
        self.last.mkdir(parents=True, exist_ok=True)
        # A process that was killed leaves temporary files; nobody else would remove them.
        for folder in (self.folder, self.last):
            atomic_files.sweep_folder(folder)
        state = self.state() if resume else None
        atomic_files.write_json(self.folder / RECORD, config)
        # Of the session before: a run that is open has none.
        (self.folder / SUMMARY).unlink(missing_ok=True)
        return state

    def save_state(self, trainer: keras.Model, epochs_done: int, history: Sequence[dict], callbacks: dict) -> None:
        """Makes the end of an epoch the point a resumed run starts from.

        Args:
            trainer: the compiled model; its optimizers' state is saved with it.
            epochs_done: whole epochs so far.
            history: all rows of `history.csv`.
            callbacks: what the callbacks must remember, JSON values.
        """
        # Four digits: names sort by their epoch up to 9,999.
        name = f"epoch-{epochs_done:04d}.weights.h5"
        saved = weights.packed(trainer)
        atomic_files.write_bytes(self.last / name, saved)
        # The weights are on the disk before the state names them: a kill between both leaves the epoch before.
        state = {
            "epochs_done": epochs_done,
            "weights": name,
            "sha256": hashlib.sha256(saved).hexdigest(),
            "history": history,
            "callbacks": callbacks,
        }
        atomic_files.write_json(self.folder / STATE, state)
        self.write_history(history)
        # Last of all: until the new state is whole, the old one is what a run resumes from.
        for old in self.last.glob("epoch-*.weights.h5"):
            if old.name != name:
                old.unlink()

    def write_history(self, history: Sequence[dict]) -> None:
        """Writes `history.csv`, whole."""
        with atomic_files.replacing(self.folder / HISTORY) as part:
            pd.DataFrame(history).to_csv(part, index=False)

    def keep_split(self, dataset) -> None:
        """Writes the run's lists, which a resumed run reads: the split belongs to the run."""
        lists = {name: getattr(dataset, name) for name in datasets.PARTS}
        atomic_files.write_json((self.last if dataset.split_source == "lists" else self.folder) / SPLIT, lists)

    def keep_encoder(self, encoder: keras.Model) -> None:
        """Writes `encoder.json`: the layers of a classifier that became part of the network, without weights."""
        atomic_files.write_text(self.folder / weights.ENCODER, encoder.to_json())

    def save_best(self, network: keras.Model) -> None:
        """Writes `best.weights.h5`, the network as it is now."""
        # Half precision: 9.4 MB instead of 18.8 for the paper's network. What a run resumes from stays whole.
        atomic_files.write_bytes(self.folder / weights.BEST, weights.halved(weights.packed(network)))

    def finish(self, summary: dict) -> None:
        """Writes `summary.json`, which says that the run is done."""
        atomic_files.write_json(self.folder / SUMMARY, summary)


class ReadOnly(Record):
    """The record as those ranks of a training see it that do not write it: everything is left to rank 0."""

    def start(self, config: dict, resume: bool = False) -> dict | None:
        """The state to resume from; see `Record.start`."""
        return self.state() if resume else None

    def save_state(self, *arguments) -> None:
        """Nothing; so the others."""

    write_history = keep_split = save_best = keep_encoder = finish = save_state
