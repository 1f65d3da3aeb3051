"""The page of `experiments.metric_conventions`: which conventions fit the paper's values, and easy mistakes.

`python -m experiments.pages` writes it from results/conventions.json; results/REPRODUCTION.md contains it.
"""

from __future__ import annotations

import numpy as np

from colorizer.reporting import markdown
from colorizer.reporting.paper.published import TABLE3

PSNRS = {"psnr_rgb": "RGB, 0..255", "psnr_ab": "ab/128, peak 1", "psnr_ab_peak2": "ab/128, peak 2"}
SSIMS = {"ssim_rgb": "RGB", "ssim_grey": "the pictures in gray", "ssim_ab": "ab in 0..1"}
SLIPS = {
    "none": "none",
    "swapped": "blue and red swapped",
    "black": "a picture in 0..1 cast to integers",
    "wrapped": "differences computed in uint8",
}
BAND_DB = 1.0  # two values closer than this count as the same
TEXT = """\
We made {predictions} predictions of {pictures} test pictures (the true colors too pale, too strong, inverted, tinted,
blotched) and scored each by three kinds of PSNR and three of SSIM. A cell says how many of Table 3's 16 pairs of PSNR and
SSIM fit, of those whose PSNR occurs at all, and the mean width of the band. A pair fits where its SSIM lies in the band:
between the 5 % and the 95 % quantile of the predictions whose PSNR is within {band_db:g} dB. A wide band is easy to fit, so a high
count alone says little. Measured {date}, commit {commit}, {device}.

{fits}

{best}

Do Tables 2 and 3 go together? These are the predictions whose error is within {band_db:g} dB of Table 2's, and their PSNR:
median, and the 5 % and 95 % quantiles.

{agreement}

Does Table 3's mean lie between the quantiles? {inside}. Table 2 is about the validation list, Table 3 about eight pictures
partly from elsewhere: agreement is a hint, disagreement no contradiction.

A good prediction, half of every pixel's true color, scored after mistakes that are easily made: mean, minimum and maximum.

{slips}

Whether any of them happened is not known.
"""  # noqa: E501


def render(record: dict) -> str:
    """Renders the record, conventions.json."""
    synthetic = record["synthetic"]
    agreement, inside = _agreement(synthetic["at_printed_error"])
    tables = {"fits": _fits(synthetic["fits"]), "agreement": agreement, "slips": _slips(record["slips"])}
    tables |= {"best": best(synthetic["fits"]), "inside": inside, "band_db": BAND_DB}
    return TEXT.format(**(synthetic | record["made"] | tables))


def _fits(fits):
    def cell(fit):
        return f"{fit['fits']} of {fit['reached']}" + (f", band {fit['width']:.2f}" if fit["width"] is not None else "")

    header = ["PSNR on", *(f"SSIM on {name}" for name in SSIMS.values())]
    return markdown.table(header, ([PSNRS[psnr], *map(cell, by_ssim.values())] for psnr, by_ssim in fits.items()))


def best(fits: dict) -> str:
    """Names the conventions that fit most pairs, and the fit of the usual one; `fits` as in conventions.json."""
    flat = {(p, s): fit for p, by_ssim in fits.items() for s, fit in by_ssim.items()}
    most, usual = max(fit["fits"] for fit in flat.values()), flat["psnr_rgb", "ssim_rgb"]
    pairs = sum(len(psnr) for psnr, _ in TABLE3.values())
    if usual["fits"] == most:
        return f"No convention fits more pairs than the usual one, PSNR and SSIM on RGB: {most} of {pairs}."
    winners = [(PSNRS[p], SSIMS[s], fit["width"]) for (p, s), fit in flat.items() if fit["fits"] == most]
    names = " and ".join("PSNR on {} with SSIM on {} (band {:.2f})".format(*winner) for winner in winners)
    every = "All pairs fit it." if most == pairs else "No convention fits all."
    return (
        f"The best explanation: most pairs, {most} of {pairs}, fit {names}. The usual one, PSNR and SSIM on RGB (band "
        f"{usual['width']:.2f}), fits {usual['fits']}. {every} This is only a hint: it assumes that the paper's "
        "predictions were like the made-up ones, and the bands are wide."
    )


def _agreement(at_error):
    """The table of Table 2's errors and Table 3's PSNR, and whether they go together."""
    names = {name: PSNRS[name] for name in ("psnr_rgb", "psnr_ab")}
    header = ["Trained on", "MSE, Table 2", "as PSNR with peak 1", "Table 3, mean of eight", "first four", "last four"]
    rows, inside = [], {name: [] for name in names}
    for trained_on, near in at_error.items():
        psnr = TABLE3[trained_on][0]
        decibels = [-10 * np.log10(near["mse"]), np.mean(psnr), np.mean(psnr[:4]), np.mean(psnr[4:])]
        rows.append([trained_on, f"{near['mse']:g}", *(f"{value:.1f} dB" for value in decibels)])
        for name in names:
            if name not in near:
                rows[-1].append("too few")
                continue
            low, median, high = near[name]
            rows[-1].append(f"{median:.1f} ({low:.1f} to {high:.1f}), n={near['n']}")
            inside[name].append(f"{trained_on} {'yes' if low <= np.mean(psnr) <= high else 'no'}")
    header += [f"PSNR of predictions with that error, {text}" for text in names.values()]
    answers = "; ".join(f"{names[name]}: {', '.join(answers)}" for name, answers in inside.items() if answers)
    return markdown.table(header, rows), answers


def _slips(slips):
    rows = []
    for name, scores in slips.items():
        (p, p_min, p_max), ssim = scores["psnr_rgb"], scores.get("ssim_rgb")
        percent = "{:.0f} ({:.0f} to {:.0f})".format(*(100 * s for s in ssim)) if ssim else ""
        rows.append([SLIPS[name], f"{p:.1f} ({p_min:.1f} to {p_max:.1f})", percent])
    return markdown.table(["Mistake", "PSNR, RGB (dB)", "SSIM, RGB (%)"], rows)
