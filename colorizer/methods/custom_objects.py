"""Registers every layer and loss of the methods with Keras, so that it opens their .keras files.

import colorizer.methods.custom_objects
network = keras.saving.load_model("network.keras")
"""

from __future__ import annotations

from colorizer import methods

for _name in methods.names():
    methods.get(_name)
