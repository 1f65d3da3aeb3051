"""Runs of the ViT decoder: its looks, its flags, and how its weights travel."""

import json
import shutil

import numpy as np
import pytest
from test_colorful import TRAINS, run_on_jax

from colorizer import methods, weights
from colorizer.config import resolve
from colorizer.errors import WeightsError
from colorizer.inference import colorizer as inference
from colorizer.methods.layers import token_decoder
from colorizer.training import initialization, loop

METHOD = methods.get("vit_decoder")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One epoch on the sample, at 64x64, with plain convolutions for an encoder and few channels."""
    folder = tmp_path_factory.mktemp("runs") / "vit_decoder-sample"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_decoder, "JOINED", 64)
        patch.setattr(token_decoder, "WIDTHS", (48, 32, 32))
        loop.run(_config(run=str(folder), epochs=1))
        yield folder


def _config(**given):
    given = {"dataset": "sample", "method": "vit_decoder", "classifier": "none", "image_size": 64, "limit": 9} | given
    return resolve(given, METHOD)


def test_weights_load_without_the_classifier(run):
    loaded = weights.load(run)
    assert loaded.network.count_params() == json.loads((run / "summary.json").read_text())["parameters"]
    with pytest.raises(ValueError, match="accurate, vivid. Received: look pale"):
        inference.Colorizer(loaded.network, loaded.method, look="pale")


def test_the_look_reaches_the_photograph(run):
    network = weights.load(run).network
    kernel = network.get_layer("decoder").get_layer("logits").kernel
    kernel.assign(np.random.default_rng(0).normal(0, 3, kernel.shape))
    rgb = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    looks = {}
    for look in (None, "accurate", "vivid"):
        colorizer = inference.Colorizer(network, METHOD, image_size=64, look=look)
        looks[look] = colorizer.predict_ab([rgb])[0]
    np.testing.assert_array_equal(looks[None], looks["vivid"])
    assert np.abs(looks["accurate"] - looks["vivid"]).max() > 0.01


def test_an_encoder_stays_while_the_decoder_learns(run, tmp_path):
    before = weights.load(run).network
    config = _config(run=str(tmp_path / "on"), init_weights=str(run), epochs=1)
    loop.run(config)
    after = weights.load(config.run).network
    for part, same in (("encoder", True), ("decoder", False)):
        pairs = zip(before.get_layer(part).get_weights(), after.get_layer(part).get_weights(), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs) == same


@pytest.mark.parametrize(
    "given",
    [{"encoder_rate": 0.1}, {"frozen_epochs": 1}, {"weight_decay": 0.1}, {"schedule": "one_cycle"}],
)
def test_only_the_method_that_has_them_takes_its_flags(given):
    (name,) = given
    assert getattr(_config(**given), name) == given[name]
    with pytest.raises(ValueError, match=f"--{name.replace('_', '-')} is not an option of the method gan. Received: "):
        resolve({"dataset": "sample", "method": "gan"} | given, methods.get("gan"))


@pytest.mark.parametrize("given", [{"encoder_rate": -0.1}, {"frozen_epochs": -1}, {"weight_decay": -1.0}])
def test_own_flags_have_ranges(given):
    with pytest.raises(ValueError, match=f"--{next(iter(given)).replace('_', '-')} must be 0 or above"):
        _config(**given)


def test_without_the_encoders_layers_the_message_names_them(run, tmp_path):
    shutil.copytree(run, tmp_path / "copy")
    (tmp_path / "copy" / weights.ENCODER).unlink()
    with pytest.raises(WeightsError, match="encoder.json beside them"):
        weights.load(tmp_path / "copy")


def test_a_run_begins_with_given_weights_at_another_size(run):
    network = initialization.network_of(_config(init_weights=str(run), image_size=96), METHOD, None)
    assert network.input_shape[0] == (None, 96, 96, 1)
    for ours, theirs in zip(network.get_weights(), weights.load(run).network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(WeightsError, match="efficientnet. Received: .*, of vit_decoder"):
        initialization.network_of(
            _config(method="efficientnet", init_weights=str(run)), methods.get("efficientnet"), None
        )


def test_given_weights_keep_what_they_know_of_colors(run, picture_folder):
    config = _config(init_weights=str(run), weight_decay=0.5)
    network = initialization.network_of(config, METHOD, None)
    before = network.get_layer("decoder").get_weights()
    trainer = METHOD.trainer(network, config, [None])  # no batch is read for a prior
    for now, then in zip(network.get_layer("decoder").get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    optimizer = trainer.optimizer
    optimizer.build(trainer.trainable_variables)
    decayed = {one.path for one in trainer.trainable_variables if optimizer._use_weight_decay(one)}
    assert decayed and not any(path.endswith(("bias", "sharpness", "nothing", "distance")) for path in decayed)


def test_shipped_weights_are_checked(run, monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "__file__", str(tmp_path / "weights.py"))
    monkeypatch.setitem(weights.SHIPPED, "mine", "0" * 64)
    with pytest.raises(WeightsError, match="should have come with the package.*No such file"):
        weights.load("mine")
    shutil.copytree(run, tmp_path / "shipped" / "mine")
    with pytest.raises(WeightsError, match="is not the file that was shipped"):
        weights.load("mine")


@pytest.mark.slow
def test_trains_on_jax_compiled():
    code = TRAINS.replace("(32)", "(64)").replace("get_weights()[0]", "get_weights()[-1]")
    code = code.replace("settings(method)", 'settings(method, classifier="none")')
    assert run_on_jax(code, "vit_decoder").strip() == "trained"


RESUMES = """
import keras, sys
from colorizer import methods, weights
from colorizer.config import TrainConfig
from colorizer.methods.vit_decoder import SEEDS, HintTrainer
import h5py

network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
one, other = HintTrainer(network, 7), HintTrainer(network, 7)
for _ in range(3):
    keras.random.uniform((1,), seed=one.seeds)
path = sys.argv[1]
one.save_weights(path)
other.load_weights(path)
drawn = keras.ops.convert_to_numpy(other.seeds.state).tolist()
with h5py.File(path, "r+") as file:  # as earlier versions wrote it
    del file["vars"][SEEDS]
other = HintTrainer(network, 7)
other.load_weights(path)
print(drawn, keras.ops.convert_to_numpy(other.seeds.state).tolist())
"""


def test_the_state_of_the_hints_is_saved_on_jax_too(tmp_path):
    assert run_on_jax(RESUMES, tmp_path / "state.weights.h5").strip() == "[7, 3] [7, 0]"
