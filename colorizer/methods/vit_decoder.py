"""ViT decoder: a pretrained Vision Transformer sees the picture, a decoder with color hints colors it.

The encoder, DINOv2-small or any classifier, knows what the picture shows. Its tokens of three depths go into a decoder
that also sees the luminance, and out comes, for every fourth pixel, a distribution over 313 colors. The decoder can be
given hints: true colors of some places. In half of the training there are none. In `train.py` the encoder is frozen
unless `--encoder-rate` is given; the long training can also train its last blocks, as was done for the shipped weights.

    l_norm SxSx1 --> encoder --> tokens S/16 --> decoder --> logits S/4 x S/4 x 313
           |                                      ^  ^              |
           +------------- stem -------------------+  hints or    a look's mean
           |                                         zeros          |
           +------------------ domain transform <-------------------+
                                      |
                                 ab_norm_hat SxSx2

With DINOv2-small the encoder has 21.9 M parameters and the decoder 4.4 M. A 256x256 picture costs 9.6 G multiply-adds,
3.5 G of them in the decoder. What 100 epochs cost was not measured. At 192x192 the encoder sees the 168x168 pixels that
a grid of 12x12 tokens needs: its kernel for 14 pixels is spread over 16, as averaging by area would do. The long
training can cache the encoder's features on disk (`colorizer.training.long`) and train the encoder's last blocks, as it
did for the shipped weights; `train.py` computes the features each time.

Encoder: Oquab et al., DINOv2, TMLR 2024. Distribution: Zhang, Isola, Efros, ECCV 2016. Hints: Zhang et al., SIGGRAPH
2017. Written from the papers; no code of theirs is used.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from colorizer import color
from colorizer.config import TrainConfig
from colorizer.methods.base import Default, Method
from colorizer.methods.layers import backbone, color_bins, hints, optimizers, soft_encoding, token_decoder
from colorizer.methods.layers.bins import STRIDE
from colorizer.methods.layers.color_bins import Look
from colorizer.methods.layers.inputs import Shape, inputs, shape_of

# accurate: a mean between the plain one and the likeliest color, the best of both lists. vivid: chroma is added where
# the distribution leaves colors open, but a cast does not grow: on black-and-white photographs the look without `cast`
# made rooms sepia. The limit is for faces and coats: without it a strong color became a spot
# (results/experiments/looks.md, eyes.md).
LOOKS = {"accurate": Look(0.7, 0.0), "vivid": Look(0.7, 0.055, cast=0.7, limit=110.0)}

SEEDS = "seeds"  # the name of the generator's state in a file of weights


class ViTDecoder(Method):
    """Tokens of a pretrained encoder, a decoder that takes hints, a distribution over colors."""

    title = "ViT decoder (ours)"
    reference = "this project's; encoder: DINOv2 (Oquab 2024), bins: Zhang 2016, hints: Zhang 2017"
    defaults = {
        "image_size": Default(192, "the encoder then sees 168x168 pixels, a grid of 12x12 tokens"),
        "batch_size": Default(16, "the long training's"),
        "loss": Default("distribution", "see `token_decoder.Loss`"),
        "schedule": Default("one_cycle", "few epochs fit on a CPU, too few to wait for a plateau"),
        "weight_decay": Default(0.05, "the long training's"),
        "encoder_rate": Default(0.0, "the encoder knows more than a short training can teach it"),
        "tone_range": Default(0.5, "half a stop: old photographs are exposed in every way"),
        "rotation_range": Default(0.0, "photographs are seldom askew"),
        "shear_range": Default(0.0, "photographs are seldom askew"),
    }
    options = frozenset({"schedule", "weight_decay", "encoder_rate", "frozen_epochs"})
    losses = ("distribution",)
    uses_encoder = True
    any_shape = True
    # The size at which eyes judged the shipped weights; scores are level (results/experiments/shapes.md).
    inference_sizes = {192: 224}
    looks = ("accurate", "vivid")
    smoothing = (0.4, 0.2)  # results/experiments/smoothing.md; 0.2 of `l_norm` are 10 of L*
    predicts_bins = True
    takes_hints = True
    multiply_adds = 9.6  # with DINOv2-small as its encoder, whose part is 6.1

    def build(
        self, image_size: int | Shape = 256, encoder: keras.Model | None = None, initializer: str | None = None
    ) -> keras.Model:
        """Builds the network: logits (B, S/4, S/4, 313) over `color_bins.BINS`, no hints given; see `Method.build`.

        Its layer "decoder" is the part that takes hints, see `hinted`.

        Args:
            image_size: see `Method.build`; a Vision Transformer also takes multiples of 16.
            encoder: see `backbone.token_encoder`; None for `backbone.plain_encoder`.
            initializer: not an option of this method.
        """
        l_norm, vector = inputs(image_size)  # the vector is not used
        seeing = backbone.token_encoder(backbone.plain_encoder() if encoder is None else encoder, image_size)
        decoder = token_decoder.build(shape_of(image_size), seeing.output_shape[-1])
        nothing = hints.NoHints(STRIDE, name="no_hints")(l_norm)
        return keras.Model([l_norm, vector], decoder([l_norm, seeing(l_norm), nothing]), name="vit_decoder")

    def trainer(self, network: keras.Model, config: TrainConfig, train: keras.utils.PyDataset) -> keras.Model:
        """Compiles AdamW on the distribution's loss, with hints in half of the pictures."""
        if not config.init_weights:  # trained weights know it
            token_decoder.init_prior_bias(network.get_layer("decoder"), soft_encoding.prior_of(train))
        model = HintTrainer(network, config.seed)
        optimizer = optimizers.fine_tuning(config, self.encoder_of(network), len(train))
        model.compile(optimizer=optimizer, jit_compile=optimizers.JIT_COMPILE)
        return model

    def coarse_of(self, output, look: str | None = None):
        """Decodes a look at the size of the logits; see `Method.coarse_of`."""
        chosen = LOOKS[look or self.looks[0]]
        ab = color_bins.boost_chroma(output, color_bins.annealed_mean(output, chosen.temperature), chosen)
        return ops.concatenate([ab / color.AB_SCALE, color_bins.certainty(output)], axis=-1)

    def output_with(self, network, l_norm, given):
        """The logits where some colors are known; see `Method.output_with`."""
        return hinted(network, l_norm, given * np.array([1 / hints.RANGE, 1 / hints.RANGE, 1], np.float32))

    def encoder_of(self, network: keras.Model) -> keras.Model:
        """The encoder inside the network; see `Method.encoder_of`."""
        return network.get_layer("encoder")


def hinted(network: keras.Model, l_norm, given):
    """The output of a network that is given hints.

    Args:
        network: from `ViTDecoder.build`.
        l_norm: (B, S, S, 1) float32, -1..1.
        given: (B, S/4, S/4, 3) float32, see `hints`; zeros give the network's own output.

    Returns:
        Logits (B, S/4, S/4, 313) float32.
    """
    return network.get_layer("decoder")([l_norm, network.get_layer("encoder")(l_norm), given])


class HintTrainer(keras.Model):
    """The network with hints of the truth in training, without any in validation.

    Args:
        network: from `ViTDecoder.build`.
        seed: of the hints.
    """

    def __init__(self, network: keras.Model, seed: int):
        # Under bfloat16 Keras would round what this model is given, and validation would see other luminance.
        super().__init__(name="hint_trainer", autocast=False)
        self.network, self.distribution = network, token_decoder.Loss()
        # A generator of its own: the hints depend on the run's seed and on nothing else that is drawn.
        self.seeds = keras.random.SeedGenerator(seed)
        self.mse = keras.metrics.Mean("mse")
        self.built = True  # the network is; weights can be loaded

    def call(self, inputs, training=None):
        """The logits; in training nothing of use, since `compute_loss` also knows the truth."""
        return inputs[0] if training else self.network(inputs, training=False)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The mean over the batch of `token_decoder.Loss`."""
        logits = y_pred
        if training:
            # Hints live on the logits' grid, a quarter of the side.
            side = self.network.output_shape[1]
            ab_norm = token_decoder.averaged_to(y, side)
            uniform = keras.random.uniform((ops.shape(y)[0], hints.DRAWS), seed=self.seeds)
            given = hints.make_hints(ab_norm, hints.sample_masks(uniform, (side, side)))
            encoder, decoder = self.network.get_layer("encoder"), self.network.get_layer("decoder")
            logits = decoder([x[0], encoder(x[0], training=training), given], training=training)
        self.mse.update_state(token_decoder.mse(y, logits))
        return self.distribution(y, logits)

    def save_own_variables(self, store):
        """Saves how far the hints are drawn; Keras leaves the state of its generators out."""
        super().save_own_variables(store)
        store[SEEDS] = self.seeds.state

    def load_own_variables(self, store):
        """Loads how far the hints were drawn; states of earlier versions do not say, and the hints begin again."""
        # Not Keras' own loader: it refuses a variable that it does not know. All others belong to parts of this model.
        if SEEDS in store:
            self.seeds.state.assign(store[SEEDS])
