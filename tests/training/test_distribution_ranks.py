"""Two ranks on loopback, by hand and by Ray Train, one of them killed: slow; `.ci/run` has them after `make test`."""

import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY, draw_picture, wait_until
from PIL import Image
from test_loop import arrays

from colorizer.training import distribution
from colorizer.training.run_record import Record

pytestmark = pytest.mark.slow

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
            told = dict(zip(distribution.VARIABLES, (address, str(count), str(rank)), strict=True)) if count > 1 else {}
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


def test_two_ranks_stop_at_the_same_epoch(ranks, folder):
    # At this rate no float32 weight moves: the validation loss of the second epoch is that of the first.
    flags = ["--epochs", EPOCHS, "--learning-rate", "1e-12", "--patience", "1"]
    finished(ranks(folder / "patient", 2, *flags), folder)
    summary = json.loads((folder / "patient" / "summary.json").read_text())
    assert (summary["ending"], summary["epochs_done"]) == ("stopped", 2)


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
from colorizer.cli import train
sys.exit(train.main(sys.argv[1:], prog="train.py"))
"""


# Batch statistics are each device's own: the GAN's losses differ a little.
@pytest.mark.parametrize(("method", "apart"), [("efficientnet", 1e-5), ("vit_decoder", 1e-3), ("gan", 0.1)])
def test_two_devices_of_one_machine_train_as_one_does(folder, method, apart):
    losses = []
    for name in ("none", "mirrored"):
        run = folder / f"{method}-{name}"
        flags = ["--dataset", folder / "pictures", "--run", run, "--strategy", name, "--epochs", "2"]
        flags += ["--method", method, "--classifier", "none", "--image-size", "64", "--batch-size", "8"]
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
        losses.append(pd.read_csv(run / "history.csv")[["loss", "val_loss"]])
    np.testing.assert_allclose(*losses, rtol=apart)
    assert json.loads((run / "config.json").read_text())["devices"] == 2


def _wait(run, count, process, folder):
    for _ in range(3600):
        state = Record(run).state()
        if state and state["epochs_done"] >= count:
            return
        assert process.poll() is None, (folder / "log0").read_text()
        time.sleep(0.05)
    pytest.fail("training did not get that far in three minutes")


@pytest.fixture
def ray_train(request, folder):
    """`python -m colorizer cluster train` with two ranks of Ray Train: run -> the process that started them."""
    for package in ("ray", "jax"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f'{package} is not installed: pip install -e ".[ray]" -c constraints.txt')

    def start(run):
        flags = ["--dataset", folder / "pictures", "--run", run, "--classifier", "none", "--image-size", "32"]
        flags += ["--batch-size", "8", "--plateau-patience", "1", "--epochs", EPOCHS]
        caches = {"COLORIZER_CACHE": str(folder / "cache"), "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled")}
        environment = os.environ | caches | {"RAY_ADDRESS": "local", "RAY_TRAIN_V2_ENABLED": "1"}
        with open(folder / "log0", "w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "colorizer.cluster", "train", "--ranks", "2", "--", *map(str, flags)],
                cwd=REPOSITORY,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        request.addfinalizer(process.kill)
        return process

    return start


def _ranks_of_ray(folder):
    """Process numbers of the ranks, told from others by the compilation cache that the test gave them."""
    mark, found = f"JAX_COMPILATION_CACHE_DIR={folder / 'compiled'}".encode(), []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            title, environment = ((place / name).read_bytes() for name in ("cmdline", "environ"))
            if title.startswith(b"ray::RayTrainWorker") and mark in environment:
                found.append(int(place.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="ranks are found in /proc, which is Linux'")
def test_ray_train_starts_its_ranks_again_after_one_is_killed(ray_train, folder, whole):
    run = folder / "ray"
    process = ray_train(run)
    _wait(run, 2, process, folder)
    before = _ranks_of_ray(folder)
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)

    def started_again():
        assert process.poll() is None, (folder / "log0").read_text()
        after = _ranks_of_ray(folder)
        return not set(before) & set(after) and len(after) == 2  # the killed one's partner is ended too

    wait_until(started_again, 300)
    assert Record(run).state()["epochs_done"] < int(EPOCHS)
    assert process.wait(300) == 0, (folder / "log0").read_text()
    uninterrupted, restarted = weights_of(whole), weights_of(run)
    for name in uninterrupted:
        np.testing.assert_array_equal(uninterrupted[name], restarted[name], err_msg=name)
    assert pd.read_csv(run / "history.csv")["epoch"].tolist() == list(range(1, int(EPOCHS) + 1))
