"""The GAN: layers, losses, turns, resuming, and the same on JAX. docs/reproduction_notes.md, 1.3 and 6."""

import keras
import numpy as np
import pandas as pd
import pytest
from test_colorful import TRAINS, VECTOR, Same, photograph, run_on_jax, settings
from test_loop import arrays, assert_same_run
from test_loop import settings as run_settings

from colorizer import color, methods
from colorizer.methods import gan
from colorizer.training import loop
from colorizer.training.run_record import Record

METHOD = methods.get("gan")


def test_generator_and_discriminator_have_the_layers_of_the_authors():
    network, discriminator = METHOD.build(), gan.build_discriminator()
    assert (network.count_params(), discriminator.count_params()) == (42_033_027, 2_769_345)
    trainable = [sum(int(np.prod(w.shape)) for w in model.trainable_weights) for model in (network, discriminator)]
    assert trainable == [42_023_811, 2_767_553]
    assert network.output_shape == (None, 256, 256, 3)
    assert discriminator.output_shape == (None, 32, 32, 1)
    shapes = {layer.name: (tuple(layer.output.shape[1:]), layer.count_params()) for layer in network.layers}
    assert shapes["conv0"] == ((256, 256, 64), 1_088)
    assert shapes["conv7"] == ((2, 2, 512), 4_194_816)
    assert shapes["deconv1"] == ((8, 8, 512), 8_389_120)
    assert shapes["concat2"] == ((16, 16, 1024), 0)
    assert shapes["deconv6"] == ((256, 256, 64), 131_136)
    assert shapes["out"] == ((256, 256, 3), 387)
    assert not any(layer.name == "patch0_norm" for layer in discriminator.layers)


@pytest.mark.parametrize("size, depth", [(512, 7), (256, 7), (192, 6), (128, 6), (96, 5), (64, 5), (32, 4)])
def test_smaller_pictures_have_fewer_levels(size, depth):
    assert gan.levels(size) == depth
    assert size % 2**depth == 0 and size >> depth >= 2


def test_sizes_without_seven_levels_keep_their_size():
    assert METHOD.build(96).output_shape == (None, 96, 96, 3)


# -- losses


def bce(logits, label):
    """Binary cross entropy, the long way."""
    share = 1 / (1 + np.exp(-logits))
    return -(label * np.log(share) + (1 - label) * np.log(1 - share)).mean()


def test_losses_are_those_of_the_paper():
    keras.utils.set_random_seed(0)
    l_norm, ab_norm = photograph(32)
    adversaries = METHOD.trainer(METHOD.build(32), settings(METHOD), None)
    generated = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    true = np.concatenate([l_norm, ab_norm * (color.AB_SCALE / 110)], axis=-1)
    logits = [adversaries.discriminator.predict_on_batch([l_norm, lab]) for lab in (true, generated)]
    l1 = np.abs(true - generated).mean()

    tensors = [keras.ops.convert_to_tensor(part) for part in (l_norm, VECTOR, ab_norm, generated)]
    loss = adversaries.compute_loss(tensors[:2], *tensors[2:], training=False)
    logged = {name: float(value) for name, value in adversaries.get_metrics_result().items()}
    assert float(loss) == pytest.approx(l1, rel=1e-5), "validation is by the L1 alone"
    assert logged["l1"] == pytest.approx(l1, rel=1e-5)
    assert logged["discriminator_loss"] == pytest.approx(bce(logits[0], 0.9) + bce(logits[1], 0), rel=1e-4)
    assert logged["generator_loss"] == pytest.approx(bce(logits[1], 1) + 100 * l1, rel=1e-4)


# -- turns


class Three(Same):
    """Three different batches of two noises."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.l_norm = rng.uniform(-1, 1, (3, 2, 8, 8, 1)).astype(np.float32)
        self.ab_norm = rng.uniform(-0.4, 0.4, (3, 2, 8, 8, 2)).astype(np.float32)
        super().__init__(self.l_norm[0], self.ab_norm[0], steps=3)

    def __getitem__(self, index):
        return (self.l_norm[index], np.zeros((2, 1000), np.float32)), self.ab_norm[index]


def small_networks():
    """A generator and a discriminator of a convolution or two."""
    l_norm, vector = keras.Input((8, 8, 1)), keras.Input((1000,))
    lab_norm = keras.layers.Conv2D(3, 3, padding="same", activation="tanh")(l_norm)
    judged, x = keras.Input((8, 8, 3)), keras.Input((8, 8, 1))
    y = keras.layers.Concatenate()([x, judged])
    y = keras.layers.LeakyReLU(0.2)(keras.layers.Conv2D(4, 3, strides=2)(y))
    logits = keras.layers.Conv2D(1, 3)(y)
    return keras.Model([l_norm, vector], lab_norm, name="gan"), keras.Model([x, judged], logits, name="discriminator")


def assert_turns_are_two_ordinary_trainings():
    """The weights after three batches are those of two Keras models trained by hand, the discriminator first."""
    keras.utils.set_random_seed(0)
    generator, judge = small_networks()
    weights = generator.get_weights(), judge.get_weights()
    batches = Three()
    adversaries = gan.Adversaries(generator, judge)
    adversaries.compile(optimizer=gan.AdamInTurns(1e-2, beta_1=0.5))
    adversaries.fit(batches, epochs=1, verbose=0, shuffle=False)
    assert int(adversaries.optimizer.iterations) == 3
    found = [*generator.get_weights(), *judge.get_weights()]

    generator, judge = small_networks()
    frozen = keras.models.clone_model(judge)
    frozen.trainable = False
    generator.set_weights(weights[0])
    judge.set_weights(weights[1])
    l_norm, true, generated = (keras.Input((8, 8, channels)) for channels in (1, 3, 3))
    judging = keras.Model([l_norm, true, generated], [judge([l_norm, true]), judge([l_norm, generated])])
    deceived = frozen([generator.inputs[0], generator.outputs[0]])
    deceiving = keras.Model(generator.inputs, [deceived, generator.outputs[0]])
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    judging.compile(keras.optimizers.Adam(1e-2, beta_1=0.5), loss=[entropy, entropy])
    deceiving.compile(keras.optimizers.Adam(1e-2, beta_1=0.5), loss=[entropy, "mae"], loss_weights=[1, 100])
    for index in range(3):
        (l_norm, vector), ab_norm = batches[index]
        true = keras.ops.convert_to_numpy(gan.lab_norm_of(l_norm, ab_norm))
        ones = np.ones((2, 1, 1, 1), np.float32)
        judging.train_on_batch([l_norm, true, generator.predict_on_batch([l_norm, vector])], [0.9 * ones, 0 * ones])
        frozen.set_weights(judge.get_weights())
        deceiving.train_on_batch([l_norm, vector], [ones, true])
    for one, other in zip(found, [*generator.get_weights(), *judge.get_weights()], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_turns_are_two_ordinary_trainings():
    assert_turns_are_two_ordinary_trainings()


@pytest.mark.slow
def test_batch_statistics_count_once_a_batch_whatever_the_turns():
    keras.utils.set_random_seed(0)
    network = METHOD.build(32)
    l_norm, ab_norm = photograph(32)
    seen = keras.Model(network.inputs, network.get_layer("conv0").output).predict_on_batch([l_norm, VECTOR])
    METHOD.trainer(network, settings(METHOD), None).fit(Same(l_norm, ab_norm), epochs=1, verbose=0)
    moving_mean = network.get_layer("conv0_norm").get_weights()[2]
    np.testing.assert_allclose(moving_mean, 0.1 * seen.mean((0, 1, 2)), rtol=1e-3, atol=1e-6)


# -- a run


@pytest.mark.slow
def test_a_run_logs_both_losses_and_resumes_bit_for_bit(tmp_path, picture_folder, monkeypatch):
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path / "cache"))
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    loop.run(run_settings(picture_folder, whole, method="gan", batch_size=12, epochs=2))
    loop.run(run_settings(picture_folder, halved, method="gan", batch_size=12, epochs=1))
    loop.run(run_settings(picture_folder, halved, method="gan", batch_size=12, epochs=2), resume=True)
    assert_same_run(whole, halved)

    history = pd.read_csv(whole / "history.csv")
    assert {"discriminator_loss", "generator_loss", "l1", "val_l1"} <= set(history.columns)
    np.testing.assert_allclose(history["val_loss"], history["val_l1"], rtol=1e-5)
    both = history["discriminator_loss"] + history["generator_loss"]
    np.testing.assert_allclose(history["loss"], both / 2, rtol=1e-4)
    kept = arrays(whole / "last" / Record(whole).state()["weights"])
    moments = [name for name in kept if name.startswith("optimizer/")]
    networks = METHOD.build(32), gan.build_discriminator(32)
    # Two moments a weight, the number of steps and the learning rate: nothing missing, nothing twice.
    assert len(moments) == 2 * sum(len(network.trainable_variables) for network in networks) + 2
    assert any(name.startswith("discriminator/") for name in kept)


# -- predictions


def test_its_own_luminance_can_be_scored_too():
    keras.utils.set_random_seed(0)
    network = METHOD.build(32)
    l_norm, _ = photograph(32)
    lab = METHOD.predict_lab(network, l_norm, VECTOR)
    assert lab.shape == (1, 32, 32, 3)
    assert lab.dtype == np.float32
    assert lab[..., 0].min() >= 0 and lab[..., 0].max() <= 100
    assert np.abs(lab[..., 1:]).max() <= 110
    ab_norm_hat = METHOD.predict_ab(network, l_norm, VECTOR)
    np.testing.assert_allclose(lab[..., 1:], ab_norm_hat * color.AB_SCALE, atol=1e-4)
    assert np.abs(lab[..., :1] - color.join(l_norm, ab_norm_hat)[..., :1]).max() > 1


@pytest.mark.slow
def test_overfits_one_photograph():
    """An L1 under 0.02; 32x32, 140 steps with a learning rate of 5e-4, 50 with a tenth of it."""
    keras.utils.set_random_seed(0)
    l_norm, ab_norm = photograph(32)
    network = METHOD.build(32)
    adversaries = METHOD.trainer(network, settings(METHOD, learning_rate=5e-4), None)
    adversaries.fit(Same(l_norm, ab_norm, steps=140), verbose=0)
    adversaries.optimizer.learning_rate = 5e-5
    adversaries.fit(Same(l_norm, ab_norm, steps=50), verbose=0)
    assert adversaries.evaluate(Same(l_norm, ab_norm), verbose=0, return_dict=True)["loss"] < 0.02
    error = np.square(METHOD.predict_ab(network, l_norm, VECTOR) - ab_norm).mean()
    assert error < np.square(ab_norm).mean() / 5, "nearer to the truth than no color at all"


@pytest.mark.slow
def test_trains_on_jax_in_the_same_turns():
    code = TRAINS + "import test_gan\ntest_gan.assert_turns_are_two_ordinary_trainings()\nprint('same')\n"
    assert run_on_jax(code, "gan").split() == ["trained", "same"]
