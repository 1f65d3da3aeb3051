"""The pictures of a run: found, split, prepared, with class vectors and labels."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from colorizer import methods
from colorizer.classifiers import class_vectors, classifier
from colorizer.config import TrainConfig
from colorizer.data import batches, coco_labels, datasets, pixel_store
from colorizer.errors import DataError, LabelsError
from colorizer.training import initialization

log = logging.getLogger(__name__)

_SHOWN = 5  # names in a message


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

    def labeled_batches(self, rows: np.ndarray, config: TrainConfig, **options) -> batches.Batches:
        """Batches as `fit` gets them: with the classes in the target where the run has labels."""
        return self.batches(rows, config, labels=self.labels, classes=self.classes, **options)

    def batches(self, rows: np.ndarray, config: TrainConfig, **options) -> batches.Batches:
        """Batches of some rows with the run's batch size and seed; `options` are those of `batches.Batches`."""
        return batches.Batches(
            self.store, rows, vectors=self.vectors, batch_size=config.batch_size, seed=config.seed, **options
        )

    def training_batches(self, config: TrainConfig, part: tuple[int, int, int] = (0, 1, 1)) -> batches.Batches:
        """The shuffled and augmented batches that a training sees; `part` is that of `distribution.Group`."""
        return self.labeled_batches(
            self.train_rows,
            config,
            draws=self.draws,
            generator=batches.generator_of(config),
            tone_range=config.tone_range,
            shuffle=True,
            workers=config.workers,
            part=part,
        )


def prepare(config: TrainConfig, method, split: Mapping[str, Sequence[str]] | None = None) -> Data:
    """Finds the pictures, prepares their pixels and class vectors; what is done already is read.

    Args:
        config: the run's configuration.
        method: from `colorizer.methods.get`.
        split: of a run that is resumed, see `Record.split`; None draws it, or reads the lists of the data set.

    Returns:
        A `Data`.

    Raises:
        DataError, ClassifierError, LabelsError, WeightsError, UsageError: with what to do.

    Source: paper §III.B.
    """
    if config.labels and not method.uses_labels:
        learners = ", ".join(name for name in methods.names() if methods.declared(name).uses_labels)
        raise LabelsError(
            f"--labels is for a method that learns classes: {learners}. Received: --method {config.method}"
        )
    # Before the classifier: who mistypes a folder should not be told that EfficientNet's weights are missing.
    dataset = _dataset(config, split)
    # All that may be wrong is said before the pictures are prepared, which takes long.
    labels = coco_labels.read(config.labels) if config.labels else None
    if labels:
        labels.of([*dataset.train, *dataset.val])
    loaded = initialization.classifier_of(config, method)
    if (method.uses_encoder or config.init_weights) and split is None:
        # An encoder that cannot be built on, or weights that do not fit this size, show only here.
        initialization.network_of(config, method, loaded.model)
    # One store for both parts, made once: pixels are read from it by row, in any order.
    pictures = pixel_store.build(dataset.root, [*dataset.train, *dataset.val], config.image_size)
    train_rows, val_rows = pictures.select(dataset.train), pictures.select(dataset.val)
    if not len(train_rows) or not len(val_rows):
        raise DataError(
            f"Training needs pictures to train on and others to validate with. Received: {len(train_rows)} and "
            f"{len(val_rows)} of {dataset.root}, after {len(pictures.dropped)} were dropped "
            f"({pictures.path / 'dropped.csv'} says why). Add pictures in color of 64 pixels or more a side."
        )
    vectors = _class_vectors(loaded if method.uses_vector else classifier.load("none"), dataset, pictures)
    # In the order of `train_rows`, without the pictures that could not be read.
    draws = [draw for name, draw in zip(dataset.train, dataset.draws, strict=False) if name not in pictures.dropped]
    data = Data(dataset, pictures, loaded, vectors, train_rows, val_rows, draws=np.array(draws) if draws else None)
    if draws and not len(batches.Batches(pictures, train_rows, draws=draws).rows):
        raise DataError(
            f"An epoch draws no picture: the weights are too small for {len(train_rows)} of them. "
            f"Received: --dataset {config.dataset}"
        )
    return _with_labels(data, labels) if labels else data


def _class_vectors(source: classifier.Classifier, dataset, pictures: pixel_store.Store) -> np.ndarray:
    """The class vectors of the pictures, row for row those of the store; see `class_vectors.compute`.

    They are computed once, of the pictures without augmentation: one forward pass instead of one in each epoch.
    """
    # Of pictures at the paper's size, as evaluation shows them, even where the network is trained on smaller ones.
    # The same list of names gives the same rows.
    if source.model is not None and pictures.pixels.shape[1] < TrainConfig.image_size:
        pictures = pixel_store.build(dataset.root, [*dataset.train, *dataset.val])
    return class_vectors.compute(source, pictures)


def _with_labels(data: Data, labels: coco_labels.Labels) -> Data:
    """The same pictures with their classes, of COCO's annotations."""
    # Rows of the store that are in no list keep the mark of a picture without a class.
    of_rows = np.full(len(data.store.pixels), coco_labels.UNLABELLED, np.int32)
    of_rows[data.store.rows] = labels.of(data.store.names)
    # As many classes as the file has categories, whichever of them these pictures show.
    return replace(data, labels=of_rows, classes=len(labels.categories))


def _dataset(config, split) -> datasets.Dataset:
    """The data set with its lists, those of the run where it has some."""
    whole = datasets.find(config.dataset, config.data_dir, config.seed)
    if not split:
        datasets.require_trainable(whole)
        # None leaves all.
        return datasets.limited(whole, config.limit)
    # A resumed run keeps its split: else pictures that it was trained on would validate it.
    listed = {name for part in datasets.PARTS for name in split[part]}
    now = {name for part in datasets.PARTS for name in getattr(whole, part)}
    absent = sorted(name for name in listed - now if not (whole.root / name).is_file())
    if absent:
        log.warning("Missing in %s: %s of this run's split: %s", whole.root, _pictures(absent), _some(absent))
    # With --limit the run's lists leave pictures out, and new ones cannot be told from those.
    if (new := sorted(now - listed)) and config.limit is None:
        log.warning(
            "Left out of %s: %s, since a resumed run keeps its split: %s",
            *(whole.root, _pictures(new, "new "), _some(new)),
        )
    left = {part: tuple(name for name in split[part] if name not in set(absent)) for part in datasets.PARTS}
    if whole.draws:
        # Several data sets are drawn with weights; a picture that the lists lack now counts once.
        draw_of = dict(zip(whole.train, whole.draws, strict=True))
        left["draws"] = tuple(draw_of.get(name, 1.0) for name in left["train"])
    return replace(whole, **left)


def _pictures(names, kind="") -> str:
    return f"{len(names)} {kind}picture{'s' if len(names) > 1 else ''}"


def _some(names) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
