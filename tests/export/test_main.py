"""`python -m colorizer export`: wrong usage comes first and touches nothing; what differs is not kept."""

import importlib.util
import os
import subprocess
import sys

import pytest
from conftest import REPOSITORY

from colorizer.errors import ExportError
from colorizer.export import __main__ as export
from colorizer.export import convert, runtimes

WRITE = convert.write


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch, capsys):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if "onnx" in name else found(name))
    assert export.main(["--format", "onnx"]) == 2
    said = capsys.readouterr().err
    assert "tf2onnx, which is not installed" in said and 'pip install -e ".[export]" -c constraints.txt' in said


def test_wrong_usage_has_status_2_and_touches_nothing(tmp_path, capsys):
    there = tmp_path / "there"
    there.mkdir()
    words = ["--format", "saved_model", "--classifier", "none", "-o"]
    assert export.main([*words, str(there)]) == 2 and "exists already" in capsys.readouterr().err
    assert export.main([*words, str(tmp_path / "new.onnx")]) == 2 and "a folder's name" in capsys.readouterr().err
    assert export.main([*words, str(tmp_path / "new"), "--weights", str(there)]) == 2
    assert "weights" in capsys.readouterr().err
    assert export.main([*words, str(tmp_path / "new"), "--photos", str(there)]) == 2
    assert "--photos is a folder" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["there"] and not list(there.iterdir())


def test_no_folder_is_replaced_but_a_saved_model(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(convert, "disagreement", lambda *_: 0.0)
    monkeypatch.setattr(convert, "write", lambda colorizer, format, path: path.mkdir())
    monkeypatch.setattr(runtimes, "open_network", lambda path: None)
    monkeypatch.setattr(runtimes, "require", lambda format: None)
    for format, name in (("saved_model", "models"), ("onnx", "models.onnx")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "mine.keras").write_bytes(b"weeks of training")
        words = ["--format", format, "--classifier", "none", "--overwrite", "-o", str(folder)]
        assert export.main(words) == 2
        said = capsys.readouterr().err
        assert f"no SavedModel. Received: {folder}" in said and len(said.splitlines()) == 1
        with pytest.raises(ExportError, match="no SavedModel"):
            WRITE(None, format, folder)
        assert [path.name for path in folder.iterdir()] == ["mine.keras"]
    (tmp_path / "models/saved_model.pb").touch()
    assert (
        export.main(["--format", "saved_model", "--classifier", "none", "--overwrite", "-o", str(tmp_path / "models")])
        == 0
    )
    assert not list((tmp_path / "models").iterdir())


def test_a_file_takes_the_place_of_a_file_in_one_step(tmp_path, monkeypatch):
    """A kill between two steps would leave neither."""
    monkeypatch.setattr(convert, "remove", None)
    part, path = tmp_path / "new.onnx", tmp_path / "colorizer.onnx"
    for content in (b"first", b"second"):
        part.write_bytes(content)
        convert.replace(part, path)
        assert path.read_bytes() == content and not part.exists()


def test_a_network_that_differs_is_not_kept(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(convert, "disagreement", lambda *_: float("nan"))
    monkeypatch.setattr(convert, "write", lambda colorizer, format, path: path.mkdir())
    monkeypatch.setattr(runtimes, "open_network", lambda path: None)
    words = ["--format", "saved_model", "--classifier", "none", "-o", str(tmp_path / "new")]
    assert export.main(words) == 1
    assert "is deleted" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_wrong_usage_is_refused_before_keras(tmp_path):
    wrong = {
        "--photos absent": "--photos is a folder",
        "--weights absent": "Weights are a run's folder",
        "-o x.png": "a folder's name",
        f"-o {REPOSITORY}/README.md/new": "README.md is not a folder",
        "--classifier absent.keras": "absent.keras",
    }
    code = "import sys\nfrom colorizer.export.__main__ import main\n"
    code += "for line in sys.argv[1:]:\n    status = main(['--format', 'saved_model', '-o', 'new', *line.split()])\n"
    code += "    print(status, sorted({'keras', 'tensorflow'} & set(sys.modules)))"
    command, environment = [sys.executable, "-c", code, *wrong], os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["2 []"] * len(wrong)
    for message, line in zip(wrong.values(), done.stderr.splitlines(), strict=True):
        assert line.startswith("python -m colorizer export: ") and message in line
    assert not list(tmp_path.iterdir())


def test_help_is_quick():
    code = "import sys\nfrom colorizer.export.__main__ import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print(sorted({'keras', 'tensorflow', 'numpy', 'cv2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
