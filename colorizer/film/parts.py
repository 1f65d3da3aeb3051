"""Finished parts of a film, beside its result while that is being made: what a later run continues from.

A part is a shot, or a piece of a long one. It is one file, whole or not there. One run at a time works on them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from colorizer import atomic_files
from colorizer.errors import FilmError
from colorizer.film.carry import Key
from colorizer.film.encoder import Packet

if TYPE_CHECKING:
    import filelock

RECORD, LOCK, NOTE = "film.json", "lock", "part.json"
TAIL = "tail.npz"  # frames of a shot that Ctrl-C stopped: for the file of `partial_name`, not to continue from


@dataclass(frozen=True)
class Ending:
    """How a part ends.

    Attributes:
        time: time stamp of its last frame.
        frames: how many frames it has.
        key: to continue its shot with; None where the shot ends too, and in `Parts.endings` of all but the last part.
        whole: whether it is the film's last.
    """

    time: int
    frames: int
    key: Key | None
    whole: bool = False


class Parts:
    """The finished parts of one film: a context manager, which holds their lock until it is left.

    Args:
        output: the result's file; the parts lie in a hidden folder beside it.
        record: what the parts depend on: the source's size and date, weights, settings.
        overwrite: whether finished parts of another record are removed; else they are refused. Those of a preview are
            removed in any case: it is for trying.

    Raises:
        FilmError: another run holds the lock, or there are finished parts of another record.
    """

    def __init__(self, output: Path, record: dict, overwrite: bool = False):
        self.output, self.folder = output, folder_of(output)
        self.endings: list[Ending] = []
        self._tail: int | None = None  # its number as a part
        self._lock = _locked(output)
        try:
            self._prepare(record, overwrite)
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, *_) -> None:
        self._lock.release()
        if os.name == "nt" and not (self.folder / RECORD).exists():  # what is open cannot be removed there
            shutil.rmtree(self.folder, ignore_errors=True)

    def _prepare(self, record: dict, overwrite: bool) -> None:
        """Keeps what an earlier run with the same record has done, and refuses or removes what another one has.

        What writers of the result left when they were killed goes too: whoever holds the lock is the only writer.
        """
        file = self.folder / RECORD
        try:
            earlier = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            earlier = {}
        if not (earlier == record or overwrite or earlier.get("settings", {}).get("preview")):
            self._require_none(earlier, record)
        for result in (self.output, partial_name(self.output)):
            atomic_files.sweep(result)
        if earlier != record:
            for path in self.folder.iterdir():
                if path.name not in (LOCK, NOTE):
                    path.unlink()
            atomic_files.write_json(file, record)
        else:
            atomic_files.sweep_folder(self.folder)
        self.forget_tail()  # of a run that was killed after Ctrl-C

    def _require_none(self, earlier: dict, record: dict) -> None:
        """Refuses to remove finished parts; on a cluster any of them may be the first."""
        done = sum(ending.frames for file in self.folder.glob("[0-9]*.npz") if (ending := ending_of(file)))
        if done:
            raise FilmError(
                self.output,
                f"an earlier run finished {done} frames of it with something else: {differences(earlier, record)}. "
                f"Repeat that to continue, begin anew with --overwrite, or remove the folder {self.folder}",
            )

    def read(self) -> None:
        """Looks for finished parts, up to the first that is missing."""
        self.endings.clear()
        while (ending := ending_of(self.file(len(self.endings)))) is not None:
            self._append(ending)

    def _append(self, ending: Ending) -> None:
        """Keeps one key in memory, the last part's: those of all would grow with the film."""
        if self.endings:
            self.endings[-1] = replace(self.endings[-1], key=None)
        self.endings.append(ending)

    @property
    def frames(self) -> int:
        """Frames in all parts."""
        return sum(ending.frames for ending in self.endings)

    def file(self, number: int) -> Path:
        """The file of a part."""
        return self.folder / (TAIL if number == self._tail else f"{number:05d}.npz")

    def add(self, packets: list[Packet], ending: Ending, tail: bool = False) -> None:
        """Writes a part.

        Args:
            packets: of its frames.
            ending: how it ends.
            tail: whether it ends in the middle of a shot without a key: no later run continues from it.
        """
        if tail:
            self._tail = len(self.endings)
        save(self.file(len(self.endings)), packets, ending)
        self._append(ending)

    def forget_tail(self) -> None:
        """Removes the part that no run continues from."""
        (self.folder / TAIL).unlink(missing_ok=True)
        self._tail = None
        self.read()

    def close(self) -> None:
        """Says that the last part is the film's last."""
        if self.endings and not self.endings[-1].whole:
            number = len(self.endings) - 1
            last = self.endings[-1]
            self.endings[-1] = Ending(last.time, last.frames, None, True)
            save(self.file(number), list(packets_of(self.file(number))), self.endings[-1])

    def packets(self) -> Iterator[Packet]:
        """All packets, in the order of decoding."""
        for number in range(len(self.endings)):
            yield from packets_of(self.file(number))

    def times(self) -> np.ndarray:
        """The time stamps of all packets, sorted: (n,) int64."""
        arrays = [_load(self.file(number), "times") for number in range(len(self.endings))]
        return np.sort(np.concatenate(arrays)) if arrays else np.zeros(0, np.int64)

    def note_partial(self) -> None:
        """Notes that this program wrote the file of `partial_name`: a later run may replace or remove it."""
        atomic_files.write_json(self.folder / NOTE, _state(partial_name(self.output)))

    def remove_partial(self) -> None:
        """Removes the file of `partial_name` if `note_partial` noted it as it is."""
        if _is_noted(self.output):
            partial_name(self.output).unlink(missing_ok=True)

    def remove(self) -> None:
        """Removes the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def differences(earlier: dict, record: dict) -> str:
    """What two records of parts differ in, in words."""
    # Names of settings hide those of the encoding, which follows them.
    old, new = ({**one, **one.get("encoding", {}), **one.get("settings", {})} for one in (earlier, record))
    words = []
    for name in old.keys() & new.keys() - {"encoding", "settings"}:
        if old[name] != new[name]:
            stamped = isinstance(old[name] or new[name], list)  # a file's size and date say nothing to a reader
            words.append(f"{name} changed" if stamped else f"{name} {old[name]} -> {new[name]}")
    return ", ".join(sorted(words)) or "another version or kind of run"


def folder_of(output: Path) -> Path:
    """The hidden folder of a result's parts."""
    return output.with_name(f".{output.name}.parts")


def partial_name(output: Path) -> Path:
    """Where what is done goes when a film cannot be finished: film-color.part.mp4."""
    return output.with_name(f"{output.stem}.part{output.suffix}")


def require_partial_name(source: Path, output: Path) -> None:
    """Refuses a result whose `partial_name` is a file that this program did not note: it would be replaced.

    Args:
        source: the film.
        output: the result's file.

    Raises:
        FilmError: there is such a file, or it is the source.
    """
    part = partial_name(output)
    if not os.path.exists(part):
        return
    if os.path.samefile(part, source):
        raise FilmError(output, f"the source has the name of its unfinished part, {part}: choose another output")
    if not _is_noted(output):
        raise FilmError(
            output,
            f"the name of its unfinished part, {part}, is another file's, or that of a damaged film's beginning. "
            f"Received: {part.stat().st_size} bytes. Rename or remove it, or choose another output",
        )


def _state(path: Path) -> list[int] | None:
    """Size and date of a file; None where there is none."""
    try:
        state = os.stat(path)
    except OSError:
        return None
    return [state.st_size, state.st_mtime_ns]


def _is_noted(output: Path) -> bool:
    """Whether the file of `partial_name` is as this program left it."""
    try:
        noted = json.loads((folder_of(output) / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return noted is not None and noted == _state(partial_name(output))


def require_free(output: Path) -> None:
    """Refuses a result that another run is making now, before anything is loaded.

    Raises:
        FilmError: there is such a run.
    """
    if folder_of(output).is_dir():
        with contextlib.suppress(OSError):  # a folder of another user: who writes into it reports that
            _locked(output).release()


def _locked(output: Path) -> filelock.BaseFileLock:
    """The lock of a result's parts, held. The system releases it when the process ends, also when it is killed.

    Raises:
        FilmError: another run holds it.
    """
    import filelock  # takes 50 ms

    lock = filelock.FileLock(folder_of(output) / LOCK)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout as error:
        raise FilmError(
            output,
            f"another run is making this film now. Received: a lock that is held, {lock.lock_file}. "
            "Wait until that run ends, stop it, or choose another output",
        ) from error
    return lock


def save(path: Path, packets: list[Packet], ending: Ending) -> None:
    """Writes a part's file, whole or not at all."""
    arrays = {
        "data": np.frombuffer(b"".join(packet.data for packet in packets), np.uint8),
        "sizes": np.array([len(packet.data) for packet in packets], np.int64),
        "times": np.array([packet.time for packet in packets], np.int64),
        "durations": np.array([packet.duration for packet in packets], np.int64),
        "keys": np.array([packet.is_key for packet in packets], bool),
        "ending": np.array([ending.time, ending.frames, ending.whole], np.int64),
    }
    if ending.key is not None:
        arrays |= {f"key_{name}": value for name, value in ending.key._asdict().items()}
    with atomic_files.replacing(path) as part, open(part, "wb") as file:
        np.savez(file, **arrays)


def packets_of(path: Path) -> Iterator[Packet]:
    """The packets of a part's file."""
    with np.load(path) as arrays:
        data, place = arrays["data"].tobytes(), 0
        for size, time, duration, key in zip(
            *(arrays[name] for name in ("sizes", "times", "durations", "keys")), strict=True
        ):
            yield Packet(data[place : place + int(size)], int(time), int(duration), bool(key))
            place += int(size)


def _load(path: Path, name: str) -> np.ndarray:
    with np.load(path) as arrays:
        return arrays[name]


def ending_of(path: Path) -> Ending | None:
    """How a part's file ends; None where it is not there or damaged."""
    try:
        with np.load(path) as arrays:
            time, frames, whole = arrays["ending"].tolist()
            names = [f"key_{name}" for name in Key._fields]
            key = Key(*(arrays[name] for name in names)) if names[0] in arrays else None
            arrays["sizes"], arrays["data"]
    except Exception:  # a missing or damaged file: the part is made again
        return None
    return Ending(time, frames, key, bool(whole))
