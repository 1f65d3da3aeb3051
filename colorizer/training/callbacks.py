"""Keras callbacks of ours: the epoch's clock, the best weights, the state to resume from, the bar."""

from __future__ import annotations

import math
import time

import keras
from tqdm import tqdm

from colorizer.training.distribution import Group
from colorizer.training.run_record import Record

# What Keras' callbacks remember from epoch to epoch and do not save (ECOSYSTEM §4).
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


class BestWeights(keras.callbacks.ModelCheckpoint):
    """Keras' ModelCheckpoint of the network alone, where `fit` runs a trainer around it.

    Args:
        network: whose weights are saved.
        path: where to.
        group: whose rank 0 saves them.

    Source: paper §III.C, "checkpoints are created to monitor the loss and save the best model".
    """

    def __init__(self, network, path, group: Group = Group()):  # noqa: B008 (frozen)
        super().__init__(path, monitor="val_loss", mode="min", save_best_only=True, save_weights_only=True)
        self._network, self._group = network, group

    def set_model(self, model):
        self._trainer = model
        super().set_model(self._network)

    def on_epoch_end(self, epoch, logs=None):
        # JAX keeps a training step's results apart until asked; Keras asks the model it knows of.
        if hasattr(self._trainer, "jax_state_sync"):
            self._trainer.jax_state_sync()
        if self._group.rank == 0:
            with self._group.aside():
                super().on_epoch_end(epoch, logs)


class StateKeeper(keras.callbacks.Callback):
    """Writes the run's record after every epoch and restores what callbacks forget.

    Stands behind the callbacks it remembers, so that it sees what they did in this epoch.

    Args:
        record: the run's folder.
        state: what `Record.start` gave back, or None.
        plateau: Keras' ReduceLROnPlateau.
        checkpoint: `BestWeights`.
        images: training images in an epoch.
        max_minutes: no epoch is begun that would end later than this, or None.
        group: the ranks that train; all of them decide the same.

    Attributes:
        history: the rows of `history.csv` so far.
        diverged: whether the loss ceased to be a number.
    """

    def __init__(
        self,
        record: Record,
        state: dict | None,
        plateau,
        checkpoint,
        images: int,
        max_minutes=None,
        group: Group = Group(),  # noqa: B008 (frozen)
    ):
        super().__init__()
        self.record, self.images, self.max_minutes, self.group = record, images, max_minutes, group
        self.history = list(state["history"]) if state else []
        self._others = {"plateau": plateau, "checkpoint": checkpoint}
        self._remembered = state["callbacks"] if state else {}
        self.diverged = False

    def on_train_begin(self, logs=None):
        for name, attributes in self._remembered.items():  # ReduceLROnPlateau resets itself just before
            for attribute, value in attributes.items():
                setattr(self._others[name], attribute, value)

    def on_epoch_begin(self, epoch, logs=None):
        self._learning_rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self._began = time.perf_counter()

    def on_test_begin(self, logs=None):
        self._trained = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1} | {name: float(value) for name, value in logs.items() if name != "learning_rate"}
        if not math.isfinite(row["loss"]):
            self.diverged = True  # the last good state stays; `training.run` says what happened
            return
        row["learning_rate"] = self._learning_rate
        row["images_per_second"] = round(self.images / (self._trained - self._began), 3)
        self.record.keep_best()
        if checksum := self.group.checksum(self.model):
            row["weights_sha256"] = checksum
        row["seconds"] = round(time.perf_counter() - self._began, 3)
        self.history.append(row)
        remembered = {
            name: {attribute: getattr(self._others[name], attribute) for attribute in attributes}
            for name, attributes in _REMEMBERED.items()
        }
        with self.group.aside():
            self.record.save_state(self.model, epoch + 1, self.history, remembered)
        if self.out_of_time():
            self.model.stop_training = True

    def out_of_time(self) -> bool:
        """Whether one more epoch like the last would end after `max_minutes`, all sessions counted."""
        if self.max_minutes is None or not self.history:
            return False
        seconds = [row["seconds"] for row in self.history]
        return self.group.agree(sum(seconds) + seconds[-1] > 60 * self.max_minutes)


class Progress(keras.callbacks.Callback):
    """One bar over the whole training, in images, with the time left.

    Args:
        epochs: in all.
        epochs_done: before a resume.
        batches: the training `Batches`.
    """

    def __init__(self, epochs, epochs_done, batches):
        super().__init__()
        self.epochs, self.done, self.batches = epochs, epochs_done, batches

    def on_train_begin(self, logs=None):
        images = len(self.batches.rows)
        self.bar = tqdm(total=self.epochs * images, initial=self.done * images, unit="image", dynamic_ncols=True)

    def on_epoch_begin(self, epoch, logs=None):
        self.bar.set_description(f"epoch {epoch + 1}/{self.epochs}")
        self._left = len(self.batches.rows)

    def on_train_batch_end(self, batch, logs=None):
        step = min(self.batches.batch_size, self._left)
        self._left -= step
        self.bar.update(step)

    def on_epoch_end(self, epoch, logs=None):
        self.bar.set_postfix({name: f"{logs[name]:.5f}" for name in ("loss", "val_loss") if name in logs})

    def on_train_end(self, logs=None):
        self.bar.close()
