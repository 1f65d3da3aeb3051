"""A run's files for others: the encoder's trained blocks, and names of older runs."""

import json
from dataclasses import asdict

import keras
import numpy as np
import pytest

from colorizer import weights
from colorizer.classifiers.encoders import vision_transformer
from colorizer.errors import TrainingError, WeightsError
from colorizer.methods.layers import backbone, token_decoder
from colorizer.training.long import run_files
from colorizer.training.long.settings import Settings


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(0)
    return backbone.token_encoder(vision_transformer.build((28, 28), (0, 1), vision_transformer.Shape(24, 2, 2, 5)), 32)


def test_blocks_come_back_in_their_order(encoder, tmp_path):
    inside = run_files.transformer(encoder)
    blocks = {name: inside.get_layer(name).get_weights() for name in ("block01", "block00")}
    run_files.write_blocks(tmp_path / run_files.BLOCKS, blocks)
    for place in (tmp_path, tmp_path / run_files.WEIGHTS, tmp_path / run_files.BLOCKS):
        read = run_files.load_blocks(place)
        assert list(read) == ["block01", "block00"]
        for name, arrays in read.items():
            for mine, theirs in zip(arrays, blocks[name], strict=True):
                np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4)
    zeros = {"block01": [np.zeros_like(array) for array in blocks["block01"]]}
    run_files.set_blocks(encoder, zeros)
    assert not any(array.any() for array in inside.get_layer("block01").get_weights())
    assert inside.get_layer("block00").get_weights()[4].any()


def test_a_run_without_blocks_has_none(tmp_path):
    assert run_files.load_blocks(None) == run_files.load_blocks(tmp_path) == {}
    trained = [f"block{number:02d}" for number in range(6, 12)]  # see MODEL_CARD.md
    assert sorted(run_files.load_blocks("shipped")) == trained


def test_an_encoder_that_was_trained_as_a_whole_is_refused(tmp_path):
    (tmp_path / weights.BEST).touch()
    (tmp_path / "config.json").write_text('{"method": "vit_decoder", "image_size": 64, "encoder_rate": 0.1}', "utf-8")
    with pytest.raises(WeightsError, match="not a whole one.*trained with --encoder-rate 0.1"):
        run_files.load_blocks(tmp_path)


def test_blocks_that_do_not_fit_are_refused(encoder, tmp_path):
    for blocks in ({"block07": []}, {"block01": [np.zeros(3, np.float32)]}):
        with pytest.raises(WeightsError, match=f"do not fit the encoder. Received: {next(iter(blocks))}"):
            run_files.set_blocks(encoder, blocks)
    with pytest.raises(WeightsError, match="do not fit the encoder"):
        run_files.set_blocks(backbone.token_encoder(backbone.plain_encoder(), 64), {"block01": []})
    (tmp_path / run_files.BLOCKS).write_bytes(b"no file of arrays")
    with pytest.raises(WeightsError, match="blocks cannot be read. Received: .*encoder.npz"):
        run_files.load_blocks(tmp_path)


def test_a_record_of_an_older_run_has_the_names_of_today(tmp_path):
    key = {"views": 64, "tune": 6}
    older = {"image_size": 192, "views": 64, "tune": 6, "tune_rate": 0.04, "key": key}
    (tmp_path / "config.json").write_text(json.dumps(older), "utf-8")
    settings = {"image_size": 192, "augmentations_per_image": 64, "trainable_blocks": 6, "encoder_lr_scale": 0.04}
    # The key stays, by which a cache of features is found.
    assert run_files.read_record(tmp_path / "config.json") == settings | {"key": key}
    assert run_files.find(tmp_path, run_files.INIT_BLOCKS) == tmp_path / "init_encoder.npz"
    (tmp_path / "begun.npz").touch()
    assert run_files.find(tmp_path, run_files.INIT_BLOCKS) == tmp_path / "begun.npz"


def test_the_origin_is_what_the_first_run_started_from(tmp_path):
    assert run_files.origin(None) is None
    assert run_files.origin("shipped") == "shipped"
    (tmp_path / "history.csv").touch()
    assert run_files.origin(tmp_path) is None
    (tmp_path / "config.json").write_text('{"init_weights": "shipped"}', "utf-8")
    (tmp_path / "cooldown").mkdir()
    (tmp_path / "cooldown" / "history.csv").touch()
    assert run_files.origin(tmp_path) == run_files.origin(tmp_path / "cooldown") == "shipped"


def test_a_decoder_of_another_encoder_is_refused():
    other = token_decoder.build((64, 64), 32)
    with pytest.raises(WeightsError, match="do not fit or are not there. Received: shipped"):
        run_files.load_decoder(other, "shipped")


def test_a_start_that_got_to_no_checkpoint_leaves_nothing_behind(encoder, tmp_path):
    blocks = {"block00": run_files.transformer(encoder).get_layer("block00").get_weights()}
    before = tmp_path / "before"
    before.mkdir()
    (before / run_files.HISTORY).write_text("samples,seconds\n8,1.0\n")
    run, settings = tmp_path / "run", Settings()
    first, second = ({"key": {}, "init_weights": name} | asdict(settings) for name in ("before", None))
    run_files.start_record(run, settings, first)
    run_files.write_origin(run, blocks, before)
    assert {path.name for path in run.iterdir()} == {"config.json", run_files.INIT_BLOCKS, run_files.BEFORE}
    run_files.start_record(run, settings, second)
    run_files.write_origin(run, {}, None)
    assert [path.name for path in run.iterdir()] == ["config.json"]
    assert run_files.read_record(run / "config.json")["init_weights"] is None


def test_a_run_whose_state_is_gone_is_not_begun_anew(tmp_path):
    (tmp_path / run_files.HISTORY).write_text("samples,seconds\n8,1.0\n")
    with pytest.raises(TrainingError, match="last/state.json is not there. Train on in another folder, with --init"):
        run_files.start_record(tmp_path, Settings(), {"key": {}} | asdict(Settings()))
