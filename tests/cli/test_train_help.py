"""`train.py --help`: what each method is, without loading Keras."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from colorizer import methods

ROOT = Path(__file__).parents[2]


def help_of(*flags) -> str:
    command = [sys.executable, "train.py", *flags, "--help"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", methods.names())
def test_a_description_is_the_files_own(name):
    said = methods.describe(name)
    assert said == inspect.getdoc(importlib.import_module(f"colorizer.methods.{name}"))
    assert len(said.splitlines()[0]) <= 100


@pytest.mark.parametrize("name", [name for name in methods.names() if name != "trivial"])
def test_a_description_tells_the_cost_and_whose_code_it_is(name):
    said = methods.describe(name)
    for word in ("parameters", "multiply-adds", "100 epochs", "code"):
        assert word in said


def test_help_lists_the_methods_and_tells_one_at_length():
    brief = help_of()
    for name in methods.names():
        assert methods.describe(name).splitlines()[0] in brief
    assert methods.describe("gan") not in brief
    assert methods.describe("gan") in help_of("--method", "gan")
    assert methods.describe("gan") in help_of("--method=gan")


def test_a_method_that_is_none_is_refused():
    with pytest.raises(ValueError, match="Received: pix2pix.*gan"):
        methods.describe("pix2pix")
