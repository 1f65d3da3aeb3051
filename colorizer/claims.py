"""The paper's claims, one by one, with our number beside each: the tables of results/REPRODUCTION.md.

Verdicts follow from the numbers by the rules written here, so that a longer run changes them by itself. A claim is
"open" where our run has fewer epochs than the paper's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from colorizer import cells, comparison, conventions, metrics, paper, runs
from colorizer.config import TrainConfig
from colorizer.runs import NONE, TEST_LISTS, Run

YES, NO, UNKNOWN = "reproduced", "not reproduced", "cannot be tested"
_OPEN = {YES: "open; agrees so far", NO: "open; differs so far", UNKNOWN: "open"}
_NEAR = 0.1  # relative distance up to which a number counts as the paper's
_BROWN = 0.75  # share of brown among coloured pixels from which a picture list is "mostly brown"


@dataclass(frozen=True)
class Claim:
    """One claim: what the paper says and prints, what we found, and whether that agrees."""

    said: str
    printed: str
    found: str
    verdict: str


class Facts:
    """What the claims are judged by.

    Args:
        found: the finished runs.
        scores: metrics.csv.
        measured: conventions.json, or {}.
        predictions: run -> test list -> (h, w, ...) ab/128, of the runs that keep them.
    """

    def __init__(self, found: Iterable[Run], scores: pd.DataFrame, measured: Mapping, predictions: Callable):
        self.runs = runs.chosen(found)
        self.scores, self.measured, self.predictions = scores, measured, predictions
        self.compared = comparison.compare(list(self.runs.values()), scores)

    def run(self, method: str, trained_on: str) -> Run | None:
        """The run that stands for a method and a training set."""
        return self.runs.get((method, trained_on))

    def proposed(self, trained_on: str) -> Run | None:
        """The paper's network."""
        return self.run(TrainConfig.method, trained_on)

    def mean(self, run: str, method: str, test_set: str, measure: str, trained_on: str | None = None):
        """(mean, low, high) over a test list; NaN where nothing is known."""
        t = self.compared.lists
        t = t[(t.run == run) & (t.method == method) & (t.test_set == test_set) & (t.measure == measure)]
        t = t if trained_on is None else t[t.trained_on == trained_on]
        return tuple(t.iloc[0][["mean", "low", "high"]]) if len(t) else (float("nan"),) * 3

    def of(self, run: Run, test_set: str, measure: str):
        """`mean` of a run's own predictions."""
        return self.mean(run.name, run.method, test_set, measure)

    def grey(self, test_set: str, measure: str):
        """`mean` of all-grey."""
        return self.mean(NONE, "all_grey", test_set, measure)

    def paired(self, one: Run, other: Run, test_set: str, measure: str):
        """(mean, low, high) of one run minus another on the same pictures."""
        here = self.scores[self.scores.test_set == test_set]
        a, b = (
            here[(here.run == r.name) & (here.method == r.method)].set_index("image")[measure] for r in (one, other)
        )
        gaps = (a - b).dropna()
        gaps = gaps[np.isfinite(gaps)]
        return (gaps.mean(), *metrics.bootstrap_interval(gaps)) if len(gaps) else (float("nan"),) * 3


def so_far(verdict: str, *among: Run | None) -> str:
    """A verdict, or what can be said instead where a run has fewer epochs than the paper's."""
    short = [r for r in among if r and r.summary["epochs_done"] < TrainConfig.epochs]
    if not short:
        return verdict
    told = ", ".join(f"`{r.name}` {r.summary['epochs_done']}" for r in short)
    return f"{_OPEN[verdict]} (of {TrainConfig.epochs} epochs: {told})"


def _near(ours, theirs):
    return abs(ours - theirs) <= _NEAR * abs(theirs)


def _validation(facts: Facts):
    """Table 2, number by number."""
    for trained_on, (_, mse, accuracy) in paper.TABLE2.items():
        run = facts.proposed(trained_on)
        for what, printed, key, factor, form in (
            ("MSE", mse, "val_mse", 1, ".4f"),
            ("accuracy (%)", accuracy, "val_accuracy", 100, ".1f"),
        ):
            said = f"Table 2: trained on {trained_on}, validation {what}"
            if not run:
                yield Claim(said, f"{printed:g}", "not run", UNKNOWN)
                continue
            ours, grey, mean = (factor * run.summary[key + end] for end in ("", "_all_grey", "_mean_colour"))
            found = f"{ours:{form}} (all-grey {grey:{form}}, mean-colour {mean:{form}})"
            yield Claim(said, f"{printed:g}", found, so_far(YES if _near(ours, printed) else NO, run))


def _worse_than_nothing(facts: Facts):
    """0.119 and PSNR under 10 dB beside a predictor of no colour."""
    mse = paper.TABLE2["coco"][1]
    grey = facts.scores[(facts.scores.method == "all_grey") & facts.scores.test_set.isin(TEST_LISTS)]
    if grey.empty:
        return
    of_coco = facts.grey("coco", "mse_ab")[0]
    worst = grey.mse_ab.max()
    yield Claim(
        "Table 2: after 100 epochs of minimizing it, the error on COCO is worse than without any colour",
        f"{mse:g}",
        f"all-grey {of_coco:.4f} on our COCO list, the paper's is {mse / of_coco:.1f} times that; all-grey's worst "
        f"single picture of {len(grey)} {worst:.4f}",
        NO if mse > of_coco else YES,
    )
    values = [p for row in paper.TABLE3.values() for p in row[0]]
    least = grey.psnr_rgb.min()
    means = [facts.grey(t, "psnr_rgb")[0] for t in TEST_LISTS]
    low_mean = np.nanmin(means)
    yield Claim(
        "Table 3: PSNR of 6 to 23 dB after colorizing",
        f"{min(values)} to {max(values)} dB",
        f"{sum(v < least for v in values)} of {len(values)} values lie under the lowest PSNR that all-grey has on any "
        f"of {len(grey)} test pictures ({least:.1f} dB), {sum(v < low_mean for v in values)} under its lowest list "
        f"mean ({low_mean:.1f} dB)",
        NO,
    )


def _better_on_paintings(facts: Facts):
    """The comparisons between the two trainings, and between kinds of pictures."""
    paintings, coco = facts.proposed("paintings"), facts.proposed("coco")
    if not (paintings and coco):
        yield Claim("Trained on paintings it does better than trained on COCO", "", "not run", UNKNOWN)
        return
    gains = []
    for run in (paintings, coco):
        ours, grey = run.summary["val_mse"], run.summary["val_mse_all_grey"]
        gains.append(f"{run.trained_on}: {ours:.4f}, {1 - ours / grey:.0%} below all-grey")
    better = paintings.summary["val_mse"] < coco.summary["val_mse"]
    yield Claim(
        "The validation error is lower for paintings than for COCO",
        "{:g} against {:g}".format(*(paper.TABLE2[t][1] for t in ("paintings", "coco"))),
        "; ".join(gains),
        so_far(YES if better else NO, paintings, coco),
    )
    accuracies = [100 * run.summary["val_accuracy"] for run in (paintings, coco)]
    constants = [100 * run.summary["val_accuracy_mean_colour"] for run in (paintings, coco)]
    yield Claim(
        "The accuracy is higher for paintings than for COCO",
        "{:g} against {:g} %".format(*(paper.TABLE2[t][2] for t in ("paintings", "coco"))),
        f"{accuracies[0]:.1f} against {accuracies[1]:.1f} %; one colour everywhere {constants[0]:.1f} and "
        f"{constants[1]:.1f} %",
        so_far(YES if accuracies[0] > accuracies[1] else NO, paintings, coco),
    )
    for measure in ("psnr_rgb", "ssim_rgb"):
        name = cells.MEASURES[measure][0]
        index = ("psnr_rgb", "ssim_rgb").index(measure)
        printed = [np.mean(paper.TABLE3[t][index]) for t in ("paintings", "coco")]
        gaps = {t: facts.paired(paintings, coco, t, measure) for t in TEST_LISTS}
        known = {t: g for t, g in gaps.items() if not np.isnan(g[0])}
        verdict = YES if known and all(g[1] > 0 for g in known.values()) else NO if known else UNKNOWN
        yield Claim(
            f"Table 3: {name} is higher when trained on paintings, on all eight pictures together",
            f"means {printed[0]:.1f} and {printed[1]:.1f}",
            "; ".join(f"{t}: {cells.difference(measure, *g)}" for t, g in known.items()) or "no predictions",
            so_far(verdict, paintings, coco),
        )
    values = {t: (facts.of(paintings, t, "psnr_rgb")[0], facts.grey(t, "psnr_rgb")[0]) for t in TEST_LISTS}
    ours, floor = values["paintings"]
    easier = all(ours - floor > v - f for t, (v, f) in values.items() if t != "paintings")
    yield Claim(
        "Trained on paintings, it does better on paintings than on other pictures (PSNR)",
        "first four of its eight 20 to 23 dB, the others 7 to 15",
        "; ".join(f"{t} {v:.2f} dB, {v - f:+.2f} over all-grey" for t, (v, f) in values.items()),
        so_far(YES if easier and ours == max(v for v, _ in values.values()) else NO, paintings),
    )


def _ranking(facts: Facts):
    """Table 4's order, on paintings and elsewhere."""
    present = {m: facts.run(m, "paintings") for m in paper.TABLE4}
    here = {m: r for m, r in present.items() if r}
    if len(here) < 2:
        return
    printed = sorted(paper.TABLE4, key=lambda m: -np.mean(paper.TABLE4[m]))
    told = ", ".join(f"{cells.title_of(m)} {np.mean(paper.TABLE4[m]):.1f}" for m in printed)
    for test_set in TEST_LISTS:
        ours = {m: 100 * facts.of(r, test_set, "ssim_rgb")[0] for m, r in here.items()}
        order = sorted(ours, key=lambda m: -ours[m])
        grey = 100 * facts.grey(test_set, "ssim_rgb")[0]
        short = any(r.summary["epochs_done"] < TrainConfig.epochs for r in here.values())
        verdict = UNKNOWN if short else YES if order == [m for m in printed if m in ours] else NO
        yield Claim(
            f"Table 4: the order of the four systems by SSIM (%), {test_set}",
            told,
            ", ".join(f"{cells.title_of(m)} {ours[m]:.1f}" for m in order) + f"; all-grey {grey:.1f}",
            so_far(verdict, *here.values()),
        )


def _brown(facts: Facts):
    """What colours come out, beside those of the truth."""
    for trained_on in paper.TABLE2:
        run = facts.proposed(trained_on)
        kept = facts.predictions(run) if run else {}
        for test_set in [t for t in TEST_LISTS if t in kept]:
            ours = conventions.hues(kept[test_set])
            truth = facts.measured.get("lists", {}).get(test_set, {}).get("truth")
            beside = f"; truth: {truth['brown']:.0%}, chroma {truth['chroma']:.1f}" if truth else ""
            colourful = [facts.of(run, test_set, "colourfulness")[0]]
            colourful.append(facts.scores[facts.scores.test_set == test_set].colourfulness_truth.mean())
            told = f"{ours['brown']:.0%} of the coloured pixels, mean a {ours['a']:+.1f}, b {ours['b']:+.1f}, chroma "
            told += f"{ours['chroma']:.1f}{beside}; colourfulness {colourful[0]:.1f}, truth {colourful[1]:.1f}"
            expected = trained_on == "coco" or test_set != "paintings"
            said = "mostly brown" if expected else "good colours, like the originals"
            brown = ours["brown"] >= _BROWN
            yield Claim(
                f"Trained on {trained_on}, {test_set}: {said}",
                "by eye",
                told,
                so_far(YES if brown == expected else NO, run),
            )


def _rest(facts: Facts):
    """Hours, and what the paper does not test."""
    for trained_on, (hours, _, _) in paper.TABLE2.items():
        run = facts.proposed(trained_on)
        s = run.summary if run else {}
        found = f"{s['runtime_hours']:.2f} h for {s['epochs_done']} epochs, {s['device']}" if run else "not run"
        yield Claim(
            f"Table 2: hours of training on {trained_on}", f"{hours:g}", found, f"{UNKNOWN}: its hardware is not stated"
        )
    yield Claim(
        "What the classifier sees helps",
        "not measured: no run without it",
        "tables/ablation.md",
        "cannot be tested against the paper",
    )


PARTS = (_validation, _worse_than_nothing, _better_on_paintings, _ranking, _brown, _rest)


def judge(facts: Facts) -> list[Claim]:
    """All claims with their verdicts, in the paper's order. Source: §IV, §V, Tables 2-4."""
    return [claim for part in PARTS for claim in part(facts)]


def render(claims: Iterable[Claim]) -> str:
    """The claims as Markdown."""
    rows = [[c.said, c.printed, c.found, c.verdict] for c in claims]
    return cells.markdown(["The paper says", "It prints", "We find", "Verdict"], rows) + "\n"


def facts_of(found: Iterable[Run], scores: pd.DataFrame, results: Path) -> Facts:
    """Facts from the folder of results.

    Args:
        found: the finished runs.
        scores: metrics.csv.
        results: may hold conventions.json.

    Returns:
        `Facts`; predictions are read from the runs' folders when asked for.

    Source: ours.
    """
    path = results / conventions.RECORD.name
    measured = json.loads(path.read_text("utf-8")) if path.is_file() else {}

    def predictions(run):
        kept = runs.read_predictions(run.folder / "predictions.npz")
        return {test_set: runs.unshrink(ab) for test_set, (_, ab) in kept.items()}

    return Facts(found, scores, measured, predictions)
