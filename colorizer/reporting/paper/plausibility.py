"""The paper's own numbers, beside those of the trivial baselines and of made-up predictions."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from string import Template

import numpy as np

from colorizer import color
from colorizer.evaluation.scores import TEST_LISTS
from colorizer.reporting import markdown
from colorizer.reporting.paper import metric_conventions
from colorizer.reporting.paper.evidence import Evidence
from colorizer.reporting.paper.published import TABLE2, TABLE3

_NAMES = {
    "psnr_rgb": "RGB, 0..255",
    "psnr_ab": "ab/128, peak 1",
    "psnr_ab_peak2": "ab/128, peak 2",
    "ssim_rgb": "RGB",
    "ssim_grey": "the pictures in gray",
    "ssim_ab": "ab in 0..1",
}
_SLIPS = {
    "none": "none",
    "swapped": "blue and red swapped",
    "black": "a picture in 0..1 cast to integers",
    "wrapped": "differences computed in uint8",
}
_USUAL = ("psnr_rgb", "ssim_rgb")
_NOT_MEASURED = "Not measured: `python -m colorizer.reporting.paper.metric_conventions` needs the test pictures."


def numbers(known: Evidence) -> str:
    """Renders the paper's numbers, ours on the same measure, and what follows."""
    rows = [*_errors(known), *_accuracies(known), *_psnr(known)]
    return markdown.table(["It prints", "On our pictures", "What follows"], rows)


def _of_gray(known, measure):
    """All-gray's values on every picture of the test lists, and its mean on each list."""
    by_list = {t: known.values("all_grey", t, measure) for t in TEST_LISTS}
    by_list = {t: v for t, v in by_list.items() if np.isfinite(v).any()}
    every = np.concatenate(list(by_list.values())) if by_list else np.array([])
    return every, {t: float(v[np.isfinite(v)].mean()) for t, v in by_list.items()}


def _errors(known: Evidence) -> Iterator[list[str]]:
    """MSE 0.119 and its readings; MSE 0.0035."""
    every, means = _of_gray(known, "mse_ab")
    if not len(every):
        return
    large, small = (TABLE2[t][1] for t in ("coco", "paintings"))
    lists, above = ", ".join(f"{t} {m:.4f}" for t, m in means.items()), int((every > large).sum())
    yield [
        f"COCO, MSE {large:g} after training to lower it",
        f"no color at all: {lists}; above {large:g} on {above} of {len(every)} pictures",
        f"{large / max(means.values()):.1f} to {large / min(means.values()):.1f} times the error of no color. On "
        "pictures like ours a network with that error has learned nothing. Whether theirs had, or the number means "
        "something else, is unknown",
    ]
    if run := known.proposed("coco"):
        ours, gray = run.summary["val_mse"], run.summary["val_mse_all_grey"]
        text = f"validation list: ours {ours:.4f} after {run.summary['epochs_done']} epochs, all-gray {gray:.4f}"
        for reading, value in (("a zero was lost", large / 10), ("it is the root of one", large**2)):
            gain = f"{1 - value / gray:.0%} below all-gray, ours is {1 - ours / gray:.0%} below it: possible, not known"
            yield [f"the same, if {reading}: {value:.4f}", text, gain]
    own = known.values("all_grey", "paintings", "mse_ab")
    if len(own):
        half = known.measured.get("lists", {}).get("paintings", {}).get("half", {}).get("mse_ab")
        text = f"no color at all: mean {own.mean():.4f}, {small:g} or less on {int((own <= small).sum())} of {len(own)}"
        below = "less error than a prediction that contains half of the truth. " if half and small < half[0] else ""
        yield [
            f"paintings, MSE {small:g} (a root mean square of {np.sqrt(small) * color.AB_SCALE:.1f} Lab units)",
            text + (f"; half of every pixel's true color: {half[0]:.4f}" if half else ""),
            f"{below}It is possible on much paler paintings, or on training pictures; which it was is unknown",
        ]


def _accuracies(known: Evidence) -> Iterator[list[str]]:
    """The share of pixels with the larger of a and b right, which a constant reaches too."""
    for trained_on, (_, _, printed) in TABLE2.items():
        values = 100 * known.values("mean_colour", trained_on, "accuracy_argmax_ab", trained_on)
        if not len(values):
            continue
        text = f"one mean color everywhere: {values.mean():.1f} % on the test list, {printed:g} % or more on "
        text += f"{int((values >= printed).sum())} of its {len(values)} pictures"
        if run := known.proposed(trained_on):
            mean, ours = (100 * run.summary[f"val_accuracy{end}"] for end in ("_mean_colour", ""))
            text += f"; validation list {mean:.1f} %, ours {ours:.1f} %"
        gap = printed - values.mean()
        yield [
            f'{trained_on}, "accuracy" {printed:g} %',
            text,
            'In Keras "accuracy" on two channels is the share of pixels where the larger of a and b is the same one: '
            f"it does not say how close a color is. The paper's is {gap:+.1f} points from one color everywhere"
            + (", which does not explain it on our pictures" if gap > 10 else ": it needs hardly any learning"),
        ]


def _psnr(known: Evidence) -> Iterator[list[str]]:
    """Table 3's PSNR beside all-gray's."""
    every, means = _of_gray(known, "psnr_rgb")
    if not len(every):
        return
    values = np.array([p for psnr, _ in TABLE3.values() for p in psnr])
    lists, least, lowest = ", ".join(f"{t} {m:.1f} dB" for t, m in means.items()), every.min(), min(means.values())
    yield [
        f"Table 3, PSNR {values.min()} to {values.max()} dB",
        f"no color at all: at least {least:.1f} dB on each of {len(every)} pictures; means {lists}",
        f"{int((values < lowest).sum())} of its {len(values)} values are below the lowest of these means, "
        f"{int((values < least).sum())} below the minimum over all pictures. By the usual convention, PSNR on RGB, "
        "those pictures came out worse than without any color",
    ]


def conventions(known: Evidence) -> str:
    """Renders which conventions of PSNR and SSIM fit the paper's values, and easy mistakes."""
    if not (synthetic := known.measured.get("synthetic")):
        return _NOT_MEASURED
    agreement, inside = _agreement(synthetic["at_printed_error"])
    parts = {
        "fits": _fits(synthetic["fits"]),
        "best": best(synthetic["fits"]),
        "agreement": agreement,
        "inside": inside,
    }
    parts |= {"band": f"{metric_conventions.BAND_DB:g}", "slips": _slips(known.measured["slips"])}
    parts |= {name: synthetic[name] for name in ("predictions", "pictures")} | known.measured["made"]
    template = resources.files(__package__).joinpath("conventions.md").read_text("utf-8")
    return Template(template).substitute(parts).rstrip()


def _fits(fits):
    def cell(fit):
        return f"{fit['fits']} of {fit['reached']}" + (f", band {fit['width']:.2f}" if fit["width"] is not None else "")

    header = ["PSNR on", *(f"SSIM on {_NAMES[s]}" for s in metric_conventions.SSIMS)]
    return markdown.table(header, ([_NAMES[psnr], *map(cell, by_ssim.values())] for psnr, by_ssim in fits.items()))


def best(fits: dict) -> str:
    """Names the conventions that fit most pairs, and the fit of the usual one; `fits` as in conventions.json."""
    flat = {(p, s): fit for p, by_ssim in fits.items() for s, fit in by_ssim.items()}
    most, usual = max(fit["fits"] for fit in flat.values()), flat[_USUAL]
    pairs = sum(len(psnr) for psnr, _ in TABLE3.values())
    if usual["fits"] == most:
        return f"No convention fits more pairs than the usual one, PSNR and SSIM on RGB: {most} of {pairs}."
    winners = [(_NAMES[p], _NAMES[s], fit["width"]) for (p, s), fit in flat.items() if fit["fits"] == most]
    names = " and ".join("PSNR on {} with SSIM on {} (band {:.2f})".format(*winner) for winner in winners)
    every = "All pairs fit it." if most == pairs else "No convention fits all."
    return (
        f"The best explanation: most pairs, {most} of {pairs}, fit {names}. The usual one, PSNR and SSIM on RGB (band "
        f"{usual['width']:.2f}), fits {usual['fits']}. {every} This is only a hint: it assumes that the paper's "
        "predictions were like the made-up ones, and the bands are wide."
    )


def _agreement(at_error):
    """The table of Table 2's errors and Table 3's PSNR, and whether they go together."""
    names = metric_conventions.PSNRS[:2]
    header = ["Trained on", "MSE, Table 2", "as PSNR with peak 1", "Table 3, mean of eight", "first four", "last four"]
    rows, inside = [], {name: [] for name in names}
    for trained_on, near in at_error.items():
        psnr = TABLE3[trained_on][0]
        decibels = [-10 * np.log10(near["mse"]), np.mean(psnr), np.mean(psnr[:4]), np.mean(psnr[4:])]
        row = [trained_on, f"{near['mse']:g}", *(f"{value:.1f} dB" for value in decibels)]
        for name in names:
            low, median, high = near.get(name, (None,) * 3)
            row.append("too few" if low is None else f"{median:.1f} ({low:.1f} to {high:.1f}), n={near['n']}")
            if low is not None:
                inside[name].append(f"{trained_on} {'yes' if low <= np.mean(psnr) <= high else 'no'}")
        rows.append(row)
    table = markdown.table([*header, *(f"PSNR of predictions with that error, {_NAMES[name]}" for name in names)], rows)
    return table, "; ".join(f"{_NAMES[name]}: {', '.join(answers)}" for name, answers in inside.items() if answers)


def _slips(slips):
    rows = []
    for name, scores in slips.items():
        (p, p_min, p_max), ssim = scores["psnr_rgb"], scores.get("ssim_rgb")
        percent = "{:.0f} ({:.0f} to {:.0f})".format(*(100 * s for s in ssim)) if ssim else ""
        rows.append([_SLIPS[name], f"{p:.1f} ({p_min:.1f} to {p_max:.1f})", percent])
    return markdown.table(["Mistake", "PSNR, RGB (dB)", "SSIM, RGB (%)"], rows)
