"""The paper's 26 claims, each judged by our runs and by the trivial baselines beside them.

Verdicts follow from the numbers by the rules written here, so a longer run changes them by itself. A number that
all-gray or mean-color reaches too says nothing about a network, however close it is to the paper's.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from colorizer import experiments
from colorizer.config import TrainConfig
from colorizer.evaluation import color_statistics
from colorizer.evaluation.runs import Run
from colorizer.evaluation.scores import FIGURE5, FLOORS, NONE, TEST_LISTS
from colorizer.evaluation.statistics import unpaired
from colorizer.reporting import markdown, run_list
from colorizer.reporting.paper.evidence import Evidence
from colorizer.reporting.paper.published import TABLE2, TABLE3, TABLE4

YES, NO, EMPTY = "reproduced", "not reproduced", "agrees, but proves nothing"
UNDECIDED, UNKNOWN = "undecided", "cannot be tested"
VERDICTS = (YES, NO, EMPTY, UNDECIDED, UNKNOWN)
OPEN = "open"
_SO_FAR = {YES: "agrees so far", NO: "differs so far", EMPTY: "agrees so far, but proves nothing", UNDECIDED: UNDECIDED}
NEAR = 0.1  # relative distance up to which a number counts as the paper's
BROWN = 0.75  # pictures are "mostly brown" from this share of brown hues on, if the truth has less
ALIKE = 0.75  # colors are "like the originals" from this share of the truth's colorfulness on, if they are not brown
OURS = "vit_decoder"
BOTH = ("paintings", "coco")
_ENDS = ("", "_all_grey", "_mean_colour")  # of the keys of a run's summary
_IN_SUMMARY = {"mse": (1, 1, ".4f"), "accuracy": (2, 100, ".1f")}  # place in Table 2, factor, digits


@dataclass(frozen=True)
class Claim:
    """One claim and its verdict.

    Attributes:
        printed: the numbers that the paper prints for it.
        ours: our numbers.
        floor: those of the trivial baselines, or of the truth.
        verdict: one of `VERDICTS`, or "open: ..." where a run behind it was cut before its end.
        why: what a reader needs to understand the verdict, or "".
        statement: what the paper says.
        closing: the command that closes an open verdict, or "".
    """

    printed: str
    ours: str = "not run"
    floor: str = ""
    verdict: str = UNKNOWN
    why: str = ""
    statement: str = ""
    closing: str = ""


def so_far(verdict: str, *runs: Run | None) -> str:
    """Opens a verdict where a run behind it was cut before its end; None stands for a missing run."""
    if verdict == UNKNOWN or all(run is None or run.is_whole for run in runs):
        return verdict
    return f"{OPEN}: {_SO_FAR[verdict]}"


def number(ours: float, printed: float, floors: Iterable[float], less_is_better: bool) -> str:
    """Judges a number: `NO` further than 10 % from the paper's, `EMPTY` where a baseline is as near or better."""

    def near(value):
        return abs(value - printed) <= NEAR * abs(printed)

    if not near(ours):
        return NO
    empty = any(near(f) or (f < printed if less_is_better else f > printed) for f in floors)
    return EMPTY if empty else YES


def ordered(gaps: Iterable[tuple[float, float, float]], floor_gaps: Iterable[float] = ()) -> str:
    """Judges the sign of differences.

    Args:
        gaps: (mean, low, high) each, positive where the paper is right.
        floor_gaps: the same differences of the trivial baselines.

    Returns:
        `YES` where every interval is above zero, `NO` where one is below, else `UNDECIDED`; `EMPTY` instead of
        `YES` where all baselines differ in the same way: then it is the pictures. `UNKNOWN` without any gap.
    """
    gaps, floor_gaps = list(gaps), list(floor_gaps)
    if not gaps:
        return UNKNOWN
    if any(high < 0 for _, _, high in gaps):
        return NO
    if any(low <= 0 for _, low, _ in gaps):
        return UNDECIDED
    return EMPTY if floor_gaps and all(gap > 0 for gap in floor_gaps) else YES


def _floors(texts: Iterable[str]) -> str:
    return ", ".join(f"{markdown.FLOORS[name]} {text}" for name, text in zip(FLOORS, texts, strict=True))


def _differences(gaps: dict, measure: str, form: str) -> str:
    return "; ".join(form.format(t, markdown.difference(measure, *gap)) for t, gap in gaps.items())


def _validation(known: Evidence, trained_on: str, key: str) -> Claim:
    place, factor, form = _IN_SUMMARY[key]
    printed, run = TABLE2[trained_on][place], known.proposed(trained_on)
    if run is None:
        return Claim(f"{printed:g}")
    ours, *floors = (factor * run.summary[f"val_{key}{end}"] for end in _ENDS)
    verdict = number(ours, printed, floors, key == "mse")
    why = "ours is better" if verdict == NO and (ours < printed) == (key == "mse") else ""
    floor = _floors(f"{value:{form}}" for value in floors)
    return Claim(f"{printed:g}", f"{ours:{form}}", floor, so_far(verdict, run), why)


def _hours(known: Evidence, trained_on: str) -> Claim:
    run, why = known.proposed(trained_on), "the paper does not state its hardware"
    ours = "{runtime_hours:.2f} for {epochs_done} epochs, {device}".format(**run.summary) if run else "not run"
    return Claim(f"{TABLE2[trained_on][0]:g}", ours, why=why)


def _easier(known: Evidence, key: str) -> Claim:
    place, factor, form = _IN_SUMMARY[key]
    printed, runs = "{:g} against {:g}".format(*(TABLE2[t][place] for t in BOTH)), [known.proposed(t) for t in BOTH]
    if None in runs:
        return Claim(printed)
    pairs = [[factor * run.summary[f"val_{key}{end}"] for run in runs] for end in _ENDS]
    gap, *floor_gaps = ((b - a if key == "mse" else a - b) for a, b in pairs)
    ours, *floors = (f"{a:{form}} against {b:{form}}" for a, b in pairs)
    verdict = so_far(ordered([(gap,) * 3], [max(floor_gaps)]), *runs)  # one baseline is enough
    return Claim(printed, ours, _floors(floors), verdict, "the records hold means only: no interval")


def _eight(known: Evidence, method: str, trained_on: str) -> Claim:
    psnr, ssim = TABLE3[trained_on] if method == TrainConfig.method else ([0], TABLE4[method])
    form = "{:.1f} dB, {:.1f} %" if method == TrainConfig.method else "{1:.1f} %"

    def measured(predictor):
        psnr, ssim = (known.mean(predictor, FIGURE5, m) for m in ("psnr_rgb", "ssim_rgb"))
        return "no predictions" if np.isnan(ssim) else form.format(psnr, 100 * ssim)

    why = "the paper does not identify its eight pictures; ours are others"
    ours, floor = measured(known.runs.get((method, trained_on))), f"all-gray {measured('all_grey')}"
    return Claim(form.format(np.mean(psnr), np.mean(ssim)), ours, floor, why=why)


def _better_training(known: Evidence, place: int, measure: str) -> Claim:
    printed = "means {:.1f} and {:.1f}".format(*(np.mean(TABLE3[t][place]) for t in BOTH))
    paintings, coco = (known.proposed(t) for t in BOTH)
    if not (paintings and coco):
        return Claim(printed)
    gaps = known.gaps(paintings, coco, measure)
    means = {t: [known.mean("mean_colour", t, measure, of) for of in BOTH] for t in TEST_LISTS}
    floor_gaps = {t: a - b for t, (a, b) in means.items()}
    ours = f"paintings' minus COCO's, {_differences(gaps, measure, '{}: {}')}" if gaps else "no predictions"
    floor = "; ".join(f"{t} {markdown.scaled(measure, g, '+') or 'unknown'}" for t, g in floor_gaps.items())
    verdict = so_far(ordered(gaps.values(), floor_gaps.values()), paintings, coco)
    return Claim(printed, ours, f"mean-colors: {floor}", verdict)


def _better_pictures(known: Evidence) -> Claim:
    run, psnr = known.proposed("paintings"), TABLE3["paintings"][0]
    printed = " and ".join(", ".join(map(str, half)) for half in (psnr[:4], psnr[4:]))

    def measured(predictor):
        values = known.by_list(predictor, "psnr_rgb")
        others = [v for t, v in values.items() if t != "paintings"] if "paintings" in values else []
        text = "; ".join(f"{t} {v.mean():.2f} dB" for t, v in values.items())
        return text, [unpaired(values["paintings"], other) for other in others]

    (ours, gaps), (floor, floor_gaps) = measured(run), measured("all_grey")
    verdict = so_far(ordered(gaps, [gap for gap, _, _ in floor_gaps]), run)
    why = "that the first four are the paintings is our reading"
    return Claim(printed, ours or ("no predictions" if run else "not run"), f"all-gray {floor}", verdict, why)


def _means(by_method):
    """`Let there be Color! 93.5, ...`, the highest first."""
    best_first = sorted(by_method, key=lambda method: -by_method[method])
    return ", ".join(f"{markdown.title_of(method)} {by_method[method]:.1f}" for method in best_first)


def _all_good(known: Evidence) -> Claim:
    least, why = min(min(ssim[:4]) for ssim in TABLE4.values()), "the paper does not define good; its minimum is used"
    runs = {m: known.runs.get((m, "paintings")) for m in TABLE4}
    ours = {m: 100 * known.mean(run, "paintings", "ssim_rgb") for m, run in runs.items() if run}
    by_floor = zip(FLOORS, (NONE, "paintings"), strict=True)
    floors = [100 * known.mean(name, "paintings", "ssim_rgb", trained_on) for name, trained_on in by_floor]
    complete = len(ours) == len(runs) and not np.isnan(list(ours.values())).any()
    found = NO if min(ours.values(), default=0) < least else EMPTY if any(floor >= least for floor in floors) else YES
    verdict = found if complete else UNKNOWN
    printed, ours = f"{least} % or more on the first four pictures", _means(ours) or "not run"
    return Claim(printed, ours, _floors(f"{floor:.1f}" for floor in floors), so_far(verdict, *runs.values()), why)


def _order(known: Evidence, test_sets: Sequence[str], part: slice, winners: Sequence[str] = ()) -> Claim:
    """The order of the systems, as far as the paper prints it: see `_pairs`."""
    printed = {m: np.mean(values[part]) for m, values in TABLE4.items()}
    runs = {m: known.runs.get((m, "paintings")) for m in printed}
    pairs = [(runs[better], runs[worse]) for better, worse in _pairs(printed, winners)]
    gaps = [gap for a, b in pairs if a and b for gap in known.gaps(a, b, "ssim_rgb", test_sets).values()]
    verdict = ordered(gaps) if all(a and b for a, b in pairs) else UNKNOWN

    agree, reverse = sum(low > 0 for _, low, _ in gaps), sum(high < 0 for _, _, high in gaps)
    why = f"differences: {agree} agree, {reverse} are reversed, {len(gaps) - agree - reverse} undecided" if gaps else ""

    ours = [{m: 100 * known.mean(run, t, "ssim_rgb") for m, run in runs.items() if run} for t in test_sets]
    ours = "; ".join(f"{t}: {_means(means)}" for t, means in zip(test_sets, ours, strict=True))
    floor = ", ".join(f"all-gray {100 * known.mean('all_grey', t, 'ssim_rgb'):.1f} ({t})" for t in test_sets)
    return Claim(_means(printed), ours, floor, so_far(verdict, *runs.values()), why)


def _pairs(printed: dict[str, float], winners: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of methods, better one first, that the paper's means put in order.

    Each winner against each method that is none and has a lower mean; without winners all pairs of different means.
    """
    return [
        (better, worse)
        for better in winners or printed
        for worse in printed
        if worse not in winners and printed[better] > printed[worse]
    ]


def is_brown(hues: dict[str, float], truth: dict[str, float]) -> bool:
    """Whether pictures are mostly brown, and more so than the truth; both from `color_statistics.hues`."""
    return hues["brown"] >= BROWN and hues["brown"] > truth["brown"]


def _colors(known: Evidence, trained_on: str, test_sets: Sequence[str], brown: bool) -> Claim:
    run, ours, floors, holds, trivial = known.proposed(trained_on), [], [], [], []
    constant = None
    if trained_on in known.mean_colors:
        constant = color_statistics.hues(np.array([known.mean_colors[trained_on]]))
    for test_set in test_sets:
        if not (both := known.hues(run, test_set)):
            continue
        hues, truth = both
        own, true = (known.mean(run, test_set, m) for m in ("colourfulness", "colourfulness_truth"))
        ours.append(f"{test_set}: brown {hues['brown']:.0%}, colorfulness {own:.1f}")
        floors.append(f"{test_set}, the truth: brown {truth['brown']:.0%}, colorfulness {true:.1f}")
        holds.append(is_brown(hues, truth) if brown else not is_brown(hues, truth) and own >= ALIKE * true)
        # One color everywhere is never as colorful as the originals.
        trivial.append(brown and constant is not None and is_brown(constant, truth))
    if constant is not None:
        floors.append(f"mean-color: brown {constant['brown']:.0%}")
    agrees = EMPTY if all(trivial) else YES
    verdict = UNKNOWN if len(holds) < len(test_sets) else agrees if all(holds) else NO
    ours = "; ".join(ours) or "not run, or the true colors are not measured"
    return Claim("by eye", ours, "; ".join(floors), so_far(verdict, run))


def _size_of_data(known: Evidence) -> Claim:
    why = "it would need trainings that differ in nothing else"
    return Claim("not measured", "no run with other sizes or fewer categories", why=why)


def _more_of_everything(known: Evidence) -> Claim:
    ours, base = [run for (method, _), run in known.runs.items() if method == OURS], known.proposed("coco")
    why = "our other network differs from the paper's in all of these at once, and in its loss"
    if not (ours and base):
        return Claim("not measured", why=why)
    best = max(ours, key=lambda run: run.pictures_seen)
    text = _differences(known.gaps(best, base, "psnr_rgb"), "psnr_rgb", "{} {}")
    text = f"PSNR (dB) of `{best.name}` minus `{base.name}`: {text}" if text else "no predictions"
    return Claim("not measured", text, why=why)


def _class_vector(known: Evidence) -> Claim:
    """By the first matrix that has both the run without a vector and its base."""
    claim = Claim("not measured: no run without it", why="not against the paper; ours is in tables/ablation.md")
    for row in (row for matrix in experiments.MATRICES.values() for row in matrix if row.name.endswith("-none")):
        pair = [known.by_name.get(name) for name in (row.name, row.base)]
        if gaps := known.gaps(*pair, "psnr_rgb") if None not in pair else {}:
            runs = "; ".join(f"`{r.name}`, epochs: {markdown.epochs_of(r)}" for r in pair)
            differences = _differences(gaps, "psnr_rgb", "{} {}")
            return replace(claim, ours=f"PSNR (dB) without a vector minus with one: {differences} ({runs})")
    return claim


def _pleasing(known: Evidence) -> Claim:
    ours, floor, lower, measures = [], [], [], ("colourfulness", "ssim_rgb")
    for run, test_set in itertools.product(known.runs.values(), TEST_LISTS):
        vivid, accurate = ([known.mean(run, test_set, m, look=look) for m in measures] for look in ("_vivid", ""))
        if np.isnan(vivid).any():
            continue
        looks = (f"{colors:.1f} and {100 * ssim:.1f} %" for colors, ssim in (vivid, accurate))
        gray = known.mean("all_grey", test_set, "ssim_rgb")
        ours.append(f"{test_set}: {', '.join(looks)}")
        floor.append(f"{test_set}: {100 * gray:.1f} %")
        lower.append(vivid[1] < gray)
    why = "nobody was asked whether vivid pictures please"
    why += "; no color at all scores higher than they do" if lower and all(lower) else ""
    head = "colorfulness and SSIM of the vivid look, then of the accurate one: "
    return Claim(
        "by eye, one picture", head + "; ".join(ours) if ours else "not run", f"all-gray {'; '.join(floor)}", why=why
    )


# What the paper says, how it is judged, and with which arguments; in the paper's order.
CLAIMS = (
    ("Table 2, trained on paintings: validation MSE", _validation, "paintings", "mse"),
    ("Table 2, trained on paintings: accuracy (%)", _validation, "paintings", "accuracy"),
    ("Table 2, trained on paintings: hours", _hours, "paintings"),
    ("Table 2, trained on coco: validation MSE", _validation, "coco", "mse"),
    ("Table 2, trained on coco: accuracy (%)", _validation, "coco", "accuracy"),
    ("Table 2, trained on coco: hours", _hours, "coco"),
    ("Table 2: the validation error is lower for paintings than for COCO", _easier, "mse"),
    ("Table 2: the validation accuracy is higher for paintings than for COCO", _easier, "accuracy"),
    ("Table 3, trained on paintings: mean PSNR and SSIM of eight pictures", _eight, "efficientnet", "paintings"),
    ("Table 3, trained on coco: mean PSNR and SSIM of eight pictures", _eight, "efficientnet", "coco"),
    ("Table 4, {title}: mean SSIM of eight pictures", _eight, "let_there_be_color", "paintings"),
    ("Table 4, {title}: mean SSIM of eight pictures", _eight, "colorful", "paintings"),
    ("Table 4, {title}: mean SSIM of eight pictures", _eight, "gan", "paintings"),
    ("Table 3: PSNR (dB) is higher when trained on paintings than on COCO", _better_training, 0, "psnr_rgb"),
    ("Table 3: SSIM (%) is higher when trained on paintings than on COCO", _better_training, 1, "ssim_rgb"),
    ("Table 3: trained on paintings, PSNR is higher on paintings than on other pictures", _better_pictures),
    ("Table 4: all four systems have a good SSIM on paintings", _all_good),
    ("Table 4: the order of the systems by SSIM (%) on paintings", _order, ("paintings",), slice(4)),
    (
        "Table 4: on other pictures Let there be Color and Colorful Image Colorization are above EfficientNet-B4 and "
        "the GAN in SSIM (%)",
        *(_order, ("coco", "ood"), slice(4, 8), ("let_there_be_color", "colorful")),
    ),
    (
        "Trained on paintings, paintings get better colors and look like the originals",
        *(_colors, "paintings", ("paintings",), False),
    ),
    ("Trained on paintings, other pictures are mostly brown", _colors, "paintings", ("coco", "ood"), True),
    ("Trained on coco, pictures are brownish", _colors, "coco", TEST_LISTS, True),
    ("Brown might come from the size of the data set, and from COCO's diversity", _size_of_data),
    ("A larger data set, a more complex model and more epochs would generalize better", _more_of_everything),
    ("What the classifier sees helps", _class_vector),
    ("PSNR and SSIM are sometimes not ideal: pleasing colors that differ from the original's score low", _pleasing),
)


def judge(known: Evidence) -> list[Claim]:
    """Judges all claims, in the paper's order."""
    claims = []
    for statement, function, *arguments in CLAIMS:
        title = markdown.title_of(arguments[0]) if "{title}" in statement else ""
        claim = replace(function(known, *arguments), statement=statement.format(title=title))
        if claim.verdict.startswith(OPEN):
            claim = replace(
                claim, closing=run_list.reproduce(*_missing(known, function, arguments), begun=known.by_name)
            )
        claims.append(claim)
    return claims


def _missing(known: Evidence, function: Callable, arguments: Sequence) -> list[str]:
    """The rows of the paper's matrix that are behind a claim and were not trained to their end."""
    if function in (_all_good, _order):
        behind = [(method, "paintings") for method in TABLE4]
    else:
        sets = {_easier: BOTH, _better_training: BOTH, _better_pictures: BOTH[:1]}.get(function, arguments[:1])
        behind = [(TrainConfig.method, trained_on) for trained_on in sets]
    # The first row of a method and a data set has the paper's size.
    rows = [row for row in reversed(experiments.MATRICES[experiments.PAPER]) if not row.base]
    names = {(row.flags.get("method", TrainConfig.method), row.flags["dataset"]): row.name for row in rows}
    return [names[key] for key in behind if not (key in known.runs and known.runs[key].is_whole)]
