"""What a run ran on: versions, commit and device, for its record."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import keras

_PACKAGES = ("keras", "tensorflow", "jax", "numpy", "opencv-python-headless", "scikit-image", "pillow")


def device() -> str:
    """The device that computes: the processor's name and cores, or the accelerator's kind and number. Source: ours."""
    accelerators = [name for name in keras.distribution.list_devices() if not name.lower().startswith("cpu")]
    if accelerators:
        return f"{len(accelerators)} x {_accelerator_name() or accelerators[0].split(':')[0]}"
    return f"CPU {_processor_name()}"


def _accelerator_name():
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return listing.stdout.partition(": ")[2].partition(" (")[0] or None


def _processor_name():
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    return f"{name}, {os.cpu_count()} cores"


def versions() -> dict[str, str]:
    """Python's and the packages' versions, by name. Source: ours."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """The commit of the checkout this code lies in, "+changes" where files differ; "" without git. Source: ours."""
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
