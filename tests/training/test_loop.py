import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import h5py
import keras
import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY, write_pictures

from colorizer import config, methods, weights
from colorizer.classifiers import classifier
from colorizer.data import batches, pixel_store
from colorizer.errors import DataError, RecordError, TrainingError, WeightsError
from colorizer.methods import efficientnet
from colorizer.training import callbacks, divergence, loop
from colorizer.training.run_record import Record

TIMES = ["images_per_second", "seconds"]  # the only columns that may differ between two runs of one seed


def settings(folder, run, **given):
    chosen = {"dataset": str(folder), "classifier": "none", "image_size": 32, "batch_size": 4, "epochs": 4}
    return config.resolve(chosen | {"run": str(run), "learning_rate": 1e-3} | given)


def arrays(path):
    """All arrays of an HDF5 file by name."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


def assert_same_run(one, other):
    """Weights, optimizer, history and callbacks of two runs are bit for bit the same."""
    states = [Record(run).state() for run in (one, other)]
    assert states[0]["callbacks"] == states[1]["callbacks"]
    for name in ("last/" + states[0]["weights"], weights.BEST):
        first, second = arrays(one / name), arrays(other / name)
        assert first.keys() == second.keys()
        for key in first:
            np.testing.assert_array_equal(first[key], second[key], err_msg=f"{name}: {key}")
    histories = [pd.read_csv(run / "history.csv").drop(columns=TIMES) for run in (one, other)]
    pd.testing.assert_frame_equal(*histories, check_exact=True)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def narrow(monkeypatch):
    """The paper's network with an eighth of its filters: the same layers in a tenth of the time."""
    conv = efficientnet._conv
    monkeypatch.setattr(
        efficientnet, "_conv", lambda filters, *args, **kwargs: conv(max(2, filters // 8), *args, **kwargs)
    )


class Trained(NamedTuple):
    """Two epochs of the paper's whole network: its run, the pictures, the summary, the weights after each epoch."""

    run: Path
    pictures: Path
    summary: dict
    seen: dict[int, np.ndarray]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder, seen = tmp_path_factory.mktemp("trained"), {}
    pictures = write_pictures(folder / "pictures")

    def watch(epoch, network):
        seen[epoch] = np.concatenate([weight.ravel() for weight in network.get_weights()])

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLORIZER_CACHE", str(folder / "cache"))
        summary = loop.run(settings(pictures, folder / "run", epochs=2, workers=1), watch=watch)
    return Trained(folder / "run", pictures, summary, seen)


def test_a_run_leaves_the_whole_record(trained):
    run, _, summary, seen = trained
    assert list(seen) == [1, 2] and not np.array_equal(seen[1], seen[2])
    described = json.loads((run / "config.json").read_text())
    assert set(config.names()) <= set(described)
    assert described["device"] and described["versions"]["keras"] and described["backend"]
    history = pd.read_csv(run / "history.csv")
    assert list(history["epoch"]) == [1, 2]
    assert {"loss", "val_loss", "accuracy_argmax_ab", "learning_rate", *TIMES} <= set(history.columns)
    assert summary == json.loads((run / "summary.json").read_text())
    assert summary["best_epoch"] == history.loc[history["val_loss"].idxmin(), "epoch"]
    # Half-precision kernels move the validation error by less than the fourth digit.
    assert summary["val_mse"] == pytest.approx(history["val_loss"].min(), rel=1e-3)
    assert summary["train_images"] + summary["val_images"] == described["data"]["train"] + described["data"]["val"]
    split = json.loads((run / "split.json").read_text())
    assert sum(len(names) for names in split.values()) == 24
    assert not list(run.rglob("*.part")) and not list(run.rglob(".*"))


def test_one_seed_gives_one_result_whatever_the_number_of_threads(tmp_path, trained, cache):
    loop.run(settings(trained.pictures, tmp_path / "four", epochs=2, workers=4))
    assert_same_run(trained.run, tmp_path / "four")


@pytest.mark.slow
def test_another_seed_gives_another_result(tmp_path, picture_folder, cache):
    first, second = (loop.run(settings(picture_folder, tmp_path / str(seed), epochs=1, seed=seed)) for seed in (1, 2))
    assert first["val_mse"] != second["val_mse"]


@pytest.fixture
def start_training(request, tmp_path, picture_folder):
    """`python train.py` as a person starts it: (run, *flags) -> a process of its own, ended with the test."""

    def start(run, *flags):
        command = [sys.executable, "train.py", "--dataset", str(picture_folder), "--run", str(run)]
        command += ["--classifier", "none", "--image-size", "32", "--batch-size", "4", *flags]
        environment = os.environ | {"COLORIZER_CACHE": str(tmp_path / "cache")}
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        request.addfinalizer(process.stdout.close)
        request.addfinalizer(process.kill)
        return process

    return start


def wait_for_epochs(run, count, process):
    """Returns once the run's state names `count` whole epochs."""
    for _ in range(18_000):
        state = Record(run).state()
        if state and state["epochs_done"] >= count:
            return
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)
    pytest.fail("training did not get that far in 15 minutes")


def test_a_run_that_is_killed_and_then_interrupted_resumes_bit_for_bit(tmp_path, picture_folder, start_training, cache):
    run = tmp_path / "stopped"
    # No epoch is better than the first by 1, so the plateau's callback has work to do, and a state, in every epoch.
    flags = ["--epochs", "400", "--learning-rate", "2e-3", "--plateau-patience", "1", "--plateau-min-delta", "1"]
    killed = start_training(run, *flags)
    wait_for_epochs(run, 2, killed)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    done = Record(run).state()["epochs_done"]

    interrupted = start_training(run, *flags, "--resume")
    wait_for_epochs(run, done + 1, interrupted)
    interrupted.send_signal(signal.SIGINT)
    output, _ = interrupted.communicate(timeout=900)
    assert interrupted.returncode == 130, output
    assert f"Continue with: python train.py --run {run} --resume" in output
    assert "Traceback" not in output
    assert not (run / "summary.json").exists()
    done = Record(run).state()["epochs_done"]

    # As the command resolves its flags and the method's defaults.
    given = {"epochs": done + 1, "initializer": "he_normal", "learning_rate": 2e-3}
    given |= {"plateau_patience": 1, "plateau_min_delta": 1.0}
    assert loop.run(settings(picture_folder, run, **given), resume=True)["epochs_done"] == done + 1
    loop.run(settings(picture_folder, tmp_path / "whole", **given))
    assert_same_run(tmp_path / "whole", run)
    learning_rates = pd.read_csv(run / "history.csv")["learning_rate"]
    assert learning_rates.nunique() > 1, "no plateau was reached: the test does not show that its state survives"


def test_a_run_is_not_overwritten_nor_resumed_with_other_settings(tmp_path, picture_folder, cache):
    run = tmp_path / "run"
    chosen = settings(picture_folder, run, method="trivial", epochs=1)
    loop.run(chosen)
    with pytest.raises(RecordError, match="already holds a run.*--resume"):
        loop.run(chosen)
    with pytest.raises(RecordError, match=r"--batch-size 4.*Received: 8"):
        loop.run(replace(chosen, epochs=2, batch_size=8), resume=True)
    with pytest.raises(RecordError, match="Leave --resume out"):
        loop.run(replace(chosen, run=str(tmp_path / "none")), resume=True)
    assert loop.run(replace(chosen, epochs=2), resume=True)["epochs_done"] == 2


def test_a_test_set_by_name_is_not_trained_on_and_the_way_out_is_named(tmp_path, picture_folder, cache):
    with pytest.raises(DataError, match="name their folder. Received: --dataset ood"):
        loop.run(settings("ood", tmp_path / "run", data_dir=str(picture_folder)))


def test_weights_so_small_that_nothing_is_drawn_are_refused_before_anything_is_written(tmp_path, picture_folder, cache):
    with pytest.raises(DataError, match="An epoch draws no picture.*for 22 of them. Received: --dataset .*:0.01"):
        loop.run(settings(f"{picture_folder}:0.01", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_what_was_good(tmp_path, picture_folder, cache, monkeypatch):
    start_epoch, item = batches.Batches.start_epoch, batches.Batches.__getitem__

    def remember(self, epoch):
        start_epoch(self, epoch)
        self.broken = self.shuffle and epoch == 1  # the training's own second epoch

    def broken(self, index):
        inputs, ab_norm = item(self, index)
        return inputs, ab_norm * np.nan if self.broken else ab_norm

    monkeypatch.setattr(batches.Batches, "start_epoch", remember)
    monkeypatch.setattr(batches.Batches, "__getitem__", broken)
    run = tmp_path / "run"
    with pytest.raises(TrainingError, match="not a number in epoch 2 of 3.* keeps the epoch before.*--learning-rate"):
        loop.run(settings(picture_folder, run, method="trivial", epochs=3))
    assert not (run / "summary.json").exists()
    assert Record(run).state()["epochs_done"] == 1 and weights.load(run)


def test_a_run_that_blew_up_to_a_constant_ends_and_keeps_nothing_of_it(tmp_path, picture_folder, cache, narrow):
    """At this rate the tanh saturates, or the loss becomes no number: processors differ. Both end the run."""
    run = tmp_path / "run"
    with pytest.raises(TrainingError, match="lower --learning-rate.* Received: --learning-rate 1e\\+30"):
        loop.run(settings(picture_folder, run, learning_rate=1e30, epochs=20))
    assert not (run / "summary.json").exists() and not (run / weights.BEST).exists()
    assert not Record(run).has_state()


@pytest.mark.parametrize(
    ("first", "message"), [(2, "epochs 3 to 5 of 9 .* the 2 epochs before.* it took \\d+ steps only"), (8, "epoch 9")]
)
def test_epochs_that_blow_up_end_the_run_with_the_good_ones(
    tmp_path, picture_folder, cache, monkeypatch, first, message
):
    """Three in a row end it, and so does one with which the run ends."""
    on_epoch_begin = callbacks.EpochClock.on_epoch_begin

    def spoil(self, epoch, logs=None):
        on_epoch_begin(self, epoch, logs)
        if epoch >= first:
            self.model.optimizer.learning_rate.assign(1e3)

    monkeypatch.setattr(callbacks.EpochClock, "on_epoch_begin", spoil)
    run = tmp_path / "run"
    with pytest.raises(TrainingError, match=message):
        loop.run(settings(picture_folder, run, method="trivial", epochs=9))
    assert Record(run).state()["epochs_done"] == len(pd.read_csv(run / "history.csv")) == first
    assert np.abs(weights.load(run).network.get_weights()[0]).max() < 1


def test_a_first_try_with_batch_statistics_is_no_training_that_blew_up(tmp_path, picture_folder, cache, monkeypatch):
    """In a handful of steps the averages stay near their first values, and the colors are anything."""
    method = methods.get("trivial")
    build = method.build

    def normalized(*args, **kwargs):
        network = build(*args, **kwargs)
        return keras.Model(network.inputs, keras.layers.BatchNormalization()(network.output))

    monkeypatch.setattr(method, "build", normalized)
    monkeypatch.setattr(divergence, "is_blown_up", lambda *_: True)
    chosen = settings(picture_folder, tmp_path / "run", method="trivial", epochs=1)
    assert loop.run(chosen)["epochs_done"] == 1
    monkeypatch.setattr(loop, "SETTLED_STEPS", 1)
    with pytest.raises(TrainingError, match="blew up"):
        loop.run(replace(chosen, run=str(tmp_path / "other")))


def test_one_epoch_that_blows_up_is_made_good_by_the_next(tmp_path, picture_folder, cache, monkeypatch):
    bad = {1, 2}  # of the epochs 0 to 3
    monkeypatch.setattr(divergence.TerminateOnDivergence, "blew_up", lambda self, epoch: epoch in bad)
    summary = loop.run(settings(picture_folder, tmp_path / "run", method="trivial", epochs=4))
    assert summary["epochs_done"] == 4 == Record(tmp_path / "run").state()["epochs_done"]


def test_the_trivial_network_reaches_the_mean_color(tmp_path, picture_folder, cache):
    chosen = settings(picture_folder, tmp_path / "run", method="trivial", learning_rate=1e-2, epochs=30)
    summary = loop.run(chosen)
    assert summary["val_mse"] == pytest.approx(summary["val_mse_mean_colour"], rel=0.05)


# -- weights


def test_half_precision_weights_predict_the_same(trained):
    best, state = weights.load(trained.run), Record(trained.run).state()
    full = arrays(trained.run / "last" / state["weights"])
    halved = arrays(trained.run / weights.BEST)
    assert not any(name.startswith("optimizer") for name in halved)
    assert all(values.dtype == (np.float16 if values.ndim >= 2 else np.float32) for values in halved.values())
    assert {name: values.shape for name, values in halved.items()} == {
        name: values.shape for name, values in full.items() if not name.startswith("optimizer")
    }
    single = best.method.build(32)
    shapes = [weight.shape for weight in single.get_weights()]
    ends = np.cumsum([np.prod(shape) for shape in shapes])[:-1]
    parts = np.split(trained.seen[trained.summary["best_epoch"]], ends)
    single.set_weights([part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)])
    rng = np.random.default_rng(0)
    inputs = rng.uniform(-1, 1, (4, 32, 32, 1)).astype(np.float32), np.zeros((4, 1000), np.float32)
    expected = best.method.predict_ab(single, *inputs)
    np.testing.assert_allclose(best.method.predict_ab(best.network, *inputs), expected, atol=1e-3)


def test_weights_that_are_missing_or_do_not_fit_are_named(tmp_path, picture_folder, cache):
    with pytest.raises(WeightsError, match="There are no weights of this name"):
        weights.load(tmp_path)
    run = tmp_path / "run"
    loop.run(settings(picture_folder, run, epochs=1, method="trivial"))
    changed = json.loads((run / "config.json").read_text()) | {"method": "efficientnet"}
    (run / "config.json").write_text(json.dumps(changed))
    with pytest.raises(WeightsError, match="does not fit"):
        weights.load(run)


def test_a_classifier_sees_the_pictures_at_the_papers_size_however_small_the_network(
    tmp_path, picture_folder, cache, monkeypatch
):
    """Evaluation shows it 256x256: a network must meet the same vectors in its training."""
    inputs = keras.Input((16, 16, 3))
    scores = keras.layers.Dense(classifier.CLASSES, activation="softmax")(keras.layers.Flatten()(inputs / 255))
    model = keras.Model(inputs, scores)
    seen = classifier.Classifier("small", "x", model)
    monkeypatch.setattr(classifier, "load", lambda spec: seen)
    chosen = settings(picture_folder, tmp_path / "run")
    data = loop.prepare(chosen, methods.get("efficientnet"))
    whole = pixel_store.build(picture_folder, [*data.dataset.train, *data.dataset.val])
    assert data.store.pixels.shape[1:3] == (32, 32) and whole.pixels.shape[1:3] == (256, 256)
    np.testing.assert_allclose(data.vectors[data.train_rows], seen.vectors(whole.read(data.train_rows)), atol=1e-6)
    assert np.abs(data.vectors[data.train_rows] - seen.vectors(data.store.read(data.train_rows))).max() > 1e-6


def test_the_loss_is_a_choice_of_the_methods_that_have_one(tmp_path):
    method = methods.get("efficientnet")
    for loss in method.losses:
        chosen = config.resolve({"loss": loss, "run": str(tmp_path)}, method)
        assert method.trainer(method.build(32), chosen, range(3)).loss == loss
    with pytest.raises(ValueError, match="--loss .*gan.*Received: mae"):
        config.resolve({"loss": "mae", "method": "gan"}, methods.get("gan"))
    with pytest.raises(ValueError, match="efficientnet must be one of mse, mae. Received: rebalanced"):
        config.resolve({"loss": "rebalanced"}, method)


def test_a_run_from_before_there_was_a_setting_goes_on(tmp_path, picture_folder, cache):
    run = tmp_path / "run"
    chosen = settings(picture_folder, run, method="trivial", epochs=1)
    loop.run(chosen)
    begun = json.loads((run / "config.json").read_text())
    del begun["loss"]
    (run / "config.json").write_text(json.dumps(begun))
    assert loop.run(settings(picture_folder, run, method="trivial", epochs=2), resume=True)["epochs_done"] == 2
    begun["loss"] = "mae"
    (run / "config.json").write_text(json.dumps(begun))
    with pytest.raises(RecordError, match="--loss mae"):
        loop.run(settings(picture_folder, run, method="trivial", epochs=3), resume=True)
