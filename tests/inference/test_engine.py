"""The ONNX engine: Keras' pictures without Keras, and which engine is chosen."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY, draw_picture
from PIL import Image

from colorizer import Colorizer, color, methods, weights
from colorizer.cli import colorize as command
from colorizer.errors import EngineError
from colorizer.inference import engine

HEAVY = ("keras", "tensorflow", "jax", "torch", "pandas", "matplotlib", "skimage", "scipy", "h5py", "sklearn")
SHIPPED = weights.shipped(weights.DEFAULT)


@pytest.fixture(scope="module")
def engines():
    """The shipped network in Keras and in ONNX Runtime."""
    return Colorizer(engine="keras"), Colorizer(engine="onnx")


@pytest.fixture
def run(tmp_path) -> Path:
    """A copy of the shipped weights' folder."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "run"))


def levels_apart(one, other):
    return np.abs(one.astype(int) - other.astype(int)).max(axis=-1)


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
@pytest.mark.parametrize("look", ["accurate", "vivid"])
def test_both_engines_color_photographs_alike(engines, name, look):
    from skimage import data

    photo = getattr(data, name)()
    l = color.rgb_to_lab(photo)[..., 0]
    pictures = []
    for colorizer in engines:
        asked = Colorizer(colorizer.network, colorizer.method, None, colorizer.image_size, look)
        pictures.append(color.merge(l, asked.forward.ab_norm([photo])[0]))
    assert (levels_apart(*pictures) <= 1).mean() >= 0.999
    assert levels_apart(pictures[0], photo).mean() > 5  # colors, and not the photo's own


def test_a_batch_gives_what_its_pictures_give_alone(engines):
    l_norm = np.random.default_rng(1).uniform(-1, 1, (3, 192, 192, 1)).astype(np.float32)
    network = engines[1].network
    alone = np.concatenate([network.predict(one[None], look="vivid") for one in l_norm])
    np.testing.assert_array_equal(network.predict(l_norm, look="vivid"), alone)


def test_the_shipped_graph_takes_any_size_and_gives_probabilities_and_features(engines):
    network = engines[1].network
    l_norm = np.random.default_rng(2).uniform(-1, 1, (1, 128, 224, 1)).astype(np.float32)
    assert network.side is None and network.predict(l_norm).shape == (1, 128, 224, 2)
    found = network.predict_all(l_norm)
    np.testing.assert_allclose(found.probabilities.sum(axis=-1), np.ones((1, 32, 56)), rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found.features, axis=-1), np.ones((1, 8, 14)), rtol=1e-5)


def test_one_pass_gives_all_that_several_give(engines, monkeypatch):
    network = engines[1].network
    l_norm = np.random.default_rng(5).uniform(-1, 1, (1, 96, 96, 1)).astype(np.float32)
    passes, run = [], network._run
    monkeypatch.setattr(network, "_run", lambda *asked: passes.append(asked[0]) or run(*asked))
    found = network.predict_all(l_norm, look="vivid")
    assert passes == [["vivid", engine.OUTPUT, engine.FEATURES]]
    np.testing.assert_array_equal(found.ab_norm_hat, network.predict(l_norm, look="vivid"))
    (features,) = run([engine.FEATURES], l_norm)
    np.testing.assert_array_equal(found.features, engine._unit_vectors(features))


def test_both_engines_give_the_same_probabilities_and_features(engines):
    l_norm = np.random.default_rng(4).uniform(-1, 1, (1, 192, 192, 1)).astype(np.float32)
    of_keras, of_onnx = (one.forward.network for one in engines)
    for one, other in zip(of_keras.predict_all(l_norm), of_onnx.predict_all(l_norm), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3)
    assert of_keras.takes_hints and of_onnx.takes_hints


def test_onnx_is_chosen_where_it_can_compute_the_weights(run, monkeypatch):
    file = run / weights.BEST
    assert engine.choose(file) == "onnx" and engine.choose(file, "keras") == "keras"
    (run / engine.FILE).unlink()
    assert engine.choose(file) == "keras"
    with pytest.raises(EngineError, match=r"no network.onnx.*export --format light --weights .*run"):
        engine.choose(file, "onnx")


@pytest.mark.parametrize(
    "installed, asked, message",
    [
        ("onnx", "keras", "keras is not installed. In a clone of this repository: pip install -r requirements.txt"),
        ("keras", "onnx", "onnx is not installed. Install it: pip install onnxruntime"),
        ("", None, "keras is not installed|onnx is not installed"),
        ("keras", "torch", "one of keras, onnx. Received: torch"),
    ],
)
def test_an_engine_that_is_not_there_is_named(installed, asked, message, monkeypatch):
    monkeypatch.setattr(engine, "is_installed", lambda name: name == installed)
    with pytest.raises(EngineError, match=message):
        engine.choose(SHIPPED / weights.BEST, asked)


def test_weights_without_the_file_need_keras(run, monkeypatch):
    (run / engine.FILE).unlink()
    monkeypatch.setattr(engine, "is_installed", lambda name: name == "onnx")
    with pytest.raises(EngineError, match="they need Keras"):
        engine.choose(run / weights.BEST)


def test_a_file_for_other_weights_is_not_used(run, caplog):
    data = bytearray((run / weights.BEST).read_bytes())
    data[len(data) // 2] ^= 1  # within a kernel
    (run / weights.BEST).write_bytes(data)
    with pytest.raises(EngineError, match="was made for other weights. Make it again, with Keras"):
        Colorizer(run, engine="onnx")
    assert Colorizer(run).engine == "keras"
    assert "Keras computes, since" in caplog.text


def test_a_damaged_file_is_called_that(run):
    (run / engine.FILE).write_bytes(b"no graph")
    with pytest.raises(EngineError, match="damaged or not from this program"):
        engine.open_for(run / weights.BEST)


def test_a_network_says_its_engine(engines):
    assert [one.engine for one in engines] == ["keras", "onnx"]
    assert "engine onnx" in repr(engines[1]) and "looks accurate, vivid" in repr(engines[1].network)
    assert engines[1].method.title == methods.get(engines[1].method.name).title


def without(packages, *words):
    """Runs `python -m colorizer` in a process where packages cannot be imported."""
    code = f"import sys\nsys.modules.update(dict.fromkeys({packages}))\nfrom colorizer import __main__ as door\n"
    code += (
        f"status = door.main(sys.argv[1:])\nassert not [n for n in {packages} if sys.modules.get(n)]\nsys.exit(status)"
    )
    environment = {k: v for k, v in os.environ.items() if k != weights.PLACE} | {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.run([sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True)


def test_photographs_are_colorized_without_keras_and_its_friends(tmp_path):
    Image.fromarray(draw_picture(1)).save(tmp_path / "old.png")
    words = ["colorize", str(tmp_path / "old.png"), "-o", str(tmp_path / "new.png")]
    done = without(HEAVY, *words)
    assert done.returncode == 0, done.stderr
    result = np.asarray(Image.open(tmp_path / "new.png"))
    assert levels_apart(result, result[..., :1]).max() > 5
    done = without(HEAVY, *words, "--engine", "keras", "--overwrite")
    assert done.returncode == 2 and "keras is not installed" in done.stderr and "Traceback" not in done.stderr


def test_the_command_takes_the_engine(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(command, "load", lambda *words: asked.append(words) or Colorizer(engine="onnx"))
    Image.fromarray(draw_picture(1)).save(tmp_path / "old.png")
    assert command.main([str(tmp_path / "old.png"), "-o", str(tmp_path / "new.png"), "--engine", "keras"]) == 0
    assert asked[0][3] == "keras"


@pytest.mark.parametrize(("variable", "threads"), [("1", 1), ("3,2", 3), ("", 0), ("many", 0)])
def test_the_number_of_threads_is_that_of_the_common_variable(monkeypatch, variable, threads):
    """A cluster's worker has one core: threads for all cores of its machine would only wait for each other."""
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    network = engine.OnnxNetwork(SHIPPED / engine.FILE)
    assert network._session.get_session_options().intra_op_num_threads == threads


def test_kernels_of_one_byte_become_floats_once(tmp_path, monkeypatch):
    """ONNX Runtime by itself makes floats of them anew for each photograph, or bytes of the activations too."""
    import onnxruntime

    onnx = pytest.importorskip("onnx", reason='pip install -e ".[export]" -c constraints.txt')
    from onnx import TensorProto, helper, numpy_helper

    chance = np.random.default_rng(0)
    stored, scale = chance.integers(-127, 128, (64, 128), np.int8), chance.uniform(0.001, 0.01, 128).astype(np.float32)
    nodes = [
        helper.make_node("DequantizeLinear", ["stored", "scale"], ["kernel"], axis=1),
        helper.make_node("Reshape", [engine.INPUT, "row"], ["x"]),
        helper.make_node("MatMul", ["x", "kernel"], ["y"]),
        helper.make_node("Reshape", ["y", "picture"], ["ab_norm_hat"]),
    ]
    arrays = {"stored": stored, "scale": scale, "row": np.array([1, 64]), "picture": np.array([1, 8, 8, 2])}
    graph = helper.make_graph(
        nodes,
        "one_product",
        [helper.make_tensor_value_info(engine.INPUT, TensorProto.FLOAT, (1, 8, 8, 1))],
        [helper.make_tensor_value_info("ab_norm_hat", TensorProto.FLOAT, (1, 8, 8, 2))],
        [numpy_helper.from_array(values, name) for name, values in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    for key in ("looks", "domain_transform", "weights_sha256"):
        model.metadata_props.add(key=key, value="")
    onnx.save(model, tmp_path / engine.FILE)
    l_norm = chance.uniform(-1, 1, (1, 8, 8, 1)).astype(np.float32)
    expected = l_norm.reshape(1, 64) @ (stored * scale)
    session, loaded = onnxruntime.InferenceSession, tmp_path / "loaded.onnx"

    def writing(path, options, **more):
        options.optimized_model_filepath = str(loaded)
        return session(path, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", writing)
    received = engine.OnnxNetwork(tmp_path / engine.FILE).predict(l_norm)
    np.testing.assert_allclose(received.reshape(1, 128), expected, atol=1e-4)
    operators = {node.op_type for node in onnx.load(loaded).graph.node}
    assert "MatMul" in operators and "DequantizeLinear" not in operators
