"""What a training takes over from the run that it resumes."""

from dataclasses import asdict

import pytest
from test_loop import settings

from colorizer.errors import RecordError
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
