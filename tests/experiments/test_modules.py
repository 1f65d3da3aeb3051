"""Every experiment finds what it imports."""

import importlib

import pytest
from conftest import REPOSITORY

NAMES = [path.stem for path in (REPOSITORY / "experiments").glob("*.py") if path.stem != "__init__"]


@pytest.mark.parametrize("name", NAMES)
def test_a_module_can_be_imported(name):
    assert importlib.import_module(f"experiments.{name}").__doc__
