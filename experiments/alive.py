"""Which units of the paper's network still answer anything, layer by layer; makes results/experiments/alive.jsonl.

    python -m experiments.alive --runs results/runs/efficientnet-* > results/experiments/alive.jsonl

A line per run whose weights are there, on validation pictures of COCO:

    alive      of each layer before a ReLU, the share of channels that are above zero anywhere in any picture; an
               encoder whose last layer, e8, has none tells the decoder nothing
    spread     root mean square of a layer's values around their mean in one picture: what it tells apart in it
    within     the same of the predicted ab, in Lab units; the truth's is `of_truth`
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

import keras
import numpy as np

from colorizer import color, images
from colorizer.errors import ClassifierError, WeightsError
from colorizer.inference.colorizer import Colorizer
from experiments import validation


def spread(values: np.ndarray) -> float:
    """Root mean square of (n, h, w, C) around the mean of each picture and channel."""
    return float(np.sqrt(values.var(axis=(1, 2), dtype=np.float64).mean()))


def layers_of(network: keras.Model) -> keras.Model:
    """The network with the outputs of all its ReLU layers, by name, and its own, `ab`."""
    of_layers = {x.name: x.output for x in network.layers if getattr(x, "activation", None) is keras.activations.relu}
    return keras.Model(network.inputs, of_layers | {"ab": network.outputs[0]})


def measure(colorizer: Colorizer, rgb_u8: np.ndarray) -> dict:
    """What the layers of a network do on pictures, (n, S, S, 3) uint8 sRGB: see above."""
    side = colorizer.image_size
    small = np.stack([images.resize_square(rgb, side) for rgb in rgb_u8])
    l_norm, ab_norm = (np.stack(part) for part in zip(*(color.rgb_to_l_ab(rgb) for rgb in small), strict=True))
    vector = colorizer.classifier.vectors(rgb_u8)
    outputs = layers_of(colorizer.network).predict([l_norm, vector], batch_size=8, verbose=0)
    ab_norm_hat = outputs.pop("ab")
    return {
        "alive": {name: float((values > 0).any(axis=(0, 1, 2)).mean()) for name, values in outputs.items()},
        "spread": {name: spread(values.astype(np.float32)) for name, values in outputs.items()},
        "within": spread(ab_norm_hat) * color.AB_SCALE,
        "of_truth": spread(ab_norm) * color.AB_SCALE,
    }


def rounded(record):
    """Four significant digits, throughout."""
    if isinstance(record, dict):
        return {key: rounded(value) for key, value in record.items()}
    return float(f"{record:.4g}") if isinstance(record, float) else record


def main(argv=None) -> None:
    """Prints a line for every run that has weights."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.alive", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", nargs="+", type=Path, required=True, metavar="DIR", help="of the paper's network")
    parser.add_argument("--classifier", metavar="FILE", help="the one they were trained with (default: as recorded)")
    parser.add_argument("--limit", type=int, default=64, help="validation pictures (default: %(default)s)")
    flags = parser.parse_args(argv)
    rgb_u8 = validation.pictures(["coco"], flags.limit)["coco"]
    for folder in flags.runs:
        try:
            colorizer = Colorizer.load(folder, flags.classifier, engine="keras")
        except (WeightsError, ClassifierError) as error:
            logging.warning("%s is left out: %s", folder, error)
            continue
        config = json.loads((folder / "config.json").read_text("utf-8"))
        summary = json.loads((folder / "summary.json").read_text("utf-8"))
        # A run from before there was the setting began with Keras' own.
        record = {"run": folder.name, "initializer": config.get("initializer") or "glorot_uniform"}
        record |= {"classifier": config["classifier_name"]}
        record |= {name: config[name] for name in ("learning_rate", "image_size")}
        record |= {"epochs": summary["epochs_done"], "pictures": len(rgb_u8)}
        record |= {"val_mse": summary["val_mse"], "val_mse_mean_colour": summary["val_mse_mean_colour"]}
        print(json.dumps(rounded(record | measure(colorizer, rgb_u8))), flush=True)


if __name__ == "__main__":
    main()
