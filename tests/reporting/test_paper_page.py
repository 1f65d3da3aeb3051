"""REPRODUCTION.md and MODEL_CARD.md: what is committed is what the code makes of the committed records."""

import shutil

import pandas as pd
import pytest
from canned import canned_run, canned_scores, floor_key, run_key
from conftest import REPOSITORY

from colorizer import weights
from colorizer.evaluation import runs, scores
from colorizer.reporting.cards import model_card
from colorizer.reporting.paper import claims, evidence
from colorizer.reporting.paper import page as reproduction

RESULTS = REPOSITORY / "results"


@pytest.fixture(scope="module")
def committed():
    """The runs that metrics.csv knows, and metrics.csv. A run that is still to be evaluated is left out."""
    table = scores.read(RESULTS / "metrics.csv")
    return [run for run in runs.read(RESULTS / "runs")[0] if run.name in set(table.run)], table


def test_the_committed_page_is_made_of_the_committed_records(committed):
    page = reproduction.render(evidence.read(*committed, RESULTS))
    assert (RESULTS / reproduction.PAGE).read_text(encoding="utf-8") == page, "run `make tables`"


def test_the_committed_card_is_made_of_the_committed_records(committed, tmp_path):
    copy = shutil.copy(REPOSITORY / model_card.PAGE, tmp_path / model_card.PAGE)
    assert model_card.fill_in(copy, *committed) == ["MODEL_CARD.md: numbers filled in"]
    assert copy.read_text(encoding="utf-8") == (REPOSITORY / model_card.PAGE).read_text("utf-8"), "run `make tables`"


def test_without_any_record_every_claim_is_untested_and_the_page_says_so(tmp_path):
    line = reproduction.write([], pd.DataFrame(columns=list(scores.COLUMNS)), tmp_path, "Only a try.")
    assert line == "REPRODUCTION.md: written, without conventions.json, which is not here"
    text = (tmp_path / reproduction.PAGE).read_text()
    assert "**Only a try.**" in text and "No run is finished." in text
    assert "Not measured: `python -m experiments.metric_conventions`" in text
    judged = claims.judge(evidence.read([], pd.DataFrame(columns=list(scores.COLUMNS)), tmp_path))
    assert {c.verdict for c in judged} == {claims.UNKNOWN}
    assert f"Of {len(judged)} claims: {len(judged)} {claims.UNKNOWN}." in text


def test_only_another_seed_shows_how_much_a_training_varies(tmp_path):
    found = [canned_run(tmp_path / name, config={"seed": seed}) for name, seed in (("a", 42), ("b", 42), ("c", 43))]
    pages = [
        reproduction.render(evidence.read(some, pd.DataFrame(columns=list(scores.COLUMNS)), tmp_path))
        for some in (found[:2], found)
    ]
    assert ["from seed to seed: every run was made with one seed." in page for page in pages] == [True, False]
    assert ["for the rows that were made with several" in page for page in pages] == [False, True]


def test_verdicts_are_counted_in_their_order_and_open_ones_last():
    judged = [claims.Claim("", verdict=v) for v in ("open: differs so far", claims.NO, claims.YES, claims.NO)]
    assert reproduction.counts(judged) == ("Of 4 claims: 1 reproduced; 2 not reproduced; 1 open: differs so far.")


def test_why_stands_beside_the_verdict():
    judged = [
        claims.Claim("1", "2", "3", claims.NO, "because", "this"),
        claims.Claim("1", "1", "0", claims.YES, "", "that"),
    ]
    lines = reproduction.table(judged).splitlines()
    assert lines[2] == "| this | 1 | 2 | 3 | **not reproduced**; because |"
    assert lines[3] == "| that | 1 | 1 | 0 | **reproduced** |"
    (line,) = reproduction.table([claims.Claim("1", "2", "3", "open: undecided", "", "it", "do")]).splitlines()[2:]
    assert line == "| it | 1 | 2 | 3 | **open: undecided**; to close it: `do` |"


@pytest.fixture
def shipped_run(tmp_path):
    """A record of the shipped weights' training that scored 3 dB over no color in one look, 1 under in the other."""
    name = next(iter(weights.SHIPPED))
    config = {"method_title": "A network", "classifier_name": "eyes"}
    run = canned_run(tmp_path / "runs" / name, "vit_decoder", "coco", config=config, parameters=1234)
    rows = canned_scores(floor_key("all_grey"), "coco", [20, 22], [0.9, 0.8])
    rows += canned_scores(floor_key("mean_colour", "coco"), "coco", [21, 23], [0.9, 0.8])
    rows += canned_scores(floor_key("mean_colour", "paintings"), "coco", [29, 29], [0.9, 0.8])
    rows += canned_scores(run_key(run), "coco", [23, 25], [0.9, 0.8])
    rows += canned_scores(run_key(run) | {"method": "vit_decoder_vivid"}, "coco", [19, 21], [0.9, 0.8])
    return run, pd.DataFrame(rows, columns=list(scores.COLUMNS))


def test_the_card_has_both_looks_and_its_own_floors(shipped_run):
    lines = model_card.metrics(*shipped_run).splitlines()[2:6]
    cells_of = [[cell.strip() for cell in line.split("|")[2:10:2]] for line in lines]
    assert [cells[0] for cells in cells_of] == [
        "all-gray",
        "mean-color",
        "ViT decoder (ours), accurate",
        "ViT decoder (ours), vivid",
    ]
    assert [cells[1] for cells in cells_of] == ["21.00", "22.00", "24.00", "20.00"]
    assert "+3.00 [+3.00, +3.00] *" in lines[2] and "-1.00 [-1.00, -1.00] *" in lines[3]


def test_the_card_says_what_the_weights_are(shipped_run):
    text = model_card.record(shipped_run[0])
    assert f"`{next(iter(weights.SHIPPED.values()))}`" in text
    assert "| Network | A network, 1,234 parameters |" in text
    assert "| Training | 3 epochs at 64x64, float32, 0.1 hours |" in text
    assert "| Initial encoder | eyes, " in text


def test_a_card_is_filled_in_between_its_markers_only(shipped_run, tmp_path):
    run, scores = shipped_run
    path = tmp_path / model_card.PAGE
    path.write_text(
        "a\n<!-- weights:start -->\nold\n<!-- weights:end -->\nb\n<!-- metrics:start -->\n<!-- metrics:end -->\n"
    )
    assert model_card.fill_in(path, [run], scores) == ["MODEL_CARD.md: numbers filled in"]
    text = path.read_text()
    assert text.startswith("a\n<!-- weights:start -->\n| What |") and "old" not in text
    assert "\n<!-- weights:end -->\nb\n<!-- metrics:start -->\n| Test list |" in text
    before = path.read_text()
    (line,) = model_card.fill_in(path, [], scores)
    assert "has no record here" in line and path.read_text() == before
    assert model_card.fill_in(tmp_path / "absent.md", [run], scores) == []
