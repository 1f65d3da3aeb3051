"""Where runs lie: the default, the next free name, the newest, and the records that nobody writes to."""

import json
import os

import pytest
from conftest import REPOSITORY

from colorizer import config
from colorizer.errors import RecordError
from colorizer.training import run_folders


def start(folder, modified=None, record="{}"):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(record)
    if modified is not None:
        os.utime(folder / "config.json", (modified, modified))
    return folder


def test_the_default_folder_is_outside_the_records(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config.resolve({"dataset": "paintings"}).run == "runs/efficientnet-paintings"
    assert config.resolve({"dataset": "coco+paintings"}).run == "runs/efficientnet-coco+paintings"
    assert config.resolve({"dataset": "coco+my/photos:2"}).run == "runs/efficientnet-coco+photos-2"
    assert config.resolve({"dataset": "my/photos/"}).run == "runs/efficientnet-photos"
    assert config.resolve({"dataset": "."}).run == f"runs/efficientnet-{tmp_path.name}"


def test_the_next_free_folder_is_numbered(tmp_path):
    folder = tmp_path / "runs/a-b"
    assert run_folders.free(folder) == folder
    start(folder)
    assert run_folders.free(folder) == tmp_path / "runs/a-b-2"
    start(tmp_path / "runs/a-b-2")
    start(tmp_path / "runs/a-b-4")
    assert run_folders.free(folder) == tmp_path / "runs/a-b-3"


def test_the_newest_run_of_a_method_and_data_set_is_resumed(tmp_path):
    folder = tmp_path / "runs/a-b"
    with pytest.raises(RecordError, match="no run of this method and data set.*Leave --resume out"):
        run_folders.newest(folder, "a", "b")
    start(tmp_path / "runs/a-b-c", 40)
    with pytest.raises(RecordError, match="Name one with --run:\n.*a-b-c"):
        run_folders.newest(folder, "a", "b")
    start(folder, 20)
    start(tmp_path / "runs/a-b-2", 30)
    start(tmp_path / "runs/a-b-10", 10)
    assert run_folders.newest(folder, "a", "b") == tmp_path / "runs/a-b-2"


def test_a_data_set_that_is_called_like_a_numbered_run_is_another(tmp_path):
    folder = tmp_path / "runs/a-photos"
    start(folder, 20, '{"method": "a", "dataset": "my/photos/"}')
    start(tmp_path / "runs/a-photos-2024", 30, '{"method": "a", "dataset": "my/photos-2024"}')
    assert run_folders.newest(folder, "a", "my/photos") == folder
    # A damaged record is not passed over in silence.
    start(tmp_path / "runs/a-photos-2", 40, "{")
    assert run_folders.newest(folder, "a", "my/photos") == tmp_path / "runs/a-photos-2"


@pytest.mark.parametrize("typed", ["results/runs/mine", "./results/../results/runs/a"])
def test_records_are_refused_from_any_folder(tmp_path, monkeypatch, typed):
    monkeypatch.chdir(tmp_path)
    for folder in (typed, REPOSITORY / typed):
        with pytest.raises(RecordError, match=r"only `make results` writes there.*--run runs/"):
            run_folders.refuse_record(folder)
    run_folders.refuse_record("runs/mine")
    run_folders.refuse_record(tmp_path / "results/mine")


def test_a_record_with_weights_can_be_trained_on_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/runs/a").mkdir(parents=True)
    (tmp_path / "results/runs/a/best.weights.h5").touch()
    with pytest.raises(RecordError, match="--init-weights results/runs/a"):
        run_folders.refuse_record("results/runs/a")


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_a_damaged_record_is_said_with_what_to_do(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(RecordError, match="config.json is damaged.*train again in another --run. Received: "):
        run_folders.read_config(tmp_path)


def test_a_folder_of_pictures_may_be_named_by_its_whole_path(tmp_path, monkeypatch):
    """The ranks of a cluster record that, and resuming by the same command must find the run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    folder = start(tmp_path / "runs/a-photos", record=json.dumps({"method": "a", "dataset": f"{tmp_path}/photos"}))
    assert run_folders.newest("runs/a-photos", "a", "photos").resolve() == folder
    assert run_folders.same_data_set("coco+photos:2", f"coco+{tmp_path}/photos:2")
    assert not run_folders.same_data_set("coco+photos:2", f"coco+{tmp_path}/photos:3")


def test_two_trainings_do_not_share_a_folder(tmp_path):
    folder = start(tmp_path / "run")
    with run_folders.held(folder):
        with pytest.raises(RecordError, match="Another training.*Received: --run"), run_folders.held(folder):
            pass
        assert [path.name for path in folder.iterdir()] == ["config.json"]
    with run_folders.held(folder):
        pass


def test_a_folder_that_cannot_be_held_is_trained_in_all_the_same(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(run_folders.fcntl, "flock", refuse)
    with run_folders.held(tmp_path), run_folders.held(tmp_path):
        pass
    monkeypatch.setattr(run_folders, "fcntl", None)
    with run_folders.held(tmp_path):
        pass
