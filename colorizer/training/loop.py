"""Training: a configuration in, a run's record out.

One epoch after another through Keras' `fit`, with ModelCheckpoint on the validation
loss, ReduceLROnPlateau and TerminateOnNaN. What is ours (`callbacks`, `record`) makes
`--resume` end as if nothing had happened.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import keras
import numpy as np

from colorizer import environment, methods, weights
from colorizer.classifiers import class_vectors, classifier
from colorizer.config import TrainConfig, flag_of
from colorizer.data import batches, coco_labels, datasets, pixel_store
from colorizer.errors import DataError, LabelsError, RecordError, TrainingError
from colorizer.training import distribution, initialization
from colorizer.training.callbacks import BestWeights, EpochClock, Progress, StateKeeper
from colorizer.training.run_record import ReadOnly, Record
from colorizer.training.summary import validate

log = logging.getLogger(__name__)

# What a resumed run may change: how long, how fast, and where the same pictures lie.
_FREE_ON_RESUME = {"epochs", "max_minutes", "workers", "data_dir", "run", "strategy"}


@dataclass(frozen=True)
class Data:
    """The pictures of a run: where they come from, their pixels, class vectors and labels, which rows train."""

    dataset: datasets.Dataset
    store: pixel_store.Store
    classifier: classifier.Classifier
    vectors: np.ndarray
    train_rows: np.ndarray
    val_rows: np.ndarray
    labels: np.ndarray | None = None  # (rows,) class numbers
    classes: int = 0
    draws: np.ndarray | None = None  # (len(train_rows),) how often an epoch draws each training picture

    def labelled_batches(self, rows, config, **kwargs) -> batches.Batches:
        """Batches as `fit` gets them: with the classes in the target where the run has labels."""
        return self.batches(rows, config, labels=self.labels, classes=self.classes, **kwargs)

    def batches(self, rows, config, **kwargs) -> batches.Batches:
        """Batches of some rows with the run's batch size and seed."""
        return batches.Batches(
            self.store, rows, vectors=self.vectors, batch_size=config.batch_size, seed=config.seed, **kwargs
        )


def prepare(config: TrainConfig, method) -> Data:
    """Finds the pictures, prepares their pixels and class vectors; what is done already is read.

    Args:
        config: the run's configuration.
        method: from `colorizer.methods.get`.

    Returns:
        A `Data`.

    Raises:
        DataError, ClassifierError, LabelsError, WeightsError: with what to do.

    Source: paper §III.B.
    """
    if config.labels and not method.uses_labels:
        learners = ", ".join(name for name in methods.names() if methods.declared(name).uses_labels)
        raise LabelsError(
            f"--labels is for a method that learns classes: {learners}. Received: --method {config.method}"
        )
    seen = initialization.classifier_of(config, method)
    dataset = datasets.limited(datasets.find(config.dataset, config.data_dir, config.seed), config.limit)
    if not dataset.train:
        raise DataError(
            f"{dataset.name} has no picture to train on: {dataset.split_source}, {len(dataset.test)} of them. "
            f"To train on these pictures, name their folder. Received: --dataset {config.dataset}"
        )
    pictures = pixel_store.build(dataset.root, [*dataset.train, *dataset.val], config.image_size)
    train_rows, val_rows = pictures.select(dataset.train), pictures.select(dataset.val)
    if not len(train_rows) or not len(val_rows):
        raise DataError(
            f"Training needs pictures to train on and to validate with. Received: {len(train_rows)} and "
            f"{len(val_rows)} of {dataset.root}, after {len(pictures.dropped)} were dropped "
            f"({pictures.path / 'dropped.csv'} says why)."
        )
    asked = seen if method.uses_vector else classifier.load("none")
    # Of pictures at the paper's size, as evaluation shows them, even where the network is trained on smaller ones.
    # The same list of names gives the same rows.
    small = asked.model is not None and config.image_size < TrainConfig.image_size
    shown = pixel_store.build(dataset.root, [*dataset.train, *dataset.val]) if small else pictures
    draws = [draw for name, draw in zip(dataset.train, dataset.draws, strict=False) if name not in pictures.dropped]
    data = Data(dataset, pictures, seen, class_vectors.of(asked, shown), train_rows, val_rows)
    data = replace(data, draws=np.array(draws) if draws else None)
    if not config.labels:
        return data
    of_pictures, categories = coco_labels.read(config.labels, pictures.names)
    of_rows = np.full(len(pictures.pixels), coco_labels.UNLABELLED, np.int32)
    of_rows[pictures.rows] = of_pictures
    return replace(data, labels=of_rows, classes=len(categories))


@contextlib.contextmanager
def precision(name):
    """Layers built inside compute in this precision; the setting is global in Keras, so it is put back."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def run(config: TrainConfig, resume: bool = False, watch: Callable[[int, keras.Model], None] | None = None) -> dict:
    """Trains a method as configured and keeps its record.

    Args:
        config: from `config.resolve`.
        resume: go on from the last whole epoch of `config.run`.
        watch: called after every epoch with its number and the network, for a look at it; it must not change it.

    Returns:
        The run's summary, as in `summary.json`; of ranks after the first an empty one.

    Raises:
        RecordError: the folder holds another run.
        TrainingError: the loss is no longer a number.
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
    begun = _check_same_run(record, config) if resume else record.refuse_another() or {}
    data = prepare(config, method)
    group.require(len(data.train_rows), len(data.val_rows))
    if begun.get("classifier_sha256", data.classifier.fingerprint) != data.classifier.fingerprint:
        raise RecordError(
            f"{record.folder} was trained with the classifier {begun['classifier_name']} "
            f"({begun['classifier_sha256']}). Received: {data.classifier.name} ({data.classifier.fingerprint}). "
            "Name the right file with --classifier."
        )
    described = _describe(config, method, data, group)
    if not begun.get("commit", described["commit"]).endswith(described["commit"]):  # trained by several
        described["commit"] = f"{begun['commit']}, then {described['commit']}"
    group.wait("prepared")  # all have looked at the record as it was
    state = record.start(described)
    if data.dataset.split_source != "lists":
        record.keep_split(data.dataset)

    keras.utils.set_random_seed(config.seed)
    train = data.labelled_batches(
        data.train_rows,
        config,
        draws=data.draws,
        generator=batches.generator_of(config),
        tone_range=config.tone_range,
        shuffle=True,
        workers=config.workers,
        part=group.part,
    )
    with group.scope():
        with precision(config.precision):
            network = initialization.network_of(config, method, data.classifier.model)
            if method.uses_encoder:
                with group.aside():
                    record.keep_encoder(method.encoder_of(network))
            trainer = method.trainer(network, config, train)
        history, diverged = _fit(trainer, network, config, data, train, record, state, group, watch)
    group.end()
    if diverged:
        raise TrainingError(
            f"The loss became infinite or not a number in epoch {len(history) + 1} of {config.epochs}. "
            f"{config.run} keeps the {len(history)} epochs before; start again in another --run with a lower "
            f"--learning-rate (received: {config.learning_rate})."
        )
    if group.rank:
        return {}
    summary = _summarize(config, method, data, history)
    record.finish(summary)
    return summary


def _fit(trainer, network, config, data, train, record, state, group, watch):
    """Runs the epochs that are left; returns the history of all, and whether the loss ceased to be a number."""
    epochs_done = state["epochs_done"] if state else 0
    if state:
        trainer.optimizer.build(trainer.trainable_variables)
        trainer.load_weights(record.last / state["weights"])
    plateau = keras.callbacks.ReduceLROnPlateau(
        monitor="val_loss",
        mode="min",
        factor=config.plateau_factor,
        patience=config.plateau_patience,
        min_lr=config.plateau_min_lr,
        min_delta=config.plateau_min_delta,
    )
    # A schedule sets the rate itself; the plateau's callback then only has to be remembered, as in every run.
    slower = [plateau] if config.schedule == "plateau" else []
    checkpoint = BestWeights(network, record.candidate, group)
    keeper = StateKeeper(record, state, plateau, checkpoint, len(train.rows), config.max_minutes, group)
    if epochs_done >= config.epochs or keeper.out_of_time():
        return keeper.history, False
    clock, others = EpochClock(train), [] if group.rank else [Progress(config.epochs, epochs_done, train)]
    if watch:
        others.append(keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: watch(epoch + 1, network)))
    trainer.fit(
        train,
        validation_data=data.labelled_batches(data.val_rows, config, part=group.part),
        epochs=config.epochs,
        initial_epoch=epochs_done,
        # TRICKY: `fit` shuffles a PyDataset's batches by Python's global generator unless told not to.
        # The batches shuffle themselves, in an order that a resumed run knows too.
        shuffle=False,
        verbose=0,
        callbacks=[clock, keras.callbacks.TerminateOnNaN(), checkpoint, *slower, keeper, *others],
    )
    return keeper.history, keeper.diverged


def _check_same_run(record, config) -> dict:
    """Refuses to resume a run with other settings than it began with; returns what it began with."""
    begun = record.config()
    if begun is None:
        raise RecordError(f"There is no run to go on with in {record.folder}. Leave --resume out to begin one.")
    for name, value in asdict(config).items():
        # A run from before there was a setting was trained with what is now its default.
        before = begun.get(name, getattr(TrainConfig, name))
        if name == "classifier":  # its file may be elsewhere now; its sha256 is compared when it is loaded
            before, value = classifier.name_of(before), classifier.name_of(value)
        if name not in _FREE_ON_RESUME and before != value:
            raise RecordError(
                f"{record.folder} was begun with {flag_of(name)} {begun.get(name)}; a resumed run keeps its settings. "
                f"Received: {value}"
            )
    return begun


def _describe(config, method, data, group):
    """What `config.json` holds: every setting and everything that can change a result."""
    return asdict(config) | {
        "classifier": classifier.name_of(config.classifier),
        "method_title": method.title,
        "departures": {
            name: {"value": default.value, "source": default.reason}
            for name, default in (method.defaults | method.departures).items()
        },
        "classifier_name": data.classifier.name,
        "classifier_sha256": data.classifier.fingerprint,
        "backend": keras.backend.backend(),
        "device": environment.device(),
        "ranks": group.ranks,
        "devices": group.devices,
        "versions": environment.versions(),
        "commit": environment.commit(),
        "data": {
            "name": data.dataset.name,
            "train": len(data.train_rows),
            "val": len(data.val_rows),
            "test": len(data.dataset.test),
            "dropped": len(data.store.dropped),
            "split_source": data.dataset.split_source,
        },
    }


def _summarize(config, method, data, history):
    """What `summary.json` holds; the validation figures are those of the weights that were kept."""
    network = weights.load(config.run).network
    mean = batches.mean_ab_norm(data.store, data.train_rows)
    best = min(history, key=lambda row: row["val_loss"])
    return {
        "method": config.method,
        "trained_on": data.dataset.name,
        "classifier": data.classifier.name,
        "epochs": config.epochs,
        "epochs_done": len(history),
        "best_epoch": best["epoch"],
        "runtime_hours": sum(row["seconds"] for row in history) / 3600,
        **validate(method, network, data.batches(data.val_rows, config), mean),
        "val_images": len(data.val_rows),
        "train_images": len(data.train_rows),
        "mean_ab_norm": mean,
        "parameters": network.count_params(),
        "precision": config.precision,
        "device": environment.device(),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
