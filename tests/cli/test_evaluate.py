"""evaluate.py as a person types it: where results go, what is refused before Keras loads, what the terminal shows."""

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from canned import canned_run, canned_scores, floor_key, run_key
from conftest import REPOSITORY
from drawn_lists import brown_run, own_folder, own_run, snapshot

from colorizer.cli import evaluate
from colorizer.evaluation import runs, scores


@pytest.fixture
def clone(drawn_lists, tmp_path, monkeypatch):
    """The working directory: a run of one's own in runs/, and committed results with a record of another."""
    monkeypatch.chdir(tmp_path)
    brown_run(tmp_path / "runs" / "mine")
    canned_run(tmp_path / "results" / "runs" / "trivial-paintings", "trivial")
    (tmp_path / "results" / "metrics.csv").write_text(",".join(scores.COLUMNS) + "\n")
    (tmp_path / "results" / "README.md").write_text("<!-- runs:start -->\n<!-- runs:end -->\n")
    (tmp_path / "README.md").write_text("<!-- results:start -->\n<!-- results:end -->\n")
    return tmp_path


def refused(capsys, *flags):
    """The message of a command that ends with status 2."""
    assert evaluate.main(list(flags), "evaluate.py") == 2
    return capsys.readouterr().err


def test_a_user_s_runs_go_to_runs_evaluation_and_nothing_else_changes(clone, drawn_lists, capsys):
    committed = snapshot(clone / "results")
    assert evaluate.main(["--data-dir", str(drawn_lists)]) == 0
    assert snapshot(clone / "results") == committed
    assert "| " not in (clone / "README.md").read_text()
    written = clone / "runs" / "evaluation"
    assert (written / "tables" / "table4.md").is_file() and (written / "figures" / "figure5.png").is_file()
    assert set(scores.read(written / "metrics.csv").run) == {"-", "mine"}
    before = snapshot(written)
    assert evaluate.main(["--data-dir", str(drawn_lists)]) == 0
    assert snapshot(written) == before


def test_the_terminal_shows_a_line_per_run_and_list_and_where_the_tables_are(clone, drawn_lists, capsys):
    own_run(clone / "runs" / "album", own_folder(clone / "photos"), ["photo_1.png"])
    canned_run(clone / "runs" / "gone-1", "trivial")
    canned_run(clone / "runs" / "gone-2", "trivial")
    assert evaluate.main(["--data-dir", str(drawn_lists)]) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    for row in (["mine", "coco", "4"], ["album", "photos", "1"], ["all-gray", "ood", "4"]):
        assert [r for r in rows if r[:3] == row and r[-1] == "computed"]
    assert len(out) < 5000 and "## Table" not in out
    assert "gone-1, gone-2: its weights" in out  # two runs, one reason, one line
    assert "Tables: runs/evaluation/tables" in out


def test_a_limit_has_a_folder_of_its_own_and_spares_whole_lists(clone, drawn_lists, capsys):
    assert evaluate.main(["--data-dir", str(drawn_lists), "--output", "whole"]) == 0
    before = snapshot(clone / "whole")
    capsys.readouterr()
    message = refused(capsys, "--data-dir", str(drawn_lists), "--output", "whole", "--limit", "1")
    assert "whole holds results of whole test lists, which --limit does not overwrite" in message
    assert snapshot(clone / "whole") == before
    assert evaluate.main(["--data-dir", str(drawn_lists), "--limit", "1"]) == 0
    limited = clone / "runs" / "evaluation-limit-1"
    assert "--limit 1" in (limited / "limited.txt").read_text()
    assert "**--limit 1: at most 1 pictures" in (limited / "tables" / "table2.md").read_text()
    # Limited results may be overwritten by others, and their rows never stand beside whole lists.
    (clone / "runs" / "mine" / "best.weights.h5").unlink()
    assert evaluate.main(["--data-dir", str(drawn_lists), "--output", str(limited)]) == 0
    assert set(scores.read(limited / "metrics.csv").run) == {"-"}
    assert not (limited / "limited.txt").exists()


@pytest.mark.parametrize("output", ["results", "results/new", "results/runs"])
def test_committed_results_are_refused_as_output(clone, capsys, output):
    before = snapshot(clone / "results")
    assert "only `make tables` writes" in refused(capsys, "--output", output)
    assert "only `make tables` writes" in refused(capsys, "--runs", "results/runs")
    assert snapshot(clone / "results") == before


def test_committed_records_can_be_scored_elsewhere_and_stay_as_they_are(clone, drawn_lists):
    brown_run(clone / "results" / "runs" / "trivial-coco", trained_on="coco")
    before = snapshot(clone / "results")
    assert evaluate.main(["--runs", "results/runs", "--output", "elsewhere", "--data-dir", str(drawn_lists)]) == 0
    assert snapshot(clone / "results") == before
    assert "trivial-coco" in set(scores.read(clone / "elsewhere" / "metrics.csv").run)


@pytest.fixture
def records(clone):
    """Committed results with scores of two runs without weights, and what else the pages are made from."""
    canned_run(clone / "results" / "runs" / "efficientnet-paintings")
    rows = canned_scores(floor_key("all_grey"), "paintings", [20, 22], [0.9, 0.8])
    for run in runs.read(clone / "results" / "runs")[0]:
        rows += canned_scores(run_key(run), "paintings", [22, 24], [0.91, 0.81])
    scores.write(clone / "results" / "metrics.csv", pd.DataFrame(rows))
    for name in ("conventions.json", "experiments/metric_conventions.md"):
        (clone / "results" / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / "results" / name, clone / "results" / name)
    assert evaluate.main(["--committed"]) == 0
    return clone


def test_the_recommended_command_uses_the_committed_scores(records, capsys):
    """As in a clone, where neither weights nor pictures are."""
    before = snapshot(records / "results")
    assert evaluate.main(["--runs", "results/runs", "--output", "runs/evaluation-of-records"]) == 0
    written = snapshot(records / "runs" / "evaluation-of-records")
    pages = [path for path in written if path.suffix in (".csv", ".md") and path.name != "summary.md"]
    assert {path.name for path in pages} > {"metrics.csv", "REPRODUCTION.md", "table3.md"}
    assert {path: written[path] for path in pages} == {path: before[path] for path in pages}
    assert len(scores.read(records / "runs/evaluation-of-records/metrics.csv")) == 6
    assert "recorded" in capsys.readouterr().out
    assert snapshot(records / "results") == before


def test_with_pictures_runs_without_weights_have_their_committed_scores(records, drawn_lists):
    flags = ["--runs", "results/runs", "--output", "elsewhere", "--data-dir", str(drawn_lists)]
    before = pd.DataFrame(columns=list(scores.COLUMNS))  # of an evaluation without them
    scores.write(records / "elsewhere" / "metrics.csv", before)
    assert evaluate.main(flags) == 0
    table = scores.read(records / "elsewhere" / "metrics.csv")
    counts = table[table.test_set == "paintings"].groupby("run").size().to_dict()
    assert counts == {"-": 12, "efficientnet-paintings": 2, "trivial-paintings": 2}
    assert evaluate.main([*flags[:2], *flags[4:], "--limit", "1", "--output", "limited"]) == 0
    assert set(scores.read(records / "limited" / "metrics.csv").run) == {"-"}  # no whole lists beside limited ones


def test_the_committed_tables_are_made_when_asked_for(clone, capsys):
    assert evaluate.main(["--committed"]) == 0
    assert "| Method | Trained on |" in (clone / "README.md").read_text()
    assert "| trivial-paintings |" in (clone / "results" / "README.md").read_text()
    assert not (clone / "results" / "tables" / "summary.md").exists()
    for flags in (["--limit", "1"], ["--output", "x"], ["--runs", "runs"]):
        assert "--committed takes no" in refused(capsys, "--committed", *flags)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--runs", "nowhere"], "--runs needs a folder"),
        (["--limit", "0"], "--limit must be above 0"),
        (["--data-dir", "nowhere"], "--data-dir needs a folder"),
        (["--classifier", "nowhere.keras"], "--classifier needs the name or the file"),
        ([], "there is no finished run in runs"),
        (["--committed"], "--committed works in a clone"),
    ],
)
def test_wrong_usage_ends_with_2_before_keras_loads(flags, message, tmp_path):
    command = [sys.executable, "-X", "importtime", str(REPOSITORY / "evaluate.py"), *flags]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 2 and f"evaluate.py: {message}" in ended.stderr
    imported = {line.split("|")[-1].strip() for line in ended.stderr.splitlines() if line.startswith("import time")}
    assert not {"keras", "numpy", "tensorflow"} & imported
    assert os.listdir(tmp_path) == []


def test_results_need_a_folder_before_any_work(clone, drawn_lists, capsys):
    (clone / "notes").write_text("not a folder")
    assert "notes is not a folder" in refused(capsys, "--data-dir", str(drawn_lists), "--output", "notes")
    assert "notes is not a folder" in refused(capsys, "--data-dir", str(drawn_lists), "--output", "notes/results")


def test_an_absent_classifier_is_named_with_its_own_flag(capsys):
    message = refused(capsys, "--perceptual", "nowhere")
    assert "--perceptual: A classifier is" in message and "--classifier" not in message


def test_without_a_finished_run_it_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    canned_run(tmp_path / "runs" / "half")
    (tmp_path / "runs" / "half" / "summary.json").unlink()
    message = refused(capsys)
    assert "Not finished yet: half." in message
    assert "python train.py --dataset sample" in message and "--runs results/runs" in message


def test_help_does_not_wait_for_keras():
    command = [sys.executable, "-X", "importtime", str(REPOSITORY / "evaluate.py"), "--help"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--runs DIR" in ended.stdout and "--committed" in ended.stdout
    assert not {"keras", "numpy", "tensorflow"} & {line.split("|")[-1].strip() for line in ended.stderr.splitlines()}
