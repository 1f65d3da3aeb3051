"""Colorful Image Colorization: layers, colors, weights, loss, training, and the same on JAX."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import REPOSITORY
from skimage import data

from colorizer import color, images, methods
from colorizer.config import resolve
from colorizer.methods import colorful
from colorizer.methods.layers import color_bins, soft_encoding
from colorizer.training import loop

METHOD = methods.get("colorful")

VECTOR = np.zeros((1, 1000), np.float32)


def photograph(size, rgb_u8=None):
    """scikit-image's cat, or another picture, as the networks take it: l_norm (1, S, S, 1), ab_norm (1, S, S, 2)."""
    lab = color.rgb_to_lab(images.resize_square(data.chelsea() if rgb_u8 is None else rgb_u8, size))
    return tuple(part[None] for part in color.split(lab))


class Same(keras.utils.PyDataset):
    """One batch, again and again: `steps` steps an epoch."""

    def __init__(self, l_norm, targets, steps=1):
        super().__init__()
        self.batch = (l_norm, np.zeros((len(l_norm), 1000), np.float32)), targets
        self.steps = steps

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        return self.batch

    def unaugmented(self, most):
        return self


def settings(method, **given):
    """A small run's configuration with the method's own defaults."""
    return resolve({"dataset": "sample", "image_size": 32} | given, method)


def assert_aligned(pad, conv):
    """A stride-2 convolution looks at pixels 0, 2, 4, ... and not 1, 3, 5: a kernel that is one in its middle says."""
    x = np.random.default_rng(0).uniform(0, 1, (1, 8, 8, conv.kernel.shape[2])).astype(np.float32)
    kernel = np.zeros(conv.kernel.shape, np.float32)
    kernel[1, 1, 0, 0] = 1
    conv.set_weights([kernel, np.zeros(conv.filters, np.float32)])
    seen = keras.ops.convert_to_numpy(conv(pad(x)))
    np.testing.assert_allclose(seen[..., 0], x[:, ::2, ::2, 0], atol=1e-6)


def run_on_jax(code, *arguments):
    """Runs Python code in a process with the JAX backend; returns what it printed."""
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed: pip install -r requirements-dev.txt")
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{Path(__file__).parent}{os.pathsep}{REPOSITORY / 'tests'}",
    }
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


TRAINS = """
import sys, keras, numpy as np
from colorizer import methods
from test_colorful import VECTOR, Same, photograph, settings
method, (l_norm, ab_norm) = methods.get(sys.argv[1]), photograph(32)
l_norm, ab_norm = (np.concatenate([part, part[:, :, ::-1]]) for part in (l_norm, ab_norm))
network, batches = method.build(32), Same(l_norm, ab_norm)
before = network.get_weights()[0]
trainer = method.trainer(network, settings(method), batches)
logs = trainer.fit(batches, validation_data=batches, verbose=0).history
assert keras.backend.backend() == "jax" and trainer.jit_compile
assert all(np.isfinite(values).all() for values in logs.values()), logs
assert not np.array_equal(network.get_weights()[0], before)
assert np.isfinite(method.predict_ab(network, l_norm, np.repeat(VECTOR, 2, 0))).all()
print("trained")
"""


def test_the_network_has_the_layers_of_the_paper():
    network = METHOD.build()
    assert network.count_params() == 32_235_385
    assert sum(int(np.prod(weight.shape)) for weight in network.trainable_weights) == 32_230_393
    assert network.output_shape == (None, 64, 64, 313)
    shapes = {layer.name: (tuple(layer.output.shape[1:]), layer.count_params()) for layer in network.layers}
    assert shapes["conv1_2"] == ((128, 128, 64), 36_928)
    assert shapes["conv3_3"] == ((32, 32, 256), 590_080)
    assert shapes["conv6_2"] == ((32, 32, 512), 2_359_808)
    assert shapes["conv8_1"] == ((64, 64, 256), 2_097_408)
    assert shapes["conv8_313"] == ((64, 64, 313), 80_441)
    assert {name for name in shapes if name.endswith("_norm")} - {"l_norm"} == {f"conv{i}_norm" for i in range(1, 8)}
    dilated = {layer.name for layer in network.layers if getattr(layer, "dilation_rate", (1, 1)) == (2, 2)}
    assert dilated == {"conv5_1", "conv5_2", "conv5_3", "conv6_1", "conv6_2", "conv6_3"}
    assert network.get_layer("conv1_norm").get_weights()[0].shape == (64,)
    assert len(network.get_layer("conv1_norm").weights) == 2, "normalization has neither scale nor shift"
    for layer in (network.get_layer(f"conv{i}") for i in ("1_2", "2_2", "3_3")):
        assert_aligned(network.get_layer(f"{layer.name}_pad"), layer)


@pytest.mark.parametrize("size, out", [(224, 56), (176, 44)])
def test_other_sizes_give_a_quarter(size, out):
    assert METHOD.build(size).output_shape == (None, out, out, 313)


def dense(ab):
    """The soft encoding, made the long way: (n, 2) Lab units -> (n, 313)."""
    squared = ((ab[:, None].astype(np.float64) - color_bins.BINS) ** 2).sum(-1)
    encoded = np.zeros(squared.shape)
    for row, distances in enumerate(squared):
        nearest = np.argsort(distances, kind="stable")[:10]  # of two as near, the first, as top_k has it
        encoded[row, nearest] = np.exp(-distances[nearest] / 50)
    return encoded / encoded.sum(1, keepdims=True)


# -- the weights


def test_rare_colors_weigh_more():
    gray = int(np.flatnonzero((color_bins.BINS == 0).all(1))[0])
    prior = np.full(313, 0.1 / 311)
    prior[gray], prior[7] = 0.9, 0.0
    weights = colorful.rebalance(prior)
    assert (prior * weights).sum() == pytest.approx(1, abs=1e-6)
    assert weights.argmin() == gray
    assert weights[7] == weights.max()
    # w = 1 / ((1 - lambda) p + lambda / Q) up to a factor, with the Q = 312 colors that occur.
    raw = 1 / (0.5 * prior + 0.5 / 312)
    assert weights[gray] / weights[0] == pytest.approx(raw[gray] / raw[0], rel=1e-5)


# -- the loss


def test_the_loss_is_bounded_by_what_is_known():
    _, ab_norm = photograph(128)
    colors = soft_encoding.subsample(ab_norm)
    weights = np.random.default_rng(0).uniform(0.1, 6, 313).astype(np.float32)
    loss = colorful.RebalancedCrossEntropy(weights)
    nothing = np.zeros((1, 32, 32, 313), np.float32)
    whole = np.round(colors)  # as the table of codes takes them
    nearest = ((whole[..., None, :] - color_bins.BINS) ** 2).sum(-1).argmin(-1)
    assert float(colorful.cross_entropy(ab_norm, nothing)[0]) == pytest.approx(np.log(313), abs=1e-4)
    assert float(loss(ab_norm, nothing)) == pytest.approx(np.log(313) * weights[nearest].mean(), rel=1e-4)
    everything = np.log(dense(colors.reshape(-1, 2)) + 1e-9).reshape(1, 32, 32, 313).astype(np.float32)
    assert 1.2 < float(colorful.cross_entropy(ab_norm, everything)[0]) < 1.5, "the entropy of the target is the floor"
    assert float(loss(ab_norm, everything)) < float(loss(ab_norm, nothing)) / 3


def test_bfloat16_reaches_the_last_convolution_and_the_loss_stays_single():
    with loop.precision("mixed_bfloat16"):
        network = METHOD.build(32)
    assert network.get_layer("conv8_313").compute_dtype == "bfloat16"
    assert network.output.dtype == "float32"


def test_grey_pictures_teach_nothing():
    _, ab_norm = photograph(32)
    gray = np.full_like(ab_norm, 4.9 / color.AB_SCALE)
    logits = np.random.default_rng(0).normal(size=(2, 8, 8, 313)).astype(np.float32)
    losses = colorful.RebalancedCrossEntropy(np.ones(313, np.float32)).call(np.concatenate([ab_norm, gray]), logits)
    assert float(losses[0]) > 1
    assert float(losses[1]) == 0


# -- training


@pytest.mark.slow
def test_overfits_one_photograph():
    """Under 1.6 nats a pixel; 32x32, 20 steps with a learning rate of 1e-3, 10 with a tenth of it."""
    keras.utils.set_random_seed(0)
    l_norm, ab_norm = photograph(32)
    network = METHOD.build(32)
    trainer = METHOD.trainer(network, settings(METHOD, learning_rate=1e-3), Same(l_norm, ab_norm))
    first = trainer.fit(Same(l_norm, ab_norm), verbose=0).history
    trainer.fit(Same(l_norm, ab_norm, steps=19), verbose=0)
    trainer.optimizer.learning_rate = 1e-4  # the moving averages catch up
    trainer.fit(Same(l_norm, ab_norm, steps=10), verbose=0)
    logs = trainer.evaluate(Same(l_norm, ab_norm), verbose=0, return_dict=True)
    assert logs["cross_entropy"] < 1.6
    assert logs["loss"] < first["loss"][0] / 3
    error = np.square(METHOD.predict_ab(network, l_norm, VECTOR) - ab_norm).mean()
    assert error < np.square(ab_norm).mean() / 3, "nearer to the truth than no color at all"


@pytest.mark.slow
def test_trains_on_jax():
    assert run_on_jax(TRAINS, "colorful").strip() == "trained"
