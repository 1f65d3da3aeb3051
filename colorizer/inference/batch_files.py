"""Many files, one after another: decoding, network and encoding run at the same time, in bounded memory.

Threads decode the next photographs and encode the last ones while the network works. The limit of what is
in progress counts pixels, not files, so that 5,000 small photographs and one huge one are both safe.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from colorizer import atomic_files, photos
from colorizer.errors import ArgumentError, HintError, PhotoError
from colorizer.inference import full_size, memory

THREADS = 4  # decode and encode around the network; each works on one photo
PIXELS = 48_000_000  # in progress at once: four photos of a camera, under 400 MiB; a single larger one is allowed
LARGE = 16_000_000  # photos of more pixels are checked against the free memory

Predict = Callable[[list[np.ndarray]], list[np.ndarray]]
Steer = Callable[[Path, np.ndarray], np.ndarray | None]


class Outcome(NamedTuple):
    """The result of one file.

    Attributes:
        source: the photograph.
        target: the file of its colored copy.
        error: None, or one line.
        skipped: whether the target existed already and was left alone.
        seconds: time for decoding, its share of the network, merging and encoding.
        notes: one line for each thing that could not be preserved.
    """

    source: Path
    target: Path
    error: str | None = None
    skipped: bool = False
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass
class _Job:
    """A file in progress. Only the thread that iterates over `run` changes it: threads of the pool return values."""

    source: Path
    target: Path
    pixels: int = 0
    step: Future | None = None  # decoding, later encoding
    photo: photos.Photo | None = None
    ab_norm_hat: np.ndarray | None = None
    strength: float = 1.0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    outcome: Outcome | None = None

    def end(self, error: str | None = None, skipped: bool = False) -> None:
        """Sets the outcome and drops the pixels."""
        self.outcome = Outcome(self.source, self.target, error, skipped, self.seconds, self.notes)
        self.step = self.photo = self.ab_norm_hat = None

    def can_end(self) -> bool:
        """Whether `_ended` returns without waiting."""
        return self.outcome is not None or self.step.done()


class _Step(NamedTuple):
    """What a thread of the pool returns for one photo."""

    seconds: float
    error: str | None = None
    photo: photos.Photo | None = None
    notes: Sequence[str] = ()


def run(
    predict: Predict,
    pairs: Iterable[tuple[str | Path, str | Path]],
    *,
    batch_size: int,
    strength: float = 1.0,
    overwrite: bool = False,
    quality: int = photos.JPEG_QUALITY,
    steer: Steer | None = None,
) -> Iterator[Outcome]:
    """Colorizes files.

    Args:
        predict: list of photographs, each (H, W, 3) -> list of `ab_norm_hat`, as `Colorizer.predict_ab`.
        pairs: source and target of each photograph; missing folders of targets are created.
        batch_size: photographs in one forward pass, at least 1.
        strength: factor of the colors, 0..1.
        overwrite: False leaves existing targets alone and yields `skipped` for them.
        quality: see `photos.write`.
        steer: source and pixels of a photograph -> its `ab_norm_hat` with hints, which has its strength already; None
            for a photograph without hints.

    Yields:
        An `Outcome` for each pair, in order. A photograph that fails does not stop the others.
    """
    coming = (_Job(Path(source), Path(target), strength=strength) for source, target in pairs)
    decoding: deque[_Job] = deque()
    writing: deque[_Job] = deque()
    upcoming = _prepared(next(coming, None), overwrite)
    pool = ThreadPoolExecutor(THREADS)
    swept: set[Path] = set()
    try:
        while upcoming or decoding or writing:
            pixels = sum(job.pixels for job in (*decoding, *writing))
            while upcoming and len(decoding) < 2 * batch_size:
                if pixels and pixels + upcoming.pixels > PIXELS:
                    break
                if not upcoming.outcome:
                    upcoming.step = pool.submit(_decode, upcoming.source)
                pixels += upcoming.pixels
                decoding.append(upcoming)
                upcoming = _prepared(next(coming, None), overwrite)
            batch = _next_batch(decoding, batch_size)
            if steer:
                _steer(steer, batch)
            _predict_colors(predict, batch)
            for job in batch:
                if not job.outcome:
                    _sweep(job.target.parent, swept)
                    job.step = pool.submit(_encode, job.target, job.photo, job.ab_norm_hat, job.strength, quality)
                    job.photo = job.ab_norm_hat = None
                writing.append(job)
            if writing and not decoding:  # the next photo does not fit before one is written
                yield _ended(writing.popleft())
            while writing and writing[0].can_end():
                yield _ended(writing.popleft())
    finally:  # also after Ctrl-C: files being written are completed, waiting ones are dropped
        pool.shutdown(wait=True, cancel_futures=True)


def require_settings(batch_size: int, strength: float) -> None:
    """Refuses a batch of no photograph, and a factor of the colors out of range.

    Raises:
        ArgumentError: `batch_size` is less than 1, or `strength` lies outside 0..1.
    """
    full_size.require_strength(strength)
    if batch_size < 1:
        raise ArgumentError(f"batch_size is 1 or more. Received: {batch_size}")


def _prepared(job: _Job | None, overwrite: bool) -> _Job | None:
    """The job with its number of pixels, or with its outcome where there is nothing to do."""
    if job is None:
        return None
    if not overwrite and os.path.exists(job.target):
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


def _decode(source: Path) -> _Step:
    """Decodes a photograph, in a thread of the pool."""
    start = time.perf_counter()
    try:
        photo, error = photos.read(source), None
    except PhotoError as problem:
        photo, error = None, problem.reason
    return _Step(time.perf_counter() - start, error, photo)


def _next_batch(decoding: deque[_Job], batch_size: int) -> list[_Job]:
    """The next decoded jobs: at most a forward pass, and at most a third of the pixels allowed in progress."""
    batch: list[_Job] = []
    while decoding and len(batch) < batch_size:
        if batch and sum(job.pixels for job in batch) + decoding[0].pixels > PIXELS // 3:
            break
        job = decoding.popleft()
        if job.step:
            result = job.step.result()
            job.step, job.photo = None, result.photo  # a future keeps its result in memory
            job.seconds += result.seconds
            if result.error:
                job.end(result.error)
            else:
                job.notes = tuple(result.photo.notes)
        batch.append(job)
    return batch


def _steer(steer: Steer, batch: list[_Job]) -> None:
    """Gives the photographs of a batch that have hints their colors."""
    for job in batch:
        if job.outcome:
            continue
        start = time.perf_counter()
        try:
            job.ab_norm_hat = steer(job.source, job.photo.rgb)
        except Exception as error:  # hints outside of the photo, too little memory: the others must not fail with it
            job.end(reason_of(error))
            continue
        if job.ab_norm_hat is not None:
            job.strength = 1.0
            job.seconds += time.perf_counter() - start


def _predict_colors(predict: Predict, batch: list[_Job]) -> None:
    """Predicts the colors of a batch; if that fails, of each photo alone."""
    jobs = [job for job in batch if not job.outcome and job.ab_norm_hat is None]
    if not jobs:
        return
    start = time.perf_counter()
    try:
        predictions = predict([job.photo.rgb for job in jobs])
    except Exception as error:  # one photo, or too little memory for all: the others must not fail with it
        predictions = [_predict_one(predict, job) if len(jobs) > 1 else reason_of(error) for job in jobs]
    share = (time.perf_counter() - start) / len(jobs)
    for job, prediction in zip(jobs, predictions, strict=True):
        job.seconds += share
        if isinstance(prediction, str):
            job.end(prediction)
        else:
            job.ab_norm_hat = prediction


def _predict_one(predict: Predict, job: _Job) -> np.ndarray | str:
    """The colors of one photo, or the reason why there are none."""
    try:
        return predict([job.photo.rgb])[0]
    except Exception as error:
        return reason_of(error)


def reason_of(error: BaseException) -> str:
    """Why a file cannot be colorized, in one line, for an exception that nobody expects."""
    if isinstance(error, MemoryError):
        return "not enough memory to colorize it at its size"
    if isinstance(error, HintError):
        return " ".join(str(error).split())
    return f"cannot be colorized: {' '.join(str(error).split())[:300] or type(error).__name__}"


def _encode(target: Path, photo: photos.Photo, ab_norm_hat: np.ndarray, strength: float, quality: int) -> _Step:
    """Merges colors and luminance and writes the file, in a thread of the pool."""
    start = time.perf_counter()
    error, notes = None, ()
    try:
        rgb = full_size.merge(photo.rgb, ab_norm_hat, strength, out=photo.rgb)  # in place, to save memory
        notes = photos.write(target, photos.with_pixels(photo, rgb), quality=quality)
    except PhotoError as problem:
        error = str(problem)
    except Exception as problem:
        error = reason_of(problem)
    return _Step(time.perf_counter() - start, error, notes=notes)


def _ended(job: _Job) -> Outcome:
    """The outcome of a job; waits for its encoding."""
    if not job.outcome:
        result = job.step.result()
        job.seconds += result.seconds
        job.notes += tuple(result.notes)
        job.end(result.error)
    return job.outcome


def _sweep(folder: Path, swept: set[Path]) -> None:
    """Removes temporary photographs of killed processes from a folder, once."""
    if folder in swept:
        return
    swept.add(folder)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            process = atomic_files.writer_of(entry.name)
            if process and photos.is_photo_name(entry.name[1:]) and not atomic_files.is_alive(process):
                os.unlink(entry.path)
