"""A run that blew up is noticed, and no healthy one is taken for it."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY

from colorizer.training import divergence
from colorizer.training.divergence import DivergenceCheck, is_blown_up

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


def test_epochs_in_a_row_are_counted():
    truth = np.full((1, 2, 2, 2), 0.1, np.float32)
    predictions = iter([truth * 0, truth * 0 - 1, truth * 0 + 1, truth])
    check = DivergenceCheck(lambda: next(predictions), truth)
    assert [(check.blew_up(), check.bad_epochs) for _ in range(4)] == [(False, 0), (True, 1), (True, 2), (False, 0)]
    assert divergence.PATIENCE > 1


def test_a_network_is_not_judged_before_it_has_settled():
    truth = np.full((1, 2, 2, 2), 0.1, np.float32)
    settled = iter([False, False, True])
    check = DivergenceCheck(lambda: truth * 0 - 1, truth, lambda: next(settled))
    assert [(check.blew_up(), check.bad_epochs) for _ in range(3)] == [(False, 0), (False, 0), (True, 1)]
