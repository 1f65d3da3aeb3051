"""examples/onnx_colorize.py: the colors of `Colorizer` without Keras; its usage where an argument is missing."""

import importlib.util
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import REPOSITORY, draw_picture
from PIL import Image

from colorizer import methods
from colorizer.errors import ExportError
from colorizer.export import convert, runtimes
from colorizer.inference.colorizer import Colorizer

EXAMPLE = REPOSITORY / "examples" / "onnx_colorize.py"
pytestmark = pytest.mark.filterwarnings("ignore")  # third-party deprecations inside the converters


@pytest.mark.parametrize("words", [[], ["colorizer.onnx"], ["a", "b", "c", "d"]])
def test_usage_is_printed_where_arguments_are_missing(words):
    done = subprocess.run([sys.executable, EXAMPLE, *words], capture_output=True, text=True)
    assert done.returncode == 1 and "python onnx_colorize.py colorizer.onnx old.jpg new.png" in done.stderr
    assert f"Received: {' '.join(words) or 'none'}" in done.stderr and "Traceback" not in done.stderr


def test_the_example_gives_the_colors_of_the_library(tmp_path):
    try:
        runtimes.require("onnx")
    except ExportError as error:
        pytest.skip(str(error))
    assert importlib.util.find_spec("skimage")
    keras.utils.set_random_seed(3)
    method = methods.get("efficientnet")
    colorizer = Colorizer(method.build(64), method, image_size=64)
    convert.write(colorizer, "onnx", tmp_path / "network.onnx")
    Image.fromarray(draw_picture(2, 300, 400)).save(tmp_path / "old.png")
    words = [tmp_path / "network.onnx", tmp_path / "old.png", tmp_path / "new.png"]
    subprocess.run([sys.executable, EXAMPLE, *words], check=True)
    expected = np.asarray(colorizer.colorize(Image.open(tmp_path / "old.png"))).astype(int)
    assert np.abs(np.asarray(Image.open(tmp_path / "new.png")) - expected).mean() < 1
