"""The classifier that weights were trained with, by their record, or another one that is asked for in its place."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from colorizer.classifiers import classifier as classifiers
from colorizer.classifiers.classifier import Classifier
from colorizer.errors import ClassifierError

logger = logging.getLogger(__name__)


def load(config: Mapping[str, Any], spec: str | None = None) -> Classifier:
    """Loads the classifier that is asked for, else the recorded one; warns if it is another.

    Args:
        config: the weights' record.
        spec: see `classifier.load`; None takes the recorded one.

    Raises:
        ClassifierError: it is missing; the message says what to do.
    """
    classifier = _try(classifiers.load, config, spec)
    name, fingerprint = _recorded(config)
    if fingerprint and classifier.fingerprint != fingerprint:
        logger.warning(
            "the weights were trained with the classifier %s (%s), not with %s (%s): expect other colors",
            *(name, fingerprint, classifier.name, classifier.fingerprint or "zeros"),
        )
    return classifier


def check(config: Mapping[str, Any], spec: str | None = None) -> None:
    """Checks, without Keras, that the classifier is on this machine.

    Args:
        config: the weights' record.
        spec: see `load`.

    Raises:
        ClassifierError: it is missing; the message says what to do.
    """
    _try(classifiers.check, config, spec)


def _try(action, config, spec):
    """Checks or loads the classifier that is asked for, else the recorded one; says of that what can be done."""
    if spec is not None:
        return action(spec)
    try:
        return action(classifiers.spec_of({"classifier": "none"} | dict(config)))
    except ClassifierError as error:
        name, fingerprint = _recorded(config)
        raise ClassifierError(
            f"These weights were trained with the classifier {name} ({fingerprint or 'fingerprint not recorded'}), "
            f"which is not here: {error}\nChoose --classifier FILE (that classifier, wherever it lies) "
            f"or --classifier none (the network gets zeros, for which it was not trained)."
        ) from error


def _recorded(config):
    """Name and fingerprint of the classifier that weights were trained with."""
    return config.get("classifier_name", config.get("classifier", "none")), config.get("classifier_sha256", "")
