"""How long a click on the page takes for a large photograph: likely colors of a place, then the picture with a hint.

    python -m benchmarks.clicks [--megapixels 12] [--clicks 10]

The photograph is one that scikit-image installs, enlarged; the network is the shipped one. Prints a JSON line: seconds
of the first opening, and of the median and the slowest click; a click is both steps, without browser and network.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from colorizer import photos
from colorizer.app import service
from colorizer.app.painting import Painting
from colorizer.steering.hint import Hint


def measure(megapixels: float, clicks: int) -> dict[str, float]:
    """Opens a photograph and clicks on places of it, each click on top of those before."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = service.examples(folder / "examples")[1]
        rgb = photos.read(source).rgb
        factor = (megapixels * 1e6 / (rgb.shape[0] * rgb.shape[1])) ** 0.5
        large = folder / "large.jpg"
        photos.write(large, cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC))
        networks = service.load_networks()
        painting, label = Painting(service.Workbench(networks, folder, 10**9)), next(iter(networks))
        painting.picture(str(source), label, [], 1.0)  # Keras compiles
        start = time.perf_counter()
        painting.picture(str(large), label, [], 1.0)
        opening, seconds, hints = time.perf_counter() - start, [], []
        rng = np.random.default_rng(0)
        for _ in range(clicks):
            x, y = (float(rng.uniform(0.1, 0.9) * side) for side in (1200, 1200 * rgb.shape[0] / rgb.shape[1]))
            start = time.perf_counter()
            color = painting.likely_colors(str(large), label, x, y)[-1]
            hints.append(Hint(x, y, color))
            painting.picture(str(large), label, hints, 1.0)
            painting.sidecar(str(large), label, hints)
            seconds.append(time.perf_counter() - start)
    return {"opening": opening, "median": float(np.median(seconds)), "slowest": max(seconds)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--clicks", type=int, default=10)
    flags = parser.parse_args()
    measured = measure(flags.megapixels, flags.clicks)
    print(json.dumps(vars(flags) | {key: round(value, 3) for key, value in measured.items()}))


if __name__ == "__main__":
    main()
