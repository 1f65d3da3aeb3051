"""The settings of a training run: one frozen dataclass, the paper's values as defaults.

A field's name is its flag (`batch_size` is `--batch-size`), its key in a run's
`config.json` and its column in Table 1. Nothing here imports Keras, so that
`train.py --help` answers at once.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol

SCHEDULES = ("plateau", "one_cycle")
INITIALIZERS = ("he_normal", "glorot_uniform")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
CLASSES = 1000  # ImageNet's: the length of a class vector
STRATEGIES = ("none", "mirrored", "jax")
# Four times the paper's side: 16 times its memory and time. A photo keeps its own luminance at full size, and colors
# need no more pixels.
LARGEST_IMAGE = 1024
SEEDS = 2**32  # what NumPy and Keras take


METHOD = "options of some methods"  # the group of the fields that a method must have among its `options`


class Declaration(Protocol):
    """What `resolve` reads of a method; see `colorizer.methods.base.Method`."""

    name: str
    defaults: Mapping[str, Any]
    options: frozenset[str]
    losses: tuple[str, ...]


def setting(default, text, source, kind=str, **flag):
    """A dataclass field that knows its help text, its source and its argparse options."""
    return field(default=default, metadata={"help": text, "source": source, "kind": kind, **flag})


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides what a training run computes.

    Defaults are the paper's where it states them, else "ours" with the reason
    in `source`. Build it with `resolve`, which puts a method's own defaults
    between these and the flags a person typed.

    Source: Table 1 and §III of the paper; BASELINES §2.3 for what it leaves out.
    """

    # -- what is trained on what
    dataset: str = setting("coco", "coco, coco_train, paintings, sample, or a folder of pictures", "§III.B")
    data_dir: str | None = setting(
        None, "the folder that holds the pictures, or the set (default: found or downloaded)", "ours"
    )
    method: str = setting("efficientnet", "the colorization system, a module of colorizer/methods", "§III.A")
    classifier: str = setting(
        "efficientnet_b4",
        "where the class vector comes from: efficientnet_b4, a saved .keras classifier, or none; for ablations "
        "logits:CLASSIFIER (before the softmax), shuffled:CLASSIFIER (another picture's), random:efficientnet_b4",
        "§III.A",
    )
    labels: str | None = setting(
        None, "COCO annotations, instances_*.json: let_there_be_color then learns classes too", "BASELINES §1.1"
    )
    limit: int | None = setting(None, "train on at most this many images (default: all)", "ours", int)

    init_weights: str | None = setting(
        None,
        "begin with these weights of the same method, and their encoder: a run's folder or file, or shipped",
        "ours",
    )

    # -- optimization
    epochs: int = setting(100, "passes over the training images", "Table 1", int)
    loss: str = setting(
        "mse",
        "of efficientnet and trivial mse or mae, of transfer_unet any of these; the others have their own",
        "Table 1",
    )
    initializer: str | None = setting(
        None,
        "what the convolutions of efficientnet begin with; the others have their own",
        "ours",
        choices=INITIALIZERS,
        group=METHOD,
    )
    batch_size: int = setting(20, "images in one step", "Table 1", int)
    learning_rate: float = setting(1e-3, "of the optimizer, at the start", "Keras' Adam default; not stated", float)
    schedule: str = setting(
        "plateau",
        "plateau: lower the rate when the validation loss stands; one_cycle: up, then down to nothing over --epochs",
        "§III.C",
        choices=SCHEDULES,
        group=METHOD,
    )
    plateau_factor: float = setting(
        0.5, "the learning rate is multiplied by this on a plateau", "BASELINES §2.3", float
    )
    plateau_patience: int = setting(
        3, "epochs without a lower validation loss that make a plateau", "BASELINES §2.3", int
    )
    # Keras' default of 1e-4 is a tenth of all that training gains here; "no change or increase" is 0.
    plateau_min_delta: float = setting(0.0, "a validation loss lower by less counts as no change", "§III.C", float)
    plateau_min_lr: float = setting(1e-5, "the learning rate never falls below this", "BASELINES §2.3", float)
    # A method that uses one of these has it among its `settings`; for every other the flag is refused.
    weight_decay: float = setting(0.0, "decoupled from the gradient, as AdamW's", "ours", float, group=METHOD)
    encoder_rate: float = setting(
        1.0,
        "a pretrained encoder's learning rate, as a share of the rest's; 0: it stays as it is",
        "ours",
        float,
        group=METHOD,
    )
    frozen_epochs: int = setting(0, "the encoder stays as it is for this many epochs", "ours", int, group=METHOD)

    # -- pixels
    image_size: int = setting(256, "side of the square the network sees, a multiple of 32, at most 1024", "§III.B", int)
    horizontal_flip: bool = setting(True, "mirror half of the training images", "§III.B", bool)
    zoom_range: float = setting(0.2, "zoom in or out by up to this share", "§III.B; value BASELINES §2.1", float)
    rotation_range: float = setting(20.0, "rotate by up to this many degrees", "BASELINES §2.1", float)
    # TRICKY: Keras reads shear in degrees, so the ancestors' 0.2 does next to nothing. Kept for fidelity.
    shear_range: float = setting(0.2, "shear by up to this many degrees", "BASELINES §2.1", float)
    tone_range: float = setting(
        0.0, "change the gamma of luminance by up to this many stops, never its colours", "ours", float
    )

    # -- how it runs
    seed: int = setting(42, "of the split, the initial weights, the order and the augmentation", "ours", int)
    precision: str = setting("float32", "what the layers compute in", "ours", choices=PRECISIONS)
    strategy: str = setting(
        "none",
        "devices to train on: none (one), mirrored (all GPUs, TensorFlow), jax (all, of several machines too); "
        "docs/scaling.md",
        "ours",
        choices=STRATEGIES,
    )
    max_minutes: float | None = setting(
        None, "train no epoch that would end after this many minutes (default: no limit)", "ours", float
    )
    workers: int = setting(2, "threads that prepare batches", "ours", int)
    run: str | None = setting(
        None, "folder of the run (default: runs/METHOD-DATASET, or the next free name: -2, -3, ...)", "ours"
    )
    tensorboard: str | None = setting(
        None, "folder for TensorBoard's curves (needs the package tensorboard; default: none)", "ours"
    )

    def __post_init__(self):
        for f in fields(self):
            value = getattr(self, f.name)
            if f.metadata["kind"] is float and value is not None and not math.isfinite(value):
                raise ValueError(f"{flag_of(f.name)} must be a finite number. Received: {value}")
        for name in ("epochs", "batch_size", "learning_rate", "image_size", "workers", "limit", "max_minutes"):
            if getattr(self, name) is not None and getattr(self, name) <= 0:
                raise ValueError(f"{flag_of(name)} must be above 0. Received: {getattr(self, name)}")
        if self.image_size % 32:
            raise ValueError(f"--image-size must be a multiple of 32. Received: {self.image_size}")
        if self.image_size > LARGEST_IMAGE:
            raise ValueError(f"--image-size must be at most {LARGEST_IMAGE}. Received: {self.image_size}")
        if not 0 <= self.seed < SEEDS:
            raise ValueError(f"--seed must be 0 or above and below 2^32. Received: {self.seed}")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"--schedule must be one of {', '.join(SCHEDULES)}. Received: {self.schedule}")
        if self.initializer not in (None, *INITIALIZERS):
            raise ValueError(f"--initializer must be one of {', '.join(INITIALIZERS)}. Received: {self.initializer}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"--precision must be one of {', '.join(PRECISIONS)}. Received: {self.precision}")
        for name in ("weight_decay", "encoder_rate", "frozen_epochs", "tone_range"):
            if getattr(self, name) < 0:
                raise ValueError(f"{flag_of(name)} must be 0 or above. Received: {getattr(self, name)}")
        if not 0 < self.plateau_factor < 1:
            raise ValueError(f"--plateau-factor must lie between 0 and 1. Received: {self.plateau_factor}")


def flag_of(name: str) -> str:
    """The command-line flag of a field: `batch_size` -> `--batch-size`."""
    return "--" + name.replace("_", "-")


def names() -> list[str]:
    """The fields of `TrainConfig`, in order."""
    return [f.name for f in fields(TrainConfig)]


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Gives `parser` one flag per field; a flag that is not typed leaves no value behind."""
    for f in fields(TrainConfig):
        options = dict(f.metadata)
        options.pop("group", None)
        kind, text = options.pop("kind"), f"{options.pop('help')} (default: {f.default}; {options.pop('source')})"
        options["default"] = argparse.SUPPRESS
        if kind is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["type"] = kind
        parser.add_argument(flag_of(f.name), help=text.replace("%", "%%"), **options)


def resolve(given: Mapping[str, Any], method: Declaration | None = None) -> TrainConfig:
    """The configuration of a run: the paper's defaults, then the method's, then what was typed.

    Args:
        given: field name -> value, only for the flags a person typed.
        method: from `colorizer.methods.get` or `colorizer.methods.declared`; None for the paper's defaults alone.

    Returns:
        A `TrainConfig` with `run` filled in.

    Raises:
        ValueError: a value is out of range or not for the method; the message names the flag and the value.
    """
    if method:
        _check_options(given, method)
    own = {name: default.value for name, default in method.defaults.items()} if method else {}
    config = TrainConfig(**(own | dict(given)))
    if config.run is None:
        config = replace(config, run=default_run(config))
    return config


def default_run(config: TrainConfig) -> str:
    """The folder of a run that names none, while it is free: runs/METHOD-DATASET."""
    parts = [Path(part).name or Path(part).resolve().name or "pictures" for part in config.dataset.split("+")]
    return (Path("runs") / f"{config.method}-{'+'.join(parts)}".replace(":", "-")).as_posix()


def _check_options(given, method):
    """Refuses a method-specific flag that the method does not use, unless it says what is the case anyway."""
    for f in fields(TrainConfig):
        value = given.get(f.name, f.default)
        if f.metadata.get("group") == METHOD and f.name not in method.options and value != f.default:
            raise ValueError(
                f"{flag_of(f.name)} is not an option of the method {method.name}. Received: {value}. "
                f"Leave it out, or choose a --method that has it."
            )
    loss = given.get("loss", TrainConfig.loss)
    if "loss" in given and loss not in (method.losses or (TrainConfig.loss,)):
        rule = f"must be one of {', '.join(method.losses)}" if method.losses else "cannot be chosen: it has one loss"
        raise ValueError(f"--loss of the method {method.name} {rule}. Received: {loss}")
