"""Let there be Color!: layers, both scales, both losses, and the same on JAX. docs/reproduction_notes.md, 1.1 and 6."""

from types import SimpleNamespace

import cv2
import keras
import numpy as np
import pytest
from test_colorful import TRAINS, VECTOR, Same, assert_aligned, photograph, run_on_jax, settings

from colorizer import color, methods
from colorizer.data.coco_labels import UNLABELLED
from colorizer.methods import let_there_be_color as ltbc

METHOD = methods.get("let_there_be_color")


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def test_the_network_has_the_layers_of_the_paper(monkeypatch):
    network = METHOD.build()
    assert (network.count_params(), trainable(network)) == (42_195_810, 42_182_818)
    assert network.output_shape == (None, 128, 128, 2)
    shapes = {layer.name: (tuple(layer.output.shape[1:]), layer.count_params()) for layer in network.layers}
    assert shapes["small"] == ((224, 224, 1), 0)
    assert shapes["global3"] == ((7, 7, 512), 2_359_808)
    assert shapes["fc1"] == ((1024,), 25_691_136)
    assert shapes["mid2"] == ((32, 32, 256), 1_179_904)
    assert shapes["fuse"] == ((32, 32, 256), 131_328)
    assert shapes["col4"] == ((128, 128, 32), 18_464)
    low = network.get_layer("low_level")
    assert [layer.count_params() for layer in low.layers if isinstance(layer, keras.layers.Conv2D)] == [
        640, 73_856, 147_584, 295_168, 590_080, 1_180_160
    ]  # fmt: skip
    for parent, name in ((low, "low1"), (low, "low3"), (low, "low5"), (network, "global1"), (network, "global3")):
        assert_aligned(parent.get_layer(f"{name}_pad"), parent.get_layer(name))

    labelled = ltbc.with_classes(network, 205)
    assert (labelled.count_params(), trainable(labelled)) == (42_380_847, 42_367_343)
    assert [tuple(out.shape[1:]) for out in labelled.outputs] == [(128, 128, 2), (205,)]
    # The whole picture in the global path has more positions to connect: a test of the wiring.
    monkeypatch.setattr(ltbc, "global_size", lambda size: size)
    assert METHOD.build().count_params() == 50_060_130


def test_other_sizes_give_a_half():
    assert [ltbc.global_size(size) for size in (256, 32, 64, 224, 512)] == [224, 32, 64, 192, 448]
    assert METHOD.build(224).output_shape == (None, 112, 112, 2)
    assert [tuple(out.shape[1:]) for out in ltbc.with_classes(METHOD.build(64), 7).outputs] == [
        (32, 32, 2),
        (7,),
    ]


def test_the_global_features_reach_every_position():
    keras.utils.set_random_seed(0)
    network = METHOD.build(64)
    fusing = keras.Model(
        network.inputs, [network.get_layer(name).output for name in ("mid2_relu", "fc3_relu", "concat")]
    )
    mid, whole, joined = fusing.predict_on_batch([photograph(64)[0], VECTOR])
    np.testing.assert_array_equal(joined[..., :256], mid)
    np.testing.assert_array_equal(joined[..., 256:], np.broadcast_to(whole[:, None, None], (1, 8, 8, 256)))


# -- colors


def test_targets_are_the_halved_colors_and_decode_to_themselves():
    l_norm, ab_norm = photograph(64)
    targets = keras.ops.convert_to_numpy(ltbc.targets_of(ab_norm))
    halved = ab_norm.reshape(1, 32, 2, 32, 2, 2).mean((2, 4))
    np.testing.assert_allclose(targets, (halved * color.AB_SCALE / 100 + 1) / 2, atol=1e-6)
    network = SimpleNamespace(predict_on_batch=lambda inputs: targets)
    decoded = METHOD.predict_ab(network, l_norm, VECTOR)
    assert decoded.shape == ab_norm.shape and decoded.dtype == np.float32
    np.testing.assert_allclose(decoded[0], cv2.resize(halved[0], (64, 64)), atol=1e-5)  # OpenCV's is bilinear too
    blue = np.full((1, 2, 2, 2), -107.9 / color.AB_SCALE, np.float32)
    assert keras.ops.convert_to_numpy(ltbc.targets_of(blue)).min() == 0, "a blue beyond the sigmoid is clipped"


def test_the_color_loss_is_the_mean_squared_error():
    _, ab_norm = photograph(32)
    colors = np.random.default_rng(0).uniform(0, 1, (1, 16, 16, 2)).astype(np.float32)
    expected = np.square(colors - keras.ops.convert_to_numpy(ltbc.targets_of(ab_norm))).mean()
    assert float(ltbc.color_loss(ab_norm, colors)[0]) == pytest.approx(expected, rel=1e-5)


# -- classes


def test_the_class_loss_is_the_cross_entropy_of_those_that_have_a_label():
    logits = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    losses = keras.ops.convert_to_numpy(ltbc.class_loss(np.array([4, UNLABELLED, 0]), logits))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(losses, [-np.log(shares[0, 4]), 0, -np.log(shares[2, 0])], rtol=1e-5)


@pytest.mark.slow
def test_joint_training_adds_a_300th_of_the_class_loss_and_trains_the_same_network():
    keras.utils.set_random_seed(0)
    l_norm, ab_norm = (np.concatenate([part, part[:, :, ::-1]]) for part in photograph(32))
    labels = np.array([3, UNLABELLED])
    network = METHOD.build(32)
    before = network.get_layer("fc2").get_weights()[0], network.get_layer("out").get_weights()[0]
    model = ltbc.joint_trainer(network, settings(METHOD), 5)
    logs = model.fit(Same(l_norm, (ab_norm, labels)), epochs=1, verbose=0).history
    color, classes = logs["out_loss"][0], logs["class2_loss"][0]
    assert classes > 0.1
    assert logs["loss"][0] == pytest.approx(color + classes / 300, rel=1e-5)
    after = network.get_layer("fc2").get_weights()[0], network.get_layer("out").get_weights()[0]
    assert all(np.abs(one - other).max() > 0 for one, other in zip(before, after, strict=True))


# -- training


def test_adadelta_has_no_schedule():
    config = settings(METHOD)
    network = METHOD.build(32)
    METHOD.trainer(network, config, None)
    assert isinstance(network.optimizer, keras.optimizers.Adadelta)
    assert (network.optimizer.rho, network.optimizer.epsilon) == (0.95, 1e-6)
    assert float(network.optimizer.learning_rate) == 1.0
    assert config.plateau_min_lr == config.learning_rate, "ReduceLROnPlateau then never acts"


@pytest.mark.slow
def test_overfits_one_photograph():
    """A color loss under 1e-3; 32x32, 30 steps with a learning rate of 1, 15 with a tenth of it.

    The photograph comes with its mirror images: normalization of a fully connected layer over a
    batch of one is zero. The smaller steps at the end let the moving averages catch up.
    """
    keras.utils.set_random_seed(0)
    l_norm, ab_norm = (np.concatenate([p, p[:, ::-1], p[:, :, ::-1], p[:, ::-1, ::-1]]) for p in photograph(32))
    network = METHOD.build(32)
    trainer = METHOD.trainer(network, settings(METHOD), None)
    trainer.fit(Same(l_norm, ab_norm, steps=30), verbose=0)
    trainer.optimizer.learning_rate = 0.1
    trainer.fit(Same(l_norm, ab_norm, steps=15), verbose=0)
    assert trainer.evaluate(Same(l_norm, ab_norm), verbose=0) < 1e-3
    error = np.square(METHOD.predict_ab(network, l_norm, np.repeat(VECTOR, 4, 0)) - ab_norm).mean()
    assert error < np.square(ab_norm).mean() / 5, "nearer to the truth than no color at all"


@pytest.mark.slow
def test_trains_on_jax():
    assert run_on_jax(TRAINS, "let_there_be_color").strip() == "trained"
