"""An encoder in two parts: blocks that stay as they are, and the last ones, which are trained with the decoder.

    l_norm --> patches, blocks --> features --> last blocks --> tokens --> decoder --> logits
               frozen, no backward pass         trained, slowly            trained

Features are what the first trained block gets, and those blocks' outputs below it that the decoder sees. They have the
shape of a sequence, (1 + tokens, channels), and are kept or computed like an encoder's tokens.
"""

from __future__ import annotations

import keras
from keras import ops

from colorizer.classifiers.encoders import vision_transformer
from colorizer.errors import ClassifierError, UsageError
from colorizer.training.long import run_files


def below(encoder: keras.Model, trained: int) -> keras.Model:
    """The part that stays frozen.

    Args:
        encoder: from `backbone.tokens`, for squares.
        trained: how many of the last blocks are trained.

    Returns:
        A model named "below": `l_norm` (B, S, S, 1) -> features (B, 1 + tokens, channels) float32; the last channels
        are what the first trained block gets. It shares its layers with the encoder.

    Raises:
        ClassifierError: the encoder has no blocks.
        UsageError: it has fewer blocks than are to be trained.
    """
    inside = run_files.transformer(encoder)
    if inside is None:
        raise ClassifierError(
            "Only blocks of a Vision Transformer can be trained. Received: a classifier. Use --tune 0."
        )
    blocks = run_files.blocks_in(inside)
    if not 0 < trained <= len(blocks):
        raise UsageError(f"The encoder has {len(blocks)} blocks. Received: --tune {trained}. Train that many at most.")
    cut = len(blocks) - trained
    last = blocks[cut - 1] if cut else inside.get_layer("patches")
    sequences = [block.output for block in blocks[:cut] if block.name in _levels(inside) and block is not last]
    sequences.append(last.output)
    # In float32 by name: the global policy may be another one.
    joined = keras.layers.Concatenate(name="features", dtype="float32")(sequences) if sequences[1:] else last.output
    frozen = keras.Model(inside.input, joined, name="below_transformer")
    return keras.Model(encoder.input, frozen(encoder.get_layer("gray").output), name="below")


def above(encoder: keras.Model, trained: int, dtype: str) -> keras.Model:
    """The part that is trained.

    Args:
        encoder: as in `below`.
        trained: as in `below`.
        dtype: of the blocks' products.

    Returns:
        A model named "above": features (B, 1 + tokens, channels) -> tokens (B, S/16, S/16, C) float32, as the encoder
        gives them. Its weights are copies.
    """
    inside, channels = run_files.transformer(encoder), below(encoder, trained).output_shape
    blocks = run_files.blocks_in(inside)
    cut, levels, width = len(blocks) - trained, _levels(inside), blocks[0].output.shape[-1]
    features = keras.Input(channels[1:], name="features")
    sequences = ops.split(features, channels[-1] // width, axis=-1) if channels[-1] > width else [features]
    # The last sequence comes out too where the block that made it is a level.
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
    return keras.Model(features, grid(seen), name="above")


def _levels(inside: keras.Model) -> list[str]:
    """The names of the blocks that the decoder sees."""
    grid = next(layer for layer in inside.layers if isinstance(layer, vision_transformer.Grid))
    return [tensor._keras_history.operation.name for tensor in grid.input]


def joined(decoder: keras.Model, upper: keras.Model | None) -> keras.Model:
    """What is trained, as one network: `l_norm`, features and hints -> logits.

    Args:
        decoder: from `token_decoder.build`.
        upper: from `above`; None where no block is trained. The network is then the decoder itself.
    """
    if upper is None:
        return decoder
    l_norm, _, given = decoder.inputs
    features = upper.input
    return keras.Model([l_norm, features, given], decoder([l_norm, upper(features), given]), name="tuned")


def parts(network: keras.Model) -> tuple[keras.Model, keras.Model | None]:
    """The decoder, and the trained blocks or None, of a network from `joined`."""
    if network.name == "decoder":
        return network, None
    return network.get_layer("decoder"), network.get_layer("above")


def blocks_of(network: keras.Model) -> run_files.Blocks:
    """The blocks that a network from `joined` trains."""
    upper = parts(network)[1]
    return {block.name: block.get_weights() for block in run_files.blocks_in(upper)} if upper else {}
