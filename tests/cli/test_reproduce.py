"""The matrix of runs: what is left, how long it takes, resumed after a kill, done with when done."""

import json
import subprocess
import sys

import pytest
from canned import canned_run
from conftest import wait_until

from colorizer import config, experiments, methods
from colorizer.cli import reproduce
from colorizer.errors import RecordError
from colorizer.evaluation import runs
from colorizer.training import run_folders

SMALL = {"dataset": "coco", "epochs": 4, "limit": 100, "image_size": 64}
CPU = "efficientnet-coco-cpu"

# Stands for train.py: writes what was typed; finishes, but for the row named here, in which it dies after an epoch.
FAKE = """
import json, pathlib, sys
typed = dict(zip(sys.argv[1::2], sys.argv[2::2]))
folder = pathlib.Path(typed["--run"])
(folder / "last").mkdir(parents=True, exist_ok=True)
with open(folder.parent / "log.txt", "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\\n")
(folder / "config.json").write_text("{}")
if folder.name == "b" and "--resume" not in sys.argv:
    (folder / "last" / "state.json").write_text(json.dumps({"epochs_done": 1}))
    sys.exit(1)
(folder / "summary.json").write_text(json.dumps({"epochs_done": 4}))
"""


@pytest.fixture
def three(monkeypatch):
    """A matrix of three rows, trained by `FAKE`."""
    rows = tuple(experiments.Row(name, SMALL) for name in "abc")
    monkeypatch.setitem(experiments.MATRICES, "three", rows)
    monkeypatch.setattr(reproduce, "TRAIN", [sys.executable, "-c", FAKE])


def states(tmp_path, **kwargs):
    return {p.row.name: p.state for p in reproduce.plan("three", tmp_path, "none", **kwargs)}


def test_a_row_that_dies_does_not_stop_the_rest_and_goes_on_next_time(three, tmp_path):
    assert set(states(tmp_path).values()) == {"to do"}
    assert reproduce.run(reproduce.plan("three", tmp_path, "none")) == ["b (1)"]
    assert states(tmp_path) == {"a": "finished", "b": "begun", "c": "finished"}
    log = (tmp_path / "log.txt").read_text()
    assert reproduce.run(reproduce.plan("three", tmp_path, "none")) == []
    assert set(states(tmp_path).values()) == {"finished"}
    added = (tmp_path / "log.txt").read_text().removeprefix(log).splitlines()
    assert len(added) == 1 and added[0].endswith("--resume") and "--run" in added[0]


def test_a_row_killed_in_its_first_epoch_begins_anew(three, tmp_path):
    (tmp_path / "a" / "last").mkdir(parents=True)
    (tmp_path / "a" / "config.json").write_text("{}")
    assert reproduce.run(reproduce.plan("three", tmp_path, "none", only=["a"])) == []
    assert "--resume" not in (tmp_path / "log.txt").read_text()


def test_a_row_in_its_first_epoch_elsewhere_is_left_alone(three, tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    lines = []
    with run_folders.held(folder):
        assert reproduce.run(reproduce.plan("three", tmp_path, "none", only=["a"]), say=lines.append) == ["a (2)"]
    assert (folder / "config.json").is_file() and "Another training is at work" in lines[0]


SLOW = """
import pathlib, sys
from colorizer import experiments
from colorizer.cli import reproduce
runs = pathlib.Path(sys.argv[1])
experiments.MATRICES["one"] = (experiments.Row("a", {"dataset": "coco"}),)
child = f"import pathlib, time; pathlib.Path({str(runs / 'going')!r}).touch(); time.sleep(60)"
reproduce._tell, reproduce.TRAIN = lambda *_: None, [sys.executable, "-c", child]
sys.exit(reproduce.main(["--matrix", "one", "--runs", str(runs)]))
"""


def test_a_kill_stops_the_row_that_is_going_too(tmp_path):
    typed = [sys.executable, "-c", SLOW, str(tmp_path)]
    command = subprocess.Popen(typed, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: (tmp_path / "going").is_file() or command.poll() is not None)
    command.terminate()
    _, err = command.communicate(timeout=30)  # the pipes close with the last process that has them: the row
    assert "Run the same command to continue" in err
    assert command.returncode == 130


def test_the_command_says_what_is_left_by_its_exit_status(three, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(reproduce, "_tell", lambda *args: None)
    given = ["--matrix", "three", "--runs", str(tmp_path)]
    assert reproduce.main([*given, "--list"]) == 1
    assert not list(tmp_path.iterdir())
    assert reproduce.main(given) == 1
    assert "failed: b (1)" in capfd.readouterr().err
    assert reproduce.main(given) == 0
    assert reproduce.main([*given, "--only", "d"]) == 2
    assert "Received: d" in capfd.readouterr().err


def test_every_row_is_something_train_py_takes(tmp_path):
    import argparse

    parser = argparse.ArgumentParser()
    parser.add_argument("--resume", action="store_true")
    config.add_flags(parser)
    for name in experiments.MATRICES:
        for item in reproduce.plan(name, tmp_path, "FILE.keras", "MOBILENET.keras"):
            if item.row.retired:
                with pytest.raises((SystemExit, ValueError)):
                    given = vars(parser.parse_args(reproduce.command(item)))
                    config.resolve(given, methods.declared(item.method))
                continue
            given = vars(parser.parse_args(reproduce.command(item)))
            given.pop("resume")
            assert given == dict(item.flags) | {"run": str(item.folder)}
            config.resolve(given, methods.declared(item.method))


def test_classifiers_are_put_in_and_a_row_like_its_base_is_not_run_twice(tmp_path):
    planned = {p.row.name: p for p in reproduce.plan("cpu", tmp_path, "efficientnet_b4")}
    assert planned[f"{CPU}-mobilenet"].state == "needs --mobilenet FILE"
    begin(tmp_path / "begun" / f"{CPU}-mobilenet")
    (begun,) = reproduce.plan("cpu", tmp_path / "begun", "efficientnet_b4", only=[f"{CPU}-mobilenet"])
    assert begun.state == "needs --mobilenet FILE" and not begun.left
    assert planned[f"{CPU}-b4"].state == "same as its base"
    assert planned[f"{CPU}-shuffled"].flags["classifier"] == "shuffled:efficientnet_b4"
    planned = {p.row.name: p for p in reproduce.plan("cpu", tmp_path, "M.keras", "M.keras")}
    assert planned[f"{CPU}-mobilenet"].state == "same as its base"
    assert planned[f"{CPU}-logits"].flags["classifier"] == "logits:M.keras"
    assert planned[f"{CPU}-b4"].state == planned[f"{CPU}-none"].state == "to do"


def test_the_time_left_is_scaled_by_pixels_pictures_epochs_and_cost(three, tmp_path):
    planned = reproduce.plan("three", tmp_path, "none")
    assert reproduce.hours_left(planned, tmp_path, "CPU") == (
        None,
        [f"{n}: 4 epochs, time unknown: no run was finished on this device" for n in "abc"],
    )
    one = {"trained_on": "coco", "epochs_done": 2, "train_images": 50, "config": {"image_size": 128}}
    canned_run(tmp_path / "x", runtime_hours=1.0, **one)  # 128x128, 50 pictures, 2 epochs: an hour
    canned_run(tmp_path / "y", runtime_hours=9.0, device="GPU", **one)
    canned_run(tmp_path / "z", runtime_hours=9.0, precision="mixed_bfloat16", **one)
    hours, lines = reproduce.hours_left(planned, tmp_path, "CPU")
    assert hours == pytest.approx(3.0)  # a quarter of the pixels, twice the pictures, twice the epochs, three rows
    assert lines[0] == "a: 4 epochs, about 1.00 h"
    gan = [reproduce.Planned(experiments.Row("g"), SMALL | {"method": "gan"}, tmp_path / "g", "to do")]
    assert reproduce.hours_left(gan, tmp_path, "CPU")[0] == pytest.approx(12.5 / 17.5)
    begun = [reproduce.Planned(experiments.Row("g"), SMALL, tmp_path / "g", "begun", epochs_done=3)]
    assert reproduce.hours_left(begun, tmp_path, "CPU")[0] == pytest.approx(0.25)


def test_the_time_left_is_that_of_runs_of_the_nearest_size(three, tmp_path):
    one = {"trained_on": "coco", "epochs_done": 2, "train_images": 50}
    for name in "xyz":  # small pictures are slow for their size, and there are more such runs
        canned_run(tmp_path / name, runtime_hours=6.0, config={"image_size": 32}, **one)
    canned_run(tmp_path / "large", runtime_hours=1.0, config={"image_size": 128}, **one)
    for size, hours in ((128, 4.0), (256, 16.0), (32, 24.0)):  # of twice the pictures and twice the epochs
        row = [reproduce.Planned(experiments.Row("r"), SMALL | {"image_size": size}, tmp_path / "r", "to do")]
        assert reproduce.hours_left(row, tmp_path, "CPU")[0] == pytest.approx(hours)


def test_records_that_cannot_be_read_do_not_count(three, tmp_path, capsys):
    one = {"trained_on": "coco", "epochs_done": 2, "train_images": 50, "config": {"image_size": 128}}
    for name in ("whole", "damaged", "lonely", "half"):
        canned_run(tmp_path / name, runtime_hours=1.0 if name == "whole" else 9.0, **one)
    (tmp_path / "damaged/summary.json").write_text('{"method": "effic')
    (tmp_path / "lonely/config.json").unlink()
    (tmp_path / "half/summary.json").write_text('{"method": "efficientnet", "trained_on": "coco", "epochs_done": 2}')
    planned = reproduce.plan("three", tmp_path, "none")
    assert reproduce.hours_left(planned, tmp_path, "CPU")[0] == pytest.approx(3.0)
    assert reproduce.main(["--matrix", "three", "--runs", str(tmp_path), "--list"]) == 1


def test_a_row_whose_own_record_is_half_is_named(three, tmp_path):
    begin(tmp_path / "a", {"ending": "ended"})
    with pytest.raises(RecordError, match=r"summary.json is damaged. Restore it"):
        reproduce.plan("three", tmp_path, "none")


CUT = {"epochs_done": 2, "ending": "cut"}


def begin(folder, summary=None, **config):
    """A row after two epochs of half a minute each."""
    (folder / "last").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    state = {"epochs_done": 2, "history": [{"seconds": 30.0}, {"seconds": 30.0}]}
    (folder / "last" / "state.json").write_text(json.dumps(state))
    if summary:
        (folder / "summary.json").write_text(json.dumps(summary))


def test_a_row_that_was_cut_goes_on_unless_its_own_limit_cut_it(three, tmp_path, monkeypatch):
    begin(tmp_path / "a", CUT)
    assert states(tmp_path, only=["a"]) == {"a": "begun"}
    (tmp_path / "a/last/state.json").unlink()
    assert states(tmp_path, only=["a"]) == {"a": reproduce.STATELESS}, "there is nothing to resume from"
    begin(tmp_path / "b", CUT | {"ending": "stopped"})
    assert states(tmp_path, only=["b"]) == {"b": "finished"}
    limited = (experiments.Row("c", SMALL | {"max_minutes": 20.0}),)
    monkeypatch.setitem(experiments.MATRICES, "three", limited)
    begin(tmp_path / "c", CUT)
    assert states(tmp_path) == {"c": "finished"}


def test_a_row_that_was_cut_is_not_called_finished(three, tmp_path, monkeypatch):
    code = FAKE.replace('{"epochs_done": 4}', '{"epochs_done": 2, "ending": "cut"}')
    monkeypatch.setattr(reproduce, "TRAIN", [sys.executable, "-c", code])
    said = []
    assert reproduce.run(reproduce.plan("three", tmp_path, "none", only=["a"]), said.append, minutes=5) == []
    assert said[-1] == "a: cut, to be resumed"


def test_a_cut_row_without_its_state_keeps_its_record_and_says_where_to_train_it_anew(three, tmp_path, capsys):
    record = CUT | {"method": "efficientnet", "train_images": 10, "runtime_hours": 1.0, "device": "another"}
    begin(tmp_path / "a", record, image_size=64)
    (tmp_path / "a/last/state.json").unlink()
    assert reproduce.main(["--matrix", "three", "--runs", str(tmp_path), "--only", "a"]) == 1
    assert "--only a --runs runs/whole" in capsys.readouterr().out
    assert json.loads((tmp_path / "a/summary.json").read_text()) == record
    assert not (tmp_path / "log.txt").exists(), "nothing is trained"


def test_minutes_end_the_row_that_is_going_and_begin_no_other(three, tmp_path, monkeypatch):
    begin(tmp_path / "a")
    clock = iter([0.0, 0.0, 60.0, 301.0, 302.0])  # begun; before and at row a; before b and c
    monkeypatch.setattr(reproduce.time, "monotonic", lambda: next(clock))
    said = []
    assert reproduce.run(reproduce.plan("three", tmp_path, "none"), said.append, minutes=5) == []
    typed = (tmp_path / "log.txt").read_text().splitlines()
    assert len(typed) == 1 and typed[0].endswith("--max-minutes 5.0 --resume")  # 1 so far, 4 are left
    assert said[-2:] == [f"{name}: not started, the 5 minutes are over" for name in "bc"]


def test_minutes_are_above_0(three, tmp_path, capsys):
    assert reproduce.main(["--matrix", "three", "--runs", str(tmp_path), "--minutes", "0"]) == 2
    assert "--minutes must be above 0. Received: 0.0" in capsys.readouterr().err


def test_the_papers_rows_take_the_machines_precision_and_keep_that_which_they_were_begun_in(tmp_path):
    def precision(name):
        (item,) = reproduce.plan("paper", tmp_path, "none", only=[name], precision="mixed_bfloat16")
        return item.flags["precision"]

    begin(tmp_path / "gan-coco-128", precision="float32")
    assert precision("gan-coco-128") == "float32"
    assert precision("gan-paintings-128") == "mixed_bfloat16"


def test_the_papers_rows_learn_to_their_end_at_128_pixels_or_more():
    rows = experiments.MATRICES["paper"]
    for row in rows:
        assert row.flags["patience"] > 0 and "epochs" not in row.flags and "limit" not in row.flags
        assert row.flags.get("image_size", 256) >= 128
    systems = {(r.flags.get("method", "efficientnet"), r.flags["dataset"]) for r in rows if not r.base}
    assert len(systems) == 8, "four systems on two data sets"
    for dataset in ("coco", "paintings"):
        name = f"efficientnet-{dataset}-128"
        assert not experiments.is_ablation(name), "a main row as long as there is none of 256 pixels"
        large, small = ({r.name: r for r in rows}[n].flags for n in (f"efficientnet-{dataset}-256", name))
        assert small == large | {"image_size": 128}


def test_every_class_vector_is_tried_with_two_seeds_and_everything_else_equal():
    rows = [dict(row.flags) for row in experiments.MATRICES["vectors"]]
    tried = {(flags.pop("classifier"), flags.pop("seed")) for flags in rows}
    assert len(tried) == len(rows) == 10 and {seed for _, seed in tried} == {42, 43}
    assert all(flags == rows[0] for flags in rows) and rows[0]["image_size"] == 128


# Stands for train.py in a short training: two epochs, the second at a rate that grows with the size.
RATE = """
import pathlib, sys
typed = dict(zip(sys.argv[1::2], sys.argv[2::2]))
folder = pathlib.Path(typed["--run"])
folder.mkdir(parents=True)
assert (typed["--dataset"], typed["--classifier"]) == ("sample", "none")
if typed["--method"] == "gan":
    sys.exit("no such device")
rate = int(typed["--image-size"]) / 64
(folder / "history.csv").write_text(f"epoch,images_per_second,seconds\\n1,0.1,9\\n2,{rate},1\\n")
"""


def test_a_dry_run_measures_each_kind_of_row_once(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce, "TRAIN", [sys.executable, "-c", RATE])
    rates = []
    rate = reproduce._rate
    monkeypatch.setattr(reproduce, "_rate", lambda kind: rates.append(kind) or rate(kind))
    large = {"dataset": "coco", "epochs": 4, "image_size": 128, "patience": 6}
    rows = [experiments.Row("a", SMALL), experiments.Row("b", SMALL | {"limit": 200}), experiments.Row("c", large)]
    planned = [reproduce.Planned(row, row.flags, tmp_path / row.name, "to do") for row in rows]
    said = []
    seconds = (100 * 4 + 200 * 4) / 1 + 4500 * 4 / 2
    assert reproduce.measured(planned, said.append) == pytest.approx(seconds / 3600)
    assert len(rates) == 2
    assert said[2] == "c: at most 4 epochs, 2.0 pictures/s at 128x128 in float32, at most 2.5 h"
    gan = [reproduce.Planned(rows[0], SMALL | {"method": "gan"}, tmp_path / "g", "to do")]
    with pytest.raises(RuntimeError, match="no such device"):
        reproduce.measured(gan, said.append)


def test_a_real_row_is_trained_and_read_back(picture_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path / "cache"))
    flags = {
        "dataset": str(picture_folder),
        "method": "trivial",
        "epochs": 1,
        "image_size": 64,
        "horizontal_flip": False,
    }
    monkeypatch.setitem(experiments.MATRICES, "one", (experiments.Row("trivial-pictures", flags),))
    assert reproduce.run(reproduce.plan("one", tmp_path / "runs", "none")) == []
    found, skipped = runs.read(tmp_path / "runs")
    assert not skipped and found[0].summary["epochs_done"] == 1
    assert json.loads((found[0].folder / "config.json").read_text())["horizontal_flip"] is False
