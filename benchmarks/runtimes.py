"""The same network in four runtimes: size, agreement with Keras and latency on the CPU.

    python -m benchmarks.runtimes                   of the shipped network, which colorize.py uses
    python -m benchmarks.runtimes --readme          the same, and writes the table into docs/export.md

Exports the network in every format, compares each with Keras on 20 pictures and times one picture at
a time with two threads each. Writes results/runtimes.json. Run it on a machine that does nothing
else; the record says how busy it was. Exit status: 0; 1 where a format differs by 1e-3 or more.
"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import tempfile
import time
from pathlib import Path

RECORD = Path("results/runtimes.json")
PAGE = Path("docs/export.md")
THREADS = 2
ROUNDS = 15  # timed, after two that are not; the runtimes take turns, so that other load meets them all alike
TITLES = {"keras": "Keras (`predict`)", "saved_model": "SavedModel (TensorFlow)", "onnx": "ONNX Runtime"}
TITLES |= {"litert": "LiteRT"}


def parse(argv=None) -> argparse.Namespace:
    """The typed flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", metavar="NAME|FILE", help="default: the shipped default")
    parser.add_argument("--classifier", metavar="FILE", help="default: as trained")
    parser.add_argument("--photos", metavar="DIR", help="default: scikit-image's photographs")
    parser.add_argument("--readme", action="store_true", help="write the table into docs/export.md")
    return parser.parse_args(argv)


def measure(colorizer, pictures, folder: Path) -> dict:
    """Size, disagreement and latency of every format.

    Args:
        colorizer: a loaded `Colorizer`.
        pictures: (N, P, P, 3) uint8 sRGB to compare on, P the side of the exported networks' input.
        folder: where the exported files go.

    Returns:
        runtime -> `mb` (None for Keras), `worst_ab_norm`, `median_ms`, `fastest_ms`.
    """
    import numpy as np

    from colorizer.export import convert, graph, runtimes
    from colorizer.inference import forward

    model = graph.build(colorizer)
    run, rows = {"keras": model.predict_on_batch}, {}
    for format in runtimes.ENDINGS:
        path = folder / f"network{runtimes.ENDINGS[format]}"
        convert.write(colorizer, format, path)
        run[format] = runtimes.open_network(path, THREADS)
        rows[format] = {"mb": convert.size_of(path) / 1e6}
    rows = {"keras": {"mb": None}} | rows
    for name, function in run.items():
        rows[name]["worst_ab_norm"] = convert.disagreement(colorizer, function, pictures)
    l_norm = forward.luminance(pictures[:1], pictures.shape[1:3])
    seconds = {name: [] for name in run}
    for _ in range(ROUNDS + 2):
        for name, function in run.items():
            began = time.perf_counter()
            function(l_norm)
            seconds[name].append(time.perf_counter() - began)
    for name in run:
        timed = np.array(seconds[name][2:]) * 1000
        rows[name] |= {"median_ms": float(np.median(timed)), "fastest_ms": float(timed.min())}
    return rows


def table(record: dict) -> str:
    """The record as the page shows it, in Markdown."""
    lines = ["| Runtime | File (MB) | Largest difference to Keras (ab/128) | Latency: median, fastest (ms) |"]
    lines.append("| --- | --- | --- | --- |")
    for name, row in sorted(record["runtimes"].items(), key=lambda item: item[1]["median_ms"]):
        size = "-" if row["mb"] is None else f"{row['mb']:.1f}"
        times = f"{row['median_ms']:.0f}, {row['fastest_ms']:.0f}"
        lines.append(f"| {TITLES[name]} | {size} | {row['worst_ab_norm']:.1e} | {times} |")
    lines.append(
        f"\n{record['method']}, weights `{record['weights']}`, class vector: {record['classifier']}. "
        f"{record['pictures']} pictures, one at a time, {record['threads']} threads. "
        f"{record['device']}, load {record['load_1_5_15_min'][0]:.1f} when it was "
        f"measured ({record['date']}, commit {record['commit']}). "
        "The difference of Keras itself is that of the joined graph to the steps in Python."
    )
    return "\n".join(lines) + "\n"


def main(argv=None) -> int:
    """Flags -> measurements -> record (and page); returns the exit status."""
    flags = parse(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ |= {"TF_NUM_INTRAOP_THREADS": str(THREADS)}

    from colorizer import atomic_files, environment, weights
    from colorizer.export import convert
    from colorizer.inference import colorizer as inference
    from colorizer.inference import forward
    from colorizer.reporting import markdown

    load = os.getloadavg()
    colorizer = inference.Colorizer.load(flags.weights or weights.DEFAULT, flags.classifier, engine="keras")
    pictures = convert.pictures(flags.photos, size=forward.square_side(colorizer.image_size))
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(colorizer, pictures, Path(folder))
    record = {
        "command": "python -m benchmarks.runtimes",
        "method": colorizer.method.title,
        "weights": colorizer.weights.parent.name,
        "classifier": colorizer.classifier.name,
        "pictures": len(pictures),
        "threads": THREADS,
        "device": environment.device(),
        "load_1_5_15_min": load,
        "versions": environment.versions(),
        "commit": environment.commit(),
        "date": datetime.date.today().isoformat(),
        "runtimes": rows,
    }
    atomic_files.write_json(RECORD, record)
    print(table(record))
    if flags.readme and not markdown.put_between_markers(PAGE, "runtimes", table(record)):
        print(f"{PAGE} has no markers runtimes:start and runtimes:end", file=sys.stderr)
    return 0 if all(row["worst_ab_norm"] < convert.TOLERANCE for row in rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
