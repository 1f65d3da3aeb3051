"""Makes the notebooks from the scripts beside them and runs them: `make notebooks`, or this file with some names.

Edit the script, never the notebook. Jupytext reads the script (the percent format: `# %%` begins a cell), nbclient
runs it. Ours is what the outputs leave out: progress bars, versions, and every path of this machine.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# An absolute path of two parts or more; not the end of an HTML tag, of a relative path or of an address.
_ABSOLUTE = re.compile(r"(?<![\w.<:/*~-])(?:/[\w.~-]+/[\w.~-]+|[A-Z]:\\+\w)\S*")


def scripts() -> list[Path]:
    """The notebooks' scripts, in order."""
    return sorted(HERE.glob("[0-9]*.py"))


def read(script: Path):
    """Reads a script as a notebook without outputs; its metadata and cell ids are the same each time."""
    import jupytext

    notebook = jupytext.read(script)
    notebook.metadata["jupytext"].pop("text_representation", None)
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number:02d}"
    return notebook


def machine_path(outputs: list[dict]) -> str | None:
    """The first absolute path that an output names, or None. Pictures are not searched."""
    for output in outputs:
        data = {kind: text for kind, text in output.get("data", {}).items() if not kind.startswith("image/")}
        for text in [output.get("text", ""), *data.values(), output.get("traceback", "")]:
            if match := _ABSOLUTE.search("".join(text)):
                return match[0]
    return None


def build(script: Path) -> Path:
    """Runs a script in a new kernel and writes the notebook beside it.

    Args:
        script: in the percent format.

    Returns:
        The notebook's path.

    Raises:
        SystemExit: an output names a path of this machine.
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    import jupytext
    from nbclient import NotebookClient

    notebook = read(script)
    if data := os.environ.get("COLORIZER_DATA"):
        os.environ["COLORIZER_DATA"] = str(Path(data).resolve())  # the kernel starts in another folder
    resources = {"metadata": {"path": str(script.parent)}}
    NotebookClient(notebook, timeout=1800, resources=resources, record_timing=False, coalesce_streams=True).execute()
    notebook.metadata.pop("language_info", None)  # the version of Python
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            if path := machine_path(cell.outputs):
                sys.exit(f"{script.name}: an output names a path of this machine: {path}. Its cell:\n{cell.source}")
    target = script.with_suffix(".ipynb")
    jupytext.write(notebook, target)
    return target


if __name__ == "__main__":
    names = tuple(sys.argv[1:]) or ("",)
    for one in scripts():
        if one.name.startswith(names):
            print(build(one), flush=True)
