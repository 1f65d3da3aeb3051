"""What a network can be built on: any classifier, or a saved Vision Transformer."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import keras

from colorizer.classifiers import catalog, classifier
from colorizer.classifiers.encoders import vision_transformer
from colorizer.errors import ClassifierError


def load(spec: str) -> classifier.Classifier:
    """Loads what a network can be built on.

    Args:
        spec: what `classifier.load` takes, or a `.keras` file of a model from `vision_transformer.build`, or the
            name of such a file in the user's cache.

    Returns:
        A `Classifier`; the model of a Vision Transformer gives tokens and no scores.

    Raises:
        ClassifierError: it cannot be found or used; the message names the choices.
    """
    path = Path(spec) if Path(spec).is_file() else catalog.find(spec) or Path(spec)
    if not _is_transformer(path):
        return classifier.load(spec)
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:
        raise ClassifierError(f"The encoder cannot be loaded. Received: {path} ({error}). Save it again.") from error
    return classifier.Classifier(path.stem, catalog.fingerprint_of(path), model)


def _is_transformer(path: Path) -> bool:
    """Whether a file is a saved model with a layer of patches; it is not loaded."""
    try:
        with zipfile.ZipFile(path) as archive:
            layers = json.loads(archive.read("config.json"))["config"]["layers"]
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile):
        return False
    name = keras.saving.get_registered_name(vision_transformer.Patches)
    return any(layer.get("registered_name") == name for layer in layers)
