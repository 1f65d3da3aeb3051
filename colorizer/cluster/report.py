"""report.parquet in the output folder of a cluster: one row for each photograph, over all runs."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import fsspec
import pandas as pd

from colorizer import atomic_files
from colorizer.cli.progress import DONE, SKIPPED, Existing, made_from, printable, status_of
from colorizer.cluster.addresses import local_path
from colorizer.errors import ReportError, UsageError
from colorizer.inference.batch_files import Outcome

NAME = "report.parquet"
COLUMNS = ("file", "target", "size", "seconds", "status", "reason")
NEEDED = {"file", "target", "status"}  # columns of every version's report


class Report:
    """The report of an output folder, and which results the folder holds.

    Args:
        output: the folder's address.
        sizes: source -> bytes, of the photographs of this run.

    Raises:
        UsageError: the folder's report.parquet is damaged or something else.
        OSError: the folder cannot be listed, or the report cannot be read.
    """

    def __init__(self, output: str, sizes: Mapping[str, int]):
        self._address = f"{output.rstrip('/')}/{NAME}"
        self._sizes = sizes
        self._system, self._path = fsspec.core.url_to_fs(self._address)
        self._results = set(self._system.find(self._system._parent(self._path)))
        self._earlier = pd.DataFrame(columns=list(COLUMNS))
        if self._path in self._results:
            self._earlier = self._read()
        done = self._earlier[self._earlier["status"] == DONE].fillna("")
        sizes_done = done["size"] if "size" in done else [""] * len(done)
        self._made_from = dict(zip(done["target"], zip(done["file"], sizes_done, strict=True), strict=True))

    def _read(self) -> pd.DataFrame:
        """The rows of earlier runs."""
        content = self._system.cat_file(self._path)
        try:
            table = pd.read_parquet(io.BytesIO(content))
            if absent := NEEDED - set(table):
                raise ValueError(f"no column {min(absent)}")
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{self._address} is damaged or no report of this program. Delete or rename it: results that exist "
                f"are skipped then too, but not compared with their photos. Received: {error}"
            ) from error
        return table

    def existing(self, source: str, target: str) -> Existing | None:
        """Which photograph a target was made from.

        Args:
            source: address of the photograph that asks.
            target: address of its copy.

        Returns:
            An `Existing`; None where the target does not exist.
        """
        if fsspec.core.url_to_fs(target)[1] not in self._results:
            return None
        if printable(target) not in self._made_from:
            return Existing()
        file, size = self._made_from[printable(target)]
        return made_from(file, str(size), printable(source), str(self._sizes.get(source, "")), _exists)

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Writes the rows of this run; a photograph that an earlier run did keeps that run's row.

        Args:
            outcomes: of all photographs of this run.

        Raises:
            ReportError: the disk is full, or the file cannot be written for another reason; an earlier report stays.
        """
        table = pd.DataFrame([self._row(outcome) for outcome in outcomes], columns=list(COLUMNS))
        earlier = self._earlier
        # A photograph may have copies of several formats: a row is about a photograph and a target.
        now, before = (pd.MultiIndex.from_frame(rows[["file", "target"]]) for rows in (table, earlier))
        done = (earlier["status"] == DONE) & before.isin(now[table["status"] == SKIPPED])
        replaced = earlier["target"].isin(table["target"][table["status"] == DONE])
        parts = [table[~now.isin(before[done])], earlier[done], earlier[~before.isin(now) & ~replaced]]
        table = pd.concat([part for part in parts if len(part)])
        content = table.astype({"size": str}).sort_values("file").to_parquet(index=False)
        try:
            if path := local_path(self._address):
                atomic_files.write_bytes(path, content)
            else:  # object stores show an object when all of it is there
                self._system.makedirs(self._system._parent(self._path), exist_ok=True)
                self._system.pipe_file(self._path, content)
        except OSError as error:
            raise ReportError(
                f"{self._address} cannot be written: {error.strerror or error}. Every written photo is complete. "
                "Make room or mend what is wrong, then run the same command again: it continues."
            ) from error

    def _row(self, outcome: Outcome) -> dict:
        status, reason = status_of(outcome)
        return {
            "file": printable(outcome.source),
            "target": printable(outcome.target),
            "size": str(self._sizes.get(str(outcome.source), "")),
            "seconds": round(outcome.seconds, 2),
            "status": status,
            "reason": reason,
        }


def _exists(address: str) -> bool:
    """Whether a photograph lies at an address now."""
    system, path = fsspec.core.url_to_fs(address)
    return system.exists(path)
