"""The user's cache: where it lies, and folders in it that are whole or absent.

Data sets and stores live here. Whatever is half made has another name or lacks its
last file, and two processes that want the same thing wait for each other.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from colorizer.errors import DataError

logger = logging.getLogger(__name__)


def cache_dir() -> Path:
    """The folder for what can be made again: $COLORIZER_CACHE, else the platform's cache. Source: ours."""
    if own := os.environ.get("COLORIZER_CACHE"):
        return Path(own).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "colorizer"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file `path`; waits, and says so, while another process holds it.

    The operating system releases the lock with the process, however that ends.

    Source: ours.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        told = False
        while not _try_lock(file):
            if not told:
                logger.warning("Another process is at work here; waiting until it is done (lock: %s)", path)
            told = True
            time.sleep(0.2)
        yield


def _try_lock(file) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Makes `folder` unless it is there: `make` fills an empty sibling, which is then renamed.

    Args:
        folder: the final name; exists only when complete.
        make: called with the empty folder `.<name>.unfinished`.

    Returns:
        `folder`.

    Source: ours.
    """
    with locked(folder.with_name(f".{folder.name}.lock")):
        if not folder.is_dir():
            unfinished = folder.with_name(f".{folder.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            try:
                with disk_full_explained(unfinished):
                    make(unfinished)
                unfinished.rename(folder)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return folder


@contextlib.contextmanager
def disk_full_explained(folder: Path) -> Iterator[None]:
    """Turns a full disk into a DataError that says what to do. Source: ours."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            raise
        raise DataError(
            f"The disk is full at {folder}. Make room, or set COLORIZER_CACHE to a folder on a larger disk, "
            "and run the same command again."
        ) from error


def require_space(folder: Path, needed: int, what: str) -> None:
    """Says how much disk `what` takes, and raises DataError if `folder` (existing) has less. Source: ours."""
    free = shutil.disk_usage(folder).free
    logger.info("%s needs %s of disk in %s (free: %s)", what, gigabytes(needed), folder, gigabytes(free))
    if free < needed:
        raise DataError(
            f"{what} needs {gigabytes(needed)} of disk in {folder}. Received: {gigabytes(free)} free. "
            "Make room, or set COLORIZER_CACHE to a folder on a larger disk."
        )


def gigabytes(size: int) -> str:
    """A number of bytes for people: 815585330 -> "0.82 GB"."""
    return f"{size / 1e9:,.2f} GB"
