"""Everything that an evaluation writes: complete, the same from records alone, and whole where rows are missing."""

import pandas as pd
import pytest
from canned import canned_run
from drawn_lists import brown_run, evaluate, own_folder, own_run, snapshot, without_pictures

from colorizer.evaluation import evaluator, predictions
from colorizer.reporting import build


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def test_all_tables_pages_and_figures_are_written(drawn_lists, tmp_path):
    brown_run(tmp_path / "runs" / "trivial-paintings")
    _, lines = evaluate(tmp_path / "runs", tmp_path / "out", drawn_lists)
    figures = {"figure5.png", "curves-trivial-paintings.png", "contact-trivial-paintings.jpg"}
    assert names_in(tmp_path / "out" / "figures") == figures | {"extremes-trivial-paintings.jpg", "ab-histograms.png"}
    assert names_in(tmp_path / "out") == {"metrics.csv", "tables", "REPRODUCTION.md", "figures"}
    assert "`trivial-paintings`" not in (tmp_path / "out" / "REPRODUCTION.md").read_text()  # of no claim
    assert "REPRODUCTION.md: written, without conventions.json, which is not here" in lines


def test_a_clone_without_pictures_gets_the_same_files(drawn_lists, tmp_path, monkeypatch):
    run = brown_run(tmp_path / "runs" / "trivial-paintings")
    evaluate(tmp_path / "runs", tmp_path / "out", drawn_lists)
    before = snapshot(tmp_path / "out")
    (run.folder / "best.weights.h5").unlink()
    evaluate(tmp_path / "runs", tmp_path / "out", drawn_lists)  # figures from predictions.npz
    assert snapshot(tmp_path / "out") == before
    without_pictures(monkeypatch, drawn_lists)
    _, lines = evaluate(tmp_path / "runs", tmp_path / "out")
    assert snapshot(tmp_path / "out") == before
    assert "other figures: unchanged, the test pictures are not here" in lines


def test_a_run_with_predictions_and_without_scores_is_no_error(drawn_lists, tmp_path):
    """As in a clone: predictions.npz is committed, weights are not, and a new folder of results has no rows."""
    run = brown_run(tmp_path / "runs" / "trivial-paintings")
    evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists)
    (run.folder / "best.weights.h5").unlink()
    _, lines = evaluate(tmp_path / "runs", tmp_path / "new", drawn_lists, limit=2)
    assert (
        "extremes-trivial-paintings.jpg: not drawn, the run has no scored predictions of pictures that are here"
        in lines
    )
    assert (tmp_path / "new" / "figures" / "contact-trivial-paintings.jpg").is_file()


@pytest.mark.parametrize("left", ["coco", "ood", "nothing"])
def test_partial_predictions_and_lists_are_no_error(drawn_lists, tmp_path, left):
    run = brown_run(tmp_path / "runs" / "trivial-paintings")
    evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists)
    (run.folder / "best.weights.h5").unlink()
    path = predictions.file_of(run.folder)
    predictions.write(path, {name: part for name, part in predictions.read(path).items() if name == left})
    for name in {"paintings", "coco", "ood"} - {left, "coco"}:
        (drawn_lists / name).rename(drawn_lists / f"{name}-gone")
    _, lines = evaluate(tmp_path / "runs", tmp_path / "new", drawn_lists)
    assert "ab-histograms.png: drawn" in lines
    evaluate(tmp_path / "runs", tmp_path / "new")


def test_scores_of_a_user_s_own_folder_stand_in_the_tables(drawn_lists, tmp_path):
    own_run(tmp_path / "runs" / "mine", own_folder(tmp_path / "album"), ["photo_1.png", "photo_4.png"])
    evaluate(tmp_path / "runs", tmp_path / "out", drawn_lists)
    summary = (tmp_path / "out" / "tables" / "summary.md").read_text()
    assert "| album (n=2) | One learned color" in summary
    assert "| album (n=2) | mean-color | album |" in summary
    lists = pd.read_csv(tmp_path / "out" / "tables" / "lists.csv")
    assert set(lists.n[lists.test_set == "album"]) == {2}
    assert "| album | 2 | MSE (ab/128) |" in (tmp_path / "out" / "tables" / "table2.md").read_text()
    assert (tmp_path / "out" / "figures" / "contact-mine.jpg").is_file()


def test_every_page_carries_the_note(drawn_lists, tmp_path):
    brown_run(tmp_path / "runs" / "trivial-paintings")
    result = evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists, limit=1)
    build.write(result, tmp_path / "out", "--limit 1: not the whole lists.")
    pages = [*(tmp_path / "out" / "tables").glob("*.md"), tmp_path / "out" / "REPRODUCTION.md"]
    assert len(pages) == 7
    assert all("--limit 1: not the whole lists." in page.read_text() for page in pages)
    assert "(paintings n=1, coco n=1, ood n=1)" in (tmp_path / "out" / "tables" / "table4.md").read_text()


def test_the_committed_pages_are_filled_in(tmp_path, monkeypatch):
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COLORIZER_DATA", raising=False)
    canned_run(tmp_path / "results" / "runs" / "trivial-paintings", "trivial")
    empty = "<!-- results:start -->\n<!-- results:end -->\n"
    (tmp_path / "README.md").write_text(empty)
    (tmp_path / "results" / "README.md").write_text(empty.replace("results", "runs"))
    lines = build.fill_in(evaluator.evaluate(tmp_path / "results" / "runs"), tmp_path / "results")
    assert lines[:2] == ["README.md: table of results filled in", "README.md: table of runs filled in"]
    assert "| Method | Trained on |" in (tmp_path / "README.md").read_text()
    records = (tmp_path / "results" / "README.md").read_text()
    assert "| trivial-paintings | One learned color" in records and "--only efficientnet-coco-256`" in records
