"""When a training ends: all epochs done, patience over, or time over; the same after an interruption."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from test_loop import assert_same_run, settings

from colorizer import config, methods
from colorizer.errors import ClassifierError
from colorizer.training import callbacks, loop
from colorizer.training.run_record import Record

RATE = 1e-3
LOSSES = (3.0, 2.0, 2.5, 2.0, 2.1)  # the second epoch is the best; equal is not lower


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path / "cache"))


def history(losses, rates):
    return [{"val_loss": loss, "learning_rate": rate} for loss, rate in zip(losses, rates, strict=True)]


@pytest.mark.parametrize(
    ("losses", "rates", "waited"),
    [
        ((), (4,), 0),
        ((3, 2, 2, 2, 2), (4, 4, 4, 4, 4, 4), 0),  # no cut yet, and one can come
        ((3, 2, 2, 2, 2), (4, 4, 4, 4, 4, 2), 0),  # cut just now
        ((3, 2, 2, 2, 2), (4, 4, 4, 2, 2, 2), 2),
        ((3, 2, 2, 2, 1.5), (4, 4, 4, 2, 2, 2), 0),  # better after the cut
        ((3, 2, 2, 2, 1.5, 1.5), (4, 4, 4, 2, 2, 2, 2), 1),
        ((3, 2, 2, 2, 2), (4, 4, 4, 2, 2, 1), 0),  # a second cut: counted anew
        ((3, 2, 2, 2, 2), (1, 1, 1, 1, 1, 1), 3),  # the lowest rate from the start: no cut can come
    ],
)
def test_epochs_are_counted_from_the_later_of_best_and_last_cut(losses, rates, waited):
    chosen = config.TrainConfig(plateau_min_lr=1.0)
    assert callbacks.epochs_waited(history(losses, rates[:-1]), rates[-1], chosen) == waited


def test_a_rate_that_falls_by_a_schedule_is_not_cut():
    chosen = config.TrainConfig(schedule="one_cycle")
    assert callbacks.epochs_waited(history((3, 2, 2, 2), (4, 3, 2, 1)), 0.5, chosen) == 2


def test_the_lowest_rate_is_compared_as_keras_does():
    """1e-5 is no float32: as one it is a little less, and Keras cuts no further."""
    lowest = float(np.float32(1e-5))
    rows = history((3, 2, 2, 2), (lowest,) * 4)
    assert callbacks.epochs_waited(rows, lowest, config.TrainConfig(plateau_min_lr=1e-5)) == 2


def rows(seconds, losses=None):
    """A history of epochs that took so long; no epoch is better than the one before unless `losses` say so."""
    losses = losses or range(len(seconds))
    return [
        {"val_loss": loss, "learning_rate": 1.0, "seconds": taken} for loss, taken in zip(losses, seconds, strict=True)
    ]


LOWEST = {"plateau_min_lr": 1.0}  # so patience begins at once


@pytest.mark.parametrize(
    ("seconds", "limits", "reason"),
    [
        ((), {}, None),
        ((30, 30), {"epochs": 3}, None),
        ((30, 30, 30), {"epochs": 3}, "ended"),
        ((30, 30, 30), {"epochs": 2}, "ended"),  # resumed with fewer epochs than it has
        ((30, 30, 30), {"patience": 3} | LOWEST, None),
        ((30, 30, 30, 30), {"patience": 3} | LOWEST, "stopped"),
        ((30, 30, 30, 30), {"patience": 3, "epochs": 4} | LOWEST, "ended"),  # the last planned epoch comes first
        ((), {"max_minutes": 1.0}, None),  # no epoch says yet how long one takes
        ((30,), {"max_minutes": 1.0}, None),  # one more ends in time
        ((20, 30), {"max_minutes": 1.0}, "cut"),  # one more like the last would end after it
        ((30, 20), {"max_minutes": 1.0}, "cut"),
        ((30, 15), {"max_minutes": 1.0}, None),
        ((30, 30, 30, 30), {"patience": 3, "max_minutes": 1.0} | LOWEST, "stopped"),  # patience before time
    ],
)
def test_a_training_ends_by_its_epochs_its_patience_or_its_time(seconds, limits, reason):
    chosen = config.TrainConfig(**{"epochs": 9} | limits)
    assert callbacks.stop_reason(rows(seconds), 1.0, chosen) == reason


def test_patience_waits_while_the_training_diverges_and_the_other_limits_do_not():
    history = rows((30, 30, 30, 30))
    for limits, reason in (({"patience": 3}, None), ({"max_minutes": 1.0}, "cut"), ({"epochs": 4}, "ended")):
        chosen = config.TrainConfig(**{"epochs": 9} | LOWEST | limits)
        assert callbacks.stop_reason(history, 1.0, chosen, diverging=True) == reason


@pytest.mark.parametrize(("of_rank_0", "ending"), [(0, None), *enumerate(config.ENDINGS, 1)])
def test_every_rank_ends_as_rank_0_does(of_rank_0, ending):
    group = SimpleNamespace(agree=lambda own: of_rank_0)
    none_yet, good = SimpleNamespace(history=[]), SimpleNamespace(bad_epochs=0)
    stopping = callbacks.StopTraining(config.TrainConfig(), none_yet, good, group)
    trainer = SimpleNamespace(optimizer=SimpleNamespace(learning_rate=RATE))
    assert stopping.decide(trainer) == stopping.ending == ending


@pytest.fixture
def canned_losses(monkeypatch):
    """Every training has the validation losses above, and then the last of them again and again."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = LOSSES[min(epoch, len(LOSSES) - 1)]

    monkeypatch.setattr(callbacks.EpochClock, "on_epoch_end", on_epoch_end, raising=False)


def patient(folder, run, **given):
    """A rate that is cut after epoch 3 and after epoch 4, then lies at its lowest."""
    plateau = {"plateau_patience": 1, "plateau_min_lr": 0.3 * RATE, "learning_rate": RATE}
    return settings(folder, run, **{"method": "trivial", "epochs": 12, "patience": 2} | plateau | given)


def test_a_run_stops_when_patience_is_over_and_goes_no_further(tmp_path, picture_folder, canned_losses):
    chosen = patient(picture_folder, tmp_path / "run")
    summary = loop.run(chosen)
    assert (summary["ending"], summary["epochs_done"], summary["best_epoch"]) == ("stopped", 6, 2)
    assert summary["epochs"] == 12
    rates = pd.read_csv(tmp_path / "run/history.csv")["learning_rate"] / RATE
    np.testing.assert_allclose(rates, [1, 1, 1, 0.5, 0.3, 0.3], rtol=1e-6)
    again = loop.run(chosen, resume=True)
    assert (again["ending"], again["epochs_done"]) == ("stopped", 6)
    more = loop.run(patient(picture_folder, tmp_path / "run", patience=4), resume=True)
    assert (more["ending"], more["epochs_done"]) == ("stopped", 8)
    last = loop.run(patient(picture_folder, tmp_path / "run", patience=4, epochs=8), resume=True)
    assert (last["ending"], last["epochs_done"]) == ("ended", 8)


@pytest.mark.parametrize("interrupted", [2, 3, 4, 5])
def test_an_interrupted_run_stops_at_the_same_epoch(tmp_path, picture_folder, canned_losses, interrupted):
    loop.run(patient(picture_folder, tmp_path / "whole"))

    def stop(epoch, network):
        if epoch == interrupted:
            raise KeyboardInterrupt

    chosen = patient(picture_folder, tmp_path / "killed")
    with pytest.raises(KeyboardInterrupt):
        loop.run(chosen, watch=stop)
    assert Record(tmp_path / "killed").state()["epochs_done"] == interrupted
    assert not (tmp_path / "killed/summary.json").exists()
    assert loop.run(chosen, resume=True)["epochs_done"] == 6
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


def test_without_patience_all_epochs_are_trained(tmp_path, picture_folder, canned_losses):
    summary = loop.run(patient(picture_folder, tmp_path / "run", patience=None, epochs=8))
    assert (summary["ending"], summary["epochs_done"]) == ("ended", 8)


def test_a_run_whose_time_is_over_is_cut(tmp_path, picture_folder, canned_losses):
    run = tmp_path / "run"
    summary = loop.run(patient(picture_folder, run, max_minutes=1e-6))
    assert (summary["ending"], summary["epochs_done"]) == ("cut", 1)
    summary = loop.run(patient(picture_folder, run, max_minutes=99.0), resume=True)
    assert (summary["ending"], summary["epochs_done"]) == ("stopped", 6)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in methods.names() if name != "trivial"])
def test_every_method_stops_when_patience_is_over(tmp_path, picture_folder, canned_losses, name):
    size = 64 if methods.declared(name).uses_encoder else 32
    chosen = patient(picture_folder, tmp_path / "run", method=name, image_size=size)
    try:
        summary = loop.run(chosen)
    except ClassifierError as error:
        pytest.skip(f"its encoder is not here: {error}")
    # `settings` sets the paper's defaults, so all of them wait for a plateau.
    assert (summary["ending"], summary["epochs_done"], summary["best_epoch"]) == ("stopped", 6, 2)
