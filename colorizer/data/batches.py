"""Batches for `fit`: `((l_norm, vector), ab_norm)`, the same for every method.

    picture, uint8 RGB --> flip, zoom, rotation --> Lab --> split --> l_norm, ab_norm
    the picture before that --> classifier, once -------------------> vector

Pixels stay uint8 on disk until a batch is made. Whatever the number of threads, a picture's
transform depends only on (seed, epoch, its row), and the order only on (seed, epoch). A
resumed run therefore sees the batches that the uninterrupted run would have seen.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import keras
import numpy as np

from colorizer import color
from colorizer.config import CLASSES, TrainConfig
from colorizer.data.augment import ImageDataGenerator, draw_seed

REPEATS = 2**31  # stands for an epoch's number in the seed of a repeated picture; no run has as many epochs


def generator_of(config: TrainConfig) -> ImageDataGenerator:
    """The paper's augmentation with the ranges of a run; `TrainConfig` names their sources."""
    return ImageDataGenerator(
        horizontal_flip=config.horizontal_flip,
        zoom_range=config.zoom_range,
        rotation_range=config.rotation_range,
        shear_range=config.shear_range,
    )


def with_gamma(l_norm: np.ndarray, stops: float) -> np.ndarray:
    """Luminance of another exposure or print of a picture: black and white stay, the tones between change.

    Args:
        l_norm: float32 in -1..1.
        stops: the exponent of L/100 is 2 to this; above 0 darker, below lighter, 0 unchanged.

    Returns:
        As `l_norm`.
    """
    return 2 * np.maximum((l_norm + 1) / 2, 0) ** np.float32(2**stops) - 1  # rounding may give less than black


class Batches(keras.utils.PyDataset):
    """A data set as `fit` takes it.

    Args:
        pictures: a `pixel_store.Store`; a batch's pixels are copied out of it, so that memory does not
            grow with the data set.
        rows: which rows of `pictures` and `vectors` to use.
        draws: (len(rows),) how often an epoch draws each row, above 0; None: each once. A fraction is the
            share of these rows that an epoch draws once more, a new choice every epoch.
        vectors: (rows, 1000) float32 class vectors, or None for zeros.
        labels: (rows,) class numbers, or None; with them, item i's target is `(ab_norm, labels)`.
        classes: how many classes there are.
        batch_size: images in a batch; the last one may be smaller.
        generator: the augmentation, or None for none.
        tone_range: the most stops that `with_gamma` changes a picture by; 0 leaves luminance unchanged.
        shuffle: a new order every epoch; else that of `rows`.
        seed: of the order and the augmentation.
        workers: threads that make batches ahead of time (OpenCV releases the lock while it
            works); 0 makes each when it is asked for.
        part: (rank, ranks, devices), see `training.distribution.Group`: of every batch this rank's share. So that each
            device has the same share, the last batch leaves out up to devices - 1 images.

    Attributes:
        rows: the rows of one epoch, each as often as it is drawn; their number is the same in every epoch.

    Item i is `((l_norm, vector), ab_norm)`: (B, S, S, 1) float32 in -1..1, (B, 1000)
    float32, (B, S, S, 2) float32 = ab/128.
    """

    def __init__(
        self,
        pictures,
        rows,
        *,
        draws=None,
        vectors=None,
        labels=None,
        classes=0,
        batch_size=20,
        generator=None,
        tone_range=0.0,
        shuffle=False,
        seed=42,
        workers=0,
        part=(0, 1, 1),
    ):
        super().__init__()
        self.part, self.tone_range = part, tone_range
        self.labels, self.classes = labels, classes
        self.pictures, self.vectors = pictures, vectors
        self._single_rows, self._draws = np.asarray(rows), None if draws is None else np.asarray(draws, float)
        self.batch_size, self.generator, self.shuffle, self.seed = batch_size, generator, shuffle, seed
        # TRICKY: Keras' own threads (`PyDataset(workers=)`) serve what they drained from a peek at
        # the first batches before anything else, so a resumed run would begin with stale ones.
        # Here a batch made ahead is filed under its epoch and index, and nothing else can take its place.
        self._ahead = 2 * workers
        self._pool = ThreadPoolExecutor(workers, "batches") if workers else None
        self._made: dict[tuple[int, int], Future] = {}
        self._lock = threading.Lock()
        self.start_epoch(0)

    def unaugmented(self, most: int) -> Batches:
        """The same pictures without augmentation, in the order of their rows; at most `most`, evenly spaced."""
        rows = self.rows[:: max(1, -(-len(self.rows) // most))]
        return Batches(self.pictures, rows, batch_size=self.batch_size)

    def start_epoch(self, epoch: int) -> None:
        """Fixes the order and the transforms of epoch `epoch`, counted from 0.

        Called by `callbacks.EpochClock` and not by Keras' own hook, which runs only at
        the end of an epoch and so does not know where a resumed run begins.
        """
        rows, repeats = self._drawn(epoch)
        order = np.arange(len(rows))
        if self.shuffle:
            order = np.random.default_rng((self.seed, epoch)).permutation(len(rows))
        with self._lock:
            for future in self._made.values():
                future.cancel()
            self._made.clear()
            self.rows = rows
            self._epoch, self._order = epoch, np.column_stack([rows[order], repeats[order]])

    def _drawn(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of one epoch, and for each how many times the epoch had drawn it before."""
        rows = self._single_rows
        if self._draws is None:
            return rows, np.zeros(len(rows), int)
        counts = self._draws.astype(int)
        for draw in np.unique(self._draws % 1):
            alike = np.flatnonzero(self._draws % 1 == draw)
            rng = np.random.default_rng((self.seed, epoch, len(rows)))
            counts[rng.permutation(alike)[: round(draw * len(alike))]] += 1
        repeats = np.concatenate([np.arange(count) for count in counts])
        return np.repeat(rows, counts), repeats

    def __len__(self):
        full, rest = divmod(len(self.rows), self.batch_size)
        return full + (rest >= self.part[2])

    def __getitem__(self, index):
        if self._pool is None:
            return self._make(self._epoch, self._order, index)
        with self._lock:
            for wanted in range(index, min(index + 1 + self._ahead, len(self))):
                if (self._epoch, wanted) not in self._made:
                    work = self._pool.submit(self._make, self._epoch, self._order, wanted)
                    self._made[self._epoch, wanted] = work
            batch = self._made.pop((self._epoch, index))
        return batch.result()

    def _make(self, epoch, order, index):
        """One batch of one epoch, from the rows of the store."""
        batch = order[index * self.batch_size : (index + 1) * self.batch_size]
        rank, ranks, devices = self.part
        share = len(batch) // devices * devices // ranks
        batch = batch[rank * share : (rank + 1) * share]
        rows = batch[:, 0]
        rgb_u8 = self.pictures.read(rows)
        l_norm = np.empty((*rgb_u8.shape[:3], 1), np.float32)
        ab_norm = np.empty((*rgb_u8.shape[:3], 2), np.float32)
        for i, (row, repeat) in enumerate(batch.tolist()):
            # A picture that is drawn again in one epoch gets another transform.
            seed = self.seed if not repeat else draw_seed(self.seed, REPEATS, repeat)
            color.rgb_to_l_ab(self._transformed(rgb_u8[i], seed, epoch, row), out=(l_norm[i], ab_norm[i]))
            if self.tone_range:
                rng = np.random.default_rng((seed, epoch, row))
                l_norm[i] = with_gamma(l_norm[i], rng.uniform(-self.tone_range, self.tone_range))
        target = ab_norm if self.labels is None else (ab_norm, self.labels[rows])
        return (l_norm, self.vectors_of(rows)), target

    def _transformed(self, rgb_u8, seed, epoch, row):
        """One picture, (S, S, 3) uint8, after the augmentation of an epoch."""
        if self.generator is None:
            return rgb_u8
        draw = self.generator.get_random_transform(rgb_u8.shape, draw_seed(seed, epoch, row))
        return self.generator.apply_transform(rgb_u8, draw)

    def vectors_of(self, rows):
        """The class vectors of some rows: (B, 1000) float32; zeros without a classifier."""
        if self.vectors is None:
            return np.zeros((len(rows), CLASSES), np.float32)
        return np.asarray(self.vectors[rows], np.float32)


def mean_ab_norm(pictures, rows: np.ndarray) -> list[float]:
    """The mean color of a training set, which the baseline mean color predicts everywhere.

    Args:
        pictures: a `pixel_store.Store`.
        rows: the training rows.

    Returns:
        Two floats, the mean a/128 and b/128 over all pixels.
    """
    total = np.zeros(2)
    for row in rows:
        total += color.rgb_to_l_ab(pictures.read([row])[0])[1].mean((0, 1), dtype=np.float64)
    return (total / len(rows)).tolist()
