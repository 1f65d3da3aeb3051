"""The notebooks: one with their scripts, run as committed, and runnable without the real data and without a network."""

import ast
import importlib.util
import json
import re
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
from canned import canned_run, canned_scores, floor_key, run_key
from conftest import REPOSITORY, draw_picture

from colorizer.evaluation import predictions, scores, test_sets
from colorizer.reporting.build import write_tables
from colorizer.reporting.figures import gallery

FOLDER = REPOSITORY / "notebooks"
NAMES = ["01_data", "02_train", "03_tables", "04_why_brown"]
SMALLER = {"PICTURES": "4", "EPOCHS": "2", "SIDE": "32"}  # of the cell tagged "parameters"


def _build():
    spec = importlib.util.spec_from_file_location("build", FOLDER / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = _build()


def script(name):
    return build.cells_of((FOLDER / f"{name}.py").read_text(encoding="utf-8"))


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
    assert {output["output_type"] for output in outputs} == {"execute_result"}  # no error, no progress bar
    assert any("image/png" in output["data"] for output in outputs)
    assert build.machine_path(outputs) is None
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 250_000


def test_pictures_that_notebooks_link_to_are_there():
    links = [link for name in NAMES for link in re.findall(r"!\[.*?\]\((.*?)\)", json.dumps(script(name)))]
    assert links and all((FOLDER / link).is_file() for link in links)


def test_the_tables_shown_are_those_in_results():
    shown = [o["data"].get("text/markdown", "") for c in notebook("03_tables")["cells"] for o in c.get("outputs", ())]
    pages = ["".join(text) for text in shown if text]
    current = [(REPOSITORY / f"results/tables/table{n}.md").read_text(encoding="utf-8") for n in (2, 3, 4)]
    assert pages == current, "results/ has changed since: python notebooks/build.py 01 03 04 (extra [notebooks])"


def test_a_folder_of_this_machine_in_an_output_is_found(monkeypatch):
    monkeypatch.setenv("COLORIZER_DATA", "/data/mine")
    for text, found in (
        ("read from /home/me/x.png, twice", "/home/me/x.png,"),
        ("in /data/mine/coco", "/data/mine"),
        ("../results and a/b", None),
    ):
        assert build.machine_path([{"output_type": "stream", "text": text}]) == found
        assert build.machine_path([{"output_type": "execute_result", "data": {"text/html": [text]}}]) == found
    assert build.machine_path([{"output_type": "display_data", "data": {"image/png": "/tmp/AAAA"}}]) is None


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


@pytest.mark.parametrize("name", NAMES)
def test_script_runs_on_drawn_pictures(name, in_small_world):
    cells = script(name)
    for cell in cells:
        if "parameters" in cell["metadata"].get("tags", ()):
            for parameter, value in SMALLER.items():
                cell["source"], changed = re.subn(rf"(?m)^{parameter} = .*$", f"{parameter} = {value}", cell["source"])
                assert changed == 1
    found = shown_by(cells)
    rich = [
        getattr(one, f"_repr_{kind}_", lambda: None)() for one in found for kind in ("png", "jpeg", "markdown", "html")
    ]
    assert sum(bool(one) for one in rich) >= 4


def test_a_gallery_of_records_draws_what_evaluation_draws(in_small_world):
    view = gallery.open_all(in_small_world / "results")
    table = scores.read(in_small_world / "results" / "metrics.csv")
    lines = gallery.draw(view.systems, view, table, in_small_world / "figures", test_sets.figure5())
    assert not [line for line in lines if "not drawn" in line or "without" in line]
    drawn = {path.name for path in (in_small_world / "figures").iterdir()}
    assert {"figure5.png", "ab-histograms.png", "contact-gan-paintings.jpg", "extremes-gan-paintings.jpg"} <= drawn
    assert len(drawn) == 2 + 3 * len(view.systems)
