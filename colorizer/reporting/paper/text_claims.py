"""What the paper says in words, by eye or as a cause, with what our predictions show of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from colorizer import experiments
from colorizer.config import TrainConfig
from colorizer.evaluation.runs import TEST_LISTS, Run
from colorizer.reporting import markdown
from colorizer.reporting.paper import metric_conventions
from colorizer.reporting.paper.claims import NO, UNKNOWN, YES, Claim, so_far
from colorizer.reporting.paper.evidence import Facts

BROWN = 0.75  # share of brown among coloured pixels from which pictures are "mostly brown", where the truth has less
ALIKE = 0.75  # share of the truth's colourfulness from which colours are "like the originals", where they are not brown
OURS = "transfer_unet"


def of_text(facts: Facts) -> list[Claim]:
    """The remarks of §IV and §V, with their verdicts. Source: §IV, §V, by eye."""
    return [claim for part in (_colours, _causes, _measures) for claim in part(facts)]


def is_brown(colours: dict[str, float], truth: dict[str, float]) -> bool:
    """Whether pictures are mostly brown, and more so than they should be.

    Args:
        colours, truth: from `conventions.hues`, of predictions and of the pictures themselves.

    Source: ours; the paper judges by eye.
    """
    return colours["brown"] >= BROWN and colours["brown"] > truth["brown"]


def _colours(facts: Facts) -> Iterator[Claim]:
    """Brown, or like the originals."""
    wanted = (
        ("paintings", ("paintings",), False, "paintings get better colours and look like the originals"),
        ("paintings", ("coco", "ood"), True, "other pictures are mostly brown"),
        ("coco", TEST_LISTS, True, "pictures are brownish"),
    )
    for trained_on, test_sets, brown, said in wanted:
        yield _coloured(facts, trained_on, test_sets, brown, f"Trained on {trained_on}, {said}")


def _coloured(facts, trained_on, test_sets: Sequence[str], brown: bool, said: str) -> Claim:
    run, told, floors, holds = facts.proposed(trained_on), [], [], []
    for test_set in test_sets:
        ours = facts.colours(run, test_set) if run else None
        truth = facts.true_colours(test_set)
        if not (ours and truth):
            continue
        colourful = [facts.mean(run, test_set, m) for m in ("colourfulness", "colourfulness_truth")]
        told.append(f"{test_set}: brown {ours['brown']:.0%}, colourfulness {colourful[0]:.1f}")
        floors.append(f"{test_set}, the truth: brown {truth['brown']:.0%}, colourfulness {colourful[1]:.1f}")
        is_so = is_brown(ours, truth)
        holds.append(is_so if brown else not is_so and colourful[0] >= ALIKE * colourful[1])
    verdict = UNKNOWN if len(holds) < len(test_sets) else YES if all(holds) else NO
    if trained_on in facts.mean_colours:
        constant = metric_conventions.hues(np.array([facts.mean_colours[trained_on]]))
        floors.append(f"mean-colour: brown {constant['brown']:.0%}")
    found = "; ".join(told) or "not run, or the pictures' own colours are not measured"
    return Claim(said, "by eye", found, "; ".join(floors), so_far(verdict, run))


def _causes(facts: Facts) -> Iterator[Claim]:
    """Why, as the paper supposes."""
    yield Claim(
        "Brown might come from the size of the data set, and from COCO's diversity",
        "not measured",
        "no run with other sizes or fewer categories",
        "",
        UNKNOWN,
        "it would need trainings that differ in nothing else",
    )
    yield Claim(
        "A larger data set, a more complex model and more epochs would generalize better",
        "not measured",
        _past_the_paper(facts),
        "",
        UNKNOWN,
        "ours differs from the paper's network in all of these at once, and in its loss",
    )
    yield Claim(
        "What the classifier sees helps",
        "not measured: no run without it",
        _class_vector(facts),
        "",
        UNKNOWN,
        "not against the paper; ours is in tables/ablation.md",
    )


def _past_the_paper(facts):
    ours = [run for (method, _), run in facts.runs.items() if method == OURS]
    base = facts.proposed("coco")
    if not (ours and base):
        return "not run"
    best = max(ours, key=lambda run: run.pictures_seen)
    gaps = {t: facts.paired(best, base, t, "psnr_rgb") for t in TEST_LISTS}
    told = "; ".join(f"{t} {markdown.difference('psnr_rgb', *g)}" for t, g in gaps.items() if not np.isnan(g[0]))
    return f"PSNR (dB) of `{best.name}` minus `{base.name}`: {told}" if told else "no predictions"


def _class_vector(facts):
    """The largest matrix that has both the run without a vector and its base."""
    for part in experiments.MATRICES.values():
        row = next((r for r in part if r.name.endswith("-none") and experiments.base_of(r.name)), None)
        pair = [facts.by_name.get(name) for name in (row.name, row.base)] if row else [None]
        if None not in pair:
            gap = facts.paired(*pair, "coco", "psnr_rgb")
            if not np.isnan(gap[0]):
                told = ", ".join(f"`{run.name}` {_epochs(run)}" for run in pair)
                difference = markdown.difference("psnr_rgb", *gap)
                return f"PSNR (dB) on coco without a vector minus with one: {difference} ({told})"
    return "not run"


def _epochs(run: Run):
    return f"{run.summary['epochs_done']} of {TrainConfig.epochs} epochs"


def _measures(facts: Facts) -> Iterator[Claim]:
    """A picture can please and score low."""
    said = "PSNR and SSIM are sometimes not ideal: pleasing colours that differ from the original's score low"
    found, floor, lower = [], [], []
    for run in facts.runs.values():
        vivid = facts.scores[(facts.scores.run == run.name) & (facts.scores.method == f"{run.method}_vivid")]
        for test_set in [t for t in TEST_LISTS if (vivid.test_set == t).any()]:
            here = vivid[vivid.test_set == test_set]
            pairs = {m: (here[m].mean(), facts.mean(run, test_set, m)) for m in ("colourfulness", "ssim_rgb")}
            (colour, pale), (ssim, ssim_pale) = pairs.values()
            found.append(f"{test_set}: {colour:.1f} and {100 * ssim:.1f} %, {pale:.1f} and {100 * ssim_pale:.1f} %")
            grey = facts.mean("all_grey", test_set, "ssim_rgb")
            floor.append(f"{test_set}: {100 * grey:.1f} %")
            lower.append(ssim < grey)
    told = f"colourfulness and SSIM of the vivid look, then of the accurate one: {'; '.join(found)}" if found else ""
    if lower and all(lower):
        why = "that vivid pictures please was not asked of anybody; no colour at all scores higher than they do"
    else:
        why = "that vivid pictures please was not asked of anybody"
    yield Claim(said, "by eye, one picture", told or "not run", f"all-grey {'; '.join(floor)}", UNKNOWN, why)
