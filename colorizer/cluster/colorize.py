"""A tree of photographs of any size, in chunks, on every machine of a Ray cluster.

    list IN and OUT -> skip existing results -> chunks of (source, target) -> one task each: fetch, colorize by
    `Colorizer.colorize_files`, put under the final name in one step -> rows -> OUT/report.parquet

A chunk whose worker or machine is lost is repeated photo by photo, so that a photo that kills its worker
costs only itself. Every step can run twice without harm.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import fsspec
import ray

from colorizer import atomic_files, photos
from colorizer.cli import colorize as command
from colorizer.cli import file_plan, progress, steering
from colorizer.cli import film as command_film
from colorizer.cli.steering import Asked
from colorizer.cluster import film, nodes
from colorizer.cluster.addresses import local_path
from colorizer.cluster.album import list_album
from colorizer.errors import UsageError
from colorizer.film.colorize import stamp
from colorizer.film.probe import is_film_name
from colorizer.inference.batch_files import Outcome
from colorizer.steering import sidecar

ATTEMPTS = 3  # for a photo whose worker is lost, each on another worker; machines are lost too
WAITING = 4  # submitted chunks per core of the cluster: enough to keep it busy, few enough for the driver's memory
# Of TensorFlow, ONNX Runtime and OpenCV.
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
PATIENCE = 300  # seconds without a result after which the nodes are looked at again: one may be gone for good

Pairs = Sequence[tuple[str, str]]


class Options(NamedTuple):
    """How photographs are colorized; see `colorize.py`."""

    weights: str
    classifier: str | None = None
    look: str | None = None
    strength: float = 1.0
    quality: int = photos.JPEG_QUALITY
    batch_size: int = 8
    overwrite: bool = False
    engine: str | None = None
    hints: bool = False  # whether the sidecars beside the photos are read
    reference: str | None = None
    size: int | None = None


def chunk(pairs: Pairs, options: Options) -> list[Outcome]:
    """Colorizes some photographs, in a worker.

    Args:
        pairs: addresses of sources and targets.
        options: see `Options`.

    Returns:
        An `Outcome` for each, with its addresses. A photograph that fails does not stop the others.
    """
    with tempfile.TemporaryDirectory(prefix="colorizer-") as folder:
        return list(_chunk(pairs, options, Path(folder)))


def _chunk(pairs: Pairs, options: Options, folder: Path) -> Iterator[Outcome]:
    """`chunk`, with a folder for what is fetched from buckets and made for them."""
    local: list[tuple[Path, Path] | None] = []
    failed = {}
    for number, (source, target) in enumerate(pairs):
        try:
            local.append(_fetch(source, target, folder / str(number), options))
        except OSError as error:  # a single photo that cannot be fetched
            failed[source] = Outcome(source, target, f"cannot be fetched: {error}")
            local.append(None)
    network, asked = _colorizer(options)
    outcomes = network.colorize_files(
        [pair for pair in local if pair],
        options.batch_size,
        overwrite=options.overwrite,
        strength=options.strength,
        quality=options.quality,
        steering=asked,
    )
    for (source, target), pair in zip(pairs, local, strict=True):
        if pair is None:
            yield failed[source]
            continue
        outcome = next(outcomes)._replace(source=source, target=target)
        if not outcome.error and not outcome.skipped and str(pair[1]) != local_path(target):
            try:
                _put(pair[1], target)
            except OSError as error:
                outcome = outcome._replace(error=f"cannot be written: {error}")
        elif outcome.skipped and str(pair[1]) != local_path(target):
            pair[1].unlink()
        yield outcome


def _fetch(source: str, target: str, folder: Path, options: Options) -> tuple[Path, Path]:
    """Local paths of a photograph and of its copy; a copy that a bucket holds already is an empty file here."""
    read_path, written_path = local_path(source), local_path(target)
    folder.mkdir()
    copy = Path(written_path) if written_path else folder / f"of-{PurePosixPath(target).name}"
    system, path = fsspec.core.url_to_fs(target)
    exists = not options.overwrite and system.exists(path)
    if not written_path and exists:
        copy.touch()
    photo = Path(read_path) if read_path else folder / PurePosixPath(source).name
    if not read_path and not exists:
        origin, path = fsspec.core.url_to_fs(source)
        origin.get_file(path, str(photo))
        if options.hints and origin.exists(f"{path}{sidecar.ENDING}"):
            origin.get_file(f"{path}{sidecar.ENDING}", str(sidecar.beside(photo)))
    return photo, copy


def _put(copy: Path, target: str) -> None:
    """Puts a copy under its name: object stores show an object when all of it is there."""
    system, path = fsspec.core.url_to_fs(target)
    system.makedirs(system._parent(path), exist_ok=True)
    system.put_file(str(copy), path)
    copy.unlink()


_loaded: dict = {}  # of a worker process: loading the network takes longer than a photograph


def _colorizer(options: Options):
    places = (options.weights, options.classifier, options.look, options.engine, options.size)
    key = (*places, options.hints, options.reference)
    if key not in _loaded:
        _loaded.clear()
        network = command.load(*places)
        asked = Asked(beside=options.hints, reference=Path(options.reference) if options.reference else None)
        _loaded[key] = network, asked.for_files(network)
    return _loaded[key]


class _Task(NamedTuple):
    """A chunk for a worker: its pairs, how many workers it has cost, and whether it was given out before."""

    pairs: Pairs
    losses: int = 0
    repeated: bool = False


def run(
    pairs: Pairs,
    work: Callable[[Pairs], list[Outcome]],
    *,
    size: int,
    cpus: float = 1,
    gpus: float = 0,
    resources: Mapping[str, float] | None = None,
) -> Iterator[Outcome]:
    """Gives chunks to the workers of a Ray cluster, as fast as they take them.

    Args:
        pairs: of `list_album`.
        work: colorizes a chunk; `chunk` with its options.
        size: photographs in a chunk; fewer where some cores would have none.
        cpus: that one task takes.
        gpus: that one task takes.
        resources: that one task takes besides, of those that the cluster's machines name.

    Yields:
        An `Outcome` for each pair, as chunks end. A photograph whose worker is lost `ATTEMPTS` times has failed.

    Raises:
        UsageError: nothing ended for `PATIENCE` seconds, no node has what a task takes, and none will be added.
    """
    # Else each of a machine's workers would have a thread on each of its cores.
    env = {"env_vars": dict.fromkeys(THREADS, str(max(1, int(cpus))))}
    # No retries by Ray: it would start the same chunk again and lose the next worker to the same photograph.
    task = ray.remote(
        num_cpus=cpus,
        num_gpus=gpus,
        resources=dict(resources or {}),
        scheduling_strategy="SPREAD",
        max_retries=0,
        runtime_env=env,
    )(lambda pairs: work(pairs))  # Ray takes functions, no partial ones
    cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
    size = min(size, -(-len(pairs) // max(1, int(cores / max(cpus, 1)))))
    coming = deque(_Task(pairs[start : start + size]) for start in range(0, len(pairs), size))
    submitted: dict = {}
    unsure: list[str] = []  # local targets of lost workers, which may have left half a file beside each
    while coming or submitted:
        while coming and len(submitted) < WAITING * cores:
            job = coming.popleft()
            submitted[task.remote(job.pairs)] = job
        ended, _ = ray.wait(list(submitted), timeout=PATIENCE)
        if not ended:
            nodes.require({"CPU": cpus, "GPU": gpus} | dict(resources or {}))
            continue
        (ready,) = ended
        job = submitted.pop(ready)
        try:
            for outcome in ray.get(ready):  # what a lost worker had finished is done, not skipped
                yield outcome._replace(skipped=outcome.skipped and not job.repeated)
        except ray.exceptions.RayTaskError as error:  # an exception of ours, such as damaged weights
            raise error.as_instanceof_cause() from None
        except ray.exceptions.RayError as error:  # the worker or its machine is gone
            unsure.extend(filter(None, (local_path(target) for _, target in job.pairs)))
            if len(job.pairs) > 1:
                coming.extend(_Task([pair], repeated=True) for pair in job.pairs)
            elif job.losses + 1 < ATTEMPTS:
                coming.append(_Task(job.pairs, job.losses + 1, repeated=True))
            else:
                yield Outcome(*job.pairs[0], f"its worker was lost {ATTEMPTS} times ({type(error).__name__})")
    for path in unsure:  # last of all: a worker may outlive the machine that counts as lost
        atomic_files.sweep(path)


def main(flags: argparse.Namespace, prog: str) -> int:
    """The command `colorize`: returns the exit status.

    Raises:
        ColorizerError: input, output, weights or classifier cannot be used.
    """
    from colorizer.cluster.report import Report

    try:
        films = film.list_films(flags.input, flags.output, bool(flags.preview))
        left_out = [] if local_path(flags.output) else [Outcome(*pair, film.LEFT_OUT) for pair in films]
        film.require([] if left_out else films, flags)
        album = list_album(flags.input, flags.output, flags.format, required=not films)
        if left_out and not album.pairs:
            raise UsageError(f"{film.LEFT_OUT}. Received: {flags.output} for {flags.input}, which has films only.")
        if films and not album.pairs:
            command.refuse_flags_of_photos(flags)
        file_plan.check(album.pairs)
        command_film.check([] if left_out else films)
        album.pairs.extend((str(source), str(target)) for source, target in films if not left_out)
        album.sizes.update({str(source): source.stat().st_size for source, _ in films})
        command.check_files(flags)
        steering.check_for_many(flags)
        report = Report(flags.output, album.sizes)
    except (OSError, ImportError, ValueError) as error:  # no permission, no s3fs, an unknown protocol
        raise UsageError(f"{flags.input} or {flags.output} cannot be listed: {error}") from error

    def existing(source: str, target: str) -> progress.Existing | None:
        """As the report says; a preview is for trying, and the next one replaces it."""
        return None if flags.preview and is_film_name(source) else report.existing(source, target)

    work = file_plan.sort_pairs(album.pairs, existing, flags.overwrite)
    work.ended.extend(left_out)
    if flags.dry_run:
        return _dry_run(prog, work)
    bar, outcomes = progress.Progress(len(work.to_do)), []
    try:
        for outcome in _outcomes(flags, work, prog):
            outcomes.append(outcome)
            progress.say_outcome(prog, bar, outcome, outcome.target in work.outdated)
    finally:
        bar.close()
        if outcomes:
            report.write(outcomes)
    statuses = [progress.status_of(outcome)[0] for outcome in outcomes]
    print(progress.summary(statuses))
    return 1 if progress.FAILED in statuses else 0


def _dry_run(prog: str, work: file_plan.Work) -> int:
    """Prints what would be done; no photograph is opened. Returns the exit status."""
    failed = progress.say_ended(prog, work.ended)
    for source, target in work.to_do:
        print(progress.printable(f"{source} -> {target}"))
    print(f"{len(work.to_do)} to colorize, {len(work.ended) - failed} to skip, {failed} would fail")
    return 1 if failed else 0


def _outcomes(flags: argparse.Namespace, work: file_plan.Work, prog: str) -> Iterator[Outcome]:
    """Every photograph's outcome. Ray starts only where there is something to colorize."""
    yield from work.ended
    if not work.to_do:
        return
    options = _options(flags)
    identity = _identity(options)  # before any worker loads the weights
    connect()
    try:
        nodes.require(nodes.takes_of(flags), prog)
        work_on = partial(chunk, options=options)
        takes = {"cpus": flags.cpus, "gpus": flags.gpus, "resources": flags.resources}
        photographs = [pair for pair in work.to_do if not is_film_name(pair[0])]
        if photographs:
            yield from run(photographs, work_on, size=flags.chunk, **takes)
        for source, target in (pair for pair in work.to_do if is_film_name(pair[0])):
            yield film.colorize_film(
                Path(source),
                Path(target),
                command_film.settings_of(flags),
                identity=identity,
                load=lambda: _colorizer(options)[0],
                run=partial(run, size=1, **takes),
                overwrite=flags.overwrite,
            )
    finally:
        ray.shutdown()


def _options(flags: argparse.Namespace) -> Options:
    """What workers are told; names of files are absolute, since workers start in another folder."""
    from colorizer import weights
    from colorizer.classifiers import classifier

    def absolute(name: str | None) -> str | None:
        return str(Path(name).resolve()) if name and Path(name).is_file() else name

    return Options(
        str(weights.place(flags.weights or weights.DEFAULT).resolve()),
        flags.classifier and classifier.absolute(flags.classifier),
        flags.look,
        flags.strength,
        flags.quality,
        flags.batch_size,
        flags.overwrite,
        flags.engine,
        bool(flags.hints),
        absolute(flags.reference),
        flags.size,
    )


def _identity(options: Options) -> dict:
    """What a film's colors depend on. A file counts with its size and date: another may take its place."""
    from colorizer.inference import engine

    weights, classifier = Path(options.weights), Path((options.classifier or "").rpartition(":")[2])
    chosen = engine.choose(weights, options.engine)
    return {
        "weights": stamp(weights),
        "classifier": [options.classifier, stamp(classifier) if classifier.is_file() else None],
        "engine": [chosen, stamp(weights.parent / engine.FILE) if chosen == engine.ONNX else None],
        "look": options.look,
        "size": options.size,
    }


def connect() -> None:
    """Joins the cluster that RAY_ADDRESS names, or starts one on this machine for this command alone.

    Raises:
        UsageError: there is no such cluster, or it has another token.
    """
    address = os.environ.get("RAY_ADDRESS") or "local"
    try:
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=30)
    except Exception as error:  # Ray raises its own, also such as are neither documented nor of one base
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__).strip()
        if address == "local":
            raise UsageError(f"Ray cannot start on this machine: {reason}") from error
        raise UsageError(
            f"cannot join the cluster at {address}, which RAY_ADDRESS names: {reason}\nWhere its nodes ask for a token "
            "(RAY_AUTH_MODE), all machines need the same one, this one too."
        ) from error
