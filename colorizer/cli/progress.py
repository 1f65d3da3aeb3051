"""What a person learns while a folder is colorized, and afterwards: progress, lines, report.csv."""

from __future__ import annotations

import contextlib
import csv
import io
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from colorizer import atomic_files
from colorizer.inference.batch_files import Outcome

NAME = "report.csv"
COLUMNS = ("file", "size", "seconds", "status", "reason")
DONE, SKIPPED, FAILED = "done", "skipped", "failed"


class Report:
    """report.csv in the folder of the results: a row for each photograph ever asked for there.

    Rows are added as photographs end, so that a killed run has its report too; `close` leaves one
    row for each. A photograph that was done by an earlier run keeps that run's row.

    Args:
        folder: of the results; None keeps no report.

    Source: ours.
    """

    def __init__(self, folder: Path | None):
        self.path = folder / NAME if folder else None
        self.rows = _read(self.path) if self.path and self.path.is_file() else {}
        self._file = None
        if self.path:
            folder.mkdir(parents=True, exist_ok=True)
            self._write(self.rows.values())
            self._file = self.path.open("a", encoding="utf-8", newline="")

    def add(self, outcome: Outcome) -> None:
        """Adds a row for a photograph: its file, bytes, seconds, status and reason."""
        if not self.path:
            return
        name = printable(outcome.source)
        row = [name, _size(outcome.source), f"{outcome.seconds:.2f}", *status_of(outcome)]
        if outcome.skipped and self.rows.get(name, [""] * 5)[3] == DONE:
            return
        self.rows[name] = row
        self._file.write(_line(row))
        self._file.flush()

    def close(self) -> None:
        """Leaves one row for each photograph, sorted as they came."""
        if self._file:
            self._file.close()
            self._write(self.rows.values())

    def _write(self, rows) -> None:
        atomic_files.write_text(self.path, _line(COLUMNS) + "".join(map(_line, rows)))


def status_of(outcome: Outcome) -> tuple[str, str]:
    """The last two columns of a photograph's row. Source: ours."""
    if outcome.error:
        return FAILED, printable(outcome.error)
    if outcome.skipped:
        return SKIPPED, "is there already"
    return DONE, "; ".join(outcome.notes)


def printable(text) -> str:
    """A name or a message in one line that any terminal and file can hold. Source: ours."""
    shown = str(text).encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


def _line(row) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(row)
    return written.getvalue()


def _read(path: Path) -> dict[str, list[str]]:
    """The rows of an earlier run by file; the last one of each counts, half a row does not."""
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        rows = [row for row in csv.reader(file) if len(row) == len(COLUMNS) and row[3] in (DONE, SKIPPED, FAILED)]
    return {row[0]: row for row in rows}


def _size(path: Path) -> str:
    """Bytes of a file, or nothing where it is not there."""
    try:
        return str(os.stat(path).st_size)
    except OSError:
        return ""


class Progress:
    """A bar with the time left, on a terminal; elsewhere only what is said.

    Args:
        total: how many photographs.
        stream: where the bar goes (default: the errors' stream).

    Source: ours.
    """

    def __init__(self, total: int, stream=None):
        from tqdm import tqdm

        self._stream = stream or sys.stderr
        shown = total > 1 and getattr(self._stream, "isatty", bool)()
        self._bar = tqdm(total=total, file=self._stream, unit="photo", dynamic_ncols=True) if shown else None

    def step(self, outcome: Outcome) -> None:
        """Moves on by a photograph. Those that were there already do not count in the time left."""
        if self._bar is None:
            return
        if outcome.skipped:
            self._bar.initial += 1
        self._bar.update(1)

    def say(self, line: str, stream=None) -> None:
        """Prints a line above the bar, to the output unless told otherwise."""
        stream = stream or sys.stdout
        if self._bar is None:
            print(line, file=stream)
        else:
            self._bar.write(line, file=stream)

    def close(self) -> None:
        """Leaves the bar as it is."""
        if self._bar is not None:
            self._bar.close()


@contextlib.contextmanager
def notes_above(progress: Progress) -> Iterator[None]:
    """While it lasts, the package's notes are said above the bar, on the errors' stream."""

    class Above(logging.Handler):
        def emit(self, record):
            progress.say(printable(record.getMessage()), sys.stderr)

    handler, logger = Above(logging.WARNING), logging.getLogger("colorizer")
    logger.addHandler(handler)
    before, logger.propagate = logger.propagate, False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = before
