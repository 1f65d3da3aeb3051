"""What a training takes over from the run that it resumes."""

from dataclasses import asdict, replace

import pytest
from test_loop import assert_same_run, settings

from colorizer import config, methods, weights
from colorizer.classifiers import catalog
from colorizer.errors import RecordError
from colorizer.methods.layers import token_decoder
from colorizer.training import loop, run_folders
from colorizer.training.resume import Start
from colorizer.training.run_record import Record


@pytest.mark.parametrize(
    ("recorded", "commits"),
    [({}, "b"), ({"commit": "b"}, "b"), ({"commit": "a"}, "a, then b"), ({"commit": "a, then b"}, "a, then b")],
)
def test_a_run_names_all_commits_that_trained_it(tmp_path, recorded, commits):
    assert Start(settings("pictures", tmp_path), recorded).all_commits("b") == commits


def test_a_new_run_starts_from_its_configuration_alone(tmp_path):
    chosen = settings("pictures", tmp_path, init_weights="others")
    assert Start.new(chosen, Record(tmp_path)) == Start(chosen)
    Record(tmp_path).start({"method": chosen.method})
    with pytest.raises(RecordError, match="already holds a run"):
        Start.new(chosen, Record(tmp_path))


def test_a_resumed_run_starts_from_its_own_weights_once_it_has_some(tmp_path):
    chosen = settings("pictures", tmp_path, init_weights="others")
    record = Record(tmp_path)
    with pytest.raises(RecordError, match="no run to resume"):
        Start.resumed(chosen, record)
    record.start(asdict(chosen))
    assert Start.resumed(chosen, record).config == chosen
    (record.last / "state.json").write_text("{}")
    start = Start.resumed(chosen, record)
    assert start.config.init_weights == str(tmp_path) and start.recorded["init_weights"] == "others"


def test_the_same_classifier_may_have_another_name(tmp_path):
    file, other = tmp_path / "copy.keras", tmp_path / "other.keras"
    file.write_bytes(b"weights")
    other.write_bytes(b"other weights")
    record = Record(tmp_path / "run")
    chosen = settings("pictures", record.folder, classifier=str(file))
    recorded = {"classifier": "mine", "classifier_sha256": catalog.fingerprint_of(file)}
    record.start(asdict(chosen) | recorded)
    assert Start.resumed(chosen, record).config == chosen
    with pytest.raises(RecordError, match="was started with --classifier mine.* Received: other"):
        Start.resumed(replace(chosen, classifier=str(other)), record)


def test_blocks_that_were_trained_before_stay_in_the_record(tmp_path):
    chosen = settings("pictures", tmp_path, method="vit_decoder", image_size=64, init_weights="shipped")
    blocks = Start.new(chosen, Record(tmp_path)).trained_blocks()
    assert blocks == weights.record_for("shipped", "vit_decoder")["trained_blocks"] != []
    assert Start(chosen, {"trained_blocks": ["block11"]}).trained_blocks() == ["block11"]
    assert Start(settings("pictures", tmp_path)).trained_blocks() == []


def test_the_folder_of_pictures_may_be_named_by_its_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    chosen = settings(tmp_path / "pictures", tmp_path / "run")
    record = Record(tmp_path / "run")
    record.start(asdict(chosen))
    assert Start.resumed(replace(chosen, dataset="pictures"), record).config.dataset == "pictures"
    with pytest.raises(RecordError, match="started with --dataset .*pictures; .* Received: others"):
        Start.resumed(replace(chosen, dataset="others"), record)


def test_a_run_that_is_being_trained_is_not_resumed_beside_it(tmp_path):
    chosen = settings("pictures", tmp_path)
    Record(tmp_path).start(asdict(chosen))
    with run_folders.held(tmp_path), pytest.raises(RecordError, match="Another training is at work"):
        loop.run(chosen, resume=True)


def test_one_cycle_keeps_its_number_of_epochs(tmp_path):
    chosen = settings("pictures", tmp_path, schedule="one_cycle", epochs=4)
    record = Record(tmp_path)
    record.start(asdict(chosen))
    assert Start.resumed(replace(chosen, max_minutes=1.0), record).config.epochs == 4
    advice = f"one_cycle over --epochs 4.* Received: --epochs 6. Start another run with --init-weights {tmp_path}"
    with pytest.raises(RecordError, match=advice):
        Start.resumed(replace(chosen, epochs=6), record)


def test_hints_go_on_where_they_were(tmp_path, picture_folder, monkeypatch):
    """Hints are drawn in each training step: a resumed run that began with the first again would learn otherwise."""
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(token_decoder, "JOINED", 32)
    monkeypatch.setattr(token_decoder, "WIDTHS", (24, 16, 16))
    given = {"dataset": str(picture_folder), "method": "vit_decoder", "classifier": "none", "image_size": 64}
    given |= {"limit": 9, "batch_size": 4, "epochs": 2, "run": str(tmp_path / "whole")}
    chosen = config.resolve(given, methods.get("vit_decoder"))
    loop.run(chosen)
    halved = replace(chosen, run=str(tmp_path / "halved"))
    assert loop.run(replace(halved, max_minutes=1e-6))["epochs_done"] == 1
    assert loop.run(halved, resume=True)["epochs_done"] == 2
    assert_same_run(tmp_path / "whole", tmp_path / "halved")
