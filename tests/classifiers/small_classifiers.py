"""Saved classifiers that are small enough to be made in a test."""

import keras


def small_classifier(path, size=32, classes=1000):
    inputs = keras.Input((*(size if isinstance(size, tuple) else (size, size)), 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(4, 3, strides=4)(x)
    x = keras.layers.Dense(classes, activation="softmax")(keras.layers.Flatten()(x))
    model = keras.Model(inputs, x)
    model.save(path)
    return model
