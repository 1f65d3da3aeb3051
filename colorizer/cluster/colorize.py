"""A tree of photographs of any size, in chunks, on every machine of a Ray cluster.

    list IN -> chunks of (source, target) -> a task each: what is there is skipped, the rest is fetched, colorized
    by `Colorizer.colorize_files` and put under its final name in one step -> rows -> OUT/report.parquet

A chunk whose worker or machine is lost is given out again, photo by photo, so that a photo that kills its worker
costs itself and nothing else. Every step may happen twice without harm.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import fsspec
import pandas as pd
import ray

from colorizer import atomic_files, photos
from colorizer.cli import file_plan
from colorizer.cli import progress as reporting
from colorizer.errors import ClassifierError, WeightsError
from colorizer.inference.batch_files import Outcome

REPORT = "report.parquet"
ATTEMPTS = 3  # at a photo whose worker is lost, each on another worker; machines are lost too
WAITING = 4  # chunks given out per core of the cluster: enough to be busy, few enough for the driver's memory

Pairs = Sequence[tuple[str, str]]


class Options(NamedTuple):
    """How photographs are colorized; see `colorize.py`."""

    weights: str
    classifier: str | None = None
    strength: float = 1.0
    quality: int = photos.JPEG_QUALITY
    batch_size: int = 8


def pairs_of(source: str, output: str) -> list[tuple[str, str]]:
    """Which photograph of a tree goes where.

    Args:
        source: a folder, as a path or as an address that fsspec opens.
        output: another; its report and what begins with a dot are no photographs.

    Returns:
        (address, address) pairs, sorted.

    Raises:
        ValueError: no photograph is there, or one would replace another.

    Source: ours; names as `colorize.py` gives them.
    """
    system, root = fsspec.core.url_to_fs(source)
    _, target = fsspec.core.url_to_fs(output)
    root, target = root.rstrip("/"), target.rstrip("/")
    if root == target:
        raise ValueError(f"OUT is another folder than IN. Received: {source} for both")
    inside = f"{target}/" if target.startswith(f"{root}/") else None
    names = [
        name[len(root) + 1 :]
        for name in sorted(system.find(root))
        if photos.is_photo_name(name) and not (inside and name.startswith(inside))
    ]
    if not names:
        raise ValueError(f"no photos ({', '.join((*photos.EXTENSIONS, *photos.ONLY_READ))}) in {source}")
    found = [(Path(name), PurePosixPath(name)) for name in names]
    base, into = source.rstrip("/"), output.rstrip("/")
    return [
        (f"{base}/{place.as_posix()}", f"{into}/{target.as_posix()}") for place, target in file_plan.places(found, None)
    ]


def chunk(pairs: Pairs, options: Options) -> list[Outcome]:
    """Colorizes some photographs, in a worker.

    Args:
        pairs: addresses of sources and targets.
        options: see `Options`.

    Returns:
        An `Outcome` for each, with its addresses; a photograph that fails does not stop the others.

    Source: ours.
    """
    with tempfile.TemporaryDirectory(prefix="colorizer-") as folder:
        return list(_chunk(pairs, options, Path(folder)))


def _chunk(pairs: Pairs, options: Options, folder: Path) -> Iterator[Outcome]:
    """`chunk`, with a folder for what is fetched and made of buckets."""
    local, unready = [], {}
    for number, (source, target) in enumerate(pairs):
        try:
            local.append(_fetched(source, target, folder / str(number)))
        except OSError as error:  # one photo that cannot be fetched
            unready[source] = Outcome(source, target, f"cannot be fetched: {error}")
            local.append(None)
    work = [pair for pair in local if pair]
    done = iter(_colorizer(options).colorize_files(work, options.batch_size, options.strength, quality=options.quality))
    for (source, target), pair in zip(pairs, local, strict=True):
        if pair is None:
            yield unready[source]
            continue
        outcome = next(done)._replace(source=source, target=target)
        if not outcome.error and not outcome.skipped and str(pair[1]) != _path(target):
            try:
                _put(pair[1], target)
            except OSError as error:
                outcome = outcome._replace(error=f"cannot be written: {error}")
        elif outcome.skipped and str(pair[1]) != _path(target):
            pair[1].unlink()
        yield outcome


def _path(address: str) -> str:
    """The path of a local address, else ""."""
    system, path = fsspec.core.url_to_fs(address)
    return path if "file" in (system.protocol, *system.protocol) else ""


def _fetched(source: str, target: str, folder: Path) -> tuple[Path, Path]:
    """Local paths of a photograph and of its copy; a copy that is in a bucket already is an empty file here."""
    name, copy = PurePosixPath(source).name, PurePosixPath(target).name
    read, written = _path(source), _path(target)
    folder.mkdir()
    made = Path(written) if written else folder / f"of-{copy}"
    system, path = fsspec.core.url_to_fs(target)
    there = system.exists(path)
    if not written and there:
        made.touch()
    if not read and not there:
        fetched = folder / name
        origin, path = fsspec.core.url_to_fs(source)
        origin.get_file(path, str(fetched))
        return fetched, made
    return Path(read or folder / name), made


def _put(copy: Path, target: str) -> None:
    """Puts a copy under its name: object stores show an object when all of it is there."""
    system, path = fsspec.core.url_to_fs(target)
    system.makedirs(system._parent(path), exist_ok=True)
    system.put_file(str(copy), path)
    copy.unlink()


_kept: dict = {}  # of a worker process: loading the network takes longer than a photograph


def _colorizer(options: Options):
    from colorizer.inference import colorizer

    key = (options.weights, options.classifier)
    if key not in _kept:
        _kept.clear()
        _kept[key] = colorizer.Colorizer.load(*key)
    return _kept[key]


def run(
    pairs: Pairs, work: Callable[[Pairs], list[Outcome]], size: int = 64, cpus: float = 1, gpus: float = 0
) -> Iterator[Outcome]:
    """Gives chunks to the workers of a Ray cluster, as fast as they take them.

    Args:
        pairs: from `pairs_of`.
        work: does a chunk; `chunk` with its options.
        size: photographs in a chunk.
        cpus, gpus: what one task takes.

    Yields:
        An `Outcome` for each pair, as chunks end. One whose worker is lost `ATTEMPTS` times has failed.

    Source: Ray Core tasks; DISTRIBUTED: Ray Data hangs where a machine is lost.
    """
    # Retries are ours: Ray's own would begin the same chunk again and die of the same photograph.
    threads = str(max(1, int(cpus)))
    env = {"env_vars": {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads}}
    task = ray.remote(num_cpus=cpus, num_gpus=gpus, scheduling_strategy="SPREAD", max_retries=0, runtime_env=env)(
        lambda some: work(some)  # Ray takes functions, no partial ones
    )
    coming = deque((pairs[start : start + size], 0) for start in range(0, len(pairs), size))
    given: dict = {}
    unsure: list[str] = []  # local targets of lost workers, which may have left half a file beside each
    most = WAITING * max(1, int(ray.cluster_resources().get("CPU", 1)))
    while coming or given:
        while coming and len(given) < most:
            some, lost = coming.popleft()
            given[task.remote(some)] = some, lost
        (ready, *_), _ = ray.wait(list(given))
        some, lost = given.pop(ready)
        try:
            yield from ray.get(ready)
        except ray.exceptions.RayTaskError as error:  # an exception of ours: weights that cannot be had
            raise error.as_instanceof_cause() from None
        except ray.exceptions.RayError as error:  # the worker or its machine is gone
            unsure.extend(filter(None, (_path(target) for _, target in some)))
            if len(some) > 1:
                coming.extend(([pair], 0) for pair in some)
            elif lost + 1 < ATTEMPTS:
                coming.append((some, lost + 1))
            else:
                line = f"its worker was lost {ATTEMPTS} times ({type(error).__name__})"
                yield Outcome(*some[0], line)
    for path in unsure:  # last of all: a worker may outlive the machine it is said to be lost with
        atomic_files.sweep(path)


def main(flags, prog: str) -> int:
    """The command `colorize`: returns the exit status."""
    from colorizer import weights

    try:
        pairs = pairs_of(flags.input, flags.output)
    except (ValueError, OSError, ImportError) as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 2
    options = Options(
        flags.weights or weights.DEFAULT, flags.classifier, flags.strength, flags.quality, flags.batch_size
    )
    connect()
    progress, rows = reporting.Progress(len(pairs)), []
    try:
        for outcome in run(pairs, partial(chunk, options=options), flags.chunk, flags.cpus, flags.gpus):
            rows.append(_row(outcome))
            progress.step(outcome)
            if outcome.error:
                progress.say(reporting.printable(f"{prog}: {outcome.source}: {outcome.error}"), sys.stderr)
    except (WeightsError, ClassifierError) as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 2
    finally:
        progress.close()
        if rows:
            write_report(rows, flags.output)
        ray.shutdown()
    failed = sum(row["status"] == reporting.FAILED for row in rows)
    print(f"{len(rows) - failed} of {len(pairs)} done")
    return 1 if failed else 0


def connect() -> None:
    """Joins the cluster that RAY_ADDRESS names, or starts one on this machine, for this command alone."""
    ray.init(
        address=os.environ.get("RAY_ADDRESS") or "local", include_dashboard=False, log_to_driver=False, logging_level=30
    )


def _row(outcome: Outcome) -> dict:
    status, reason = reporting.status_of(outcome)
    return {
        "file": str(outcome.source),
        "target": str(outcome.target),
        "seconds": round(outcome.seconds, 2),
        "status": status,
        "reason": reason,
    }


def write_report(rows: list[dict], output: str) -> None:
    """Writes report.parquet: a row for each photograph; one that an earlier run did keeps that run's row.

    Args:
        rows: file, target, seconds, status, reason.
        output: the address of the folder.

    Source: ours.
    """
    address = f"{output.rstrip('/')}/{REPORT}"
    system, path = fsspec.core.url_to_fs(address)
    table = pd.DataFrame(rows)
    if system.exists(path):
        with system.open(path, "rb") as file:
            earlier = pd.read_parquet(file)
        skipped = table["file"][table["status"] == reporting.SKIPPED]
        done = earlier[(earlier["status"] == reporting.DONE) & earlier["file"].isin(skipped)]
        table = pd.concat([table[~table["file"].isin(done["file"])], done])
        table = pd.concat([table, earlier[~earlier["file"].isin(table["file"])]])
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / REPORT
        table.sort_values("file").to_parquet(made, index=False)
        system.makedirs(system._parent(path), exist_ok=True)
        system.put_file(str(made), path)
