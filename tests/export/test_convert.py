"""Exported networks give Keras' colours: on real weights and photographs where they are, on small ones everywhere."""

import importlib.util
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import REPOSITORY, draw_picture
from small_classifiers import small_classifier

from colorizer import color, images, methods, weights
from colorizer.classifiers import classifier
from colorizer.errors import ExportError
from colorizer.export import convert, graph, runtimes
from colorizer.inference import colorizer as inference

SIDE = 64
# Third-party deprecations inside the converters.
pytestmark = pytest.mark.filterwarnings("ignore")


def squares(count=3, side=256):
    return np.stack([images.resize_square(draw_picture(i), side) for i in range(count)])


def small_colorizer(name="efficientnet", seen=None, look=None):
    keras.utils.set_random_seed(3)
    method = methods.get(name)
    return inference.Colorizer(method.build(SIDE), method, seen, SIDE, look)


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
    ours = keras.ops.convert_to_numpy(graph.GreyPicture(SIDE, size)(l_norm))
    theirs = np.stack([classifier.gray_input(rgb, size) for rgb in pictures])
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1
    assert np.mean(ours != theirs) < 0.01  # roundings of float32 that fall just the other way


NAMES_AND_LOOKS = [(name, look) for name in methods.names() for look in methods.declared(name).looks or [None]]


@pytest.mark.parametrize(("name", "look"), NAMES_AND_LOOKS)
def test_every_method_travels_with_its_decoding(name, look, seen):
    colorizer = small_colorizer(name, seen if methods.get(name).uses_vector else None, look)
    model = graph.build(colorizer)
    assert convert.disagreement(colorizer, model.predict_on_batch, squares()) < convert.TOLERANCE


def test_a_method_that_does_not_say_how_to_decode_is_refused(monkeypatch):
    colorizer = small_colorizer("colorful")
    monkeypatch.setattr(colorizer.method, "ab_of", lambda output, l_norm, look: output)
    with pytest.raises(ValueError, match="ab_of.*from the method colorful"):
        graph.build(colorizer)


@pytest.mark.parametrize("format", convert.FORMATS)
def test_an_exported_network_gives_keras_colours_in_its_own_runtime(format, seen, tmp_path):
    needs(format)
    colorizer = small_colorizer("efficientnet", seen)
    path = tmp_path / f"network{runtimes.ENDINGS[format]}"
    convert.write(colorizer, format, path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]  # nothing else is left behind
    assert convert.disagreement(colorizer, runtimes.open_network(path, threads=1), squares()) < convert.TOLERANCE


def test_the_shipped_weights_agree_over_real_photographs(real_data, real_classifier):
    colorizer = inference.Colorizer.load(weights.DEFAULT, str(real_classifier))
    compared = convert.pictures(real_data / "ood", count=2)  # the command compares 20
    assert compared.shape == (2, 256, 256, 3)
    assert convert.disagreement(colorizer, graph.build(colorizer).predict_on_batch, compared) < convert.TOLERANCE


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch, capsys):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if "onnx" in name else found(name))
    assert convert.main(["--format", "onnx"]) == 2
    said = capsys.readouterr().err
    assert "tf2onnx, which is not installed" in said and 'pip install -e ".[export]" -c constraints.txt' in said


def test_wrong_usage_has_status_2_and_touches_nothing(tmp_path, capsys):
    there = tmp_path / "there"
    there.mkdir()
    words = ["--format", "saved_model", "--classifier", "none", "-o"]
    assert convert.main([*words, str(there)]) == 2 and "is there already" in capsys.readouterr().err
    assert convert.main([*words, str(tmp_path / "new.onnx")]) == 2 and "a folder's name" in capsys.readouterr().err
    assert convert.main([*words, str(tmp_path / "new"), "--weights", str(there)]) == 2
    assert "weights" in capsys.readouterr().err
    assert convert.main([*words, str(tmp_path / "new"), "--photos", str(there)]) == 2
    assert "--photos is a folder" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["there"] and not list(there.iterdir())


def test_a_network_that_differs_is_not_kept(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(convert, "disagreement", lambda *_: float("nan"))
    monkeypatch.setattr(convert, "write", lambda colorizer, format, path: path.mkdir())
    monkeypatch.setattr(runtimes, "open_network", lambda path: None)
    words = ["--format", "saved_model", "--classifier", "none", "-o", str(tmp_path / "new")]
    assert convert.main(words) == 1
    assert "not kept" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_help_is_quick():
    code = "import sys\nfrom colorizer.export import convert\ntry: convert.main(['--help'])\nexcept SystemExit: pass\n"
    code += "print(sorted({'keras', 'tensorflow', 'numpy', 'cv2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
