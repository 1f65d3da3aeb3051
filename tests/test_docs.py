"""The pages and docstrings that the documentation site is made of; `make docs` builds it with warnings as errors."""

import ast
import re

import pytest
from conftest import REPOSITORY

DOCS = REPOSITORY / "docs"
ENTRY = re.compile(r"^ {4,}([^\s:][^:]*): ")


def api() -> dict[str, tuple[str, str]]:
    """What docs/api.md documents: dotted name -> (source of its module, "" or the one object in it)."""
    entries = {}
    for name in re.findall(r"^::: (\S+)", (DOCS / "api.md").read_text(encoding="utf-8"), re.MULTILINE):
        module, _, last = name.rpartition(".")
        whole = REPOSITORY / f"{name.replace('.', '/')}.py"
        path = whole if whole.is_file() else REPOSITORY / f"{module.replace('.', '/')}.py"
        entries[name] = (path.read_text(encoding="utf-8"), "" if whole.is_file() else last)
    return entries


def listed_parameters(docstring: str) -> list[str]:
    """The names in a docstring's list of parameters."""
    section = re.search(r"^Args:\n((?: {4}.*\n?|\n)*)", docstring, re.MULTILINE)
    lines = section[1].splitlines() if section else []
    return [match[1] for line in lines if not line.startswith(" " * 5) and (match := ENTRY.match(line))]


def unclear_parameters(source: str, part: str = "") -> list[str]:
    """`function: parameter` for each documented parameter that the signature lacks or does not annotate.

    Args:
        source: of a module.
        part: one function or class of it; "" for all.
    """
    tops = [node for node in ast.parse(source).body if part in ("", getattr(node, "name", None))]
    assert tops, f"no {part} in the module"
    unclear = []
    for node in (node for top in tops for node in ast.walk(top) if isinstance(node, ast.FunctionDef)):
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        annotated = {argument.arg for argument in arguments if argument and argument.annotation}
        names = listed_parameters(ast.get_docstring(node) or "")
        unclear += [f"{node.name}: {name}" for name in names if name.lstrip("*") not in annotated]
    return unclear


def test_every_parameter_of_the_api_has_a_line_and_a_type():
    entries = api()
    assert len(entries) > 5
    assert {name: lines for name, entry in entries.items() if (lines := unclear_parameters(*entry))} == {}


@pytest.mark.parametrize(
    ("signature", "entry"), [("a: int, b: int", "a, b: both"), ("a", "a: no type"), ("a: int", "b: another")]
)
def test_an_unclear_parameter_is_found(signature, entry):
    source = f'def f({signature}):\n    """Does.\n\n    Args:\n        {entry}\n            and more: of it.\n    """\n'
    assert len(unclear_parameters(source)) == 1


def test_the_pages_link_to_nothing_outside_of_the_site():
    outside = []
    for page in DOCS.rglob("*.md"):
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).resolve().is_relative_to(DOCS):
                outside.append(f"{page.name}: {target}")
    assert outside == []
