"""The pages of results/experiments/ show what their records say."""

import pytest
from conftest import REPOSITORY

from experiments import pages

FOLDER = REPOSITORY / "results" / "experiments"


@pytest.mark.parametrize("name", pages.NAMES)
def test_a_page_shows_its_record(name):
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    between = text.partition("<!-- record:start -->\n")[2].partition("<!-- record:end -->")[0]
    assert between == pages.content(name, FOLDER), "run `python -m experiments.pages`"


def test_every_page_has_a_question_a_command_and_an_answer():
    for path in FOLDER.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        assert all(f"**{part}.**" in text for part in ("Question", "Command", "Answer")), path.name
        assert path.name in (REPOSITORY / "results" / "README.md").read_text(encoding="utf-8"), path.name
