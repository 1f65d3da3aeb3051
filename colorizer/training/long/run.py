"""The long training itself: steps, checkpoints, and the state that it goes on from.

mixture --> l_norm --> features (kept or computed) --> decoder --> distribution's loss --> AdamW
      \\-> ab_norm --> hints, in half of the samples ----^

Two settings make other stages of it: `tune` trains the encoder's last blocks too, `critic` adds an adversary.
"""

from __future__ import annotations

import json
import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from colorizer import atomic_files, color, environment, weights
from colorizer.config import PRECISIONS
from colorizer.errors import TrainingError, UsageError
from colorizer.methods.layers import backbone, code_table, hints, optimizers, token_decoder
from colorizer.training import loop
from colorizer.training.long import run_files, tuning
from colorizer.training.long.kept_features import Features, KeptFeatures, fingerprint
from colorizer.training.long.mixture import Mixture
from colorizer.training.long.turns import Turns

log = logging.getLogger(__name__)

# Each update of the average reads and writes all weights; every eighth step that costs little.
AVERAGED_EVERY = 8  # steps between two updates of the weights' moving average
# 1 / (1 - 0.99) = 100 updates of 8 steps each.
MOMENTUM = 0.99  # of it: about 800 steps; less at the beginning
# At 192x192 that are 512 x 48 x 48 = 1.2 million colors: 3,800 for each of the 313 bins, were they alike.
PRIOR_SAMPLES = 512  # pictures that say how often each color occurs
BEGUN = "begun.npz"  # the encoder's blocks that were trained before the run, see `run_files`
FORMAT = 1  # of what samples and features are: another number makes kept ones useless
# With a checkpoint every five minutes: a validation every quarter of an hour.
CHECKED_EVERY = 3  # checkpoints between two validations; the last one is always validated


@dataclass(frozen=True)
class Settings:
    """What decides the result of a long training; it is recorded.

    Attributes:
        image_size: side of the samples, a multiple of 32, as weights are used.
        batch_size: samples in a step.
        learning_rate: the highest.
        warm_up: steps in which it rises.
        weight_decay: AdamW's, of kernels.
        precision: of the layers.
        seed: of everything that is drawn.
        views: different samples of one picture; None for a new one each time.
        tune: how many of the encoder's last blocks are trained too.
        tune_rate: their learning rate, as a share of the decoder's.
        critic: how long the critic's gradient is at the logits' kernel, the distribution's being 1; 0 for no critic.
        critic_rate: the critic's learning rate.
        critic_alone: steps in which only the critic is trained, at the start.

    Raises:
        UsageError: one of them is out of range.
    """

    # 192 / 16 = 12: a grid of 12x12 tokens, which stands for 168x168 pixels of DINOv2's patches of 14.
    image_size: int = 192
    batch_size: int = 16
    learning_rate: float = 1e-3
    # 4,800 samples of 16 a step; Adam's second moment at beta 0.999 has forgotten a quarter of its start by then.
    warm_up: int = 300
    weight_decay: float = 0.05
    # Products in bfloat16, weights in float32.
    precision: str = "mixed_bfloat16"
    seed: int = 42
    views: int | None = 1
    tune: int = 0
    tune_rate: float = 0.1
    critic: float = 0.0
    # Miyato 2018 and Nazeri 2018.
    critic_rate: float = 2e-4
    critic_alone: int = 300

    def __post_init__(self):
        for name, value in asdict(self).items():
            if name == "precision":
                wrong = f"one of {', '.join(PRECISIONS)}" if value not in PRECISIONS else ""
            elif name == "image_size":
                wrong = "a multiple of 32" if value < 32 or value % 32 else ""
            elif name in ("batch_size", "warm_up", "views"):
                wrong = "1 or more" if value is not None and value < 1 else ""
            else:
                wrong = "not below 0" if value < 0 else ""
            if wrong:
                flag = "--" + name.replace("_", "-")
                raise UsageError(f"{flag} is {wrong}. Received: {value}. Leave it out for its default.")


class LongRun:
    """A training that goes on until it is told to stop.

    Args:
        folder: the run's.
        settings: see `Settings`.
        mixture: the samples.
        encoder: from `vision_transformer` or a classifier, see `backbone.tokens`.
        keep: the folder for kept features, or None to compute them each time.
        begin: weights to begin with, of a run with the same encoder: the decoder's and the trained blocks, see
            `run_files`; None begins with a random decoder.
        described: what else config.json says.

    Raises:
        TrainingError: the folder holds a run with other settings or other pictures.
        WeightsError: the weights to begin with are absent or do not fit.
    """

    def __init__(
        self,
        folder: str | Path,
        settings: Settings,
        mixture: Mixture,
        encoder: keras.Model,
        *,
        keep: str | Path | None = None,
        begin: str | Path | None = None,
        described: dict | None = None,
    ):
        self.folder, self.settings, self.mixture = Path(folder), settings, mixture
        seeing = backbone.tokens(encoder, settings.image_size, settings.precision)
        self.blocks = run_files.load_blocks(self._source(begin))
        run_files.set_blocks(seeing, self.blocks)
        frozen = tuning.below(seeing, settings.tune) if settings.tune else seeing
        key = self._key(frozen)
        self.features = self._features(frozen, key, keep)
        self._start_record(asdict(settings) | {"key": key} | (described or {}))
        if self.blocks and not (self.folder / BEGUN).is_file():
            run_files.write_blocks(self.folder / BEGUN, self.blocks)
        if begin and not (self.folder / run_files.HISTORY).is_file():
            run_files.write_before(self.folder, begin)
        keras.utils.set_random_seed(settings.seed)
        self.decoder = self._compiled(self._network(seeing, settings.precision))
        # The same network in single precision shows what the moving average is worth.
        self.averaged = self._network(seeing, "float32")
        self.turns = None
        if settings.critic:
            self.turns = Turns(
                self.decoder, share=settings.critic, rate=settings.critic_rate, alone=settings.critic_alone
            )
        self.samples, self.seconds, self.history = 0, 0.0, []
        if not self._resume():
            self._begin(begin)

    def _key(self, frozen) -> dict:
        """What decides the features of the encoder's frozen part: kept ones of another key are of no use."""
        settings = self.settings
        key = {
            "format": FORMAT,
            "encoder": fingerprint(*(np.asarray(w) for w in frozen.get_weights())),
            "pictures": fingerprint([[one.name, *one.names] for one in self.mixture.sets]),
            "seed": settings.seed,
            "views": settings.views,
            "image_size": settings.image_size,
            "precision": settings.precision,
        }
        # Only where there is one: features of a whole encoder keep their key.
        return key | ({"tune": settings.tune} if settings.tune else {})

    def _features(self, frozen, key, keep) -> Features:
        """What computes the features, or keeps them in a folder in `keep`."""
        settings = self.settings
        if not keep:
            return Features(frozen, settings.batch_size)
        if settings.views is None:
            raise TrainingError("Kept features need a number of views. Received: none. Give one, or keep nothing.")
        place = Path(keep) / fingerprint(key)
        return KeptFeatures(place, key, settings.views * len(self.mixture), frozen, settings.batch_size)

    def _compiled(self, network) -> keras.Model:
        """The network with its optimizer: the encoder's blocks, if any are trained, learn more slowly."""
        settings, upper = self.settings, tuning.parts(network)[1]
        optimizer = optimizers.TwoRates(
            settings.learning_rate,
            slow=upper.trainable_variables if upper else (),
            share=settings.tune_rate,
            weight_decay=settings.weight_decay,
            global_clipnorm=1.0,
        )
        optimizer.exclude_from_weight_decay(var_names=optimizers.UNDECAYED)
        network.compile(
            optimizer, token_decoder.Loss(), metrics=[token_decoder.mse], jit_compile=optimizers.JIT_COMPILE
        )
        optimizer.build(network.trainable_variables)
        return network

    def _begin(self, begin) -> None:
        """Gives a new run its first weights: those of another run, or a decoder that knows the prior."""
        if begin:
            run_files.load_decoder(tuning.parts(self.averaged)[0], begin)
            self.decoder.set_weights(self.averaged.get_weights())
        else:
            token_decoder.start_from(tuning.parts(self.decoder)[0], self._prior())
        # The average begins where the weights do; a mean from zero would be too small for long.
        self.average = [np.array(w) for w in self.decoder.get_weights()]

    def _source(self, begin):
        """Where the encoder's blocks come from that were trained before: a run that has begun has them itself."""
        has_begun = (self.folder / BEGUN).is_file() or (self.folder / "last" / "state.json").is_file()
        return self.folder / BEGUN if has_begun else begin

    def _network(self, encoder, precision):
        """What is trained, see `tuning.joined`."""
        size, trained = self.settings.image_size, self.settings.tune
        with loop.precision(precision):
            decoder = token_decoder.build((size, size), encoder.output_shape[-1])
        return tuning.joined(decoder, tuning.above(encoder, trained, precision) if trained else None)

    def _start_record(self, config):
        path = self.folder / "config.json"
        if path.is_file():
            # A setting that is younger than the run has its default.
            begun = asdict(Settings()) | json.loads(path.read_text(encoding="utf-8"))
            for name in (*asdict(self.settings), "key"):
                if begun.get(name) != json.loads(json.dumps(config[name])):
                    raise TrainingError(
                        f"{self.folder} was begun with {name} {begun.get(name)}. Received: {config[name]}. "
                        f"Choose another folder, or the same settings."
                    )
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        config |= {"versions": environment.versions(), "commit": environment.commit(), "device": environment.device()}
        atomic_files.write_json(path, config)

    def _prior(self) -> np.ndarray:
        """How often each color occurs in the first samples."""
        codes = code_table.table()
        total = np.zeros(codes.shape[1])
        for number in range(PRIOR_SAMPLES):
            ab = self.mixture.sample(self.mixture.draw(number)).ab_norm
            rows = np.asarray(code_table.rows(ab * color.AB_SCALE))
            total += codes[rows.ravel()].mean(axis=0)
        return total / total.sum()

    def _resume(self) -> bool:
        state_file = self.folder / "last" / "state.json"
        if not state_file.is_file():
            return False
        state = json.loads(state_file.read_text(encoding="utf-8"))
        self.samples, self.seconds, self.history = state["samples"], state["seconds"], state["history"]
        self.decoder.load_weights(state_file.parent / state["weights"])
        with np.load(state_file.parent / state["average"]) as arrays:
            self.average = [arrays[f"{i}"] for i in range(len(arrays.files))]
        if self.turns:
            self.turns.critic.load_weights(state_file.parent / state["critic"])
            self.turns.weight = state["critic_weight"]
        return True

    def save(self) -> None:
        """Makes this moment the one that the run goes on from."""
        last = self.folder / "last"
        state = {"samples": self.samples, "seconds": self.seconds, "history": self.history}
        # Names with the number of samples: the state names the files that belong together, whichever a kill left.
        names = {"weights": f"{self.samples:09d}.weights.h5", "average": f"{self.samples:09d}.npz"}
        if self.turns:
            names["critic"] = f"{self.samples:09d}.critic.weights.h5"
            state["critic_weight"] = self.turns.weight
            atomic_files.write_bytes(last / names["critic"], self.turns.packed())
        atomic_files.write_bytes(last / names["weights"], weights.packed(self.decoder))
        with atomic_files.replacing(last / names["average"]) as part:
            np.savez(part, **{f"{i}": w for i, w in enumerate(self.average)})
        atomic_files.write_json(last / "state.json", state | names)
        for old in (*last.glob("*.weights.h5"), *last.glob("*.npz")):
            if old.name not in names.values():
                old.unlink()
        self.export(self.folder)
        with atomic_files.replacing(self.folder / run_files.HISTORY) as part:
            pd.DataFrame(self.history).to_csv(part, index=False)

    def export(self, folder: Path) -> None:
        """Writes the moving average as weights in half precision."""
        self.averaged.set_weights(self.average)
        run_files.write(folder, tuning.parts(self.averaged)[0], self.blocks | tuning.blocks_of(self.averaged))

    def _batch(self, first: int):
        """The samples of one step: what the network gets, ab_norm, border."""
        draws = [self.mixture.draw(first + i) for i in range(self.settings.batch_size)]
        samples = [self.mixture.sample(draw) for draw in draws]
        l_norm, ab_norm, border = (np.stack(parts) for parts in zip(*samples, strict=True))
        # A picture's views are neighbors among the rows of the kept features.
        views = self.settings.views or 1
        rows = np.array([self.mixture.number(draw) * views + self.mixture.view(draw) % views for draw in draws])
        # 2: a stream of its own. 0 is the order of sets, 1 that of pictures, both in `mixture`.
        rng = np.random.default_rng((self.settings.seed, 2, first))
        mask = hints.masks(rng.random((len(draws), hints.DRAWS), np.float32), ab_norm.shape[1:3])
        given = keras.ops.convert_to_numpy(hints.of(ab_norm, mask))
        return [l_norm, self.features.of(rows, l_norm), given], ab_norm, border

    def train(
        self, *, samples: int | None = None, minutes: float | None = None, every: float = 5, fall: int = 0, check=None
    ):
        """Trains and saves.

        Args:
            samples: stop when the run has seen this many; None for no such limit.
            minutes: stop after this many; None for no such limit.
            every: minutes between two checkpoints.
            fall: samples over which the rate falls to nothing, from here on; nothing of the run is then changed.
            check: decoder in single precision -> dict of numbers for the history, at every checkpoint.

        Raises:
            TrainingError: the loss is no longer a number.
        """
        batch, start, first, self._stopped = self.settings.batch_size, time.perf_counter(), self.samples, False
        if fall:
            samples = self.samples + fall
        mark, steps = (self.samples, start), []
        # Two threads read ahead, four batches at most: pictures are decoded and seen by the frozen encoder while the
        # network computes.
        with ThreadPoolExecutor(2) as pool:
            ahead: dict[int, Future] = {}
            while samples is None or self.samples < samples:
                for number in range(self.samples, self.samples + 4 * batch, batch):
                    if number not in ahead:
                        ahead[number] = pool.submit(self._batch, number)
                inputs, ab_norm, border = ahead.pop(self.samples).result()
                steps.append(self._step(inputs, ab_norm, border, fall and (self.samples - first) / fall))
                self.samples += batch
                self._update_average()
                now = time.perf_counter()
                # 60: the flags are in minutes, the clock in seconds.
                out_of_time = self._stopped or (minutes is not None and now - start > 60 * minutes)
                ends = out_of_time or (samples is not None and self.samples >= samples)
                if ends or now - mark[1] > 60 * every:
                    logs, steps = _means(steps), []
                    if not np.isfinite(list(logs.values())).all():
                        raise TrainingError(f"The loss is no longer a number. {self.folder} keeps the last state.")
                    due = ends or len(self.history) % CHECKED_EVERY == 0
                    self._checkpoint(logs, mark, now, fall, check if due else None)
                    mark = (self.samples, time.perf_counter())
                    if out_of_time:
                        break
            for future in ahead.values():
                future.cancel()

    def stop(self, *arguments) -> None:
        """Lets `train` save after the step that it is in, and end; a handler of signals."""
        self._stopped = True

    def _step(self, inputs, ab_norm, border, fallen) -> dict[str, float]:
        """One step; returns what the history gets of it."""
        number = self.samples // self.settings.batch_size
        # The decoder's rate rises when the decoder begins to learn.
        learned = number - (self.settings.critic_alone if self.turns else 0)
        # Up along a line, level without an end, and down along a line only in a fall: the run has no length.
        rise = min(1.0, (max(learned, 0) + 1) / self.settings.warm_up)
        self.decoder.optimizer.learning_rate.assign(self.settings.learning_rate * rise * (1 - fallen))
        if self.turns is None:
            return self.decoder.train_on_batch(inputs, ab_norm, return_dict=True)
        self.turns.fall(1 - fallen)
        return self.turns.step(number, inputs, ab_norm, border)

    def _update_average(self):
        step = self.samples // self.settings.batch_size
        if step % AVERAGED_EVERY:
            return
        updates = step // AVERAGED_EVERY
        # 1/10, 2/11, ... up to 0.99 after 890 updates: a young average follows the weights closely.
        momentum = min(MOMENTUM, (1 + updates) / (10 + updates))
        for mean, new in zip(self.average, self.decoder.weights, strict=True):
            mean *= momentum
            mean += (1 - momentum) * np.asarray(new, np.float32)

    def _checkpoint(self, logs, mark, now, fall, check):
        """Adds a row to the history and saves; while the rate falls, only the result is kept."""
        row = {"samples": self.samples, **{name: float(value) for name, value in logs.items()}}
        row["learning_rate"] = float(np.asarray(self.decoder.optimizer.learning_rate))
        row["samples_per_second"] = round((self.samples - mark[0]) / (now - mark[1]), 2)
        self.seconds += now - mark[1]
        if fall:  # at a rate of nothing the last weights are better than a mean that lags behind
            self.average = [np.array(w) for w in self.decoder.get_weights()]
        row["seconds"] = round(self.seconds, 1)
        if check:
            self.averaged.set_weights(self.average)
            row |= check(self.averaged)
        self.history.append(row)
        log.info("%s", " ".join(f"{name}={value:.6g}" for name, value in row.items()))
        if fall:
            self.export(self.folder / "fallen")
            with atomic_files.replacing(self.folder / "fallen" / run_files.HISTORY) as part:
                pd.DataFrame(self.history).to_csv(part, index=False)
        else:
            self.save()


def _means(steps: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each number over the steps that have it: Keras starts its own means anew with each batch."""
    names = dict.fromkeys(name for logs in steps for name in logs)
    return {name: float(np.mean([logs[name] for logs in steps if name in logs])) for name in names}
