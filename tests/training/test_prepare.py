"""What is wrong is said before the pictures are prepared, and leaves no run's folder behind."""

import pytest

from colorizer import config, methods
from colorizer.classifiers.encoders import vision_transformer
from colorizer.data import pixel_store
from colorizer.errors import LabelsError, UsageError, WeightsError
from colorizer.training import data, loop
from colorizer.training.run_record import Record


class Prepared(Exception):
    """The pictures are being prepared."""


@pytest.fixture(autouse=True)
def not_prepared(monkeypatch):
    def build(*_):
        raise Prepared

    monkeypatch.setattr(pixel_store, "build", build)


def settings(folder, run, method, **given):
    given = {"dataset": str(folder), "method": method, "classifier": "none", "image_size": 32, "run": str(run)} | given
    return config.resolve(given, methods.get(method))


def test_pictures_that_the_encoder_cannot_halve(picture_folder, tmp_path):
    with pytest.raises(UsageError, match="--image-size must be at least 64 .*Received: 32"):
        loop.run(settings(picture_folder, tmp_path / "run", "vit_decoder"))
    assert not (tmp_path / "run").exists()
    with pytest.raises(Prepared):
        loop.run(settings(picture_folder, tmp_path / "run", "vit_decoder", image_size=64))


def test_a_vision_transformer_sees_smaller_pictures(picture_folder, tmp_path):
    encoder = vision_transformer.build((28, 28), (0, 1), vision_transformer.Shape(24, 2, 2, 5))
    encoder.save(tmp_path / "small.keras")
    chosen = settings(picture_folder, tmp_path / "run", "vit_decoder", classifier=str(tmp_path / "small.keras"))
    with pytest.raises(Prepared):
        data.prepare(chosen, methods.get("vit_decoder"))


def test_weights_whose_layers_fit_another_size(picture_folder, tmp_path):
    method, begun = methods.get("let_there_be_color"), tmp_path / "begun"
    record = Record(begun)
    record.start({"method": method.name, "image_size": 32, "classifier_name": "none", "classifier_sha256": ""})
    record.save_best(method.build(32))
    given = {"method": method.name, "init_weights": str(begun)}
    with pytest.raises(WeightsError, match="Let there be Color depend on the size.*--image-size 32 .*Received.* 64"):
        loop.run(settings(picture_folder, tmp_path / "run", **given, image_size=64))
    assert not (tmp_path / "run").exists()
    with pytest.raises(Prepared):
        loop.run(settings(picture_folder, tmp_path / "run", **given))


@pytest.mark.parametrize(
    ("content", "message"),
    [("{}", "instances_.*json file of COCO"), ('{"categories": [], "images": [], "annotations": []}', "has none of")],
)
def test_labels_that_are_none(picture_folder, tmp_path, content, message):
    labels = tmp_path / "labels.json"
    labels.write_text(content)
    with pytest.raises(LabelsError, match=message):
        loop.run(settings(picture_folder, tmp_path / "run", "let_there_be_color", labels=str(labels)))
    assert not (tmp_path / "run").exists()
