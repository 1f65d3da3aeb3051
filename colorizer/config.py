"""The settings of a training run: one frozen dataclass, the paper's values as defaults.

A field's name is its flag (`batch_size` is `--batch-size`), its key in a run's `config.json` and its row in Table 1.
Nothing here imports Keras, so that `train.py --help` answers at once.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol

from colorizer.errors import ArgumentError

SCHEDULES = ("plateau", "one_cycle")
INITIALIZERS = ("he_normal", "glorot_uniform")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
STRATEGIES = ("none", "mirrored", "jax")
# How a run ended: all planned epochs done; by `patience`; or by `max_minutes`, before either. Ctrl-C leaves it open.
ENDED, STOPPED, CUT = ENDINGS = ("ended", "stopped", "cut")
CLASSES = 1000  # ImageNet's: the length of a class vector
LARGEST_IMAGE = 1024  # four times the paper's side: 16 times its time; colors need no more pixels
RECORD, SUMMARY = "config.json", "summary.json"  # files of a run: its settings, and its results once it is done
HISTORY, SPLIT = "history.csv", "split.json"  # a row an epoch; its lists of pictures, which may also lie in LAST
LAST, STATE = "last", "last/state.json"  # the folder that a run is resumed from; the file there that names the rest
SEEDS = 2**32  # what NumPy and Keras take
_ABOVE_0 = ("epochs", "batch_size", "learning_rate", "image_size", "workers", "limit", "max_minutes", "patience")
_NOT_BELOW_0 = ("plateau_patience", "plateau_min_delta", "plateau_min_lr", "weight_decay", "encoder_rate")
_NOT_BELOW_0 += ("frozen_epochs", "rotation_range", "shear_range", "tone_range")

# Groups of fields, as `--help` shows them. Those of METHOD are refused unless a method has them among its `options`.
DATA, TRAINING, AUGMENTATION, RUN = "data", "training", "pictures and augmentation", "the run"
METHOD = "options of the method"

# What earlier versions recorded and this one does not have: name -> the value without effect. A moving average of
# the weights gained nothing.
FORMER = {"ema": 0.0}


class Declaration(Protocol):
    """What `resolve` and `add_flags` read of a method; see `colorizer.methods.base.Method`."""

    name: str
    defaults: Mapping[str, Any]
    options: frozenset[str]
    losses: tuple[str, ...]
    uses_labels: bool


def setting(default, text, source="", kind=str, *, group, expert=False, none="", **flag) -> Any:
    """A dataclass field that knows its flag.

    Args:
        default: the paper's value, or this project's where the paper states none.
        text: what the flag does.
        source: where the default comes from, if from a publication.
        kind: type of the value.
        group: one of the groups above.
        expert: whether only `--help-all` shows the flag.
        none: what None stands for, if that is the default.
        **flag: further arguments of argparse.
    """
    metadata = {"help": text, "source": source, "kind": kind, "group": group, "expert": expert, "none": none}
    return field(default=default, metadata=metadata | {"flag": flag})


@dataclass(frozen=True, repr=False)
class TrainConfig:
    """Everything that decides what a training run computes.

    Defaults are the paper's (Table 1, section III) where it states them. `resolve` puts a method's own defaults between
    these and the flags that a user typed.
    """

    # What is trained on what.
    dataset: str = setting(
        "coco",
        "coco (val2017), coco_train (train2017), paintings, sample, the test sets ood and bw, a folder of "
        "pictures, or several joined by +, NAME:2 counting twice",
        "paper, III.B",
        group=DATA,
    )
    data_dir: str | None = setting(
        None, "folder that holds the pictures, or the data set", group=DATA, none="found or downloaded", metavar="DIR"
    )
    method: str = setting("efficientnet", "colorization method, see below", "paper, III.A", group=TRAINING)
    classifier: str = setting(
        "efficientnet_b4",
        "source of the class vector: efficientnet_b4, efficientnet_lite0 to 2, mobilenet_edgetpu, a saved .keras "
        "classifier, or none; for ablations "
        "logits:CLASSIFIER (before the softmax), shuffled:CLASSIFIER (another picture's), random:efficientnet_b4",
        "paper, III.A",
        group=TRAINING,
    )
    labels: str | None = setting(
        None, "COCO annotations, instances_*.json: learn classes too", group=METHOD, none="no classes", metavar="FILE"
    )
    limit: int | None = setting(None, "train on at most this many pictures", kind=int, group=DATA, none="all")

    init_weights: str | None = setting(
        None,
        "start from these weights of the same method, and their encoder: a run's folder or file, or shipped",
        group=TRAINING,
        none="random weights",
        metavar="DIR",
    )

    # Optimization.
    epochs: int = setting(100, "passes over the training pictures", "paper, Table 1", int, group=TRAINING)
    loss: str = setting("mse", "loss function", "paper, Table 1", group=TRAINING)
    initializer: str | None = setting(
        None, "initial weights of convolutions", group=METHOD, expert=True, none="the method's", choices=INITIALIZERS
    )
    batch_size: int = setting(20, "pictures in one step", "paper, Table 1", int, group=TRAINING)
    # Not stated in the paper; Keras' default for Adam.
    learning_rate: float = setting(1e-3, "learning rate at the start", "Keras' default for Adam", float, group=TRAINING)
    schedule: str = setting(
        "plateau",
        "plateau: lower the rate when the validation loss stops improving; one_cycle: up, then down to 0 over --epochs",
        "paper, III.C",
        group=METHOD,
        expert=True,
        choices=SCHEDULES,
    )
    # The paper reduces the rate when there is no change or an increase; the numbers are its probable ancestor's.
    plateau_factor: float = setting(
        0.5,
        "factor for the learning rate on a plateau",
        "docs/reproduction_notes.md, 2.3",
        float,
        group=TRAINING,
        expert=True,
    )
    plateau_patience: int = setting(
        3,
        "epochs without a lower validation loss that make a plateau",
        "docs/reproduction_notes.md, 2.3",
        int,
        group=TRAINING,
        expert=True,
    )
    # Keras' default of 1e-4 is a tenth of all that training gains here; the paper's "no change" is 0.
    plateau_min_delta: float = setting(
        0.0,
        "least decrease of the validation loss that counts as a change",
        "paper, III.C",
        float,
        group=TRAINING,
        expert=True,
    )
    plateau_min_lr: float = setting(
        1e-5, "lowest learning rate", "docs/reproduction_notes.md, 2.3", float, group=TRAINING, expert=True
    )
    patience: int | None = setting(
        None,
        "stop when this many epochs after the last cut of the learning rate brought no lower validation loss",
        kind=int,
        group=TRAINING,
        none="off",
    )
    weight_decay: float = setting(
        0.0, "weight decay, decoupled from the gradient (AdamW)", kind=float, group=METHOD, expert=True
    )
    encoder_rate: float = setting(
        1.0,
        "learning rate of a pretrained encoder, as a share of the others'; 0 keeps it unchanged",
        kind=float,
        group=METHOD,
        expert=True,
    )
    frozen_epochs: int = setting(
        0, "epochs at the start that keep the encoder unchanged", kind=int, group=METHOD, expert=True
    )

    # Pixels. Flip and zoom are the paper's; the numbers are Wallner's, whom it cites.
    image_size: int = setting(
        256,
        "side of the square that the network sees, a multiple of 32, at most 1024",
        "paper, III.B",
        int,
        group=AUGMENTATION,
    )
    horizontal_flip: bool = setting(
        True, "mirror half of the training pictures", "paper, III.B", bool, group=AUGMENTATION, expert=True
    )
    zoom_range: float = setting(
        0.2,
        "zoom in or out by up to this share",
        "docs/reproduction_notes.md, 2.1",
        float,
        group=AUGMENTATION,
        expert=True,
    )
    rotation_range: float = setting(
        20.0,
        "rotate by up to this many degrees",
        "docs/reproduction_notes.md, 2.1",
        float,
        group=AUGMENTATION,
        expert=True,
    )
    # TRICKY: Keras reads shear in degrees, so the ancestors' 0.2 has almost no effect. Kept for fidelity.
    shear_range: float = setting(
        0.2,
        "shear by up to this many degrees",
        "docs/reproduction_notes.md, 2.1",
        float,
        group=AUGMENTATION,
        expert=True,
    )
    tone_range: float = setting(
        0.0,
        "change the gamma of luminance by up to this many stops; colors stay",
        kind=float,
        group=AUGMENTATION,
        expert=True,
    )

    # How it runs.
    seed: int = setting(
        42, "seed of the split, the initial weights, the order and the augmentation", kind=int, group=RUN, expert=True
    )
    precision: str = setting("float32", "precision of the layers", group=RUN, choices=PRECISIONS)
    strategy: str = setting(
        "none",
        "devices to train on: none (one), mirrored (all GPUs, TensorFlow), jax (all, also of several machines); "
        "docs/scaling.md",
        group=RUN,
        choices=STRATEGIES,
    )
    max_minutes: float | None = setting(
        None, "start no epoch that would end after this many minutes", kind=float, group=RUN, none="no limit"
    )
    workers: int = setting(2, "threads that prepare batches", kind=int, group=RUN, expert=True)
    run: str | None = setting(
        None,
        "folder of the run's record",
        group=RUN,
        none="runs/METHOD-DATASET, or the next free name: -2, -3, ...",
        metavar="DIR",
    )
    tensorboard: str | None = setting(
        None,
        "folder for TensorBoard's curves; needs the package tensorboard",
        group=RUN,
        expert=True,
        none="none",
        metavar="DIR",
    )

    def __post_init__(self):
        for f in fields(self):
            value = getattr(self, f.name)
            if f.metadata["kind"] is float and value is not None and not math.isfinite(value):
                raise ArgumentError(f"{flag_of(f.name)} must be a finite number. Received: {value}")
            choices = f.metadata["flag"].get("choices", ())
            if choices and value != f.default and value not in choices:
                raise ArgumentError(f"{flag_of(f.name)} must be one of {', '.join(choices)}. Received: {value}")
        for name in _ABOVE_0:
            if getattr(self, name) is not None and getattr(self, name) <= 0:
                raise ArgumentError(f"{flag_of(name)} must be above 0. Received: {getattr(self, name)}")
        if self.image_size % 32 or self.image_size > LARGEST_IMAGE:
            rule = f"a multiple of 32, at most {LARGEST_IMAGE}"
            raise ArgumentError(f"--image-size must be {rule}. Received: {self.image_size}")
        if not 0 <= self.seed < SEEDS:
            raise ArgumentError(f"--seed must be 0 or above and below 2^32. Received: {self.seed}")
        for name in _NOT_BELOW_0:
            if getattr(self, name) < 0:
                raise ArgumentError(f"{flag_of(name)} must be 0 or above. Received: {getattr(self, name)}")
        if not 0 < self.plateau_factor < 1:
            raise ArgumentError(f"--plateau-factor must lie between 0 and 1. Received: {self.plateau_factor}")
        if not 0 <= self.zoom_range < 1:  # 1 is a picture of one pixel, enlarged
            raise ArgumentError(f"--zoom-range must be 0 or above and below 1. Received: {self.zoom_range}")

    def __repr__(self) -> str:
        """The call that makes it, with the values that are not the default."""
        changed = (f"{f.name}={value!r}" for f in fields(self) if (value := getattr(self, f.name)) != f.default)
        return f"TrainConfig({', '.join(changed)})"


def flag_of(name: str) -> str:
    """The command-line flag of a field: `batch_size` -> `--batch-size`."""
    return "--" + name.replace("_", "-")


def names() -> list[str]:
    """The fields of `TrainConfig`, in order."""
    return [f.name for f in fields(TrainConfig)]


def of_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a recorded run that this version has.

    Args:
        record: a run's `config.json`; settings that are newer than the run may be absent.

    Returns:
        Field name -> recorded value.

    Raises:
        ArgumentError: the run used a setting that was removed, so this version cannot continue it.
    """
    for name, without in FORMER.items():
        if record.get(name, without) != without:
            raise ArgumentError(
                f"The run cannot be continued: it used {flag_of(name)}, which this version does not have. "
                f"Received: {record[name]}. Start a new run, or take an earlier version of this program."
            )
    return {name: record[name] for name in names() if name in record}


def add_flags(parser: argparse.ArgumentParser, method: Declaration | None = None, everything: bool = True) -> None:
    """Gives `parser` one flag per field; a flag that is not typed leaves no value behind.

    Args:
        parser: all flags are added to it, so that each can be typed, also those that the help does not show.
        method: the help shows its defaults and options; None shows the paper's defaults and every option.
        everything: whether the help shows expert flags, and where defaults come from.
    """
    groups: dict[str, Any] = {}
    resolved = resolve({"method": method.name}, method) if method else TrainConfig()
    for f in fields(TrainConfig):
        group = groups.setdefault(f.metadata["group"], parser.add_argument_group(f.metadata["group"]))
        options = dict(f.metadata["flag"])
        if "choices" not in options:
            options.setdefault("metavar", {int: "N", float: "X"}.get(f.metadata["kind"], "NAME"))
        if f.metadata["kind"] is bool:
            options = {"action": argparse.BooleanOptionalAction}
        else:
            options["type"] = f.metadata["kind"]
        shown = _offers(method, f) and (everything or not f.metadata["expert"])
        text = _help_of(f, resolved, method, everything) if shown else argparse.SUPPRESS
        group.add_argument(flag_of(f.name), help=text, default=argparse.SUPPRESS, **options)


def _offers(method: Declaration | None, f) -> bool:
    """Whether a method has the choice that a field is."""
    if method is None:
        return True
    if f.name == "loss":
        return len(method.losses) > 1
    if f.name == "labels":
        return method.uses_labels
    return f.metadata["group"] != METHOD or f.name in method.options


def _help_of(f, resolved: TrainConfig, method: Declaration | None, everything: bool) -> str:
    text, value = f.metadata["help"], f.default if f.name == "method" else getattr(resolved, f.name)
    if f.name == "loss" and method:
        text += f", {' or '.join(method.losses)}"
    default = f.metadata["none"] if f.default is None and (value is None or f.name == "run") else value
    source = f.metadata["source"]
    if method and f.name in method.defaults:
        source = method.defaults[f.name].reason
    note = f"; {source}" if everything and source else ""
    return f"{text} (default: {default}{note})".replace("%", "%%")


def resolve(given: Mapping[str, Any], method: Declaration | None = None) -> TrainConfig:
    """The configuration of a run: the paper's defaults, then the method's, then what was typed.

    Args:
        given: field name -> value, only for the flags a person typed.
        method: from `colorizer.methods.get` or `colorizer.methods.declared`; None for the paper's defaults alone.

    Returns:
        A `TrainConfig` with `run` filled in.

    Raises:
        ArgumentError: a value is out of range or not for the method; the message names the flag and the value.
    """
    if method:
        _check_options(given, method)
    own = {name: default.value for name, default in method.defaults.items()} if method else {}
    config = TrainConfig(**(own | dict(given)))
    return replace(config, run=default_run(config)) if config.run is None else config


def default_run(config: TrainConfig) -> str:
    """The folder of a run that names none, while it is free: runs/METHOD-DATASET."""
    parts = [Path(part).name or Path(part).resolve().name or "pictures" for part in config.dataset.split("+")]
    return (Path("runs") / f"{config.method}-{'+'.join(parts)}".replace(":", "-")).as_posix()


def _check_options(given, method):
    """Refuses a method-specific flag that the method does not use, unless it says what is the case anyway."""
    for f in fields(TrainConfig):
        value = given.get(f.name, f.default)
        if not _offers(method, f) and f.name != "loss" and value != f.default:
            raise ArgumentError(
                f"{flag_of(f.name)} is not an option of the method {method.name}. Received: {value}. "
                f"Leave it out, or choose a --method that has it."
            )
    loss = given.get("loss", TrainConfig.loss)
    if "loss" in given and loss not in (method.losses or (TrainConfig.loss,)):
        rule = f"must be one of {', '.join(method.losses)}" if method.losses else "cannot be chosen: it has one loss"
        raise ArgumentError(f"--loss of the method {method.name} {rule}. Received: {loss}")
