"""Which runs the reproduction asks for: named lists of rows. What runs them is `reproduce`.

    paper  the paper's runs at its size and at 128x128 pixels, the earlier systems' at 128x128, each to the end of its
           learning; a GPU, or a processor with units for bfloat16
    vectors  what each class vector is worth to the paper's network: 128x128 pixels, all of COCO, five epochs, two seeds
    gpu    the paper's runs, its competitors on both sets, and ablations of its network; 100 epochs each
    whole  its network on all of COCO with its class vector, without, and with an average; 64x64 pixels; two cores
    cpu    the questions of gpu small enough for two cores: 1,500 pictures, 32x32 pixels, four epochs;
           two rows with three seeds

A row's name is its run's folder, its settings are flags of train.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from colorizer.config import TrainConfig

CLASSIFIER = "{classifier}"  # in a row: the classifier that the matrix is run with
MOBILENET = "{mobilenet}"  # in a row: the file of MobileNetEdgeTPU, which has to be named
PRECISION = "{precision}"  # in a row: bfloat16 where the machine is fast in it
SAME = "same as its base"  # what is said of a row that would be its base, trained once more
SEED_ALONE = "nothing but the seed"  # what a row changes that is another one, trained again

# Training pictures where no record says how many: 90 % of the lists.
PICTURES = {"coco": 4500, "paintings": 2200}

_NO_AUGMENTATION = {"horizontal_flip": False, "zoom_range": 0.0, "rotation_range": 0.0, "shear_range": 0.0}


@dataclass(frozen=True)
class Row:
    """One run.

    Attributes:
        name: of the run's folder.
        flags: field of `TrainConfig` -> value, where it is not the default.
        base: the row that an ablation departs from, or None; a row that is its own base only serves the others.
        change: in an ablation, what is different.
        retired: whether its flags were removed because nothing was gained by them. The row is kept for its record,
            and cannot be run again.
    """

    name: str
    flags: Mapping[str, Any] = field(default_factory=dict)
    base: str | None = None
    change: str = ""
    retired: bool = False


def _ablation(base, flags):
    """The proposed network with one thing changed at a time; `base` is the row with nothing changed."""
    rows = {
        "none": ("class vector: none (zeros)", {"classifier": "none"}),
        "shuffled": ("class vector: of another picture", {"classifier": f"shuffled:{CLASSIFIER}"}),
        "logits": ("class vector: logits, not softmax", {"classifier": f"logits:{CLASSIFIER}"}),
        "no-augmentation": ("augmentation: none", _NO_AUGMENTATION),
        "l1": ("loss: L1, not L2", {"loss": "mae"}),
        "mobilenet": ("class vector: MobileNetEdgeTPU", {"classifier": MOBILENET}),
        "b4": ("class vector: EfficientNet-B4, ImageNet weights", {"classifier": "efficientnet_b4"}),
        "b4-random": ("class vector: EfficientNet-B4, random weights", {"classifier": "random:efficientnet_b4"}),
        "he": ("initial weights: He's, not Keras' own", {"initializer": "he_normal"}),
        "glorot": ("initial weights: Keras' own, not He's", {"initializer": "glorot_uniform"}),
    }
    del rows["glorot" if flags.get("initializer") == "glorot_uniform" else "he"]  # which is the base's
    common = {"dataset": "coco", "classifier": CLASSIFIER} | flags
    return tuple(Row(f"{base}-{name}", common | own, base, change) for name, (change, own) in rows.items())


def _seeds(base, flags):
    """The unchanged row of `_ablation` and the one without a vector, trained again with other seeds."""
    rows = []
    for seed in (43, 44):
        common = {"dataset": "coco", "classifier": CLASSIFIER} | flags | {"seed": seed}
        again = f"{base}-seed{seed}"
        rows.append(Row(again, common, base, SEED_ALONE))
        rows.append(Row(f"{again}-none", common | {"classifier": "none"}, again, "class vector: none (zeros)"))
    return tuple(rows)


_OTHERS = ("let_there_be_color", "colorful", "gan")
# With Keras' own initial weights and rate, as its records were made; in 300 steps no encoder learns much.
_KERAS = {"initializer": "glorot_uniform", "learning_rate": 1e-3}
_SMALL = {"image_size": 32, "limit": 1500, "epochs": 4} | _KERAS
# All of COCO, with He's weights: an encoder that lives.
_WHOLE = {"dataset": "coco", "classifier": CLASSIFIER, "image_size": 64, "epochs": 5, "plateau_patience": 1}

# Six epochs without a gain at the lowest rate: twice what makes a plateau in the paper's network.
_LEARNED = {"patience": 6, "precision": PRECISION}
# Of the earlier systems: more than the ten epochs that a cut of their rates waits for, so each rate falls to its floor.
_OTHERS_LEARNED = _LEARNED | {"patience": 12}
# The paper's network on COCO at 128x128 pixels learns its best in six epochs.
_SHORT = {"dataset": "coco", "image_size": 128, "epochs": 5, "precision": PRECISION}
_VECTORS = {
    "none": ("class vector: none (zeros)", "none"),
    "shuffled": ("class vector: of another picture", f"shuffled:{CLASSIFIER}"),
    "lite0": ("class vector: EfficientNet-Lite0", "efficientnet_lite0"),
    "mobilenet": ("class vector: MobileNetEdgeTPU", "mobilenet_edgetpu"),
}


def _vectors(seed: int):
    """The paper's network with each class vector and everything else equal; the first row is the others' base."""
    first = "efficientnet-coco-128-short"
    base = first if seed == TrainConfig.seed else f"{first}-seed{seed}"
    common = _SHORT | {"classifier": CLASSIFIER, "seed": seed}
    return (
        Row(base, common, first, "nothing" if base == first else SEED_ALONE),
        *(Row(f"{base}-{n}", common | {"classifier": spec}, base, text) for n, (text, spec) in _VECTORS.items()),
    )


PAPER = "paper"  # the matrix whose rows stand beside the paper's
CLASSIFIERS = dict.fromkeys((PAPER, "vectors"), "efficientnet_lite2")  # of a matrix, where it is not train.py's default

FOLDER = "results/runs"  # holds the runs of all matrices
ELSEWHERE = "runs/whole"  # where a row is trained anew whose record is committed
MATRICES: dict[str, tuple[Row, ...]] = {
    PAPER: (
        *(Row(f"efficientnet-{d}-256", {"dataset": d, "classifier": CLASSIFIER} | _LEARNED) for d in PICTURES),
        *(
            Row(f"{m}-{d}-128", {"dataset": d, "method": m, "image_size": 128} | _OTHERS_LEARNED)
            for d in reversed(PICTURES)
            for m in _OTHERS
        ),
        # They stand for the paper's network in the main tables until there are runs of 256 pixels.
        *(
            Row(f"efficientnet-{d}-128", {"dataset": d, "image_size": 128, "classifier": CLASSIFIER} | _LEARNED)
            for d in reversed(PICTURES)
        ),
    ),
    "vectors": (*_vectors(42), *_vectors(43)),
    "gpu": (
        Row("efficientnet-paintings-100", {"dataset": "paintings", "classifier": CLASSIFIER}),
        Row("efficientnet-coco-100", {"dataset": "coco", "classifier": CLASSIFIER}),
        *(Row(f"{m}-paintings-100", {"dataset": "paintings", "method": m}) for m in _OTHERS),
        *(Row(f"{m}-coco-100", {"dataset": "coco", "method": m}) for m in _OTHERS),
        *_ablation("efficientnet-coco-100", {}),
    ),
    "whole": (
        Row("efficientnet-coco-64", _WHOLE, "efficientnet-coco-64", "nothing"),
        Row(
            "efficientnet-coco-64-none",
            _WHOLE | {"classifier": "none"},
            "efficientnet-coco-64",
            "class vector: none (zeros)",
        ),
        Row(
            "efficientnet-coco-64-averaged",
            _WHOLE | {"ema": 0.99, "zoom_range": 0.5, "epochs": 8},
            "efficientnet-coco-64",
            "against overfitting: average of weights, zoom of 0.5; 8 epochs",
            retired=True,
        ),
    ),
    "cpu": (
        Row(
            "efficientnet-coco-cpu",
            {"dataset": "coco", "classifier": CLASSIFIER} | _SMALL,
            base="efficientnet-coco-cpu",
            change="nothing",
        ),
        *_ablation("efficientnet-coco-cpu", _SMALL),
        *_seeds("efficientnet-coco-cpu", _SMALL),
    ),
}


def rows() -> dict[str, Row]:
    """All rows by name."""
    return {row.name: row for matrix in MATRICES.values() for row in matrix}


def base_of(run: str) -> str | None:
    """The run that an ablation departs from; None for every other run, and for a base itself."""
    row = rows().get(run)
    return row.base if row and row.base != run else None


def is_ablation(run: str) -> bool:
    """Whether a run belongs in the table of ablations and in no other."""
    row = rows().get(run)
    return bool(row and row.base)


def filled(
    row: Row, classifier: str, mobilenet: str | None, precision: str = TrainConfig.precision
) -> dict[str, Any] | None:
    """A row's flags with classifiers and precision put in; None where it needs MobileNetEdgeTPU and no file is named.

    Args:
        row: of a matrix.
        classifier: what `--classifier` of train.py takes.
        mobilenet: a saved Keras classifier, or None.
        precision: of the rows that leave it to the machine.

    Returns:
        Field of `TrainConfig` -> value; `run` is left to the caller.
    """
    flags = dict(row.flags)
    if flags.get("precision") == PRECISION:
        flags["precision"] = precision
    spec = flags.get("classifier", "")
    if MOBILENET in spec and mobilenet is None:
        return None
    if spec:
        flags["classifier"] = spec.replace(CLASSIFIER, classifier).replace(MOBILENET, mobilenet or "")
    return flags
