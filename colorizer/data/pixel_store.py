"""A data set's pictures as 256x256 pixels in one memory-mapped file.

Made once, by all cores, and safe to kill at any moment: a row counts only when it is in
`progress.csv`, which is written after the row's pixels. A store counts only when
`store.json` is there. The folder, in the user's cache:

    pixels.npy     (rows, S, S, 3) uint8 sRGB, a row per listed picture; rows of dropped ones are zero
    progress.csv   row, status: "kept" or why it was dropped
    dropped.csv    file, reason
    store.json     the kept names and their rows
"""

from __future__ import annotations

import csv
import errno
import functools
import hashlib
import itertools
import json
import logging
import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from colorizer import atomic_files, images, photos
from colorizer.data import filters
from colorizer.data.cache import cache_dir, disk_full_explained, locked, require_space
from colorizer.errors import DataError, PhotoError

logger = logging.getLogger(__name__)

FORMAT = 1  # part of a store's name: raise it with any change of pixels or of what is dropped
KEPT = "kept"


class Store:
    """A finished store, read-only.

    Attributes:
        path: its folder.
        names: the kept pictures, in the order they were listed.
        rows: (len(names),) int64, the row of `pixels` of each.
        dropped: name -> reason of the others.
        pixels: (rows, S, S, 3) uint8 sRGB, memory-mapped.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        record = json.loads((self.path / "store.json").read_text("utf-8"))
        self.names: list[str] = record["names"]
        self.rows = np.array(record["rows"], np.int64)
        self.dropped: dict[str, str] = record["dropped"]
        self.pixels: np.memmap = np.load(self.path / "pixels.npy", mmap_mode="r")
        self._row_of = dict(zip(self.names, record["rows"], strict=True))

    def __len__(self) -> int:
        return len(self.names)

    def select(self, names: Sequence[str]) -> np.ndarray:
        """The rows of some pictures, in their order; dropped ones are left out.

        Args:
            names: each one of the listed.

        Returns:
            (at most len(names),) int64.

        Raises:
            KeyError: a name that the store was not built from.
        """
        return np.array([self._row_of[n] for n in names if n not in self.dropped], np.int64)

    def read(self, rows) -> np.ndarray:
        """Copies some pictures out of the file.

        Unlike `pixels[rows]` it leaves no mapped pages behind, so a process that reads a
        large store again and again stays as small as one batch.

        Args:
            rows: row numbers.

        Returns:
            (len(rows), S, S, 3) uint8 sRGB.
        """
        out = np.empty((len(rows), *self.pixels.shape[1:]), np.uint8)
        with open(self.path / "pixels.npy", "rb", buffering=0) as file:
            for picture, row in zip(out, rows, strict=True):
                file.seek(self.pixels.offset + int(row) * picture.nbytes)
                if file.readinto(memoryview(picture).cast("B")) != picture.nbytes:
                    raise DataError(
                        f"{file.name} ends early, in row {row}. Delete {self.path}; the next run makes it again."
                    )
        return out


def build(
    root: str | Path,
    names: Sequence[str],
    image_size: int = 256,
    *,
    keep_gray: bool = False,
    cache: Path | None = None,
    workers: int | None = None,
) -> Store:
    """Prepares pictures, or opens the store that holds them already.

    Args:
        root: the folder of the pictures.
        names: files relative to it.
        image_size: side of the square.
        keep_gray: for test lists: drops only files that cannot be read, no picture with a `filters.defect`.
        cache: where stores lie (default: the user's cache).
        workers: threads (default: one per core).

    Returns:
        A `Store`. Its name holds a fingerprint of the files, so a changed picture makes a new one. A picture that was
        dropped because it could not be opened, or because a package was missing, is tried again each time.

    Raises:
        DataError: no names, a file is missing, or the disk is too small.
    """
    root, names = Path(root).resolve(), list(dict.fromkeys(names))
    if not names:
        raise DataError(f"A store needs pictures. Received: none from {root}")
    key = _fingerprint(root, names, image_size, keep_gray)
    folder = Path(cache or cache_dir()) / "stores" / f"{root.name}-{image_size}-{key}"
    prepare = functools.partial(_prepare, root, image_size, keep_gray)
    if not _is_done(folder, prepare):
        with locked(folder / "lock"):
            if not _is_done(folder, prepare):  # nobody else made it while this process waited
                _fill(folder, names, image_size, prepare, workers or os.cpu_count() or 1)
    return Store(folder)


def _is_done(folder: Path, prepare) -> bool:
    """Whether a store is complete, and none of what it lacks for a reason that may pass can be read by now."""
    if not (folder / "store.json").exists():
        return False
    dropped = Store(folder).dropped
    return all(_may_pass(prepare(name)[1]) for name, reason in dropped.items() if _may_pass(reason))


def _may_pass(reason: str) -> bool:
    """Whether a picture was dropped for a reason that is not its own: a drive, a permission, a package."""
    return any(words in reason for words in ("cannot be read: ", "pip install"))


def _fingerprint(root: Path, names: Sequence[str], image_size: int, keep_gray: bool) -> str:
    """12 hexadecimal digits that change with anything that can change the store's bytes."""
    digest = hashlib.sha256(json.dumps([FORMAT, str(root), image_size, keep_gray]).encode())
    for name in names:
        try:
            stat = (root / name).stat()
        except OSError as error:
            raise DataError(f"A listed picture cannot be opened. Received: {root / name} ({error.strerror})") from error
        digest.update(json.dumps([name, stat.st_size, stat.st_mtime_ns]).encode())
    return digest.hexdigest()[:12]


def _prepare(root: Path, image_size: int, keep_gray: bool, name: str) -> tuple[np.ndarray | None, str]:
    """One picture at its size and "kept", or None and the reason."""
    try:
        rgb = photos.read(root / name).rgb
    except PhotoError as error:
        return None, f"corrupt: {_as_text(error.reason)}"
    rgb_u8 = images.to_uint8(rgb)
    square = images.resize_square(rgb_u8, image_size)
    reason = None if keep_gray else filters.defect(rgb_u8, square)
    return (None, reason) if reason else (square, KEPT)


def _fill(folder: Path, names: list[str], image_size: int, prepare, workers: int) -> None:
    """Prepares the rows that are missing, then marks the store as complete."""
    shape = (len(names), image_size, image_size, 3)
    _allocate(folder, shape)
    status = _resume(folder / "progress.csv", len(names))
    missing = [row for row in range(len(names)) if row not in status]
    row_bytes = image_size * image_size * 3
    require_space(folder, len(missing) * row_bytes, f"preparing {len(missing):,} pictures of {folder.name}")
    start = np.load(folder / "pixels.npy", mmap_mode="r").offset
    # Written with write() and not through the map: a full disk is then an error and not a SIGBUS,
    # and the pages do not count as this process's memory.
    with (
        disk_full_explained(folder),
        open(folder / "pixels.npy", "r+b", buffering=0) as pixels,
        open(folder / "progress.csv", "a", newline="", encoding="utf-8") as progress,
        tqdm(total=len(names), initial=len(status), desc=f"preparing {folder.name}", unit="picture") as bar,
    ):
        for row, (rgb_u8, reason) in _in_order(prepare, names, missing, workers):
            if rgb_u8 is not None:
                pixels.seek(start + row * row_bytes)
                if pixels.write(memoryview(rgb_u8).cast("B")) != row_bytes:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            csv.writer(progress).writerow((row, reason))
            progress.flush()
            status[row] = reason
            bar.update()
    _finish(folder, names, status)


def _in_order(prepare, names: list[str], rows: list[int], workers: int) -> Iterator[tuple[int, tuple]]:
    """(row, prepare(name)) in the order of `rows`, made by threads; at most 2 * workers wait in memory."""
    pool = ThreadPoolExecutor(workers)
    rows, waiting = iter(rows), deque()
    try:
        while True:
            for row in itertools.islice(rows, 2 * workers - len(waiting)):
                waiting.append((row, pool.submit(prepare, names[row])))
            if not waiting:
                return
            row, future = waiting.popleft()
            yield row, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _allocate(folder: Path, shape: tuple[int, ...]) -> None:
    """Makes pixels.npy at its full length (sparse: no disk is taken yet) unless it is there."""
    if (folder / "pixels.npy").exists():
        return
    (folder / "progress.csv").unlink(missing_ok=True)  # its rows are gone
    with atomic_files.replacing(folder / "pixels.npy") as part:
        np.lib.format.open_memmap(part, "w+", np.uint8, shape)


def _resume(progress: Path, rows: int) -> dict[int, str]:
    """row -> status from an earlier attempt, without pictures that may be readable now.

    A last line that a kill cut short is removed from the file. Of several lines of a row the last one counts.
    """
    if not progress.exists():
        return {}
    whole, _, cut = progress.read_bytes().rpartition(b"\n")
    if cut:
        os.truncate(progress, len(whole) + 1 if whole else 0)
    lines = csv.reader(whole.decode("utf-8").splitlines())
    found = {int(row): status for row, status in lines if int(row) < rows}
    return {row: status for row, status in found.items() if not _may_pass(status)}


def _as_text(name: str) -> str:
    """A file name as UTF-8 can hold it: a byte that is not UTF-8 is escaped."""
    return name.encode("utf-8", errors="backslashreplace").decode("utf-8")


def _finish(folder: Path, names: list[str], status: dict[int, str]) -> None:
    """Writes dropped.csv, then store.json; logs how many pictures were dropped and why."""
    dropped = {name: status[row] for row, name in enumerate(names) if status[row] != KEPT}
    with (
        atomic_files.replacing(folder / "dropped.csv") as part,
        open(part, "w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file).writerows([("file", "reason"), *((_as_text(n), reason) for n, reason in dropped.items())])
    if dropped:
        counts = Counter(reason.partition(":")[0] for reason in dropped.values())
        summary = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
        logger.warning("%d of %d pictures dropped (%s): %s", len(dropped), len(names), summary, folder / "dropped.csv")
    rows = [row for row in range(len(names)) if status[row] == KEPT]
    record = {"names": [names[row] for row in rows], "rows": rows, "dropped": dropped}
    for vectors in folder.glob("vectors-*.npy"):  # of rows that were dropped before they hold zeros
        vectors.unlink()
    atomic_files.write_text(folder / "store.json", json.dumps(record))
