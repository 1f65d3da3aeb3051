"""`network.onnx`: the light engine's file, with the kernels of the weights file."""

import hashlib
import json

import keras
import numpy as np
import pytest
from conftest import REPOSITORY, draw_picture

from colorizer import images, methods, weights
from colorizer.classifiers.encoders import vision_transformer
from colorizer.errors import ExportError
from colorizer.export import __main__ as export
from colorizer.export import convert, runtimes
from colorizer.inference import engine
from colorizer.inference.colorizer import Colorizer
from colorizer.steering.hint import Hint

SIDE = 64
# Third-party deprecations inside the converters.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def pictures():
    return [images.resize_square(draw_picture(index), 256) for index in range(2)]


def saved(folder, name, pack, encoder=None):
    """A run with random weights."""
    keras.utils.set_random_seed(3)
    method = methods.get(name)
    network = method.build(SIDE, encoder=encoder)
    inside = [layer for layer in network._flatten_layers() if isinstance(layer, keras.layers.Conv2D)]
    logits = next((layer for layer in inside if layer.name == "logits"), None)
    if logits is not None:  # zeros at first, which would make every picture one color
        logits.kernel.assign(keras.random.normal(logits.kernel.shape, stddev=0.3))
    folder.mkdir()
    (folder / weights.BEST).write_bytes(pack(weights.packed(network)))
    (folder / weights.RECORD).write_text(json.dumps({"method": name, "image_size": SIDE, "classifier": "none"}))
    if method.uses_encoder:
        (folder / weights.ENCODER).write_text(method.encoder_of(network).to_json())
    return folder


@pytest.fixture(scope="module")
def light():
    try:
        runtimes.require("onnx")
    except ExportError as error:
        pytest.skip(str(error))
    from colorizer.export import light

    return light


@pytest.mark.parametrize("pack", [weights.quantized, pytest.param(weights.halved, marks=pytest.mark.slow)])
def test_the_kernels_stay_in_the_weights_file(light, pictures, tmp_path, pack):
    import onnx

    folder = saved(tmp_path / "run", "vit_decoder", pack)
    shares = light.write(folder, pictures)
    assert set(shares) == {"accurate", "vivid"} and min(shares.values()) >= light.SHARE
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [weights.BEST, weights.RECORD, weights.ENCODER, engine.FILE]
    )
    graph = onnx.load(folder / engine.FILE, load_external_data=False).graph
    inside = sum(np.prod(t.dims) for t in graph.initializer if t.data_location != onnx.TensorProto.EXTERNAL)
    outside = sum(np.prod(t.dims) for t in graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL)
    assert inside < 20_000 < 4_000_000 < outside
    network = engine.open_for(folder / weights.BEST)
    assert network.side is None and network.looks == ("accurate", "vivid")


def test_a_vision_transformer_of_one_byte_takes_any_size(light, pictures, tmp_path):
    shape = vision_transformer.Shape(48, 2, 3, 5)
    encoder = vision_transformer.build((70, 70), (0, 1, 2), shape)
    folder = saved(tmp_path / "run", "vit_decoder", weights.quantized, encoder)
    assert min(light.write(folder, pictures).values()) >= light.SHARE
    network = engine.open_for(folder / weights.BEST)
    assert network.side is None
    for size in ((32, 96), (96, 64)):
        assert network.predict(np.zeros((1, *size, 1), np.float32)).shape == (1, *size, 2)


def test_a_transformer_takes_any_size_and_hints(light, tmp_path, monkeypatch, capsys):
    import onnx

    keras.utils.set_random_seed(0)
    shape = vision_transformer.Shape(width=24, heads=2, blocks=2, grid=5)
    encoder = vision_transformer.build((28, 28), (0, 1), shape)
    run = saved(tmp_path / "run", "vit_decoder", lambda data: data, encoder)
    small = tmp_path / "small"
    words = ["--format", "light", "--weights", str(run), "--pack", str(small)]
    monkeypatch.setattr(convert, "pictures", lambda *_: [images.resize_square(draw_picture(0), 256)])
    assert export.main(words) == 0
    digest = hashlib.sha256((small / weights.BEST).read_bytes()).hexdigest()
    assert digest in capsys.readouterr().out
    assert (small / weights.BEST).stat().st_size < 0.3 * (run / weights.BEST).stat().st_size
    assert export.main(words) == 2 and "replace them with --overwrite" in capsys.readouterr().err
    assert export.main([*words[:-1], str(run)]) == 2 and "another folder" in capsys.readouterr().err

    nodes = onnx.load(small / engine.FILE, load_external_data=False).graph.node
    assert {"DequantizeLinear"} <= {node.op_type for node in nodes}
    of_onnx, of_keras = (Colorizer(small, look="vivid", engine=one, size=96) for one in engine.ENGINES[::-1])
    assert of_onnx.network.side is None and of_onnx.forward.takes_hints
    photo = draw_picture(2, 60, 100)
    assert photo.shape[:2] == (60, 100)
    hints = [Hint(20, 20, "#20c020")]
    for asked in ({}, {"hints": hints}):
        one, other = (way.colorize(photo, **asked).astype(int) for way in (of_onnx, of_keras))
        assert (np.abs(one - other).max(axis=-1) <= 1).mean() >= light.SHARE
    forward = of_onnx.forward
    np.testing.assert_allclose(forward.hinted(photo, hints), of_keras.forward.hinted(photo, hints), atol=2e-3)
    assert np.abs(forward.hinted(photo, hints) - forward.hinted(photo, [])).max() > 0.01


def test_pack_is_for_the_light_engine_only(capsys):
    with pytest.raises(SystemExit) as end:
        export.main(["--format", "onnx", "--pack", "x"])
    assert end.value.code == 2 and "--pack is for --format light" in capsys.readouterr().err


def test_a_method_without_smoothing_has_its_whole_decoding_inside(light, pictures, tmp_path):
    folder = saved(tmp_path / "run", "trivial", weights.halved)
    assert light.write(folder, pictures) == {"ab_norm_hat": 1.0}
    network = engine.open_for(folder / weights.BEST)
    assert network.side == SIDE and network.looks == () and network.smoothing is None
    assert network.predict_all(np.zeros((1, SIDE, SIDE, 1), np.float32)).probabilities is None


def test_a_file_that_differs_is_not_kept(light, tmp_path, monkeypatch, capsys):
    folder = saved(tmp_path / "run", "trivial", weights.halved)
    monkeypatch.setattr(light, "agreement", lambda *_: {"ab_norm_hat": 0.5})
    assert export.main(["--format", "light", "--weights", str(folder)]) == 1
    assert "99.9% of the pixels" in capsys.readouterr().err
    assert not list(folder.glob("*.onnx"))


def test_wrong_usage_of_light_touches_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(runtimes, "require", lambda *_: None)
    (tmp_path / weights.BEST).write_bytes(b"never opened")
    words = ["--format", "light", "--weights", str(tmp_path)]
    for method, message in (("efficientnet", "needs its class vector"), ("trivial", "exists already; replace it with")):
        record = {"method": method, "image_size": SIDE, "classifier": "none"}
        (tmp_path / weights.RECORD).write_text(json.dumps(record))
        (tmp_path / engine.FILE).write_bytes(b"an older one")
        assert export.main(words) == 2 and message in capsys.readouterr().err
    assert (tmp_path / engine.FILE).read_bytes() == b"an older one"
    with pytest.raises(SystemExit) as end:
        export.main([*words, "-o", "x.onnx"])
    assert end.value.code == 2 and "leave out -o" in capsys.readouterr().err


def test_the_shipped_file_belongs_to_the_shipped_weights():
    folder = weights.shipped(weights.DEFAULT)
    assert engine.open_for(folder / weights.BEST).looks == ("accurate", "vivid")
    package = sum(path.stat().st_size for path in folder.iterdir())
    assert package < 32 * 2**20
    assert (REPOSITORY / "Makefile").read_text().count("export --format light") == 1
