"""Finished parts of a film, beside its result while that is being made: what a later run continues from.

A part is a shot, or a piece of a long one. It is one file, whole or not there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from colorizer import atomic_files
from colorizer.film.carry import Key
from colorizer.film.encoder import Packet

RECORD = "film.json"


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
    """The finished parts of one film.

    Args:
        output: the result's file; the parts lie in a hidden folder beside it.
        record: what the parts depend on: the source's size and date, weights, settings. Parts of another record are
            removed.
    """

    def __init__(self, output: Path, record: dict):
        self.folder = output.with_name(f".{output.name}.parts")
        file = self.folder / RECORD
        try:
            same = json.loads(file.read_text(encoding="utf-8")) == record
        except (OSError, ValueError):
            same = False
        if not same:
            self.remove()
            atomic_files.write_json(file, record)
        else:
            atomic_files.sweep_folder(self.folder)
        self.endings: list[Ending] = []
        self.read()

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
        return self.folder / f"{number:05d}.npz"

    def add(self, packets: list[Packet], ending: Ending) -> None:
        """Writes a part."""
        save(self.file(len(self.endings)), packets, ending)
        self._append(ending)

    def forget(self, number: int) -> None:
        """Removes the parts from a number on."""
        for later in range(number, len(self.endings)):
            self.file(later).unlink(missing_ok=True)
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

    def remove(self) -> None:
        """Removes the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


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
