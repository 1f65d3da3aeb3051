"""What a run leaves for other runs and for whole networks: the decoder's weights, and the encoder's trained blocks.

    decoder.weights.h5   the decoder, kernels in half precision
    encoder.npz          the encoder's blocks that were trained, here or before; absent where none was
    history.csv          a row a checkpoint
    before.csv           the history of the run that this one began with, and of those before; absent in a first run

A trained block is named as in the encoder. All other blocks are those of the saved encoder.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from colorizer import atomic_files, weights
from colorizer.classifiers.encoders import vision_transformer
from colorizer.errors import WeightsError

WEIGHTS = "decoder.weights.h5"
BLOCKS = "encoder.npz"
HISTORY, BEFORE = "history.csv", "before.csv"
COUNTED = ["samples", "seconds"]  # columns of a history that go on in the next run
TRAINED_BLOCKS = "trained_blocks"  # field of a whole network's record: the blocks' names

Blocks = dict[str, list[np.ndarray]]  # a block's name -> its weights


def is_whole(path: str | Path) -> bool:
    """Whether weights are those of a whole network: a folder with a record, or the name of shipped ones."""
    return str(path) == weights.DEFAULT or str(path) in weights.SHIPPED or (Path(path) / weights.BEST).is_file()


def load_decoder(decoder: keras.Model, path: str | Path) -> None:
    """Gives a decoder the weights of a file.

    Args:
        decoder: from `token_decoder.build`, for any size.
        path: the weights file, the run's folder that holds it, or whole weights of the ViT decoder as
            `weights.load` takes them.

    Raises:
        WeightsError: the file is absent or does not fit.
    """
    if is_whole(path):
        trained = weights.load(path)
        if not trained.method.takes_hints:
            raise WeightsError(f"A long training begins with weights of vit_decoder. Received: {trained!r}.")
        decoder.set_weights(trained.network.get_layer("decoder").get_weights())
        return
    path = Path(path) / WEIGHTS if Path(path).is_dir() else Path(path)
    try:
        decoder.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(
            f"The decoder's weights do not fit or are not there. Received: {path} ({str(error).splitlines()[0]}). "
            f"Give a run that was trained with this encoder."
        ) from error


def transformer(encoder: keras.Model) -> keras.Model | None:
    """The Vision Transformer inside an encoder of `backbone.tokens`; None for a classifier."""
    return next((layer for layer in encoder.layers if isinstance(layer, keras.Model) and blocks_in(layer)), None)


def blocks_in(model: keras.Model) -> list[vision_transformer.Block]:
    """The blocks of a model, the first one first."""
    return [layer for layer in model.layers if isinstance(layer, vision_transformer.Block)]


def load_blocks(path: str | Path | None) -> Blocks:
    """Reads the encoder's trained blocks.

    Args:
        path: a run's folder or its decoder's weights file, or a file like `BLOCKS`, or whole weights; None for nothing.

    Returns:
        The blocks; none where the encoder was not trained.

    Raises:
        WeightsError: the file cannot be read.
    """
    if path is None:
        return {}
    if is_whole(path):
        names = weights.record_of(weights.place(path)).get(TRAINED_BLOCKS, [])
        if not names:
            return {}
        whole = weights.load(path)
        inside = transformer(whole.method.encoder_of(whole.network))
        return {name: inside.get_layer(name).get_weights() for name in names}
    path = Path(path)
    if path.suffix != ".npz":
        path = (path if path.is_dir() else path.parent) / BLOCKS
    if not path.is_file():
        return {}
    blocks: Blocks = {}
    try:
        with np.load(path) as arrays:
            # Names are BLOCK/NUMBER, written in the order of the block's weights.
            for name in arrays.files:
                blocks.setdefault(name.split("/")[0], []).append(arrays[name].astype(np.float32))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"The encoder's blocks cannot be read. Received: {path} ({error}). Copy it again."
        ) from error
    return blocks


def set_blocks(encoder: keras.Model, blocks: Blocks) -> None:
    """Gives an encoder trained blocks.

    Args:
        encoder: from `backbone.tokens`.
        blocks: from `load_blocks`; none leaves the encoder as it is.

    Raises:
        WeightsError: the encoder has no such blocks.
    """
    try:
        for name, arrays in blocks.items():
            transformer(encoder).get_layer(name).set_weights(arrays)
    except (AttributeError, ValueError) as error:
        raise WeightsError(
            f"The trained blocks do not fit the encoder. Received: {', '.join(blocks)}. "
            f"Give the encoder that the run was trained with."
        ) from error


def write(folder: Path, decoder: keras.Model, blocks: Blocks) -> None:
    """Writes the files of the module's head.

    Args:
        folder: made if it is not there.
        decoder: from `token_decoder.build`, in single precision.
        blocks: the encoder's trained ones.
    """
    atomic_files.write_bytes(folder / WEIGHTS, weights.halved(weights.packed(decoder)))
    if blocks:
        write_blocks(folder / BLOCKS, blocks)


def write_blocks(path: Path, blocks: Blocks) -> None:
    """Writes blocks as `load_blocks` reads them; kernels in half precision, vectors in single."""
    arrays = {
        f"{name}/{index}": array.astype(np.float16 if array.ndim > 1 else np.float32)
        for name, parts in blocks.items()
        for index, array in enumerate(parts)
    }
    with atomic_files.replacing(path) as part:
        np.savez(part, **arrays)


def history(run: str | Path) -> pd.DataFrame:
    """Reads the history of a run and of those that it began with, one after another.

    Args:
        run: the run's folder, or one in it with its own history.

    Returns:
        A row a checkpoint; samples and seconds are counted from the start of the first run.
    """
    run = Path(run)
    own = pd.read_csv(run / HISTORY)
    # The folder of a fall lies in the run's.
    path = next((place / BEFORE for place in (run, run.parent) if (place / BEFORE).is_file()), None)
    if path is None:
        return own
    before = pd.read_csv(path)
    own[COUNTED] += before[COUNTED].iloc[-1]
    return pd.concat([before, own], ignore_index=True)


def write_before(folder: Path, begin: str | Path) -> None:
    """Writes down what a run begins with, as far as that has a history: weights of a package have none."""
    if (Path(begin) / HISTORY).is_file():
        with atomic_files.replacing(folder / BEFORE) as part:
            history(begin).to_csv(part, index=False)
