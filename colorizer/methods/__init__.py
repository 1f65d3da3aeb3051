"""The colorization methods: one module each, with one subclass of `base.Method`.

A new method is one new file in this folder. `names()` lists the folder, and the tests run over all of it.

`keras.saving.load_model` opens a network that was saved as a .keras file after `get(name)`, which registers the
method's layers and losses with Keras.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from functools import cache
from pathlib import Path

from colorizer.errors import ArgumentError
from colorizer.methods.base import Default, Method

__all__ = ["Default", "Method", "declared", "describe", "get", "names"]


OTHERS = ("base", "custom_objects")  # modules of this folder that are no methods


def names() -> list[str]:
    """The names of the methods, sorted: the modules of this folder but those of `OTHERS`."""
    return sorted(
        module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg and module.name not in OTHERS
    )


def get(name: str) -> Method:
    """Loads a method, and Keras with it.

    Args:
        name: one of `names()`.

    Returns:
        The one instance of the class in the method's module.

    Raises:
        ArgumentError: there is no such method; the message lists the methods.
    """
    return _loaded(_known(name))


def declared(name: str) -> Method:
    """Reads what a method's class declares, without loading Keras.

    Args:
        name: one of `names()`.

    Returns:
        A `Method` with the title, defaults, options and abilities of `get(name)`; it cannot build a network.

    Raises:
        ArgumentError: there is no such method; the message lists the methods.
    """
    return _declaration(_known(name))


def describe(name: str) -> str:
    """The docstring of a method's module, without loading Keras.

    Args:
        name: one of `names()`.

    Returns:
        The idea, the paper, the cost, and whose code was used.

    Raises:
        ArgumentError: there is no such method; the message lists the methods.
    """
    return ast.get_docstring(_parsed(_known(name)))


def _known(name: str) -> str:
    if name not in names():
        raise ArgumentError(f"There is no such method. Received: {name}. Choose one of {', '.join(names())}.")
    return name


@cache
def _loaded(name: str) -> Method:
    module = importlib.import_module(f"{__name__}.{name}")
    # Exactly one: a module that defines none, or two, is an error at once.
    (method,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Method) and value.__module__ == module.__name__
    )
    return method()


@cache
def _declaration(name: str) -> Method:
    """The literals in the class body, as a subclass of their own."""
    (body,) = (
        node.body
        for node in _parsed(name).body
        if isinstance(node, ast.ClassDef) and [ast.unparse(base) for base in node.bases] == ["Method"]
    )
    # Plain assignments of literals; methods and computed values need Keras and are left to `get`.
    attributes = {
        node.targets[0].id: _value(node.value)
        for node in body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    return type(name, (Method,), attributes | {"__module__": f"{__name__}.{name}"})()


def _value(node: ast.expr):
    """A literal, a `Default` of literals, a `frozenset` of them, or a dictionary of `Default`s."""
    if isinstance(node, ast.Dict):
        return {_value(key): _value(value) for key, value in zip(node.keys, node.values, strict=True)}
    if isinstance(node, ast.Call):
        return {"Default": Default, "frozenset": frozenset}[node.func.id](*map(_value, node.args))
    return ast.literal_eval(node)


@cache
def _parsed(name: str) -> ast.Module:
    return ast.parse((Path(__path__[0]) / f"{name}.py").read_text(encoding="utf-8"))
