"""Files that are whole or not there: write to a temporary name, then rename."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well.

    Args:
        path: the file to write or replace; its folder is made.

    Yields:
        The path to write to. It keeps `path`'s ending, which some writers choose a format by.
        After an exception it is removed and `path` is as it was.

    Source: ours.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tail = os.fsdecode(os.fsencode(path.name)[-200:])  # a name and this prefix may be too long together
    part = path.with_name(f".{os.getpid()}-{threading.get_ident()}-{tail}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def writer_of(name: str) -> int | None:
    """The process that writes a temporary file, by its name; None for any other name. Source: ours."""
    found = re.match(r"\.(\d+)-\d+-.", name)
    return int(found[1]) if found else None


def write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 text file, whole or not at all. Source: ours."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value) -> None:
    """Writes indented JSON, whole or not at all. Source: ours."""
    write_text(path, json.dumps(value, indent=2) + "\n")
