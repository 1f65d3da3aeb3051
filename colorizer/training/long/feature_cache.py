"""The features of a frozen encoder: computed each time, or once and then read from a cache on disk.

    features.npy    (rows, h, w, channels) float16; (rows, 1 + tokens, channels) where later blocks are trained
    done.npy        (rows,) uint8, 1 where the row is complete
    key.json        of what: the fingerprints of encoder and pictures, the size

Features are rounded to float16 either way, so a training is the same with a cache and without.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
from pathlib import Path

import keras
import numpy as np

from colorizer import atomic_files
from colorizer.data.cache import locked, require_space
from colorizer.errors import DataError


def fingerprint(*parts) -> str:
    """12 hexadecimal digits of JSON values and arrays: they change with any of them."""
    digest = hashlib.sha256()
    for part in parts:
        array = isinstance(part, np.ndarray)
        digest.update(np.ascontiguousarray(part).tobytes() if array else json.dumps(part).encode())
    # 48 bits: among a handful of encoders and sets none agree by chance.
    return digest.hexdigest()[:12]


class Features:
    """An encoder's features of pictures, computed each time. Safe to call from several threads.

    Args:
        encoder: from `backbone.token_encoder`.
        batch_size: pictures in one forward pass; smaller batches are filled up, so that one shape is compiled.
    """

    def __init__(self, encoder: keras.Model, batch_size: int):
        self.encoder, self.batch_size = encoder, batch_size
        self._alone = threading.Lock()  # the first call compiles

    def of(self, rows: np.ndarray, l_norm: np.ndarray) -> np.ndarray:
        """The features of some pictures.

        Args:
            rows: (B,) numbers of the pictures, at most `batch_size`.
            l_norm: (B, S, S, 1) float32, the pictures.

        Returns:
            (B, S/16, S/16, C) float16; (B, 1 + tokens, C) of `tuning.frozen_part`.
        """
        # Zeros to the full batch: another shape would be compiled anew.
        filled = np.concatenate([l_norm, np.zeros((self.batch_size - len(l_norm), *l_norm.shape[1:]), np.float32)])
        with self._alone:
            return self.encoder.predict_on_batch(filled)[: len(rows)].astype(np.float16)


class CachedFeatures(Features):
    """An encoder's features of pictures, each computed once and cached on disk.

    Args:
        folder: of the cache; made if it is not there.
        key: JSON values that decide the features; another key must have another folder.
        rows: how many pictures there are.
        encoder: see `Features`.
        batch_size: see `Features`.

    Raises:
        DataError: the folder holds features of something else, or the disk is too small.
    """

    def __init__(self, folder: str | Path, key: dict, rows: int, encoder: keras.Model, batch_size: int):
        super().__init__(encoder, batch_size)
        folder, shape = Path(folder), (rows, *encoder.output_shape[1:])
        # Of two runs that start at once, the second would empty the files that the first one fills.
        with locked(folder / "lock"):
            if not (folder / "key.json").is_file():
                # 2 bytes for each number in float16.
                require_space(folder, 2 * int(np.prod(shape)), f"caching the features of {rows:,} pictures")
                # Files of their full size at once: rows are written where they belong, in any order.
                for name, size, dtype in (("features", shape, np.float16), ("done", shape[:1], np.uint8)):
                    np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, size).flush()
                atomic_files.write_json(folder / "key.json", key)
        cached = json.loads((folder / "key.json").read_text(encoding="utf-8"))
        if cached != json.loads(json.dumps(key)):
            raise DataError(f"The features are of another encoder or other pictures. Received: {folder}. Remove it.")
        self._features, self._done = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("features", "done"))

    def of(self, rows: np.ndarray, l_norm: np.ndarray) -> np.ndarray:
        """As `Features.of`; only those that are not in the cache yet are computed."""
        rows = np.asarray(rows)
        missing = np.flatnonzero(self._done[rows] == 0)
        out = np.empty((len(rows), *self._features.shape[1:]), np.float16)
        if len(missing):
            out[missing] = super().of(rows[missing], l_norm[missing])
            self._write(self._features, rows[missing], out[missing])
            # After the features: a row that a kill cut short is computed again.
            self._write(self._done, rows[missing], np.ones(len(missing), np.uint8))
        here = np.setdiff1d(np.arange(len(rows)), missing)
        out[here] = self._features[rows[here]]
        return out

    def _write(self, cached: np.memmap, rows: np.ndarray, values: np.ndarray) -> None:
        """Writes some rows of a file; not through its map, where a full disk is a SIGBUS and no error."""
        with open(cached.filename, "r+b", buffering=0) as file:
            for row, value in zip(rows, values, strict=True):
                file.seek(cached.offset + int(row) * value.nbytes)
                if file.write(value.tobytes()) != value.nbytes:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.name)
