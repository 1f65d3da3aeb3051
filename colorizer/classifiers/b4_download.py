"""Whether EfficientNet-B4's weights can be had, without the backend: Keras would load for seconds before it says no."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path

from colorizer.classifiers.catalog import FETCH
from colorizer.config import CLASSES
from colorizer.errors import ClassifierError

FILE = "efficientnetb4.h5"  # keras.applications' name for the weights with top
MD5 = "18c95ad55216b8f92d7e70b3a046e2fc"
URL = f"https://storage.googleapis.com/keras-applications/{FILE}"
TIMEOUT = 5  # seconds for an answer


def path() -> Path:
    """Where Keras keeps the weights."""
    return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models" / FILE


def require() -> None:
    """Checks that Keras has the weights or can try to download them.

    Raises:
        ClassifierError: they are not here, and their server cannot be reached.
    """
    if path().is_file():
        return
    try:
        urllib.request.urlopen(urllib.request.Request(URL, method="HEAD"), timeout=TIMEOUT).close()
    except urllib.error.HTTPError:
        pass  # there is a network; what Keras makes of the answer is its matter
    except OSError as error:
        raise missing(error) from error


def missing(reason: Exception) -> ClassifierError:
    """The error that says how to get the weights by hand, and the other choices."""
    return ClassifierError(
        f"EfficientNet-B4's ImageNet weights cannot be downloaded. Received: {reason}\n"
        f"Put the file {FILE} (MD5 {MD5}) of keras.applications into {path().parent},\n"
        f"or choose --classifier efficientnet_lite2 ({FETCH} efficientnet_lite2),\n"
        f"or --classifier FILE.keras (saved by Keras: float RGB 0..255 in, {CLASSES} softmax scores out),\n"
        f"or --classifier none (the network then gets zeros)."
    )
