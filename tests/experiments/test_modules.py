"""Every experiment and benchmark finds what it imports, and what it takes from modules of the package."""

import ast
import importlib
import types

import pytest
from conftest import REPOSITORY

FILES = [path for folder in ("experiments", "benchmarks") for path in sorted((REPOSITORY / folder).glob("*.py"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_a_module_has_what_it_uses(path):
    """Most of them run for minutes, so no other test calls them: a renamed function would go unseen."""
    try:
        module = importlib.import_module(f"{path.parent.name}.{path.stem}".removesuffix(".__init__"))
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] in ("colorizer", "experiments", "benchmarks"):
            raise
        pytest.skip(f"needs {error.name}, which is not installed")
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree) or path.stem == "__init__"
    absent = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            imported = getattr(module, node.value.id, None)
            if isinstance(imported, types.ModuleType) and not hasattr(imported, node.attr):
                absent.append(f"line {node.lineno}: {node.value.id}.{node.attr}")
    assert absent == []
