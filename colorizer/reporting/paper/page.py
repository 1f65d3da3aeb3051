"""results/REPRODUCTION.md: what of the paper holds, what does not, and what nobody can know.

Made from records alone: metrics.csv, the runs' records and predictions.npz, and conventions.json.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from colorizer import atomic_files
from colorizer.config import TrainConfig
from colorizer.evaluation.runs import Run
from colorizer.reporting import markdown
from colorizer.reporting.paper import claims, evidence, plausibility, published, text_claims
from colorizer.reporting.paper.evidence import Facts

PAGE = "REPRODUCTION.md"

_INTRODUCTION = f"""\
What "Image Colorization Enhancement using Transfer Learning" claims, claim by claim, beside what our runs show. This
page is written by `python evaluate.py` from `metrics.csv`, the records in `runs/` and `conventions.json` (`python -m
colorizer.conventions`); pictures and weights are not needed, and no number here is typed by hand.

A verdict follows from the numbers by the rules of `colorizer/reporting/paper/claims.py`:

- **{claims.YES}**: a number within {claims.NEAR:.0%} of the paper's, or a difference of the paper's sign whose 95 %
  interval excludes zero, and no predictor that looks at nothing does the same.
- **{claims.EMPTY}**: it agrees, and so does a predictor that looks at nothing (no colour at all, or one
  mean colour everywhere). Such an agreement is no evidence that a network has learnt anything, neither theirs nor ours.
- **{claims.NO}**: further off, or the other way round. It says that we did not find it, not that the paper did not.
- **{claims.UNDECIDED}**: the interval of a difference holds zero.
- **{claims.UNKNOWN}**: the paper does not say enough, or nothing was measured.
- **{claims.OPEN}**: a run behind it has fewer epochs than the paper's {TrainConfig.epochs}; what follows is how it
  looks so far, and may turn with a longer run.
"""

_UNKNOWABLE = """\
- Which eight pictures Tables 3 and 4 are about, and which of them are paintings. Ours are in `colorizer/figure5.txt`.
- The layers of the network, its learning rate, the split, and what was resized how: README says what we chose.
- Its initial weights. With those that Keras gives when nothing is said, our encoder died and every picture got one
  brown tint (`efficientnet-coco`; [alive.jsonl](experiments/alive.jsonl)). It would explain brown pictures, and is not
  needed for them: with He's weights, with which ours begin since, our run on paintings is brown too. That it happened
  to theirs is a guess, whatever they began with.
- The code of its metrics. What is said above about conventions is what would fit, not what was done.
- How the three earlier systems were trained for Table 4. Ours are trained from scratch on the same split as the rest.
- Its paintings: the Kaggle set was not at hand. Ours are others, and may be more colourful.
- What EfficientNet-B4's own vector is worth here, where the runs above name another classifier: its weights were not at
  hand.
- How much the outcome of a training varies from seed to seed: every run was made once. Intervals are over pictures.
- Whether a picture pleases: nobody was asked.
"""


def judge(known: Facts) -> list[claims.Claim]:
    """All claims with their verdicts. Source: §IV, §V, Tables 2-4."""
    return claims.of_tables(known) + text_claims.of_text(known)


def table(judged: Iterable[claims.Claim]) -> str:
    """The claims as a Markdown table. Source: ours."""
    header = ["The paper says", "It prints", "We find", "Looking at nothing, or the truth", "Verdict"]
    rows = [[c.said, c.printed, c.found, c.floor, f"**{c.verdict}**" + (f"; {c.why}" if c.why else "")] for c in judged]
    return markdown.markdown(header, rows)


def counts(judged: Iterable[claims.Claim]) -> str:
    """How many claims have which verdict, in one sentence. Source: ours."""
    verdicts = [c.verdict for c in judged]
    order = [*claims.VERDICTS, *sorted({v for v in verdicts if v.startswith(claims.OPEN)})]
    told = [f"{verdicts.count(v)} {v}" for v in order if v in verdicts]
    return f"Of {len(verdicts)} claims: {'; '.join(told)}."


def behind(known: Facts) -> str:
    """The runs that the claims are judged by, as a Markdown table. Source: ours."""
    header = ["Run", "Method", "Trained on", "Epochs", "Images", "Pixels", "Classifier"]
    rows = []
    for (method, trained_on), run in sorted(known.runs.items()):
        if (method in published.TABLE4 and trained_on in published.TABLE2) or method == text_claims.OURS:
            told = [f"`{run.name}`", markdown.title_of(method), trained_on]
            told.append(f"{run.summary['epochs_done']} of the paper's {TrainConfig.epochs}")
            size = run.config["image_size"]
            rows.append([*told, run.summary["train_images"], f"{size}x{size}", run.classifier])
    return markdown.markdown(header, rows) if rows else "No run is finished."


def render(known: Facts, note: str = "") -> str:
    """The whole page.

    Args:
        known: what there is to judge by.
        note: a sentence that the page must carry, as that the lists were cut.

    Returns:
        Markdown.

    Source: ours.
    """
    judged = judge(known)
    parts = ["# What of the paper reproduces", f"**{note}**" if note else "", _INTRODUCTION, counts(judged)]
    parts += ["## The runs behind it", behind(known)]
    parts.append(
        "Every network was trained at the size in the column and is scored at 256x256. Where the classifier is not "
        f"{TrainConfig.classifier}, the setting is not the paper's, however long the run."
    )
    parts += ["## Claim by claim", table(judged), f"- {markdown.MARKED}\n- {_BROWN}"]
    parts += ["## The paper's own numbers", plausibility.render(known)]
    parts += ["## What cannot be known", _UNKNOWABLE]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


_BROWN = (
    "Brown: the share of hues between red-orange and yellow among pixels that have a hue "
    f"(`colorizer/reporting/paper/metric_conventions.py`); mostly brown: {text_claims.BROWN:.0%} or more, and more "
    "than the truth. Like the originals: "
    f"not mostly brown, and {text_claims.ALIKE:.0%} of the truth's colourfulness or more. The paper judges by eye. "
    "One mean colour everywhere is brown too: that a network is brown does not tell it from that."
)


def write(found: Iterable[Run], scores: pd.DataFrame, output: Path, note: str = "") -> str:
    """Writes the page beside the tables.

    Args:
        found: the finished runs.
        scores: metrics.csv.
        output: the folder of results; conventions.json is looked for there.
        note: as `render`.

    Returns:
        A line for the report.

    Source: ours.
    """
    known = evidence.read(found, scores, output)
    atomic_files.write_text(output / PAGE, render(known, note))
    return f"{PAGE}: written" + ("" if known.measured else "; without conventions.json, which is not here")
