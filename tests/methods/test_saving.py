"""A network saved by Keras is opened by Keras, with its loss and its optimizer, in another process."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import REPOSITORY
from test_base import TinyBatches

from colorizer import methods
from colorizer.config import resolve

LOAD = """
import json, sys, keras, numpy as np
from colorizer import methods
methods.get(sys.argv[1])
network, inputs = keras.saving.load_model(sys.argv[2] + "/x.keras"), np.load(sys.argv[2] + "/inputs.npz")
np.save(sys.argv[2] + "/out.npy", network.predict_on_batch([inputs["l_norm"], inputs["vector"]]))
print(json.dumps([type(network.optimizer).__name__, getattr(network.loss, "__name__", str(network.loss))]
                 if getattr(network, "optimizer", None) else []))
"""
LARGE = ("colorful", "gan", "let_there_be_color")  # 32 to 42 million parameters


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in LARGE)) for n in methods.names()])
def test_a_saved_network_loads_in_a_fresh_process(name, tmp_path):
    keras.utils.set_random_seed(0)
    method, batches = methods.get(name), TinyBatches()
    network = method.build(64)
    method.trainer(network, resolve({"method": name, "dataset": "sample", "image_size": 64}, method), batches)
    (l_norm, vector), _ = batches[0]
    network.save(tmp_path / "x.keras")
    np.savez(tmp_path / "inputs.npz", l_norm=l_norm, vector=vector)
    command = [sys.executable, "-c", LOAD, name, str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), network.predict_on_batch([l_norm, vector]), atol=1e-6)
    compiled = json.loads(done.stdout.splitlines()[-1])
    assert compiled[:1] == ([type(network.optimizer).__name__] if getattr(network, "optimizer", None) else [])
