"""The encoder's last blocks in training: the split changes nothing, a run resumes, an export has the blocks."""

import json
import shutil

import keras
import numpy as np
import pytest

from colorizer import weights
from colorizer.classifiers.encoders import vision_transformer
from colorizer.errors import ClassifierError, UsageError
from colorizer.methods.layers import backbone, token_decoder
from colorizer.training.long import __main__ as command
from colorizer.training.long import run as long_run
from colorizer.training.long import run_files, tuning
from colorizer.training.long.mixture import Mixture, PictureSet
from colorizer.training.long.run import LongRun
from colorizer.training.long.settings import Settings

SETTINGS = Settings(image_size=32, batch_size=4, warm_up=1, precision="float32", trainable_blocks=1)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(long_run, "PRIOR_SAMPLES", 8)
    monkeypatch.setattr(token_decoder, "JOINED", 16)
    monkeypatch.setattr(token_decoder, "WIDTHS", (16, 12, 8))


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(0)
    return vision_transformer.build((28, 28), (0, 1, 3), vision_transformer.Shape(24, 2, 4, 5))


@pytest.fixture
def start(small, picture_folder, encoder, tmp_path):
    """(name, feature_cache) -> a run on the drawn pictures."""
    names = tuple(sorted(path.name for path in picture_folder.iterdir()))
    mixture = Mixture([PictureSet("drawn", picture_folder, names, 1)], 32, augmentations_per_image=1)

    def open_run(name, feature_cache=None):
        return LongRun.open(tmp_path / name, SETTINGS, mixture, encoder, feature_cache=feature_cache)

    return open_run


@pytest.mark.parametrize("trained", [1, 2, 3, 4])
def test_both_parts_together_compute_what_the_encoder_computes(encoder, trained):
    whole = backbone.token_encoder(encoder, 32)
    l_norm = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 1)).astype(np.float32)
    frozen, trainable = tuning.frozen_part(whole, trained), tuning.trainable_part(whole, trained, "float32")
    # Levels 0 and 1, and the input of the first trained block.
    assert frozen.output_shape == (None, 5, 24 * {1: 3, 2: 2, 3: 1, 4: 1}[trained])
    np.testing.assert_allclose(trainable(frozen(l_norm)), whole(l_norm), atol=1e-5)


def test_only_blocks_that_are_there_can_be_trained(encoder):
    for trained in (-1, 5):
        with pytest.raises(UsageError, match=f"has 4 blocks. Received: --trainable-blocks {trained}"):
            tuning.frozen_part(backbone.token_encoder(encoder, 32), trained)
    with pytest.raises(ClassifierError, match="Received: a classifier. Use --trainable-blocks 0"):
        tuning.frozen_part(backbone.token_encoder(backbone.plain_encoder(), 64), 1)


def test_a_tuned_run_resumes_bit_for_bit_and_is_exported(start, encoder, tmp_path):
    run = start("run", tmp_path / "features")
    # With logits of zeros, as at the start, nothing below them has a gradient.
    run.network.get_layer("decoder").get_layer("logits").kernel.assign(np.full((1, 1, 8, 313), 0.01) * np.arange(313))
    before = tuning.blocks_of(run.network)["block03"]
    kernel = run.network.get_layer("decoder").get_layer("tokens512").kernel
    decoder_before = keras.ops.convert_to_numpy(kernel)
    run.train(samples=4)
    moved = max(np.abs(a - b).max() for a, b in zip(tuning.blocks_of(run.network)["block03"], before, strict=True))
    # A first step of Adam is as long as the rate. Decay adds up to a twentieth for the decoder's weights below 1.
    assert moved == pytest.approx(0.1 * SETTINGS.learning_rate, rel=0.01)
    assert np.abs(keras.ops.convert_to_numpy(kernel) - decoder_before).max() == pytest.approx(
        SETTINGS.learning_rate, rel=0.06
    )

    # A copy of the folder is what a kill leaves; it computes its features, which were cached before.
    shutil.copytree(tmp_path / "run", tmp_path / "killed")
    run.train(samples=12)
    other = start("killed")
    assert other.samples == 4
    other.train(samples=12)
    for mine, theirs in zip(
        run.network.get_weights() + run.ema_weights, other.network.get_weights() + other.ema_weights, strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)

    assert list(run_files.load_blocks(tmp_path / "run")) == ["block03"]
    encoder.save(tmp_path / "small.keras")
    flags = ["--run", str(tmp_path / "run"), "--encoder", str(tmp_path / "small.keras")]
    command.main([*flags, "--export", str(tmp_path / "exported")])
    config = json.loads((tmp_path / "exported" / "config.json").read_text("utf-8"))
    assert config["trained_blocks"] == ["block03"] and config["trainable_blocks"] == 1
    l_norm = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 1)).astype(np.float32)
    logits = weights.load(tmp_path / "exported").network.predict_on_batch([l_norm, np.zeros((2, 1000), np.float32)])
    features = run.features.encoder.predict_on_batch(l_norm)
    expected = run.ema_network.predict_on_batch([l_norm, features, np.zeros((2, 8, 8, 3), np.float32)])
    np.testing.assert_allclose(logits, expected, atol=0.02)  # half precision
    # As initial weights, the exported network and the run have the same blocks.
    for mine, theirs in zip(
        run_files.load_blocks(tmp_path / "exported")["block03"],
        run_files.load_blocks(tmp_path / "run")["block03"],
        strict=True,
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_a_resumed_run_has_the_blocks_that_it_began_with(tmp_path, monkeypatch):
    """Weights in one byte a number are no halves, but a run's copy of them is."""
    exported = {"block03": [np.full((2, 3), 1 / 3, np.float32), np.full(3, 1 / 3, np.float32)]}
    load = run_files.load_blocks
    monkeypatch.setattr(run_files, "load_blocks", lambda path: exported if path == "shipped" else load(path))
    begun = long_run._init_blocks(tmp_path, "shipped")
    run_files.write_blocks(tmp_path / run_files.INIT_BLOCKS, begun)
    (tmp_path / run_files.STATE).parent.mkdir()
    (tmp_path / run_files.STATE).write_text("{}")
    resumed = long_run._init_blocks(tmp_path, "shipped")
    for mine, theirs in zip(begun["block03"], resumed["block03"], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert begun["block03"][0][0, 0] != exported["block03"][0][0, 0] == begun["block03"][1][0]
