"""Training on several devices: what is refused, and shares of a batch. Ranks that train: test_ranks.py."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import REPOSITORY

from colorizer.cli import train as command
from colorizer.data import batches, pixel_store
from colorizer.errors import LostRank, StrategyError
from colorizer.training import distribution


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in distribution.VARIABLES:
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
    for variable, value in zip(distribution.VARIABLES, told, strict=True):
        monkeypatch.setenv(variable, value)
    with pytest.raises(StrategyError, match=message):
        distribution.start(name, 8)


@pytest.mark.parametrize("told", [("h:1", "2", ""), ("h", "2", "0"), ("h:1", "2", "2"), ("h:1", "two", "0")])
def test_the_three_variables_come_together(monkeypatch, told):
    for variable, value in zip(distribution.VARIABLES, told, strict=True):
        monkeypatch.setenv(variable, value)
    with pytest.raises(StrategyError, match="all three of KERAS_DISTRIBUTION_JOB_ADDRESSES"):
        distribution._of_variables()


def test_a_failure_between_ranks_is_told_from_an_error_of_ones_own(monkeypatch):
    jax = pytest.importorskip("jax")
    monkeypatch.setattr(distribution.atexit, "register", lambda *_: None)
    group = distribution.Group(rank=0, ranks=2, devices=2)
    # as JAX 0.10 raises it from process_allgather
    lost = ValueError("UNKNOWN: Gloo AllGather failed: Read error [127.0.0.1]:43678: Connection reset by peer")
    for error in (lost, jax.errors.JaxRuntimeError("INTERNAL: barrier failed")):
        with pytest.raises(LostRank, match="rank 0 of 2 .* Start all ranks again"), group.watched():
            raise error
    with pytest.raises(ValueError, match="no such look"), group.watched():
        raise ValueError("no such look")


def test_a_batch_that_does_not_divide_is_refused(monkeypatch):
    monkeypatch.setattr(distribution, "_mirrored", lambda: distribution.Group(devices=3))
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(StrategyError, match="a multiple of 3. Received: --batch-size 20"):
        distribution.start("mirrored", 20)
    with pytest.raises(StrategyError, match="Received: 9 and 2 pictures"):
        distribution.start("mirrored", 21).require(9, 2)


def test_mirrored_is_refused_by_the_command_on_jax(monkeypatch, tmp_path, picture_folder, capsys):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    words = ["--strategy", "mirrored", "--run", str(tmp_path / "run"), "--dataset", str(picture_folder)]
    assert command.main([*words, "--classifier", "none"], prog="train.py") == 2
    assert "KERAS_BACKEND=tensorflow. Received: the jax backend" in capsys.readouterr().err


def test_it_is_refused_before_data_are_looked_for_and_keras_is_loaded(tmp_path):
    code = (
        "import sys\n"
        "from colorizer.cli import train\n"
        "status = train.main(['--strategy', 'mirrored', '--dataset', 'absent', '--run', 'x'])\n"
        "print('status', status, 'keras' in sys.modules)"
    )
    variables = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert "status 2 False" in done.stdout and "Received: the jax backend" in done.stderr, done.stderr


def test_shares_of_the_ranks_make_the_whole_batch(tmp_path, picture_folder):
    names = sorted(path.name for path in picture_folder.iterdir())[:23]
    pictures = pixel_store.build(picture_folder, names, 32, cache=tmp_path / "cache")
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
