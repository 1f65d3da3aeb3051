"""What a colorization method is: the class that every module of this folder derives from once.

    Batches --> trainer (a compiled model around the network) --> fit
    l_norm, vector --> network --> output --> ab_of --> ab_norm_hat

A subclass states what it is (title, paper, defaults, abilities) and overrides `build` and `trainer`.
Whatever else it leaves out keeps the meaning that is written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from colorizer.errors import ArgumentError

if TYPE_CHECKING:  # declarations can be read, and --help answered, without loading Keras
    import keras
    import numpy as np

    from colorizer.config import TrainConfig
    from colorizer.methods.layers.inputs import Shape


# Pixels, see `Method.inference_size`: below, an encoder cannot halve five times; above, memory does not suffice.
MIN_SIZE, MAX_SIZE = 64, 1024
LOOK = "vivid"  # the default where a method has it: most people want colors more than small errors


class Default(NamedTuple):
    """A method's own default for a field of `TrainConfig`, and why it is not the paper's."""

    value: Any
    reason: str


class Method:
    """A colorization method: a network, how it is trained, and how its output becomes colors.

    Every network takes `(l_norm, vector)`: `l_norm` (B, S, S, 1) float32 is L/50 - 1, in -1..1; `vector`
    (B, 1000) float32 is the class vector, zeros without a classifier. Every method is trained on batches
    `((l_norm, vector), ab_norm)`; `ab_norm` (B, S, S, 2) float32 is ab/128. Scaling, bins, losses and
    decoding stay in the method's module.

    The attributes are literals, so that `colorizer.methods.declared` can read them without loading Keras.

    Attributes:
        title: the method's name in tables.
        reference: authors, title and year of its paper.
        defaults: field of `TrainConfig` -> `Default`, where the method's default differs from the paper's.
        departures: a detail of the method's own paper -> `Default`, where this implementation differs from
            it and no flag controls it. Runs record them.
        options: the method-specific fields of `TrainConfig` that this method uses; others are refused.
        losses: what `--loss` may be; empty for a method with one loss.
        uses_vector: whether the network uses the class vector. If not, no classifier is loaded.
        uses_labels: whether the method can learn classes. Its trainer then gets batches
            `((l_norm, vector), (ab_norm, label))` if the run has labels.
        uses_encoder: whether a pretrained classifier is part of the network. A run then records the
            classifier's architecture, so that weights load without the classifier.
        takes_hints: whether the network can be given colors of some places, see `output_with`.
        predicts_bins: whether the output is logits over the colors of `layers.color_bins`.
        any_shape: whether `build` also makes networks for pictures that are no squares. Photographs then keep their
            shape when they are colorized.
        inference_sizes: size of the training -> the size at which photographs are colorized, where another is better.
            For a method of `any_shape`.
        looks: names of the ways to decode the network's output, the default one first; empty if there is one way.
        smoothing: how what `coarse_of` gives becomes `ab_of`'s: `spread` and `contrast` of
            `layers.domain_transform.enlarge`; None where `ab_of` is computed in another way.
        predicts_luminance: whether the network predicts L too. Evaluation then also scores `predict_lab`.
        multiply_adds: cost of one 256x256 picture, forward, in 10^9; of all networks that a training step runs.
    """

    # What a subclass must say; everything below has a meaning if it is left out.
    title: str
    reference: str
    defaults: Mapping[str, Default] = {}
    departures: Mapping[str, Default] = {}
    options: frozenset[str] = frozenset()
    losses: tuple[str, ...] = ()
    uses_vector: bool = False
    uses_labels: bool = False
    uses_encoder: bool = False
    takes_hints: bool = False
    predicts_bins: bool = False
    any_shape: bool = False
    inference_sizes: Mapping[int, int] = {}
    looks: tuple[str, ...] = ()
    smoothing: tuple[float, float] | None = None
    predicts_luminance: bool = False
    multiply_adds: float = 0.0

    @property
    def name(self) -> str:
        """The module's name, which `--method` takes."""
        return type(self).__module__.rpartition(".")[2]

    def __repr__(self) -> str:
        return f"<Method {self.name}: {self.title}>"

    def build(
        self, image_size: int | Shape = 256, encoder: keras.Model | None = None, initializer: str | None = None
    ) -> keras.Model:
        """Builds the network that is trained and saved.

        Args:
            image_size: side of the input, a multiple of 32. For a method of `any_shape` also height and width,
                or (None, None) for pictures of any shape in turn.
            encoder: a classifier to build on, if the method `uses_encoder`; None for random weights.
            initializer: the initial weights' distribution, if "initializer" is among the `options`;
                None for the method's own.

        Returns:
            A model with the inputs `l_norm` (B, H, W, 1) and `vector` (B, 1000).
        """
        raise NotImplementedError(f"{type(self).__name__} does not define build()")

    def trainer(self, network: keras.Model, config: TrainConfig, train: keras.utils.PyDataset) -> keras.Model:
        """Makes the compiled model whose `fit` trains `network`.

        Args:
            network: from `build`; `fit` changes its weights.
            config: the run's configuration.
            train: the training batches, see `colorizer.data.batches.Batches`. What a method estimates from data comes
                from `train.unaugmented(count)`.

        Returns:
            A compiled model; it may be `network` itself. Its logs hold `loss`, and a lower `val_loss`
            means a better network.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define trainer()")

    def ab_of(self, output: Any, l_norm: Any, look: str | None = None) -> Any:
        """Decodes the network's output, in tensor operations that can be exported with the network.

        Args:
            output: of the network; a tensor or an array.
            l_norm: (B, S, S, 1) float32, the network's input.
            look: one of `looks`; None for the first.

        Returns:
            `ab_norm_hat` (B, S, S, 2) float32, ab/128. By default the output itself, or what `smoothing` makes of
            `coarse_of`.
        """
        if self.smoothing is None:
            return output
        from colorizer.methods.layers import domain_transform

        return domain_transform.enlarge(l_norm, self.coarse_of(output, look), *self.smoothing)

    def look_of(self, look: str | None = None) -> str | None:
        """Chooses the look of photographs.

        Args:
            look: what is asked for; None for the default.

        Returns:
            One of `looks`; None for the first, or for a method that has one only.

        Raises:
            ArgumentError: the method has no such look.
        """
        if look is None:
            return LOOK if LOOK in self.looks else None
        if look not in self.looks:
            choices = f"has the looks {', '.join(self.looks)}" if self.looks else "has one look only"
            raise ArgumentError(f"{self.title} {choices}. Received: look {look}")
        return look

    def inference_size(self, image_size: int, size: int | None = None) -> int | None:
        """Chooses the size at which photographs are seen in their own shape.

        Args:
            image_size: side of the squares that the network was trained with.
            size: what is asked for; None for the default.

        Returns:
            A size; None for a method whose network takes squares only.

        Raises:
            ArgumentError: it is out of range, or not to be chosen.
        """
        if not self.any_shape:
            if size not in (None, image_size):
                raise ArgumentError(
                    f"{self.title} sees squares of {image_size} pixels, as it was trained. Received: size {size}. "
                    "Leave the size out."
                )
            return None
        if size is None:
            return max(self.inference_sizes.get(image_size, image_size), MIN_SIZE)
        if not MIN_SIZE <= size <= MAX_SIZE:
            raise ArgumentError(f"size lies between {MIN_SIZE} and {MAX_SIZE}. Received: {size}")
        return size

    def coarse_of(self, output: Any, look: str | None = None) -> Any:
        """Decodes the network's output at its own size, in tensor operations; for a method with `smoothing`.

        Args:
            output: of the network, (B, h, w, C).
            look: one of `looks`; None for the first.

        Returns:
            (B, h, w, 3) float32: `ab_norm_hat`, ab/128, and the weight of each place in the smoothing, above 0.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define coarse_of()")

    def predict_ab(
        self, network: keras.Model, l_norm: np.ndarray, vector: np.ndarray, look: str | None = None
    ) -> np.ndarray:
        """Predicts the colors of a batch.

        Args:
            network: from `build`, trained.
            l_norm: (B, S, S, 1) float32, -1..1.
            vector: (B, 1000) float32.
            look: one of `looks`; None for the first.

        Returns:
            `ab_norm_hat` (B, S, S, 2) float32, ab/128.
        """
        from keras import ops

        output = network.predict_on_batch([l_norm, vector])
        return ops.convert_to_numpy(self.ab_of(output, ops.convert_to_tensor(l_norm), look))

    def output_with(self, network: keras.Model, l_norm: Any, given: Any) -> Any:
        """The network's output where some colors are known, in tensor operations that can be exported.

        Args:
            network: from `build`, trained.
            l_norm: (B, H, W, 1) float32, -1..1.
            given: (B, H/4, W/4, 3) float32: ab/128 and 1 where the color is known, else zeros. Zeros everywhere give
                the network's own output.

        Returns:
            What the network gives without hints.
        """
        raise NotImplementedError(f"{type(self).__name__} takes no hints")

    def predict_lab(self, network: keras.Model, l_norm: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Predicts whole Lab pictures, with the network's own luminance if it `predicts_luminance`.

        Args:
            network: from `build`, trained.
            l_norm: (B, S, S, 1) float32, -1..1.
            vector: (B, 1000) float32.

        Returns:
            (B, S, S, 3) float32 Lab; L 0..100. By default L is that of `l_norm`.
        """
        from colorizer import color

        return color.join(l_norm, self.predict_ab(network, l_norm, vector))

    def encoder_of(self, network: keras.Model) -> keras.Model | None:
        """The encoder inside a network, to record it or to build another network on it; None if there is none.

        It takes `l_norm` and gives one map of tokens, (B, S/16, S/16, C) float32.
        """
        return None
