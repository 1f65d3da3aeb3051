"""Asks how much memory is free, so that a large photo is refused before the system kills the program."""

from __future__ import annotations

from pathlib import Path

SPARE = 2**28  # bytes left to everything else


def available(root: str | Path = "/") -> int | None:
    """Returns the memory that is free without swapping.

    Args:
        root: the folder of `proc` and `sys`; tests have their own.

    Returns:
        Bytes, of the machine or of the container's limit, whichever is less; None where the
        system does not say (it is not Linux).

    Source: proc(5), MemAvailable; the kernel's cgroup-v2, memory.max; the old memory.limit_in_bytes.
    """
    root = Path(root)
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None
    groups = root / "sys/fs/cgroup"
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            free = min(
                free, int((groups / limit).read_text()) - int((groups / used).read_text()) + _cache(groups, used)
            )
        except (OSError, ValueError):  # no such group, or "max": no limit
            continue
    return max(0, free)


def _cache(groups: Path, used: str) -> int:
    """What a group counts as used but gives back when asked: pages of files."""
    try:
        lines = (groups / used).with_name("memory.stat").read_text().splitlines()
    except OSError:
        return 0
    counted = dict(line.split()[:2] for line in lines if len(line.split()) >= 2)
    return int(counted.get("inactive_file", counted.get("total_inactive_file", 0)))


def shortage(need: int) -> str | None:
    """Returns one line if `need` bytes are not free, else None."""
    free = available()
    if free is None or need + SPARE <= free:
        return None
    return f"not enough memory: it needs up to {need / 1e9:.1f} GB, and {max(0, free - SPARE) / 1e9:.1f} GB are free"
