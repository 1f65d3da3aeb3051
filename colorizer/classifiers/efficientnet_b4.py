"""EfficientNet-B4, the paper's classifier: that of `keras.applications` with ImageNet weights or with a file's."""

from __future__ import annotations

import hashlib
from pathlib import Path

import keras
import numpy as np

from colorizer.classifiers import b4_download
from colorizer.errors import ClassifierError

SEED = 42
_STDDEV = (0.229, 0.224, 0.225)  # ImageNet's, as in keras.applications


def from_imagenet() -> keras.Model:
    """EfficientNet-B4 with ImageNet weights, which Keras downloads once.

    Returns:
        (B, 380, 380, 3) float32 0..255 -> (B, 1000) softmax.

    Raises:
        ClassifierError: the weights cannot be downloaded; the message says how to get them by hand.
    """
    try:
        return keras.applications.EfficientNetB4(weights="imagenet")
    except Exception as error:  # network, disk and checksum: each has its own class
        raise b4_download.missing(error) from error


def from_file(path: Path, extra_rescaling: bool | None = None) -> keras.Model:
    """EfficientNet-B4 with the weights of a local file.

    TRICKY: `weights="imagenet"` builds one more Rescaling layer (1/sqrt(std) per channel, after
    the normalization) than `weights=None` or a path does, so the same file gives other scores
    when it is loaded in another way. The layer has no weights and is followed by a convolution
    without bias that pads with zeros: here it is folded into that kernel.

    Args:
        path: an `.h5` weights file: that of keras.applications, or one saved from a B4 with top.
        extra_rescaling: whether the weights need that layer. None: yes for the file of
            keras.applications (by its MD5) and for files saved from a model that had it.

    Returns:
        The model: (B, 380, 380, 3) float32 0..255 -> (B, 1000) softmax; 19,466,823 parameters.

    Raises:
        ClassifierError: the file does not hold EfficientNet-B4's weights.
    """
    model = keras.applications.EfficientNetB4(weights=None)
    try:
        model.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise ClassifierError(
            f"An .h5 classifier must hold EfficientNet-B4's weights with top. Received: {path} ({error})"
        ) from error
    if extra_rescaling is None:
        extra_rescaling = _md5(path) == b4_download.MD5 or saved_with_extra_rescaling(path)
    if extra_rescaling:
        stem = model.get_layer("stem_conv")
        stem.set_weights([stem.get_weights()[0] / np.sqrt(_STDDEV)[None, None, :, None]])
    return model


def saved_with_extra_rescaling(path: Path) -> bool:
    """Whether an `.h5` weights file was saved from a model with two Rescaling layers."""
    import h5py

    with h5py.File(path) as file:
        names = file.get("layers", file)
        return sum(name.startswith("rescaling") for name in names) == 2


def untrained() -> keras.Model:
    """EfficientNet-B4 before training: normal kernels with a variance of 2 / fan-out, as in Keras.

    Returns:
        (B, 380, 380, 3) float32 0..255 -> (B, 1000) softmax; the same weights on every backend.
    """
    model = keras.applications.EfficientNetB4(weights=None)
    rng = np.random.default_rng(SEED)
    for weight in model.weights:
        if len(weight.shape) >= 2:
            fan_out = np.prod(weight.shape[:-2]) * weight.shape[-1]
            weight.assign(rng.normal(0, np.sqrt(2 / fan_out), weight.shape).astype(np.float32))
    return model


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
