"""The same training on TensorFlow and on JAX, each in processes of their own."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest
from conftest import REPOSITORY
from test_loop import assert_same_run

TRAIN = """
import json, sys
from colorizer.cli import train
for words in json.loads(sys.argv[1]):
    if status := train.main(words, prog="train.py"):
        sys.exit(status)
"""


# On TensorFlow, test_loop kills and resumes a training as well.
@pytest.fixture(params=[pytest.param("tensorflow", marks=pytest.mark.slow), "jax"])
def train(request, tmp_path, picture_folder):
    """What trains in one process on one backend: ((run, epochs, *flags), ...) -> their summaries."""
    backend = request.param
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: pip install -r requirements-dev.txt")

    def words(run, epochs, *flags):
        same = ["--dataset", str(picture_folder), "--classifier", "none", "--image-size", "32", "--batch-size", "8"]
        return [*same, "--run", str(run), "--epochs", str(epochs), *flags]

    def start(*trainings):
        environment = os.environ | {"KERAS_BACKEND": backend, "COLORIZER_CACHE": str(tmp_path / "cache")}
        # JAX compiles the network once for all.
        environment |= {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled")}
        environment |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
        command = [sys.executable, "-c", TRAIN, json.dumps([words(*training) for training in trainings])]
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr
        for run, *_ in trainings:
            assert json.loads((run / "config.json").read_text())["backend"] == backend
        return [json.loads((run / "summary.json").read_text()) for run, *_ in trainings]

    return start


def test_training_learns_and_resumes_bit_for_bit(train, tmp_path):
    whole, _ = train((tmp_path / "whole", 4), (tmp_path / "halved", 2))
    assert whole["val_mse"] < whole["val_mse_all_grey"] * 1.05
    train((tmp_path / "halved", 4, "--resume"))
    assert_same_run(tmp_path / "whole", tmp_path / "halved")


def test_only_two_modules_of_the_package_import_a_backend():
    for path in (REPOSITORY / "colorizer").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for backend in ("import tensorflow", "from tensorflow", "import jax", "from jax", "import torch"):
            assert backend not in text or path.name in ("augment.py", "distribution.py"), f"{path.name}: {backend}"


def test_importing_the_package_imports_no_backend_and_help_is_quick():
    code = "import sys, colorizer, colorizer.config; print(sorted({'keras', 'tensorflow', 'jax'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    for script in ("train.py", "evaluate.py", "colorize.py"):
        code = f"import sys, runpy; sys.argv = ['{script}', '--help']\n"
        code += f"try: runpy.run_path('{script}', run_name='__main__')\nexcept SystemExit: pass\n"
        code += "print(sorted({'keras', 'tensorflow', 'jax', 'skimage', 'cv2'} & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]", f"{script} --help loads what takes seconds to load"
