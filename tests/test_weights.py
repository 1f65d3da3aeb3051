"""Weights that are missing, damaged or no numbers are named, and the cheap errors come before Keras."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import REPOSITORY

from colorizer import methods, weights
from colorizer.errors import WeightsError

RECORD = {"method": "trivial", "image_size": 32, "classifier": "none"}


@pytest.fixture
def run(tmp_path):
    """A run's folder with a network that says one color."""
    folder = tmp_path / "run"
    folder.mkdir()
    network = methods.get("trivial").build(32)
    network.set_weights([np.array([0.1, 0.2], np.float32)])
    network.save_weights(folder / weights.BEST)
    network.save(folder / "whole.keras")
    (folder / weights.RECORD).write_text(json.dumps(RECORD))
    return folder


def test_a_trained_network_says_what_it_is(run):
    trained = weights.load(run)
    assert repr(trained) == f"<Trained trivial, 32 pixels, 2 parameters, {run / weights.BEST}>"
    np.testing.assert_allclose(weights.load(run / "whole.keras").network.get_weights()[0], [0.1, 0.2])


@pytest.mark.parametrize("name", [weights.DEFAULT, *weights.SHIPPED])
def test_a_folder_with_the_name_of_shipped_weights_hides_them_only_where_it_holds_weights(
    run, monkeypatch, tmp_path, name
):
    monkeypatch.delenv(weights.PLACE, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    assert weights.place(name) == weights.shipped(name) / weights.BEST
    shutil.copytree(run, tmp_path / name, dirs_exist_ok=True)
    assert weights.place(name).resolve() == tmp_path / name / weights.BEST


@pytest.mark.parametrize("named", ["nothing", "empty"])
def test_weights_that_the_environment_names_and_that_do_not_exist_are_called_that(run, monkeypatch, tmp_path, named):
    (tmp_path / "empty").mkdir()
    place = str(tmp_path / named)
    monkeypatch.setenv(weights.PLACE, place)
    with pytest.raises(WeightsError) as caught:
        weights.load(weights.DEFAULT)
    assert f"Received: COLORIZER_WEIGHTS={place}. Unset it" in str(caught.value)
    assert weights.load(run).path == run / weights.BEST  # named weights do not ask the environment
    monkeypatch.setenv(weights.PLACE, str(run))
    assert weights.place(weights.DEFAULT) == run / weights.BEST


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused_when_they_are_loaded(run, value):
    network = methods.get("trivial").build(32)
    network.set_weights([np.array([0.1, value], np.float32)])
    network.save_weights(run / weights.BEST)
    with pytest.raises(WeightsError, match=r"no numbers \(NaN or infinite\).*Train again.*Received: .*ab_norm"):
        weights.load(run)


@pytest.mark.parametrize("name", [weights.BEST, "whole.keras"])
@pytest.mark.parametrize("share", [0, 0.5, 0.9])
def test_a_file_that_is_cut_short_is_called_that(run, name, share):
    whole = (run / name).read_bytes()
    (run / name).write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(WeightsError, match="cut short, damaged, or another kind of file. Copy it again"):
        weights.load(run / name)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe\x00",
        b"{}",
        json.dumps(RECORD | {"method": "nobody"}).encode(),
        json.dumps(RECORD | {"method": ["trivial"]}).encode(),
        json.dumps(RECORD | {"image_size": "large"}).encode(),
        json.dumps(RECORD | {"image_size": 33}).encode(),
        json.dumps(RECORD | {"image_size": 0}).encode(),
    ],
)
def test_a_damaged_record_is_named(run, content):
    (run / weights.RECORD).write_bytes(content)
    with pytest.raises(WeightsError, match=r"config.json is damaged or not from this program.*Received: .+"):
        weights.load(run)


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"class_name": "Nothing"}'])
def test_a_damaged_encoder_is_named(tmp_path, content):
    folder = shutil.copytree(weights.shipped(weights.DEFAULT), tmp_path / "run")
    (folder / weights.ENCODER).write_text(content)
    with pytest.raises(WeightsError, match=r"encoder.json is damaged or not from this program.*Received: .+"):
        weights.load(folder)


def test_weights_of_another_network_do_not_fit(run):
    (run / weights.RECORD).write_text(json.dumps(RECORD | {"method": "efficientnet"}))
    with pytest.raises(WeightsError, match="does not fit the network 'efficientnet'"):
        weights.load(run)


BEFORE_KERAS = """
import sys
from colorizer import Colorizer
from colorizer.errors import ColorizerError
for arguments in ({"network": "absent"}, {"network": sys.argv[1]}, {"look": "pale"}):
    try:
        Colorizer(**arguments)
    except (ColorizerError, ValueError) as error:
        print(error)
print(sorted({"keras", "tensorflow"} & set(sys.modules)))
"""


def test_cheap_errors_come_before_keras(run):
    (run / weights.RECORD).write_text("{")
    command = [sys.executable, "-c", BEFORE_KERAS, str(run)]
    lines = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == 4 and lines[-1] == "[]"
    assert "absent" in lines[0] and "is damaged" in lines[1] and "Received: look pale" in lines[2]


def test_quantized_weights_take_a_quarter_and_predict_nearly_the_same(tmp_path):
    method, rng = methods.get("efficientnet"), np.random.default_rng(0)
    network = method.build(64)
    single = weights.packed(network)
    quantized = weights.quantized(single)
    assert len(quantized) < 0.27 * len(single) < 0.54 * len(weights.halved(single))
    (tmp_path / weights.BEST).write_bytes(quantized)
    (tmp_path / weights.RECORD).write_text(json.dumps(RECORD | {"method": "efficientnet", "image_size": 64}))
    loaded = weights.load(tmp_path).network
    for mine, theirs in zip(loaded.get_weights(), network.get_weights(), strict=True):
        largest = np.abs(theirs).max(axis=tuple(range(theirs.ndim - 1))) if theirs.ndim > 1 else np.abs(theirs)
        assert (np.abs(mine - theirs) <= largest / 254 + 1e-3).all()
        if theirs.ndim < 2:
            np.testing.assert_array_equal(mine, theirs)
    l_norm, vector = rng.uniform(-1, 1, (2, 64, 64, 1)).astype(np.float32), np.zeros((2, 1000), np.float32)
    before, after = (method.predict_ab(one, l_norm, vector) for one in (network, loaded))
    assert 0 < np.abs(after - before).mean() < 0.02 * np.abs(before).mean() + 0.003


def test_dequantizing_is_exact_for_whole_numbers_and_leaves_other_files_as_they_are(tmp_path):
    network = methods.get("efficientnet").build(32)
    values = [np.rint(np.random.default_rng(1).uniform(-127, 127, w.shape)) for w in network.get_weights()]
    for value in values:
        if value.ndim > 1:
            value.reshape(-1, value.shape[-1])[0] = 127
    network.set_weights(values)
    again = methods.get("efficientnet").build(32)
    for data in (weights.dequantized(weights.quantized(weights.packed(network))), weights.packed(network)):
        (tmp_path / weights.BEST).write_bytes(weights.dequantized(data))
        again.load_weights(tmp_path / weights.BEST)
        for mine, theirs in zip(again.get_weights(), values, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-6)
