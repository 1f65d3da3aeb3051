"""The layout: which folder may import which, what stands where, and that no text points outside of the repository."""

import ast
import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from conftest import LONGEST, REPOSITORY

PACKAGE = REPOSITORY / "colorizer"
ROOT = {"__init__", "__main__", "atomic_files", "color", "config", "environment", "errors", "experiments", "images"}
ROOT |= {"weights"}
FOLDERS = {"photos", "data", "classifiers", "methods", "steering", "training", "inference", "evaluation", "reporting"}
FOLDERS |= {"cli", "app", "export", "cluster", "film", "server", "shipped"}
MOST_MODULES = 10

# A layer may import those below it; two folders of one layer do not know each other, but for ALSO.
LAYERS = [
    {"color", "images", "config", "errors", "experiments", "environment", "atomic_files"},
    {"photos"},
    {"data", "classifiers"},
    {"methods"},
    {"weights", "steering"},
    {"evaluation", "inference"},
    {"reporting", "training", "film"},
    {"cli", "app", "export", "cluster", "server"},
]
ALSO = {("evaluation", "inference"), ("data", "classifiers"), ("classifiers", "data")}
ALSO |= (
    {(a, b) for a in LAYERS[0] for b in LAYERS[0]}
    | {(a, "cli") for a in ("app", "export", "cluster", "server")}
    | {("server", "app")}
)
NEVER = {("inference", "data"), ("methods", "data"), ("photos", "data"), ("evaluation", "reporting")}
NEVER |= {("training", "reporting"), ("data", "methods")}
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def part_of(module: str) -> str:
    """`colorizer.data.batches` -> `data`; the package itself is the door to all."""
    words = module.split(".")
    return words[1] if len(words) > 1 else "__init__"


def imports_of(source: str) -> set[str]:
    """The parts of the package that a module's source imports, also inside functions; type checking aside."""
    tree = ast.parse(source)
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for node in ast.walk(block)
    }
    parts = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and node.module == "colorizer":
            parts |= {alias.name for alias in node.names if alias.name in LEVEL}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("colorizer."):
            parts.add(part_of(node.module))
        elif isinstance(node, ast.Import):
            parts |= {part_of(alias.name) for alias in node.names if alias.name.startswith("colorizer.")}
    return parts


def wrong_arrows(sources: dict[str, str]) -> list[str]:
    """`a -> b` for each import that does not go down.

    Args:
        sources: module name -> its text.
    """
    wrong = []
    for module, source in sorted(sources.items()):
        here = part_of(module)
        for there in sorted(imports_of(source) - {here}):
            if here in ("__init__", "__main__") or (here, there) in ALSO:
                continue
            if (here, there) in NEVER or LEVEL[there] >= LEVEL[here]:
                wrong.append(f"{module} -> {there}")
    return wrong


def sources() -> dict[str, str]:
    """Every module of the package: dotted name -> text."""
    return {
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts): path.read_text(encoding="utf-8")
        for path in PACKAGE.rglob("*.py")
    }


def test_imports_go_down_only():
    assert wrong_arrows(sources()) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("colorizer.evaluation.metrics", "from colorizer.reporting import tables"),
        ("colorizer.inference.forward", "from colorizer.data import pixel_store"),
        ("colorizer.methods.gan", "from colorizer.data.batches import Batches"),
        ("colorizer.photos.photo", "from colorizer.data import cache"),
        ("colorizer.data.batches", "def late():\n    from colorizer import methods"),
        ("colorizer.training.loop", "import colorizer.reporting.tables"),
        ("colorizer.reporting.tables", "from colorizer.training import loop"),
        ("colorizer.weights", "from colorizer.cli import train"),
        ("colorizer.config", "from colorizer import methods"),
        ("colorizer.classifiers.classifier", "from colorizer.methods import gan"),
        ("colorizer.inference.forward", "from colorizer.film import carry"),
        ("colorizer.film.carry", "from colorizer.training import loop"),
    ],
)
def test_an_arrow_upwards_is_found(module, line):
    assert len(wrong_arrows({module: line})) == 1


def test_nothing_outside_the_package_is_imported_by_it():
    for module, source in sources().items():
        assert not re.search(r"^\s*(from|import) (benchmarks|experiments|notebooks|tests)\b", source, re.M), module


def test_folders_hold_what_they_should():
    assert {path.stem for path in PACKAGE.glob("*.py")} == ROOT
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"} == FOLDERS
    modules = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        if path.name not in ("__init__.py", "__main__.py"):
            modules[path.parent].append(path.name)
    crowded = {folder: names for folder, names in modules.items() if len(names) > MOST_MODULES}
    assert not crowded
    assert not [path for path in PACKAGE.rglob("*.py") if len(path.read_text("utf-8").splitlines()) > 400]


def test_public_functions_take_five_parameters_by_position_at_most():
    crowded = []
    for module, source in sources().items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and (not node.name.startswith("_") or node.name == "__init__"):
                names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
                if len([name for name in names if name not in ("self", "cls")]) > 5:
                    crowded.append(f"{module}.{node.name}")
    assert crowded == []


def test_the_longest_test_files_are_there():
    assert [name for name in LONGEST if not (REPOSITORY / "tests" / name).is_file()] == []


def test_only_a_few_files_name_a_method():
    """A method is one file: no other names it, but the defaults, the list of experiments and the paper's tables."""
    names = [
        path.stem for path in (PACKAGE / "methods").glob("*.py") if path.stem not in ("__init__", "base", "trivial")
    ]
    pattern = re.compile(rf"""["'`]({"|".join(names)})["'`]|colorizer\.methods(\.| import )({"|".join(names)})\b""")
    allowed = {"colorizer.config", "colorizer.experiments"}
    own = "colorizer.training.long."  # the long training is one method's
    named = [
        module
        for module, source in sources().items()
        if not module.startswith(("colorizer.methods.", "colorizer.reporting.", own)) and module not in allowed
        if pattern.search(source)
    ]
    assert named == []


def test_no_text_points_outside_of_the_repository():
    tracked = subprocess.run(
        ["git", "ls-files", "*.py", "*.md", "*.ipynb", "*.toml", "Makefile"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    if tracked.returncode:
        pytest.skip("this is no git checkout")
    own = {"tests/test_architecture.py", "tests/conftest.py"}
    pattern = re.compile(r"BASE" r"LINES\b|DESIGN\b|shared" r"/")
    pointing = [
        f"{name}: {found[0]}"
        for name in tracked.stdout.splitlines()
        if name not in own and (REPOSITORY / name).is_file()
        if (found := pattern.search((REPOSITORY / name).read_text(encoding="utf-8")))
    ]
    assert pointing == []


def test_links_between_pages_lead_somewhere():
    pages = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"), *(REPOSITORY / "results").glob("*.md")]
    dead = []
    for page in pages:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                dead.append(f"{Path(page).relative_to(REPOSITORY)}: {target}")
    assert dead == []
