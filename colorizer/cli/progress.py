"""Progress and lines while a folder is colorized, and report.csv for afterwards."""

from __future__ import annotations

import contextlib
import csv
import io
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from colorizer import atomic_files
from colorizer.errors import ReportError, UsageError
from colorizer.inference.batch_files import Outcome

NAME = "report.csv"
COLUMNS = ("file", "size", "seconds", "status", "reason", "target", "path")
OLD_COLUMNS = (COLUMNS[:5], COLUMNS[:6])  # of earlier versions' reports
DONE, SKIPPED, FAILED = "done", "skipped", "failed"


class Row(NamedTuple):
    """One photograph's row in report.csv; all fields are text.

    Attributes:
        file: the photograph, as typed.
        size: of the file, in bytes; "" where it is unknown.
        seconds: that its colorization took.
        status: "done", "skipped" or "failed".
        reason: why it failed or was skipped, or what could not be preserved.
        target: its copy, relative to the report's folder.
        path: the photograph's whole path, without links; "" in an earlier version's report.
    """

    file: str
    size: str
    seconds: str
    status: str
    reason: str
    target: str = ""
    path: str = ""


class Existing(NamedTuple):
    """What is known about a target that exists already.

    Attributes:
        source: the photograph it was made from, according to the report; "" where the report does not say.
        same: whether that is the photograph in question; True where the report does not say.
        changed: whether the photograph has another size now.
    """

    source: str = ""
    same: bool = True
    changed: bool = False


def made_from(
    recorded: str, recorded_size: str, source: str, size: str, exists: Callable[[str], bool] = os.path.exists
) -> Existing:
    """Compares the photograph that a copy was made from with the one that asks.

    Args:
        recorded: the first one's place, as recorded.
        recorded_size: its bytes, as recorded; "" where they are unknown.
        source: the second one's place, in the same form.
        size: its bytes.
        exists: place -> whether a photograph lies there now.

    Returns:
        An `Existing`.
    """
    if recorded == source or _is_one_file(recorded, source):
        return Existing(recorded, True, bool(recorded_size) and recorded_size != size)
    # A moved album has the same names and sizes, and its photographs are no longer where they were.
    moved = os.path.basename(recorded) == os.path.basename(source) and recorded_size == size and not exists(recorded)
    return Existing(recorded, moved)


def _is_one_file(first: str, second: str) -> bool:
    try:
        return os.path.samefile(first, second)
    except OSError:
        return False


class Report:
    """report.csv in the output folder: one row for each photograph, over all runs.

    Rows are appended as photographs end, so that a killed run has its report too; `close` leaves one row for each, and
    those that other runs wrote meanwhile. A photograph that an earlier run did keeps that run's row.

    Args:
        folder: the output folder. An existing report in it is read.
        writes: False only reads.

    Raises:
        UsageError: the file exists and is no such report.
    """

    def __init__(self, folder: Path, writes: bool = True):
        self.path = folder / NAME
        self.writes = writes
        self.rows = _read(self.path, strict=writes)
        self._found = dict(self.rows)
        self._made_from = {row.target: row for row in self.rows.values() if row.status == DONE and row.target}
        self._file: TextIO | None = None

    @classmethod
    def of_file(cls, target: Path, writes: bool = True) -> Report:
        """The report that has, or is to have, the row of a single result with a name of its own.

        Args:
            target: the result.
            writes: False only reads.

        Returns:
            The report of its folder, or of a folder above that names it. If there is none, an empty one that is not
            written.
        """
        if is_report(target.parent / NAME):
            return cls(target.parent, writes)
        for folder in Path(os.path.abspath(target)).parents[1:]:
            if is_report(folder / NAME) and cls(folder, writes=False).names(target):
                return cls(folder, writes)
        return cls(target.parent, writes=False)

    def names(self, target: Path) -> bool:
        """Whether a row says which photograph a result was made from."""
        return self._relative(target) in self._made_from

    def existing(self, source: Path, target: Path) -> Existing | None:
        """Which photograph a target was made from.

        Args:
            source: the photograph that asks.
            target: its copy.

        Returns:
            An `Existing`; None where the target does not exist.
        """
        if not os.path.exists(target):
            return None
        row = self._made_from.get(self._relative(target))
        if not row:
            return Existing()
        if not row.path:
            return made_from(row.file, row.size, printable(source), _size(source))
        found = made_from(row.path, row.size, _path(source), _size(source))
        # As typed then, where that still names it here.
        return found._replace(source=row.file) if _path(row.file) == row.path else found

    def open(self) -> None:
        """Makes the folder and begins to write.

        Raises:
            UsageError: the file cannot be written.
        """
        if not self.writes:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._write_all()
            self._file = self.path.open("a", encoding="utf-8", newline="")
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written: {error.strerror or error}") from error

    def add(self, outcome: Outcome) -> None:
        """Adds a photograph's row.

        Raises:
            ReportError: the disk is full, or the file cannot be written any more for another reason.
        """
        if self._file is None:
            return
        name, path, target = printable(outcome.source), _path(outcome.source), self._relative(outcome.target)
        row = Row(name, _size(outcome.source), f"{outcome.seconds:.2f}", *status_of(outcome), target, path)
        made = self._made_from.get(target)
        same = made and (made.path or made.file) == (path if made.path else name)
        if not made and (name, "") in self.rows:  # a report of version 0.1 names no targets
            same = self.rows[name, ""].status == DONE
        if outcome.skipped and same:
            return
        if row.status == DONE and made:
            # It is no longer what the target shows; its own row says that it was done once.
            del self.rows[_key(made)]
            if not same:
                self.rows[_key(made._replace(target=""))] = made._replace(target="")
        for earlier in ((name, target), (name, "")):  # rows of the same photograph without its path
            self.rows.pop(earlier, None)
        self.rows[_key(row)] = row
        with self._explained():
            self._file.write(_line(row))
            self._file.flush()

    def close(self) -> None:
        """Leaves one row for each photograph and target.

        Raises:
            ReportError: see `add`.
        """
        if self._file is not None:
            file, self._file = self._file, None
            with self._explained():
                try:
                    file.close()
                finally:
                    self._write_all()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns an error of the disk into a message."""
        try:
            yield
        except OSError as error:
            raise ReportError(
                f"{self.path} cannot be written: {error.strerror or error}. Every written photo is complete. "
                "Make room, then run the same command again: it continues."
            ) from error

    def _write_all(self) -> None:
        """Writes all rows. Those that another run has changed since they were read stay, unless this run did too."""
        theirs = _read(self.path, strict=False)
        for key in {**self._found, **theirs} if theirs else ():
            if self.rows.get(key) == self._found.get(key) != theirs.get(key):
                self.rows.pop(key, None)
                self.rows.update({key: theirs[key]} if key in theirs else {})
        atomic_files.write_text(self.path, _line(COLUMNS) + "".join(map(_line, self.rows.values())))

    def _relative(self, target: Path) -> str:
        return printable(os.path.relpath(target, self.path.parent))


def status_of(outcome: Outcome) -> tuple[str, str]:
    """Status and reason of a photograph, as its row has them."""
    if outcome.error:
        return FAILED, printable(outcome.error)
    if outcome.skipped:
        return SKIPPED, "exists already"
    return DONE, printable("; ".join(outcome.notes))


def summary(statuses: Iterable[str]) -> str:
    """The last line of a batch: "3 done, 0 skipped, 1 failed"."""
    statuses = list(statuses)
    return ", ".join(f"{statuses.count(status)} {status}" for status in (DONE, SKIPPED, FAILED))


def printable(text: object) -> str:
    """A name or a message in one line that any terminal and file can hold; bytes that are no UTF-8 are escaped."""
    encoded = str(text).encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in encoded)


def _line(row: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    return text.getvalue()


def _key(row: Row) -> tuple[str, str]:
    """Which rows are about the same photograph and target: the last one counts."""
    return row.path or row.file, row.target


def _read(path: Path, strict: bool) -> dict[tuple[str, str], Row]:
    """The rows of earlier runs by `_key`. A row cut short by a kill does not count."""
    try:
        # "-sig": spreadsheets write a mark before the first line.
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
            header, *lines = list(csv.reader(file)) or [[]]
    except FileNotFoundError:
        return {}
    except (OSError, csv.Error) as error:
        if strict:
            raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
        return {}
    if tuple(header) not in (COLUMNS, *OLD_COLUMNS):
        if strict and header:
            raise UsageError(
                f"{path} exists and is not a report of this program: it would be replaced. "
                f"Received: a first line {','.join(header)[:80]!r}. Rename it, or choose another -o."
            )
        return {}
    # Rows of this version may follow those of an earlier one, if a run was killed.
    lengths = [len(columns) for columns in (COLUMNS, *OLD_COLUMNS)]
    rows = (Row(*line) for line in lines if len(line) in lengths)
    return {_key(row): row for row in rows if row.status in (DONE, SKIPPED, FAILED)}


def is_report(path: Path) -> bool:
    """Whether a file is a report of this program."""
    try:
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
            header = next(csv.reader(file), [])
    except (OSError, csv.Error):
        return False
    return tuple(header) in (COLUMNS, *OLD_COLUMNS)


def _path(source: str | Path) -> str:
    return printable(os.path.realpath(source))


def _size(path: Path) -> str:
    """The bytes of a file, or "" where it does not exist."""
    try:
        return str(os.stat(path).st_size)
    except OSError:
        return ""


class Progress:
    """A bar with the remaining time on a terminal; elsewhere only lines.

    Args:
        total: number of photographs.
        stream: where the bar is drawn (default: standard error).
    """

    def __init__(self, total: int, stream: TextIO | None = None):
        self._stream = stream or sys.stderr
        self._bar = None
        if total > 1 and getattr(self._stream, "isatty", bool)():
            from tqdm import tqdm

            self._bar = tqdm(total=total, file=self._stream, unit="photo", dynamic_ncols=True)

    def step(self, outcome: Outcome) -> None:
        """Advances by one photograph. Skipped ones do not count in the remaining time."""
        if self._bar is None:
            return
        if outcome.skipped:
            self._bar.initial += 1
        self._bar.update(1)

    def say(self, line: str, stream: TextIO | None = None) -> None:
        """Prints a line above the bar (default: to standard output)."""
        if self._bar is None:
            print(line, file=stream or sys.stdout)
        else:
            self._bar.write(line, file=stream or sys.stdout)

    def close(self) -> None:
        """Leaves the bar as it is."""
        if self._bar is not None:
            self._bar.close()


@contextlib.contextmanager
def notes_above(progress: Progress) -> Iterator[None]:
    """Prints the package's notes above the bar, on standard error, while the block runs."""

    class Above(logging.Handler):
        def emit(self, record):
            progress.say(printable(record.getMessage()), sys.stderr)

    handler, logger = Above(logging.WARNING), logging.getLogger("colorizer")
    logger.addHandler(handler)
    propagate, logger.propagate = logger.propagate, False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


def say_outcome(prog: str, progress: Progress, outcome: Outcome, outdated: bool) -> None:
    """Prints the line of a photo."""
    if outcome.error:
        line, stream = f"{prog}: {outcome.source}: {outcome.error}", sys.stderr
    elif outcome.skipped:
        reason = f", but {outcome.source} has changed since" if outdated else ""
        line, stream = f"{outcome.target} exists already{reason}: skipped (--overwrite replaces it)", sys.stdout
    else:
        line, stream = f"{outcome.source} -> {outcome.target}", sys.stdout
    progress.step(outcome)
    progress.say(printable(line), stream)


def say_error(prog: str, message: object) -> None:
    """Prints a message on standard error, each of its lines printable."""
    print("\n".join(map(printable, f"{prog}: {message}".splitlines())), file=sys.stderr)


def say_ended(prog: str, ended: Iterable[Outcome]) -> int:
    """Prints what a dry run says of photographs whose result exists; returns how many of them would fail."""
    failed = 0
    for outcome in ended:
        if outcome.error:
            failed += 1
            say_error(prog, f"{outcome.source}: {outcome.error}")
        else:
            print(printable(f"{outcome.target} exists already: would be skipped"))
    return failed
