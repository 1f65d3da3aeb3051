"""How the paper may have measured.

`python -m colorizer.reporting.paper.metric_conventions`, a few minutes, into results/conventions.json.

BASELINES §3 found that the paper's PSNR and SSIM do not go together under the usual convention, and that many of
its values lie below those of a predictor of no colour. Here the same is measured on our test lists: predictors
that know nothing or too much, and made-up wrong predictions, each scored by every convention that comes to mind.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
from skimage.metrics import structural_similarity

from colorizer import atomic_files, color
from colorizer.evaluation import metrics, test_sets
from colorizer.reporting.paper import published

RECORD = Path("results/conventions.json")
BROWN = (8.0, 20.0)  # Lab units; BASELINES §3's constant brown
BROWN_HUES = (30.0, 100.0)  # degrees in the a, b plane, red-orange to yellow: dark or pale, people call them brown
COLOURED = 5.0  # Lab units of chroma below which a pixel has no hue to speak of
SYNTHETIC_PICTURES = 40
BAND_DB = 1.0  # as near as two values must be to count as the same
FEWEST = 20  # made-up predictions near a value; with fewer there is no band to be in
_QUANTILES = (0.05, 0.95)

PSNRS = ("psnr_rgb", "psnr_ab", "psnr_ab_peak2")
SSIMS = ("ssim_rgb", "ssim_grey", "ssim_ab")


def score(rgb_u8: np.ndarray, ab_norm_hat: np.ndarray) -> dict[str, float]:
    """One prediction by every convention.

    Args:
        rgb_u8: (H, W, 3) uint8 sRGB, the truth.
        ab_norm_hat: (H, W, 2) float, ab/128.

    Returns:
        `mse_ab`, `accuracy_argmax_ab`; PSNR on RGB, on ab/128 with peak 1 and with peak 2 (its range); SSIM on
        RGB, on the pictures turned grey, and on ab brought into 0..1.

    Source: BASELINES §3.3.
    """
    lab = color.rgb_to_lab(rgb_u8)
    _, ab_norm = color.split(lab)
    rgb_u8_hat = color.merge(lab[..., 0], ab_norm_hat)
    grey, grey_hat = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (rgb_u8, rgb_u8_hat))
    peak1 = metrics.psnr_ab(ab_norm, ab_norm_hat)
    halves = [np.clip((ab + 1) / 2, 0, 1).astype(np.float32) for ab in (ab_norm, ab_norm_hat)]
    return {
        "mse_ab": metrics.mse_ab(ab_norm, ab_norm_hat),
        "accuracy_argmax_ab": metrics.accuracy_argmax_ab(ab_norm, ab_norm_hat),
        "psnr_rgb": metrics.psnr_rgb(rgb_u8, rgb_u8_hat),
        "psnr_ab": peak1,
        "psnr_ab_peak2": peak1 + 20 * np.log10(2),
        "ssim_rgb": metrics.ssim_rgb(rgb_u8, rgb_u8_hat),
        "ssim_grey": float(structural_similarity(grey, grey_hat, data_range=255)),
        "ssim_ab": float(structural_similarity(*halves, channel_axis=-1, data_range=1)),
    }


def predictors(ab_norm: np.ndarray) -> dict[str, np.ndarray]:
    """Predictions that know nothing, and some that know too much.

    Args:
        ab_norm: (H, W, 2), the truth.

    Returns:
        name -> (H, W, 2): no colour, one brown everywhere, the picture's own mean colour, half its true colours.

    Source: BASELINES §3, the table's rows.
    """
    brown = np.broadcast_to(np.float32(BROWN) / color.AB_SCALE, ab_norm.shape)
    own = np.broadcast_to(ab_norm.mean(axis=(0, 1)), ab_norm.shape)
    return {"all_grey": np.zeros_like(ab_norm), "brown": brown, "own_mean": own, "half": ab_norm / 2}


def wrong(ab_norm: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Made-up wrong predictions: too pale, too strong, inverted, tinted, blotched; from mild to garish.

    Args:
        ab_norm: (H, W, 2), the truth.
        rng: of directions and blotches.

    Yields:
        (H, W, 2) each.

    Source: BASELINES §3.3.
    """
    for scale in (-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.5, 2.0):
        yield scale * ab_norm
    for chroma in (10, 20, 35, 50, 65, 80, 100):
        for _ in range(2):
            angle = rng.uniform(0, 2 * np.pi)
            tint = np.float32((np.cos(angle), np.sin(angle))) * chroma / color.AB_SCALE
            yield 0.5 * ab_norm + tint
        blotches = rng.normal(0, chroma / np.sqrt(2), (6, 6, 2)).astype(np.float32)
        yield cv2.resize(blotches, ab_norm.shape[1::-1], interpolation=cv2.INTER_CUBIC) / color.AB_SCALE


def fits(scores: list[dict[str, float]]) -> dict[str, dict[str, dict[str, float]]]:
    """How many of the paper's 16 pairs of PSNR and SSIM each pair of conventions can bring about.

    A pair is reached where 20 made-up predictions or more have its PSNR within 1 dB, and fits where its SSIM lies
    between the 5 % and the 95 % quantile of theirs. A wide band is easy to be in, so its width is told too.

    Args:
        scores: from `score`, one a prediction.

    Returns:
        PSNR's name -> SSIM's name -> `reached` and `fits`, 0..16, and `width`: the mean height of the bands of
        the pairs that are reached, in units of SSIM; None where none is.

    Source: BASELINES §3.3; Table 3.
    """
    pairs = [pair for psnr, ssim in published.TABLE3.values() for pair in zip(psnr, ssim, strict=True)]
    columns = {name: np.array([s[name] for s in scores]) for name in (*PSNRS, *SSIMS)}
    found = {}
    for psnr_name in PSNRS:
        near = [np.abs(columns[psnr_name] - psnr) <= BAND_DB for psnr, _ in pairs]
        reached = [(mask, ssim / 100) for mask, (_, ssim) in zip(near, pairs, strict=True) if mask.sum() >= FEWEST]
        found[psnr_name] = {}
        for ssim_name in SSIMS:
            bands = [(np.quantile(columns[ssim_name][mask], _QUANTILES), ssim) for mask, ssim in reached]
            found[psnr_name][ssim_name] = {
                "reached": len(bands),
                "fits": sum(bool(low <= ssim <= high) for (low, high), ssim in bands),
                "width": float(np.mean([high - low for (low, high), _ in bands])) if bands else None,
            }
    return found


def at_printed_error(scores: list[dict[str, float]]) -> dict[str, dict]:
    """What PSNR goes with the errors of Table 2, by every convention.

    Args:
        scores: from `score`, one a prediction.

    Returns:
        Training set -> `mse`, the paper's; `n`, how many made-up predictions have it within 1 dB; and PSNR's name ->
        [5 % quantile, median, 95 % quantile] of theirs, in dB, where there are 20 or more.

    Source: BASELINES §3.2; Table 2.
    """
    errors = np.array([s["mse_ab"] for s in scores])
    found = {}
    for trained_on, (_, mse, _) in published.TABLE2.items():
        with np.errstate(divide="ignore"):
            near = np.abs(10 * np.log10(errors / mse)) <= BAND_DB
        found[trained_on] = {"mse": mse, "n": int(near.sum())}
        if near.sum() >= FEWEST:
            for name in PSNRS:
                values = np.array([s[name] for s in scores])[near]
                found[trained_on][name] = [float(np.quantile(values, q)) for q in (_QUANTILES[0], 0.5, _QUANTILES[1])]
    return found


def slips(rgb_u8: np.ndarray, rgb_u8_hat: np.ndarray) -> dict[str, dict[str, float]]:
    """A prediction scored as it is, and after slips that are easily made.

    Args:
        rgb_u8, rgb_u8_hat: (H, W, 3) uint8 sRGB, truth and prediction.

    Returns:
        name -> `psnr_rgb`, `ssim_rgb`: `none`; `swapped`, blue taken for red; `black`, a picture in 0..1 made
        integers; `wrapped`, differences taken in uint8, which concerns PSNR alone.

    Source: BASELINES §3.3.
    """
    files_written = {"none": rgb_u8_hat, "swapped": rgb_u8_hat[..., ::-1], "black": rgb_u8_hat // 255}
    wrapped = np.subtract(rgb_u8, rgb_u8_hat)  # modulo 256
    return {
        name: {"psnr_rgb": metrics.psnr_rgb(rgb_u8, image), "ssim_rgb": metrics.ssim_rgb(rgb_u8, image)}
        for name, image in files_written.items()
    } | {"wrapped": {"psnr_rgb": metrics.psnr_rgb(wrapped, np.zeros_like(wrapped))}}


def hues(ab_norm: np.ndarray) -> dict[str, float]:
    """What colours there are.

    Args:
        ab_norm: (..., 2) float, ab/128.

    Returns:
        `a`, `b`: their means in Lab units; `chroma`; `brown`: the share of pixels between red-orange and yellow,
        among those with a hue; `coloured`: how many have one.

    Source: ours.
    """
    ab = np.asarray(ab_norm, np.float32).reshape(-1, 2) * color.AB_SCALE
    chroma = np.hypot(ab[:, 0], ab[:, 1])
    with_hue = chroma > COLOURED
    angle = np.degrees(np.arctan2(ab[with_hue, 1], ab[with_hue, 0]))
    brown = (angle >= BROWN_HUES[0]) & (angle <= BROWN_HUES[1])
    return {
        "a": float(ab[:, 0].mean()),
        "b": float(ab[:, 1].mean()),
        "chroma": float(chroma.mean()),
        "brown": float(brown.mean()) if len(brown) else 0.0,
        "coloured": float(with_hue.mean()),
    }


def measure(data_dir: str | Path | None = None, limit: int | None = None, seed: int = 42) -> dict:
    """Everything above on the test lists that are here.

    Args:
        data_dir, limit: as `testlists.find`.
        seed: of the made-up predictions and their pictures.

    Returns:
        JSON: `lists`: test list -> `n`, `truth` (its hues), and predictor -> measure -> [mean, least, greatest];
        `synthetic`: how many made-up predictions of how many pictures, `fits` and `at_printed_error`;
        `slips`: slip -> measure -> [mean, least, greatest], on half the true colours of the same pictures.

    Raises:
        ValueError: no test pictures are here.

    Source: BASELINES §3.
    """
    lists, lines = test_sets.find([], data_dir, limit)
    if not lists:
        raise ValueError("\n".join(["The test pictures are needed.", *lines]))
    told, everything = {}, []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for pictures in lists:
            rgb_u8 = pictures.store.read(pictures.rows[: pictures.listed])
            everything += list(rgb_u8)
            rows = list(pool.map(_of_predictors, rgb_u8))
            ab = np.stack(list(pool.map(_small_ab, rgb_u8)))
            summary = {name: _summary([row[name] for row in rows]) for name in rows[0]}
            told[pictures.name] = {"n": len(rgb_u8), "truth": hues(ab)} | summary
        chosen = np.random.default_rng(seed).permutation(len(everything))[:SYNTHETIC_PICTURES]
        synthetic = list(pool.map(lambda i: _of_wrong(everything[i], seed + int(i)), chosen))
        slipped = list(pool.map(lambda i: _of_slips(everything[i]), chosen))
    scores = [s for of_picture in synthetic for s in of_picture]
    made_up = {"pictures": len(chosen), "predictions": len(scores)}
    return {
        "lists": told,
        "synthetic": made_up | {"fits": fits(scores), "at_printed_error": at_printed_error(scores)},
        "slips": {name: _summary([of_picture[name] for of_picture in slipped]) for name in slipped[0]},
    }


def _of_predictors(rgb_u8):
    _, ab_norm = color.split(color.rgb_to_lab(rgb_u8))
    return {name: score(rgb_u8, ab) for name, ab in predictors(ab_norm).items()}


def _of_wrong(rgb_u8, seed):
    _, ab_norm = color.split(color.rgb_to_lab(rgb_u8))
    return [score(rgb_u8, ab) for ab in wrong(ab_norm, np.random.default_rng(seed))]


def _of_slips(rgb_u8):
    lab = color.rgb_to_lab(rgb_u8)
    return slips(rgb_u8, color.merge(lab[..., 0], color.split(lab)[1] / 2))


def _small_ab(rgb_u8):
    return color.split(color.rgb_to_lab(rgb_u8))[1][::4, ::4]


def _summary(rows):
    """measure -> [mean, least, greatest]."""
    return {
        name: [float(f([row[name] for row in rows])) for f in (metrics.finite_mean, np.min, np.max)] for name in rows[0]
    }


def main(argv=None) -> int:
    """Measures and writes the record; returns the exit status."""
    parser = argparse.ArgumentParser(
        "python -m colorizer.reporting.paper.metric_conventions", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--data-dir", metavar="DIR", help="holds coco/, paintings/, ood/ (default: found)")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N pictures of each list (default: all)")
    parser.add_argument("--output", type=Path, default=RECORD, metavar="FILE", help="(default: %(default)s)")
    flags = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        measured = measure(flags.data_dir, flags.limit)
    except ValueError as error:
        print(f"python -m colorizer.reporting.paper.metric_conventions: {error}", file=sys.stderr)
        return 2
    from colorizer import environment  # loads Keras, which whoever reads the record need not wait for

    made = {"commit": environment.commit(), "device": environment.device(), "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    atomic_files.write_json(flags.output, {"made": made} | measured)
    print(f"Written: {flags.output}. `python evaluate.py` puts it into results/REPRODUCTION.md.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
