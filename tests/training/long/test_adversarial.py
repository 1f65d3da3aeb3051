"""Adversarial training: who learns when, the weight of the critic's loss, and that a run resumes bit for bit."""

import json
import shutil

import keras
import numpy as np
import pandas as pd
import pytest

from colorizer.classifiers.encoders import vision_transformer
from colorizer.methods.layers import backbone, color_bins, token_decoder
from colorizer.training.long import __main__ as command
from colorizer.training.long import adversarial, critic, run_files, tuning
from colorizer.training.long import run as long_run
from colorizer.training.long.adversarial import AdversarialTrainer
from colorizer.training.long.mixture import Mixture, PictureSet
from colorizer.training.long.run import LongRun
from colorizer.training.long.settings import Settings

SETTINGS = Settings(
    image_size=32, batch_size=4, warm_up=1, precision="float32", trainable_blocks=1, critic=0.5, critic_alone=2
)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(long_run, "PRIOR_SAMPLES", 8)
    monkeypatch.setattr(token_decoder, "JOINED", 16)
    monkeypatch.setattr(token_decoder, "WIDTHS", (16, 12, 8))
    monkeypatch.setattr(critic, "WIDTHS", (8, 12, 16))
    monkeypatch.setattr(adversarial, "WEIGHT_EVERY", 2)


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(0)
    return vision_transformer.build((28, 28), (0, 1), vision_transformer.Shape(24, 2, 2, 5))


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    l_norm, tokens = rng.uniform(-1, 1, (4, 32, 32, 1)), rng.normal(size=(4, 2, 2, 24))
    parts = [l_norm, tokens, np.zeros((4, 8, 8, 3)), rng.uniform(-0.4, 0.4, (4, 8, 8, 2)), np.zeros((4, 8, 8, 1))]
    return [part.astype(np.float32) for part in parts]


@pytest.fixture
def decoder():
    keras.utils.set_random_seed(1)
    decoder = token_decoder.build((32, 32), 24)
    # A kernel of zeros, as at the start of a first stage, has the same logits everywhere.
    kernel = decoder.get_layer("logits").kernel
    kernel.assign(np.random.default_rng(1).normal(0, 0.3, kernel.shape))
    decoder.compile(keras.optimizers.AdamW(1e-3), token_decoder.Loss())
    decoder.optimizer.build(decoder.trainable_variables)
    return decoder


def trainer_of(decoder, *, critic_alone, critic_rate=1e-3):
    return AdversarialTrainer(decoder, gradient_ratio=0.5, critic_rate=critic_rate, critic_alone=critic_alone)


def test_the_gradients_are_those_of_both_losses(decoder, batch, monkeypatch):
    # Without the gain, through whose variance no gradient goes.
    monkeypatch.setitem(critic.LOOKS, critic.LOOK, color_bins.Look(0.5, 0.0))
    *x, ab_norm, border = batch
    both = trainer_of(decoder, critic_alone=0)
    kernel = decoder.get_layer("logits").kernel
    before = keras.ops.convert_to_numpy(kernel)
    y = [ab_norm, 1 - border]
    lengths = both.gradient_norms.measure(x, y)
    directions = [before[0, 0] - keras.ops.convert_to_numpy(copy) for copy in both.gradient_norms.copies]

    def losses():
        logits = decoder(x)
        colored = [critic.downsampled(x[0]), critic.DecodedColors()(logits), keras.ops.convert_to_tensor(x[1])]
        own = np.mean(token_decoder.Loss().call(ab_norm, logits))
        return np.array([own, critic.generator_loss(both.critic(colored))])

    # Along its gradient, a loss changes by the gradient's length times the way.
    for index, (length, direction) in enumerate(zip(lengths, directions, strict=True)):
        way = 2e-3 * direction / length
        kernel.assign(before + way)
        ahead = losses()[index]
        kernel.assign(before - way)
        assert (ahead - losses()[index]) / 4e-3 == pytest.approx(length, rel=0.05)


def test_one_color_everywhere_has_a_finite_gradient(decoder, batch):
    *x, ab_norm, border = batch
    decoder.get_layer("logits").kernel.assign(np.zeros((1, 1, 8, 313)))
    # All 313 bins alike, and gray for certain.
    for bias in (np.zeros(313), np.where((color_bins.BINS == 0).all(axis=1), 1e4, 0)):
        decoder.get_layer("logits").bias.assign(bias)
        lengths = trainer_of(decoder, critic_alone=0).gradient_norms.measure(x, [ab_norm, 1 - border])
        assert np.isfinite(lengths).all()


def test_the_critic_is_first_alone_and_its_weight_follows_the_gradients(decoder, batch, monkeypatch):
    *x, ab_norm, border = batch
    both = trainer_of(decoder, critic_alone=1)
    monkeypatch.setattr(both.gradient_norms, "measure", lambda x, y: (3.0, 2.0))
    weights, critic_weights = decoder.get_weights(), both.critic.get_weights()
    assert set(both.step(0, x, ab_norm, border)) == {"critic_loss"}
    assert all((a == b).all() for a, b in zip(decoder.get_weights(), weights, strict=True))
    assert any((a != b).any() for a, b in zip(both.critic.get_weights(), critic_weights, strict=True))
    first, second, third = (both.step(number, x, ab_norm, border) for number in (2, 3, 4))
    assert {"critic_loss", "loss", "mse", "adversarial_loss", "critic_weight"} == set(first)
    # w <- 0.9 w + 0.1 x 0.5 x 3 / 2, at every second step.
    assert [row["critic_weight"] for row in (first, second, third)] == pytest.approx([0.075, 0.075, 0.1425])
    assert any((a != b).any() for a, b in zip(decoder.get_weights(), weights, strict=True))
    logits = decoder(x)
    after = both.step(5, x, ab_norm, border)
    assert after["loss"] == pytest.approx(float(np.mean(token_decoder.Loss().call(ab_norm, logits))), rel=1e-4)
    both.scale_rate(0.0)
    rows = [both.step(number, x, ab_norm, border) for number in range(6, 18)]
    # The generator deceives a critic that is not trained.
    assert rows[-1]["adversarial_loss"] < rows[0]["adversarial_loss"] and rows[-1]["loss"] < rows[0]["loss"]


def test_colors_under_a_border_are_hidden_from_the_critic(decoder, batch, monkeypatch):
    *x, ab_norm, border = batch
    border[:, :3] = 1
    both = trainer_of(decoder, critic_alone=9, critic_rate=0.0)
    seen = []
    monkeypatch.setattr(both.critic, "train_on_batch", lambda x, *_, **__: seen.append(x[1]) or {"loss": 0.0})
    both.step(0, x, ab_norm, border)
    assert seen[0].shape == (8, 8, 8, 2)
    assert not seen[0][:, :3].any() and seen[0][:4, 3:].any() and seen[0][4:, 3:].any()
    one = both.generator_step.train_on_batch(x, [ab_norm * (1 - border), 1 - border], return_dict=True)
    assert one["adversarial"] == pytest.approx(_generator_loss(both, x, seen[0][4:]), abs=1e-4)


def _generator_loss(both, x, colors):
    l_norm = keras.ops.convert_to_numpy(critic.downsampled(x[0]))
    return float(critic.generator_loss(both.critic([l_norm, colors, x[1]])))


def test_settings_below_zero_are_refused_before_anything_is_written(tmp_path, capsys):
    for flag in ("--critic", "--critic-alone", "--trainable-blocks", "--encoder-lr-scale", "--critic-rate"):
        with pytest.raises(SystemExit):
            command.main(["--run", str(tmp_path / "run"), "--encoder", "nowhere.keras", flag, "-1"])
        assert f"{flag} is not below 0. Received: -1" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_with_a_critic_resumes_bit_for_bit(encoder, picture_folder, tmp_path):
    """It starts from a run that trained more of the encoder's blocks."""
    names = tuple(sorted(path.name for path in picture_folder.iterdir()))
    mixture = Mixture([PictureSet("drawn", picture_folder, names, 1)], 32, augmentations_per_image=1)
    keras.utils.set_random_seed(2)
    inside = run_files.transformer(backbone.token_encoder(encoder, 32))
    blocks = {name: [1.5 * array for array in inside.get_layer(name).get_weights()] for name in ("block00", "block01")}
    run_files.write(tmp_path / "first", token_decoder.build((32, 32), 48), blocks)

    run = not_compiled(LongRun.open(tmp_path / "run", SETTINGS, mixture, encoder, init_weights=tmp_path / "first"))
    for mine, theirs in zip(tuning.blocks_of(run.network)["block01"], blocks["block01"], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4)
    run.train(samples=16)
    for name in ("killed", "older"):
        shutil.copytree(tmp_path / "run", tmp_path / name)  # what a kill leaves
    rename_as_before(tmp_path / "older")
    run.train(samples=28)
    for name in ("killed", "older"):
        other = not_compiled(LongRun.open(tmp_path / name, SETTINGS, mixture, encoder))
        assert other.samples == 16
        other.train(samples=28)
        for mine, theirs in zip(_state(run), _state(other), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert not (tmp_path / "older" / run_files.INIT_BLOCKS).exists(), "it has them already, under the older name"
    history = pd.read_csv(tmp_path / "killed" / "history.csv")
    assert {"loss", "mse", "critic_loss", "adversarial_loss", "critic_weight"} <= set(history.columns)
    # The frozen block is the initial one, the trained one has changed.
    written = run_files.load_blocks(tmp_path / "run")
    np.testing.assert_allclose(written["block00"][4], blocks["block00"][4], rtol=1e-3, atol=1e-4)
    assert np.abs(written["block01"][4] - blocks["block01"][4]).max() > 1e-4
    state = (tmp_path / "run" / "last" / "state.json").read_text("utf-8")
    run.train(cooldown=8)
    assert (tmp_path / "run" / "last" / "state.json").read_text("utf-8") == state
    assert set(run_files.load_blocks(tmp_path / "run" / "cooldown")) == {"block00", "block01"}
    assert float(keras.ops.convert_to_numpy(run.adversarial.critic.optimizer.learning_rate)) < SETTINGS.critic_rate


def rename_as_before(folder):
    """Gives a run's folder the names that an earlier version wrote."""
    older = {"augmentations_per_image": "views", "trainable_blocks": "tune", "encoder_lr_scale": "tune_rate"}
    for name, renamed in (("config.json", older), ("last/state.json", {"ema_weights": "average"})):
        fields = json.loads((folder / name).read_text("utf-8"))
        assert set(renamed) <= set(fields)
        fields = {renamed.get(field, field): value for field, value in fields.items()}
        (folder / name).write_text(json.dumps(fields), "utf-8")
    (folder / "init_encoder.npz").rename(folder / "begun.npz")


def not_compiled(run):
    """The same run, whose few steps are faster like this."""
    trainer = run.adversarial
    for model in (trainer.generator, trainer.critic, trainer.generator_step, trainer.gradient_norms):
        model.run_eagerly = True
    return run


def _state(run):
    optimizers = [run.network.optimizer, run.adversarial.critic.optimizer]
    variables = [keras.ops.convert_to_numpy(variable) for optimizer in optimizers for variable in optimizer.variables]
    return [
        *run.network.get_weights(),
        *run.ema_weights,
        *run.adversarial.critic.get_weights(),
        run.adversarial.critic_weight,
        *variables,
    ]
