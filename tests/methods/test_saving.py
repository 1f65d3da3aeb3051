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

# Keras is loaded once. Each network is opened in a copy of that process, which knows no other method.
OPEN = """
import json, os, signal, sys, keras, numpy as np
from colorizer import methods

def open_saved(name, folder):
    methods.get(name)
    network, inputs = keras.saving.load_model(folder + "/x.keras"), np.load(folder + "/inputs.npz")
    np.save(folder + "/out.npy", network.predict_on_batch([inputs["l_norm"], inputs["vector"]]))
    print(json.dumps([type(network.optimizer).__name__] if getattr(network, "optimizer", None) else []), flush=True)

for line in sys.stdin:
    if not (child := os.fork()):
        signal.alarm(300)
        open_saved(*json.loads(line))
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(1)
"""
LARGE = ("colorful", "gan", "let_there_be_color")  # 32 to 42 million parameters


@pytest.fixture(scope="module")
def fresh():
    """A process with Keras and without any method."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", OPEN], cwd=REPOSITORY, text=True, **pipes) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in LARGE)) for n in methods.names()])
def test_a_saved_network_loads_in_a_fresh_process(name, fresh, tmp_path):
    keras.utils.set_random_seed(0)
    method, batches = methods.get(name), TinyBatches()
    network = method.build(64)
    method.trainer(network, resolve({"method": name, "dataset": "sample", "image_size": 64}, method), batches)
    (l_norm, vector), _ = batches[0]
    network.save(tmp_path / "x.keras")
    np.savez(tmp_path / "inputs.npz", l_norm=l_norm, vector=vector)
    fresh.stdin.write(json.dumps([name, str(tmp_path)]) + "\n")
    fresh.stdin.flush()
    answer = fresh.stdout.readline()
    assert answer, fresh.stderr.read()
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), network.predict_on_batch([l_norm, vector]), atol=1e-6)
    assert json.loads(answer) == ([type(network.optimizer).__name__] if getattr(network, "optimizer", None) else [])
