"""What `train.py` says when it is done: the comparison, and what it says where that cannot be made."""

import json

import pytest

from colorizer import config, weights
from colorizer.cli import training_report
from colorizer.errors import ClassifierError
from colorizer.training.run_record import Record


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Every report is written in a folder of its own."""
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_report_without_test_pictures_takes_those_of_validation(folder, picture_folder):
    chosen = config.resolve({"dataset": "pictures", "run": "run", "image_size": 32})
    names = sorted(path.name for path in picture_folder.iterdir())
    Record("run").folder.mkdir()
    (folder / "run/split.json").write_text(json.dumps({"train": names[2:], "val": names[:2], "test": []}))
    rows = []
    for mean in ([0.0, 0.0], [0.3, -0.3]):
        said = training_report.write(chosen, {"mean_ab_norm": mean}, "colorize")
        assert "On 2 pictures of the validation split, since none is for tests" in said
        assert "this run: not compared" in said  # it has no weights
        rows.append({line[:18].strip(): line.split()[-3:] for line in said.splitlines() if line.startswith("  ")})
    assert rows[0]["mean color"] == rows[0]["all gray"] == rows[1]["all gray"] != rows[1]["mean color"]


def test_a_report_opens_the_classifier_that_was_typed(folder, picture_folder, monkeypatch):
    (folder / "mine.keras").touch()
    chosen = config.resolve({"dataset": "pictures", "run": "run", "image_size": 32, "classifier": "mine.keras"})
    Record("run").folder.mkdir()
    names = sorted(path.name for path in picture_folder.iterdir())
    (folder / "run/split.json").write_text(json.dumps({"train": names[2:], "val": names[:2], "test": []}))
    opened = []

    def load(*named):
        opened.append(named)
        raise ClassifierError("not opened here")

    monkeypatch.setattr(training_report.Colorizer, "load", load)
    monkeypatch.setenv(weights.PLACE, "elsewhere")  # "shipped weights" are those of the package all the same
    said = training_report.write(chosen, {"mean_ab_norm": [0.0, 0.0]}, "colorize")
    assert opened == [("run", "mine.keras"), (next(iter(weights.SHIPPED)), None)]
    assert said.endswith("--weights run --classifier mine.keras")


def test_a_report_that_cannot_be_made_does_not_fail_the_training(folder, picture_folder):
    chosen = config.resolve({"dataset": "pictures", "run": "run"})
    Record("run").folder.mkdir()
    (folder / "run/split.json").write_text(json.dumps({"train": [], "val": [], "test": []}))
    said = training_report.write(chosen, {"mean_ab_norm": [0, 0]}, "python colorize.py")
    assert said.startswith("No comparison was made: ") and "python colorize.py old.jpg" in said


def test_a_run_that_stopped_says_why_and_when(tmp_path):
    chosen = config.resolve({"patience": 6, "run": "runs/mine"})
    summary = {"runtime_hours": 1.0, "epochs": 100, "epochs_done": 61, "best_epoch": 51, "ending": "stopped"}
    said = training_report.headline(chosen, summary)
    assert said.startswith("Trained 61 of 100 epochs in 1:00:00, stopped by --patience 6; the best was epoch 51.")
