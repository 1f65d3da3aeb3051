"""A run that blew up is noticed, and no healthy one is taken for it."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY

from colorizer.config import TrainConfig
from colorizer.errors import TrainingError
from colorizer.training import divergence
from colorizer.training.distribution import Group
from colorizer.training.divergence import TerminateOnDivergence, is_blown_up

RECORDS = sorted(path.parent for path in (REPOSITORY / "results/runs").glob("*/history.csv"))


@pytest.mark.parametrize("folder", RECORDS, ids=lambda folder: folder.name)
def test_no_committed_run_would_have_been_ended(folder):
    summary, config = (json.loads((folder / f"{name}.json").read_text()) for name in ("summary", "config"))
    history = pd.read_csv(folder / "history.csv")
    errors = [summary["val_mse"]]
    if "val_mse" in history:
        errors += list(history["val_mse"])
    elif config["method"] == "efficientnet" and config.get("loss", "mse") == "mse":
        errors += list(history["val_loss"])
    assert not any(is_blown_up(mse, summary["val_mse_all_grey"]) for mse in errors)
    assert max(errors) < 2 * summary["val_mse_all_grey"]  # far from the limit of 4


def test_the_records_show_every_epoch_of_most_runs():
    assert len(RECORDS) >= 10


def test_opposite_colors_are_the_limit_and_saturation_is_far_above_it():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 0.12, (4, 8, 8, 2)).astype(np.float32)
    gray_mse = float(np.square(truth).mean())
    assert not is_blown_up(float(np.square(-truth - truth).mean()) * (1 - 1e-6), gray_mse)
    assert is_blown_up(float(np.square(np.sign(truth[:1, :1, :1]) - truth).mean()), gray_mse)
    assert is_blown_up(float("nan"), gray_mse) and is_blown_up(float("inf"), gray_mse)


def test_a_pale_folder_is_no_reason_to_end_a_run():
    """Five Lab units wrong in pictures of one unit of color: 25 times as wrong as gray, and hardly seen."""
    assert not is_blown_up((5 / 128) ** 2, (1 / 128) ** 2)
    assert is_blown_up((25 / 128) ** 2, (1 / 128) ** 2)


def terminator(factors, **given):
    """The callback as epochs see it whose predictions are the truth times each of `factors`."""
    truth, factors = np.full((1, 2, 2, 2), 0.1, np.float32), iter(factors)
    callback = TerminateOnDivergence(lambda: truth * next(factors), truth, Group(), **{"steps_per_epoch": 1} | given)
    callback.set_model(SimpleNamespace(stop_training=False))
    return callback


def counted(callback, epochs, loss=1.0):
    """(bad epochs in a row, whether the training ends), after each epoch."""
    for epoch in range(epochs):
        callback.on_epoch_end(epoch, {"loss": loss, "val_loss": 1.0})
        yield callback.bad_epochs, callback.model.stop_training


def test_epochs_in_a_row_are_counted():
    callback = terminator([0, -9, 9, 1])
    assert list(counted(callback, 4)) == [(0, False), (1, False), (2, False), (0, False)]


def test_as_many_as_patience_end_the_training():
    assert divergence.PATIENCE == 3
    assert list(counted(terminator([-9] * 3), 3)) == [(1, False), (2, False), (3, True)]


def test_a_network_is_not_judged_before_it_has_settled():
    callback = terminator([-9] * 2, steps_per_epoch=2, settled_after=5)
    assert [bad for bad, _ in counted(callback, 4)] == [0, 0, 1, 2]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_training_at_once(loss):
    callback = terminator([])
    assert list(counted(callback, 1, loss)) == [(0, True)]
    assert callback.not_a_number
    chosen = TrainConfig(run="runs/a", epochs=9)
    with pytest.raises(TrainingError, match="in epoch 3 of 9. runs/a keeps the 2 epochs before"):
        callback.raise_if_diverged(chosen, epochs_done=2)


def test_a_training_that_did_not_diverge_is_no_error():
    callback = terminator([1])
    list(counted(callback, 1))
    callback.raise_if_diverged(TrainConfig(), epochs_done=1)
