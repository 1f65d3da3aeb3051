"""Files that are whole or not there: write to a temporary name, then rename."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

# In a temporary name: a folder may be shared by machines, and a process's number means something on its own alone.
_MACHINE = f"{zlib.crc32(platform.node().encode()):08x}"
_TEMPORARY = re.compile(r"\.\d+-\d+-[0-9a-f]{8}-.")  # begins a temporary name, of any machine


def obstacle(folder: Path) -> str:
    """Says why no file can be made in a folder, which need not exist yet; "" where nothing is known to stop it."""
    nearest = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    if not nearest.is_dir():
        return f"{nearest} is not a folder"
    return "" if os.access(nearest, os.W_OK | os.X_OK) else f"{nearest} cannot be written to"


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well.

    Args:
        path: the file to write or replace; its folder is made.

    Yields:
        The path to write to. It keeps `path`'s ending, which some writers choose a format by.
        After an exception it is removed and `path` is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{os.getpid()}-{threading.get_ident()}-{_MACHINE}-{_tail(path)}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def writer_of(name: str) -> int | None:
    """The process of this machine that writes a temporary file, by its name; None for any other name."""
    match = re.match(rf"\.(\d+)-\d+-{_MACHINE}-.", name)
    return int(match[1]) if match else None


def is_alive(process: int) -> bool:
    """Whether a process of this machine exists; True where the system cannot say."""
    if os.name == "nt":  # os.kill would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to another user
        return True
    return True


def sweep(path: str | Path) -> None:
    """Removes what killed writers of a file left beside it, on whichever machine they ran."""
    path = Path(path)
    temporary = re.compile(rf"\.\d+-\d+-[0-9a-f]{{8}}-{re.escape(_tail(path))}")
    for name in os.listdir(path.parent) if path.parent.is_dir() else ():
        if temporary.fullmatch(name):
            path.with_name(name).unlink(missing_ok=True)


def sweep_folder(folder: str | Path) -> None:
    """Removes every temporary file that killed writers left in a folder that nobody writes to now."""
    for path in Path(folder).iterdir():
        if _TEMPORARY.match(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def _tail(path: Path) -> str:
    """What a temporary name keeps of the name: all of it and a prefix may be too long together."""
    return os.fsdecode(os.fsencode(path.name)[-200:])


def write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 text file, whole or not at all."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_bytes(path: str | Path, data: bytes) -> None:
    """Writes a file of bytes, whole or not at all, and waits until the disk has it: a power cut leaves no half file."""
    with replacing(path) as part, open(part, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_json(path: str | Path, value) -> None:
    """Writes indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")
