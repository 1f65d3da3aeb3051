"""One import registers what Keras needs to open a file of any method."""

import re
import subprocess
import sys

import keras
import numpy as np
from conftest import REPOSITORY

from colorizer import methods

OPEN = """
import sys
import keras
import colorizer.methods.custom_objects
network = keras.saving.load_model(sys.argv[1] + "/x.keras")
import numpy as np
np.save(sys.argv[1] + "/out.npy", network.predict_on_batch([np.ones((1, 64, 64, 1)), np.zeros((1, 1000))]))
"""
REGISTERED = r'@keras\.saving\.register_keras_serializable\("colorizer"\)\n(?:class|def) (\w+)'


def test_one_import_opens_a_keras_file_in_a_fresh_process(tmp_path):
    keras.utils.set_random_seed(0)
    network = methods.get("vit_decoder").build(64)
    network.save(tmp_path / "x.keras")
    command = [sys.executable, "-c", OPEN, str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = network.predict_on_batch([np.ones((1, 64, 64, 1)), np.zeros((1, 1000))])
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, atol=1e-6)


def test_one_import_registers_the_layers_and_losses_of_every_method():
    # In a fresh process: here other tests have loaded methods already.
    code = "import colorizer.methods.custom_objects, keras; print(*keras.saving.get_custom_objects())"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    registered = set(done.stdout.split())
    sources = (REPOSITORY / "colorizer" / "methods").rglob("*.py")
    declared = re.findall(REGISTERED, "".join(path.read_text("utf-8") for path in sources))
    assert len(declared) > 10
    assert {f"colorizer>{name}" for name in declared} <= registered
