"""The example runs as it stands and learns something."""

import re
import subprocess
import sys

import pytest
from conftest import REPOSITORY
from PIL import Image

EXAMPLE = REPOSITORY / "examples" / "paper_in_one_file.py"


def test_it_is_short_and_needs_nothing_of_the_package():
    text = EXAMPLE.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150 and "import colorizer" not in text and "from colorizer" not in text


def test_its_network_is_the_packages():
    from importlib.util import module_from_spec, spec_from_file_location

    from colorizer import methods

    spec = spec_from_file_location("paper_in_one_file", EXAMPLE)
    example = module_from_spec(spec)
    spec.loader.exec_module(example)
    ours, theirs = methods.get("efficientnet").build(64), example.build(64)
    assert [v.shape for v in ours.weights] == [v.shape for v in theirs.weights]
    assert ours.count_params() == 4_696_098


@pytest.mark.parametrize("words", [["paper_in_one_file.py"], ["onnx_colorize.py", "a.onnx", "b.jpg", "c.png"]])
def test_what_is_not_installed_is_said_in_one_line(words):
    bare = [sys.executable, "-I", "-S", EXAMPLE.with_name(words[0]), *words[1:]]  # without site-packages
    done = subprocess.run(bare, capture_output=True, text=True)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "This example needs " in done.stderr and ": pip install " in done.stderr


def test_two_epochs_beat_no_color(tmp_path):
    words = ["--classifier", "none", "--size", "32", "--epochs", "2"]
    done = subprocess.run([sys.executable, EXAMPLE, *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    error, gray = map(float, re.search(r"cat: ([\d.]+); all gray: ([\d.]+)", done.stdout).groups())
    assert error < gray
    with Image.open(tmp_path / "paper.png") as sheet:
        assert sheet.size == (3 * 32, 3 * 32)
