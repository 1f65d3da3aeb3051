"""Every metric, defined once. NumPy and scikit-image only.

Pictures are compared as uint8 sRGB after the predicted colors were merged with the
photograph's own L*; the networks' own error and the paper's "accuracy" are computed on ab/128.
`score` gives all columns of one picture.
"""

from __future__ import annotations

import numpy as np
from skimage.color import deltaE_ciede2000
from skimage.metrics import structural_similarity

from colorizer import color

RGB_PEAK = 255
SSIM_WINDOW = 7  # scikit-image's default: uniform, 7x7

# The columns `score` fills, in the order of results/metrics.csv.
COLUMNS = (
    "mse_ab",
    "psnr_rgb",
    "ssim_rgb",
    "psnr_ab",
    "ciede2000",
    "colourfulness",
    "colourfulness_truth",
    "accuracy_argmax_ab",
)


def _psnr(mse: float, peak: float) -> float:
    # Identical pictures have no error and an infinite PSNR. It stays infinite here; means leave
    # such pictures out and count them.
    return float("inf") if mse == 0 else float(10 * np.log10(peak**2 / mse))


def mse_ab(ab_norm: np.ndarray, ab_norm_hat: np.ndarray) -> float:
    """Mean squared error of the colors, over pixels and both channels.

    Args:
        ab_norm: (..., 2) float, the true ab/128.
        ab_norm_hat: the same shape, the predicted ab/128.

    Returns:
        0 and up, in units of ab/128 squared.

    Source: §III.C of the paper, the mean over 2HW.
    """
    return float(np.mean(np.square(np.subtract(ab_norm, ab_norm_hat, dtype=np.float64))))


def psnr_ab(ab_norm: np.ndarray, ab_norm_hat: np.ndarray) -> float:
    """PSNR of the colors alone, peak 1.

    Args:
        ab_norm: (..., 2) float, the true ab/128.
        ab_norm_hat: the same shape, the predicted ab/128.

    Returns:
        dB; infinite for identical colors.

    Source: docs/reproduction_notes.md, section 3.2: a reading of the paper's PSNR.
    """
    return _psnr(mse_ab(ab_norm, ab_norm_hat), 1)


def psnr_rgb(rgb_u8: np.ndarray, rgb_u8_hat: np.ndarray) -> float:
    """PSNR over all values of two sRGB pictures, peak 255.

    Args:
        rgb_u8: (H, W, 3) uint8 sRGB, the original.
        rgb_u8_hat: the same shape, the prediction.

    Returns:
        dB; infinite for identical pictures.
    """
    return _psnr(float(np.mean(np.square(np.subtract(rgb_u8, rgb_u8_hat, dtype=np.float64)))), RGB_PEAK)


def ssim_rgb(rgb_u8: np.ndarray, rgb_u8_hat: np.ndarray) -> float:
    """Structural similarity, the mean of the three channels, uniform 7x7 window.

    Args:
        rgb_u8: (H, W, 3) uint8 sRGB, the original; 7 pixels or more a side.
        rgb_u8_hat: the same shape, the prediction.

    Returns:
        -1..1; 1 for identical pictures.

    Source: Wang et al. 2004; scikit-image's default settings.
    """
    return float(structural_similarity(rgb_u8, rgb_u8_hat, channel_axis=-1, data_range=RGB_PEAK, win_size=SSIM_WINDOW))


def ciede2000(rgb_u8: np.ndarray, rgb_u8_hat: np.ndarray) -> float:
    """Mean CIEDE2000 color difference over the pixels.

    Args:
        rgb_u8: (H, W, 3) uint8 sRGB, the original.
        rgb_u8_hat: the same shape, the prediction.

    Returns:
        0 and up; 1 is about the smallest difference an eye sees.

    Source: Sharma, Wu, Dalal 2005, by scikit-image; CIELAB under D65.
    """
    return float(np.mean(deltaE_ciede2000(color.rgb_to_lab(rgb_u8), color.rgb_to_lab(rgb_u8_hat))))


def colorfulness(rgb_u8: np.ndarray) -> float:
    """How colorful a picture is, whatever its colors.

    Args:
        rgb_u8: (H, W, 3) uint8 sRGB.

    Returns:
        0 for gray, about 40 for an average photograph, over 100 for extreme ones. What `color.merge` makes of no color
        has about 0.1: few L* are exactly a gray of 8 bits.

    Source: Hasler and Süsstrunk 2003, with signed rg and yb as published. DDColor and CT2 use their
    absolute values, which gives lower numbers.
    """
    red, green, blue = np.moveaxis(rgb_u8.astype(np.float64), -1, 0)
    rg, yb = red - green, (red + green) / 2 - blue
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))


def accuracy_argmax_ab(ab_norm: np.ndarray, ab_norm_hat: np.ndarray) -> float:
    """The paper's "accuracy": the share of pixels where the larger of a and b is the same one.

    It does not say how close a color is; a constant brown scores the share of pixels with b > a.

    Args:
        ab_norm: (..., 2) float, the true ab/128. In a tie a counts as the larger, as in Keras.
        ab_norm_hat: the same shape, the predicted ab/128.

    Returns:
        0..1.

    Source: what Keras makes of `metrics=["accuracy"]` on two channels, CategoricalAccuracy.
    """
    return float(np.mean((ab_norm[..., 1] > ab_norm[..., 0]) == (ab_norm_hat[..., 1] > ab_norm_hat[..., 0])))


def score(rgb_u8_truth: np.ndarray, ab_norm_hat: np.ndarray, l_norm_hat: np.ndarray | None = None) -> dict[str, float]:
    """Computes all metrics of one prediction, with the true L* or its own.

    Args:
        rgb_u8_truth: (H, W, 3) uint8 sRGB, the original.
        ab_norm_hat: (H, W, 2) float, the predicted ab/128.
        l_norm_hat: (H, W, 1) float, the predicted L/50 - 1, for a method scored with its own luminance;
            None for the true one.

    Returns:
        A value for each of `COLUMNS`.

    Raises:
        ValueError: the prediction has another size than the picture.
    """
    if ab_norm_hat.shape != (*rgb_u8_truth.shape[:2], 2):
        raise ValueError(
            f"A prediction has the picture's size, {rgb_u8_truth.shape[:2]}. Received: {ab_norm_hat.shape}"
        )
    lab = color.rgb_to_lab(rgb_u8_truth)
    _, ab_norm = color.split(lab)
    l = lab[..., 0] if l_norm_hat is None else color.join(l_norm_hat, ab_norm_hat)[..., 0]
    rgb_u8_hat = color.merge(l, ab_norm_hat)
    values = (
        mse_ab(ab_norm, ab_norm_hat),
        psnr_rgb(rgb_u8_truth, rgb_u8_hat),
        ssim_rgb(rgb_u8_truth, rgb_u8_hat),
        psnr_ab(ab_norm, ab_norm_hat),
        ciede2000(rgb_u8_truth, rgb_u8_hat),
        colorfulness(rgb_u8_hat),
        colorfulness(rgb_u8_truth),
        accuracy_argmax_ab(ab_norm, ab_norm_hat),
    )
    return dict(zip(COLUMNS, values, strict=True))


def finite_mean(values) -> float:
    """The mean of the finite values; NaN where there are none. Pictures with an infinite PSNR are left out."""
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")
