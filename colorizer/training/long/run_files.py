"""The files of a run's folder that other runs and the export read: its record, weights and history.

    config.json          the settings, the sets, versions, backend and device
    decoder.weights.h5   the decoder, kernels in half precision
    encoder.npz          the encoder's blocks that were trained, here or before; absent where none was
    init_encoder.npz     those that were trained before this run; absent where none was
    history.csv          a row for each checkpoint
    before.csv           the history of the run whose weights this one starts from, and of those before that

A trained block is named as in the encoder. All other blocks are those of the saved encoder.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from colorizer import atomic_files, environment, weights
from colorizer.classifiers.encoders import vision_transformer
from colorizer.config import HISTORY, RECORD, STATE
from colorizer.errors import TrainingError, WeightsError
from colorizer.training.long.settings import Settings

WEIGHTS = "decoder.weights.h5"
BLOCKS, INIT_BLOCKS = "encoder.npz", "init_encoder.npz"
BEFORE = "before.csv"
COOLDOWN = "cooldown"  # the folder in a run's that holds its result after a cooldown
CUMULATIVE = ["samples", "seconds"]  # columns of a history that the next run's rows continue
# Names in the folders of older runs -> those of today: fields of config.json and of last/state.json, and files.
RENAMED = {
    "views": "augmentations_per_image",
    "tune": "trainable_blocks",
    "tune_rate": "encoder_lr_scale",
    "average": "ema_weights",
    "begun.npz": INIT_BLOCKS,
}

Blocks = dict[str, list[np.ndarray]]  # a block's name -> its weights


def start_record(folder: Path, settings: Settings, config: dict) -> None:
    """Writes config.json of a run without a checkpoint, or checks that of a run that is resumed.

    Args:
        folder: the run's; made if it is not there.
        settings: of the run.
        config: the settings' fields, "key" and further fields; versions, commit, backend and device are added.

    Raises:
        TrainingError: the folder holds a run with other settings or other pictures, or one whose state is gone.
    """
    path = folder / RECORD
    if (folder / HISTORY).is_file() and not has_state(folder):
        raise TrainingError(
            f"{folder} holds a run that cannot be resumed: {STATE} is not there. "
            f"Train on in another folder, with --init-weights {folder}."
        )
    if not (path.is_file() and has_state(folder)):
        folder.mkdir(parents=True, exist_ok=True)
        config |= {"versions": environment.versions(), "commit": environment.commit()}
        config |= {"backend": keras.backend.backend(), "device": environment.device()}
        atomic_files.write_json(path, config)
        return
    # A setting that is younger than the run has its default.
    recorded = asdict(Settings()) | read_record(path)
    for name in (*asdict(settings), "key"):
        if recorded.get(name) != json.loads(json.dumps(config[name])):
            raise TrainingError(
                f"{folder} was started with {name} {recorded.get(name)}. Received: {config[name]}. "
                f"Choose another folder, or the same settings."
            )


def has_state(folder: Path) -> bool:
    """Whether a run has a checkpoint, from which it is resumed."""
    return (folder / STATE).is_file()


def read_record(path: Path) -> dict:
    """Reads config.json or last/state.json of a run, older ones with the names of today.

    Args:
        path: the file.

    Returns:
        Its fields.
    """
    fields = json.loads(path.read_text(encoding="utf-8"))
    return {RENAMED.get(name, name): value for name, value in fields.items()}


def find_record(run: Path) -> Path | None:
    """The config.json of a run; of a cooldown, whose folder lies in the run's, that of the run."""
    return next((path for path in (run / RECORD, run.parent / RECORD) if path.is_file()), None)


def find(folder: Path, name: str) -> Path:
    """A file of a run, by its name of today.

    Args:
        folder: the run's.
        name: of the file.

    Returns:
        Its path, with the older name where only that file is there.
    """
    older = (before for before, now in RENAMED.items() if now == name)
    return next((folder / one for one in (name, *older) if (folder / one).is_file()), folder / name)


def is_exported(path: str | Path) -> bool:
    """Whether weights are those of an exported network: a folder with them, or the name of shipped ones."""
    return str(path) == weights.DEFAULT or str(path) in weights.SHIPPED or (Path(path) / weights.BEST).is_file()


def load_decoder(decoder: keras.Model, path: str | Path) -> None:
    """Gives a decoder the weights of a file.

    Args:
        decoder: from `token_decoder.build`, for any size.
        path: the weights file, the run's folder that holds it, or weights of the ViT decoder as
            `weights.load` takes them.

    Raises:
        WeightsError: the file is absent or does not fit.
    """
    exported = weights.load(path) if is_exported(path) else None
    if exported and not exported.method.takes_hints:
        raise WeightsError(f"A long training starts from weights of vit_decoder. Received: {exported!r}.")
    try:
        if exported:
            decoder.set_weights(exported.network.get_layer("decoder").get_weights())
        else:
            decoder.load_weights(Path(path) / WEIGHTS if Path(path).is_dir() else path)
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(
            f"The decoder's weights do not fit or are not there. Received: {path} ({str(error).splitlines()[0]}). "
            f"Give a run that was trained with this encoder."
        ) from error


def transformer(encoder: keras.Model) -> keras.Model | None:
    """The Vision Transformer inside an encoder of `backbone.token_encoder`; None for a classifier."""
    return next((layer for layer in encoder.layers if isinstance(layer, keras.Model) and blocks_in(layer)), None)


def blocks_in(model: keras.Model) -> list[vision_transformer.Block]:
    """The blocks of a model, the first one first."""
    return [layer for layer in model.layers if isinstance(layer, vision_transformer.Block)]


def load_blocks(path: str | Path | None) -> Blocks:
    """Reads the encoder's trained blocks.

    Args:
        path: a run's folder or its decoder's weights file, a file like `BLOCKS`, or exported weights;
            None for nothing.

    Returns:
        The blocks; none where the encoder was not trained.

    Raises:
        WeightsError: the file cannot be read, or the whole encoder was trained.
    """
    if path is None:
        return {}
    if is_exported(path):
        record = weights.record_of(weights.place(path))
        if record.get("encoder_rate"):
            raise WeightsError(
                "A long training takes over blocks of an encoder, and not a whole one that was trained. "
                f"Received: {path}, trained with --encoder-rate {record['encoder_rate']}. "
                "Start from weights of a training without it."
            )
        names = record.get(weights.TRAINED_BLOCKS, [])
        if not names:
            return {}
        exported = weights.load(path)
        inside = transformer(exported.method.encoder_of(exported.network))
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
        encoder: from `backbone.token_encoder`.
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
    """Writes the decoder and the encoder's trained blocks.

    Args:
        folder: made if it is not there.
        decoder: from `token_decoder.build`, in single precision.
        blocks: the encoder's trained ones.
    """
    atomic_files.write_bytes(folder / WEIGHTS, weights.halved(weights.packed(decoder)))
    if blocks:
        write_blocks(folder / BLOCKS, blocks)


def write_blocks(path: Path, blocks: Blocks) -> None:
    """Writes blocks as `load_blocks` reads them, in the precision of `rounded`."""
    arrays = {
        f"{name}/{index}": array.astype(_stored_dtype(array))
        for name, parts in blocks.items()
        for index, array in enumerate(parts)
    }
    with atomic_files.replacing(path) as part:
        np.savez(part, **arrays)


def rounded(blocks: Blocks) -> Blocks:
    """Blocks as they come back from a file: kernels rounded to half precision, vectors as they are; all float32."""
    return {name: [a.astype(_stored_dtype(a)).astype(np.float32) for a in parts] for name, parts in blocks.items()}


def _stored_dtype(array: np.ndarray) -> type:
    return np.float16 if array.ndim > 1 else np.float32


def history(run: str | Path) -> pd.DataFrame:
    """Reads the history of a run, after those of the runs that its weights come from.

    Args:
        run: the run's folder, or one in it with its own history.

    Returns:
        A row for each checkpoint; samples and seconds are counted from the start of the first run.
    """
    run = Path(run)
    own = pd.read_csv(run / HISTORY)
    # A cooldown's folder lies in the run's.
    path = next((place / BEFORE for place in (run, run.parent) if (place / BEFORE).is_file()), None)
    if path is None:
        return own
    before = pd.read_csv(path)
    own[CUMULATIVE] += before[CUMULATIVE].iloc[-1]
    return pd.concat([before, own], ignore_index=True)


def origin(init_weights: str | Path | None) -> str | None:
    """The name of the weights that the first in a chain of runs started from.

    Args:
        init_weights: what a run starts from: the folder of another run, or weights without a history; None for none.

    Returns:
        The name of weights without a history. Of another run, what its record names. None for a random decoder.
    """
    if init_weights is None:
        return None
    folder = Path(init_weights)
    if not (folder / HISTORY).is_file():
        return folder.name
    record = next((path for path in (folder / RECORD, folder.parent / RECORD) if path.is_file()), None)
    return read_record(record).get("init_weights") if record else None


def write_origin(folder: Path, blocks: Blocks, init_weights: str | Path | None) -> None:
    """Writes what a run starts from: the encoder's trained blocks and, of a run before it, the history.

    Args:
        folder: of the new run. Files of an earlier start, which got to no checkpoint, are replaced or removed.
        blocks: see `load_blocks`.
        init_weights: the folder of the run before, or the name of shipped weights; None for none.
    """
    for name in (INIT_BLOCKS, BEFORE):
        find(folder, name).unlink(missing_ok=True)
    if blocks:
        write_blocks(folder / INIT_BLOCKS, blocks)
    if init_weights and (Path(init_weights) / HISTORY).is_file():
        with atomic_files.replacing(folder / BEFORE) as part:
            history(init_weights).to_csv(part, index=False)
