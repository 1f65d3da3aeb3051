"""The ViT decoder: what hints do, what its loss is, that its encoder stays, and a run of it."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from colorizer import color, methods, weights
from colorizer.classifiers.encoders import vision_transformer
from colorizer.config import resolve
from colorizer.methods.layers import token_decoder
from colorizer.methods.layers.color_bins import BINS
from colorizer.methods.layers.non_local_mean import NonLocalMean
from colorizer.methods.vit_decoder import HintTrainer, hinted
from colorizer.training import initialization, loop

METHOD = methods.get("vit_decoder")
SMALL = vision_transformer.Shape(width=24, heads=2, blocks=2, grid=5)


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(0)
    return vision_transformer.build((28, 28), (0, 1), SMALL)


@pytest.fixture
def narrow(monkeypatch):
    """A decoder with a quarter or less of its channels."""
    monkeypatch.setattr(token_decoder, "JOINED", 64)
    monkeypatch.setattr(token_decoder, "WIDTHS", (48, 32, 32))


@pytest.fixture
def network(encoder, narrow):
    keras.utils.set_random_seed(0)
    network = METHOD.build(64, encoder)
    kernel = network.get_layer("decoder").get_layer("logits").kernel
    kernel.assign(np.random.default_rng(0).normal(0, 0.3, kernel.shape))
    return network


def l_norm_of(count=1, size=64):
    return np.random.default_rng(1).uniform(-1, 1, (count, size, size, 1)).astype(np.float32)


def given_hints(network, l_norm, given):
    return hinted(network, ops.convert_to_tensor(l_norm), ops.convert_to_tensor(given))


def test_validation_in_bfloat16_sees_luminance_in_single_precision():
    def network(inputs, training):
        return inputs[0]

    with loop.precision("mixed_bfloat16"):
        trainer = HintTrainer(network, seed=42)
    l_norm = l_norm_of()
    np.testing.assert_array_equal(trainer([l_norm, np.zeros((1, 1000), np.float32)], training=False), l_norm)


def test_the_decoder_has_four_million_parameters():
    decoder = token_decoder.build((192, 192), 1152)
    assert decoder.count_params() == 4_413_244
    assert decoder.output_shape == (None, 48, 48, 313)


def test_the_declared_cost_is_that_of_the_layers():
    decoder, shape = token_decoder.build((256, 256), 1152), vision_transformer.Shape()
    convolutions = [layer for layer in decoder.layers if isinstance(layer, keras.layers.Conv2D)]
    total = sum(np.prod(layer.output.shape[1:]) * np.prod(layer.kernel.shape[:3]) for layer in convolutions)
    tokens = 1 + 16 * 16
    block = 12 * shape.width**2 * tokens + 2 * tokens**2 * shape.width  # products of weights, then of tokens
    total += shape.blocks * block + 256**2 * shape.width
    assert METHOD.multiply_adds == pytest.approx(total / 1e9, abs=0.1)


def test_it_begins_with_the_prior(encoder, narrow):
    network, prior = METHOD.build(64, encoder), np.full(len(BINS), 1e-4)
    prior[100] = 1 - prior.sum() + prior[100]
    token_decoder.init_prior_bias(network.get_layer("decoder"), prior)
    logits = network.predict_on_batch([l_norm_of(), np.zeros((1, 1000), np.float32)])
    np.testing.assert_allclose(ops.convert_to_numpy(ops.softmax(logits))[0, 3, 3], prior, atol=1e-3)


def test_hints_change_the_output_and_no_hints_do_not(network):
    l_norm = l_norm_of()
    output = network.predict_on_batch([l_norm, np.zeros((1, 1000), np.float32)])
    given = np.zeros((1, 16, 16, 3), np.float32)
    np.testing.assert_allclose(ops.convert_to_numpy(given_hints(network, l_norm, given)), output, atol=1e-4)
    given[0, 8, 8] = 0.5, -0.5, 1
    change = np.abs(ops.convert_to_numpy(given_hints(network, l_norm, given)) - output).max(axis=-1)[0]
    assert change[8, 8] > 1e-3


def test_depth_to_space_spreads_channels_over_four_pixels():
    x = np.arange(8, dtype=np.float32).reshape(1, 1, 1, 8)
    spread = ops.convert_to_numpy(token_decoder.DepthToSpace()(x))
    np.testing.assert_array_equal(spread[0], [[[0, 1], [2, 3]], [[4, 5], [6, 7]]])


def test_the_loss_is_least_at_the_truth_at_both_sizes_of_it():
    red = int(np.square(BINS - [50, 30]).sum(axis=1).argmin())
    ab_norm = np.broadcast_to(BINS[red] / color.AB_SCALE, (1, 8, 8, 2)).astype(np.float32)
    loss = token_decoder.Loss()
    truth = np.log(np.maximum(ops.convert_to_numpy(loss.codes(BINS[red])), 1e-12))
    logits = [np.broadcast_to(one, (1, 2, 2, len(BINS))) for one in (truth, 0 * truth, np.roll(truth, 60))]
    losses = [float(loss(ab_norm, one)) for one in logits]
    assert losses[0] < min(losses[1:])
    assert losses[1] > np.log(len(BINS))
    assert float(loss(ab_norm[:, :2, :2], logits[0])) == pytest.approx(losses[0], rel=1e-5)
    assert float(token_decoder.mse(ab_norm, logits[0])[0]) < 1e-3


def test_the_mean_of_channels_is_the_mean_of_logits():
    decoder, rng = token_decoder.build((32, 48), 8), np.random.default_rng(0)
    to_logits = decoder.get_layer("logits")
    to_logits.set_weights([rng.normal(size=weight.shape) for weight in to_logits.get_weights()])
    l_norm, tokens = rng.uniform(-1, 1, (1, 32, 48, 1)), 1 + 0.3 * rng.normal(size=(1, 2, 3, 8))
    given = np.zeros((1, 8, 12, 3))
    given[0, 1, 2] = 0.5, -0.5, 1
    x = [ops.convert_to_tensor(part.astype(np.float32)) for part in (l_norm, tokens, given)]
    mean = decoder.get_layer("non_local_mean")
    without = to_logits(keras.Model(decoder.inputs, mean.input[0])(x))
    np.testing.assert_allclose(decoder(x), NonLocalMean()(without, *x[1:]), atol=1e-3)
    assert np.abs(decoder(x) - without).max() > 0.1


def test_a_decoder_for_any_size_gives_the_same():
    keras.utils.set_random_seed(0)
    fixed, free = token_decoder.build((32, 48), 8), token_decoder.build((None, None), 8)
    kernel = fixed.get_layer("logits").kernel
    kernel.assign(np.random.default_rng(0).normal(0, 0.3, kernel.shape))
    free.set_weights(fixed.get_weights())
    rng = np.random.default_rng(0)
    shapes = [(1, 32, 48, 1), (1, 2, 3, 8), (1, 8, 12, 3)]
    inputs = [rng.uniform(-1, 1, shape).astype(np.float32) for shape in shapes]
    np.testing.assert_allclose(free.predict_on_batch(inputs), fixed.predict_on_batch(inputs), atol=1e-4)
    inputs = [rng.uniform(-1, 1, shape).astype(np.float32) for shape in [(1, 16, 16, 1), (1, 1, 1, 8), (1, 4, 4, 3)]]
    assert free.predict_on_batch(inputs).shape == (1, 4, 4, 313)


class OneBatch(keras.utils.PyDataset):
    """The same pictures again and again."""

    def unaugmented(self, most):
        return self

    def __len__(self):
        return 4

    def __getitem__(self, index):
        ab_norm = np.random.default_rng(2).uniform(-0.3, 0.3, (2, 1, 1, 2)).astype(np.float32)
        return (l_norm_of(2), np.zeros((2, 1000), np.float32)), np.broadcast_to(ab_norm, (2, 64, 64, 2))


@pytest.mark.parametrize(("rate", "stays"), [(0.0, True), (0.5, False)])
def test_the_encoder_stays_as_it_is_unless_it_has_a_rate(network, rate, stays):
    given = {"dataset": "sample", "method": "vit_decoder", "image_size": 64, "encoder_rate": rate, "epochs": 1}
    trainer = METHOD.trainer(network, resolve(given | {"classifier": "some.keras"}, METHOD), OneBatch())
    trainer.run_eagerly = True  # a compiled training takes seconds more; test_base has one
    before = METHOD.encoder_of(network).get_weights()
    decoder = network.get_layer("decoder").get_weights()
    history = trainer.fit(OneBatch(), validation_data=OneBatch(), verbose=0).history
    after = METHOD.encoder_of(network).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)) == stays
    assert not all(
        np.array_equal(a, b) for a, b in zip(decoder, network.get_layer("decoder").get_weights(), strict=True)
    )
    assert set(history) == {"loss", "mse", "val_loss", "val_mse"}


def test_vivid_is_more_colorful_than_accurate(network):
    l_norm, vector = l_norm_of(), np.zeros((1, 1000), np.float32)
    accurate, vivid = (METHOD.predict_ab(network, l_norm, vector, look) for look in METHOD.looks)
    assert accurate.shape == vivid.shape == (1, 64, 64, 2)
    assert np.abs(vivid).mean() > np.abs(accurate).mean()


def test_a_run_on_a_saved_transformer_loads_without_it(encoder, narrow, tmp_path):
    encoder.save(tmp_path / "small.keras")
    given = {"dataset": "sample", "method": "vit_decoder", "image_size": 64, "limit": 9, "epochs": 1}
    given |= {"classifier": str(tmp_path / "small.keras"), "run": str(tmp_path / "run")}
    loop.run(resolve(given, METHOD))
    assert json.loads((tmp_path / "run" / "config.json").read_text())["classifier_name"] == "small"
    (tmp_path / "small.keras").unlink()
    loaded = weights.load(tmp_path / "run").network
    seeing = METHOD.encoder_of(METHOD.build(64, encoder))
    for mine, theirs in zip(METHOD.encoder_of(loaded).get_weights(), seeing.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-3)  # half precision


def test_shipped_weights_are_gone_on_from_without_their_encoder_s_file():
    # --classifier stays the default: EfficientNet-B4 of ImageNet, which is neither here nor wanted
    method = methods.get("vit_decoder")
    config = resolve({"dataset": "sample", "method": method.name, "image_size": 64, "init_weights": "shipped"}, method)
    named = initialization.classifier_of(config, method)
    assert (named.name, named.model) == ("dinov2_small", None)
    network = initialization.network_of(config, method, named.model)
    for ours, theirs in zip(network.get_weights(), weights.load("shipped").network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
