"""The settings of a long training. Each is described once, in its field, for the reader and for `--help`."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from colorizer.config import PRECISIONS, flag_of
from colorizer.errors import UsageError


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Settings:
    """What decides the result of a long training; it is recorded.

    A field's name is its flag (`batch_size` is `--batch-size`) and its key in config.json; its text is the flag's help.

    Raises:
        UsageError: one of them is out of range.
    """

    # 192 / 16 = 12: a grid of 12x12 tokens, which stands for 168x168 pixels of DINOv2's patches of 14.
    image_size: int = _setting(192, "side of the samples in pixels, a multiple of 32")
    batch_size: int = _setting(16, "samples in a step")
    learning_rate: float = _setting(1e-3, "the decoder's highest learning rate")
    # 4,800 samples of 16 a step; Adam's second moment at beta 0.999 has forgotten a quarter of its start by then.
    warm_up: int = _setting(300, "steps of linear warm-up")
    weight_decay: float = _setting(0.05, "AdamW's weight decay, of the decoder's kernels")
    # Products in bfloat16, weights in float32.
    precision: str = _setting("mixed_bfloat16", f"of the layers: {', '.join(PRECISIONS)}")
    seed: int = _setting(42, "of everything that is drawn")
    augmentations_per_image: int | None = _setting(
        1, "different augmented samples of one picture, drawn in turn; 0: a new one each time"
    )
    trainable_blocks: int = _setting(0, "how many of the encoder's last blocks are trained too")
    encoder_lr_scale: float = _setting(0.1, "their learning rate, as a share of the decoder's")
    critic: float = _setting(
        0.0, "length of the critic's gradient at the logits' kernel, the distribution's being 1; 0: no critic"
    )
    # Miyato 2018 and Nazeri 2018.
    critic_rate: float = _setting(2e-4, "the critic's learning rate")
    critic_alone: int = _setting(300, "steps at the start in which only the critic is trained")

    def __post_init__(self):
        for name, value in asdict(self).items():
            if name == "precision":
                wrong = f"one of {', '.join(PRECISIONS)}" if value not in PRECISIONS else ""
            elif name == "image_size":
                wrong = "a multiple of 32" if value < 32 or value % 32 else ""
            elif name in ("batch_size", "warm_up", "augmentations_per_image"):
                wrong = "1 or more" if value is not None and value < 1 else ""
            else:
                wrong = "not below 0" if value < 0 else ""
            if wrong:
                raise UsageError(f"{flag_of(name)} is {wrong}. Received: {value}. Leave it out for its default.")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds a flag for each setting.

    Args:
        parser: gets the flags.
    """
    for one in fields(Settings):
        kind, text = type(one.default), f"{one.metadata['help']} (default: %(default)s)"
        metavar = {int: "N", float: "X", str: "NAME"}[kind]
        parser.add_argument(flag_of(one.name), type=kind, default=one.default, metavar=metavar, help=text)


def from_flags(flags: argparse.Namespace) -> Settings:
    """The settings that were typed.

    Args:
        flags: from a parser with `add_flags`.

    Returns:
        `Settings`; 0 augmentations for each image are None.

    Raises:
        UsageError: one of them is out of range.
    """
    typed = {one.name: getattr(flags, one.name) for one in fields(Settings)}
    return Settings(**typed | {"augmentations_per_image": flags.augmentations_per_image or None})
