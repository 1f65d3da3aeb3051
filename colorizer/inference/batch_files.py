"""Many files, one after another: decoding, network and encoding at the same time, in flat memory.

Threads decode what comes next and encode what is done while the network works. How much is under way
is limited in pixels, not in files: 5,000 small photographs and one huge one take the same care.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from colorizer import atomic_files, photos
from colorizer.errors import PhotoError
from colorizer.inference import full_size, memory

THREADS = 4  # decode and encode around the network; each works on one photo
PIXELS = 72_000_000  # under way at once, but one photo always may: about half a gigabyte
LARGE = 16_000_000  # pixels from which on it is asked whether the memory is there

Predict = Callable[[list[np.ndarray]], list[np.ndarray]]


class Outcome(NamedTuple):
    """What became of one file.

    Attributes:
        source: the photograph.
        target: where its copy in colour is, or would be.
        error: None, or one line.
        skipped: the target was there already.
        seconds: of decoding, its share of the network, merging and encoding.
        notes: lines about what could not be kept.
    """

    source: Path
    target: Path
    error: str | None = None
    skipped: bool = False
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass
class _Job:
    """A file under way: what waits for it, and what it holds meanwhile."""

    source: Path
    target: Path
    pixels: int = 0
    outcome: Outcome | None = None
    photo: photos.Photo | None = None
    colours: np.ndarray | None = None
    work: Future | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = field(default=())

    def end(self, error: str | None = None, skipped: bool = False) -> None:
        self.photo, self.colours, self.work = None, None, None
        self.outcome = Outcome(self.source, self.target, error, skipped, self.seconds, self.notes)


def run(
    predict: Predict,
    pairs: Iterable[tuple[str | Path, str | Path]],
    batch_size: int,
    strength: float = 1.0,
    overwrite: bool = False,
    quality: int = photos.JPEG_QUALITY,
) -> Iterator[Outcome]:
    """Colorizes files.

    Args:
        predict: photographs, each (H, W, 3) -> `ab_norm_hat` of each, as `Colorizer.predict_ab`.
        pairs: source and target of each; a target's folder is made.
        batch_size: photos in one forward pass.
        strength: of the colours, 0..1.
        overwrite: otherwise targets that are there are left alone and yield `skipped`.
        quality: see `photos.write`.

    Yields:
        An `Outcome` for each pair, in order; a photo that fails does not stop the others.

    Source: ours.
    """
    coming = (_Job(Path(source), Path(target)) for source, target in pairs)
    decoding: deque[_Job] = deque()
    writing: deque[_Job] = deque()
    upcoming = _prepared(next(coming, None), overwrite)
    pool = ThreadPoolExecutor(THREADS)
    swept: set[Path] = set()
    try:
        while upcoming or decoding or writing:
            under_way = sum(job.pixels for job in (*decoding, *writing))
            while upcoming and len(decoding) < 2 * batch_size:
                if under_way and under_way + upcoming.pixels > PIXELS:
                    break
                if not upcoming.outcome:
                    upcoming.work = pool.submit(_read, upcoming)
                under_way += upcoming.pixels
                decoding.append(upcoming)
                upcoming = _prepared(next(coming, None), overwrite)
            batch = _next_batch(decoding, batch_size)
            _colour(predict, batch)
            for job in batch:
                if not job.outcome:
                    _sweep(job.target.parent, swept)
                    job.work = pool.submit(_merge_and_write, job, strength, quality)
                writing.append(job)
            if writing and not decoding:  # no room for the next before one is written
                yield _finished(writing.popleft())
            while writing and (writing[0].outcome or writing[0].work.done()):
                yield _finished(writing.popleft())
    finally:  # also after Ctrl-C: what is being written is finished, what waits is dropped
        pool.shutdown(wait=True, cancel_futures=True)


def _prepared(job: _Job | None, overwrite: bool) -> _Job | None:
    """The job with its size, or with its outcome where nothing is to be done."""
    if job is None:
        return None
    if job.target.exists() and not overwrite:
        job.end(skipped=True)
        return job
    try:
        job.pixels, need = photos.probe(job.source)
        error = memory.shortage(need) if job.pixels >= LARGE else None
    except PhotoError as problem:
        error = problem.reason
    if error:
        job.pixels = 0
        job.end(error)
    return job


def _read(job: _Job) -> None:
    """Decodes a job's photograph, in a thread of the pool."""
    began = time.perf_counter()
    try:
        job.photo = photos.read(job.source)
        job.notes = tuple(job.photo.notes)
        job.seconds += time.perf_counter() - began
    except PhotoError as error:
        job.end(error.reason)


def _next_batch(decoding: deque[_Job], batch_size: int) -> list[_Job]:
    """The next jobs, decoded: a forward pass of photos, and not more than a third of what may be under way."""
    batch: list[_Job] = []
    while decoding and len(batch) < batch_size:
        if batch and sum(job.pixels for job in batch) + decoding[0].pixels > PIXELS // 3:
            break
        job = decoding.popleft()
        if job.work:
            job.work.result()
        batch.append(job)
    return batch


def _colour(predict: Predict, batch: list[_Job]) -> None:
    """Asks the network for the colours of a batch; if that fails, for each photo alone."""
    jobs = [job for job in batch if not job.outcome]
    if not jobs:
        return
    began = time.perf_counter()
    try:
        found = predict([job.photo.rgb for job in jobs])
    except Exception as error:  # of memory, or of one photo: it must not cost the others
        found = [_alone(predict, job) if len(jobs) > 1 else _line(error) for job in jobs]
    share = (time.perf_counter() - began) / len(jobs)
    for job, colours in zip(jobs, found, strict=True):
        job.seconds += share
        if isinstance(colours, str):
            job.end(colours)
        else:
            job.colours = colours


def _alone(predict: Predict, job: _Job):
    """The colours of one photo, or one line."""
    try:
        return predict([job.photo.rgb])[0]
    except Exception as error:
        return _line(error)


def _line(error: BaseException) -> str:
    """An exception in one line."""
    if isinstance(error, MemoryError):
        return "not enough memory to colorize it at its size"
    return f"cannot be colorized: {' '.join(str(error).split())[:300] or type(error).__name__}"


def _merge_and_write(job: _Job, strength: float, quality: int) -> None:
    """Joins and encodes, in a thread of the pool."""
    began = time.perf_counter()
    error = None
    try:
        photo = job.photo
        rgb = full_size.merge(
            photo.rgb, job.colours, strength, out=photo.rgb
        )  # in place: nobody needs the grey one now
        photos.write(job.target, photos.coloured(photo, rgb), quality=quality)
    except PhotoError as problem:
        error = str(problem)
    except Exception as problem:
        error = _line(problem)
    job.seconds += time.perf_counter() - began
    job.end(error)


def _finished(job: _Job) -> Outcome:
    """The outcome, waited for."""
    if not job.outcome:
        job.work.result()
    return job.outcome


def _sweep(folder: Path, swept: set[Path]) -> None:
    """Removes what killed processes left in a folder: temporary photographs whose process is gone."""
    if folder in swept:
        return
    swept.add(folder)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            process = atomic_files.writer_of(entry.name)
            if process and photos.is_photo_name(entry.name[1:]) and not _alive(process):
                os.unlink(entry.path)


def _alive(process: int) -> bool:
    """Whether a process of this machine is there."""
    if os.name == "nt":  # where asking would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
