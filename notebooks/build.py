"""Makes the notebooks from the scripts beside them and runs them: `make notebooks`, or this file with some names.

A notebook is never edited: its script is, in the percent format (`# %%` begins a cell), which Jupytext and editors
open as a notebook too. What may differ from run to run without meaning (times, progress bars) is left out of the
outputs, and an output that names a folder of this machine is refused.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_MACHINE = re.compile(r"(/(home|root|tmp|work|Users)/|[A-Z]:\\\\Users)\S*")


def cells_of(script: str) -> list[dict]:
    """The cells of a script in the percent format.

    Args:
        script: its text.

    Returns:
        {"cell_type": "code" or "markdown", "source": text, "metadata": {}, or its tags} each.

    Source: https://jupytext.readthedocs.io, "The percent format".
    """
    cells = []
    for part in re.split(r"^# %%", script, flags=re.MULTILINE)[1:]:
        head, _, source = part.partition("\n")
        markdown, tags = "[markdown]" in head, re.search(r"tags=(\[.*\])", head)
        source = source.strip("\n")
        if markdown:
            source = re.sub(r"^# ?", "", source, flags=re.MULTILINE)
        metadata = {"tags": json.loads(tags[1])} if tags else {}
        cells.append({"cell_type": "markdown" if markdown else "code", "source": source, "metadata": metadata})
    return cells


def scripts() -> list[Path]:
    """The notebooks' scripts, in order."""
    return sorted(HERE.glob("[0-9]*.py"))


def tidy(outputs: list[dict]) -> list[dict]:
    """A cell's outputs without progress bars and warnings. Source: ours."""
    return [output for output in outputs if output.get("name") != "stderr"]


def machine_path(outputs: list[dict]) -> str | None:
    """The first folder of this machine that an output names, or None. Pictures are not looked into."""
    texts = [text for o in outputs for text in _texts(o)]
    own = [os.environ["COLORIZER_DATA"]] if os.environ.get("COLORIZER_DATA", "").strip("./") else []
    for text in texts:
        if found := _MACHINE.search(text):
            return found[0]
        if named := next((path for path in own if path in text), None):
            return named
    return None


def _texts(output):
    """All text of an output; nbformat keeps it as one string, a file as a list of lines."""
    data = {k: v for k, v in output.get("data", {}).items() if not k.startswith("image/")}
    for value in [output.get("text", ""), *data.values(), output.get("traceback", "")]:
        yield "".join(value) if isinstance(value, list) else str(value)


def build(script: Path) -> Path:
    """Runs a script's cells in a new kernel and writes the notebook beside it.

    Args:
        script: from `scripts`.

    Returns:
        The notebook's path.

    Raises:
        SystemExit: an output names a folder of this machine.
        nbclient.exceptions.CellExecutionError: a cell failed.

    Source: ours.
    """
    import nbformat
    from nbclient import NotebookClient

    made = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    cells = [
        made[cell["cell_type"]](cell["source"], metadata=cell["metadata"], id=f"cell-{number:02d}")
        for number, cell in enumerate(cells_of(script.read_text(encoding="utf-8")), 1)
    ]
    notebook = nbformat.v4.new_notebook(
        cells=cells, metadata={"jupytext": {"formats": "ipynb,py:percent"}, "kernelspec": _KERNEL}
    )
    if own := os.environ.get("COLORIZER_DATA"):
        os.environ["COLORIZER_DATA"] = str(Path(own).resolve())  # a kernel runs in another folder than its person
    NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(HERE)}}, record_timing=False).execute()
    notebook.metadata = {"jupytext": {"formats": "ipynb,py:percent"}, "kernelspec": _KERNEL}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = tidy(cell.outputs)
            if path := machine_path(cell.outputs):
                sys.exit(f"{script.name}: an output names a folder of this machine, {path}; its cell:\n{cell.source}")
    target = script.with_suffix(".ipynb")
    target.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    return target


if __name__ == "__main__":
    wanted = sys.argv[1:]
    for one in scripts():
        if not wanted or any(one.name.startswith(name) for name in wanted):
            print(build(one), flush=True)
