"""What the paper's tables claim, one by one, with our number and that of predictors that look at nothing beside it.

Verdicts follow from the numbers by the rules written here, so that a longer run changes them by itself. A number
that one colour everywhere, or none, reaches too proves nothing of a network, however near it is to the paper's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from colorizer.config import TrainConfig
from colorizer.evaluation.runs import FIGURE5, TEST_LISTS, Run
from colorizer.reporting import markdown
from colorizer.reporting.paper import published
from colorizer.reporting.paper.evidence import Facts, apart

YES, NO, EMPTY = "reproduced", "not reproduced", "agrees, but proves nothing"
UNDECIDED, UNKNOWN = "undecided", "cannot be tested"
VERDICTS = (YES, NO, EMPTY, UNDECIDED, UNKNOWN)
OPEN = "open"
_SO_FAR = {YES: "agrees so far", NO: "differs so far", EMPTY: "agrees so far, but proves nothing", UNDECIDED: UNDECIDED}
NEAR = 0.1  # relative distance up to which a number counts as the paper's


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes:
        said: what the paper says.
        printed: the numbers it prints for it.
        found: ours.
        floor: what predictors that look at nothing reach.
        verdict: one of `VERDICTS`, or "open: ..." where a run behind it is shorter than the paper's.
        why: what the verdict needs to be understood, or "".
    """

    said: str
    printed: str
    found: str
    floor: str
    verdict: str
    why: str = ""


def so_far(verdict: str, *among: Run | None) -> str:
    """A verdict, or what can be said instead where a run has fewer epochs than the paper's.

    Args:
        verdict: one of `VERDICTS`.
        among: the runs behind it; None for one that is not there.

    Returns:
        `verdict`, or "open: ...". What cannot be tested stays so, however long a run is.

    Source: ours.
    """
    if verdict == UNKNOWN or all(run is None or run.summary["epochs_done"] >= TrainConfig.epochs for run in among):
        return verdict
    return f"{OPEN}: {_SO_FAR[verdict]}"


def number(ours: float, printed: float, floors: Iterable[float], less_is_better: bool) -> str:
    """Whether a number is the paper's.

    Args:
        ours, printed: in the same unit.
        floors: of predictors that look at nothing.
        less_is_better: of an error.

    Returns:
        `NO` where ours is further than 10 % from the paper's; `EMPTY` where a floor is as near, or better than it.

    Source: ours.
    """

    def near(value):
        return abs(value - printed) <= NEAR * abs(printed)

    if not near(ours):
        return NO
    empty = any(near(f) or (f < printed if less_is_better else f > printed) for f in floors)
    return EMPTY if empty else YES


def ordered(gaps: Iterable[tuple[float, float, float]], floor_gaps: Iterable[float] = ()) -> str:
    """Whether differences have the paper's sign.

    Args:
        gaps: (mean, low, high) each, positive where the paper is right.
        floor_gaps: the same differences of predictors that look at nothing.

    Returns:
        `YES` where every interval is above zero, `NO` where one is below, else `UNDECIDED`; `EMPTY` instead of
        `YES` where all floors differ in the same way: then it is the pictures. `UNKNOWN` without any gap.

    Source: ours.
    """
    gaps, floor_gaps = [g for g in gaps if not np.isnan(g[0])], list(floor_gaps)
    if not gaps:
        return UNKNOWN
    if any(high < 0 for _, _, high in gaps):
        return NO
    if any(low <= 0 for _, low, _ in gaps):
        return UNDECIDED
    return EMPTY if floor_gaps and all(gap > 0 for gap in floor_gaps) else YES


def of_tables(facts: Facts) -> list[Claim]:
    """The claims that Tables 2-4 make, with their verdicts, in the paper's order. Source: §IV, Tables 2-4."""
    parts = (_validation, _easier, _eight, _better_on_paintings, _ranking)
    return [claim for part in parts for claim in part(facts)]


def _validation(facts: Facts) -> Iterator[Claim]:
    """Table 2, number by number."""
    for trained_on, (hours, mse, accuracy) in published.TABLE2.items():
        run = facts.proposed(trained_on)
        head = f"Table 2, trained on {trained_on}"
        printed = {"mse": (mse, 1, ".4f", "validation MSE"), "accuracy": (accuracy, 100, ".1f", "accuracy (%)")}
        for key, (value, factor, form, name) in printed.items():
            if run is None:
                yield Claim(f"{head}: {name}", f"{value:g}", "not run", "", UNKNOWN)
                continue
            ours, grey, mean = (factor * run.summary[f"val_{key}{end}"] for end in ("", "_all_grey", "_mean_colour"))
            verdict = number(ours, value, (grey, mean), key == "mse")
            floor = f"all-grey {grey:{form}}, mean-colour {mean:{form}}"
            better = ours < value if key == "mse" else ours > value
            why = "ours is the better one" if verdict == NO and better else ""
            yield Claim(f"{head}: {name}", f"{value:g}", f"{ours:{form}}", floor, so_far(verdict, run), why)
        told = f"{run.summary['runtime_hours']:.2f} for {run.summary['epochs_done']} epochs" if run else "not run"
        told += f", {run.summary['device']}" if run else ""
        yield Claim(f"{head}: hours", f"{hours:g}", told, "", UNKNOWN, "its hardware is not stated")


def _easier(facts: Facts) -> Iterator[Claim]:
    """Table 2's comparison of the two trainings."""
    both = [facts.proposed(t) for t in ("paintings", "coco")]
    for index, (key, said) in enumerate((("mse", "error is lower"), ("accuracy", "accuracy is higher")), start=1):
        printed = [published.TABLE2[t][index] for t in ("paintings", "coco")]
        said = f"Table 2: the validation {said} for paintings than for COCO"
        told = "{:g} against {:g}".format(*printed)
        if None in both:
            yield Claim(said, told, "not run", "", UNKNOWN)
            continue
        factor, form = (1, ".4f") if key == "mse" else (100, ".1f")
        sign = -1 if key == "mse" else 1
        pairs = {e: [factor * run.summary[f"val_{key}{e}"] for run in both] for e in ("", "_all_grey", "_mean_colour")}
        gaps = {end: sign * (a - b) for end, (a, b) in pairs.items()}
        texts = {end: f"{a:{form}} against {b:{form}}" for end, (a, b) in pairs.items()}
        verdict = ordered([(gaps[""],) * 3], [gaps["_all_grey"], gaps["_mean_colour"]])
        floor = f"all-grey {texts['_all_grey']}, mean-colour {texts['_mean_colour']}"
        yield Claim(said, told, texts[""], floor, so_far(verdict, *both), "the records keep means only: no interval")


def _eight(facts: Facts) -> Iterator[Claim]:
    """The values of Tables 3 and 4, whose pictures nobody knows."""
    runs = {f"Table 3, trained on {t}": (facts.proposed(t), *published.TABLE3[t]) for t in published.TABLE3}
    others = [method for method in published.TABLE4 if method != TrainConfig.method]
    for method in others:
        name = markdown.title_of(method)
        runs[f"Table 4, {name}"] = (facts.runs.get((method, "paintings")), None, published.TABLE4[method])
    for said, (run, psnr, ssim) in runs.items():

        def text(predictor, psnr=psnr):
            values = [facts.mean(predictor, FIGURE5, m) for m in ("psnr_rgb", "ssim_rgb")] if predictor else [np.nan]
            if np.isnan(values[-1]):
                return "no predictions"
            return (f"{values[0]:.1f} dB, " if psnr else "") + f"{100 * values[1]:.1f} %"

        printed = (f"{np.mean(psnr):.1f} dB, " if psnr else "") + f"{np.mean(ssim):.1f} %"
        what = "PSNR and SSIM" if psnr else "SSIM"
        floor = f"all-grey {text('all_grey')}"
        why = "its eight pictures are not identified, ours are others"
        yield Claim(f"{said}: mean {what} of eight pictures", printed, text(run), floor, UNKNOWN, why)


def _better_on_paintings(facts: Facts) -> Iterator[Claim]:
    """Table 3's comparisons between the two trainings, and between kinds of pictures."""
    paintings, coco = facts.proposed("paintings"), facts.proposed("coco")
    for index, measure in enumerate(("psnr_rgb", "ssim_rgb")):
        said = f"Table 3: {markdown.MEASURES[measure][0]} is higher when trained on paintings than on COCO"
        printed = "means {:.1f} and {:.1f}".format(
            *(np.mean(published.TABLE3[t][index]) for t in ("paintings", "coco"))
        )
        if not (paintings and coco):
            yield Claim(said, printed, "not run", "", UNKNOWN)
            continue
        gaps = {t: facts.paired(paintings, coco, t, measure) for t in TEST_LISTS}
        means = {t: [facts.mean("mean_colour", t, measure, s) for s in ("paintings", "coco")] for t in TEST_LISTS}
        floor_gaps = {t: a - b for t, (a, b) in means.items()}
        found = "; ".join(f"{t}: {markdown.difference(measure, *g)}" for t, g in gaps.items() if not np.isnan(g[0]))
        floor = "mean-colours: " + "; ".join(f"{t} {_gap(measure, g)}" for t, g in floor_gaps.items())
        yield Claim(
            said,
            printed,
            f"paintings' minus COCO's, {found}" if found else "no predictions",
            floor,
            so_far(ordered(gaps.values(), floor_gaps.values()), paintings, coco),
        )
    yield from _better_on_its_own(facts, paintings)


def _better_on_its_own(facts, run):
    """Trained on paintings: paintings against the other test lists."""
    said = "Table 3: trained on paintings, PSNR is higher on paintings than on other pictures"
    values = published.TABLE3["paintings"][0]
    printed = f"{', '.join(map(str, values[:4]))} and {', '.join(map(str, values[4:]))}"
    why = "that the first four are the paintings is our reading"
    if not run:
        yield Claim(said, printed, "not run", "", UNKNOWN, why)
        return

    def of(predictor):
        by_list = {t: facts.values(predictor, t, "psnr_rgb") for t in TEST_LISTS}
        by_list = {t: v[np.isfinite(v)] for t, v in by_list.items()}
        by_list = {t: v for t, v in by_list.items() if len(v) > 1}
        own = by_list.get("paintings", [])
        gaps = [apart(own, v) for t, v in by_list.items() if t != "paintings"] if len(own) else []
        return "; ".join(f"{t} {v.mean():.2f} dB" for t, v in by_list.items()), gaps

    found, gaps = of(run)
    floor, floor_gaps = of("all_grey")
    verdict = ordered(gaps, [gap for gap, _, _ in floor_gaps])
    yield Claim(said, printed, found or "no predictions", f"all-grey {floor}", so_far(verdict, run), why)


def _gap(measure, value):
    _, factor, form = markdown.MEASURES[measure]
    return markdown.number(factor * value, f"+{form}") or "unknown"


def _ranking(facts: Facts) -> Iterator[Claim]:
    """What the text makes of Table 4."""
    here = {m: facts.runs.get((m, "paintings")) for m in published.TABLE4}
    first_four = {m: values[:4] for m, values in published.TABLE4.items()}
    least = min(min(values) for values in first_four.values())
    ours = {m: 100 * facts.mean(run, "paintings", "ssim_rgb") for m, run in here.items() if run}
    grey = 100 * facts.mean("all_grey", "paintings", "ssim_rgb")
    complete = len(ours) == len(here) and not np.isnan(list(ours.values())).any()
    verdict = UNKNOWN if not complete else NO if min(ours.values()) < least else EMPTY if grey >= least else YES
    yield Claim(
        "Table 4: all four systems have a good SSIM on paintings",
        f"{least} % or more on the first four pictures",
        _means(ours) or "not run",
        f"all-grey {grey:.1f}",
        so_far(verdict, *here.values()),
        "the paper does not say what is good; its lowest value is taken",
    )
    paintings = {m: np.mean(values) for m, values in first_four.items()}
    yield from _order(facts, here, "on paintings", ("paintings",), paintings, list(paintings))
    rest = {m: np.mean(values[4:]) for m, values in published.TABLE4.items()}
    winners = ("let_there_be_color", "colorful")
    yield from _order(facts, here, "on other pictures", ("coco", "ood"), rest, winners)


def _order(facts, here, where, test_sets, printed: Mapping[str, float], winners):
    """Pair by pair: every winner over every system that the paper prints a lower mean for, and is no winner."""
    losers = [m for m in printed if m not in winners] or list(printed)
    pairs = [(a, b) for a in winners for b in losers if a != b and printed[a] > printed[b]]
    known = [(a, b) for a, b in pairs if here[a] and here[b]]
    gaps = [facts.paired(here[a], here[b], t, "ssim_rgb") for a, b in known for t in test_sets]
    gaps = [g for g in gaps if not np.isnan(g[0])]
    agree, reverse = sum(low > 0 for _, low, _ in gaps), sum(high < 0 for _, _, high in gaps)
    found = [
        f"{t}: " + _means({m: 100 * facts.mean(r, t, "ssim_rgb") for m, r in here.items() if r}) for t in test_sets
    ]
    chance = len(gaps) - agree - reverse
    yield Claim(
        f"Table 4: the order of the systems by SSIM (%) {where}",
        _means(printed),
        "; ".join(found),
        ", ".join(f"all-grey {100 * facts.mean('all_grey', t, 'ssim_rgb'):.1f} ({t})" for t in test_sets),
        so_far(ordered(gaps) if len(known) == len(pairs) else UNKNOWN, *here.values()),
        f"differences: {agree} agree, {reverse} the other way round, {chance} within chance" if gaps else "",
    )


def _means(by_method):
    """`Let there be Color 93.5, ...`, the highest first."""
    return ", ".join(
        f"{markdown.title_of(m)} {by_method[m]:.1f}" for m in sorted(by_method, key=lambda m: -by_method[m])
    )
