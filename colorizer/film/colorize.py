"""Colorizes one film: frames -> colors -> parts -> one file.

    reader -> carry (the network sees key frames) -> join -> encoder -> parts, one a shot -> container

Frames stream through; memory does not depend on the film's length.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from colorizer.errors import FilmError
from colorizer.film import carry, container, encoder, join, prediction
from colorizer.film.carry import Key
from colorizer.film.encoder import CRF, Encoder, Encoding, Packet
from colorizer.film.parts import Ending, Parts, partial_name, require_partial_name, save
from colorizer.film.probe import Film, probe, require_av
from colorizer.film.reader import Reader

if TYPE_CHECKING:
    from colorizer.inference.colorizer import Colorizer

VERSION = 5  # of the colors and of the parts' files; parts of another version are made again
PART_FRAMES = 240  # a long shot is written in pieces: what a kill may cost


@dataclass(frozen=True)
class Settings:
    """How a film is colorized.

    Attributes:
        strength: of the colors, 0..1.
        codec: see `encoder.choose`.
        crf: constant rate factor, less is better.
        preview: seconds from the first picture; None for the whole film.
        deinterlace: whether two fields become one frame.
        every: frames from one key frame to the next, at most.
        bits: of a channel in the result, at most: 8, or 10 for films that have more than 8.
    """

    strength: float = 1.0
    codec: str = "h264"
    crf: int = CRF
    preview: float | None = None
    deinterlace: bool = False
    every: int = carry.EVERY
    bits: int = 10


@dataclass
class Result:
    """What became of a film.

    Attributes:
        frames: how many were written.
        shots: how many begin in what this run colorized; in a run that resumes none, those of the film.
        keys: how many frames the network saw in this run.
        resumed: frames that an earlier run had done.
        notes: lines about what is not as in the source.
        cut_short: seconds that the source should go on for but does not; the result then has another name.
        output: the file.
    """

    output: Path
    frames: int = 0
    shots: int = 0
    keys: int = 0
    resumed: int = 0
    notes: list[str] = field(default_factory=list)
    cut_short: float = 0.0

    @property
    def error(self) -> str | None:
        """A line where the source ends early; else None."""
        if not self.cut_short:
            return None
        ends = f"ends {self.cut_short:.1f} s before its stated end: truncated or damaged"
        return f"{ends}. What could be read is in {self.output}"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after what is done was written.

    Attributes:
        output: the file with what is done; None where nothing is, or where it cannot be written.
        seconds: its length, or that of what a later run continues from.
        reason: why it cannot be written; else "".
    """

    def __init__(self, output: Path | None, seconds: float, reason: str = ""):
        super().__init__()
        self.output, self.seconds, self.reason = output, seconds, reason


def colorize(
    colorizer: Colorizer,
    source: str | Path,
    output: str | Path,
    settings: Settings | None = None,
    *,
    film: Film | None = None,
    encoding: Encoding | None = None,
    progress: Callable[[int], None] | None = None,
    overwrite: bool = False,
) -> Result:
    """Colorizes a film; an earlier run that was killed is continued.

    Args:
        colorizer: any; its `predict_ab` is asked for key frames.
        source: a film that PyAV reads.
        output: the file to write or replace; its ending says the container.
        settings: see `Settings`; None takes the defaults.
        film: from `probe`, where the caller has it.
        encoding: from `prepare`, where the caller has it.
        progress: is called with the number of finished frames.
        overwrite: whether what an earlier run finished with other settings, weights or of another source is removed;
            else the film is refused.

    Returns:
        A `Result`. Where the source ends early, its `output` is `partial_name`.

    Raises:
        FilmError: the source cannot be read, the result cannot be written, another run is making it now, an
            earlier one finished parts with other settings, or `partial_name` is a file that no interrupted run left.
        UsageError: container and codec do not go together, or PyAV is not installed.
        Interrupted: Ctrl-C.
    """
    output, settings, av = Path(output), settings or Settings(), require_av()
    film = film or probe(source)
    encoding = encoding or prepare(film, output, settings)
    with _writing(output):
        parts = Parts(output, _record(film, colorizer, settings, encoding), overwrite)
    with parts:
        resumed = parts.frames
        reader = Reader(film, settings.deinterlace, encoding.bits)
        worker = _Worker(film, parts, encoding, progress)
        try:
            if not (parts.endings and parts.endings[-1].whole):
                worker.run(colorizer, reader, settings)
        except KeyboardInterrupt:
            raise _interrupted(worker, film, parts, output, encoding) from None
        except av.error.FFmpegError as error:
            raise FilmError(film.path, f"cannot be decoded or encoded: {error.strerror}") from error
        except OSError as error:
            raise FilmError(output, f"cannot be written: {error.strerror or error}") from error
        result = finish(reader, parts, settings, encoding)
        return replace(result, shots=worker.shots, keys=worker.keys, resumed=resumed)


def prepare(film: Film, output: Path, settings: Settings) -> Encoding:
    """Chooses the encoder, and looks for what would fail after hours of work; nothing is written.

    Args:
        film: from `probe`.
        output: the file to write.
        settings: see `Settings`.

    Raises:
        FilmError: the encoder or the container does not take the film, or `partial_name` is a file that no interrupted
            run left.
        UsageError: container and codec do not go together, or PyAV is not installed.
    """
    encoding = encoder.choose(output, settings.codec, settings.crf, film.bits if settings.bits > 8 else 8)
    Encoder(film, encoding)
    container.try_out(film, output, encoding)
    require_partial_name(film.path, output)
    return encoding


def finish(reader: Reader, parts: Parts, settings: Settings, encoding: Encoding) -> Result:
    """Makes the film of its parts, and removes them.

    Args:
        reader: of the source, after its last frame; unread where an earlier run has closed the parts.
        parts: all of them.
        settings: see `Settings`.
        encoding: that the parts were encoded with.

    Raises:
        FilmError: there is no frame, or the result cannot be written.
    """
    film, output = reader.film, parts.output
    if not parts.endings:
        parts.remove()
        raise FilmError(film.path, "no frame can be decoded (0 frames)")
    notes = [*film.notes(settings.deinterlace), *filter(None, [encoding.note])]
    if reader.damaged:
        notes.append(f"damaged places that could not be decoded: {reader.damaged}")
    result = Result(output, frames=parts.frames, notes=notes)
    if not settings.preview:
        result.cut_short = reader.missing if reader.end else 0.0
    if result.cut_short:
        result.output = partial_name(output)
        require_partial_name(film.path, output)  # hours have passed
    elif not settings.preview:
        with _writing(output):
            parts.close()
    result.notes += container.write(film, parts, result.output, encoding)
    if not result.cut_short:
        parts.remove_partial()
    parts.remove()
    return result


@contextlib.contextmanager
def _writing(output: Path) -> Iterator[None]:
    """Says which file cannot be written."""
    try:
        yield
    except OSError as error:
        raise FilmError(output, f"cannot be written: {error.strerror or error}") from error


def colorize_shot(
    colorizer: Colorizer,
    film: Film,
    settings: Settings,
    encoding: Encoding,
    *,
    after: int | None,
    last: int,
    file: Path,
) -> None:
    """Colorizes one shot into a part's file; another process puts the parts together.

    Args:
        colorizer: any.
        film: from `probe`.
        settings: see `Settings`.
        encoding: from `encoder.choose`.
        after: time stamp of the last frame before the shot; None for the first shot.
        last: time stamp of the shot's last frame.
        file: of the part, see `Parts.file`.

    Raises:
        FilmError: the source cannot be read.
    """
    reader, packets, count = Reader(film, settings.deinterlace, encoding.bits), [], 0
    work, matrix = Encoder(film, encoding), join.matrix_of(encoder.color_tags(film)["colorspace"])
    frames = itertools.takewhile(lambda frame: frame.time <= last, reader.frames(after, settings.preview))
    predict = prediction.predictor(colorizer, film.quarter_turns, film.aspect, film.flipped)
    for colored in carry.colored(frames, predict, every=settings.every):
        frame, count = colored.frame, count + 1
        planes = _planes(colored, matrix, settings.strength)
        packets += work.add(planes, frame.time, frame.duration)
    if not count:
        raise FilmError(film.path, f"no frame can be decoded after time stamp {after}")
    save(file, packets + work.finish(), Ending(last, count, None))


def _planes(colored: carry.Colored, matrix: np.ndarray, strength: float) -> join.Planes:
    gray, deep = (None if one is None else join.even(one) for one in (colored.frame.gray, colored.frame.deep))
    return join.planes(gray, colored.ab_norm, matrix, strength, deep)


class _Worker:
    """Colors frames and collects packets until a part is finished."""

    def __init__(self, film: Film, parts: Parts, encoding: Encoding, progress: Callable[[int], None] | None):
        self.film, self.parts, self.encoding, self.progress = film, parts, encoding, progress
        self.shots = self.keys = 0
        self._matrix = join.matrix_of(encoder.color_tags(film)["colorspace"])
        self._begin()

    def _begin(self) -> None:
        self.packets: list[Packet] = []
        self.frames, self.time, self.encoder = 0, 0, Encoder(self.film, self.encoding)

    def run(self, colorizer: Colorizer, reader: Reader, settings: Settings) -> None:
        """Colors what no earlier run has."""
        last = self.parts.endings[-1] if self.parts.endings else None
        frames = reader.frames(last and last.time, settings.preview)
        predict = prediction.predictor(colorizer, self.film.quarter_turns, self.film.aspect, self.film.flipped)
        key = last and last.key
        for colored in carry.colored(frames, predict, every=settings.every, key=key):
            if colored.starts_shot:
                self.shots += 1
                self.end_part(None)
            self._add(colored, settings.strength)
            if colored.key is not None:
                self.keys += 1
                if self.frames >= PART_FRAMES:
                    self.end_part(colored.key)
        self.end_part(None)

    def _add(self, colored: carry.Colored, strength: float) -> None:
        frame = colored.frame
        planes = _planes(colored, self._matrix, strength)
        self.packets += self.encoder.add(planes, frame.time, frame.duration)
        self.frames, self.time = self.frames + 1, frame.time
        if self.progress:
            self.progress(self.parts.frames + self.frames)

    def end_part(self, key: Key | None, tail: bool = False) -> None:
        """Writes the frames since the last part; see `Parts.add`."""
        if self.frames:
            packets, ending = self.packets + self.encoder.finish(), Ending(self.time, self.frames, key)
            self._begin()  # first: what Ctrl-C stops here is not written a second time
            self.parts.add(packets, ending, tail)


def _interrupted(worker: _Worker, film: Film, parts: Parts, output: Path, encoding: Encoding) -> Interrupted:
    """Writes what is done under a name of its own; the parts stay for a later run."""
    # It may have stopped anywhere, while a part was written too, or on a full disk: then only finished parts count.
    with contextlib.suppress(require_av().error.FFmpegError, OSError):
        worker.end_part(None, tail=True)
    if not parts.endings:
        return Interrupted(None, 0.0)
    target, reason, seconds = partial_name(output), "", _seconds(film, parts)
    try:
        require_partial_name(film.path, output)
        container.write(film, parts, target, encoding)
        parts.note_partial()
    except (FilmError, OSError) as error:
        reason = getattr(error, "reason", None) or error.strerror or str(error)
    finally:
        parts.forget_tail()
    if reason:
        return Interrupted(None, _seconds(film, parts), reason.removeprefix("cannot be written: "))
    return Interrupted(target, seconds)


def _seconds(film: Film, parts: Parts) -> float:
    """The length of what is done."""
    return float(parts.endings[-1].time * film.time_base) - film.start if parts.endings else 0.0


def _record(film: Film, colorizer: Colorizer, settings: Settings, encoding: Encoding) -> dict:
    """What the parts depend on."""
    return {
        "version": VERSION,
        "source": stamp(film.path),
        "colorizer": repr(colorizer),
        "weights": stamp(getattr(colorizer, "weights", None)),
        "settings": asdict(settings),
        "encoding": asdict(encoding),
    }


def stamp(path: Path | None) -> list | None:
    """A file's place, size and date, by which it is known again.

    Args:
        path: the file; None for none.

    Returns:
        [real path, bytes, nanoseconds since 1970]; None for None.
    """
    if path is None:
        return None
    state = os.stat(path)
    return [os.path.realpath(path), state.st_size, state.st_mtime_ns]
