"""The paper's printed numbers and claims, and the page that judges them."""

from importlib import resources


def template(name: str) -> str:
    """Reads a Markdown file of this folder; its fields are for `str.format`."""
    return resources.files(__package__).joinpath(name).read_text("utf-8")
