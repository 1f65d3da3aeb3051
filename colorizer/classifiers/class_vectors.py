"""The class vectors of all pictures of a data set, computed once and stored beside the pixels."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from colorizer import atomic_files
from colorizer.classifiers import ablations
from colorizer.classifiers.classifier import BATCH_SIZE, Classifier
from colorizer.config import CLASSES

if TYPE_CHECKING:
    from colorizer.data.pixel_store import Store


def compute(classifier: Classifier, store: Store) -> np.ndarray:
    """The class vectors of the pictures of a store.

    Args:
        classifier: from `classifier.load`.
        store: the pictures.

    Returns:
        (rows, 1000) float32, row for row those of `store.pixels`; zeros for dropped pictures. Memory-mapped,
        except for "none", which broadcasts one row of zeros, and shuffled ones.
    """
    rows = store.pixels.shape[0]
    if classifier.source:
        return ablations.shuffled(compute(classifier.source, store), store.rows)
    if classifier.model is None:
        return np.broadcast_to(np.zeros(CLASSES, np.float32), (rows, CLASSES))
    key = hashlib.sha256(classifier.fingerprint.encode()).hexdigest()[:12]
    path = store.path / f"vectors-{classifier.name}-{key}.npy"
    if not _is_complete(path, rows):
        vectors = np.zeros((rows, CLASSES), np.float32)
        chunks = [store.rows[start : start + BATCH_SIZE] for start in range(0, len(store.rows), BATCH_SIZE)]
        stream = classifier.stream(map(store.read, chunks), BATCH_SIZE)
        for chunk, scores in zip(tqdm(chunks, f"class vectors ({classifier.name})", unit="batch"), stream, strict=True):
            vectors[chunk] = scores
        with atomic_files.replacing(path) as part:
            np.save(part, vectors)
    return np.load(path, mmap_mode="r")


def _is_complete(path, rows: int) -> bool:
    """Whether stored vectors can be read and have as many rows as the store."""
    try:
        return np.load(path, mmap_mode="r").shape == (rows, CLASSES)
    except (OSError, ValueError, EOFError):
        return False
