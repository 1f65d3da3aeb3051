"""A whole epoch, against the loop that the paper's ancestors run with the same network.

    python -m benchmarks.ancestor
    python -m benchmarks.ancestor --image-size 256 --images 300 --classifier path/to/classifier.keras

Theirs, in our own words and with today's Keras: all pictures in memory as floats, Keras' stock generator,
scikit-image's conversions, and the classifier asked anew for every batch. Ours is `train.py`'s loop: vectors
once, pixels on disk. Each runs in a process of its own, which counts its memory and its start-up: from the
start of Python to the end of the first step. Without `--classifier` it is EfficientNet-B4 with random weights.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measuring import apart, folder_of, peak_rss_mib, result, say

BEGAN = time.perf_counter()  # Python and NumPy were loaded a little before; the same for both


def parse(argv=None) -> argparse.Namespace:
    """The typed flags. `--measure` is how a process of its own is told its side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=40, help="training pictures")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=2, help="the last one is timed; the first one compiles")
    parser.add_argument("--classifier", help="a saved classifier")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def stopwatch():
    """A callback that keeps when the first step ended and how long each epoch took."""
    import keras

    class Stopwatch(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.started, self.epochs = None, []

        def on_epoch_begin(self, epoch, logs=None):
            self._began = time.perf_counter()

        def on_train_batch_end(self, batch, logs=None):
            self.started = self.started or time.perf_counter() - BEGAN

        def on_epoch_end(self, epoch, logs=None):
            self.epochs.append(time.perf_counter() - self._began)

    return Stopwatch()


def network_of(flags):
    """The paper's network, compiled as the paper says; the same on both sides."""
    import keras

    from colorizer import config, methods

    method = methods.get("efficientnet")
    keras.utils.set_random_seed(0)
    network = method.build(flags.image_size)
    return method.trainer(network, config.resolve({"dataset": "benchmark"}, method), None)


def classifier_of(flags):
    """The classifier, as `colorizer.classifier.Classifier`."""
    import keras

    from colorizer.classifiers import classifier

    if flags.classifier:
        return classifier.load(flags.classifier)
    return classifier.Classifier("efficientnet_b4, random", "random", keras.applications.EfficientNetB4(weights=None))


def theirs(flags, folder: Path, watch) -> None:
    """The ancestors' loop."""
    import numpy as np
    from PIL import Image
    from skimage.color import gray2rgb, rgb2gray, rgb2lab
    from skimage.transform import resize
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    side = (flags.image_size, flags.image_size)
    pictures = np.stack([np.asarray(Image.open(path).resize(side)) for path in sorted(folder.iterdir())])
    pictures = pictures.astype(np.float32) / 255
    classifier, network = classifier_of(flags).model, network_of(flags)
    size = classifier.input_shape[1]
    generator = ImageDataGenerator(shear_range=0.2, zoom_range=0.2, rotation_range=20, horizontal_flip=True)
    flow = generator.flow(pictures, batch_size=flags.batch_size)

    def batches():
        while True:
            for moved in (flow[index] for index in range(len(flow))):
                gray = gray2rgb(rgb2gray(moved))
                shown = np.stack([resize(picture, (size, size, 3), mode="constant") for picture in gray])
                vector = classifier.predict(shown * 255, verbose=0)
                lab = rgb2lab(moved).astype(np.float32)
                yield (lab[..., :1] / 50 - 1, vector), lab[..., 1:] / 128

    network.fit(batches(), steps_per_epoch=len(flow), epochs=flags.epochs, verbose=0, callbacks=[watch])


def ours(flags, folder: Path, watch) -> None:
    """`train.py`'s loop, without validation and record, which the other side has not either."""
    from colorizer import config
    from colorizer.classifiers import class_vectors
    from colorizer.data import batches, pixel_store
    from colorizer.training import callbacks

    names = [path.name for path in sorted(folder.iterdir())]
    pictures = pixel_store.build(folder, names, flags.image_size, cache=folder.parent)
    vectors = class_vectors.compute(classifier_of(flags), pictures)
    generator = batches.generator_of(config.TrainConfig(dataset="benchmark"))
    train = batches.Batches(
        pictures,
        pictures.rows,
        vectors=vectors,
        batch_size=flags.batch_size,
        generator=generator,
        shuffle=True,
        workers=2,
    )
    clock = callbacks.EpochClock(train)
    network_of(flags).fit(train, epochs=flags.epochs, shuffle=False, verbose=0, callbacks=[clock, watch])


def main(argv=None) -> int:
    """Prints one line."""
    argv = sys.argv[1:] if argv is None else argv
    flags = parse(argv)
    if flags.measure:
        side, folder = flags.measure
        watch = stopwatch()
        {"ours": ours, "theirs": theirs}[side](flags, Path(folder), watch)
        rate = flags.images / min(watch.epochs[1:])
        say({"images_per_second": rate, "peak_rss_mib": peak_rss_mib(), "first_step_after_seconds": watch.started})
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder_of(flags.images, Path(temporary, "pictures"), 256)
        sides = {side: apart("benchmarks.ancestor", *argv, "--measure", side, folder) for side in ("theirs", "ours")}
    say(
        result(
            "ancestor",
            **sides,
            ratio=sides["ours"]["images_per_second"] / sides["theirs"]["images_per_second"],
            images=flags.images,
            image_size=flags.image_size,
            classifier=flags.classifier and Path(flags.classifier).stem or "efficientnet_b4, random",
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
