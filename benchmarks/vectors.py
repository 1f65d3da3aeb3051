"""Class vectors: pictures a second of `classifier.stream` against the bare classifier on one resident batch.

    python -m benchmarks.vectors
    python -m benchmarks.vectors --classifier path/to/mobilenet_edgetpu.keras

Without `--classifier` it is EfficientNet-B4 with random weights, which costs what the trained one does.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from benchmarks.measuring import by_turns, multiply_adds_g_per_second, photographs, result, say


def main(argv=None) -> int:
    """Prints one line."""
    import keras

    from colorizer import images
    from colorizer.classifiers import classifier

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classifier", help="a saved classifier")
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--batch-size", type=int, default=16)
    flags = parser.parse_args(argv)
    if flags.classifier:
        seen = classifier.load(flags.classifier)
    else:
        seen = classifier.Classifier("efficientnet_b4, random", "", keras.applications.EfficientNetB4(weights=None))
    squares = [images.resize_square(photograph, 256) for photograph in photographs()]
    rgb_u8 = np.stack([squares[i % len(squares)] for i in range(flags.images)])
    size = seen.model.input_shape[1]
    batch = np.stack([classifier.gray_input(picture, size) for picture in rgb_u8[: flags.batch_size]])
    steps = -(-flags.images // flags.batch_size)
    bare, ours = by_turns(
        lambda: [seen.model.predict_on_batch(batch) for _ in range(steps)],
        lambda: seen.vectors(rgb_u8, flags.batch_size),
        rounds=3,
    )
    say(
        result(
            "vectors",
            classifier=seen.name,
            ours_images_per_second=flags.images / ours,
            floor={
                "bare_images_per_second": flags.images / bare,
                "conv_g_multiply_adds_per_second": multiply_adds_g_per_second(),
            },
            ratio=bare / ours,
            target=0.9,
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
