"""How the command of the long training ends, in a line."""

import json
import re

import pytest

from colorizer.training.long import __main__ as command


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [(OSError(28, "No space left on device"), 1, "No space left.*last checkpoint"), (KeyboardInterrupt, 130, "interr")],
)
def test_what_stops_the_command_is_said_in_a_line(tmp_path, monkeypatch, capsys, raised, status, said):
    def fail(_):
        raise raised

    monkeypatch.setattr(command, "_run", fail)
    (tmp_path / "last").mkdir()
    (tmp_path / "last" / "state.json").write_text("{}")
    with pytest.raises(SystemExit) as ended:
        command.main(["--run", str(tmp_path), "--encoder", "none"])
    assert ended.value.code == status and re.search(said, capsys.readouterr().err, re.DOTALL)


def test_a_cooldown_has_its_own_end(tmp_path, capsys):
    with pytest.raises(SystemExit):
        command.main(["--run", str(tmp_path), "--encoder", "none", "--cooldown", "10", "--samples", "20"])
    assert "Leave --samples out" in capsys.readouterr().err


def test_scores_and_exports_take_the_runs_own_settings(tmp_path):
    """Also those of a cooldown, whose folder lies in the run's."""
    (tmp_path / "run" / "cooldown").mkdir(parents=True)
    recorded = {"image_size": 64, "seed": 7, "views": 3}
    (tmp_path / "run" / "config.json").write_text(json.dumps(recorded))
    for name, size, count in (("run", 64, 3), ("run/cooldown", 64, 3), ("elsewhere", 192, 1)):
        flags = command.make_parser().parse_args(["--run", str(tmp_path / name), "--encoder", "none"])
        own = command._recorded(flags)
        assert (own["image_size"], own["augmentations_per_image"]) == (size, count)
