"""Runs the benchmarks and keeps what they say: `make bench`.

    python -m benchmarks                       all that fit in a quarter of an hour on two CPU cores
    python -m benchmarks pipeline training     some of them
    python -m benchmarks methods precision     those that take longer
    python -m benchmarks engines --torch PYTHON  with Zhang's network beside, in a Python that has PyTorch
    python -m benchmarks --readme              only writes docs/performance.md's table from results/benchmarks.json

Each benchmark prints JSON lines. A line replaces the one of the same name in results/benchmarks.json; lines of
benchmarks that did not run stay as they are, with their own device, versions, commit and date.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

RECORD = Path("results/benchmarks.json")
PAGE = Path("docs/performance.md")
SHORT = ("startup", "pipeline", "store", "vectors", "training", "ancestor", "colorize", "memory", "engines")
LONG = ("methods", "precision", "steps", "cluster")
# What the page shows of each line: the two sides and what they are.
TABLE = {
    "pipeline": (
        "batches, per core",
        "{ours_ms_per_image} ms a picture",
        "{ancestors_ms_per_image} ms, ancestors' chain",
    ),
    "pipeline:cores": ("batches, all cores", "{images_per_second_by_cores} pictures/s by cores", "one core"),
    "pipeline:cold": (
        "batches, file not in memory",
        "{cold_images_per_second} pictures/s",
        "{warm_images_per_second} in memory",
    ),
    "store": (
        "preparing a data set",
        "{ours_images_per_second} pictures/s",
        "{floor[decode_and_resize_images_per_second]} decoded and resized",
    ),
    "vectors": (
        "class vectors",
        "{ours_images_per_second} pictures/s",
        "{floor[bare_images_per_second]} by the bare classifier",
    ),
    "training": (
        "training loop",
        "{ours_images_per_second} pictures/s",
        "{bare_step_images_per_second} by the bare step",
    ),
    "training:rest": ("validation, checkpoint, record", "{share_of_epoch} of an epoch", "at most 0.08"),
    "ancestor": (
        "an epoch's loop",
        "{ours[images_per_second]} pictures/s, {ours[peak_rss_mib]} MiB",
        "{theirs[images_per_second]}, {theirs[peak_rss_mib]} MiB, ancestors' loop",
    ),
    "colorize:1x12MP": ("one photo of 12 megapixels", "{over_idle_mib} MiB over idle", "at most 400"),
    "colorize:64x12MP": ("64 photos of 12 megapixels", "{over_idle_mib} MiB over idle", "at most 400"),
    "memory:training": ("memory over epochs", "{late_mib} MiB", "{early_mib} after epoch 2"),
    "memory:colorizing": ("memory over photos", "{late_mib} MiB", "{early_mib} after a tenth"),
    "memory:film": ("memory over a film", "{late_mib} MiB after {frames} frames", "{early_mib} after a tenth"),
    "precision": ("bfloat16's validation MSE less float32's", "{worse_by}", "float32's seeds are {seeds_apart} apart"),
    "engines:cold:1": (
        "one photo from the shell",
        "{photos_per_second[onnx]} photos/s",
        "Keras {photos_per_second[keras]}, Zhang 2016 in PyTorch {photos_per_second[zhang]}",
    ),
    "engines:cold:20": (
        "20 photos from the shell",
        "{photos_per_second[onnx]} photos/s",
        "Keras {photos_per_second[keras]}, Zhang 2016 in PyTorch {photos_per_second[zhang]}",
    ),
    "engines:warm": (
        "20 photos, network loaded",
        "{photos_per_second[onnx]} photos/s, {peak_rss_mib[onnx]} MiB",
        "Keras {photos_per_second[keras]}, {peak_rss_mib[keras]} MiB, Zhang 2016 in PyTorch {photos_per_second[zhang]}",
    ),
    "cluster": (
        "a folder on a Ray cluster of this machine",
        "{photos_per_second[cluster]} photos/s, {start_up_seconds[cluster]} s to start",
        "{photos_per_second[one_process]}, {start_up_seconds[one_process]} s in one process",
    ),
    "steps": (
        "a step of the ViT decoder, features cached",
        "{best_pictures_per_second[kept]} pictures/s",
        "{best_pictures_per_second[computed]} with features computed",
    ),
    "startup": ("`--help`", "{help_seconds}", "at most 0.5 s"),
}


def run(name: str, *words: str) -> list[dict]:
    """One benchmark's lines; empty, and its error on the screen, where it failed.

    Args:
        name: a module of this folder.
        words: flags of its own.

    Returns:
        What it printed.
    """
    command = [sys.executable, "-m", f"benchmarks.{name}", *words]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3"} | os.environ
    done = subprocess.run(command, capture_output=True, text=True, env=quiet)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode:
        print(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}", file=sys.stderr)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    lines = [{"benchmark": _name(name, line)} | line | {"date": today} for line in lines]
    for line in lines:
        print(ratio_of(line), flush=True)
    return lines


def ratio_of(line: dict) -> str:
    """What a run prints of a line: its ratio beside the target. Seconds mean little on another machine."""
    if "ratio" not in line:
        return f"{line['benchmark']}: recorded, without a ratio"
    target = f", target {line['target']:.3g}: {'met' if line['met'] else 'missed'}" if "target" in line else ""
    return f"{line['benchmark']}: ratio {line['ratio']:.3g}{target}"


def _name(name: str, line: dict) -> str:
    """`methods` and `precision` say a line for each method: the key holds which."""
    parts = [name] + [str(line[key]) for key in ("method", "precision") if key in line]
    return ":".join(parts)


def keep(lines: list[dict]) -> None:
    """Puts new lines in the place of old ones of the same name."""
    from colorizer import atomic_files

    newest = {line["benchmark"]: line for line in known()}
    newest |= {line["benchmark"]: line for line in lines}
    atomic_files.write_text(RECORD, json.dumps([newest[name] for name in sorted(newest)], indent=1) + "\n")


def known() -> list[dict]:
    """The lines kept so far."""
    return json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else []


def table() -> str:
    """The page's table: a row for each line that `TABLE` names."""
    rows = ["| What | Ours | Beside | Ratio | Target | |", "| --- | --- | --- | ---: | ---: | --- |"]
    lines = {line["benchmark"]: line for line in known()}
    for name, (title, mine, other) in TABLE.items():
        if name not in lines:
            rows.append(f"| {title} | not run: `python -m benchmarks {name.partition(':')[0]}` | | | | |")
            continue
        line = lines[name]
        cells = [_short(text.format_map({k: _brief(v) for k, v in line.items()})) for text in (mine, other)]
        verdict = {True: "met", False: "missed", None: ""}[line.get("met")]
        ratio, target = (_bounded(line[key]) if key in line else "" for key in ("ratio", "target"))
        rows.append(f"| {title} | {cells[0]} | {cells[1]} | {ratio} | {target} | {verdict} |")
    devices = sorted({f"{line['device']}, commit {line['commit']}" for name, line in lines.items() if name in TABLE})
    return "\n".join([*rows, "", "Measured on: " + "; ".join(devices) + "."])


def _bounded(ratio: float) -> str:
    """Three digits; `benchmarks.precision` records 1,000 where nothing was worse."""
    return "over 999" if ratio > 999 else f"{ratio:.3g}"


def _brief(value):
    """Numbers with three digits, also inside dictionaries; anything else as it is."""
    if isinstance(value, dict):
        return _Brief({key: _brief(item) for key, item in value.items()})
    if isinstance(value, float) and value < 100:
        return f"{value:.3g}"
    return round(value) if isinstance(value, (int, float)) else value


class _Brief(dict):
    """A dictionary that is written as its items."""

    def __format__(self, spec):
        return ", ".join(f"{key}: {value}" for key, value in self.items())


def _short(text: str) -> str:
    return text.replace("|", "/")


def write_page() -> None:
    """Puts the table between the page's markers."""
    from colorizer import atomic_files

    before, start, rest = PAGE.read_text("utf-8").partition("<!-- benchmarks:start -->\n")
    _, ended, after = rest.partition("<!-- benchmarks:end -->")
    if not (start and ended):
        raise SystemExit(f"{PAGE} lacks the markers <!-- benchmarks:start --> and <!-- benchmarks:end -->.")
    atomic_files.write_text(PAGE, f"{before}{start}{table()}\n{ended}{after}")


def main(argv=None) -> int:
    """Runs, keeps, shows; 1 where a benchmark failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[*SHORT, *LONG, []], help=f"default: {' '.join(SHORT)}")
    parser.add_argument(
        "--torch", default=sys.executable, metavar="PYTHON", help="with PyTorch, for engines (default: this Python)"
    )
    parser.add_argument("--readme", action="store_true", help="run nothing")
    flags = parser.parse_args(argv)
    failed = False
    for name in () if flags.readme else flags.names or SHORT:
        lines = run(name, *(("--torch", flags.torch) if name == "engines" else ()))
        failed |= not lines
        keep(lines)
    write_page()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
