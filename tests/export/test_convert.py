"""Exported networks give the colors of the forward pass, on small networks and on the shipped weights."""

import functools

import cv2
import keras
import numpy as np
import pytest
from conftest import draw_picture
from small_classifiers import small_classifier

from colorizer import color, images, methods, weights
from colorizer.classifiers import classifier
from colorizer.errors import ExportError
from colorizer.export import convert, graph, runtimes
from colorizer.inference import colorizer as inference
from colorizer.inference import forward

SIDE = 64
# Third-party deprecations inside the converters.
pytestmark = pytest.mark.filterwarnings("ignore")


def squares(count=3, side=256):
    return np.stack([images.resize_square(draw_picture(i), side) for i in range(count)])


def small_network(name):
    keras.utils.set_random_seed(3)
    return methods.get(name).build(SIDE)


same_network = functools.lru_cache(1)(small_network)  # for tests of one method after another that do not change it


def small_colorizer(name="efficientnet", seen=None, look=None, build=small_network):
    return inference.Colorizer(build(name), methods.get(name), seen, SIDE, look)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """A small classifier, saved and loaded as a real one is."""
    path = tmp_path_factory.mktemp("classifier") / "small.keras"
    small_classifier(path)
    return classifier.load(str(path))


def needs(format):
    try:
        runtimes.require(format)
    except ExportError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("size", [48, 64, 90])
def test_the_grey_picture_is_the_one_the_classifier_sees_elsewhere(size):
    pictures = squares(4, SIDE)
    l_norm = color.split(np.stack([color.rgb_to_lab(rgb) for rgb in pictures]))[0]
    ours = keras.ops.convert_to_numpy(graph.GrayPicture(SIDE, size)(l_norm))
    theirs = np.stack([classifier.gray_input(rgb, size) for rgb in pictures])
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1
    assert np.mean(ours != theirs) < 0.01  # roundings of float32 that fall just the other way


NAMES_AND_LOOKS = [(name, look) for name in methods.names() for look in methods.declared(name).looks or [None]]


@pytest.mark.parametrize(("name", "look"), NAMES_AND_LOOKS)
def test_every_method_travels_with_its_decoding(name, look, seen):
    colorizer = small_colorizer(name, seen if methods.get(name).uses_vector else None, look, same_network)
    model = graph.build(colorizer)
    assert convert.disagreement(colorizer, model.predict_on_batch, squares()) < convert.TOLERANCE


def test_a_method_that_does_not_say_how_to_decode_is_refused(monkeypatch):
    colorizer = small_colorizer("colorful")
    monkeypatch.setattr(colorizer.method, "ab_of", lambda output, l_norm, look: output)
    with pytest.raises(ValueError, match="ab_of.*from the method colorful"):
        graph.build(colorizer)


@pytest.mark.parametrize("format", list(runtimes.ENDINGS))
def test_an_exported_network_gives_keras_colors_in_its_own_runtime(format, seen, tmp_path):
    needs(format)
    colorizer = small_colorizer("efficientnet", seen)
    path = tmp_path / f"network{runtimes.ENDINGS[format]}"
    convert.write(colorizer, format, path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]  # nothing else is left behind
    assert convert.disagreement(colorizer, runtimes.open_network(path, threads=1), squares()) < convert.TOLERANCE


def test_the_shipped_weights_agree_over_real_photographs(real_data, real_classifier):
    colorizer = inference.Colorizer.load(weights.DEFAULT, str(real_classifier), engine="keras")
    compared = convert.pictures(real_data / "ood", count=2)  # the command compares 20
    assert compared.shape == (2, 256, 256, 3)
    assert convert.disagreement(colorizer, graph.build(colorizer).predict_on_batch, compared) < convert.TOLERANCE


def test_flat_luminance_gets_no_colors_in_the_exported_graph_either():
    colorizer = small_colorizer("trivial")
    colorizer.network.set_weights([np.array([0.3, -0.2], np.float32)])
    model = graph.build(colorizer)
    ramp = np.linspace(40, 60, 256)[None, :, None].repeat(256, 0).repeat(3, 2).astype(np.uint8)
    noise = np.random.default_rng(0).integers(100, 156, (256, 256, 1)).repeat(3, 2).astype(np.uint8)
    pictures = np.stack([np.full((256, 256, 3), 128, np.uint8), ramp, noise, draw_picture(1, 256, 256)])
    chroma = [np.abs(colorizer.forward.ab_norm([rgb])).max() for rgb in pictures]
    assert chroma[0] == 0 and 0 < chroma[2] < 0.3 and chroma[3] == pytest.approx(0.3)
    assert convert.disagreement(colorizer, model.predict_on_batch, pictures) < 1e-5


def test_the_disagreement_of_a_network_with_nan_is_nan():
    colorizer = small_colorizer("trivial")
    assert np.isnan(convert.disagreement(colorizer, lambda l_norm: np.full((1, 64, 64, 2), np.nan), squares(2)))


def test_pictures_are_read_from_a_folder_or_a_folder_without_any_is_named(tmp_path):
    with pytest.raises(ExportError, match=r"--photos is a folder with \.jpg.*Received: .*empty"):
        convert.pictures(tmp_path / "empty")
    cv2.imwrite(str(tmp_path / "a.png"), draw_picture(0))
    assert convert.pictures(tmp_path).shape == (1, 256, 256, 3)


def test_of_many_pictures_an_even_choice_is_compared(tmp_path):
    for level in range(7):
        cv2.imwrite(str(tmp_path / f"{level}.png"), np.full((64, 64, 3), 10 * level, np.uint8))
    assert convert.pictures(tmp_path, count=4, size=64)[:, 0, 0, 0].tolist() == [0, 10, 30, 50]


@pytest.mark.parametrize("side", [64, 192, 256])
def test_the_graph_averages_luminance_as_the_forward_pass_does(side):
    rgb_u8 = forward.squares([draw_picture(i) for i in range(2)], side)
    ours = keras.ops.convert_to_numpy(graph.Average(256, side)(forward.luminance(rgb_u8, (256, 256))))
    np.testing.assert_allclose(ours, forward.luminance(rgb_u8, (side, side)), atol=1e-5)


def test_an_exact_gelu_runs_in_onnx_runtime(tmp_path):
    """The Vision Transformer's; ONNX has no erfc."""
    needs("onnx")
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper

    given, taken = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [5]) for name in ("x", "y"))
    model = helper.make_model(
        helper.make_graph([helper.make_node("Erfc", ["x"], ["y"])], "gelu", [given], [taken]),
        opset_imports=[helper.make_opsetid("", 15)],
        ir_version=8,
    )
    assert convert.replace_erfc(model) == 1 and convert.replace_erfc(model) == 0
    onnx.save(model, tmp_path / "gelu.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "gelu.onnx", providers=["CPUExecutionProvider"])
    x = np.float32([-2, -0.5, 0, 0.5, 2])
    expected = [1.995322, 1.520500, 1, 0.479500, 0.004678]
    np.testing.assert_allclose(session.run(None, {"x": x})[0], expected, atol=1e-5)
