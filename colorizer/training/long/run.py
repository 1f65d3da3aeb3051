"""The long training itself: steps, checkpoints, and the state to resume from.

mixture --> l_norm --> features (cached or computed) --> decoder --> distribution's loss --> AdamW
      \\-> ab_norm --> hints, in half of the samples ----^

Two settings make other stages of it: `trainable_blocks` trains the encoder's last blocks too, `critic` adds an
adversarial loss.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd

from colorizer import atomic_files, color, weights
from colorizer.errors import TrainingError
from colorizer.methods.layers import backbone, hints, soft_encoding, token_decoder
from colorizer.training.long import run_files, tuning
from colorizer.training.long.adversarial import AdversarialTrainer
from colorizer.training.long.feature_cache import CachedFeatures, Features, fingerprint
from colorizer.training.long.mixture import Mixture
from colorizer.training.long.settings import Settings

log = logging.getLogger(__name__)

# Each update of the moving average reads and writes all weights; every eighth step that costs little.
EMA_EVERY = 8  # steps between two updates of the weights' exponential moving average
# 1 / (1 - 0.99) = 100 updates of 8 steps each: about 800 steps.
EMA_DECAY = 0.99  # at most; less at the start
# At 192x192 that are 512 x 48 x 48 = 1.2 million colors: 3,800 for each of the 313 bins, were they alike.
PRIOR_SAMPLES = 512  # samples that the prior of colors is estimated from
FORMAT = 1  # of samples and features: another number makes all caches invalid
# With a checkpoint every five minutes: a validation every quarter of an hour.
VALIDATE_EVERY = 3  # checkpoints between two validations; the last one is always validated
PREFETCH = 4  # batches that are prepared ahead, at most


class _Checkpoint(NamedTuple):
    """Where the last checkpoint was: samples seen, and `time.perf_counter()` after it."""

    samples: int
    time: float


class LongRun:
    """A training that continues until it is told to stop. `open` makes one from the run's folder.

    Args:
        folder: the run's.
        settings: see `Settings`.
        mixture: the samples.
        features: of the encoder's frozen part.
        network: from `tuning.join`, compiled: what is trained.
        ema_network: the same network in single precision, for the moving average of the weights.
        blocks: the encoder's blocks that were trained before.
        adversarial: trains the network against a critic; None for no critic.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        mixture: Mixture,
        *,
        features: Features,
        network: keras.Model,
        ema_network: keras.Model,
        blocks: run_files.Blocks,
        adversarial: AdversarialTrainer | None = None,
    ):
        self.folder, self.settings, self.mixture, self.features = folder, settings, mixture, features
        self.network, self.ema_network, self.blocks, self.adversarial = network, ema_network, blocks, adversarial
        self.samples, self.seconds, self.history = 0, 0.0, []
        # A moving average from zero would be too small for long.
        self.ema_weights = _copies(network)
        self._stopped = False

    @classmethod
    def open(
        cls,
        folder: str | Path,
        settings: Settings,
        mixture: Mixture,
        encoder: keras.Model,
        *,
        feature_cache: str | Path | None = None,
        init_weights: str | Path | None = None,
        described: dict | None = None,
    ) -> LongRun:
        """Starts a run, or resumes the one in the folder.

        Args:
            folder: the run's; made if it is not there.
            settings: see `Settings`.
            mixture: the samples.
            encoder: from `vision_transformer` or a classifier, see `backbone.token_encoder`.
            feature_cache: the folder of the features' cache, or None to compute them each time.
            init_weights: weights to start from, of a run with the same encoder: the decoder's and the trained blocks,
                see `run_files`; None starts from a random decoder. A resumed run does not need them.
            described: further fields of config.json.

        Returns:
            The run at its last checkpoint, or before its first step.

        Raises:
            TrainingError: the folder holds a run with other settings or other pictures.
            WeightsError: the initial weights are absent or do not fit.
        """
        folder = Path(folder)
        blocks = _init_blocks(folder, init_weights)
        tokens = backbone.token_encoder(encoder, settings.image_size, settings.precision)
        run_files.set_blocks(tokens, blocks)
        trained = settings.trainable_blocks
        frozen = tuning.frozen_part(tokens, trained) if trained else tokens
        key = _key(settings, mixture, frozen)
        features = _features(settings, mixture, frozen, key, feature_cache)
        record = asdict(settings) | {"key": key, "init_weights": run_files.origin(init_weights)} | (described or {})
        run_files.start_record(folder, settings, record)
        if not run_files.has_state(folder):
            run_files.write_origin(folder, blocks, init_weights)
        # The networks draw their initial weights in this order; another order would be another run.
        keras.utils.set_random_seed(settings.seed)
        network = tuning.compiled(tuning.build(tokens, settings, settings.precision), settings)
        ema_network = tuning.build(tokens, settings, "float32")
        adversarial = None
        if settings.critic:
            adversarial = AdversarialTrainer(
                network,
                gradient_ratio=settings.critic,
                critic_rate=settings.critic_rate,
                critic_alone=settings.critic_alone,
            )
        networks = {"network": network, "ema_network": ema_network, "adversarial": adversarial}
        run = cls(folder, settings, mixture, features=features, blocks=blocks, **networks)
        if not run._resume():
            run._initialize(init_weights)
        return run

    def _initialize(self, init_weights) -> None:
        """Gives a new run its first weights: those of another run, or a decoder whose bias is the prior of colors."""
        if init_weights:
            run_files.load_decoder(tuning.split(self.ema_network)[0], init_weights)
            self.network.set_weights(self.ema_network.get_weights())
        else:
            token_decoder.init_prior_bias(tuning.split(self.network)[0], _prior(self.mixture))
        self.ema_weights = _copies(self.network)

    def _resume(self) -> bool:
        """Loads the state that `save` wrote, if there is one."""
        path = self.folder / run_files.STATE
        if not path.is_file():
            return False
        state = run_files.read_record(path)
        self.samples, self.seconds, self.history = state["samples"], state["seconds"], state["history"]
        self.network.load_weights(path.parent / state["weights"])
        with np.load(path.parent / state["ema_weights"]) as arrays:
            self.ema_weights = [arrays[f"{i}"] for i in range(len(arrays.files))]
        if self.adversarial:
            self.adversarial.critic.load_weights(path.parent / state["critic"])
            self.adversarial.critic_weight = state["critic_weight"]
        return True

    def save(self) -> None:
        """Saves the state to resume from, and exports the weights."""
        last = (self.folder / run_files.STATE).parent
        state = {"samples": self.samples, "seconds": self.seconds, "history": self.history}
        # A kill may leave files of two checkpoints. The state names those that belong together.
        names = {"weights": f"{self.samples:09d}.weights.h5", "ema_weights": f"{self.samples:09d}.npz"}
        if self.adversarial:
            names["critic"] = f"{self.samples:09d}.critic.weights.h5"
            state["critic_weight"] = self.adversarial.critic_weight
            atomic_files.write_bytes(last / names["critic"], self.adversarial.packed())
        atomic_files.write_bytes(last / names["weights"], weights.packed(self.network))
        with atomic_files.replacing(last / names["ema_weights"]) as part:
            np.savez(part, **{f"{i}": w for i, w in enumerate(self.ema_weights)})
        atomic_files.write_json(self.folder / run_files.STATE, state | names)
        for old in (*last.glob("*.weights.h5"), *last.glob("*.npz")):
            if old.name not in names.values():
                old.unlink()
        self.export(self.folder)

    def export(self, folder: Path) -> None:
        """Writes the moving average of the weights in half precision, and the history.

        Args:
            folder: the run's, or that of its cooldown.
        """
        self.ema_network.set_weights(self.ema_weights)
        blocks = self.blocks | tuning.blocks_of(self.ema_network)
        run_files.write(folder, tuning.split(self.ema_network)[0], blocks)
        with atomic_files.replacing(folder / run_files.HISTORY) as part:
            pd.DataFrame(self.history).to_csv(part, index=False)

    def train(
        self,
        *,
        samples: int | None = None,
        minutes: float | None = None,
        every: float = 5,
        cooldown: int = 0,
        check: Callable[[keras.Model], dict[str, float]] | None = None,
    ) -> None:
        """Trains and saves.

        Args:
            samples: stop when the run has seen this many; None for no such limit.
            minutes: stop after this many; None for no such limit.
            every: minutes between two checkpoints.
            cooldown: samples over which the learning rate falls to zero, from here on. Its result is written to a
                folder of its own; the run on the disk stays as it is.
            check: decoder in single precision -> dict of numbers for the history, at some checkpoints.

        Raises:
            TrainingError: the loss is not finite.
        """
        self._stopped, first, start = False, self.samples, time.perf_counter()
        if cooldown:
            samples = first + cooldown
        if samples is not None and first >= samples:
            return
        last, logs = _Checkpoint(first, start), []
        with contextlib.closing(self._prefetched()) as batches:
            for inputs, ab_norm, border in batches:
                scale = 1 - (self.samples - first) / cooldown if cooldown else 1
                logs.append(self._step(inputs, ab_norm, border, scale))
                self.samples += self.settings.batch_size
                self._update_ema()
                # 60: the flags are in minutes, the clock in seconds.
                now = time.perf_counter()
                over = self._stopped or (minutes is not None and now - start > 60 * minutes)
                over = over or (samples is not None and self.samples >= samples)
                if over or now - last.time > 60 * every:
                    validated = over or len(self.history) % VALIDATE_EVERY == 0
                    self._checkpoint(_means(logs), last, now, bool(cooldown), check if validated else None)
                    last, logs = _Checkpoint(self.samples, time.perf_counter()), []
                if over:
                    break

    def stop(self, *arguments) -> None:
        """Lets `train` save after the step that it is in, and end; a handler of signals."""
        self._stopped = True

    def _prefetched(self) -> Iterator[tuple[list, np.ndarray, np.ndarray]]:
        """The batches from `samples` on, without an end.

        Two threads read pictures and compute features while the network computes. Closing the generator ends them.
        """
        firsts = itertools.count(self.samples, self.settings.batch_size)
        with ThreadPoolExecutor(2) as pool:
            ahead = deque(pool.submit(self._batch, first) for first in itertools.islice(firsts, PREFETCH - 1))
            try:
                for first in firsts:
                    ahead.append(pool.submit(self._batch, first))
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()

    def _batch(self, first: int) -> tuple[list, np.ndarray, np.ndarray]:
        """The samples of one step: the network's inputs, ab_norm, border."""
        draws = [self.mixture.draw(first + i) for i in range(self.settings.batch_size)]
        samples = [self.mixture.sample(draw) for draw in draws]
        l_norm, ab_norm, border = (np.stack(parts) for parts in zip(*samples, strict=True))
        # A picture's augmentations are neighbors among the rows of the cache.
        number = self.settings.augmentations_per_image or 1
        rows = [self.mixture.number(draw) * number + self.mixture.augmentation(draw) % number for draw in draws]
        # 2: a stream of its own. 0 is the order of sets, 1 that of pictures, both in `mixture`.
        rng = np.random.default_rng((self.settings.seed, 2, first))
        mask = hints.sample_masks(rng.random((len(draws), hints.DRAWS), np.float32), ab_norm.shape[1:3])
        given = keras.ops.convert_to_numpy(hints.make_hints(ab_norm, mask))
        return [l_norm, self.features.of(np.array(rows), l_norm), given], ab_norm, border

    def _step(self, inputs, ab_norm, border, scale) -> dict[str, float]:
        """One step; returns its numbers for the history."""
        number = self.samples // self.settings.batch_size
        # The decoder's warm-up begins with its own first step.
        own = number - (self.settings.critic_alone if self.adversarial else 0)
        # Linear up, then constant; linear down only in a cooldown, since a run has no planned length.
        rise = min(1.0, (max(own, 0) + 1) / self.settings.warm_up)
        self.network.optimizer.learning_rate.assign(self.settings.learning_rate * rise * scale)
        if self.adversarial is None:
            return self.network.train_on_batch(inputs, ab_norm, return_dict=True)
        self.adversarial.scale_rate(scale)
        return self.adversarial.step(number, inputs, ab_norm, border)

    def _update_ema(self) -> None:
        step = self.samples // self.settings.batch_size
        if step % EMA_EVERY:
            return
        updates = step // EMA_EVERY
        # 1/10, 2/11, ... up to 0.99 after 890 updates: a young average follows the weights closely.
        decay = min(EMA_DECAY, (1 + updates) / (10 + updates))
        for mean, new in zip(self.ema_weights, self.network.weights, strict=True):
            mean *= decay
            mean += (1 - decay) * np.asarray(new, np.float32)

    def _checkpoint(self, logs, last, now, in_cooldown, check) -> None:
        """Adds a row to the history and saves; in a cooldown only its result."""
        if not np.isfinite(list(logs.values())).all():
            raise TrainingError(f"The loss is no longer a number. {self.folder} keeps the last state.")
        row = {"samples": self.samples, **{name: float(value) for name, value in logs.items()}}
        row["learning_rate"] = float(np.asarray(self.network.optimizer.learning_rate))
        row["samples_per_second"] = round((self.samples - last.samples) / (now - last.time), 2)
        self.seconds += now - last.time
        row["seconds"] = round(self.seconds, 1)
        if in_cooldown:  # at a rate near zero the last weights are better than an average that lags behind
            self.ema_weights = _copies(self.network)
        if check:
            self.ema_network.set_weights(self.ema_weights)
            row |= check(self.ema_network)
        self.history.append(row)
        log.info("%s", " ".join(f"{name}={value:.6g}" for name, value in row.items()))
        if in_cooldown:
            self.export(self.folder / run_files.COOLDOWN)
        else:
            self.save()


def _init_blocks(folder, init_weights) -> run_files.Blocks:
    """The encoder's blocks that were trained before the run; one that has a checkpoint has a copy of them."""
    if run_files.has_state(folder):
        return run_files.load_blocks(run_files.find(folder, run_files.INIT_BLOCKS))
    # Rounded before the first step already: the run's copy is, and a resumed run must have the same encoder.
    return run_files.rounded(run_files.load_blocks(init_weights))


def _key(settings, mixture, frozen) -> dict:
    """What decides the features of the encoder's frozen part, for the record: a resumed run must have the same."""
    # "views" and "tune": the names of the first records, which are compared with this.
    key = {
        "format": FORMAT,
        "encoder": fingerprint(*(np.asarray(w) for w in frozen.get_weights())),
        "pictures": fingerprint([[one.name, *one.names] for one in mixture.sets]),
        "seed": settings.seed,
        "views": settings.augmentations_per_image,
        "image_size": settings.image_size,
        "precision": settings.precision,
    }
    # Only where blocks are trained: features of a whole encoder keep their key.
    return key | ({"tune": settings.trainable_blocks} if settings.trainable_blocks else {})


def _features(settings, mixture, frozen, key, cache) -> Features:
    """Computes the features of the encoder's frozen part, with a cache in a folder of `cache` or without."""
    if not cache:
        return Features(frozen, settings.batch_size)
    number = settings.augmentations_per_image
    if number is None:
        raise TrainingError(
            "A feature cache needs a number of augmentations. Received: none. "
            "Give --augmentations-per-image, or leave --feature-cache out."
        )
    # A folder of the same names may hold other pictures: numbers as names are common. The record, which may go to
    # another machine, is compared without the files' times.
    key = key | {"files": fingerprint(*(one.stamps() for one in mixture.sets))}
    return CachedFeatures(Path(cache) / fingerprint(key), key, number * len(mixture), frozen, settings.batch_size)


def _prior(mixture) -> np.ndarray:
    """How often each color occurs in the first samples."""
    samples = (mixture.sample(mixture.draw(number)) for number in range(PRIOR_SAMPLES))
    return soft_encoding.prior(sample.ab_norm * color.AB_SCALE for sample in samples)


def _copies(network) -> list[np.ndarray]:
    return [np.array(w) for w in network.get_weights()]


def _means(steps: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each number over the steps that have it: Keras starts its own means anew with each batch."""
    names = dict.fromkeys(name for logs in steps for name in logs)
    return {name: float(np.mean([logs[name] for logs in steps if name in logs])) for name in names}
