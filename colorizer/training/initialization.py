"""The weights before the first step: random ones, a classifier's, or those of --init-weights.

config --> classifier_of --> class vectors (`training.data.prepare`), a record's name of the classifier
       \\-> network_of   --> the network before its first step
"""

from __future__ import annotations

import keras

from colorizer import weights
from colorizer.classifiers import classifier
from colorizer.classifiers.encoders import saved
from colorizer.config import TrainConfig
from colorizer.errors import WeightsError
from colorizer.methods import Method


def classifier_of(config: TrainConfig, method: Method) -> classifier.Classifier:
    """The classifier that gives class vectors, or becomes the encoder.

    Args:
        config: the run's configuration.
        method: from `colorizer.methods.get`.

    Returns:
        A `Classifier`. Where --init-weights bring their own encoder it is not opened, only named.

    Raises:
        ClassifierError: it cannot be had.
        WeightsError: the weights to start from cannot be found or are another method's.
    """
    # The record only: weights are loaded once, by `network_of`.
    source = weights.record_for(config.init_weights, config.method) if config.init_weights else None
    if method.uses_vector:  # another one than that of the weights is warned about
        return classifier.load_recorded(source, config.classifier) if source else classifier.load(config.classifier)
    if method.uses_encoder and not source:
        return saved.load(config.classifier)
    # The encoder comes with the weights: the record needs its name, nobody its file.
    if source and method.uses_encoder:
        return classifier.Classifier(source["classifier_name"], source["classifier_sha256"])
    # Neither scores nor an encoder are used: zeros stand in for the vector.
    return classifier.load("none")


def network_of(config: TrainConfig, method: Method, encoder: keras.Model | None) -> keras.Model:
    """The network before its first step.

    Args:
        config: the run's configuration.
        method: from `colorizer.methods.get`.
        encoder: a classifier, for a method that has an encoder; None where it starts untrained or from other weights.

    Returns:
        The method's network for `config.image_size`; with --init-weights theirs, where its layers fit that size.

    Raises:
        WeightsError: the weights to start from cannot be found, do not fit or are another method's.
    """
    # The method's own initializer, or that of --initializer.
    if not config.init_weights:
        return method.build(config.image_size, encoder, config.initializer)
    # Refuses another method's weights before they are loaded.
    record = weights.record_for(config.init_weights, config.method)
    source = weights.load(config.init_weights).network
    try:
        return copy_of(source, method, config.image_size)
    except ValueError as error:
        raise WeightsError(
            f"Layers of {method.title} depend on the size of the pictures, so --init-weights {config.init_weights} fit "
            f"--image-size {record['image_size']} alone. Received: --image-size {config.image_size}"
        ) from error


def copy_of(network: keras.Model, method: Method, image_size: int) -> keras.Model:
    """Another network with the same weights.

    Args:
        network: the method's.
        method: from `colorizer.methods.get`.
        image_size: side of the copy's input, a multiple of 32.

    Raises:
        ValueError: some layers depend on the size, those of the GAN and of Let there be Color.
    """
    # Both have the same layers in the same order.
    copy = method.build(image_size, method.encoder_of(network))
    copy.set_weights(network.get_weights())
    return copy
