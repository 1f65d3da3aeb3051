"""The pages of results/experiments/ show what their records say."""

import json

import pandas as pd
import pytest
from conftest import REPOSITORY

from experiments import pages

FOLDER = REPOSITORY / "results" / "experiments"


@pytest.mark.parametrize("name", pages.NAMES)
def test_a_page_shows_its_record(name):
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    between = text.partition("<!-- record:start -->\n")[2].partition("<!-- record:end -->")[0]
    assert between == pages.content(name, FOLDER), "run `python -m experiments.pages`"


def test_the_means_of_hints_in_films_are_those_of_the_record():
    table = pd.read_json(FOLDER / "film_hints.jsonl", lines=True)
    text = (FOLDER / "film_hints.md").read_text(encoding="utf-8")
    for measure in ("error", "ghost"):
        means = table.groupby("way")[measure].mean()
        assert f"{means['hints']:.1f} against {means['mixed']:.1f}" in text, measure


def test_the_reference_halves_the_error_where_the_page_says_so():
    rows = [json.loads(line) for line in (FOLDER / "steering.jsonl").read_text("utf-8").splitlines()]
    shots = [row for row in rows if "ciede2000_with_reference" in row]
    halved = [row for row in shots if row["ciede2000_with_reference"] < row["ciede2000_automatic"] / 2]
    assert (len(halved), len(shots)) == (5, 6)
    assert "in five of six cases" in (FOLDER / "steering.md").read_text(encoding="utf-8")


def test_every_page_has_a_question_a_command_and_an_answer():
    for path in FOLDER.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        assert all(f"**{part}.**" in text for part in ("Question", "Command", "Answer")), path.name
        assert path.name in (REPOSITORY / "results" / "README.md").read_text(encoding="utf-8"), path.name
