"""What every benchmark needs: clocks, memory, ceilings, pictures, and one way to say a result.

A speed is a ratio of two things measured by turns in one run: machines differ and are noisy, absolute
seconds mean little. Beside each stands its floor, operations or bytes over what this machine was
measured to do, so that it shows how much is left to gain.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

MIB = 2**20


def seconds(work: Callable[[], object]) -> float:
    """Seconds that `work()` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def by_turns(*works: Callable[[], object], rounds: int = 5) -> list[float]:
    """The least seconds of each work; they take turns, so that a busy moment hits all of them.

    Each is called once before: what compiles or fills a cache does so untimed.
    """
    for work in works:
        work()
    return [min(times) for times in zip(*([seconds(work) for work in works] for _ in range(rounds)), strict=True)]


def result(benchmark: str, *, target: float | None = None, **measured) -> dict:
    """One line of `results/benchmarks.json`.

    Args:
        benchmark: its name, that of its module, perhaps with a part behind a colon.
        target: what `measured["ratio"]` is to reach, or None.
        **measured: both sides, their `ratio`, the `floor`; the unit is the end of a name.

    Returns:
        JSON's types only, with `met`, device, versions, commit.
    """
    from colorizer import environment

    verdict = {} if target is None else {"target": target, "met": bool(measured["ratio"] >= target)}
    about = {"device": environment.device(), "versions": environment.versions(), "commit": environment.commit()}
    return {"benchmark": benchmark} | {k: _rounded(v) for k, v in measured.items()} | verdict | about


def say(line: dict) -> None:
    """Prints one result."""
    print(json.dumps(line), flush=True)


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float | np.floating) else value


def rss_mib() -> float:
    """Memory this process holds now, MiB."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB


def peak_rss_mib() -> float:
    """The most memory this process ever held, MiB.

    TRICKY: `ru_maxrss` of a process begins with what its parent held.
    """
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024


@contextlib.contextmanager
def cores(count: int) -> Iterator[None]:
    """This process and its threads on `count` cores; OpenCV, whose threads would be more, on one thread."""
    before, threads = os.sched_getaffinity(0), cv2.getNumThreads()
    os.sched_setaffinity(0, sorted(before)[-count:])
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
        cv2.setNumThreads(threads)


def copy_gb_per_second() -> float:
    """Bytes a second that one core reads and writes, copying 64 MiB; GB is 1e9."""
    source = np.ones(64 * MIB, np.uint8)
    target = np.empty_like(source)
    (took,) = by_turns(lambda: np.copyto(target, source))
    return 2 * source.nbytes / took / 1e9


def multiply_adds_g_per_second() -> float:
    """G multiply-adds a second of a 3x3 convolution of 256 channels, float32, all cores: a network's ceiling."""
    import keras

    x = keras.random.normal((8, 32, 32, 256))
    layer = keras.layers.Conv2D(256, 3, padding="same")
    network = keras.Sequential([keras.Input(x.shape[1:]), layer])
    x = keras.ops.convert_to_numpy(x)
    (took,) = by_turns(lambda: network.predict_on_batch(x))
    return 8 * 32 * 32 * 9 * 256 * 256 / took / 1e9


def photographs() -> list[np.ndarray]:
    """Photographs that are always at hand, RGB uint8: scikit-image's."""
    from skimage import data

    return [getattr(data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")]


def folder_of(count: int, where: Path, size: int = 512, seed: int = 0) -> Path:
    """A folder of JPEGs, each another crop of a photograph, enlarged or reduced to `size` square.

    Args:
        count: how many.
        where: made if it is not there.
        size: side, pixels.
        seed: of the crops.

    Returns:
        `where`.
    """
    from PIL import Image

    where.mkdir(parents=True, exist_ok=True)
    rng, sources = np.random.default_rng(seed), photographs()
    for i in range(count):
        rgb_u8 = sources[i % len(sources)]
        side = int(rng.integers(180, min(rgb_u8.shape[:2])))
        top, left = (int(rng.integers(0, n - side)) for n in rgb_u8.shape[:2])
        crop = cv2.resize(rgb_u8[top : top + side, left : left + side], (size, size), interpolation=cv2.INTER_CUBIC)
        Image.fromarray(crop).save(where / f"{i:05}.jpg", quality=92)
    return where


def apart(module: str, *flags: str, python: str = sys.executable) -> dict:
    """What a benchmark's `--measure` prints last when run in a process of its own, where memory counts from nothing."""
    command = [python, "-m", module, *map(str, flags)]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3"} | os.environ
    done = subprocess.run(command, env=quiet, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
