"""The user's cache: its folder, locks, and folders that are complete or absent.

Data sets, pixel stores and fetched classifiers live here. An unfinished file or folder has
another name. Two processes that want the same thing wait for each other.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from colorizer.errors import DataError

logger = logging.getLogger(__name__)


def cache_dir() -> Path:
    """The folder for what can be made again: $COLORIZER_CACHE, else `colorizer` in the platform's cache."""
    if own := os.environ.get("COLORIZER_CACHE"):
        return Path(own).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("colorizer", appauthor=False, opinion=False)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file `path`; waits, with a log line, while another process holds it.

    The operating system releases the lock when the process ends, however it ends.

    Raises:
        DataError: nothing can be written there.
    """
    import filelock  # takes 50 ms, and who only colorizes needs no lock

    lock = filelock.FileLock(path, poll_interval=0.2)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout:  # an OSError itself
        logger.warning("Another process is at work here; waiting until it is done (lock: %s)", path)
        lock.acquire()
    except OSError as error:
        raise DataError(
            f"What is prepared once cannot be written: {error.strerror or error}. Received: {path.parent}. "
            "Set COLORIZER_CACHE to a folder that you can write to."
        ) from error
    try:
        yield
    finally:
        lock.release()


def once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Makes `folder` unless it exists: `make` fills an empty sibling, which is then renamed.

    Args:
        folder: the final name; it exists only when complete.
        make: is called with the empty folder `.<name>.unfinished`.

    Returns:
        `folder`.

    Raises:
        DataError: the disk is full, or nothing can be written there.
    """
    if folder.is_dir():  # also where the cache is shared and only read
        return folder
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
    """Turns the operating system's error for a full disk into a DataError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            raise
        raise DataError(
            f"The disk is full at {folder}. Make room, or set COLORIZER_CACHE to a folder on a larger disk, "
            "and run the same command again."
        ) from error


WORTH_SAYING = 100_000_000  # bytes; of less nobody thinks before a download


def require_space(folder: Path, needed: int, purpose: str) -> None:
    """Raises DataError if the existing `folder` has fewer free bytes than `needed`; logs both where it is much."""
    free = shutil.disk_usage(folder).free
    if needed >= WORTH_SAYING:
        logger.info("%s needs %s of disk in %s (free: %s)", purpose, gigabytes(needed), folder, gigabytes(free))
    if free < needed:
        raise DataError(
            f"{purpose} needs {gigabytes(needed)} of disk in {folder}. Received: {gigabytes(free)} free. "
            "Make room, or set COLORIZER_CACHE to a folder on a larger disk."
        )


def gigabytes(size: int) -> str:
    """A number of bytes as text: 815585330 -> "0.82 GB", 300000 -> "0.3 MB"."""
    return f"{size / 1e9:,.2f} GB" if size >= 1e7 else f"{size / 1e6:.1f} MB"
