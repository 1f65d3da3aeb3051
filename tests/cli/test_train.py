"""`train.py`: its errors come before Keras, its folders, resuming as recorded, and its end in words."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY, write_pictures
from PIL import Image

from colorizer import config
from colorizer.classifiers import catalog
from colorizer.cli import train, training_report
from colorizer.errors import ClassifierError
from colorizer.training import loop
from colorizer.training.run_record import Record

# Runs the command with one list of words after another; prints of each its status, what it said and what is loaded.
PROBE = """
import contextlib, io, json, sys
from colorizer.cli import train
ends = []
for typed in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            status = train.main(typed, prog="train.py")
        except SystemExit as stop:  # of argparse
            status = stop.code
    loaded = [name for name in ("keras", "tensorflow", "jax", "pandas") if name in sys.modules]
    ends.append((status, said.getvalue(), loaded))
print(json.dumps(ends))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Every command starts in a folder of its own."""
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start_run(folder, **recorded):
    """A folder that looks as if a run had been started there."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"method": "efficientnet", "dataset": "pictures"} | recorded))


WRONG = [
    (["--dataset", "nowhere"], "Received: nowhere"),
    (["--dataset", "empty"], "A data set needs pictures"),
    (["--dataset", "two"], "three in a folder, or lists with both. Received: 2 and 0 in "),
    (["--dataset", "pictures", "--data-dir", "nowhere"], "--data-dir must name the folder"),
    (["--method", "unet"], "There is no such method. Received: unet"),
    (["--method", "gan", "--frozen-epochs", "1"], "--frozen-epochs is not an option of the method gan"),
    (["--seed", "-1"], "--seed must be 0 or above and below 2^32. Received: -1"),
    (["--seed", "4294967296"], "--seed must be 0 or above and below 2^32. Received: 4294967296"),
    (["--learning-rate", "nan"], "--learning-rate must be a finite number. Received: nan"),
    (["--max-minutes", "inf"], "--max-minutes must be a finite number. Received: inf"),
    (["--zoom-range", "nan"], "--zoom-range must be a finite number. Received: nan"),
    (["--image-size", "8192"], "--image-size must be a multiple of 32, at most 1024. Received: 8192"),
    (
        ["--dataset", "pictures", "--run", "taken"],
        "taken already holds a run. Continue it with --run taken --resume",
    ),
    (["--run", "taken/config.json/new"], "The run cannot be kept: "),
    (["--run", "results/runs/mine"], "only `make results` writes there"),
    (["--run", str(REPOSITORY / "results/runs/efficientnet-coco"), "--resume"], "only `make results` writes there"),
    (["--run", "nowhere", "--resume"], "There is no run to resume in nowhere. Leave --resume out"),
    (["--resume"], "There is no run of this method and data set to resume"),
    (["--run", "damaged", "--resume"], "damaged/config.json is damaged"),
    (["--dataset", "pictures", "--classifier", "a/b.keras"], "a/b.keras"),
    (["--dataset", "pictures", "--classifier", "efficientnet_lite9"], "efficientnet_lite9"),
    (
        ["--dataset", "pictures", "--init-weights", "runs/nowhere"],
        "weights of this name. Received: runs/nowhere",
    ),
    (["--dataset", "pictures", "--init-weights", "nowhere"], "--init-weights: There are no weights of this name"),
    (["--dataset", "pictures", "--init-weights", "shipped"], "Choose other weights, or --method vit_decoder"),
    (
        ["--dataset", "pictures", "--method", "let_there_be_color", "--labels", "instances.json"],
        "Received: instances.json, which is not there",
    ),
    (
        ["--dataset", "pictures", "--method", "vit_decoder", "--classifier", "none", "--image-size", "32"],
        "--image-size must be at least 64 for --method vit_decoder with --classifier none. Received: 32",
    ),
]


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """(status, standard error, packages that are loaded) of each of `WRONG`, all in one process."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "empty").mkdir()
    write_pictures(folder / "pictures")
    write_pictures(folder / "two", count=2)
    start_run(folder / "taken")
    start_run(folder / "damaged")
    (folder / "damaged/config.json").write_text("{")
    command = [sys.executable, "-c", PROBE, json.dumps([typed for typed, _ in WRONG])]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "COLORIZER_CACHE": str(folder / "cache")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("number", range(len(WRONG)), ids=lambda number: " ".join(WRONG[number][0])[:60])
def test_what_is_wrong_is_said_before_keras_is_loaded(ends, number):
    status, said, loaded = ends[number]
    assert status == 2 and WRONG[number][1] in said, said
    assert loaded == []


def test_a_wrong_folder_is_said_before_missing_classifier_weights(monkeypatch, capsys):
    """The default classifier cannot be downloaded here, and nobody may be told so first."""
    assert train.main(["--dataset", "nowhere"], prog="train.py") == 2
    assert "Received: nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [["--classifier", "nowhere"], ["--init-weights", "nowhere"], ["--labels", "nowhere.json"]]
)
def test_what_is_mistyped_is_said_before_a_download(wrong, folder, monkeypatch, capsys):
    monkeypatch.delenv("COLORIZER_DATA", raising=False)
    monkeypatch.setattr("colorizer.data.download.coco", lambda *_: pytest.fail("a download began"))
    method = ["--method", "let_there_be_color"] if "--labels" in wrong else []
    assert train.main(["--dataset", "coco", "--classifier", "none", *method, *wrong], prog="train.py") == 2
    assert "nowhere" in capsys.readouterr().err


def test_without_keras_nothing_is_downloaded(monkeypatch, capsys):
    from colorizer.data import datasets

    monkeypatch.setattr(datasets, "find", lambda *_: pytest.fail("a data set was looked for"))
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "keras" else found(name))
    assert train.main(["--dataset", "coco"], "train.py") == 2
    err = capsys.readouterr().err
    assert "the package keras, which is not installed" in err and "pip install -r requirements.txt" in err


def test_a_run_without_a_name_takes_the_next_free_folder(folder, picture_folder):
    given = {"dataset": "pictures"}
    assert train.configuration(given, resume=False).run == "runs/efficientnet-pictures"
    start_run(folder / "runs/efficientnet-pictures")
    assert train.configuration(given, resume=False).run == "runs/efficientnet-pictures-2"
    start_run(folder / "runs/efficientnet-pictures-2")
    assert train.configuration(given, resume=True).run == "runs/efficientnet-pictures-2"


def test_a_resumed_run_takes_what_was_recorded_none_included(folder, picture_folder):
    """--initializer None is not the default that the method has today, he_normal; neither is a missing weight."""
    method_default = config.resolve({"dataset": "pictures"}).initializer
    start_run(folder / "old", initializer=None, learning_rate=1e-3, epochs=3)
    resumed = train.configuration({"run": "old", "epochs": 5}, resume=True)
    assert (resumed.initializer, resumed.learning_rate, resumed.epochs) == (None, 1e-3, 5)
    assert method_default is None or resumed.initializer != method_default
    assert resumed.plateau_patience == config.TrainConfig.plateau_patience


def test_a_resumed_run_finds_its_classifier_by_its_checksum_or_asks_for_its_file(folder, picture_folder, monkeypatch):
    start_run(folder / "old", classifier="mine", classifier_sha256="abc")
    chosen = train.configuration({"run": "old"}, resume=True)
    with pytest.raises(ClassifierError, match="Received: mine(.|\n)*The run was started with it: name its file with"):
        train.check_inputs(chosen)
    monkeypatch.setattr(catalog, "find", lambda name, sha256: {("mine", "abc"): Path("cache/mine.keras")}[name, sha256])
    assert train.configuration({"run": "old"}, resume=True).classifier == "cache/mine.keras"


def test_only_make_results_may_write_records(folder, picture_folder):
    given = {"dataset": "pictures", "run": "results/runs/a"}
    assert train.configuration(given, resume=False, records=True).run == "results/runs/a"


@pytest.fixture
def no_comparison(monkeypatch):
    """Leaves out the comparison at a training's end, which is another test's subject and takes seconds."""
    monkeypatch.setattr(training_report, "write", lambda *_: "")


def typed(*more):
    return ["--dataset", "pictures", "--method", "trivial", "--image-size", "32", "--batch-size", "4", *more]


def test_a_training_ends_in_words_with_a_table_a_sheet_and_the_next_command(folder, picture_folder, capsys):
    assert train.main(typed("--epochs", "2"), prog="train.py") == 0
    said = capsys.readouterr().out
    run = folder / "runs/trivial-pictures"
    for label in ("this run", "shipped weights", "all gray", "mean color"):
        values = next(line for line in said.splitlines() if line.strip().startswith(label)).split()[-3:]
        assert all(np.isfinite(float(value)) for value in values)
    assert "On 1 picture of the run's own test split" in said  # 5 % of 24
    assert "python colorize.py old.jpg -o new.png --weights runs/trivial-pictures" in said
    assert "{" not in said  # no JSON
    with Image.open(run / training_report.SHEET) as sheet:
        assert sheet.format == "PNG" and sheet.width > 4 * 150
    # not on a terminal: a line an epoch, in the order of the epochs
    lines = [line for line in said.splitlines() if line.startswith("epoch ")]
    assert [line.split(",")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    losses = pd.read_csv(run / "history.csv")["val_loss"]
    assert all(f"val_loss {loss:.5f}" in line for line, loss in zip(lines, losses, strict=True))


def test_a_changed_folder_does_not_change_the_split_of_a_resumed_run(folder, picture_folder, caplog, no_comparison):
    assert train.main(typed("--epochs", "1"), prog="train.py") == 0
    run = folder / "runs/trivial-pictures"
    split = json.loads((run / "split.json").read_text())
    gone, held_out = split["train"][3], (split["val"], split["test"])
    (picture_folder / gone).rename(picture_folder.parent / gone)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8)).save(
        picture_folder / "a_new_one.png"
    )
    with caplog.at_level("INFO"):
        assert train.main(["--dataset", "pictures", "--method", "trivial", "--resume", "--epochs", "2"]) == 0
    assert f"Missing in pictures: 1 picture of this run's split: {gone}" in caplog.text
    assert "1 new picture, since a resumed run keeps its split: a_new_one.png" in caplog.text
    assert json.loads((run / "split.json").read_text()) == split
    data = json.loads((run / "config.json").read_text())["data"]
    assert (data["train"], data["val"]) == (len(split["train"]) - 1, len(held_out[0]))


def test_a_run_without_its_split_is_resumed_on_the_same_pictures_alone(folder, picture_folder, capsys, no_comparison):
    assert train.main(typed("--epochs", "1"), prog="train.py") == 0
    split = folder / "runs/trivial-pictures/split.json"
    before = json.loads(split.read_text())
    split.unlink()
    resumed = ["--dataset", "pictures", "--method", "trivial", "--resume", "--epochs"]
    assert train.main([*resumed, "2"]) == 0
    assert json.loads(split.read_text()) == before
    split.unlink()
    next(picture_folder.iterdir()).unlink()
    assert train.main([*resumed, "3"]) == 2
    assert "has no split.json, which says which pictures were held out" in capsys.readouterr().err


def test_lists_that_change_do_not_change_the_split_of_a_resumed_run(folder, picture_folder, no_comparison):
    names = sorted(path.name for path in picture_folder.iterdir())
    lists = folder / "splits"
    lists.mkdir()

    def write(train_names, val, test):
        for part, listed in (("train", train_names), ("val", val), ("test", test)):
            (lists / f"pictures_{part}.txt").write_text("\n".join(listed))

    write(names[:12], names[12:18], names[18:])
    assert train.main(typed("--epochs", "1"), prog="train.py") == 0
    write(names[12:], names[:6], names[6:12])
    assert train.main(["--dataset", "pictures", "--method", "trivial", "--resume", "--epochs", "2"]) == 0
    run = folder / "runs/trivial-pictures"
    assert Record(run).split()["train"] == names[:12] and not (run / "split.json").exists()
    assert json.loads((run / "config.json").read_text())["data"]["train"] == 12


def test_tensorboard_gets_the_losses_of_every_epoch(folder, picture_folder, monkeypatch):
    seen = []

    class Board(loop.keras.callbacks.Callback):
        def __init__(self, log_dir, write_graph):
            super().__init__()
            self.log_dir = log_dir

        def on_epoch_end(self, epoch, logs=None):
            seen.append((self.log_dir, epoch, sorted(logs)))

    monkeypatch.setattr(loop.keras.callbacks, "TensorBoard", Board)
    loop.run(
        config.resolve(
            {
                "dataset": "pictures",
                "method": "trivial",
                "image_size": 32,
                "epochs": 2,
                "run": "run",
                "tensorboard": "b",
            }
            | {"classifier": "none", "learning_rate": 1e-3}
        )
    )
    assert [(where, epoch) for where, epoch, _ in seen] == [("b", 0), ("b", 1)]
    assert {"loss", "val_loss"} <= set(seen[0][2])


def test_tensorboard_that_is_not_installed_is_said_with_the_command(folder, picture_folder, monkeypatch, capsys):
    find_spec = train.importlib.util.find_spec
    monkeypatch.setattr(
        train.importlib.util, "find_spec", lambda name: None if name == "tensorboard" else find_spec(name)
    )
    assert train.main(typed("--tensorboard", "board"), prog="train.py") != 0
    assert "pip install tensorboard. Received: board" in capsys.readouterr().err


def test_a_run_that_was_cut_says_so_and_goes_on_without_its_limit(folder, picture_folder, capsys, no_comparison):
    assert train.main(typed("--epochs", "3", "--max-minutes", "0.0001"), prog="train.py") == 0
    assert "Trained 1 of 3 epochs in " in (said := capsys.readouterr().out)
    assert ", cut by --max-minutes 0.0001; the best was epoch 1." in said
    assert "Continue it with --resume." in said
    run = folder / "runs/trivial-pictures"
    assert json.loads((run / "summary.json").read_text())["ending"] == "cut"
    again = ["--dataset", "pictures", "--method", "trivial", "--resume"]
    assert train.configuration(*train.parse(again)).max_minutes is None
    assert train.configuration(*train.parse([*again, "--max-minutes", "9"])).max_minutes == 9
    # A session that is killed before its first epoch ends.
    Record(run).start(json.loads((run / "config.json").read_text()) | {"max_minutes": None}, resume=True)
    assert not (run / "summary.json").exists(), "an open run has none, and evaluation does not take it"
    assert train.main(again, prog="train.py") == 0
    assert "Trained 3 epochs in " in capsys.readouterr().out
    assert json.loads((run / "summary.json").read_text())["ending"] == "ended"


def test_the_limit_of_a_run_that_was_killed_stays(folder, picture_folder, no_comparison):
    assert train.main(typed("--epochs", "1", "--max-minutes", "9"), prog="train.py") == 0
    again = ["--dataset", "pictures", "--method", "trivial", "--resume"]
    assert train.configuration(*train.parse(again)).max_minutes == 9
