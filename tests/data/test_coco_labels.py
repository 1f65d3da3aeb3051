"""COCO's categories as classes of whole pictures, from the annotation file to the loss."""

import json

import numpy as np
import pandas as pd
import pytest

from colorizer import config, methods, weights
from colorizer.data import coco_labels
from colorizer.errors import LabelsError
from colorizer.methods import let_there_be_color
from colorizer.training import loop


@pytest.fixture
def annotations(tmp_path, picture_folder):
    """An annotation file as COCO's: two things in every picture but the last, category ids with gaps."""
    names = sorted(path.name for path in picture_folder.iterdir())
    told = {
        "categories": [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}, {"id": 17, "name": "cat"}],
        "images": [{"id": i, "file_name": name} for i, name in enumerate(names)],
        "annotations": [],
    }
    for i in range(len(names) - 1):
        told["annotations"] += [
            {"image_id": i, "category_id": 1, "area": 100.0},
            {"image_id": i, "category_id": (17, 90)[i % 2], "area": 250.5 if i else 99.5},
        ]
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(told))
    return path


def test_the_largest_thing_is_the_class(annotations):
    labels = coco_labels.read(annotations)
    assert labels.categories == ["person", "cat", "toothbrush"]
    assert labels.of(["picture_00.png", "a/picture_01.png", "picture_02.png"]).tolist() == [0, 2, 1]
    found = labels.of(["picture_23.png", "unknown.png", "picture_01.png"])
    assert found.tolist() == [coco_labels.UNLABELLED, coco_labels.UNLABELLED, 2]


def test_what_is_no_annotation_file_is_refused(tmp_path, annotations):
    captions = tmp_path / "captions.json"
    captions.write_text(json.dumps({"images": [], "annotations": []}))
    content = json.loads(annotations.read_text())
    stray = {key: tmp_path / f"{key}.json" for key in ("image_id", "category_id", "area")}
    for key, path in stray.items():
        one = content["annotations"][0] | {key: None if key == "area" else 5000}
        path.write_text(json.dumps(content | {"annotations": [one]}))
    for path in (tmp_path / "missing.json", captions, *stray.values()):
        with pytest.raises(LabelsError, match=r"instances_\*\.json.*Received: .*" + path.name):
            coco_labels.read(path)
    with pytest.raises(LabelsError, match="has none"):
        coco_labels.read(annotations).of(["elsewhere.png"])


def settings(folder, run, method, annotations):
    given = {"dataset": str(folder), "image_size": 32, "batch_size": 8, "epochs": 1}
    given |= {"method": method, "run": str(run), "labels": str(annotations)}
    return config.resolve(given, methods.get("let_there_be_color"))


@pytest.mark.slow
def test_let_there_be_color_learns_classes_and_is_saved_without_them(
    tmp_path, picture_folder, annotations, monkeypatch
):
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path / "cache"))
    run = tmp_path / "run"
    summary = loop.run(settings(picture_folder, run, "let_there_be_color", annotations))
    history = pd.read_csv(run / "history.csv").iloc[0]
    colors, classes = history["out_loss"], history["class2_loss"]
    assert classes > 0.1, "three classes, not learned yet"
    assert history["loss"] == pytest.approx(colors + let_there_be_color.CLASS_WEIGHT * classes, rel=0.02)
    assert json.loads((run / "config.json").read_text())["labels"] == str(annotations)
    assert (
        summary["parameters"]
        == weights.load(run).network.count_params()
        == methods.get("let_there_be_color").build(32).count_params()
    )
    assert np.isfinite(summary["val_mse"])


def test_a_method_that_learns_no_classes_refuses_labels(tmp_path, picture_folder, annotations):
    with pytest.raises(LabelsError, match="let_there_be_color. Received: --method trivial"):
        loop.run(settings(picture_folder, tmp_path / "run", "trivial", annotations))
