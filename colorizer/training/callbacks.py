"""Keras callbacks: the epoch's clock, the run's checkpoint, when to stop, progress."""

from __future__ import annotations

import datetime
import math
import sys
import time
from collections.abc import Sequence

import keras
import numpy as np
from tqdm import tqdm

from colorizer.config import CUT, ENDED, ENDINGS, STOPPED, TrainConfig
from colorizer.training.distribution import Group
from colorizer.training.divergence import TerminateOnDivergence
from colorizer.training.run_record import Record

# What Keras' callbacks remember from epoch to epoch and do not save.
_REMEMBERED = {"plateau": ("best", "wait", "cooldown_counter"), "checkpoint": ("best",)}


class EpochClock(keras.callbacks.Callback):
    """Tells the batches which epoch begins, also the first one after a resume.

    Args:
        train: the training `Batches`.
    """

    def __init__(self, train):
        super().__init__()
        self.train = train

    def on_epoch_begin(self, epoch, logs=None):
        self.train.start_epoch(epoch)


class BestWeights:
    """Keeps the network of the epoch with the lowest validation loss, as Keras' ModelCheckpoint does.

    ModelCheckpoint itself saves before anybody can tell whether the epoch was a good one, and writes to the disk
    through HDF5 (see `weights.packed`).

    Args:
        network: whose weights are saved; `fit` may run a trainer around it.
        record: where to.

    Attributes:
        best: the lowest validation loss so far.

    Source: paper §III.C, "checkpoints are created to monitor the loss and save the best model".
    """

    def __init__(self, network: keras.Model, record: Record):
        self._network, self._record = network, record
        # The first epoch is the best so far, whatever its loss; a resumed run gets its own value back.
        self.best = math.inf

    def update(self, val_loss: float) -> None:
        """Saves the network where its validation loss is the lowest so far."""
        if val_loss < self.best:
            self.best = val_loss
            self._record.save_best(self._network)


class RunCheckpoint(keras.callbacks.Callback):
    """Writes the run's record after every epoch and restores what the callbacks of a resumed run forgot.

    It stands behind the callbacks it remembers, so that it sees what they did in this epoch. An epoch that diverged
    is not saved: the record then ends with the last good one.

    Args:
        record: the run's folder.
        state: what `Record.start` gave back, or None.
        train: the training `Batches`.
        plateau: Keras' ReduceLROnPlateau.
        best: saves the best network.
        divergence: says whether the epoch diverged.
        group: the ranks that train.

    Attributes:
        history: the rows of `history.csv` so far.
    """

    def __init__(
        self,
        record: Record,
        state: dict | None,
        *,
        train,
        plateau: keras.callbacks.ReduceLROnPlateau,
        best: BestWeights,
        divergence: TerminateOnDivergence,
        group: Group,
    ):
        super().__init__()
        self._record, self._train, self._best = record, train, best
        self._divergence, self._group = divergence, group
        self._callbacks = {"plateau": plateau, "checkpoint": best}
        self._restored = state["callbacks"] if state else {}
        self.history = list(state["history"]) if state else []

    def on_train_begin(self, logs=None):
        for name, attributes in self._restored.items():  # ReduceLROnPlateau resets itself just before
            for attribute, value in attributes.items():
                setattr(self._callbacks[name], attribute, value)

    def on_epoch_begin(self, epoch, logs=None):
        # Read before the epoch: ReduceLROnPlateau changes it at the epoch's end, for the next one.
        self._learning_rate = learning_rate_of(self.model)
        self._started = time.perf_counter()

    def on_test_begin(self, logs=None):
        # Validation begins: images a second count training alone, so that runs with other lists can be compared.
        self._trained = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        if self._divergence.not_a_number:
            return
        good = not self._divergence.bad_epochs
        if good and self._group.rank == 0:
            with self._group.aside():
                self._best.update(float(logs["val_loss"]))
        self.history.append(self._row(epoch, logs))
        if good:
            with self._group.aside():
                self._record.save_state(self.model, epoch + 1, self.history, self._remembered())

    def _row(self, epoch, logs) -> dict:
        """The epoch's row of `history.csv`."""
        row = {"epoch": epoch + 1} | {name: float(value) for name, value in logs.items() if name != "learning_rate"}
        row["learning_rate"] = self._learning_rate
        # Three digits: more would only be noise of the clock.
        row["images_per_second"] = round(len(self._train.rows) / (self._trained - self._started), 3)
        # Of several ranks only: it costs a copy of all weights.
        if checksum := self._group.checksum(self.model):
            row["weights_sha256"] = checksum
        row["seconds"] = round(time.perf_counter() - self._started, 3)
        return row

    def _remembered(self) -> dict:
        """What the callbacks know and Keras does not save; it comes back in `on_train_begin`."""
        return {
            name: {attribute: getattr(self._callbacks[name], attribute) for attribute in attributes}
            for name, attributes in _REMEMBERED.items()
        }


def learning_rate_of(trainer: keras.Model) -> float:
    """The learning rate that the next step has.

    Args:
        trainer: compiled.
    """
    return float(keras.ops.convert_to_numpy(trainer.optimizer.learning_rate))


def epochs_waited(history: Sequence[dict], learning_rate: float, config: TrainConfig) -> int:
    """Counts the epochs since the later of two: the lowest validation loss, and the last cut of the learning rate.

    It follows from the history and the rate alone, so a resumed run counts as one that was never interrupted.

    Args:
        history: the rows of `history.csv`, with `val_loss` and the `learning_rate` that each epoch had.
        learning_rate: the one that the next epoch would have.
        config: its `schedule` and `plateau_min_lr` say whether the rate can still be cut.

    Returns:
        The count; 0 while a cut is still possible and none was made. Where no cut is possible, the epochs since the
        lowest validation loss: with a schedule, and where the rate is the lowest one from the start.
    """
    if not history:
        return 0
    rates = [*(row["learning_rate"] for row in history), learning_rate]
    cuts = [epoch for epoch in range(len(history)) if rates[epoch + 1] < rates[epoch]]
    if config.schedule != "plateau":
        cuts = []  # the rate falls with every step, whatever the loss does
    # Keras' own comparison: the rate is a float32, and 1e-5 is not one.
    elif not cuts and learning_rate > np.float32(config.plateau_min_lr):
        return 0
    best = min(range(len(history)), key=lambda epoch: history[epoch]["val_loss"])
    return len(history) - 1 - max([best, *cuts])


def stop_reason(
    history: Sequence[dict], learning_rate: float, config: TrainConfig, diverging: bool = False
) -> str | None:
    """Says whether the training ends here, by its number of epochs, its patience or its time.

    Args:
        history: the rows of `history.csv`, with the `seconds` of each epoch of all sessions, and as `epochs_waited`.
        learning_rate: the one that the next epoch would have.
        config: its `epochs`, `patience` and `max_minutes` are the limits.
        diverging: whether the last epoch blew up; patience then waits for the next, which may make good for it.

    Returns:
        One of `config.ENDINGS`; None to train one more epoch.
    """
    if len(history) >= config.epochs:
        return ENDED
    waits = config.patience is not None and not diverging
    if waits and epochs_waited(history, learning_rate, config) >= config.patience:
        return STOPPED
    if config.max_minutes is not None and history:
        seconds = [row["seconds"] for row in history]
        # One more epoch is taken to last as long as the last one.
        if sum(seconds) + seconds[-1] > 60 * config.max_minutes:
            return CUT
    return None


class StopTraining(keras.callbacks.Callback):
    """Ends the training after the epoch for which `stop_reason` gives a reason.

    It stands behind the checkpoint, whose history it reads.

    Args:
        config: the run's configuration.
        checkpoint: has the history.
        divergence: says whether the epoch diverged.
        group: the ranks that train; all end in the same epoch, rank 0's.

    Attributes:
        ending: what `decide` found last.
    """

    def __init__(self, config: TrainConfig, checkpoint: RunCheckpoint, divergence: TerminateOnDivergence, group: Group):
        super().__init__()
        self._config, self._checkpoint, self._divergence, self._group = config, checkpoint, divergence, group
        self.ending: str | None = None

    def decide(self, trainer: keras.Model) -> str | None:
        """Sets `ending` and returns it: one of `config.ENDINGS`, or None to train one more epoch.

        Args:
            trainer: its optimizer has the learning rate that the next epoch would have.
        """
        rate, diverging = learning_rate_of(trainer), self._divergence.bad_epochs > 0
        reason = stop_reason(self._checkpoint.history, rate, self._config, diverging)
        # Ranks exchange numbers. Rank 0's counts: the others' clocks differ.
        reasons = (None, *ENDINGS)
        self.ending = reasons[self._group.agree(reasons.index(reason))]
        return self.ending

    def on_epoch_end(self, epoch, logs=None):
        if self.decide(self.model):
            self.model.stop_training = True


class Progress(keras.callbacks.Callback):
    """A bar an epoch on a terminal, over training and validation images; elsewhere a line an epoch.

    Args:
        epochs: in all.
        train: the training `Batches`.
        validation: the validation `Batches`.
    """

    def __init__(self, epochs: int, train, validation):
        super().__init__()
        self.epochs, self._train, self._validation = epochs, train, validation
        self._draws = sys.stderr.isatty()
        # A terminal has the bar; if only one of the two streams is a terminal, the other gets lines.
        self._prints = not (self._draws and sys.stdout.isatty())  # a log file shows how the loss falls
        self._bar = None

    def on_epoch_begin(self, epoch, logs=None):
        self._name = f"epoch {epoch + 1}/{self.epochs}"
        self._started = time.perf_counter()
        # Both parts in one bar: validation takes its share of an epoch's time.
        images = len(self._train.rows) + len(self._validation.rows)
        self._bar = tqdm(total=images, desc=self._name, unit="image", dynamic_ncols=True, disable=not self._draws)
        self._left = len(self._train.rows)

    def on_train_batch_end(self, batch, logs=None):
        self._step(self._train)

    def on_test_begin(self, logs=None):
        self._left = len(self._validation.rows)
        self._bar.set_description(f"{self._name}, validating")

    def on_test_batch_end(self, batch, logs=None):
        self._step(self._validation)

    def _step(self, batches):
        # The last batch of an epoch may be smaller.
        step = min(batches.batch_size, self._left)
        self._left -= step
        self._bar.update(step)

    def on_epoch_end(self, epoch, logs=None):
        # Five digits: a good epoch lowers a loss of 0.0118 in the fourth.
        losses = {name: f"{float(logs[name]):.5f}" for name in ("loss", "val_loss") if name in logs}
        self._bar.set_description(self._name, refresh=False)
        # Before the bar is closed, so that its last state stays on the screen.
        self._bar.set_postfix(losses)
        self.close()
        if self._prints:
            seconds = time.perf_counter() - self._started
            values = "".join(f", {name} {value}" for name, value in losses.items())
            # `epoch` counts from 0.
            rest = seconds * (self.epochs - epoch - 1)
            ends = not rest or self.model.stop_training  # by the last epoch, --patience or --max-minutes
            left = "" if ends else f", about {_duration(rest)} left"
            print(f"{self._name}{values}, {_duration(seconds)}{left}", flush=True)

    def close(self) -> None:
        """Leaves the bar as it is; for a training that was interrupted too."""
        if self._bar is not None:
            self._bar.close()


def _duration(seconds: float) -> str:
    """4000 -> "1:06:40"."""
    return str(datetime.timedelta(seconds=round(seconds)))
