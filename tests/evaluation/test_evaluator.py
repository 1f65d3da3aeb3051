"""The evaluator on small drawn test lists: what is computed, what is taken from the record, what is left alone."""

import numpy as np
import pytest
from canned import canned_run
from drawn_lists import BROWN, brown_run, own_folder, own_run, score_at, without_pictures

from colorizer import methods
from colorizer.classifiers import classifier
from colorizer.errors import ClassifierError, EvaluationError
from colorizer.evaluation import evaluator, metrics, predictions, runs, scores, test_sets
from colorizer.evaluation.evaluator import COMPUTED, RECORDED

WHOLE = {"paintings": 6, "coco": 4, "ood": 4, "figure5": 8}


def note_of(result, start):
    (line,) = [line for line in result.notes if line.startswith(f"{start}:")]
    return line


def counts_of(result, method):
    return result.scores[result.scores.method == method].groupby("test_set").size().to_dict()


def test_the_numbers_are_those_of_metrics(drawn_lists, tmp_path, monkeypatch):
    score_at(256, monkeypatch)
    run = brown_run(tmp_path / "runs" / "trivial-paintings")
    result = evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists)
    table = result.scores
    assert tuple(table.columns) == scores.COLUMNS
    assert [counts_of(result, method) for method in ("all_grey", "mean_colour", "trivial")] == [WHOLE] * 3
    assert set(table[table.method == "all_grey"].trained_on) == {"-"}
    assert result.origins[run.name] == dict.fromkeys(WHOLE, COMPUTED)

    row = table[(table.run == run.name) & (table.image == "extra_1.png") & (table.test_set == "coco")].iloc[0]
    pictures = next(p for p in test_sets.find([], drawn_lists)[0] if p.name == "coco")
    truth = pictures.store.read(pictures.rows[[pictures.images.index("extra_1.png")]])[0]
    expected = metrics.score(truth, np.full((256, 256, 2), BROWN, np.float32))
    assert {column: row[column] for column in metrics.COLUMNS} == pytest.approx(expected)
    # a network that learned the mean color scores as the mean color
    numbers = [table[table.method == method][list(metrics.COLUMNS)].to_numpy() for method in ("mean_colour", "trivial")]
    np.testing.assert_allclose(*numbers)


def test_predictions_in_the_run_are_the_networks_at_64(drawn_lists, tmp_path, monkeypatch):
    score_at(256, monkeypatch)
    run = brown_run(tmp_path / "runs" / "trivial-paintings")
    evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists)
    by_set = predictions.read(run.folder / "predictions.npz")
    assert {test_set: ab.shape for test_set, (_, ab) in by_set.items()} == {s: (n, 64, 64, 2) for s, n in WHOLE.items()}
    names, ab = by_set["figure5"]
    assert names == ["/".join(pair) for pair in test_sets.figure5()]
    assert np.abs(predictions.unshrink(ab) - BROWN).max() <= 0.5 / predictions.AB_STEPS + 1e-6


@pytest.mark.parametrize("options", [{"limit": 1}, {"keep_predictions": False}])
def test_a_limit_and_committed_records_leave_the_runs_alone(drawn_lists, tmp_path, options):
    run = brown_run(tmp_path / "runs" / "trivial-paintings")
    result = evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists, **options)
    assert not (run.folder / "predictions.npz").exists()
    assert counts_of(result, "trivial") == (
        {"paintings": 1, "coco": 1, "ood": 1, "figure5": 8} if "limit" in options else WHOLE
    )


def test_without_weights_or_pictures_the_recorded_rows_are_used(drawn_lists, tmp_path, monkeypatch):
    run = brown_run(tmp_path / "runs" / "trivial-paintings")
    first = evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists).scores
    (run.folder / "best.weights.h5").unlink()
    result = evaluator.evaluate(tmp_path / "runs", first, data_dir=drawn_lists)
    assert result.scores.equals(first)
    assert result.origins[run.name] == dict.fromkeys(WHOLE, RECORDED)
    assert result.origins["all_grey"] == dict.fromkeys(WHOLE, COMPUTED)
    assert "weights" in note_of(result, run.name) and "not here" in note_of(result, run.name)
    without_pictures(monkeypatch, drawn_lists)
    result = evaluator.evaluate(tmp_path / "runs", first)
    assert result.scores.equals(first)
    assert result.origins["mean_colour of paintings"] == dict.fromkeys(WHOLE, RECORDED)


def test_a_missing_list_keeps_its_rows_while_the_others_are_computed(drawn_lists, tmp_path):
    run = brown_run(tmp_path / "runs" / "trivial-paintings")
    first = evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists).scores
    (drawn_lists / "coco").rename(drawn_lists / "gone")
    result = evaluator.evaluate(tmp_path / "runs", first, data_dir=drawn_lists)
    assert result.scores.equals(first)
    recorded = {test_set for test_set, origin in result.origins[run.name].items() if origin == RECORDED}
    assert recorded == {"coco", "figure5"}
    assert "no pictures here" in note_of(result, "coco")


def test_a_run_on_another_split_is_not_scored_on_its_training_pictures(drawn_lists, tmp_path):
    split = {"data": {"split_source": "90/5/5, seed 7"}}
    brown_run(tmp_path / "runs" / "trivial-paintings", config=split)
    brown_run(tmp_path / "runs" / "trivial-coco_train", trained_on="coco_train", config=split)
    result = evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists)
    assert "another split of paintings" in note_of(result, "trivial-paintings")
    assert "trivial-paintings" not in set(result.scores.run)
    assert result.origins["trivial-coco_train"] == dict.fromkeys(WHOLE, COMPUTED)


@pytest.mark.parametrize("dataset", ["paintings:2+coco", "paintings+path/to/photos"])
def test_nor_is_a_run_on_that_set_joined_with_others(drawn_lists, tmp_path, dataset):
    config = {"dataset": dataset, "data": {"split_source": "90/5/5, seed 7"}}
    brown_run(tmp_path / "runs" / "joined", trained_on="paintings+others", config=config)
    config["data"] = {"split_source": "lists + 90/5/5, seed 7"}
    brown_run(tmp_path / "runs" / "listed", trained_on="paintings+others", config=config)
    result = evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists)
    notes = [note for note in result.notes if "another split of paintings" in note]
    assert [note.split(":")[0] for note in notes] == ["joined"]
    assert set(result.scores.run) == {"-", "listed"}


def test_a_run_on_ones_own_folder_is_scored_on_its_own_test_split(drawn_lists, tmp_path):
    folder = own_folder(tmp_path / "mine")
    own_run(tmp_path / "runs" / "first", folder, ["photo_1.png", "photo_4.png"])
    own_run(tmp_path / "runs" / "other-split", folder, ["photo_2.png"])
    brown_run(tmp_path / "runs" / "on-paintings")
    result = evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists)
    rows = result.scores[~result.scores.test_set.isin(WHOLE)]
    images = {key: set(part.image) for key, part in rows.groupby(["run", "test_set"])}
    assert images["first", "mine"] == {"photo_1.png", "photo_4.png"}
    assert images["other-split", "mine of other-split"] == {"photo_2.png"}
    # Its test pictures may be the training pictures of the other split.
    assert ("first", "mine of other-split") not in images and ("other-split", "mine") not in images
    # Runs on named data sets and the trivial baselines are scored on both.
    assert {("on-paintings", "mine"), ("on-paintings", "mine of other-split"), ("-", "mine")} <= set(images)
    assert result.origins["first"] == dict.fromkeys([*WHOLE, "mine"], COMPUTED)


def test_own_folders_need_no_other_test_list(tmp_path, monkeypatch):
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COLORIZER_DATA", raising=False)
    own_run(tmp_path / "runs" / "mine", own_folder(tmp_path / "mine"), ["photo_1.png", "gone.png"])
    result = evaluator.evaluate(tmp_path / "runs")
    assert set(result.scores.test_set) == {"mine"} and set(result.scores.image) == {"photo_1.png"}
    assert "1 of 2 test pictures are no longer in" in note_of(result, "mine")


def test_an_own_folder_that_is_gone_is_noted(drawn_lists, tmp_path):
    folder = own_folder(tmp_path / "mine")
    own_run(tmp_path / "runs" / "mine", folder, ["photo_1.png"])
    folder.rename(tmp_path / "moved")
    result = evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists)
    assert "own test pictures cannot be used" in note_of(result, "mine")
    assert counts_of(result, "trivial") == WHOLE


def test_a_run_on_sample_is_scored_on_its_cat_and_not_on_ood(drawn_lists, tmp_path):
    """scikit-image's photographs are in both: as crops in `sample`, whole in `ood`."""
    brown_run(tmp_path / "runs" / "try", trained_on="sample", config={"dataset": "sample"})
    result = evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists)
    assert counts_of(result, "trivial") == {"paintings": 6, "coco": 4, "sample": 9}
    assert "ood" in counts_of(result, "all_grey")


def test_nor_is_a_run_on_sample_joined_with_others(drawn_lists, tmp_path):
    config = {"data": {"split_source": "lists"}}
    brown_run(tmp_path / "runs" / "both", trained_on="coco+sample", config=config | {"dataset": "coco+sample:2"})
    brown_run(tmp_path / "runs" / "try", trained_on="sample", config=config | {"dataset": "sample"})
    result = evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists)
    ours = result.scores[result.scores.run != "-"].groupby(["run", "test_set"]).size()
    assert ours.to_dict() == {
        (run, test_set): n for run in ("both", "try") for test_set, n in dict(paintings=6, coco=4, sample=9).items()
    }


def test_a_folder_called_sample_is_ones_own(drawn_lists, tmp_path):
    own_run(tmp_path / "runs" / "album", own_folder(tmp_path / "sample"), ["photo_1.png", "photo_4.png"])
    result = evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists)
    assert counts_of(result, "trivial") == WHOLE | {"sample": 2}


def test_the_classifier_must_be_that_of_the_training(drawn_lists, tmp_path, monkeypatch):
    monkeypatch.setattr(methods.get("trivial"), "uses_vector", True)
    config = {"classifier": "none", "classifier_sha256": "sha256:of-another"}
    brown_run(tmp_path / "runs" / "other", config=config)
    brown_run(tmp_path / "runs" / "absent", config={"classifier": "nowhere.keras"})
    brown_run(tmp_path / "runs" / "right")
    loaded = []
    load = classifier.load
    monkeypatch.setattr(classifier, "load", lambda spec: loaded.append(spec) or load(spec))
    result = evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists)
    assert "not the classifier of its training" in note_of(result, "other")
    assert "nowhere.keras" in note_of(result, "absent")
    assert set(result.scores.run) == {"-", "right"}
    assert loaded == ["nowhere.keras", "none"]  # each once


def test_a_named_classifier_is_used_where_its_checksum_is_the_recorded_one(drawn_lists, tmp_path, monkeypatch):
    monkeypatch.setattr(methods.get("trivial"), "uses_vector", True)
    config = {"classifier": "/elsewhere/eyes.keras", "classifier_name": "eyes"}
    brown_run(tmp_path / "runs" / "same", config=config | {"classifier_sha256": "sha256:1"})
    brown_run(tmp_path / "runs" / "other", config=config | {"classifier_sha256": "sha256:2"})
    load = classifier.load
    given = classifier.Classifier("renamed", "sha256:1")
    monkeypatch.setattr(classifier, "load", lambda spec: given if spec == "renamed.keras" else load(spec))
    result = evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists, classifier_spec="renamed.keras")
    assert set(result.scores.run) == {"-", "same"}
    assert "--classifier renamed.keras is not the classifier of its training, eyes (sha256:2)" in note_of(
        result, "other"
    )
    with pytest.raises(ClassifierError):
        evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists, classifier_spec="nowhere.keras")


def test_unreadable_records_are_skipped_with_a_note(tmp_path):
    canned_run(tmp_path / "half")
    (tmp_path / "half" / "summary.json").write_text("{")
    canned_run(tmp_path / "old")
    (tmp_path / "old" / "summary.json").write_text('{"method": "trivial"}')
    canned_run(tmp_path / "unknown", method="trivial")
    text = (tmp_path / "unknown" / "summary.json").read_text()
    (tmp_path / "unknown" / "summary.json").write_text(text.replace('"trivial"', '"of_tomorrow"'))
    canned_run(tmp_path / "unfinished")
    (tmp_path / "unfinished" / "summary.json").unlink()
    (tmp_path / "evaluation").mkdir()  # results, no run
    finished, notes = runs.read(tmp_path)
    assert not finished
    assert [note.split(":")[0] for note in notes] == ["half", "old", "unfinished", "unknown"]
    assert "of_tomorrow" in notes[-1]
    with pytest.raises(EvaluationError, match="holds no finished run"):
        evaluator.evaluate(tmp_path)


def test_a_network_that_gives_no_numbers_is_noted(drawn_lists, tmp_path):
    run = brown_run(tmp_path / "runs" / "broken")
    network = methods.get("trivial").build(run.config["image_size"])
    network.set_weights([np.array([np.nan, 0], np.float32)])
    network.save_weights(run.folder / "best.weights.h5")
    result = evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists)
    assert note_of(result, "broken") and set(result.scores.run) == {"-"}


def test_rows_of_runs_that_are_gone_are_left_out_and_named(drawn_lists, tmp_path):
    brown_run(tmp_path / "runs" / "trivial-paintings")
    first = evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists, limit=1).scores
    (tmp_path / "runs" / "trivial-paintings").rename(tmp_path / "runs" / "renamed")
    result = evaluator.evaluate(tmp_path / "runs", first, data_dir=drawn_lists, limit=1)
    assert "no finished run of that name" in note_of(result, "trivial-paintings")
    assert set(result.scores.run) == {"-", "renamed"}


def test_a_damaged_file_is_named_with_what_to_do(drawn_lists, tmp_path):
    run = brown_run(tmp_path / "runs" / "trivial-paintings")
    (run.folder / "predictions.npz").write_bytes(b"PK\3\4 cut short")
    with pytest.raises(EvaluationError, match="predictions.npz cannot be read; delete it"):
        evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists)
    (tmp_path / "metrics.csv").write_text("run,psnr\n")
    with pytest.raises(EvaluationError, match="needs the columns"):
        scores.read(tmp_path / "metrics.csv")


def test_the_pictures_are_found_beside_the_folder_a_run_was_trained_from(drawn_lists, tmp_path):
    run = canned_run(tmp_path / "runs" / "try", config={"data_dir": str(drawn_lists / "paintings")})
    assert {p.name for p in test_sets.find([run])[0]} == {"paintings", "coco", "ood"}
    assert {p.name for p in test_sets.find([], drawn_lists / "coco")[0]} == {"paintings", "coco", "ood"}
    assert test_sets.find([])[0] == []
