"""How long `--help` takes, beside Python itself.

python -m benchmarks.startup
"""

from __future__ import annotations

import subprocess
import sys

from benchmarks.measuring import by_turns, result, say

COMMANDS = ("train.py", "evaluate.py", "colorize.py")
LIMIT_SECONDS = 0.5


def main() -> int:
    """Prints one line: the slowest of the three against the limit."""
    runs = [[sys.executable, "-c", "pass"]] + [[sys.executable, command, "--help"] for command in COMMANDS]
    works = [lambda run=run: subprocess.run(run, stdout=subprocess.DEVNULL, check=True) for run in runs]
    python, *times = by_turns(*works)
    loads = "import sys, colorizer; print(sorted({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True).stdout.strip()
    say(
        result(
            "startup",
            help_seconds=dict(zip(COMMANDS, times, strict=True)),
            floor={"python_seconds": python},
            ratio=LIMIT_SECONDS / max(times),
            target=1.0,
            backends_loaded_by_import_colorizer=loaded,
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
