"""What the paper prints, taken at its word: its numbers beside those of predictors that look at nothing.

BASELINES §3 found them odd on a few dozen photographs; here the same is measured on our test lists.
"""

from __future__ import annotations

import numpy as np

from colorizer import color
from colorizer.evaluation.runs import TEST_LISTS
from colorizer.reporting import markdown
from colorizer.reporting.paper import metric_conventions, published
from colorizer.reporting.paper.evidence import Facts

_NAMES = {
    "psnr_rgb": "RGB, 0..255",
    "psnr_ab": "ab/128, peak 1",
    "psnr_ab_peak2": "ab/128, peak 2",
    "ssim_rgb": "RGB",
    "ssim_grey": "the pictures turned grey",
    "ssim_ab": "ab in 0..1",
}
_SLIPS = {
    "none": "none",
    "swapped": "blue taken for red",
    "black": "a picture in 0..1 made integers",
    "wrapped": "differences taken in uint8",
}
_USUAL = ("psnr_rgb", "ssim_rgb")
_NOT_MEASURED = "Not measured: `python -m colorizer.reporting.paper.metric_conventions` needs the test pictures."


def render(known: Facts) -> str:
    """Three tables and what they show: the numbers themselves, what convention fits them, and slips.

    Args:
        known: runs, metrics.csv and conventions.json.

    Returns:
        Markdown without a heading.

    Source: BASELINES §3; Tables 2 and 3.
    """
    lines = [*_errors(known), *_accuracies(known), *_psnr(known)]
    parts = [markdown.markdown(["It prints", "On our pictures", "What follows"], lines)]
    synthetic = known.measured.get("synthetic")
    if not synthetic:
        return "\n\n".join([*parts, _NOT_MEASURED])
    parts += [
        "### How it may have measured",
        _how(synthetic, known.measured["made"]),
        _fits(synthetic["fits"]),
        _best(synthetic["fits"]),
    ]
    parts += [_agreement(synthetic["at_printed_error"]), _slipped(known.measured["slips"])]
    return "\n\n".join(parts)


def _of_grey(known, measure):
    """All-grey's values on every picture of the test lists, and its mean on each list."""
    by_list = {t: known.values("all_grey", t, measure) for t in TEST_LISTS}
    by_list = {t: v for t, v in by_list.items() if len(v)}
    every = np.concatenate(list(by_list.values())) if by_list else np.array([])
    return every, {t: float(v[np.isfinite(v)].mean()) for t, v in by_list.items()}


def _errors(known: Facts):
    """MSE .119 and its readings; MSE .0035."""
    every, means = _of_grey(known, "mse_ab")
    if not len(every):
        return
    _, large, _ = published.TABLE2["coco"]
    _, small, _ = published.TABLE2["paintings"]
    lists = ", ".join(f"{t} {m:.4f}" for t, m in means.items())
    times = f"{large / max(means.values()):.1f} to {large / min(means.values()):.1f}"
    yield [
        f"COCO, MSE {large:g} after training to lower it",
        f"no colour at all: {lists}; above {large:g} on {int((every > large).sum())} of {len(every)} pictures",
        f"{times} times the error of no colour. On pictures like ours a network that ends there has learnt nothing; "
        "whether theirs did, or the number is of something else, is unknown",
    ]
    run = known.proposed("coco")
    if run:
        ours, grey = run.summary["val_mse"], run.summary["val_mse_all_grey"]
        told = f"validation list: ours {ours:.4f} after {run.summary['epochs_done']} epochs, all-grey {grey:.4f}"
        for reading, value in (("a zero was lost", large / 10), ("it is the root of one", large**2)):
            yield [
                f"the same, if {reading}: {value:.4f}",
                told,
                f"{1 - value / grey:.0%} under all-grey, where ours is {1 - ours / grey:.0%} under it: possible, "
                "not known",
            ]
    half = known.measured.get("lists", {}).get("paintings", {}).get("half", {}).get("mse_ab")
    own = known.values("all_grey", "paintings", "mse_ab")
    if len(own):
        told = f"no colour at all: {own.mean():.4f} in the mean, at or under {small:g} on {int((own <= small).sum())} "
        told += f"of {len(own)}" + (f"; half of every pixel's true colour: {half[0]:.4f}" if half else "")
        below = half and small < half[0]
        yield [
            f"paintings, MSE {small:g} (a root mean square of {np.sqrt(small) * color.AB_SCALE:.1f} Lab units)",
            told,
            ("less error than a predictor that is told half of the truth. " if below else "")
            + "On much paler paintings, or on training pictures, that is possible; which it was is unknown",
        ]


def _accuracies(known: Facts):
    """The share of pixels with the larger of a and b right, which a constant can have."""
    for trained_on, (_, _, printed) in published.TABLE2.items():
        values = known.values("mean_colour", trained_on, "accuracy_argmax_ab", trained_on)
        if not len(values):
            continue
        reached = int((100 * values >= printed).sum())
        run = known.proposed(trained_on)
        told = f"one mean colour everywhere: {100 * values.mean():.1f} % on the test list, {printed:g} % or more on "
        told += f"{reached} of its {len(values)} pictures"
        if run:
            told += f"; validation list {100 * run.summary['val_accuracy_mean_colour']:.1f} %"
            told += f", ours {100 * run.summary['val_accuracy']:.1f} %"
        gap = printed - 100 * values.mean()
        yield [
            f'{trained_on}, "accuracy" {printed:g} %',
            told,
            'In Keras "accuracy" on two channels is the share of pixels where the larger of a and b is the same one: '
            f"it says nothing of how near a colour is. The paper's is {gap:+.1f} points from one colour everywhere"
            + (", which does not explain it on our pictures" if gap > 10 else ": it needs hardly any learning"),
        ]


def _psnr(known: Facts):
    """Table 3's PSNR beside all-grey's."""
    every, means = _of_grey(known, "psnr_rgb")
    if not len(every):
        return
    values = np.array([p for psnr, _ in published.TABLE3.values() for p in psnr])
    least, lowest = every.min(), min(means.values())
    yield [
        f"Table 3, PSNR {values.min()} to {values.max()} dB",
        f"no colour at all: at least {least:.1f} dB on each of {len(every)} pictures, "
        + ", ".join(f"{t} {m:.1f} dB" for t, m in means.items())
        + " in the mean",
        f"{int((values < lowest).sum())} of its {len(values)} values lie under the lowest of these means, "
        f"{int((values < least).sum())} under the least of any picture: by the usual convention, PSNR on RGB, those "
        "pictures came out worse than without any colour",
    ]


def _how(synthetic, made):
    return (
        f"{synthetic['predictions']} made-up predictions of {synthetic['pictures']} test pictures (the true colours "
        "too pale, too strong, inverted, tinted, blotched), each scored by three kinds of PSNR and three of SSIM. In a "
        "cell: how many of Table 3's 16 pairs of PSNR and SSIM have an SSIM between the 5 % and the 95 % quantile of "
        f"the predictions whose PSNR is within {metric_conventions.BAND_DB:g} dB, of those whose PSNR occurs at all; "
        "and the "
        "mean width of that band. A wide band is easy to be in: on its own a high count says little. "
        f"Measured {made['date']}, commit {made['commit']}, {made['device']}."
    )


def _fits(fits):
    header = ["PSNR on", *(f"SSIM on {_NAMES[s]}" for s in metric_conventions.SSIMS)]
    rows = []
    for psnr, by_ssim in fits.items():
        row = [_NAMES[psnr]]
        for found in by_ssim.values():
            width = f", band {found['width']:.2f}" if found["width"] is not None else ""
            row.append(f"{found['fits']} of {found['reached']}{width}")
        rows.append(row)
    return markdown.markdown(header, rows)


def _best(fits):
    """Which conventions fit most pairs, and how the usual one does."""
    ranked = {(p, s): found for p, by_ssim in fits.items() for s, found in by_ssim.items()}
    most = max(found["fits"] for found in ranked.values())
    best = {key: found for key, found in ranked.items() if found["fits"] == most}
    pairs, usual = sum(len(psnr) for psnr, _ in published.TABLE3.values()), ranked[_USUAL]
    if _USUAL in best:
        return f"No convention fits more pairs than the usual one, PSNR and SSIM on RGB: {most} of {pairs}."
    names = " and ".join(
        f"PSNR on {_NAMES[p]} with SSIM on {_NAMES[s]} (band {found['width']:.2f})" for (p, s), found in best.items()
    )
    every = "All pairs fit it." if most == pairs else "No convention fits all."
    return (
        f"Which explains the paper best: most pairs, {most} of {pairs}, are within reach of {names}. The usual one, "
        f"PSNR and SSIM on RGB (band {usual['width']:.2f}), reaches {usual['fits']}. {every} It is a hint and no more: "
        "it holds as far as the paper's predictions were like the made-up ones, and the bands are wide."
    )


def _agreement(at_error):
    """Whether Tables 2 and 3 go together."""
    header = ["Trained on", "MSE, Table 2", "as PSNR with peak 1", "Table 3, mean of eight", "first four", "last four"]
    header += [f"PSNR of predictions with that error, {_NAMES[p]}" for p in metric_conventions.PSNRS[:2]]
    rows, inside = [], {p: [] for p in metric_conventions.PSNRS[:2]}
    for trained_on, found in at_error.items():
        psnr = published.TABLE3[trained_on][0]
        row = [trained_on, f"{found['mse']:g}", f"{-10 * np.log10(found['mse']):.1f} dB", f"{np.mean(psnr):.1f} dB"]
        row += [f"{np.mean(psnr[:4]):.1f} dB", f"{np.mean(psnr[4:]):.1f} dB"]
        for name in inside:
            ends = found.get(name)
            row.append(f"{ends[1]:.1f} ({ends[0]:.1f} to {ends[2]:.1f}), n={found['n']}" if ends else "too few")
            if ends:
                inside[name].append(f"{trained_on} {'yes' if ends[0] <= np.mean(psnr) <= ends[2] else 'no'}")
        rows.append(row)
    told = "; ".join(f"{_NAMES[name]}: {', '.join(found)}" for name, found in inside.items() if found)
    return (
        "Do Tables 2 and 3 go together? Predictions whose error is within "
        f"{metric_conventions.BAND_DB:g} dB of Table 2's, and their PSNR: median, and the 5 % and 95 % quantiles.\n\n"
        + markdown.markdown(header, rows)
        + f"\n\nDoes Table 3's mean lie between them? {told}. Table 2 is of the validation list, Table 3 of eight "
        "pictures partly from elsewhere: where they go together it is a hint, where not it is no contradiction."
    )


def _slipped(slips):
    """The table of slips."""
    rows = []
    for name, found in slips.items():
        psnr, ssim = found["psnr_rgb"], found.get("ssim_rgb")
        told = f"{100 * ssim[0]:.0f} ({100 * ssim[1]:.0f} to {100 * ssim[2]:.0f})" if ssim else ""
        rows.append([_SLIPS[name], f"{psnr[0]:.1f} ({psnr[1]:.1f} to {psnr[2]:.1f})", told])
    return (
        "A good prediction, half of every pixel's true colour, scored after slips that are easily made: mean, least "
        "and greatest.\n\n"
        + markdown.markdown(["Slip", "PSNR, RGB (dB)", "SSIM, RGB (%)"], rows)
        + "\n\nWhether any of them happened is not known."
    )
