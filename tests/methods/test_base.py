"""One interface test for every module in colorizer/methods, and what is particular to some."""

import subprocess
import sys
from dataclasses import fields

import keras
import numpy as np
import pytest

from colorizer import config, methods
from colorizer.config import TrainConfig, resolve
from colorizer.methods import trivial
from colorizer.methods.base import Method

LARGE = ("colorful", "gan", "let_there_be_color")  # 32 to 42 million parameters; `.ci/run` trains them
EFFICIENTNET, TRIVIAL = methods.get("efficientnet"), methods.get("trivial")


class TinyBatches(keras.utils.PyDataset):
    """Four random pictures of 64x64, two a batch, as `fit` takes them."""

    batch_size = 2

    def __init__(self, size=64):
        super().__init__()
        rng = np.random.default_rng(0)
        self.l_norm = rng.uniform(-1, 1, (4, size, size, 1)).astype(np.float32)
        self.vector = rng.dirichlet(np.ones(1000), 4).astype(np.float32)
        self.ab_norm = rng.uniform(-0.4, 0.4, (4, size, size, 2)).astype(np.float32)

    def __len__(self):
        return 2

    def __getitem__(self, i):
        chosen = slice(2 * i, 2 * i + 2)
        return (self.l_norm[chosen], self.vector[chosen]), self.ab_norm[chosen]

    def unaugmented(self, most):
        return self


def test_names_are_the_methods_and_no_other_module():
    assert methods.names() == ["colorful", "efficientnet", "gan", "let_there_be_color", "trivial", "vit_decoder"]
    with pytest.raises(ValueError, match="Received: nosuch.*efficientnet"):
        methods.get("nosuch")


@pytest.mark.parametrize("name", methods.names())
def test_a_method_declares_what_it_is(name):
    method = methods.get(name)
    assert method.name == name and method.title and method.reference
    assert repr(method) == f"<Method {name}: {method.title}>"
    assert set(method.defaults) <= set(config.names())
    assert not set(method.departures) & set(method.defaults), "recorded under one key"
    for field_name, default in method.defaults.items():
        assert isinstance(default, methods.Default) and default.reason
        assert default.value != getattr(TrainConfig, field_name), "a default that changes nothing"
    for default in method.departures.values():
        assert isinstance(default, methods.Default) and default.reason
    specific = {f.name for f in fields(TrainConfig) if f.metadata.get("group") == config.METHOD}
    assert method.options <= specific
    assert specific & set(method.defaults) <= method.options
    resolved = resolve({"dataset": "sample", "method": name}, method)  # raises where a default is out of range
    assert all(getattr(resolved, key) == default.value for key, default in method.defaults.items())


@pytest.mark.parametrize("name", methods.names())
def test_declarations_are_read_without_loading_the_module(name):
    loaded, declared = methods.get(name), methods.declared(name)
    for attribute in [*Method.__annotations__, "name"]:
        assert getattr(declared, attribute) == getattr(loaded, attribute), attribute
    with pytest.raises(NotImplementedError):
        declared.build()


def test_declarations_need_no_keras():
    code = (
        "import sys; from colorizer import methods; list(map(methods.declared, methods.names())); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "colorizer.methods.base" in loaded
    assert not {"keras", "tensorflow", "jax", "numpy"} & set(loaded)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in LARGE)) for n in methods.names()])
def test_method_builds_trains_and_predicts(name):
    method, batches = methods.get(name), TinyBatches()
    config = resolve({"dataset": "sample", "image_size": 64, "batch_size": 2}, method)
    keras.utils.set_random_seed(0)
    network = method.build(64)
    assert [tuple(i.shape) for i in network.inputs] == [(None, 64, 64, 1), (None, 1000)]
    (l_norm, vector), _ = batches[0]
    before = method.predict_ab(network, l_norm, vector)
    assert before.shape == (2, 64, 64, 2)
    assert before.dtype == np.float32
    assert np.abs(before).max() <= 1

    history = method.trainer(network, config, batches).fit(batches, validation_data=batches, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert np.isfinite(history.history["val_loss"]).all()
    after = method.predict_ab(network, l_norm, vector)
    assert np.abs(after - before).max() > 0, "fit did not change the network that is saved"


@pytest.mark.parametrize("name", methods.names())
def test_saved_weights_give_the_same_prediction(name, tmp_path):
    method, size = methods.get(name), 32 if name in LARGE else 64
    (l_norm, vector), _ = TinyBatches(size)[0]
    keras.utils.set_random_seed(1)
    network = method.build(size)
    network.save_weights(tmp_path / "a.weights.h5")
    other = method.build(size)
    other.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(method.predict_ab(other, l_norm, vector), method.predict_ab(network, l_norm, vector))


# -- the paper's network


def test_the_papers_network_has_the_layers_of_its_ancestor():
    network = EFFICIENTNET.build()
    assert network.count_params() == 4_696_098
    assert network.output_shape == (None, 256, 256, 2)
    shapes = {layer.name: (tuple(layer.output.shape[1:]), layer.count_params()) for layer in network.layers}
    assert shapes["e2"] == ((128, 128, 128), 262_272)
    assert shapes["e8"] == ((32, 32, 256), 590_080)
    assert shapes["concat"] == ((32, 32, 1256), 0)
    assert shapes["fusion"] == ((32, 32, 256), 321_792)
    assert shapes["d6"] == ((128, 128, 32), 8_224)
    assert shapes["d7"] == ((128, 128, 2), 578)


def test_the_class_vector_reaches_every_position():
    keras.utils.set_random_seed(0)
    network = EFFICIENTNET.build(64)
    l_norm = np.zeros((1, 64, 64, 1), np.float32)
    one_hot = np.eye(1000, dtype=np.float32)
    difference = EFFICIENTNET.predict_ab(network, l_norm, one_hot[:1]) - methods.get("efficientnet").predict_ab(
        network, l_norm, one_hot[1:2]
    )
    assert (np.abs(difference).max(axis=-1) > 0).all()


def test_what_a_picture_shows_reaches_the_bottleneck_of_a_new_network():
    def share_left(initializer):
        keras.utils.set_random_seed(0)
        network = EFFICIENTNET.build(64, initializer=initializer)
        bottleneck = keras.Model(network.inputs, network.get_layer("e8").output)
        l_norm = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 1)).astype(np.float32)
        found = keras.ops.convert_to_numpy(bottleneck([l_norm, np.zeros((2, 1000), np.float32)]))
        return np.sqrt(found.var(axis=(1, 2)).mean()) / l_norm.std()

    assert share_left("he_normal") > 0.05
    assert share_left("glorot_uniform") < 0.01  # smaller than what Adam adds to a bias in ten steps


def test_the_papers_defaults_are_table_1():
    config = resolve({}, EFFICIENTNET)
    assert (config.batch_size, config.epochs, config.image_size) == (20, 100, 256)
    assert (config.plateau_factor, config.plateau_patience, config.plateau_min_lr) == (0.5, 3, 1e-5)
    assert list(EFFICIENTNET.defaults) == ["initializer", "learning_rate"]
    network = EFFICIENTNET.build(32)
    EFFICIENTNET.trainer(network, config, range(3))
    assert isinstance(network.optimizer, keras.optimizers.Adam)
    assert float(network.optimizer.learning_rate) == pytest.approx(3e-4)  # the paper states none
    assert network.loss == "mse"
    assert network.get_layer("d7").activation is keras.activations.tanh
    assert network.get_layer("e1").activation is keras.activations.relu


def test_the_papers_network_can_have_one_cycle():
    config = resolve({"schedule": "one_cycle", "epochs": 2}, EFFICIENTNET)
    network = EFFICIENTNET.build(32)
    EFFICIENTNET.trainer(network, config, range(10))
    assert float(network.optimizer.learning_rate) == pytest.approx(3e-6)  # a hundredth, at the start


# -- trivial


def test_the_network_of_two_weights_learns_the_mean_color():
    batches = TinyBatches()
    network = TRIVIAL.build(64)
    assert network.count_params() == 2
    (l_norm, vector), _ = batches[0]
    np.testing.assert_array_equal(TRIVIAL.predict_ab(network, l_norm, vector), trivial.all_gray(l_norm))
    config = resolve({"dataset": "sample"}, TRIVIAL)
    TRIVIAL.trainer(network, config, batches).fit(batches, epochs=150, verbose=0)
    mean = batches.ab_norm.mean((0, 1, 2))
    expected = trivial.mean_color(l_norm, mean)
    np.testing.assert_allclose(TRIVIAL.predict_ab(network, l_norm, vector), expected, atol=2e-3)
