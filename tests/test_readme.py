"""The README, typed from top to bottom in a fresh clone: every command does what the page says."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY, draw_picture
from PIL import Image

TEXT = (REPOSITORY / "README.md").read_text(encoding="utf-8")
# Commands that take hours or set up an environment, and what stands for them here.
SMALL = "--classifier none --image-size 32 --batch-size 8 --epochs 1"
SMALL_ENCODER = SMALL.replace("32", "64")
PAINTINGS = "python train.py --dataset paintings"
FINE_TUNING = "python train.py --method vit_decoder --init-weights shipped --dataset path/to/photos"
STANDS_FOR = {
    "make demo": "python -m colorizer demo",
    "source .venv/bin/activate": None,
    "python train.py --dataset coco": f"python train.py --dataset coco {SMALL}",
    PAINTINGS: f"{PAINTINGS} {SMALL}",
    f"{PAINTINGS} --method colorful": f"{PAINTINGS} --method colorful {SMALL}",
    "make tables": "python evaluate.py --committed",
    f"{FINE_TUNING} --epochs 5 --run runs/mine": f"{FINE_TUNING} {SMALL_ENCODER} --run runs/mine",
}


def blocks(language: str = "") -> list[str]:
    """README's code blocks in a language."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    return [text for name, text in fenced if name == language]


def commands() -> list[str]:
    """The lines of README's code blocks without a language, comments cut off."""
    lines = [line.partition(" #")[0].strip() for block in blocks() for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone of HEAD, with a few photos in it where README says so."""
    folder = tmp_path_factory.mktemp("stranger")
    target = folder / "colorizer"
    done = subprocess.run(["git", "clone", "-q", "--no-hardlinks", REPOSITORY, target], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this is no git checkout: {done.stderr}")
    for name in ("coco", "paintings"):
        _pictures(folder / "data" / name, 40)
    _pictures(target / "album", 3)
    _pictures(target / "path" / "to" / "photos", 40)
    Image.fromarray(draw_picture(7, 120, 160)).convert("L").save(target / "old.jpg")
    exclude = target / ".git" / "info" / "exclude"
    exclude.write_text("album\npath\nold.jpg\nnew.*\ncolored\n")
    return target


def _pictures(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for index in range(count):
        Image.fromarray(draw_picture(index)).save(folder / f"picture_{index:02d}.png")


def _run(clone: Path, command: str, data: bool = True) -> subprocess.CompletedProcess:
    """Types a command in the clone, with drawn pictures as COCO and paintings, or without data."""
    environment = os.environ | {"PYTHONPATH": str(clone), "XDG_CACHE_HOME": str(clone.parent / "cache")}
    for name in ("COLORIZER_DATA", "TF_CPP_MIN_LOG_LEVEL"):  # as a stranger has them: not at all
        environment.pop(name, None)
    if data:
        environment["COLORIZER_DATA"] = str(clone.parent / "data")
    words = shlex.split(command)
    assert words[0] == "python", command
    return subprocess.run(
        [sys.executable, *words[1:]], cwd=clone, env=environment, capture_output=True, text=True, timeout=900
    )


def _changed(clone: Path) -> str:
    return subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True).stdout


def test_every_make_target_is_there():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z-]+)", TEXT):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    assert "-m colorizer demo" in makefile and "evaluate.py --committed" in makefile


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_a_virtual_environment_that_could_not_be_made_is_made_by_the_next_make(tmp_path):
    # As on Debian without python3-venv: an environment without pip, and status 1.
    python = f'exec "{sys.executable}"'
    script = f'if [ "$2" = venv ]; then {python} make_it.py "$3"; fi\n{python} "$@"\n'
    (tmp_path / "python").write_text(f"#!/bin/sh\n{script}")
    (tmp_path / "python").chmod(0o755)
    making = "import sys, venv; venv.create(sys.argv[1]"
    (tmp_path / "make_it.py").write_text(f"{making}); sys.exit('ensurepip is not available')")
    words = ["make", "-f", str(REPOSITORY / "Makefile"), "PYTHON=./python", "VENV=mine", "mine/bin/python"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").touch()
    for _ in range(2):
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 2 and "ensurepip is not available" in done.stderr, done.stdout
    (tmp_path / "make_it.py").write_text(f"{making}, with_pip=True)")
    assert subprocess.run(words, cwd=tmp_path, capture_output=True).returncode == 0
    assert subprocess.run([tmp_path / "mine/bin/python", "-m", "pip", "--version"]).returncode == 0
    assert (tmp_path / "mine" / "notes").exists()


def test_the_page_is_short():
    assert len(TEXT.splitlines()) <= 130


@pytest.mark.slow
def test_every_command_of_the_page(clone):
    typed = commands()
    assert set(STANDS_FOR) <= set(typed), "README has changed: name what stands for its long commands"
    for line in typed:
        command = STANDS_FOR.get(line, line)
        if command is None:
            continue
        done = _run(clone, command, data="--committed" not in command)
        assert done.returncode == 0, f"$ {command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        assert not re.search(r"^[WEI]0000 |oneDNN|cuda", done.stderr, re.MULTILINE), done.stderr
        assert _changed(clone) == "", f"$ {command} changed tracked files:\n{_changed(clone)}"
    for made in (
        "new.png",
        "colored/picture_00.png",
        "demo/before_after_truth.png",
        "runs/efficientnet-coco/summary.json",
    ):
        assert (clone / made).is_file(), made
    assert (clone / "runs/evaluation/tables/table2.md").is_file()
    assert "efficientnet-coco" in (clone / "runs/evaluation/metrics.csv").read_text()
    # The second run of the same command takes the next free folder; the first stays as it is.
    before = (clone / "runs/efficientnet-coco/history.csv").read_bytes()
    again = _run(clone, STANDS_FOR["python train.py --dataset coco"])
    assert again.returncode == 0, again.stderr
    assert (clone / "runs/efficientnet-coco-2/summary.json").is_file()
    assert (clone / "runs/efficientnet-coco/history.csv").read_bytes() == before
    longer = _run(clone, "python train.py --run runs/efficientnet-coco --resume --epochs 2")
    assert longer.returncode == 0, longer.stderr
    assert len((clone / "runs/efficientnet-coco/history.csv").read_text().splitlines()) == 3
    own = _run(clone, "python evaluate.py")
    assert own.returncode == 0, own.stderr
    assert "\nmine," in (clone / "runs/evaluation/metrics.csv").read_text()
    limited = _run(clone, "python evaluate.py --limit 3")
    assert limited.returncode == 0 and _changed(clone) == "", limited.stderr


def test_the_python_lines_of_the_page(clone):
    (code,) = blocks("python")
    (clone / "lines.py").write_text(code)
    done = _run(clone, "python lines.py")
    (clone / "lines.py").unlink()
    assert done.returncode == 0, done.stderr
    with Image.open(clone / "new.jpg") as image:
        assert image.size == (160, 120)


def test_tables_without_data_change_nothing(clone):
    done = _run(clone, "python evaluate.py --committed", data=False)
    assert done.returncode == 0, done.stderr
    assert _changed(clone) == ""
