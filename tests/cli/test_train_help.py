"""The flags of `train.py`: what its help shows, and what is refused before Keras is loaded."""

import importlib
import inspect
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from colorizer import config, methods
from colorizer.cli import train
from colorizer.config import TrainConfig
from colorizer.data import datasets

ROOT = Path(__file__).parents[2]


@pytest.fixture
def help_of(capsys, monkeypatch):
    """What `train.py` prints for flags that ask for help, in lines of any length."""
    monkeypatch.setenv("COLUMNS", "1000")

    def printed(*flags):
        with pytest.raises(SystemExit) as stopped:
            train.parse([*flags], "train.py")
        assert stopped.value.code == 0
        return capsys.readouterr().out

    return printed


def shown_defaults(text):
    """Flag -> what stands after "default:" in its line."""
    joined = re.sub(r"\n {24}", " ", text)  # the help of a long flag stands in the next line
    return dict(re.findall(r"^  (--[a-z-]+),? .*\(default: (.*)\)$", joined, re.MULTILINE))


@pytest.mark.parametrize("name", methods.names())
def test_a_description_is_the_files_own(name):
    description = methods.describe(name)
    assert description == inspect.getdoc(importlib.import_module(f"colorizer.methods.{name}"))
    assert len(description.splitlines()[0]) <= 100


@pytest.mark.parametrize("name", [name for name in methods.names() if name != "trivial"])
def test_a_description_tells_the_cost_and_whose_code_it_is(name):
    description = methods.describe(name)
    for word in ("parameters", "multiply-adds", "100 epochs", "code"):
        assert word in description


def test_help_lists_the_methods_or_describes_one(help_of):
    brief = help_of("--help")
    for name in methods.names():
        assert methods.describe(name).splitlines()[0] in brief
    assert methods.describe("gan") not in brief
    assert methods.describe("gan") in help_of("--method", "gan", "--help")
    assert methods.describe("gan") in help_of("--help", "--method=gan")


@pytest.mark.parametrize("name", methods.names())
def test_help_shows_the_values_that_will_be_used(name, help_of):
    resolved, defaults = config.resolve({"method": name}, methods.declared(name)), methods.declared(name).defaults
    for kind in ("--help", "--help-all"):
        text = help_of("--method", name, kind)
        shown = shown_defaults(text)
        assert {"--dataset", "--classifier", "--learning-rate", "--epochs"} <= set(shown)
        assert text.count("(default: ") == len(shown), "each once"
        for f in fields(TrainConfig):
            if config.flag_of(f.name) not in shown or f.name == "method":
                continue
            unset = f.default is None and f.name not in defaults
            expected = f.metadata["none"] if unset else str(getattr(resolved, f.name))
            assert shown[config.flag_of(f.name)].split("; ")[0] == expected, f.name


@pytest.mark.parametrize("name", methods.names())
def test_help_is_short_and_the_rest_is_behind_help_all(name, help_of):
    brief, whole = (
        set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", help_of("--method", name, flag), re.MULTILINE))
        for flag in ("--help", "--help-all")
    )
    assert len(brief) <= 20
    assert brief < whole
    method = methods.declared(name)
    for f in fields(TrainConfig):
        if f.metadata["group"] == config.METHOD and f.name != "labels":
            assert (config.flag_of(f.name) in whole) == (f.name in method.options), f.name
    assert ("--labels" in whole) == method.uses_labels
    assert ("--loss" in whole) == (len(method.losses) > 1)


def test_help_cites_nothing_that_a_reader_cannot_have(help_of):
    for name in methods.names():
        whole = help_of("--method", name, "--help-all")
        assert not re.search(r"BASE[L]INES|DE[S]IGN|ours[;)]|None", whole)
        for path in re.findall(r"(?:docs|results|benchmarks)/[\w/]+\.\w+", whole):
            assert (ROOT / path).exists(), path


def test_help_names_every_data_set(help_of):
    line = next(line for line in help_of("--help").splitlines() if line.startswith("  --dataset"))
    assert {name for name in datasets.NAMES if re.search(rf"\b{name}\b", line)} == set(datasets.NAMES)


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (["--help"], 0, "--dataset NAME"),
        (["--method", "unet"], 2, "Received: unet. Choose one of colorful, efficientnet, gan"),
        (["--method", "gan", "--loss", "mae"], 2, "the method gan .*Received: mae"),
        (["--method", "gan", "--encoder-rate", "0.1"], 2, "--encoder-rate is not an option of the method gan"),
        (["--image-size", "100"], 2, "--image-size must be a multiple of 32, at most 1024. Received: 100"),
        (["--epoch", "3"], 2, "there is no flag --epoch. Did you mean --epochs. Received: --epoch 3"),
    ],
)
def test_answers_that_need_no_backend_load_none(flags, status, message):
    code = f"""
import sys
from colorizer.cli import train
try:
    status = train.main({flags!r}, "train.py")
except SystemExit as stopped:
    status = stopped.code
assert not {{"keras", "tensorflow", "jax", "numpy"}} & set(sys.modules), "the backend was loaded"
sys.exit(status)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    assert re.search(message, done.stdout + done.stderr)


def test_a_method_that_is_none_is_refused():
    with pytest.raises(ValueError, match="Received: pix2pix.*gan"):
        methods.describe("pix2pix")
