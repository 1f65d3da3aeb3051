"""Training: a configuration in, a run's record out.

    config --> prepare: pictures, class vectors --> network --> trainer --> fit --> best weights --> summary
                                                                            |
                                           after every epoch: validation, plateau, record, state to resume from

`_run` is the order of all this. `_Session.fit` is the training itself: one epoch after another through Keras' `fit`,
with Keras' ReduceLROnPlateau and TerminateOnNaN and three callbacks of our own: TerminateOnDivergence ends a run that
blew up, RunCheckpoint keeps the record, StopTraining ends the run. With `--resume`, `resume.Start` says what the record
gives; the run then ends as if it had not been interrupted. Most runs have one rank, this process; `distribution` says
what several do.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np

from colorizer import environment, methods, weights
from colorizer.config import TrainConfig
from colorizer.training import distribution, initialization, run_folders
from colorizer.training.callbacks import BestWeights, EpochClock, Progress, RunCheckpoint, StopTraining
from colorizer.training.data import Data, prepare
from colorizer.training.divergence import SETTLED_STEPS, TerminateOnDivergence
from colorizer.training.resume import Start
from colorizer.training.run_record import ReadOnly, Record
from colorizer.training.summary import describe, summarize

log = logging.getLogger(__name__)

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
        RecordError: the folder holds another run, one that is damaged, or one that is being trained.
        TrainingError: the training diverged.
        StrategyError, LostRank: the devices do not go together, or no longer do.
        DataError, ClassifierError, LabelsError, WeightsError: what cannot be had.
        UsageError: the pictures are too small for the encoder.
        KeyboardInterrupt: passed on; the record then holds the last whole epoch.

    Source: paper §III.C, Table 1.
    """
    group = distribution.start(config.strategy, config.batch_size)
    with group.watched(), contextlib.ExitStack() as stack:
        return _run(config, resume, group, watch, stack)


def _run(config, resume, group, watch, stack) -> dict:
    """`run`, with the devices it was given; `stack` ends with it."""
    method, record = methods.get(config.method), (ReadOnly if group.rank else Record)(config.run)
    # Several ranks share the folder, and whoever starts them sees to it that they run once. After a machine of theirs
    # is lost, a network drive may take minutes to let go of the folder.
    alone = group.ranks == 1
    if alone and resume and run_folders.holds_run(config.run):
        stack.enter_context(run_folders.held(config.run))
    start = Start.resumed(config, record) if resume else Start.new(config, record)
    data = start.same_source(prepare(start.config, method, start.split))
    # Here, since only now it is known how many pictures can be read.
    group.require(len(data.train_rows), len(data.val_rows))
    start.check_classifier(data.classifier)
    described = describe(config, method, data, group)
    described["commit"] = start.all_commits(described["commit"])
    if blocks := start.trained_blocks():
        described[weights.TRAINED_BLOCKS] = blocks
    group.wait("prepared")  # all have looked at the record as it was
    # Before training: what decides the result is on the disk when the first epoch begins. Now the folder holds a run.
    state = record.start(described, resume)
    if alone and not resume:
        stack.enter_context(run_folders.held(config.run))
    if not start.split:
        record.keep_split(data.dataset)
    # After the data: how many numbers their preparation draws must not change the initial weights.
    keras.utils.set_random_seed(config.seed)
    train = data.training_batches(config, group.part)
    with group.scope():
        session = _set_up(start.config, method, record, group, data, train, state)
        if not (resume or group.rank):
            _advise_precision(config, described["device"])
        session.fit(watch)
    group.end()
    session.divergence.raise_if_diverged(config, len(session.checkpoint.history))
    return {} if group.rank else _finish(session)


def _set_up(config, method, record, group, data, train, state) -> _Session:
    """Builds the network and its trainer; of a resumed run with the weights and moments of `state`."""
    # Layers keep the policy under which they are built.
    with precision(config.precision):
        network = initialization.network_of(config, method, data.classifier.model)
        if method.uses_encoder:
            with group.aside():
                record.keep_encoder(method.encoder_of(network))
        with _announced(f"setting up {method.title} for {len(train.rows)} training pictures"):
            trainer = method.trainer(network, config, train)
    if state:
        # Its moments must exist before they can be loaded.
        trainer.optimizer.build(trainer.trainable_variables)
        record.load_state(trainer, state)
    return _Session(config, method, record, group, data, train, network, trainer, state)


def _advise_precision(config, device: str) -> None:
    """Names the faster precision where there is one."""
    if environment.is_slow_precision(config.precision, device):
        log.info("this processor has units for bfloat16: most networks train faster with --precision mixed_bfloat16")


def _finish(session: _Session) -> dict:
    """Measures the best weights and closes the record."""
    config, method, data = session.config, session.method, session.data
    with _announced(f"measuring the best weights on {len(data.val_rows)} validation pictures"):
        summary = summarize(config, method, data, session.checkpoint.history, session.stopping.ending)
    session.record.finish(summary)
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
        state: what the training resumes from, see `Record.start`; None for the first epoch.
        plateau: cuts the learning rate.
        divergence: ends a run that blew up.
        checkpoint: has the history.
        stopping: says how the training ended.
    """

    config: TrainConfig
    method: methods.Method
    record: Record
    group: distribution.Group
    data: Data
    train: keras.utils.PyDataset
    network: keras.Model
    trainer: keras.Model
    state: dict | None

    def __post_init__(self):
        config = self.config
        # Factor, patience and floor are not in the paper; 0.5, 3 and 1e-5 are its probable ancestor's
        # (docs/reproduction_notes.md, 2.3).
        self.plateau = keras.callbacks.ReduceLROnPlateau(
            monitor="val_loss",
            mode="min",
            factor=config.plateau_factor,
            patience=config.plateau_patience,
            min_lr=config.plateau_min_lr,
            min_delta=config.plateau_min_delta,
        )
        self.divergence = self._divergence_callback()
        self.checkpoint = RunCheckpoint(
            self.record,
            self.state,
            train=self.train,
            plateau=self.plateau,
            best=BestWeights(self.network, self.record),
            divergence=self.divergence,
            group=self.group,
        )
        self.stopping = StopTraining(config, self.checkpoint, self.divergence, self.group)

    def _divergence_callback(self) -> TerminateOnDivergence:
        """On the first batch of validation pictures: as many as a step holds."""
        (l_norm, vector), ab_norm = self.data.batches(self.data.val_rows, self.config)[0]
        network = _LocalNetwork(self.network, self.method, self.config, self.group)
        normalized = any(variable.name == "moving_mean" for variable in self.network.non_trainable_variables)
        return TerminateOnDivergence(
            lambda: network.predict_ab(l_norm, vector),
            ab_norm,
            self.group,
            steps_per_epoch=len(self.train),
            settled_after=SETTLED_STEPS if normalized else 0,
        )

    def fit(self, watch: Watch | None) -> None:
        """Runs the epochs that are left.

        Args:
            watch: see `run`.
        """
        # Nothing is left to do: the summary is written all the same.
        if self.stopping.decide(self.trainer):
            return
        config = self.config
        # Neither shuffled nor augmented: the same pictures, in the same order, after every epoch.
        validation = self.data.labeled_batches(self.data.val_rows, config, part=self.group.part)
        progress = Progress(config.epochs, self.train, validation)
        try:
            self.trainer.fit(
                self.train,
                validation_data=validation,
                epochs=config.epochs,
                initial_epoch=self.state["epochs_done"] if self.state else 0,
                # TRICKY: `fit` shuffles a PyDataset's batches by Python's global generator unless told not to.
                # The batches shuffle themselves, in an order that a resumed run knows too.
                shuffle=False,
                verbose=0,
                callbacks=self._callbacks(progress, watch),
            )
        finally:
            progress.close()

    def _callbacks(self, progress: Progress, watch: Watch | None) -> list[keras.callbacks.Callback]:
        """The callbacks of `fit`, in their order: each stands behind those whose state it reads."""
        callbacks = [EpochClock(self.train), keras.callbacks.TerminateOnNaN()]
        # A schedule sets the rate itself; the plateau's callback then only has to be remembered, as in every run.
        callbacks += [self.plateau] if self.config.schedule == "plateau" else []
        callbacks += [self.divergence, self.checkpoint, self.stopping]
        callbacks += [] if self.group.rank else [progress]
        if watch:
            callbacks.append(
                keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: watch(epoch + 1, self.network))
            )
        # One log for all ranks: they hold the same weights.
        if self.config.tensorboard and not self.group.rank:
            callbacks.append(keras.callbacks.TensorBoard(self.config.tensorboard, write_graph=False))
        return callbacks


class _LocalNetwork:
    """The network in training as one device of this rank predicts with it alone, although several train."""

    def __init__(self, network: keras.Model, method: methods.Method, config: TrainConfig, group: distribution.Group):
        self._network, self._method, self._config, self._group = network, method, config, group
        self._copy: keras.Model | None = None

    def predict_ab(self, l_norm: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """`Method.predict_ab` with the weights as they are now."""
        return self._method.predict_ab(self._local(), l_norm, vector)

    def _local(self):
        if self._group.devices == 1:
            return self._network
        if self._group.ranks == 1:
            return _Direct(self._network)
        # Weights that lie on the devices of several ranks cannot be computed with by one of them.
        if self._copy is None:
            with precision(self._config.precision):
                self._copy = initialization.copy_of(self._network, self._method, self._config.image_size)
        else:
            self._copy.set_weights(self._network.get_weights())
        return _Direct(self._copy)


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
