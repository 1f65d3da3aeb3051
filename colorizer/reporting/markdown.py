"""The small parts all Markdown tables share: names of methods, numbers with intervals, rows and columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

TITLES = {
    "efficientnet": "EfficientNet-B4 (proposed)",
    "let_there_be_color": "Let there be Color",
    "colorful": "Colorful Image Colorization",
    "gan": "Image Colorization using Generative Adversarial Networks",
    "gan_own_l": "Image Colorization using Generative Adversarial Networks, with its own L",
    "transfer_unet": "Transfer U-Net (ours), accurate",
    "transfer_unet_vivid": "Transfer U-Net (ours), vivid",
    "trivial": "One colour, learnt",
    "all_grey": "all-grey",
    "mean_colour": "mean-colour",
}

# measure -> (name in a table, factor, digits)
MEASURES = {
    "mse_ab": ("MSE (ab/128)", 1, ".4f"),
    "accuracy_argmax_ab": ("Accuracy (%)", 100, ".1f"),
    "psnr_rgb": ("PSNR (dB)", 1, ".2f"),
    "ssim_rgb": ("SSIM (%)", 100, ".1f"),
    "ciede2000": ("CIEDE2000", 1, ".2f"),
    "colourfulness": ("Colourfulness", 1, ".1f"),
}
MARK = "*"  # after a difference whose interval excludes zero
MARKED = (
    f"Differences are of the same pictures, ours minus the other's, mean [95 % interval]; `{MARK}` marks an interval "
    "that excludes zero. For MSE and CIEDE2000 less is better, for the others more."
)


def markdown(header: Sequence[str], rows: Iterable[Sequence]) -> str:
    """A Markdown table; empty values become empty cells."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join("" if pd.isna(v) else str(v) for v in line) + " |" for line in lines)


def title_of(method: str) -> str:
    """A method's name in the tables; its module's name where it is not the paper's."""
    return TITLES.get(method, method)


def short_title(method: str) -> str:
    """A method's name where there is little room, as over a column of a figure. Source: ours."""
    shorter = title_of(method).replace(" (proposed)", "").replace("Image Colorization using ", "")
    return shorter.replace("Generative Adversarial Networks", "GAN")


def number(value: float, form: str) -> str:
    """A rounded number, or nothing for NaN."""
    return "" if pd.isna(value) else format(value, form)


def interval(measure: str, mean: float, low: float, high: float) -> str:
    """`23.19 [22.70, 23.67]`, in the unit and with the digits of the measure; nothing for NaN."""
    _, factor, form = MEASURES[measure]
    if pd.isna(mean):
        return ""
    return "{} [{}, {}]".format(*(number(factor * v, form) for v in (mean, low, high)))


def difference(measure: str, mean: float, low: float, high: float) -> str:
    """`+0.69 [+0.52, +0.86] *`: as `interval`, with signs, and the mark where zero lies outside."""
    _, factor, form = MEASURES[measure]
    if pd.isna(mean):
        return ""
    text = "{} [{}, {}]".format(*(number(factor * v, f"+{form}") for v in (mean, low, high)))
    return f"{text} {MARK}" if low > 0 or high < 0 else text
