"""`python -m colorizer`, the installed command, and what is installed with them."""

import importlib
import os
import re
import runpy
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest
from conftest import REPOSITORY, draw_picture
from packaging.requirements import Requirement

import colorizer
from colorizer import __main__ as door
from colorizer import cli
from colorizer.errors import UsageError

with open(REPOSITORY / "pyproject.toml", "rb") as file:
    PROJECT = tomllib.load(file)


def test_the_distribution_has_a_name_of_its_own():
    assert PROJECT["project"]["name"] == "keras-colorizer"
    assert PROJECT["project"]["scripts"] == {"colorizer": "colorizer.__main__:run"}


def test_every_file_of_the_package_is_installed():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["colorizer"]
    package = REPOSITORY / "colorizer"
    installed = {path for pattern in patterns for path in package.glob(pattern)}
    data = {path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert data and data <= installed
    folders = {path.parent for path in package.rglob("*.py")}
    assert all((folder / "__init__.py").is_file() for folder in folders)


def test_the_base_is_light_and_the_extra_train_completes_it():
    """`pip install .` colorizes; `.[train]` and `pip install -r requirements.txt` are the same packages."""
    base, extras = PROJECT["project"]["dependencies"], PROJECT["project"]["optional-dependencies"]
    everything = (REPOSITORY / "requirements.txt").read_text().split()
    assert sorted(base + extras["train"]) == everything and extras["light"] == []
    assert not [line for line in base if line.startswith(("keras", "tensorflow", "pandas", "matplotlib", "scikit"))]


@pytest.mark.parametrize("name", door.COMMANDS)
def test_every_command_answers_help_under_its_own_name(name, capsys):
    module, text = door.COMMANDS[name]
    if importlib.util.find_spec(module) is None:
        pytest.fail(f"{module} is not there")
    with pytest.raises(SystemExit) as end:
        door.main([name, "--help"], "colorizer")
    out = capsys.readouterr().out
    assert end.value.code == 0 and f"usage: colorizer {name}" in out and "%(prog)s" not in out


def test_version_and_help(capsys):
    for words, expected in ((["--version"], colorizer.__version__), (["--help"], "colorize photos"), ([], "commands:")):
        with pytest.raises(SystemExit) as end:
            door.main(words)
        assert end.value.code == 0 and expected in capsys.readouterr().out


def test_a_word_that_is_no_command_is_named_with_the_commands(capsys):
    with pytest.raises(SystemExit) as end:
        door.main(["paint"])
    err = capsys.readouterr().err
    assert end.value.code == 2 and "Received: paint" in err and "evaluate" in err


def test_a_photo_needs_no_command(tmp_path, monkeypatch):
    from PIL import Image

    calls = []
    monkeypatch.setattr("colorizer.cli.colorize.main", lambda argv, prog: calls.append((argv, prog)) or 0)
    Image.fromarray(draw_picture(0)).save(tmp_path / "old.png")
    assert door.main([str(tmp_path / "old.png"), "-o", "new.png"], "colorizer") == 0
    assert door.main(["colorize", "x.png", "-o", "new.png"], "colorizer") == 0
    assert [prog for _, prog in calls] == ["colorizer", "colorizer colorize"]
    assert all(argv[-2:] == ["-o", "new.png"] for argv, _ in calls)


def test_the_door_loads_no_command_before_it_is_typed():
    code = "import sys\nfrom colorizer import __main__ as door\ntry: door.main(['--help'])\nexcept SystemExit: pass\n"
    code += "print(sorted(name for name in sys.modules if name.startswith(('colorizer.', 'keras', 'numpy'))))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert (
        done.stdout.splitlines()[-1]
        == "['colorizer.__main__', 'colorizer.cli', 'colorizer.environment', 'colorizer.errors']"
    )


def test_errors_become_one_line_and_a_status(capsys):
    from colorizer.errors import TrainingError, WeightsError

    def fails_with(error):
        def main(argv, prog):
            raise error

        return cli.start(main, [], "x")

    assert fails_with(WeightsError("no weights")) == 2 and fails_with(TrainingError("blew up")) == 1
    assert fails_with(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err.splitlines() == ["x: no weights", "x: blew up", "", "x: interrupted"]


def test_a_missing_package_of_the_extra_train_is_one_line(capsys):
    def lacks(name):
        def main(argv, prog):
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

        return cli.start(main, [], "x")

    assert lacks("keras.ops") == 2
    assert "x: this needs the package keras, which is not installed." in capsys.readouterr().err
    with pytest.raises(ModuleNotFoundError):
        lacks("colorizer.typo")


@pytest.mark.parametrize(
    ("prog", "name"), [("train.py", "train.py"), ("python -m colorizer app", "python -m colorizer app")]
)
def test_wrong_usage_is_two_lines_without_a_page_of_flags(capsys, prog, name):
    parser = cli.Parser(prog)
    parser.add_argument("--size", type=int)
    with pytest.raises(SystemExit) as end:
        parser.parse_args(["--size", "large"])
    said = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert said == [
        f"{name}: --size is a whole number. Received: large",
        f"For the flags, type: {parser.prog} --help",
    ]


@pytest.mark.parametrize("name", ["train", "evaluate", "colorize"])
def test_the_scripts_start_as_the_door_does(monkeypatch, capsys, name):
    """So that the light installation has a line for them and no traceback."""
    module = importlib.import_module(f"colorizer.cli.{name}")

    def main(argv=None, prog=""):
        raise ModuleNotFoundError("No module named 'pandas'", name="pandas")

    monkeypatch.setattr(module, "main", main)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(REPOSITORY / f"{name}.py"), run_name="__main__")
    assert end.value.code == 2 and f"{name}.py: this needs the package pandas" in capsys.readouterr().err


def test_a_mistyped_command_is_guessed(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        door.main(["clorize", "old.jpg", "-o", "new.jpg"])
    assert "there is no command clorize. Did you mean colorize?" in capsys.readouterr().err
    (tmp_path / "trains").mkdir()
    assert door.main(["trains", "-o", "out"]) == 2
    assert "no photos" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["in.jpg"], "x.py: -o/--output is missing"),
        ([], "x.py: IN and -o/--output are missing"),
        (["in.jpg", "-o", "a", "--strenght", "1"], "there is no flag --strenght. Did you mean --strength?"),
        (["in.jpg", "-o", "a", "--zzz"], "there is no flag --zzz. Received: --zzz"),
        (["in.jpg", "-o", "a", "--strength", "much"], "--strength is a number. Received: much"),
        (["in.jpg", "-o", "a", "--look", "bright"], "--look is one of accurate, vivid. Received: bright"),
        (["in.jpg", "-o", "a", "b"], "unrecognized arguments: b"),
    ],
)
def test_wrong_usage_is_said_in_plain_words(capsys, words, reason):
    parser = cli.Parser("x.py")
    parser.add_argument("input", metavar="IN")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--strength", type=float)
    parser.add_argument("--look", choices=("accurate", "vivid"))
    with pytest.raises(SystemExit):
        parser.parse_args(words)
    assert reason in capsys.readouterr().err


def test_missing_packages_are_named_with_the_command_that_installs_them():
    assert cli.require_packages({"json": "x", "csv": "y"}) is None
    with pytest.raises(UsageError, match=r"the package no_such, which is not installed.*\n.*\.\[x\]"):
        cli.require_packages({"no_such": "x", "json": "y"})
    with pytest.raises(UsageError, match=r"packages no_such, none_such, which are not.*\n.*\.\[x,y\]"):
        cli.require_packages({"no_such": "y", "none_such": "x"})


def test_progress_is_the_package_s_own():
    """Else a first start prints that matplotlib has made a list of fonts."""
    code = (
        "import logging; from colorizer import cli; cli.show_progress();"
        "logging.getLogger('matplotlib').info('fonts'); logging.getLogger('colorizer.data').info('data')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stderr == "data\n"


def test_a_script_is_typed_with_python():
    assert cli.typed("train.py") == "python train.py" and cli.typed("colorizer train") == "colorizer train"


def test_what_the_light_engine_needs_takes_at_most_350_megabytes():
    """All files but compiled modules, of the package and of what `pip install --no-compile .` brings with it."""
    waiting, seen, total = list(PROJECT["project"]["dependencies"]), set(), 0
    while waiting:
        needed = Requirement(waiting.pop())
        name = re.sub(r"[-_.]+", "-", needed.name).lower()
        if name in seen or (needed.marker and not needed.marker.evaluate({"extra": ""})):
            continue
        seen.add(name)
        package = metadata.distribution(name)
        waiting += package.requires or []
        files = {file.locate() for file in package.files or [] if file.suffix != ".pyc"}
        total += sum(file.stat().st_size for file in files if file.is_file())
    total += sum(p.stat().st_size for p in (REPOSITORY / "colorizer").rglob("*") if p.is_file() and p.suffix != ".pyc")
    assert {"onnxruntime", "numpy", "pillow"} <= seen and "tensorflow" not in seen
    assert 200e6 < total <= 350e6


def test_a_name_that_is_no_text_is_printed_escaped():
    """As the folder of a training that has just ended."""
    code = "from colorizer import cli; cli.start(lambda argv, prog: print('gr\\udce9y \\u20ac') or 0, [], 'it')"
    for encoding, euro in (("utf-8:strict", "€".encode()), ("ascii:surrogateescape", b"\\u20ac")):
        environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(REPOSITORY)}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
        assert done.stdout == b"gr\\udce9y " + euro + b"\n" and not done.stderr
