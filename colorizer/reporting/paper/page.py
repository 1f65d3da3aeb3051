"""results/REPRODUCTION.md: which of the paper's claims reproduce, which do not, and what nobody can know."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from colorizer import atomic_files
from colorizer.config import CUT, STOPPED, TrainConfig
from colorizer.evaluation.runs import Run
from colorizer.reporting import markdown
from colorizer.reporting.paper import claims, evidence, plausibility, template
from colorizer.reporting.paper.evidence import Evidence
from colorizer.reporting.paper.published import TABLE2, TABLE4

PAGE = "REPRODUCTION.md"
_ONE_SEED = "every run was made with one seed. Intervals are over pictures."
_SEEDS = "`tables/` show it for the rows that were made with several. Intervals are over pictures."
_NOT_MEASURED = "Not measured: `python -m experiments.metric_conventions` needs the test pictures."


def table(judged: Iterable[claims.Claim]) -> str:
    """Renders the claims and their verdicts."""
    header = ["The paper says", "It prints", "We find", "Trivial baselines, or the truth", "Verdict"]
    judged = list(judged)
    verdicts = (
        f"**{c.verdict}**" + (f"; {c.why}" if c.why else "") + (f"; to close it: `{c.closing}`" if c.closing else "")
        for c in judged
    )
    rows = ([c.statement, c.printed, c.ours, c.floor, verdict] for c, verdict in zip(judged, verdicts, strict=True))
    return markdown.table(header, rows)


def counts(judged: Iterable[claims.Claim]) -> str:
    """Counts the verdicts, in one sentence."""
    verdicts = [c.verdict for c in judged]
    order = [*claims.VERDICTS, *sorted({v for v in verdicts if v.startswith(claims.OPEN)})]
    return f"Of {len(verdicts)} claims: {'; '.join(f'{verdicts.count(v)} {v}' for v in order if v in verdicts)}."


def _runs(known: Evidence) -> str:
    header, rows = ["Run", "Method", "Trained on", "Epochs", "Images", "Pixels", "Classifier"], []
    for (method, trained_on), run in sorted(known.runs.items()):
        if (method in TABLE4 and trained_on in TABLE2) or method == claims.OURS:
            size, cut = run.config["image_size"], ", cut" if run.ending == CUT else ""
            epochs = f"{run.summary['epochs_done']} of the paper's {TrainConfig.epochs}{cut}"
            epochs = markdown.epochs_of(run) if run.ending == STOPPED else epochs
            epochs = f"[{epochs}](figures/curves-{run.name}.png)"
            row = [f"`{run.name}`", markdown.title_of(method), trained_on, epochs, run.summary["train_images"]]
            rows.append([*row, f"{size}x{size}", run.classifier])
    return markdown.table(header, rows) if rows else "No run is finished."


def render(known: Evidence, note: str = "") -> str:
    """Renders the page; `note` is a sentence that it must carry, such as that the lists were limited."""
    judged = claims.judge(known)
    parts = {"counts": counts(judged), "runs": _runs(known), "claims": table(judged)}
    parts |= {"numbers": plausibility.numbers(known), "conventions": known.conventions or _NOT_MEASURED}
    parts |= {"near": claims.NEAR, "brown": claims.BROWN, "alike": claims.ALIKE}
    trainings = {(run.recipe, run.seed) for run in known.by_name.values()}
    parts["seeds"] = _ONE_SEED if len({recipe for recipe, _ in trainings}) == len(trainings) else _SEEDS
    parts |= {"epochs": TrainConfig.epochs, "classifier": TrainConfig.classifier, "marked": markdown.MARKED}
    title, _, rest = template("page.md").format(**parts).partition("\n")
    return f"{title}\n\n**{note}**\n{rest}" if note else f"{title}\n{rest}"


def write(runs: Iterable[Run], scores: pd.DataFrame, output: Path, note: str = "", records: Path | None = None) -> str:
    """Writes the page beside the tables.

    Args:
        runs: the finished runs.
        scores: metrics.csv.
        output: the folder of results.
        note: a sentence that the page must carry; "" for none.
        records: a further folder of results, as in `evidence.read`.

    Returns:
        A line that says so.
    """
    known = evidence.read(runs, scores, output, records)
    atomic_files.write_text(output / PAGE, render(known, note))
    return f"{PAGE}: written" + ("" if known.measured else ", without conventions.json, which is not here")
