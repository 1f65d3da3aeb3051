"""The colorization systems: one module each, all behind the same interface.

A fifth method is one new file in this folder and nothing else: `names()` lists
the folder, and the interface test runs over what it finds. See `Method`.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # a name can be checked, and --help answered, without loading Keras
    import keras
    import numpy as np

    from colorizer.config import Departure, TrainConfig
    from colorizer.data.batches import Batches


class Method(Protocol):
    """What a module of this folder defines.

    Every network takes `(l_norm, vector)` and every method is trained on
    batches `((l_norm, vector), ab_norm)`: L/50 - 1, the class vector and
    ab/128. Further scaling, bins, losses and decoding stay in the method's file.

    Attributes:
        title: its name in the tables.
        reference: authors, year and the section of BASELINES it was built from.
        settings: field of `TrainConfig` -> `Departure(value, source)`, where it departs
            from the paper's defaults. Other keys are allowed: they are recorded, not resolved.
        uses_vector: whether the class vector is an input that matters; where it is not,
            no classifier is loaded and zeros are fed.
        uses_labels: whether it can learn classes beside the colours: its trainer then gets
            batches `((l_norm, vector), (ab_norm, label))` where the run has labels.
    """

    title: str
    reference: str
    settings: Mapping[str, Departure]
    uses_vector: bool
    uses_labels: bool

    def build(self, image_size: int = 256) -> keras.Model:
        """The network that is trained and saved.

        Args:
            image_size: side of the input, a multiple of 32.

        Returns:
            A model with the inputs `l_norm` (B, S, S, 1) float32 in -1..1 and `vector`
            (B, 1000) float32. What it puts out is the method's own affair.
        """

    def trainer(self, network: keras.Model, config: TrainConfig, train: Batches) -> keras.Model:
        """A compiled model whose `fit` trains `network` on batches `((l_norm, vector), ab_norm)`.

        Args:
            network: from `build`; its weights are those that training changes.
            config: the run's configuration.
            train: the training batches, for what is estimated from them.

        Returns:
            A compiled `keras.Model`; it may be `network` itself. Its logs hold `loss`,
            and a lower `val_loss` is a better network.
        """

    def predict_ab(self, network: keras.Model, l_norm: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """The colours of a batch, decoded and at the size of the input.

        Args:
            network: from `build`, trained.
            l_norm: (B, S, S, 1) float32, -1..1.
            vector: (B, 1000) float32; zeros without a classifier.

        Returns:
            `ab_norm_hat` (B, S, S, 2) float32, ab/128.
        """


# A method whose encoder is a pretrained classifier has `uses_encoder = True`, `build(image_size, encoder=None)` and
# `encoder_of(network)`: the record keeps that encoder's architecture, so that weights load without the classifier.
# A method whose network can be decoded in several ways has `looks`, their names, and
# `predict_look(network, l_norm, vector, look)`; `predict_ab` is the first of them.
# A method with a choice of losses has `losses`, their names; --loss is refused for every other.
# A method that predicts luminance too also has `predict_lab(network, l_norm, vector)` -> (B, S, S, 3)
# float32 Lab; evaluation then scores it a second time, with its own L.
# A method whose network puts out something else than `ab_norm_hat` also has `ab_of(output, l_norm)`: the
# same decoding as `predict_ab`, in tensors. It travels with the network to other runtimes.


def names() -> list[str]:
    """The methods there are: the modules of this folder, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


def has_encoder(method: Method) -> bool:
    """Whether a method's encoder is a classifier. Source: ours."""
    return getattr(method, "uses_encoder", False)


def looks_of(method: Method) -> tuple[str, ...]:
    """The ways a method's network can be decoded; () where there is one only. Source: ours."""
    return getattr(method, "looks", ())


def describe(name: str) -> str:
    """What a method is, in its file's own words, without loading Keras.

    Args:
        name: a module of this folder, see `names()`.

    Returns:
        The module's docstring: the idea, the paper, the cost, whose code is used and whose is not.

    Raises:
        ValueError: there is no such method; the message lists those there are.

    Source: ours.
    """
    if name not in names():
        raise ValueError(f"A method is one of {', '.join(names())}. Received: {name}")
    return ast.get_docstring(ast.parse((Path(__path__[0]) / f"{name}.py").read_text(encoding="utf-8")))


def get(name: str) -> Method:
    """Loads a method.

    Args:
        name: a module of this folder, see `names()`.

    Returns:
        The module.

    Raises:
        ValueError: there is no such method; the message lists those there are.

    Source: ours.
    """
    if name not in names():
        raise ValueError(f"A method is one of {', '.join(names())}. Received: {name}")
    return importlib.import_module(f"{__name__}.{name}")
