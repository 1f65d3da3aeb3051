"""Training: a configuration in, a run's record out.

    config --> prepare: pictures, class vectors --> network --> trainer --> fit --> best weights --> summary
                                                                            |
                                           after every epoch: validation, plateau, record, state to resume from

`_Session.fit` is the training itself: one epoch after another through Keras' `fit`, with ReduceLROnPlateau and
TerminateOnNaN. Our own `callbacks` and `run_record` make `--resume` end as if nothing had happened; `divergence` ends a
run that blew up. Most runs have one rank, this process; `distribution` says what several do.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import numpy as np

from colorizer import environment, methods
from colorizer.classifiers import classifier
from colorizer.config import TrainConfig, flag_of
from colorizer.errors import RecordError, TrainingError
from colorizer.training import distribution, initialization, run_folders
from colorizer.training.callbacks import BestWeights, EpochClock, Progress, StateKeeper
from colorizer.training.data import Data, prepare
from colorizer.training.divergence import FACTOR, SETTLED_STEPS, DivergenceCheck
from colorizer.training.run_record import ReadOnly, Record
from colorizer.training.summary import describe, summarize

log = logging.getLogger(__name__)

# What a resumed run may change: how long, how fast, where the same pictures lie, and who watches.
_FREE_ON_RESUME = {"epochs", "max_minutes", "patience", "workers", "data_dir", "run", "strategy", "tensorboard"}

Watch = Callable[[int, keras.Model], None]


def run(config: TrainConfig, resume: bool = False, watch: Watch | None = None) -> dict:
    """Trains a method as configured and keeps its record.

    Args:
        config: from `config.resolve`.
        resume: continue after the last whole epoch of `config.run`.
        watch: called after every epoch with its number and the network, for a look at it; it must not change it.

    Returns:
        The run's summary, as in `summary.json`; of ranks after the first an empty one.

    Raises:
        RecordError: the folder holds another run, or one that is damaged.
        TrainingError: the training diverged.
        StrategyError, LostRank: the devices do not go together, or no longer do.
        DataError, ClassifierError, LabelsError, WeightsError: what cannot be had.
        KeyboardInterrupt: passed on; the record then holds the last whole epoch.

    Source: paper §III.C, Table 1.
    """
    group = distribution.start(config.strategy, config.batch_size)
    with group.watched():
        return _run(config, resume, group, watch)


def _run(config, resume, group, watch) -> dict:
    """`run`, with the devices it was given."""
    method, record = methods.get(config.method), (ReadOnly if group.rank else Record)(config.run)
    # What the record of a resumed run says; of a new run nothing.
    before = _check_same_run(record, config) if resume else run_folders.refuse_taken(record.folder) or {}
    split = record.split() if resume else None
    # A run that goes on has its own weights. Those that it began with may be gone.
    own = config.init_weights and resume and record.has_state()
    source = replace(config, init_weights=config.run) if own else config
    data = prepare(source, method, split)
    if split:  # whatever lists lie beside the pictures now
        lists = before["data"]["split_source"]
        data = replace(data, dataset=replace(data.dataset, split_source=lists))
    # Here, since only now it is known how many pictures can be read.
    group.require(len(data.train_rows), len(data.val_rows))
    _check_same_classifier(record, before, data.classifier)
    # Before training: what decides the result is on the disk when the first epoch begins.
    described = describe(config, method, data, group)
    if not before.get("commit", described["commit"]).endswith(described["commit"]):  # trained by several
        described["commit"] = f"{before['commit']}, then {described['commit']}"
    group.wait("prepared")  # all have looked at the record as it was
    # From here on the folder holds a run.
    state = record.start(described, resume)
    if not split:
        record.keep_split(data.dataset)

    # After the data: how many numbers their preparation draws must not change the initial weights.
    keras.utils.set_random_seed(config.seed)
    train = data.training_batches(config, group.part)
    with group.scope():
        # Layers keep the policy under which they are built.
        with precision(config.precision):
            network = initialization.network_of(source, method, data.classifier.model)
            if method.uses_encoder:
                with group.aside():
                    record.keep_encoder(method.encoder_of(network))
            with _announced(f"setting up {method.title} for {len(train.rows)} training pictures"):
                trainer = method.trainer(network, config, train)
        if not (resume or group.rank) and environment.is_slow_precision(config.precision, described["device"]):
            log.info(
                "this processor has units for bfloat16: most networks train faster with --precision mixed_bfloat16"
            )
        session = _Session(config, method, record, group, data, network, trainer, train)
        session.fit(state, watch)
    group.end()
    session.raise_if_diverged()
    if group.rank:
        return {}
    with _announced(f"measuring the best weights on {len(data.val_rows)} validation pictures"):
        summary = summarize(config, method, data, session.keeper.history, session.keeper.ending)
    record.finish(summary)
    return summary


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Layers built inside compute in this precision; the setting is global in Keras, so it is put back."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@dataclass
class _Session:
    """A network in training, with all that trains it.

    Attributes:
        keeper: the callback that holds the history, once `fit` was called.
        check: likewise what noticed epochs that blew up.
        copy: the network once more, for a rank that predicts alone.
    """

    config: TrainConfig
    method: methods.Method
    record: Record
    group: distribution.Group
    data: Data
    network: keras.Model
    trainer: keras.Model
    train: keras.utils.PyDataset
    keeper: StateKeeper | None = None
    check: DivergenceCheck | None = None
    copy: keras.Model | None = None

    def fit(self, state: dict | None, watch: Watch | None) -> None:
        """Runs the epochs that are left.

        Args:
            state: to resume from, see `Record.start`; None for the first epoch.
            watch: see `run`.
        """
        config, group = self.config, self.group
        epochs_done = state["epochs_done"] if state else 0
        if state:
            # Its moments must exist before they can be loaded.
            self.trainer.optimizer.build(self.trainer.trainable_variables)
            self.record.load_state(self.trainer, state)
        # Factor, patience and floor are not in the paper; 0.5, 3 and 1e-5 are its probable ancestor's
        # (docs/reproduction_notes.md, 2.3).
        plateau = keras.callbacks.ReduceLROnPlateau(
            monitor="val_loss",
            mode="min",
            factor=config.plateau_factor,
            patience=config.plateau_patience,
            min_lr=config.plateau_min_lr,
            min_delta=config.plateau_min_delta,
        )
        self.check = self._divergence_check()
        self.keeper = StateKeeper(
            record=self.record,
            state=state,
            plateau=plateau,
            best=BestWeights(self.network, self.record),
            check=self.check,
            images=len(self.train.rows),
            config=config,
            group=group,
        )
        # Nothing is left to do: the summary is written all the same.
        if self.keeper.is_over(self.trainer):
            return
        # Neither shuffled nor augmented: the same pictures, in the same order, after every epoch.
        validation = self.data.labeled_batches(self.data.val_rows, config, part=group.part)
        progress = Progress(config.epochs, self.train, validation)
        try:
            self.trainer.fit(
                self.train,
                validation_data=validation,
                epochs=config.epochs,
                initial_epoch=epochs_done,
                # TRICKY: `fit` shuffles a PyDataset's batches by Python's global generator unless told not to.
                # The batches shuffle themselves, in an order that a resumed run knows too.
                shuffle=False,
                verbose=0,
                callbacks=self._callbacks(plateau, progress, watch),
            )
        finally:
            progress.close()

    def _callbacks(self, plateau, progress: Progress, watch: Watch | None) -> list[keras.callbacks.Callback]:
        """The callbacks of `fit`, in their order: the clock first, the keeper after those whose state it keeps."""
        callbacks = [EpochClock(self.train), keras.callbacks.TerminateOnNaN()]
        # A schedule sets the rate itself; the plateau's callback then only has to be remembered, as in every run.
        callbacks += [plateau] if self.config.schedule == "plateau" else []
        callbacks += [self.keeper] if self.group.rank else [self.keeper, progress]
        if watch:
            callbacks.append(
                keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: watch(epoch + 1, self.network))
            )
        # One log for all ranks: they hold the same weights.
        if self.config.tensorboard and not self.group.rank:
            callbacks.append(keras.callbacks.TensorBoard(self.config.tensorboard, write_graph=False))
        return callbacks

    def _divergence_check(self) -> DivergenceCheck:
        """On the first batch of validation pictures: as many as a step holds."""
        (l_norm, vector), ab_norm = self.data.batches(self.data.val_rows, self.config)[0]

        def predict() -> np.ndarray:
            return self.method.predict_ab(self._network_here(), l_norm, vector)

        normalized = any(variable.name == "moving_mean" for variable in self.network.non_trainable_variables)

        def is_settled() -> bool:
            steps = (len(self.keeper.history) + 1) * len(self.train)
            return not normalized or steps >= SETTLED_STEPS

        return DivergenceCheck(predict, ab_norm, is_settled)

    def _network_here(self):
        """What predicts on one device of this rank alone, although several train."""
        if self.group.devices == 1:
            return self.network
        if self.group.ranks == 1:
            return _Direct(self.network)
        if self.copy is None:
            with precision(self.config.precision):
                self.copy = initialization.copy_of(self.network, self.method, self.config.image_size)
        else:
            self.copy.set_weights(self.network.get_weights())
        return _Direct(self.copy)

    def raise_if_diverged(self) -> None:
        """Raises TrainingError where the training ended because, or in an epoch in which, it diverged."""
        bad, done = self.check.bad_epochs, len(self.keeper.history)
        if self.keeper.not_a_number:
            reason = f"The loss became infinite or not a number in epoch {done + 1} of {self.config.epochs}."
        elif bad:
            epochs = f"epoch {done}" if bad == 1 else f"epochs {done - bad + 1} to {done}"
            reason = (
                f"The training blew up: in {epochs} of {self.config.epochs} the predicted colors were more than "
                f"{FACTOR:.0f} times as wrong as no color at all."
            )
        else:
            return
        good = done - bad
        number = "epoch" if good == 1 else f"{good} epochs"
        so_far = f"{self.config.run} keeps the {number} before" if good else "No epoch was good"
        steps = done * len(self.train)
        few = f" or with more pictures or epochs: it took {steps} steps only" if 0 < steps < SETTLED_STEPS else ""
        raise TrainingError(
            f"{reason} {so_far}; train again in another --run with a lower --learning-rate{few}. "
            f"Received: --learning-rate {self.config.learning_rate}"
        )


class _Direct:
    """A network that predicts without Keras' `predict_on_batch`, which would divide the batch among devices."""

    def __init__(self, network: keras.Model):
        self._network = network

    def predict_on_batch(self, inputs) -> np.ndarray:
        """The network's output, as an array or as several."""
        output = self._network([keras.ops.convert_to_tensor(value) for value in inputs], training=False)
        return keras.tree.map_structure(keras.ops.convert_to_numpy, output)


@contextlib.contextmanager
def _announced(work: str) -> Iterator[None]:
    """Says what is going on before it starts, for what may take minutes, and how long it took if it did."""
    log.info("%s ...", work)
    started = time.perf_counter()
    yield
    if (seconds := time.perf_counter() - started) > 10:
        log.info("... done in %.0f s", seconds)


def _check_same_run(record, config) -> dict:
    """Refuses to resume a run with other settings than it was started with; returns the record of those."""
    run_folders.refuse_absent(record.folder)
    recorded = record.config()
    for name, value in asdict(config).items():
        # A run from before there was a setting was trained with what is now its default.
        before = recorded.get(name, getattr(TrainConfig, name))
        if name == "classifier":  # its file may be elsewhere now; its sha256 is compared when it is loaded
            before, value = classifier.name_of(before), classifier.name_of(value)
        same = Path(before) == Path(value) if name == "dataset" else before == value
        if name not in _FREE_ON_RESUME and not same:
            raise RecordError(
                f"{record.folder} was started with {flag_of(name)} {before}; a resumed run keeps its settings. "
                f"Received: {value}"
            )
    return recorded


def _check_same_classifier(record, before, now: classifier.Classifier) -> None:
    """Refuses to resume a run with another classifier than it was started with; `before` is its record, or empty."""
    if before.get("classifier_sha256", now.fingerprint) != now.fingerprint:
        raise RecordError(
            f"{record.folder} was trained with the classifier {before['classifier_name']} "
            f"({before['classifier_sha256']}). Received: {now.name} ({now.fingerprint}). "
            "Name the right file with --classifier."
        )
