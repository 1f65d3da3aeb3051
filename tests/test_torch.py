"""The parts that know no backend, on PyTorch: the shipped network and its decoding, and one import for .keras files."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import REPOSITORY, draw_picture

from colorizer import Colorizer

CODE = """
import sys
import numpy as np
import keras
import colorizer.methods.custom_objects
from colorizer import Colorizer
assert keras.backend.backend() == "torch"
photo = np.load(sys.argv[1] + "/photo.npy")
one = Colorizer.from_preset(engine="keras", look="accurate")
for look in ("accurate", "vivid"):
    np.save(f"{sys.argv[1]}/{look}.npy", one.with_look(look).predict_ab([photo])[0])
one.network.save(sys.argv[1] + "/network.keras")
again = keras.saving.load_model(sys.argv[1] + "/network.keras")
assert again.count_params() == one.network.count_params()
"""


def test_the_shipped_network_gives_the_same_colors_on_torch(tmp_path):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed: pip install torch")
    photo = draw_picture(5, 200, 300)
    np.save(tmp_path / "photo.npy", photo)
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    command = [sys.executable, "-c", CODE, str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    one = Colorizer.from_preset(engine="keras")
    for look in ("accurate", "vivid"):
        here = one.with_look(look).predict_ab([photo])[0]
        np.testing.assert_allclose(np.load(tmp_path / f"{look}.npy"), here, atol=2e-3)
