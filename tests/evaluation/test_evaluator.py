"""evaluate.py on small made-up test lists: what is computed, what is kept, what is said, what is left alone."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from canned import canned_run
from conftest import REPOSITORY, draw_picture

from colorizer import color, methods
from colorizer.classifiers import classifier
from colorizer.evaluation import evaluator, metrics, predictions, runs, test_sets

BROWN = [0.03, 0.09]


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    """coco/, paintings/, ood/ and splits/ with the pictures of Figure 5 and two more in each test list."""
    root = tmp_path / "data"
    (root / "splits").mkdir(parents=True)
    for index, name in enumerate(runs.TEST_LISTS):
        test = [image for test_list, image in test_sets.figure5() if test_list == name] + ["extra_0.png", "extra_1.png"]
        parts = {"train": ["train_0.png", "train_1.png"], "val": ["val_0.png"], "test": test}
        (root / name).mkdir()
        for part, images in parts.items():
            if name == "ood" and part != "test":
                continue
            for i, image in enumerate(images):
                cv2.imwrite(str(root / name / image), draw_picture(100 * index + 10 * len(part) + i))
            if name != "ood":
                (root / "splits" / f"{name}_{part}.txt").write_text("\n".join(images) + "\n")
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COLORIZER_DATA", raising=False)
    return root


def brown_run(folder, trained_on="paintings", **kwargs) -> runs.Run:
    """A finished run of "trivial", weights and all, that predicts `BROWN` everywhere."""
    run = canned_run(folder, "trivial", trained_on, **kwargs)
    network = methods.get("trivial").build(run.config["image_size"])
    network.set_weights([np.array(BROWN, np.float32)])
    network.save_weights(folder / "best.weights.h5")
    return run


def without_pictures(monkeypatch, data):
    """As on a fresh clone: the pictures are gone, and so is the cache."""
    data.rename(data.with_name("gone"))
    monkeypatch.setenv("COLORIZER_CACHE", str(data.with_name("empty-cache")))


def line_of(result, start):
    return next(line for line in result.report if line.startswith(f"{start}:"))


def snapshot(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_everything_is_written_and_the_numbers_are_those_of_metrics(data, tmp_path):
    run = brown_run(tmp_path / "runs" / "trivial-paintings")
    (tmp_path / "runs" / "going").mkdir()
    result = evaluator.evaluate(tmp_path / "runs", tmp_path / "out", data)

    scores = runs.read_metrics(tmp_path / "out" / "metrics.csv")
    assert tuple(scores.columns) == runs.COLUMNS
    counts = scores.groupby(["method", "test_set"]).size()
    for method in ("all_grey", "mean_colour", "trivial"):
        assert counts[method].to_dict() == {"paintings": 6, "coco": 4, "ood": 4, "figure5": 8}
    assert set(scores[scores.method == "all_grey"].trained_on) == {"-"}

    row = scores[(scores.run == run.name) & (scores.image == "extra_1.png") & (scores.test_set == "coco")].iloc[0]
    pictures = next(p for p in test_sets.find([], data)[0] if p.name == "coco")
    truth = pictures.store.read(pictures.rows[[pictures.images.index("extra_1.png")]])[0]
    expected = metrics.score(truth, np.full((256, 256, 2), BROWN, np.float32))
    assert {column: row[column] for column in metrics.COLUMNS} == pytest.approx(expected)
    # a network that learnt the mean colour scores as the mean colour
    numbers = [
        scores[scores.method == method][list(metrics.COLUMNS)].to_numpy() for method in ("mean_colour", "trivial")
    ]
    np.testing.assert_allclose(*numbers)

    assert {p.name for p in (tmp_path / "out" / "figures").iterdir()} == {
        "figure5.png",
        "curves-trivial-paintings.png",
        "contact-trivial-paintings.jpg",
        "extremes-trivial-paintings.jpg",
        "ab-histograms.png",
    }
    assert line_of(result, "trivial-paintings").endswith("computed anew: paintings (6), coco (4), ood (4), figure5 (8)")
    assert "no summary.json" in line_of(result, "going")
    assert result.markdown.count("## Table") == 4
    assert "`trivial-paintings`" not in (tmp_path / "out" / "REPRODUCTION.md").read_text()  # of no claim
    assert "REPRODUCTION.md: written; without conventions.json, which is not here" in result.report


def test_kept_predictions_are_the_networks_at_64(data, tmp_path):
    run = brown_run(tmp_path / "runs" / "trivial-paintings")
    evaluator.evaluate(tmp_path / "runs", tmp_path / "out", data)
    kept = predictions.read(run.folder / "predictions.npz")
    assert {test_set: ab.shape for test_set, (_, ab) in kept.items()} == {
        "paintings": (6, 64, 64, 2),
        "coco": (4, 64, 64, 2),
        "ood": (4, 64, 64, 2),
        "figure5": (8, 64, 64, 2),
    }
    names, ab = kept["figure5"]
    assert names == ["/".join(pair) for pair in test_sets.figure5()]
    assert np.abs(predictions.unshrink(ab) - BROWN).max() <= 0.5 / predictions.AB_STEPS + 1e-6


def test_a_clone_without_pictures_gets_the_same_tables(data, tmp_path, monkeypatch):
    brown_run(tmp_path / "runs" / "trivial-paintings")
    evaluator.evaluate(tmp_path / "runs", tmp_path / "out", data)
    (tmp_path / "runs" / "trivial-paintings" / "best.weights.h5").unlink()
    before = snapshot(tmp_path / "out")
    without_pictures(monkeypatch, data)
    result = evaluator.evaluate(tmp_path / "runs", tmp_path / "out")
    assert snapshot(tmp_path / "out") == before
    for name in ("all_grey", "mean_colour of paintings", "trivial-paintings"):
        assert "recorded rows kept: paintings (6), coco (4), ood (4), figure5 (8)" in line_of(result, name)
    assert "left as they are" in line_of(result, "other figures")


def test_a_run_without_weights_keeps_its_rows_and_its_place_in_figure5(data, tmp_path):
    brown_run(tmp_path / "runs" / "trivial-paintings")
    first = evaluator.evaluate(tmp_path / "runs", tmp_path / "out", data)
    before = snapshot(tmp_path / "out")
    (tmp_path / "runs" / "trivial-paintings" / "best.weights.h5").unlink()
    result = evaluator.evaluate(tmp_path / "runs", tmp_path / "out", data)
    assert snapshot(tmp_path / "out") == before
    line = line_of(result, "trivial-paintings")
    assert "recorded rows kept: paintings (6)" in line and "weights" in line and "not here" in line
    assert "computed anew" in line_of(result, "all_grey")
    assert line_of(result, "figure5.png") == line_of(first, "figure5.png")


def test_a_missing_list_keeps_its_rows_while_the_others_are_computed(data, tmp_path):
    brown_run(tmp_path / "runs" / "trivial-paintings")
    evaluator.evaluate(tmp_path / "runs", tmp_path / "out", data)
    before = (tmp_path / "out" / "metrics.csv").read_bytes()
    (data / "coco").rename(data / "gone")
    result = evaluator.evaluate(tmp_path / "runs", tmp_path / "out", data)
    assert (tmp_path / "out" / "metrics.csv").read_bytes() == before
    assert line_of(result, "trivial-paintings").endswith(
        "computed anew: paintings (6), ood (4); recorded rows kept: coco (4), figure5 (8)"
    )
    assert "not here" in line_of(result, "coco")


def test_limit_is_said_in_the_tables_and_leaves_the_runs_alone(data, tmp_path):
    run = brown_run(tmp_path / "runs" / "trivial-paintings")
    result = evaluator.evaluate(tmp_path / "runs", tmp_path / "out", data, limit=1)
    assert set(result.scores.groupby(["method", "test_set"]).size()) == {1, 8}
    assert "(paintings n=1, coco n=1, ood n=1)" in result.markdown
    assert result.markdown.count("**--limit 1: at most 1 pictures of each test list, not the whole lists.**") == 5
    assert not (run.folder / "predictions.npz").exists()


def test_a_run_on_another_split_is_not_scored_on_its_training_pictures(data, tmp_path):
    split = {"data": {"split_source": "90/5/5, seed 7"}}
    brown_run(tmp_path / "runs" / "trivial-paintings", config=split)
    brown_run(tmp_path / "runs" / "trivial-elsewhere", trained_on="elsewhere", config=split)
    result = evaluator.evaluate(tmp_path / "runs", tmp_path / "out", data)
    assert "another split of paintings" in line_of(result, "trivial-paintings")
    assert "trivial-paintings" not in set(result.scores.run)
    assert "computed anew" in line_of(result, "trivial-elsewhere")


def test_the_classifier_must_be_that_of_the_training(data, tmp_path, monkeypatch):
    monkeypatch.setattr(methods.get("trivial"), "uses_vector", True)
    config = {"classifier": "none", "classifier_sha256": "sha256:of-another"}
    brown_run(tmp_path / "runs" / "other", config=config)
    brown_run(tmp_path / "runs" / "absent", config={"classifier": "nowhere.keras"})
    brown_run(tmp_path / "runs" / "right")
    loaded = []
    load = classifier.load
    monkeypatch.setattr(classifier, "load", lambda spec: loaded.append(spec) or load(spec))
    result = evaluator.evaluate(tmp_path / "runs", tmp_path / "out", data)
    assert "not the classifier of its training" in line_of(result, "other")
    assert "nowhere.keras" in line_of(result, "absent")
    assert set(result.scores.run) == {"-", "right"}
    assert loaded == ["nowhere.keras", "none"]  # each once


def test_unreadable_records_are_skipped_with_a_line(tmp_path):
    canned_run(tmp_path / "half")
    (tmp_path / "half" / "summary.json").write_text("{")
    canned_run(tmp_path / "old")
    (tmp_path / "old" / "summary.json").write_text('{"method": "trivial"}')
    found, lines = runs.read(tmp_path)
    assert not found
    assert [line.split(":")[0] for line in lines] == ["half", "old"]


def test_rows_of_runs_that_are_gone_are_left_out_and_named(data, tmp_path):
    brown_run(tmp_path / "runs" / "trivial-paintings")
    evaluator.evaluate(tmp_path / "runs", tmp_path / "out", data, limit=1)
    (tmp_path / "runs" / "trivial-paintings").rename(tmp_path / "runs" / "renamed")
    result = evaluator.evaluate(tmp_path / "runs", tmp_path / "out", data, limit=1)
    assert "no finished run of that name" in line_of(result, "trivial-paintings")
    assert set(result.scores.run) == {"-", "renamed"}


def test_the_pictures_are_found_beside_the_folder_a_run_was_trained_from(data, tmp_path):
    run = canned_run(tmp_path / "runs" / "try", config={"data_dir": str(data / "paintings")})
    assert {p.name for p in test_sets.find([run])[0]} == {"paintings", "coco", "ood"}
    assert {p.name for p in test_sets.find([], data / "coco")[0]} == {"paintings", "coco", "ood"}
    assert test_sets.find([])[0] == []


def test_only_the_default_output_fills_in_the_readme(data, tmp_path, monkeypatch):
    brown_run(tmp_path / "results" / "runs" / "trivial-paintings")
    empty = "<!-- results:start -->\n<!-- results:end -->\n"
    (tmp_path / "README.md").write_text(empty)
    (tmp_path / "results" / "README.md").write_text(empty.replace("results", "runs"))
    monkeypatch.chdir(tmp_path)
    evaluator.evaluate("results/runs", "results", data, limit=1)
    evaluator.evaluate("results/runs", "elsewhere", data)
    assert (tmp_path / "README.md").read_text() == empty
    evaluator.evaluate("results/runs", "results", data)
    assert "| paintings (n=6) | all-grey | - | - |" in (tmp_path / "README.md").read_text()
    records = (tmp_path / "results" / "README.md").read_text()
    assert "| trivial-paintings | One colour, learnt | paintings | none |" in records
    assert "`python train.py --dataset coco`" in records


def test_shrinking_keeps_the_colours():
    ab = color.split(color.rgb_to_lab(draw_picture(1, 256, 256)))[1]
    small = predictions.unshrink(predictions.shrink(ab))
    assert small.shape == (64, 64, 2)
    assert small.mean((0, 1)) == pytest.approx(ab.mean((0, 1)), abs=1e-3)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--runs", "nowhere"], "--runs is a folder"),
        (["--limit", "0"], "--limit must be above 0"),
        (["--data-dir", "nowhere"], "--data-dir is a folder"),
    ],
)
def test_wrong_usage_ends_with_2_and_one_line(flags, message, tmp_path, monkeypatch, capsys):
    (tmp_path / "results" / "runs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *flags])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(REPOSITORY / "evaluate.py"), run_name="__main__")
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert os.listdir(tmp_path / "results") == ["runs"]


def test_the_command_prints_tables_and_report(data, tmp_path, monkeypatch, capsys):
    brown_run(tmp_path / "results" / "runs" / "trivial-paintings")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["evaluate.py", "--data-dir", str(data), "--limit", "1"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(REPOSITORY / "evaluate.py"), run_name="__main__")
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert "## Table 4" in printed and "trivial-paintings: computed anew" in printed


def test_help_does_not_wait_for_keras():
    command = [sys.executable, "-X", "importtime", str(REPOSITORY / "evaluate.py"), "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--runs DIR" in shown.stdout
    assert not {"keras", "numpy", "tensorflow"} & {line.split("|")[-1].strip() for line in shown.stderr.splitlines()}
