"""The paper's own numbers, beside those of the trivial baselines."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from colorizer import color
from colorizer.reporting.paper import template
from colorizer.reporting.paper.evidence import Evidence
from colorizer.reporting.paper.published import TABLE2, TABLE3


def numbers(known: Evidence) -> str:
    """Renders the paper's numbers, ours on the same measure, and what follows; a function fills each row."""
    *header, error, readings, half, accuracies, psnr = template("numbers.md").splitlines()
    rows = ((error, _error), (readings, _readings), (half, _half), (accuracies, _accuracies), (psnr, _psnr))
    return "\n".join(header + [row.format(**fields) for row, function in rows for fields in function(known)])


def _all_gray(known, measure, form):
    """All-gray's values on every picture, its mean on each list, and these means as text; None without scores."""
    if not (by_list := known.by_list("all_grey", measure)):
        return None
    means = [values.mean() for values in by_list.values()]
    text = ", ".join(f"{test_set} {form.format(mean)}" for test_set, mean in zip(by_list, means, strict=True))
    return np.concatenate(list(by_list.values())), means, text


def _error(known: Evidence) -> Iterator[dict]:
    """The MSE on COCO."""
    printed = TABLE2["coco"][1]
    if gray := _all_gray(known, "mse_ab", "{:.4f}"):
        every, means, text = gray
        times = {"least": printed / max(means), "most": printed / min(means)}
        yield times | {"printed": printed, "means": text, "above": (every > printed).sum(), "pictures": len(every)}


def _readings(known: Evidence) -> Iterator[dict]:
    """Two other readings of the MSE on COCO."""
    if run := known.proposed("coco"):
        printed, gray, ours = TABLE2["coco"][1], run.summary["val_mse_all_grey"], run.summary["val_mse"]
        for reading, value in (("a zero was lost", printed / 10), ("it is the root of one", printed**2)):
            gains = {"gain": 1 - value / gray, "our_gain": 1 - ours / gray}
            yield run.summary | gains | {"reading": reading, "value": value}


def _half(known: Evidence) -> Iterator[dict]:
    """The MSE on paintings, beside that of half of every pixel's true color."""
    printed, gray = TABLE2["paintings"][1], known.values("all_grey", "paintings", "mse_ab")
    half, *_ = known.measured.get("lists", {}).get("paintings", {}).get("half", {}).get("mse_ab", [None])
    text = f"; half of every pixel's true color: {half:.4f}" if half else ""
    less = "less error than a prediction that contains half of the truth. " if half and printed < half else ""
    if len(gray):
        fields = {"printed": printed, "root": np.sqrt(printed) * color.AB_SCALE, "half": text, "less": less}
        yield fields | {"mean": gray.mean(), "below": (gray <= printed).sum(), "pictures": len(gray)}


def _accuracies(known: Evidence) -> Iterator[dict]:
    """The share of pixels with the larger of a and b right, which a constant reaches too."""
    for trained_on, (_, _, printed) in TABLE2.items():
        values = 100 * known.values("mean_colour", trained_on, "accuracy_argmax_ab", trained_on)
        if not len(values):
            continue
        gap, validation = printed - values.mean(), ""
        if run := known.proposed(trained_on):
            mean, ours = (100 * run.summary[f"val_accuracy{end}"] for end in ("_mean_colour", ""))
            validation = f"; validation list {mean:.1f} %, ours {ours:.1f} %"
        conclusion = ", which does not explain it on our pictures" if gap > 10 else ": it needs hardly any learning"
        fields = {
            "trained_on": trained_on,
            "printed": printed,
            "gap": gap,
            "conclusion": conclusion,
            "mean": values.mean(),
        }
        yield fields | {"reached": (values >= printed).sum(), "pictures": len(values), "validation": validation}


def _psnr(known: Evidence) -> Iterator[dict]:
    """Table 3's PSNR beside all-gray's."""
    printed = np.array([p for psnr, _ in TABLE3.values() for p in psnr])
    if gray := _all_gray(known, "psnr_rgb", "{:.1f} dB"):
        every, means, text = gray
        below = {"below_means": (printed < min(means)).sum(), "below_all": (printed < every.min()).sum()}
        fields = {"low": printed.min(), "high": printed.max(), "values": len(printed), "means": text}
        yield fields | below | {"least": every.min(), "pictures": len(every)}
