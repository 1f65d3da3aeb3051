"""A run's record under force: damaged files, a full disk, what killed trainings leave."""

import json
import os
import resource
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from conftest import REPOSITORY
from test_loop import settings

from colorizer import atomic_files, weights
from colorizer.cli import train
from colorizer.errors import RecordError
from colorizer.training import loop
from colorizer.training.run_record import Record


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path / "cache"))


def trained(folder, run):
    loop.run(_chosen(folder, run))
    return Record(run)


def _chosen(folder, run, epochs=1):
    return settings(folder, run, method="trivial", epochs=epochs)


@pytest.mark.parametrize("damage", ["truncated", "changed", "absent"])
def test_damaged_weights_end_with_a_way_to_train_on(tmp_path, picture_folder, damage):
    run = tmp_path / "run"
    record = trained(picture_folder, run)
    path = record.last / record.state()["weights"]
    data = bytearray(path.read_bytes())
    if damage == "absent":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(data[: len(data) // 2])
    else:
        data[-1] ^= 1  # nothing that HDF5 would notice
        path.write_bytes(data)
    before = _files(run)
    with pytest.raises(RecordError, match=rf"is damaged. The run cannot be resumed.*--init-weights {run}"):
        loop.run(_chosen(picture_folder, run, 2), resume=True)
    assert _files(run) == before  # the summary of a finished run among them
    # the advice works
    again = settings(picture_folder, tmp_path / "again", method="trivial", epochs=1, init_weights=str(run))
    assert loop.run(again)["epochs_done"] == 1


def _files(run):
    return {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}


def test_a_run_whose_state_is_gone_is_not_begun_anew(tmp_path, picture_folder):
    run = tmp_path / "run"
    shutil.rmtree(trained(picture_folder, run).last)
    before = _files(run)
    with pytest.raises(RecordError, match=rf"state.json is not there. The run cannot be resumed.*--init-weights {run}"):
        loop.run(_chosen(picture_folder, run, 2), resume=True)
    assert _files(run) == before and "summary.json" in before


def test_a_run_goes_on_without_the_weights_that_it_began_with(tmp_path, picture_folder):
    trained(picture_folder, tmp_path / "first")
    begun = settings(picture_folder, tmp_path / "on", method="trivial", epochs=1, init_weights=str(tmp_path / "first"))
    loop.run(begun)
    shutil.rmtree(tmp_path / "first")
    assert loop.run(replace(begun, epochs=2), resume=True)["epochs_done"] == 2
    assert Record(begun.run).config()["init_weights"] == str(tmp_path / "first")


def test_a_damaged_state_ends_with_a_way_to_train_on(tmp_path, picture_folder):
    record = trained(picture_folder, tmp_path / "run")
    (record.last / "state.json").write_text('{"epochs_done": 1,')
    with pytest.raises(RecordError, match="state.json is damaged.*--init-weights"):
        loop.run(_chosen(picture_folder, tmp_path / "run", 2), resume=True)


def test_a_damaged_split_is_not_drawn_anew(tmp_path, picture_folder):
    record = trained(picture_folder, tmp_path / "run")
    (record.folder / "split.json").write_text("")
    with pytest.raises(RecordError, match="split.json is damaged. It says which pictures were held out"):
        loop.run(_chosen(picture_folder, tmp_path / "run", 2), resume=True)


def test_what_a_killed_training_left_is_swept_at_the_next_start(tmp_path, picture_folder):
    record = trained(picture_folder, tmp_path / "run")
    with pytest.raises(KeyboardInterrupt), atomic_files.replacing(record.last / "epoch-0002.weights.h5") as part:
        part.write_bytes(b"half")
        left = [part, record.folder / part.name.replace("epoch-0002.weights.h5", "config.json")]
        raise KeyboardInterrupt
    for path in left:  # a kill removes nothing
        path.write_bytes(b"half")
    (record.folder / ".hidden").touch()
    loop.run(_chosen(picture_folder, tmp_path / "run", 2), resume=True)
    assert not any(path.exists() for path in left)
    assert (record.folder / ".hidden").exists()


def test_two_trainings_that_start_at_once_do_not_share_a_folder(tmp_path):
    Record(tmp_path).start({"method": "a"})
    with pytest.raises(RecordError, match="already holds a run"):
        Record(tmp_path).start({"method": "b"})
    assert Record(tmp_path).config() == {"method": "a"}


def test_packed_weights_are_a_weights_file(tmp_path):
    from colorizer import methods

    network, other = (methods.get("trivial").build(32) for _ in range(2))
    network.set_weights([np.array([0.25, -0.5], np.float32)])
    (tmp_path / "a.weights.h5").write_bytes(weights.packed(network))
    other.load_weights(tmp_path / "a.weights.h5")
    assert other.get_weights()[0].tolist() == [0.25, -0.5]


FULL = 20 * 2**20  # bytes in a file; the state of the paper's network takes 56 MB, its best weights 9 MB


def words(pictures, run):
    flags = {"dataset": pictures, "run": run, "classifier": "none", "image-size": 32, "batch-size": 4, "epochs": 1}
    return [word for name, value in flags.items() for word in (f"--{name}", str(value))]


def assert_ended_by_a_full_disk(run, status, shown):
    assert status == 1 and "train.py: [Errno 27] File too large" in shown, shown
    assert "Traceback" not in shown and "HDF5" not in shown
    left = {path.name for path in run.rglob("*") if path.is_file()}
    assert left <= {"config.json", "split.json", "best.weights.h5"}
    assert json.loads((run / "config.json").read_text())


def test_a_full_disk_ends_a_training_with_its_line(tmp_path, picture_folder, capfd):
    """A limit on files' sizes fails in write(2) as a full disk does, with EFBIG in ENOSPC's place."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    try:
        status = train.main(words(picture_folder, tmp_path / "run"), prog="train.py")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert_ended_by_a_full_disk(tmp_path / "run", status, capfd.readouterr().err)


@pytest.mark.slow
def test_a_disk_that_is_full_later_ends_the_process_likewise(tmp_path, picture_folder):
    done = subprocess.run(
        [sys.executable, "train.py", *words(picture_folder, tmp_path / "run")],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, FULL)),
    )
    assert_ended_by_a_full_disk(tmp_path / "run", done.returncode, done.stderr)
