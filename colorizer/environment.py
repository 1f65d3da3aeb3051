"""The process a run is in: quiet loading of Keras' backend; versions, commit and device for the run's record."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

from colorizer.errors import StrategyError

# Names of units for bfloat16 in /proc/cpuinfo: matrix tiles, and AVX-512 products, which AMD has too.
BFLOAT16_UNITS = ("amx_bf16", "avx512_bf16")
BACKENDS = {"mirrored": "tensorflow", "jax": "jax"}  # of each `--strategy` that needs a certain one
# What keeps packages from reporting their use to their makers over the network; see `report_to_nobody`.
SILENT = {"ORT_DISABLE_TELEMETRY": "1", "RAY_USAGE_STATS_ENABLED": "0"}
_PACKAGES = ("keras", "tensorflow", "jax", "numpy", "opencv-python-headless", "scikit-image", "pillow")

# Packages that load a backend, whoever imports them first.
_BACKENDS = frozenset(("keras", "tensorflow", "jax", "torch"))
_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# A line of TensorFlow's, XLA's or JAX' log in C++: "I0000 00:00:1795890552.3 ...", "2026-11-28 12:00:00.1: I ...".
_LOG_LINE = re.compile(
    rb"[IWEF]\d{4} \d\d:\d\d:\S+ +\d+ \S+\] "
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWEF] "
    rb"|WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    rb"|To enable the following instructions: "
    rb"|INFO: Created TensorFlow Lite "
)


class QuietImports:
    """Keeps a backend's log off the terminal, whichever module is the first to import Keras.

    TensorFlow writes some lines while it is loaded that no environment variable stops. It writes them to file
    descriptor 2, so that is redirected meanwhile. Python's own warnings go the same way; they are printed afterwards.
    If the import fails, everything is. TF_CPP_MIN_LOG_LEVEL=0 leaves all as it is.

    An instance is a finder for `sys.meta_path`. It finds a module as the other finders do.
    """

    def find_spec(self, name: str, path=None, target=None) -> ModuleSpec | None:
        """Finds a backend's package, with a loader that is quiet; None for every other module."""
        if name not in _BACKENDS:
            return None
        specs = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((spec for spec in specs if spec), None)
        if spec and hasattr(spec.loader, "exec_module"):
            load = spec.loader.exec_module

            def exec_module(module):
                with quiet():
                    load(module)

            spec.loader.exec_module = exec_module
        return spec


def quiet_backends() -> None:
    """Makes Keras and its backends load without a word; see `QuietImports`. `import colorizer` calls it."""
    if not any(isinstance(finder, QuietImports) for finder in sys.meta_path):
        sys.meta_path.insert(0, QuietImports())


def report_to_nobody() -> None:
    """Keeps ONNX Runtime and Ray from reporting their use over the network; `import colorizer` calls it.

    ONNX Runtime does so by itself from 1.29 on, and reads its variable once, when it is imported. A variable that is
    set already stays.
    """
    for name, value in SILENT.items():
        os.environ.setdefault(name, value)


# Held by whoever redirects. Nobody waits for it: Keras imports TensorFlow inside, and a thread that waited here while
# it holds TensorFlow's import lock would wait for ever.
_redirection = threading.Lock()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Redirects file descriptor 2 while a backend is loaded or asked, then prints what is not from its log."""
    if os.environ.setdefault(_LOG_LEVEL, "3") == "0" or not _redirection.acquire(blocking=False):
        yield
        return
    with contextlib.ExitStack() as stack:
        stack.callback(_redirection.release)
        try:
            log = stack.enter_context(tempfile.TemporaryFile())
            terminal = os.dup(2)
        except OSError:  # there is no file descriptor 2, or no place for the file
            yield
            return
        stack.callback(os.close, terminal)
        failed = False
        _flush()
        os.dup2(log.fileno(), 2)
        try:
            yield
        except Exception:
            failed = True
            raise
        finally:
            _flush()
            os.dup2(terminal, 2)
            log.seek(0)
            for line in log:
                if failed or not _LOG_LINE.match(line):
                    with contextlib.suppress(OSError):
                        os.write(2, line)


def _flush() -> None:
    """Writes what Python still holds back."""
    with contextlib.suppress(AttributeError, OSError, ValueError):  # there may be no stderr, or a closed one
        sys.stderr.flush()


def backend() -> str:
    """Names the backend that Keras has, or will have: of $KERAS_BACKEND, else of Keras' own file, else TensorFlow."""
    if "keras" in sys.modules:
        return sys.modules["keras"].backend.backend()
    if named := os.environ.get("KERAS_BACKEND"):
        return named
    file = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "keras.json"
    with contextlib.suppress(OSError, ValueError, AttributeError):  # absent, or not what Keras writes
        return json.loads(file.read_text(encoding="utf-8")).get("backend", "tensorflow")
    return "tensorflow"


def check_strategy(name: str) -> None:
    """Refuses a `--strategy` that is another backend's, without loading one.

    Args:
        name: one of `config.STRATEGIES`.

    Raises:
        StrategyError: the message says which backend to set.
    """
    needed, present = BACKENDS.get(name), backend()
    if needed and needed != present:
        raise StrategyError(
            f"--strategy {name} is for Keras' {needed} backend: set KERAS_BACKEND={needed}. "
            f"Received: the {present} backend"
        )


def device() -> str:
    """Names the device that computes: the processor and its cores, or the number and kind of the accelerators."""
    import keras

    accelerators = [name for name in keras.distribution.list_devices() if not name.lower().startswith("cpu")]
    if accelerators:
        return f"{len(accelerators)} x {_accelerator_name() or accelerators[0].split(':')[0]}"
    return f"CPU {_processor_name()}"


def _accelerator_name() -> str | None:
    import subprocess

    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return listing.stdout.partition(": ")[2].partition(" (")[0] or None


def _processor_name() -> str:
    import platform

    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    return f"{name}, {os.cpu_count()} cores"


def has_bfloat16_units(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor has units for bfloat16 (`BFLOAT16_UNITS`), as Linux says in `cpuinfo`."""
    flags = cpuinfo.read_text(encoding="utf-8", errors="replace").split() if cpuinfo.is_file() else ()
    return any(unit in flags for unit in BFLOAT16_UNITS)


def is_slow_precision(precision: str, device: str) -> bool:
    """Whether a training on `device`, as named by `device()`, would gain from bfloat16 and does not use it."""
    return precision == "float32" and device.startswith("CPU") and has_bfloat16_units()


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that a result depends on, by name."""
    import importlib.metadata
    import platform

    result = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            result[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return result


def commit() -> str:
    """Returns the commit of this code's checkout, "+changes" where files differ from it; "" without git."""
    import subprocess

    root = Path(__file__).resolve().parent.parent
    try:
        git = ["git", "-C", str(root)]
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return head.stdout.strip() + ("+changes" if changed.stdout.strip() else "")
