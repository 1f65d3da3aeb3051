"""The notebooks agree with their scripts, ran as a whole, and run without the real data and without a network."""

import ast
import importlib.util
import json
import re
import shutil
import socket
import subprocess
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from canned import canned_run, canned_scores, floor_key, run_key
from conftest import REPOSITORY, draw_picture

from colorizer.data import datasets
from colorizer.evaluation import predictions, scores, test_sets
from colorizer.reporting.build import write_tables
from colorizer.reporting.figures import gallery

FOLDER = REPOSITORY / "notebooks"
NAMES = ["01_data", "02_train", "03_tables", "04_why_brown", "05_colorize_your_photos"]
NEED_DATA = {"01_data", "02_train", "04_why_brown"}
SMALLER = {"PICTURES": "4", "EPOCHS": "2", "SIDE": "32"}  # of the cell tagged "parameters"


def _build():
    spec = importlib.util.spec_from_file_location("build", FOLDER / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = _build()


def script(name):
    """The cells of a script, as Jupytext reads it."""
    cells = build.read(FOLDER / f"{name}.py").cells
    return [{"cell_type": c.cell_type, "source": c.source, "metadata": dict(c.metadata)} for c in cells]


def notebook(name):
    return json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))


def test_every_script_has_its_notebook():
    assert [path.stem for path in build.scripts()] == NAMES
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_notebook_and_script_agree(name):
    cells = [
        {"cell_type": c["cell_type"], "source": "".join(c["source"]), "metadata": c["metadata"]}
        for c in notebook(name)["cells"]
    ]
    assert cells == script(name), f"make notebooks makes {name}.ipynb anew from {name}.py"


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_those_of_one_whole_run_and_name_no_machine(name):
    code = [cell for cell in notebook(name)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"execute_result", "stream"}  # no error
    assert {output.get("name", "stdout") for output in outputs} == {"stdout"}  # no progress bar
    assert any({"image/png", "image/jpeg"} & set(output.get("data", ())) for output in outputs)
    assert build.machine_path(outputs) is None
    assert "Not on this machine" not in json.dumps(outputs)
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 250_000


def test_pictures_that_notebooks_link_to_are_there():
    links = [link for name in NAMES for link in re.findall(r"!\[.*?\]\((.*?)\)", json.dumps(script(name)))]
    assert links and all((FOLDER / link).is_file() for link in links)


def test_the_tables_shown_are_those_in_results():
    shown = [o["data"].get("text/markdown", "") for c in notebook("03_tables")["cells"] for o in c.get("outputs", ())]
    pages = ["".join(text) for text in shown if text]
    current = [(REPOSITORY / f"results/tables/table{n}.md").read_text(encoding="utf-8") for n in (2, 3, 4)]
    assert pages == current, "results/ has changed since: python notebooks/build.py 01 03 04 (extra [notebooks])"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("read from /home/me/x.png, twice", "/home/me/x.png,"),
        ("in /data/coco", "/data/coco"),
        (r"C:\Users\me", r"C:\Users\me"),
        ("../results and a/b/c", None),
        ("<td>1</td></tr> at https://example.org/a/b", None),
    ],
)
def test_a_path_of_this_machine_in_an_output_is_found(text, path):
    assert build.machine_path([{"output_type": "stream", "text": text}]) == path
    assert build.machine_path([{"output_type": "execute_result", "data": {"text/html": [text]}}]) == path
    assert build.machine_path([{"output_type": "display_data", "data": {"image/png": text}}]) is None


def test_a_script_becomes_a_notebook(tmp_path):
    pytest.importorskip("nbclient", reason='pip install -e ".[notebooks]" -c constraints.txt')
    pytest.importorskip("ipykernel", reason='pip install -e ".[notebooks]" -c constraints.txt')
    path = tmp_path / "1_sum.py"
    path.write_text("# %% [markdown]\n# # A sum\n\n# %%\nimport sys\n\nprint('50 %', file=sys.stderr)\n1 + 1\n")
    target = build.build(path)
    before = target.read_bytes()
    heading, code = json.loads(before)["cells"]
    assert "".join(heading["source"]) == "# A sum"
    assert [output["data"]["text/plain"] for output in code["outputs"]] == [["2"]]
    assert build.build(path).read_bytes() == before
    path.write_text(f"# %%\nprint({str(tmp_path)!r})\n")
    with pytest.raises(SystemExit, match="path of this machine"):
        build.build(path)
    assert target.read_bytes() == before


def test_on_colab_the_package_is_installed_from_the_address_that_is_given(monkeypatch):
    parameters, install = [c["source"] for c in script("05_colorize_your_photos") if c["cell_type"] == "code"][:2]
    commands = []
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command))
    names = {}
    exec(parameters, names)
    with pytest.raises(RuntimeError, match="REPOSITORY"):
        exec(install, names)
    exec(install, names | {"REPOSITORY": "https://example.org/colorizer"})
    assert [command[-1] for command in commands] == ["keras-colorizer @ git+https://example.org/colorizer"]


def test_copies_of_photos_with_one_name_have_names_of_their_own():
    cells = [cell["source"] for cell in script("05_colorize_your_photos")]
    (line,) = [line for cell in cells for line in cell.splitlines() if line.startswith("COPIES = ")]
    names = {"Path": Path, "PHOTOS": ["a/portrait.jpg", Path("b/portrait.jpg"), "b/1-portrait.png"]}
    exec(line, names)
    assert len(set(names["COPIES"])) == 3


@pytest.fixture(scope="module")
def small_world(tmp_path_factory):
    """A folder with notebooks/ to run in, results/ of four runs that never ran, and data/ with drawn pictures."""
    root = tmp_path_factory.mktemp("world")
    (root / "notebooks").mkdir()
    (root / "data" / "splits").mkdir(parents=True)
    tests = {}
    for place, name in enumerate(scores.TEST_LISTS):
        tests[name] = [image for test_list, image in test_sets.figure5() if test_list == name] + ["extra.png"]
        parts = {"train": [f"train_{i}.png" for i in range(4)], "val": ["val_0.png"], "test": tests[name]}
        (root / "data" / name).mkdir()
        for part in parts if name != "ood" else ["test"]:
            for i, image in enumerate(parts[part]):
                cv2.imwrite(str(root / "data" / name / image), draw_picture(100 * place + 10 * len(part) + i))
        if name != "ood":
            for part, images in parts.items():
                (root / "data" / "splits" / f"{name}_{part}.txt").write_text("\n".join(images) + "\n")
    _results(root / "results", tests, root / "data")
    return root


def _results(results, tests, data):
    """Records, kept predictions, metrics.csv, tables and figures: what `evaluate.py` would have left."""
    trained = [("efficientnet", "paintings"), ("efficientnet", "coco"), ("colorful", "paintings"), ("gan", "paintings")]
    made = [canned_run(results / "runs" / f"{m}-{d}", m, d) for m, d in trained]
    rng, rows = np.random.default_rng(0), []
    figure5 = ["/".join(pair) for pair in test_sets.figure5()]
    for run in made:
        names = tests | {scores.FIGURE5: figure5}
        kept = {t: (n, rng.integers(-60, 60, (len(n), 64, 64, 2)).astype(np.int8)) for t, n in names.items()}
        predictions.write(run.folder / "predictions.npz", kept)
    keys = [run_key(run) for run in made] + [floor_key("all_grey")]
    keys += [floor_key("mean_colour", of) for of in ("paintings", "coco")]
    for key in keys:
        for test_set, images in (tests | {scores.FIGURE5: figure5}).items():
            values = rng.uniform(0.5, 1, len(images))
            scored = canned_scores(key, test_set, list(20 * values), list(values))
            rows += [row | {"image": image, "ciede2000": 9 * v} for row, image, v in zip(scored, images, values)]  # noqa: B905
    table = pd.DataFrame(rows, columns=list(scores.COLUMNS))
    scores.write(results / "metrics.csv", table)
    write_tables(made, table, results)
    (results / "experiments").mkdir()
    shutil.copy(REPOSITORY / "results" / "experiments" / "looks.jsonl", results / "experiments")


@pytest.fixture
def in_small_world(small_world, monkeypatch):
    monkeypatch.setenv("COLORIZER_DATA", str(small_world / "data"))
    monkeypatch.setenv("COLORIZER_CACHE", str(small_world / "cache"))
    monkeypatch.chdir(small_world / "notebooks")
    return small_world


def shown_by(cells) -> list:
    """Runs cells one after another as a kernel does; what their last lines are."""
    names, found = {"__name__": "__main__"}, []
    for number, cell in enumerate(cells, 1):
        if cell["cell_type"] == "markdown":
            continue
        tree = ast.parse(cell["source"])
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"cell {number}", "exec"), names)
        if last is not None:
            found.append(eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names))
    return found


def small_script(name):
    """The cells of a script, with the parameters of a quick run."""
    cells = script(name)
    for cell in cells:
        if name == "02_train" and "parameters" in cell["metadata"].get("tags", ()):
            for parameter, value in SMALLER.items():
                cell["source"], changed = re.subn(rf"(?m)^{parameter} = .*$", f"{parameter} = {value}", cell["source"])
                assert changed == 1
    return cells


def rich(shown) -> int:
    """How many of these a notebook displays as more than text."""
    kinds = ("png", "jpeg", "markdown", "html")
    return sum(bool(getattr(one, f"_repr_{kind}_", lambda: None)()) for one in shown for kind in kinds)


@pytest.mark.parametrize("name", NAMES)
def test_script_runs_on_drawn_pictures(name, in_small_world, capsys):
    assert rich(shown_by(small_script(name))) >= 2
    assert "Not on this machine" not in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_script_ends_well_without_data_and_network(name, in_small_world, monkeypatch, capsys, tmp_path):
    def no_network(*args, **kwargs):
        raise AssertionError("a notebook asks the network")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.delenv("COLORIZER_DATA")
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path))
    assert rich(shown_by(small_script(name))) >= 2
    lines = [line for line in capsys.readouterr().out.splitlines() if "Not on this machine" in line]
    assert len(lines) == (name in NEED_DATA)
    assert all("COLORIZER_DATA" in line for line in lines)


def test_a_notebook_says_what_is_missing(in_small_world, monkeypatch, tmp_path):
    assert datasets.missing(["coco", "sample"]) == ""
    monkeypatch.delenv("COLORIZER_DATA")
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path))
    assert datasets.is_here("sample") and not datasets.is_here("coco")
    line = datasets.missing(["coco", "sample", "ood"])
    assert line.startswith("Not on this machine: coco, ood.") and "coco/, ood/" in line and "\n" not in line


def test_a_gallery_of_records_draws_what_evaluation_draws(in_small_world):
    view = gallery.open_all(in_small_world / "results")
    table = scores.read(in_small_world / "results" / "metrics.csv")
    lines = gallery.draw(view.systems, view, table, in_small_world / "figures", test_sets.figure5())
    assert not [line for line in lines if "not drawn" in line or "without" in line]
    drawn = {path.name for path in (in_small_world / "figures").iterdir()}
    assert {"figure5.png", "ab-histograms.png", "contact-gan-paintings.jpg", "extremes-gan-paintings.jpg"} <= drawn
    assert len(drawn) == 2 + 3 * len(view.systems)
