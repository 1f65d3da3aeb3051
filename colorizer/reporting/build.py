"""Tables, pages and figures, from the scores of an evaluation."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from colorizer import atomic_files, experiments
from colorizer.evaluation import scores as score_table
from colorizer.evaluation import statistics, test_sets
from colorizer.evaluation.evaluator import Evaluation
from colorizer.reporting import ablation_table, front_table, markdown, run_list, table_pages, tables
from colorizer.reporting.cards import model_card, preset_list
from colorizer.reporting.figures import gallery
from colorizer.reporting.paper import page

SUMMARY = "summary.md"


def write(
    result: Evaluation, output: Path, note: str = "", summary: bool = True, records: Path | None = None
) -> list[str]:
    """Writes metrics.csv, tables/, REPRODUCTION.md and figures/ into a folder.

    Args:
        result: from `evaluator.evaluate`.
        output: the folder.
        note: a sentence that every page must carry, such as that the lists were limited.
        summary: whether tables/summary.md, the means of all runs, is written too.
        records: the committed results, for records that `output` lacks; None for none.

    Returns:
        What was done, a line for each page and figure.
    """
    scores = result.scores
    score_table.write(output / score_table.FILE, scores)
    write_tables(result.runs, scores, output, note)
    if summary:
        atomic_files.write_text(output / "tables" / SUMMARY, table_pages.headline(tables.headline(scores), note))
    lines = [page.write(result.runs, scores, output, note, records)]
    view = gallery.Gallery(result.runs, result.pictures, result.predictions)
    figure5 = test_sets.figure5() if result.figure5 else []
    return lines + gallery.draw(result.runs, view, scores, output / "figures", figure5)


def write_tables(runs, scores: pd.DataFrame, output: Path, note: str = "") -> str:
    """Writes Tables 1-4 and that of ablations as CSV and Markdown, and the CSV of intervals and differences.

    Ablations stand in their own table only.

    Args:
        runs: the finished runs.
        scores: metrics.csv.
        output: the folder of results.
        note: as in `write`.

    Returns:
        The five tables as Markdown.
    """
    runs = list(runs)
    comparison = statistics.compare(runs, scores)
    no_ablations = [run for run in runs if not experiments.is_ablation(run.name)]
    staged = [run.name for run in no_ablations if run.has_earlier_stages]
    data = {
        "table1": tables.table1(no_ablations),
        "table2": tables.table2(no_ablations),
        "table3": tables.table3(no_ablations, scores),
        "table4": tables.table4(no_ablations, scores),
        "ablation": ablation_table.table(runs, comparison),
    }
    texts = {
        "table1": table_pages.table1(data["table1"], note, staged),
        "table2": table_pages.table2(data["table2"], comparison, note),
        "table3": table_pages.table3(data["table3"], comparison, note),
        "table4": table_pages.table4(data["table4"], comparison, note),
        "ablation": ablation_table.render(data["ablation"], note),
    }
    for name, text in texts.items():
        atomic_files.write_text(output / "tables" / f"{name}.md", text)
    records = data | comparison._asdict()
    if comparison.seeds.empty:  # no recipe has several seeds
        del records["seeds"]
        (output / "tables" / "seeds.csv").unlink(missing_ok=True)
    for name, table in records.items():
        with atomic_files.replacing(output / "tables" / f"{name}.csv") as part:
            table.to_csv(part, index=False)
    return "\n".join(texts.values())


def fill_in(result: Evaluation, output: Path) -> list[str]:
    """Fills in the committed pages beside `output`, its own README.md, and the package's list of presets.

    Args:
        result: from `evaluator.evaluate`.
        output: the folder of the committed results.

    Returns:
        What was done, a line for each page.
    """
    scores, readme, lines = result.scores, output.resolve().parent / "README.md", []
    headline = table_pages.headline(tables.headline(scores, result.runs))
    pages = (
        (readme, "results", front_table.render(result.runs, scores)),
        (output / "README.md", "results", headline),
        (output / "README.md", "runs", run_list.render(result.runs)),
    )
    for path, name, text in pages:
        if markdown.put_between_markers(path, name, text):
            lines.append(f"{path.name}: table of {name} filled in")
    lines += preset_list.write(readme.parent, result.runs, scores)
    return lines + model_card.fill_in(readme.with_name(model_card.PAGE), result.runs, scores)
