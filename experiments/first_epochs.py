"""The first epochs of every method on a few pictures: does its error fall under no color at all, and if not, why?

    python -m experiments.first_epochs --dataset paintings > first_epochs.jsonl
    python -m experiments.first_epochs --dataset paintings --methods gan --epochs 8 --batch-size 4

After each epoch one JSON line: the validation error of decoded colors (ab/128), once with the moving averages
that batch normalization uses on photographs, once with each batch's own statistics, and all-gray's and
mean-color's. Where the two differ, the averages have not caught up: after n steps they still hold 0.9^n of
their first values. Where both are high while the training loss falls, the steps were too few; where the loss
has fallen and the error has not, the loss does not aim there.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time


def parse(argv=None) -> argparse.Namespace:
    """The typed flags."""
    from colorizer import methods
    from colorizer.config import PRECISIONS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="paintings")
    parser.add_argument("--data-dir")
    parser.add_argument("--methods", nargs="+", choices=methods.names(), help="default: the three earlier systems")
    parser.add_argument("--limit", type=int, default=64, help="training pictures (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, help="default: each method's own")
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    flags = parser.parse_args(argv)
    flags.methods = flags.methods or ["let_there_be_color", "colorful", "gan"]
    return flags


class _OwnStatistics:
    """A network that normalizes every batch by its own mean and variance, as in training."""

    def __init__(self, network):
        self.network = network

    def predict_on_batch(self, inputs):
        import keras

        return keras.ops.convert_to_numpy(self.network(inputs, training=True))


def measure(name: str, flags: argparse.Namespace):
    """Trains one method from scratch; yields what was measured after each epoch.

    Args:
        name: of the method.
        flags: from `parse`.

    Yields:
        Dictionaries; errors are means over the validation pictures, ab/128.
    """
    import keras

    from colorizer import config, environment, methods
    from colorizer.data import batches
    from colorizer.training import loop, summary

    method = methods.get(name)
    given = {"method": name} | {f: getattr(flags, f) for f in ("dataset", "data_dir", "limit", "image_size", "epochs")}
    given |= {"precision": flags.precision} | ({"batch_size": flags.batch_size} if flags.batch_size else {})
    with tempfile.TemporaryDirectory() as folder:
        chosen = config.resolve(given | {"run": folder}, method)
        data = loop.prepare(chosen, method)
    keras.utils.set_random_seed(chosen.seed)
    train = data.labeled_batches(data.train_rows, chosen, generator=batches.generator_of(chosen), shuffle=True)
    with loop.precision(chosen.precision):
        network = method.build(chosen.image_size)
        trainer = method.trainer(network, chosen, train)
    validation, mean = data.batches(data.val_rows, chosen), batches.mean_ab_norm(data.store, data.train_rows)
    for epoch in range(chosen.epochs):
        train.start_epoch(epoch)
        began = time.perf_counter()
        logs = trainer.fit(train, epochs=1, shuffle=False, verbose=0).history
        seconds = time.perf_counter() - began
        scores = summary.validate(method, network, validation, mean)
        before = network.get_weights()  # a forward pass in training moves the averages
        own = summary.validate(method, _OwnStatistics(network), validation, mean)
        network.set_weights(before)
        yield {
            "method": name,
            "epoch": epoch + 1,
            "steps": (epoch + 1) * len(train),
            "batch_size": chosen.batch_size,
            "image_size": chosen.image_size,
            "precision": chosen.precision,
            "train_images": len(data.train_rows),
            "val_images": len(data.val_rows),
            "loss": round(logs["loss"][0], 5),
            "val_mse": round(scores["val_mse"], 5),
            "val_mse_own_statistics": round(own["val_mse"], 5),
            "val_mse_all_grey": round(scores["val_mse_all_grey"], 5),
            "val_mse_mean_colour": round(scores["val_mse_mean_colour"], 5),
            "seconds": round(seconds, 1),
            "device": environment.device(),
            "commit": environment.commit(),
        }


def main(argv=None) -> int:
    """Measures the chosen methods one after another."""
    flags = parse(argv)
    for name in flags.methods:
        for row in measure(name, flags):
            print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
