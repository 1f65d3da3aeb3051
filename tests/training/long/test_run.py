"""The long training: it learns, resumes as if it had not been interrupted, and writes its record."""

import dataclasses
import hashlib
import json
import re
import shlex
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY

from colorizer import weights
from colorizer.classifiers.encoders import vision_transformer
from colorizer.errors import DataError, RecordError, TrainingError, UsageError, WeightsError
from colorizer.evaluation import runs
from colorizer.methods.layers import token_decoder
from colorizer.training import run_folders
from colorizer.training.long import __main__ as command
from colorizer.training.long import export, run_files
from colorizer.training.long import run as long_run
from colorizer.training.long.mixture import Mixture, PictureSet
from colorizer.training.long.run import LongRun
from colorizer.training.long.settings import Settings
from colorizer.training.long.validation_squares import Squares

SETTINGS = Settings(image_size=32, batch_size=4, warm_up=4, precision="float32")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(long_run, "PRIOR_SAMPLES", 8)
    monkeypatch.setattr(token_decoder, "JOINED", 16)
    monkeypatch.setattr(token_decoder, "WIDTHS", (16, 12, 8))


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(0)
    return vision_transformer.build((28, 28), (0, 1), vision_transformer.Shape(24, 2, 2, 5))


@pytest.fixture
def start(picture_folder, encoder, tmp_path):
    """(name, feature_cache, settings, compiled) -> a run on the drawn pictures; a few steps are faster not compiled."""
    names = tuple(sorted(path.name for path in picture_folder.iterdir()))

    def open_run(name, feature_cache=None, settings=SETTINGS, compiled=False):
        sets, number = [PictureSet("drawn", picture_folder, names, 1)], settings.augmentations_per_image
        mixture = Mixture(sets, 32, settings.seed, number)
        run = LongRun.open(tmp_path / name, settings, mixture, encoder, feature_cache=feature_cache)
        run.network.run_eagerly = not compiled
        return run

    return open_run


def assert_same(one: LongRun, other: LongRun):
    assert one.samples == other.samples
    pairs = [(one.network.get_weights(), other.network.get_weights()), (one.ema_weights, other.ema_weights)]
    for mine, theirs in pairs:
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


def test_it_learns_and_resumes_bit_for_bit(start, tmp_path):
    whole = start("whole", compiled=True)
    whole.train(samples=128)
    start("halved", feature_cache=tmp_path / "features", compiled=True).train(samples=64)
    halved = start("halved", feature_cache=tmp_path / "features", compiled=True)
    assert halved.samples == 64
    halved.train(samples=128)
    assert_same(whole, halved)
    history = pd.read_csv(tmp_path / "halved" / "history.csv")
    assert history.samples.tolist() == [64, 128]
    assert history.loss[1] < history.loss[0]
    assert sorted(path.name for path in (tmp_path / "halved" / "last").iterdir()) == [
        "000000128.npz",
        "000000128.weights.h5",
        "state.json",
    ]


def test_the_history_has_the_mean_loss_since_the_checkpoint_before(start, tmp_path):
    run, losses = start("run"), []
    step = run._step

    def watched(*arguments):
        losses.append(step(*arguments)["loss"])
        return {"loss": losses[-1]}

    run._step = watched
    run.train(samples=12)
    assert len(set(losses)) == 3
    assert pd.read_csv(tmp_path / "run" / "history.csv").loss.tolist() == pytest.approx([np.mean(losses)])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("warm_up", 0),
        ("augmentations_per_image", 0),
        ("batch_size", 0),
        ("image_size", 80),
        ("precision", "bf16"),
        ("seed", -1),
    ],
)
def test_a_setting_out_of_range_is_refused(name, value):
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} is .*. Received: {value}. "):
        Settings(**{name: value})


def test_a_signal_ends_it_with_a_saved_state(start, tmp_path):
    run = start("run")
    update = run._update_ema

    def update_and_stop():
        update()
        run.stop()

    run._update_ema = update_and_stop
    run.train()
    assert json.loads((tmp_path / "run" / "last" / "state.json").read_text())["samples"] == 4
    assert start("run").samples == 4


def test_a_cooldown_leaves_the_run_as_it_was(start, tmp_path):
    run = start("run")
    run.train(samples=16)
    before = (tmp_path / "run" / "last" / "state.json").read_text()
    run.train(cooldown=32)
    assert (tmp_path / "run" / "last" / "state.json").read_text() == before
    history = pd.read_csv(tmp_path / "run" / "cooldown" / "history.csv")
    assert history.samples.tolist() == [16, 48]
    assert history.learning_rate[1] < 0.2 * SETTINGS.learning_rate
    cooled = token_decoder.build((32, 32), 48)
    cooled.load_weights(tmp_path / "run" / "cooldown" / run_files.WEIGHTS)
    for mine, theirs in zip(cooled.get_weights(), run.network.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-3)


def test_other_settings_are_another_run(start, tmp_path):
    start("run").train(samples=SETTINGS.batch_size)
    # A run that is older than a setting has its default.
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text("utf-8"))
    assert config.pop("trainable_blocks") == 0 and config.pop("critic") == 0
    path.write_text(json.dumps(config), "utf-8")
    start("run")
    other = Settings(**(SETTINGS.__dict__ | {"learning_rate": 0.5}))
    with pytest.raises(TrainingError, match="started with learning_rate 0.001. Received: 0.5"):
        start("run", settings=other)
    endless = Settings(**(SETTINGS.__dict__ | {"augmentations_per_image": None}))
    with pytest.raises(TrainingError, match="needs a number of augmentations"):
        start("other", feature_cache="features", settings=endless)


def test_hints_help_on_validation_pictures(start, picture_folder):
    run = start("run", compiled=True)
    run.train(samples=400)
    names = tuple(sorted(path.name for path in picture_folder.iterdir()))[:6]
    pictures = PictureSet("validation", picture_folder, names, 1)
    run.ema_network.set_weights(run.ema_weights)
    without, many = (Squares(pictures, run.features.encoder, 32, n).score(run.ema_network) for n in (0, 64))
    assert set(without) == {"val_loss", "val_mse", "val_psnr"}
    assert many["val_mse"] < without["val_mse"]


def test_a_set_on_the_command_line(picture_folder, tmp_path):
    everything = command.picture_set(f"drawn={picture_folder}")
    assert (everything.name, len(everything.names), everything.weight) == ("drawn", 24, 1)
    assert len(command.picture_set(f"picture_={picture_folder}*2.5").names) == 24
    assert not command.picture_set(f"other_={picture_folder}").names
    (tmp_path / "list.txt").write_text("picture_03.png\n\npicture_01.png\n")
    listed = command.picture_set(f"drawn={picture_folder}@{tmp_path / 'list.txt'}*7")
    assert (listed.names, listed.weight) == (("picture_03.png", "picture_01.png"), 7)
    folder = picture_folder.rename(tmp_path / "2024@home")
    listed = command.picture_set(f"drawn={folder}@{tmp_path / 'list.txt'}")
    assert listed.names == ("picture_03.png", "picture_01.png") and listed.root == folder
    assert len(command.picture_set(f"drawn={folder}").names) == 24
    for text in ("drawn", f"drawn={tmp_path / 'nowhere'}", f"drawn={folder}*much", f"drawn={folder}*nan"):
        with pytest.raises(DataError, match="A set is NAME=FOLDER"):
            command.picture_set(text)


def test_the_network_is_exported_and_loaded(start, encoder, tmp_path):
    run = start("run")
    run.train(samples=16)
    encoder.save(tmp_path / "small.keras")
    command.main(
        ["--run", str(tmp_path / "run"), "--encoder", str(tmp_path / "small.keras"), "--export", str(tmp_path)]
    )
    loaded = weights.load(tmp_path)
    l_norm = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 1)).astype(np.float32)
    tokens = run.features.encoder.predict_on_batch(l_norm)
    run.ema_network.set_weights(run.ema_weights)
    expected = run.ema_network.predict_on_batch([l_norm, tokens, np.zeros((2, 8, 8, 3), np.float32)])
    logits = loaded.network.predict_on_batch([l_norm, np.zeros((2, 1000), np.float32)])
    np.testing.assert_allclose(logits, expected, atol=0.05)  # half precision
    with pytest.raises(WeightsError, match="A long training has a config.json. Received: nowhere"):
        export.write("nowhere", tmp_path / "small.keras", tmp_path)


def test_an_exported_network_is_averaged_with_other_weights(start, encoder, tmp_path, capsys):
    run = start("run")
    run.train(samples=16)
    encoder.save(tmp_path / "small.keras")
    words = ["--run", str(tmp_path / "run"), "--encoder", str(tmp_path / "small.keras"), "--export"]
    command.main([*words, str(tmp_path / "first")])
    run.train(samples=48)
    command.main([*words, str(tmp_path / "second")])
    command.main([*words, str(tmp_path / "mean"), "--average", str(tmp_path / "first"), "0.25"])
    first, second, mean = (weights.load(tmp_path / name).network.get_weights() for name in ("first", "second", "mean"))
    assert any(np.abs(one - other).max() > 1e-3 for one, other in zip(first, second, strict=True))
    for one, other, between in zip(first, second, mean, strict=True):
        np.testing.assert_allclose(between, 0.25 * one + 0.75 * other, atol=2e-3)  # half precision
    record = json.loads((tmp_path / "mean" / "config.json").read_text())["averaged_with"]
    assert record == {
        "weights_sha256": hashlib.sha256((tmp_path / "first" / weights.BEST).read_bytes()).hexdigest(),
        "share": 0.25,
    }
    for given, reason in (("2", "between 0 and 1. Received: 2"), ("half", "Received: .*first half")):
        with pytest.raises(SystemExit, match="2"):
            command.main([*words, str(tmp_path / "no"), "--average", str(tmp_path / "first"), given])
        assert re.search(reason, capsys.readouterr().err)
    assert not (tmp_path / "no").exists()
    with pytest.raises(SystemExit, match="2"):
        command.main([*words[:-1], "--average", str(tmp_path / "first"), "0.5"])
    assert "Received: no --export" in capsys.readouterr().err


def test_a_run_starts_from_anothers_weights_at_another_size(start, picture_folder, encoder, tmp_path):
    run = start("run")
    run.train(samples=16)
    names = tuple(sorted(path.name for path in picture_folder.iterdir()))
    settings = Settings(**(SETTINGS.__dict__ | {"image_size": 64}))
    mixture = Mixture([PictureSet("drawn", picture_folder, names, 1)], 64, augmentations_per_image=1)
    other = LongRun.open(tmp_path / "other", settings, mixture, encoder, init_weights=tmp_path / "run")
    assert other.samples == 0
    other.train(samples=8)
    assert run_files.history(tmp_path / "run").samples.tolist() == [16]
    assert run_files.history(tmp_path / "other").samples.tolist() == [16, 24]
    third = LongRun.open(tmp_path / "fourth", SETTINGS, run.mixture, encoder, init_weights=tmp_path / "other")
    third.train(cooldown=4)
    seconds = run_files.history(tmp_path / "fourth" / "cooldown").seconds
    assert run_files.history(tmp_path / "fourth" / "cooldown").samples.tolist() == [16, 24, 28]
    assert seconds.is_monotonic_increasing
    other = LongRun.open(tmp_path / "same", settings, mixture, encoder, init_weights=tmp_path / "run")
    for mine, theirs in zip(other.ema_weights, run.ema_weights, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-3)
    encoder.save(tmp_path / "small.keras")
    run.train(cooldown=4)
    (tmp_path / "run" / "cooldown").rename(tmp_path / "run" / "fallen")  # the folder's name in an older run
    export.write(tmp_path / "run" / "fallen", tmp_path / "small.keras", tmp_path / "exported")
    third = LongRun.open(tmp_path / "of_exported", settings, mixture, encoder, init_weights=tmp_path / "exported")
    for mine, theirs in zip(third.ema_weights, run.ema_weights, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=np.abs(theirs).max() / 100)
    with pytest.raises(WeightsError, match="do not fit or are not there. Received: .*nowhere"):
        LongRun.open(tmp_path / "third", settings, mixture, encoder, init_weights=tmp_path / "nowhere")


def test_without_keras_the_command_says_what_to_install():
    bare = [sys.executable, "-S", "-m", "colorizer.training.long", "--help"]  # without site-packages
    done = subprocess.run(bare, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.splitlines() == [
        "A long training needs Keras. Received: it is not installed. Run: pip install -r requirements.txt"
    ]


@pytest.fixture
def not_compiled(monkeypatch):
    """Every run's decoder computes eagerly: two steps are faster so."""
    assign = LongRun.__init__

    def assign_eagerly(self, *args, **kwargs):
        assign(self, *args, **kwargs)
        self.network.run_eagerly = self.ema_network.run_eagerly = True

    monkeypatch.setattr(LongRun, "__init__", assign_eagerly)


def test_the_command_trains_resumes_and_scores_hints(picture_folder, encoder, tmp_path, capsys, not_compiled):
    encoder.save(tmp_path / "small.keras")
    (tmp_path / "list.txt").write_text("picture_00.png\npicture_01.png\n")
    flags = ["--run", str(tmp_path / "run"), "--encoder", str(tmp_path / "small.keras"), "--image-size", "32"]
    validated = ["--validate", f"{picture_folder}@{tmp_path / 'list.txt'}"]
    training = [*flags, *validated, "--set", f"drawn={picture_folder}", "--batch-size", "4", "--precision", "float32"]
    command.main([*training, "--samples", "8"])
    command.main([*training, "--samples", "16"])
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert history.samples.tolist() == [8, 16]
    assert history.val_psnr.notna().all()
    command.main([*flags[:4], *validated, "--hints", "0", "3"])
    scores = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["weights"], one["hints"]) for one in scores] == [("run", 0), ("run", 3)]
    assert scores[0]["val_psnr"] == pytest.approx(history.val_psnr.iloc[-1], abs=0.02), "at the run's own size"
    with pytest.raises(SystemExit):
        command.main([*flags, "--hints", "1"])
    assert "--hints without --validate" in capsys.readouterr().err
    (picture_folder / "picture_23.png").write_bytes(b"damaged")  # a run goes on without it
    command.main([*training, "--samples", "20"])
    with run_folders.held(tmp_path / "run"), pytest.raises(SystemExit) as ended:
        command.main([*training, "--samples", "24"])
    assert ended.value.code == 2 and "Another training is at work" in capsys.readouterr().err
    for listed, reason in (("gone.png\n", "A picture cannot be read"), ("\n", "Validation needs pictures")):
        (tmp_path / "list.txt").write_text(listed)
        with pytest.raises(SystemExit):
            command.main([*flags, *validated, "--hints", "1"])
        assert reason in capsys.readouterr().err


def test_the_record_is_read_like_that_of_any_run(start, picture_folder, encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "MEAN_SAMPLES", 4)
    names = tuple(sorted(path.name for path in picture_folder.iterdir()))
    validation = PictureSet("validation", picture_folder, names[:3], 1)
    run = start("run")
    run.train(samples=16, check=Squares(validation, run.features.encoder, 32).score)
    encoder.save(tmp_path / "small.keras")
    folder = tmp_path / "runs" / "vit_decoder-drawn"
    export.write_record(tmp_path / "run", tmp_path / "small.keras", folder, run.mixture, validation)
    (read,), notes = runs.read(tmp_path / "runs")
    assert not notes and read.method == "vit_decoder" and read.trained_on == "photographs"
    assert read.pictures_seen == pytest.approx(16, abs=0.01 * len(names)) and len(read.summary["mean_ab_norm"]) == 2
    logits = weights.load(folder).network.predict_on_batch(export._Squares(validation, 32)[0][0])
    assert read.summary["val_mse"] > 0 and logits.shape == (3, 8, 8, 313)
    assert {"epoch", "loss", "val_loss", "learning_rate"} <= set(read.history.columns)


def test_the_record_says_where_it_was_trained_and_which_checkpoint_was_best(
    start, picture_folder, encoder, tmp_path, monkeypatch
):
    monkeypatch.setattr(export, "MEAN_SAMPLES", 4)
    run = start("run")
    config = json.loads((tmp_path / "run" / "config.json").read_text("utf-8"))
    assert config["backend"] == keras.backend.backend() and config["init_weights"] is None
    # The second of three is the best; the exported weights are the last ones.
    for samples, loss in ((8, 3.0), (16, 1.0), (24, 2.0)):
        run.train(samples=samples, check=lambda _, loss=loss: {"val_loss": loss})
    encoder.save(tmp_path / "small.keras")
    validation = PictureSet("validation", picture_folder, ("picture_00.png",), 1)
    # As if it was trained elsewhere; and as of a run from before backends were recorded.
    for number, backend in enumerate(({"backend": "jax"}, {})):
        there = {name: value for name, value in config.items() if name != "backend"} | {"device": "a GPU"} | backend
        (tmp_path / "run" / "config.json").write_text(json.dumps(there), "utf-8")
        folder = tmp_path / f"exported{number}"
        export.write_record(tmp_path / "run", tmp_path / "small.keras", folder, run.mixture, validation)
        assert json.loads((folder / "config.json").read_text("utf-8"))["backend"] == backend.get("backend")
        summary = json.loads((folder / "summary.json").read_text("utf-8"))
        assert summary["device"] == "a GPU"
        assert summary["best_epoch"] == pytest.approx(16 / 24, abs=0.01)
        assert summary["epochs_done"] == summary["exported_epoch"] == 1


def test_the_record_of_a_run_that_was_never_validated_is_refused(start, picture_folder, tmp_path):
    run = start("run")
    run.train(samples=8)
    validation = PictureSet("validation", picture_folder, ("picture_00.png",), 1)
    with pytest.raises(RecordError, match="Received: .*run, whose history.csv has no val_loss. Train on with --valid"):
        export.write_record(tmp_path / "run", "not read", tmp_path / "exported", run.mixture, validation)
    assert not (tmp_path / "exported").exists()


def test_help_explains_sets_and_the_flags_that_need_it(capsys):
    with pytest.raises(SystemExit, match="0"):
        command.main(["--help"])
    head, _, flags = capsys.readouterr().out.partition("options:")
    for words in (
        "NAME=FOLDER@LIST",
        "*WEIGHT",
        "--cooldown N",
        "--init-weights RUN",
        "--export DIR",
        "--feature-cache",
    ):
        assert words in head, words
    for setting in dataclasses.fields(Settings):
        assert "--" + setting.name.replace("_", "-") in flags


def test_the_commands_on_the_pages_have_flags_that_exist():
    pages = [REPOSITORY / "docs" / "train.md", *(REPOSITORY / "results" / "experiments").glob("*.md")]
    text = "\n".join(page.read_text("utf-8") for page in pages).replace("\\\n", " ")
    lines = re.findall(r"^python -m colorizer\.training\.long (.*)", text, re.MULTILINE)
    assert len(lines) > 5
    for line in lines:
        # Dots stand for what the line above has.
        words = shlex.split(re.sub(r"(--set )?\.\.\.", "", line), comments=True)
        command.make_parser().parse_args(["--encoder", "any", *words])
