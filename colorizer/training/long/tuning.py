"""Splits an encoder into a frozen part and its last blocks, which are trained with the decoder.

    l_norm --> patches, blocks --> features --> last blocks --> tokens --> decoder --> logits
               frozen, no backward pass         trained, slowly            trained

Features are the input of the first trained block, and the outputs of those blocks below it that the decoder uses. They
have the shape of a sequence, (1 + tokens, channels), and are computed or cached like an encoder's tokens.
"""

from __future__ import annotations

import keras
from keras import ops

from colorizer.classifiers.encoders import vision_transformer
from colorizer.errors import ClassifierError, UsageError
from colorizer.methods.layers import optimizers, token_decoder
from colorizer.training import loop
from colorizer.training.long import run_files
from colorizer.training.long.settings import Settings


def frozen_part(encoder: keras.Model, trained: int) -> keras.Model:
    """The part of an encoder that stays frozen.

    Args:
        encoder: from `backbone.token_encoder`, for squares.
        trained: how many of the last blocks are trained.

    Returns:
        A model named "frozen_part": `l_norm` (B, S, S, 1) -> features (B, 1 + tokens, channels) float32; the last
        channels are the input of the first trained block. It shares its layers with the encoder.

    Raises:
        ClassifierError: the encoder has no blocks.
        UsageError: it has fewer blocks than are to be trained.
    """
    inside = run_files.transformer(encoder)
    if inside is None:
        raise ClassifierError(
            "Only blocks of a Vision Transformer can be trained. Received: a classifier. Use --trainable-blocks 0."
        )
    blocks = run_files.blocks_in(inside)
    if not 0 < trained <= len(blocks):
        raise UsageError(
            f"The encoder has {len(blocks)} blocks. Received: --trainable-blocks {trained}. Train that many at most."
        )
    cut = len(blocks) - trained
    last = blocks[cut - 1] if cut else inside.get_layer("patches")
    sequences = [block.output for block in blocks[:cut] if block.name in _levels(inside) and block is not last]
    sequences.append(last.output)
    # In float32 by name: the global policy may be another one.
    features = keras.layers.Concatenate(name="features", dtype="float32")(sequences) if sequences[1:] else last.output
    blocks_below = keras.Model(inside.input, features, name="frozen_blocks")
    return keras.Model(encoder.input, blocks_below(encoder.get_layer("gray").output), name="frozen_part")


def trainable_part(encoder: keras.Model, trained: int, dtype: str) -> keras.Model:
    """The part of an encoder that is trained.

    Args:
        encoder: as in `frozen_part`.
        trained: as in `frozen_part`.
        dtype: of the blocks' products.

    Returns:
        A model named "trainable_part": features (B, 1 + tokens, channels) -> tokens (B, S/16, S/16, C) float32, equal
        to the encoder's. Its weights are copies.
    """
    inside, channels = run_files.transformer(encoder), frozen_part(encoder, trained).output_shape
    blocks = run_files.blocks_in(inside)
    cut, levels, width = len(blocks) - trained, _levels(inside), blocks[0].output.shape[-1]
    features = keras.Input(channels[1:], name="features")
    sequences = ops.split(features, channels[-1] // width, axis=-1) if channels[-1] > width else [features]
    # The last sequence is an output too where its block is a level.
    *seen, x = sequences
    if cut and blocks[cut - 1].name in levels:
        seen.append(x)
    for block in blocks[cut:]:
        copy = vision_transformer.Block(block.heads, name=block.name, dtype=dtype)
        x = copy(x)
        copy.set_weights(block.get_weights())
        if block.name in levels:
            seen.append(x)
    rows, columns = encoder.output_shape[1:3]
    grid = vision_transformer.Grid(rows, columns, name="tokens", dtype="float32")
    return keras.Model(features, grid(seen), name="trainable_part")


def _levels(inside: keras.Model) -> list[str]:
    """The names of the blocks whose outputs the decoder uses."""
    grid = next(layer for layer in inside.layers if isinstance(layer, vision_transformer.Grid))
    return [tensor._keras_history.operation.name for tensor in grid.input]


def join(decoder: keras.Model, trainable: keras.Model | None) -> keras.Model:
    """Joins everything that is trained to one network: `l_norm`, features and hints -> logits.

    Args:
        decoder: from `token_decoder.build`.
        trainable: from `trainable_part`; None where no block is trained. The network is then the decoder itself.
    """
    if trainable is None:
        return decoder
    l_norm, _, given = decoder.inputs
    features = trainable.input
    return keras.Model([l_norm, features, given], decoder([l_norm, trainable(features), given]), name="tuned")


def build(tokens: keras.Model, settings: Settings, precision: str) -> keras.Model:
    """Builds a new decoder, joined with the blocks that the settings train.

    Args:
        tokens: the encoder, from `backbone.token_encoder`.
        settings: their `image_size` and `trainable_blocks` count.
        precision: of the layers.

    Returns:
        A network as `join` returns it.
    """
    size, trained = settings.image_size, settings.trainable_blocks
    with loop.precision(precision):
        decoder = token_decoder.build((size, size), tokens.output_shape[-1])
    return join(decoder, trainable_part(tokens, trained, precision) if trained else None)


def compiled(network: keras.Model, settings: Settings) -> keras.Model:
    """Compiles a network; the encoder's blocks, if any are trained, have a lower learning rate.

    Args:
        network: from `join`.
        settings: the rates, `weight_decay` and `encoder_lr_scale` count.

    Returns:
        The same network; its optimizer has all its variables.
    """
    trainable = split(network)[1]
    optimizer = optimizers.GroupedAdamW(
        settings.learning_rate,
        slow=trainable.trainable_variables if trainable else (),
        share=settings.encoder_lr_scale,
        weight_decay=settings.weight_decay,
        global_clipnorm=1.0,
    )
    optimizer.exclude_from_weight_decay(var_names=optimizers.UNDECAYED)
    network.compile(optimizer, token_decoder.Loss(), metrics=[token_decoder.mse], jit_compile=optimizers.JIT_COMPILE)
    optimizer.build(network.trainable_variables)
    return network


def split(network: keras.Model) -> tuple[keras.Model, keras.Model | None]:
    """Splits a network from `join` into the decoder and the trainable part; None where no block is trained."""
    if network.name == "decoder":
        return network, None
    return network.get_layer("decoder"), network.get_layer("trainable_part")


def blocks_of(network: keras.Model) -> run_files.Blocks:
    """The weights of the encoder's blocks that a network from `join` trains."""
    trainable = split(network)[1]
    return {block.name: block.get_weights() for block in run_files.blocks_in(trainable)} if trainable else {}
