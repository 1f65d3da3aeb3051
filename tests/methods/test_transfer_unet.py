"""The U-Net on a classifier's scales: its encoder, its looks, its loss, and how its weights travel."""

import json
import shutil

import keras
import numpy as np
import pytest
from keras import ops
from test_colorful import TRAINS, run_on_jax

from colorizer import color, methods, weights
from colorizer.config import resolve
from colorizer.data import datasets
from colorizer.errors import DataError, WeightsError
from colorizer.inference import colorizer as inference
from colorizer.methods import transfer_unet
from colorizer.methods.layers import color_bins
from colorizer.methods.layers.color_bins import BINS, annealed_mean, encode
from colorizer.training import initialization, loop

METHOD = methods.get("transfer_unet")

PRIOR = np.full(len(BINS), 1e-4, np.float32)
GREY_BIN = int(np.hypot(*BINS.T).argmin())
RED_BIN = int(np.square(BINS - [50, 30]).sum(axis=1).argmin())


def multiply_adds(model) -> int:
    """Of all convolutions, also those of models inside."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            total += multiply_adds(layer)
        elif isinstance(layer, keras.layers.DepthwiseConv2D):
            total += int(np.prod(layer.output.shape[1:]) * np.prod(layer.kernel_size))
        elif isinstance(layer, keras.layers.Conv2D):
            total += int(np.prod(layer.output.shape[1:]) * np.prod(layer.kernel.shape[:3]))
    return total


def test_with_the_saved_classifier_it_stays_under_six_giga_multiply_adds(real_classifier):
    classifier = keras.saving.load_model(real_classifier)
    network = METHOD.build(256, classifier)
    assert network.count_params() == 5_039_794
    assert multiply_adds(network) < 6e9
    copied = {w.path.rpartition("/")[2]: w for w in classifier.get_layer("conv00").weights}
    own = METHOD.encoder_of(network).get_layer("conv00")
    np.testing.assert_array_equal(own.kernel, copied["kernel"])


@pytest.fixture(scope="module")
def untrained():
    keras.utils.set_random_seed(0)
    return METHOD.build(64)


def test_it_begins_with_the_prior(untrained):
    prior = PRIOR.copy()
    prior[GREY_BIN] = 1 - prior.sum() + prior[GREY_BIN]
    untrained.get_layer("log_prior").log_prior.assign(np.log(prior))
    l_norm = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 1)).astype(np.float32)
    logits = untrained.predict_on_batch([l_norm, np.zeros((1, 1000), np.float32)])
    ab = ops.convert_to_numpy(annealed_mean(logits))
    np.testing.assert_allclose(ab, np.broadcast_to(prior @ BINS, ab.shape), atol=0.1)


def looks_of(logits):
    """Chroma of the looks of a picture of one color, Lab units."""
    l_norm = np.zeros((1, 4 * logits.shape[1], 4 * logits.shape[2], 1), np.float32)
    of_looks = {look: METHOD.ab_of(logits, l_norm, look)[0, 0, 0] for look in METHOD.looks}
    return {look: float(np.hypot(*ops.convert_to_numpy(ab))) * color.AB_SCALE for look, ab in of_looks.items()}


def test_vivid_adds_chroma_by_the_distributions_variance():
    logits = np.full((1, 16, 16, len(PRIOR)), -20, np.float32)
    logits[..., GREY_BIN], logits[..., RED_BIN] = 0.2, 0
    chroma = looks_of(logits)
    accurate, vivid = transfer_unet.LOOKS["accurate"], transfer_unet.LOOKS["vivid"]
    red, gray = BINS[RED_BIN], BINS[GREY_BIN]
    likely = {t: 1 / (1 + np.exp(0.2 / t)) for t in (1, accurate.temperature, vivid.temperature)}
    mean = {t: np.hypot(*(p * red + (1 - p) * gray)) for t, p in likely.items()}
    assert chroma["accurate"] == pytest.approx(mean[accurate.temperature], rel=0.02)
    added = vivid.added * likely[1] * (1 - likely[1]) * np.square(red - gray).sum()
    assert chroma["vivid"] == pytest.approx(mean[vivid.temperature] + added, rel=0.02)
    assert chroma["vivid"] > 1.25 * chroma["accurate"]


def test_a_gain_stays_within_its_bounds():
    logits = np.full((1, 16, 16, len(PRIOR)), -20, np.float32)
    logits[..., RED_BIN] = 40
    certain = looks_of(logits)
    assert certain["vivid"] == pytest.approx(certain["accurate"]), "a color without doubt is left as it is"
    unknown = looks_of(np.zeros((1, 16, 16, len(PRIOR)), np.float32))
    assert unknown["vivid"] == pytest.approx(color_bins.LARGEST_GAIN * unknown["accurate"], rel=1e-3)


def test_the_loss_is_least_at_the_truth():
    ab_norm = np.broadcast_to(BINS[RED_BIN] / color.AB_SCALE, (1, 8, 8, 2)).astype(np.float32)
    indices, shares = encode(ops.convert_to_tensor(BINS[[RED_BIN]]))
    truth = np.full(len(PRIOR), -30, np.float32)
    truth[ops.convert_to_numpy(indices)[0]] = np.log(ops.convert_to_numpy(shares)[0])
    logits = np.stack([truth, np.zeros_like(truth), np.roll(truth, 60)])[:, None, None].repeat(2, 1).repeat(2, 2)
    loss = transfer_unet.DistributionLoss()
    losses = [float(loss(ab_norm, one[None])) for one in logits]
    assert losses[0] < min(losses[1:])
    assert float(transfer_unet.mse(ab_norm, logits[:1])[0]) < 1e-3


def test_the_loss_is_cross_entropy_plus_the_means_squared_error():
    logits = np.zeros((1, 2, 2, len(PRIOR)), np.float32)
    for place in (GREY_BIN, RED_BIN):
        ab_norm = np.broadcast_to(BINS[place] / color.AB_SCALE, (1, 8, 8, 2)).astype(np.float32)
        squared = np.square((BINS.mean(axis=0) - BINS[place]) / color.AB_SCALE).mean()
        expected = np.log(len(BINS)) + transfer_unet.MEAN_WEIGHT * squared
        assert float(transfer_unet.DistributionLoss()(ab_norm, logits)) == pytest.approx(expected, rel=1e-4)


# -- a run of it


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One epoch on the sample, at 64x64, without a classifier."""
    folder = tmp_path_factory.mktemp("runs") / "transfer_unet-sample"
    loop.run(_config(run=str(folder), epochs=1))
    return folder


def _config(**given):
    given = {"dataset": "sample", "method": "transfer_unet", "classifier": "none", "image_size": 64, "limit": 9} | given
    return resolve(given, METHOD)


def test_weights_load_without_the_classifier(run):
    loaded = weights.load(run)
    assert loaded.network.count_params() == json.loads((run / "summary.json").read_text())["parameters"]
    with pytest.raises(ValueError, match="accurate, vivid. Received: pale"):
        inference.Colorizer(loaded.network, loaded.method, look="pale")


def test_the_look_reaches_the_photograph(untrained):
    kernel = untrained.get_layer("logits").kernel
    kernel.assign(np.random.default_rng(0).normal(0, 3, kernel.shape))
    rgb = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    looks = {}
    for look in (None, "accurate", "vivid"):
        colorizer = inference.Colorizer(untrained, METHOD, image_size=64, look=look)
        looks[look] = colorizer.predict_ab([rgb])[0]
    np.testing.assert_array_equal(looks[None], looks["vivid"])
    assert np.abs(looks["accurate"] - looks["vivid"]).max() > 0.01


def test_an_encoder_can_stay_and_weights_be_averaged(run, tmp_path):
    before = weights.load(run).network
    config = _config(run=str(tmp_path / "on"), init_weights=str(run), epochs=1, encoder_rate=0.0)
    loop.run(config)
    after = weights.load(config.run).network
    for network, same in (
        (METHOD.encoder_of, True),
        (lambda network: network.get_layer("made4"), False),
    ):
        pairs = zip(network(before).weights, network(after).weights, strict=True)
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


def test_a_run_begins_with_given_weights_at_another_size(run, tmp_path):
    network = initialization.network_of(_config(init_weights=str(run), image_size=96), METHOD, None)
    assert network.input_shape[0] == (None, 96, 96, 1)
    for ours, theirs in zip(network.get_weights(), weights.load(run).network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(WeightsError, match="efficientnet. Received: .*, of transfer_unet"):
        initialization.network_of(
            _config(method="efficientnet", init_weights=str(run)), methods.get("efficientnet"), None
        )


def test_shipped_weights_are_checked(run, monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "__file__", str(tmp_path / "weights.py"))
    monkeypatch.setitem(weights.SHIPPED, "mine", "0" * 64)
    with pytest.raises(WeightsError, match="should have come with the package.*No such file"):
        weights.load("mine")
    shutil.copytree(run, tmp_path / "shipped" / "mine")
    with pytest.raises(WeightsError, match="is not the file that was shipped"):
        weights.load("mine")


def test_several_data_sets_are_one(tmp_path):
    for name in ("coco", "paintings"):
        (tmp_path / name).mkdir()
        for i in range(3):
            (tmp_path / name / f"{i}.png").touch()
    together = datasets.find("coco+paintings", tmp_path)
    assert (together.name, together.root) == ("coco+paintings", tmp_path.resolve())
    everything = sorted(together.train + together.val + together.test)
    assert everything == [f"{name}/{i}.png" for name in ("coco", "paintings") for i in range(3)]
    with pytest.raises(DataError, match="Received: no nonsense in "):
        datasets.find("coco+nonsense", tmp_path)


@pytest.mark.slow
def test_trains_on_jax_compiled():
    code = TRAINS.replace("(32)", "(64)").replace("settings(method)", 'settings(method, classifier="none")')
    assert run_on_jax(code, "transfer_unet").strip() == "trained"
