"""What a training begins with: random weights, a classifier's, or those of --init-weights.

config --> classifier_of --> class vectors (`training.prepare`), a record's name of the classifier
       \\-> network_of   --> the network before its first step
"""

from __future__ import annotations

import keras

from colorizer import weights
from colorizer.classifiers import classifier, encoders
from colorizer.config import TrainConfig
from colorizer.errors import WeightsError
from colorizer.methods import Method


def classifier_of(config: TrainConfig, method: Method) -> classifier.Classifier:
    """Where class vectors, or the encoder, come from.

    Args:
        config: the run's configuration.
        method: from `colorizer.methods.get`.

    Returns:
        A `Classifier`. Where --init-weights bring their own encoder it is not opened, only named: theirs.

    Raises:
        ClassifierError: it cannot be had.
        WeightsError: the weights to begin with cannot be found or are another method's.

    Source: ours.
    """
    begun = _record_of(config) if config.init_weights else None
    if method.uses_vector or (method.uses_encoder and not begun):
        return encoders.load(config.classifier) if method.uses_encoder else classifier.load(config.classifier)
    if begun and method.uses_encoder:
        return classifier.Classifier(begun["classifier_name"], begun["classifier_sha256"])
    return classifier.load("none")


def network_of(config: TrainConfig, method: Method, encoder: keras.Model | None) -> keras.Model:
    """The network before its first step.

    Args:
        config: the run's configuration.
        method: from `colorizer.methods.get`.
        encoder: a classifier, for a method that has an encoder; None where it begins untrained or with other weights.

    Returns:
        The method's network for `config.image_size`; with --init-weights theirs, whatever size they were trained at.

    Raises:
        WeightsError: the weights to begin with cannot be found, do not fit or are another method's.

    Source: ours.
    """
    if not config.init_weights:
        return method.build(config.image_size, encoder, config.initializer)
    _record_of(config)
    begun = weights.load(config.init_weights).network
    network = method.build(config.image_size, method.encoder_of(begun))
    network.set_weights(begun.get_weights())
    return network


def _record_of(config):
    """The `config.json` of the weights to begin with."""
    record = weights.recorded(weights.place(config.init_weights))
    if record["method"] != config.method:
        raise WeightsError(
            f"--init-weights must be of the method that is trained, {config.method}. "
            f"Received: {config.init_weights}, of {record['method']}"
        )
    return record
