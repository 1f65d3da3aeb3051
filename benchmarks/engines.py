"""The two engines and Zhang's network (ECCV 2016) in PyTorch, by turns: photographs per second, cold and warm.

    python -m benchmarks.engines
    python -m benchmarks.engines --torch PYTHON --photos 20 --rounds 3

cold   whole commands, from the shell to the last written file: of one photograph and of a folder
warm   the folder again, in a process that has loaded its network and colorized a photograph before

Every number is the best of some rounds. Zhang's network has random weights, see `benchmarks.zhang_pytorch`. It runs in
the Python that --torch names, which needs PyTorch, NumPy, OpenCV and Pillow; without PyTorch it is left out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import apart, folder_of, peak_rss_mib, result, say, seconds

WARM_TARGET, COLD_TARGET = 12.0, 6.0  # times Zhang's photographs per second, without and with start-up
KERAS_TARGET = 3.0  # of Keras' time for the folder, from the shell
ENGINES = ("onnx", "keras")


def parse(argv=None) -> argparse.Namespace:
    """The typed flags. `--measure` is how a process of its own is told what to do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=20, help="in the folder, 512x512 JPEGs (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--torch", default=sys.executable, metavar="PYTHON", help="with PyTorch (default: this Python)")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def has_torch(python: str) -> bool:
    """Whether a Python imports PyTorch."""
    return subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 0


def run(command: list[str]) -> None:
    """A command that must succeed; its output is only shown where it fails."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3"} | os.environ | {"PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")


def commands(source: Path, out: Path, torch: str | None) -> dict[str, list[str]]:
    """What a person types, for each engine."""
    ours = {
        name: [sys.executable, "-m", "colorizer", str(source), "-o", str(out / name), "--overwrite", "--engine", name]
        for name in ENGINES
    }
    zhang = {"zhang": [torch, "-m", "benchmarks.zhang_pytorch", str(source), str(out / "zhang")]} if torch else {}
    return ours | zhang


def measure(engine: str, folder: Path, out: Path) -> dict:
    """Photographs per second of a loaded `Colorizer`, and the most memory of the process."""
    from colorizer import Colorizer

    colorizer = Colorizer(engine=engine)
    pairs = [(path, out / path.name) for path in sorted(folder.iterdir())]

    def colorize(some):
        errors = [one.error for one in colorizer.colorize_files(some, overwrite=True) if one.error]
        if errors:
            raise RuntimeError(errors[0])

    colorize(pairs)  # every size of batch
    took = seconds(lambda: colorize(pairs))
    return {"photos_per_second": len(pairs) / took, "peak_rss_mib": peak_rss_mib()}


def cold(name: str, count: int, source: Path, flags: argparse.Namespace, torch: str | None) -> None:
    """Times whole commands by turns, and says a line."""
    with tempfile.TemporaryDirectory() as out:
        todo = commands(source, Path(out), torch)
        times = {engine: [] for engine in todo}
        for _ in range(flags.rounds):
            for engine, command in todo.items():
                times[engine].append(seconds(lambda command=command: run(command)))
    least = {engine: min(taken) for engine, taken in times.items()}
    say_line(f"engines:cold:{name}", {engine: count / took for engine, took in least.items()}, COLD_TARGET, least)


def warm(folder: Path, flags: argparse.Namespace, torch: str | None) -> None:
    """Times loaded networks by turns, and says a line."""
    rates, memory = {}, {}
    with tempfile.TemporaryDirectory() as out:
        for _ in range(flags.rounds):
            for engine in ENGINES:
                got = apart("benchmarks.engines", "--measure", engine, folder, out)
                rates[engine] = max(rates.get(engine, 0), got["photos_per_second"])
                memory[engine] = got["peak_rss_mib"]
            if torch:
                got = apart("benchmarks.zhang_pytorch", folder, out, "--warm", python=torch)
                rates["zhang"] = max(rates.get("zhang", 0), got["photos_per_second"])
    say_line("engines:warm", rates, WARM_TARGET, peak_rss_mib=memory)


def say_line(name: str, rates: dict[str, float], target: float, took: dict | None = None, **more) -> None:
    """A result: the ratio is that of ONNX Runtime to Zhang's network, where it ran."""
    over = {f"over_{other}": rates["onnx"] / rates[other] for other in rates if other != "onnx"}
    more |= {"seconds": took} if took else {}
    bound = {"ratio": over["over_zhang"], "target": target} if "zhang" in rates else {}
    if not bound and took:
        bound = {"ratio": over["over_keras"], "target": KERAS_TARGET}
    say(result(name, photos_per_second={"zhang": "no PyTorch"} | rates, **over, **more, **bound))


def main(argv=None) -> int:
    """Prints three lines: one photograph and a folder from the shell, and the folder with a loaded network."""
    flags = parse(argv)
    if flags.measure:
        engine, folder, out = flags.measure
        say(measure(engine, Path(folder), Path(out)))
        return 0
    torch = flags.torch if has_torch(flags.torch) else None
    if torch is None:
        line = f"Zhang's network is left out: {flags.torch} has no PyTorch. Name another: --torch PYTHON"
        print(line, file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        one, many = (folder_of(count, Path(folder, str(count))) for count in (1, flags.photos))
        cold("1", 1, one, flags, torch)
        cold(str(flags.photos), flags.photos, many, flags, torch)
        warm(many, flags, torch)
    return 0


if __name__ == "__main__":
    sys.exit(main())
