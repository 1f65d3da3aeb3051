"""Where a run's folder lies: runs/METHOD-DATASET, the next free name, or the newest one to resume.

Nothing here imports Keras, so that `train.py` refuses a wrong folder at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from colorizer import atomic_files, experiments
from colorizer.config import CUT, RECORD, STATE, SUMMARY
from colorizer.errors import RecordError

try:
    import fcntl
except ImportError:  # Windows: there a folder cannot be held
    fcntl = None

_CHECKOUT = Path(__file__).resolve().parents[2]


def holds_run(folder: str | Path) -> bool:
    """Whether a run was started in this folder."""
    return (Path(folder) / RECORD).is_file()


def free(folder: str | Path) -> Path:
    """The folder itself, or the first of FOLDER-2, FOLDER-3, ... that holds no run.

    Args:
        folder: the default folder of a method and a data set.
    """
    folder, number = Path(folder), 1
    candidate = folder
    # From -2 on: the first run has the bare name.
    while holds_run(candidate):
        number += 1
        candidate = folder.with_name(f"{folder.name}-{number}")
    return candidate


def newest(folder: str | Path, method: str, dataset: str) -> Path:
    """The run to resume where none is named: of FOLDER, FOLDER-2, ... the one that was started or resumed last.

    Args:
        folder: the default folder of a method and a data set.
        method: of the run.
        dataset: as typed; another one may be called like a numbered run, as `photos-2024` beside `photos`.

    Raises:
        RecordError: there is no such run; the message lists the runs beside it.
    """
    folder = Path(folder)
    beside = sorted(path.parent for path in folder.parent.glob(f"*/{RECORD}"))
    numbered = re.compile(rf"{re.escape(folder.name)}(?:-(\d+))?")
    runs = [(path, numbered.fullmatch(path.name)) for path in beside]
    # config.json is written when a run starts and when it is resumed. Of two in one nanosecond the higher number
    # counts.
    ages = [
        ((path / RECORD).stat().st_mtime_ns, int(name[1] or 1), path)
        for path, name in runs
        if name and _is_of(path, method, dataset)
    ]
    if not ages:
        names = "\n  ".join(map(str, beside))
        there = f"Name one with --run:\n  {names}" if beside else "Leave --resume out to start one."
        raise RecordError(f"There is no run of this method and data set to resume. Received: no {folder}. {there}")
    return max(ages)[-1]


def _is_of(folder: Path, method: str, dataset: str) -> bool:
    """Whether a run is of this method and data set; also if its record is damaged, which is then said."""
    try:
        recorded = read_config(folder)
    except RecordError:
        return True
    return same_data_set(recorded.get("dataset", dataset), dataset) and recorded.get("method", method) == method


def same_data_set(one: str, other: str) -> bool:
    """Whether two names, as typed or recorded, are of one data set: a folder's path may be relative or not."""
    if Path(one) == Path(other):
        return True
    from colorizer.data import datasets  # loads NumPy, as below

    return datasets.absolute(one) == datasets.absolute(other)


def read_config(folder: str | Path) -> dict | None:
    """The run's `config.json`, or None where no run was started.

    Raises:
        RecordError: the file is damaged.
    """
    return read_json(
        Path(folder) / RECORD,
        "It says how the run was trained: without it the run can be neither resumed nor used. Restore the file, "
        "or train again in another --run.",
    )


def has_state(folder: str | Path) -> bool:
    """Whether an epoch was finished, so that the run can be resumed."""
    return (Path(folder) / STATE).is_file()


def was_cut(folder: str | Path) -> bool:
    """Whether a run ended by its `max_minutes`, before its epochs were done and before its `patience` was over.

    Raises:
        RecordError: its summary is damaged.
    """
    advice = "Move it away: the run writes it again when it ends."
    return (read_json(Path(folder) / SUMMARY, advice) or {}).get("ending") == CUT


def read_json(path: Path, advice: str) -> dict | None:
    """A JSON object, or None where there is no file.

    Args:
        path: of the file.
        advice: what to do where it is damaged.

    Raises:
        RecordError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError(f"a {type(value).__name__}, not an object")
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are such
        raise RecordError(f"{path} is damaged. {advice} Received: {error}") from error
    return value


def refuse_taken(folder: str | Path) -> None:
    """Raises RecordError where a run is there already."""
    if holds_run(folder):
        raise RecordError(
            f"{folder} already holds a run. Continue it with --run {folder} --resume, or choose another --run; "
            f"without --run a free folder under runs/ is taken."
        )


@contextlib.contextmanager
def held(folder: str | Path) -> Iterator[None]:
    """Holds a run's folder while it is trained: a second training there would delete the states of the first.

    The system lets go of it when the process ends, however it ends, and no file is left behind. Where the system
    cannot hold a folder, as on Windows and on some network drives, nothing is held.

    Args:
        folder: of a run; it is there.

    Raises:
        RecordError: another training holds it.
    """
    if fcntl is None:
        yield
        return
    place = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RecordError(
                f"Another training is at work in {folder}. Wait until it ends, or end it: then --resume continues "
                f"where it stopped. For a training beside it, choose another --run. Received: --run {folder}"
            ) from None
        except OSError:  # a drive without locks
            pass
        yield
    finally:
        os.close(place)


def refuse_absent(folder: str | Path) -> None:
    """Raises RecordError where there is no run to resume."""
    if not holds_run(folder):
        raise RecordError(f"There is no run to resume in {folder}. Leave --resume out to start one.")


def require_writable(folder: str | Path) -> None:
    """Raises RecordError where a run's folder cannot be made or written to."""
    if reason := atomic_files.obstacle(Path(folder).absolute()):
        raise RecordError(f"The run cannot be kept: {reason}. Received: --run {folder}. Choose another --run.")


def refuse_record(folder: str | Path) -> None:
    """Raises RecordError for a folder among the committed records, which `make results` alone writes.

    Args:
        folder: as typed; relative to the current folder.
    """
    place = Path(folder).resolve()
    # A path may be typed in a checkout or anywhere else: both roots are looked at.
    if any(place.is_relative_to((root / experiments.FOLDER).resolve()) for root in (Path.cwd(), _CHECKOUT)):
        start = f" To start from its weights, add --init-weights {folder}." if _has_weights(place) else ""
        raise RecordError(
            f"{experiments.FOLDER} holds the committed records of the reproduction, and only `make results` writes "
            f"there. Choose another folder, as in --run runs/{place.name}, or leave --run out.{start} "
            f"Received: --run {folder}"
        )


def _has_weights(folder: Path) -> bool:
    from colorizer import weights  # loads NumPy, which wrong flags do not wait for

    return (folder / weights.BEST).is_file()
