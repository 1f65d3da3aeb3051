"""Training on several devices: what is refused, shares of a batch, and two ranks on loopback."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY, draw_picture
from PIL import Image
from test_training import arrays

from colorizer import batches, store, strategy
from colorizer.commands import train as command
from colorizer.record import Record


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in strategy.VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("name", "told", "message"),
    [
        ("none", ("h:1", "2", "0"), "that is --strategy jax.*Received: --strategy none"),
        ("jax", ("", "", ""), "KERAS_BACKEND=jax. Received: the tensorflow backend"),
    ],
)
def test_wrong_combinations_are_refused_with_the_rule(monkeypatch, name, told, message):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the rule is of the other backend")
    for variable, value in zip(strategy.VARIABLES, told, strict=True):
        monkeypatch.setenv(variable, value)
    with pytest.raises(strategy.StrategyError, match=message):
        strategy.start(name, 8)


@pytest.mark.parametrize("told", [("h:1", "2", ""), ("h", "2", "0"), ("h:1", "2", "2"), ("h:1", "two", "0")])
def test_the_three_variables_come_together(monkeypatch, told):
    for variable, value in zip(strategy.VARIABLES, told, strict=True):
        monkeypatch.setenv(variable, value)
    with pytest.raises(strategy.StrategyError, match="all three of KERAS_DISTRIBUTION_JOB_ADDRESSES"):
        strategy._told()


def test_a_failure_between_ranks_is_told_from_an_error_of_ones_own(monkeypatch):
    jax = pytest.importorskip("jax")
    monkeypatch.setattr(strategy.atexit, "register", lambda *_: None)
    group = strategy.Group(rank=0, ranks=2, devices=2)
    # as JAX 0.10 raises it from process_allgather
    lost = ValueError("UNKNOWN: Gloo AllGather failed: Read error [127.0.0.1]:43678: Connection reset by peer")
    for error in (lost, jax.errors.JaxRuntimeError("INTERNAL: barrier failed")):
        with pytest.raises(strategy.LostRank, match="rank 0 of 2 .* Start all ranks again"), group.watched():
            raise error
    with pytest.raises(ValueError, match="no such look"), group.watched():
        raise ValueError("no such look")


def test_a_batch_that_does_not_divide_is_refused(monkeypatch):
    monkeypatch.setattr(strategy, "_mirrored", lambda: strategy.Group(devices=3))
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(strategy.StrategyError, match="a multiple of 3. Received: --batch-size 20"):
        strategy.start("mirrored", 20)
    with pytest.raises(strategy.StrategyError, match="Received: 9 and 2 pictures"):
        strategy.start("mirrored", 21).require(9, 2)


def test_mirrored_is_refused_by_the_command_on_jax(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert command.main(["--strategy", "mirrored", "--run", str(tmp_path / "run")], prog="train.py") == 2
    assert "KERAS_BACKEND=tensorflow. Received: the jax backend" in capsys.readouterr().err


def test_shares_of_the_ranks_make_the_whole_batch(tmp_path, picture_folder):
    names = sorted(path.name for path in picture_folder.iterdir())[:23]
    pictures = store.build(picture_folder, names, 32, cache=tmp_path / "cache")
    whole = batches.Batches(pictures, pictures.rows, batch_size=10, shuffle=True)
    shares = [
        batches.Batches(pictures, pictures.rows, batch_size=10, shuffle=True, part=(rank, 2, 2)) for rank in (0, 1)
    ]
    assert [len(made) for made in (whole, *shares)] == [3, 3, 3]
    for index, size in enumerate([10, 10, 2]):  # of the last three pictures one is left out
        first, second = (share[index][1] for share in shares)
        assert len(first) == len(second) == size // 2
        np.testing.assert_array_equal(np.concatenate([first, second]), whole[index][1][:size])
    assert len(batches.Batches(pictures, pictures.rows[:21], batch_size=10, part=(0, 2, 2))) == 2  # one alone: none


# -- two ranks on loopback; slow, and run by .ci/run beside `make test`

EPOCHS = "6"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures and lists that make whole batches of eight: one compiled step."""
    tmp_path = tmp_path_factory.mktemp("ranks")
    names = [f"{index:02d}.png" for index in range(24)]
    (tmp_path / "pictures").mkdir()
    for index, name in enumerate(names):
        Image.fromarray(draw_picture(index)).save(tmp_path / "pictures" / name)
    (tmp_path / "splits").mkdir()
    for part, listed in (("train", names[:8]), ("val", names[8:16]), ("test", names[16:])):
        (tmp_path / "splits" / f"pictures_{part}.txt").write_text("\n".join(listed))
    return tmp_path


@pytest.fixture(scope="module")
def ranks(request, folder):
    """`python train.py --strategy jax` in some processes on loopback: (run, count, *flags) -> the processes."""
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed: pip install -r requirements-dev.txt")

    def start(run, count, *flags):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        command = [sys.executable, "train.py", "--dataset", str(folder / "pictures"), "--run", str(run)]
        command += ["--classifier", "none", "--image-size", "32", "--batch-size", "8", "--plateau-patience", "1"]
        started = []
        for rank in range(count):
            told = dict(zip(strategy.VARIABLES, (address, str(count), str(rank)), strict=True)) if count > 1 else {}
            # What was compiled once is read by the runs after it.
            caches = {"COLORIZER_CACHE": str(folder / "cache"), "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled")}
            environment = os.environ | {"KERAS_BACKEND": "jax"} | caches | told
            with open(folder / f"log{rank}", "w") as log:
                process = subprocess.Popen(
                    [*command, "--strategy", "jax" if count > 1 else "none", *flags],
                    cwd=REPOSITORY,
                    env=environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            request.addfinalizer(process.kill)
            started.append(process)
        return started

    return start


def finished(processes, folder):
    for rank, process in enumerate(processes):
        assert process.wait(300) == 0, (folder / f"log{rank}").read_text()


@pytest.fixture(scope="module")
def whole(ranks, folder):
    """The run of two ranks that nothing happens to."""
    finished(ranks(folder / "whole", 2, "--epochs", EPOCHS), folder)
    return folder / "whole"


def weights_of(run):
    return arrays(run / "last" / Record(run).state()["weights"])


@pytest.mark.slow
def test_two_ranks_hold_the_same_weights_as_each_other_and_nearly_those_of_one(ranks, folder):
    # Of two epochs: rounding grows with every step, and after six it is 3e-5.
    for name, count in (("one", 1), ("two", 2)):
        finished(ranks(folder / name, count, "--epochs", "2"), folder)
    described = json.loads((folder / "two" / "config.json").read_text())
    assert (described["ranks"], described["devices"], described["strategy"]) == (2, 2, "jax")
    history = pd.read_csv(folder / "two" / "history.csv")
    assert history["weights_sha256"].notna().all()  # both ranks have the same, or they would have ended
    one, two = weights_of(folder / "one"), weights_of(folder / "two")
    assert one.keys() == two.keys()
    for name in one:
        if not name.startswith("optimizer"):
            np.testing.assert_allclose(one[name], two[name], atol=1e-5, err_msg=name)
    assert json.loads((folder / "two" / "summary.json").read_text())["epochs_done"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_rank_ends_the_run_within_a_minute_and_resuming_ends_as_if_nothing_had_happened(
    ranks, folder, whole, lost
):
    run = folder / f"killed{lost}"
    processes = ranks(run, 2, "--epochs", EPOCHS)
    _wait(run, 2, processes[0], folder)
    processes[lost].send_signal(signal.SIGKILL)
    assert processes[1 - lost].wait(60) != 0
    time.sleep(1)  # the word of a rank that could not say anything itself comes from a shell
    said = (folder / f"log{1 - lost}").read_text()
    assert "tart all ranks again" in said and "--resume" in said
    assert not (run / "summary.json").exists()
    finished(ranks(run, 2, "--epochs", EPOCHS, "--resume"), folder)
    uninterrupted, resumed = weights_of(whole), weights_of(run)
    for name in uninterrupted:
        np.testing.assert_array_equal(uninterrupted[name], resumed[name], err_msg=name)
    rates = [pd.read_csv(one / "history.csv")["learning_rate"].tolist() for one in (whole, run)]
    assert rates[0] == rates[1]


MIRRORED = """
import sys
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from colorizer.commands import train
sys.exit(train.main(sys.argv[1:], prog="train.py"))
"""


@pytest.mark.slow
def test_two_devices_of_one_machine_train_as_one_does(folder):
    losses = []
    for name in ("none", "mirrored"):
        flags = ["--dataset", folder / "pictures", "--run", folder / name, "--strategy", name, "--epochs", "2"]
        flags += ["--classifier", "none", "--image-size", "32", "--batch-size", "8"]
        environment = os.environ | {"KERAS_BACKEND": "tensorflow", "COLORIZER_CACHE": str(folder / "cache")}
        done = subprocess.run(
            [sys.executable, "-c", MIRRORED, *map(str, flags)],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        losses.append(pd.read_csv(folder / name / "history.csv")["val_loss"])
    np.testing.assert_allclose(*losses, atol=1e-6)
    assert json.loads((folder / "mirrored" / "config.json").read_text())["devices"] == 2


def _wait(run, count, process, folder):
    for _ in range(3600):
        state = Record(run).state()
        if state and state["epochs_done"] >= count:
            return
        assert process.poll() is None, (folder / "log0").read_text()
        time.sleep(0.05)
    pytest.fail("training did not get that far in three minutes")
