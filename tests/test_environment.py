"""A backend loads without a word of its own, and without losing one of Python's."""

import os
import pty
import re
import subprocess
import sys

import cv2
import pytest
from conftest import REPOSITORY, draw_picture

from colorizer import environment as process

NOISE = re.compile(r"absl|oneDNN|tensorflow|cuda|cuInit|XLA|^[IWEF]\d{4} ", re.IGNORECASE | re.MULTILINE)
PYTHON = sys.executable


def on_a_terminal(*words, **variables) -> tuple[int, str]:
    """Runs Python with these words on a terminal of its own: exit status, all that it shows."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)} | variables
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    with subprocess.Popen(
        [PYTHON, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=REPOSITORY
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # Linux: the other end is closed
                break
            if not part:
                break
            shown += part
    os.close(ours)
    return process.returncode, shown.decode().replace("\r\n", "\n")


def test_importing_what_trains_shows_nothing():
    assert on_a_terminal("-c", "import colorizer.data.batches, colorizer.training.loop") == (0, "")


def test_the_library_shows_nothing_up_to_its_first_prediction(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), draw_picture(0))
    code = f"from colorizer import Colorizer; Colorizer(engine='keras').colorize({str(tmp_path / 'a.png')!r})"
    assert on_a_terminal("-c", code) == (0, "")


def test_jax_loads_quietly_too():
    pytest.importorskip("jax", reason="JAX is not installed: pip install -r requirements-dev.txt")
    code = "import colorizer.inference.colorizer, keras; print(keras.backend.backend(), float(keras.ops.ones(1)[0]))"
    assert on_a_terminal("-c", code, KERAS_BACKEND="jax") == (0, "jax 1.0\n")


def test_commands_show_their_own_words_only(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), draw_picture(0))
    status, shown = on_a_terminal("colorize.py", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png"))
    assert status == 0 and "1 done" in shown and not NOISE.search(shown)
    (tmp_path / "pictures").mkdir()
    words = ("--dataset", str(tmp_path / "pictures"), "--classifier", "none", "--run", str(tmp_path / "run"))
    status, shown = on_a_terminal("train.py", *words, COLORIZER_CACHE=str(tmp_path / "cache"))
    assert status == 2 and shown.startswith("train.py: ") and not NOISE.search(shown)
    (tmp_path / "runs").mkdir()
    words = ("--runs", str(tmp_path / "runs"), "--output", str(tmp_path / "out"), "--data-dir", str(tmp_path / "runs"))
    status, shown = on_a_terminal("evaluate.py", *words, COLORIZER_CACHE=str(tmp_path / "cache"))
    assert shown and not NOISE.search(shown)


LOUD = """
import os, sys, warnings
os.write(2, b"I0000 00:00:1795890552.321156   29878 port.cc:153] oneDNN custom operations are on.\\n")
warnings.warn("of Python")
os.write(2, b"of another library\\n")
print("printed")
"""


@pytest.mark.parametrize("level, hidden", [(None, True), ("2", True), ("0", False)])
def test_what_is_not_from_the_backends_log_is_shown(tmp_path, level, hidden):
    (tmp_path / "torch.py").write_text(LOUD)
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    environment |= {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{tmp_path}"} | (
        {"TF_CPP_MIN_LOG_LEVEL": level} if level else {}
    )
    code = "import colorizer, torch, sys; print(torch.__file__, file=sys.stderr)"
    done = subprocess.run([PYTHON, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ("oneDNN" in done.stderr) == (not hidden)
    for line in ("UserWarning: of Python", "of another library", str(tmp_path / "torch.py")):
        assert line in done.stderr
    assert done.stdout == "printed\n"


def test_all_is_shown_where_the_import_fails(tmp_path):
    (tmp_path / "torch.py").write_text(LOUD + "raise ImportError('a library is missing')")
    environment = os.environ | {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{tmp_path}"}
    done = subprocess.run([PYTHON, "-c", "import colorizer, torch"], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "oneDNN" in done.stderr and "of Python" in done.stderr
    assert done.stderr.endswith("ImportError: a library is missing\n")
    lines = done.stderr.splitlines()
    assert lines.index("of another library") < lines.index("Traceback (most recent call last):")


def test_a_process_without_standard_error_loads_its_backend(tmp_path):
    (tmp_path / "torch.py").write_text("")
    environment = os.environ | {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{tmp_path}"}
    code = f'"{PYTHON}" -c "import colorizer, torch" 2>&-'
    assert subprocess.run(code, shell=True, env=environment, check=False).returncode == 0


def test_the_backend_is_known_before_keras_is_loaded(monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert process.backend() == "jax"
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert process.backend() == "tensorflow"
    (tmp_path / "keras.json").write_text('{"backend": "torch"}')
    assert process.backend() == "torch"


@pytest.mark.parametrize(
    ("flags", "has"), [("avx512f amx_bf16 amx_tile", True), ("avx512f avx512_bf16", True), ("avx512f", False)]
)
def test_units_for_bfloat16_are_read_from_the_processors_flags(tmp_path, flags, has):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"model name\t: a processor\nflags\t\t: fpu {flags} la57\n")
    assert process.has_bfloat16_units(cpuinfo) is has
    assert not process.has_bfloat16_units(tmp_path / "none")


def test_bfloat16_is_advised_only_where_a_processor_would_gain(monkeypatch):
    monkeypatch.setattr(process, "has_bfloat16_units", lambda: True)
    assert process.is_slow_precision("float32", "CPU any, 2 cores")
    assert not process.is_slow_precision("mixed_bfloat16", "CPU any, 2 cores")
    assert not process.is_slow_precision("float32", "1 x any accelerator")
    monkeypatch.setattr(process, "has_bfloat16_units", lambda: False)
    assert not process.is_slow_precision("float32", "CPU any, 2 cores")


def test_nothing_reports_its_use_over_the_network(tmp_path):
    """ONNX Runtime's reporter writes files before it sends anything; none are there."""
    pytest.importorskip("onnxruntime", reason='pip install ".[light]"')
    code = "import os, numpy; from colorizer import Colorizer\n"
    code += "Colorizer(engine='onnx').colorize(numpy.full((64, 64), 99, numpy.uint8))\n"
    code += "print(os.environ['ORT_DISABLE_TELEMETRY'], os.environ['RAY_USAGE_STATS_ENABLED'])"
    # It reports nothing where it takes itself to be tested.
    tests = ("CI", "GITHUB_ACTIONS", "ORT_RUNNING_UNIT_TESTS", *process.SILENT)
    environment = {name: value for name, value in os.environ.items() if name not in tests}
    places = {"TMPDIR": str(tmp_path), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment |= places | {"PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([PYTHON, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.split() == ["1", "0"], done.stderr
    assert [str(path) for path in tmp_path.rglob("*") if path.is_file()] == []
