"""bfloat16 against float32: the validation error of short trainings, three seeds each.

    python -m benchmarks.precision
    python -m benchmarks.precision --dataset coco --limit 2000 --epochs 5 --image-size 128

Mixed precision is no worse as long as the mean of its errors lies above float32's by less than float32's
own seeds lie apart; all trainings validate on the same pictures. A processor without bfloat16 units computes the same
numbers, many times slower.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import folder_of, result, say

SIDES = ("float32", "mixed_bfloat16")
VALIDATION = 48  # crops


def parse(argv=None) -> argparse.Namespace:
    """The typed flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", help="as for train.py; default: crops of scikit-image's photographs")
    parser.add_argument("--data-dir")
    parser.add_argument("--limit", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    return parser.parse_args(argv)


def pictures(limit: int, where: Path) -> Path:
    """A folder of crops with lists beside it: without lists each seed would also validate on other pictures."""
    # A picture is cropped at random: train and validation lists share photographs, but no picture.
    folder = folder_of(limit + VALIDATION, where / "pictures", 64)
    names, splits = sorted(path.name for path in folder.iterdir()), where / "splits"
    splits.mkdir()
    for part, chosen in {"train": names[:limit], "val": names[limit:], "test": []}.items():
        (splits / f"{folder.name}_{part}.txt").write_text("\n".join(chosen), encoding="utf-8")
    return folder


def train(flags, dataset: str, precision: str, seed: int) -> dict:
    """The last epoch's validation error and the pictures a second of one training."""
    import pandas as pd

    from colorizer import config, methods
    from colorizer.training import loop

    method = methods.get("efficientnet")
    with tempfile.TemporaryDirectory() as run:
        given = {"dataset": dataset, "data_dir": flags.data_dir, "classifier": "none", "run": run, "seed": seed}
        given |= {name: getattr(flags, name) for name in ("limit", "epochs", "image_size", "batch_size")}
        loop.run(config.resolve(given | {"precision": precision}, method))
        last = pd.read_csv(Path(run, "history.csv")).iloc[-1]
    return {"val_mse": float(last["val_loss"]), "images_per_second": float(last["images_per_second"])}


def main(argv=None) -> int:
    """Prints one line."""
    flags = parse(argv)
    with tempfile.TemporaryDirectory() as temporary:
        dataset = flags.dataset or str(pictures(flags.limit, Path(temporary)))
        runs = {side: [train(flags, dataset, side, seed) for seed in flags.seeds] for side in SIDES}
    errors = {side: [run["val_mse"] for run in runs[side]] for side in SIDES}
    worse = sum(errors["mixed_bfloat16"]) / len(flags.seeds) - sum(errors["float32"]) / len(flags.seeds)
    spread = max(errors["float32"]) - min(errors["float32"])
    say(
        result(
            "precision",
            val_mse=errors,
            images_per_second={side: max(run["images_per_second"] for run in runs[side]) for side in SIDES},
            worse_by=worse,
            seeds_apart=spread,
            ratio=min(spread / max(worse, 1e-9), 1e3),
            target=1.0,
            seeds=flags.seeds,
            image_size=flags.image_size,
            epochs=flags.epochs,
            limit=flags.limit,
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
