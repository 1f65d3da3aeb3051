"""How the paper may have measured: made-up predictions of our test pictures, scored by many conventions.

`python -m experiments.metric_conventions` takes minutes and writes results/conventions.json. The paper's
PSNR and SSIM do not go together under the usual convention, and many values lie below those of no color at all.
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
from colorizer.errors import ColorizerError, EvaluationError
from colorizer.evaluation import color_statistics, metrics, predictions, test_sets
from colorizer.reporting.paper.evidence import RECORD
from colorizer.reporting.paper.published import TABLE2, TABLE3
from experiments.metric_conventions_page import BAND_DB, PSNRS, SSIMS

OUTPUT = Path("results") / RECORD
PROG = "python -m experiments.metric_conventions"
SYNTHETIC_PICTURES = 40
SEED = 42  # of the made-up predictions and their pictures
FEWEST = 20  # made-up predictions near a value; with fewer there is no band
_QUANTILES = (0.05, 0.95)


def score(rgb_u8: np.ndarray, ab_norm_hat: np.ndarray) -> dict[str, float]:
    """Scores a prediction by every convention.

    Args:
        rgb_u8: (H, W, 3) uint8 sRGB, the truth.
        ab_norm_hat: (H, W, 2) float, ab/128.

    Returns:
        `mse_ab`; PSNR on RGB, on ab/128 with peak 1 and with peak 2 (its range); SSIM on RGB, on the pictures in
        gray, and on ab scaled to 0..1.
    """
    lab = color.rgb_to_lab(rgb_u8)
    _, ab_norm = color.split(lab)
    rgb_u8_hat = color.merge(lab[..., 0], ab_norm_hat)
    gray, gray_hat = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (rgb_u8, rgb_u8_hat))
    peak1 = metrics.psnr_ab(ab_norm, ab_norm_hat)
    halves = [np.clip((ab + 1) / 2, 0, 1).astype(np.float32) for ab in (ab_norm, ab_norm_hat)]
    return {
        "mse_ab": metrics.mse_ab(ab_norm, ab_norm_hat),
        "psnr_rgb": metrics.psnr_rgb(rgb_u8, rgb_u8_hat),
        "psnr_ab": peak1,
        "psnr_ab_peak2": peak1 + 20 * np.log10(2),
        "ssim_rgb": metrics.ssim_rgb(rgb_u8, rgb_u8_hat),
        "ssim_grey": float(structural_similarity(gray, gray_hat, data_range=255)),
        "ssim_ab": float(structural_similarity(*halves, channel_axis=-1, data_range=1)),
    }


def wrong(ab_norm: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Makes up wrong predictions (H, W, 2): too pale, too strong, inverted, tinted, blotched; from mild to garish."""
    for scale in (-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.5, 2.0):
        yield scale * ab_norm
    for chroma in (10, 20, 35, 50, 65, 80, 100):
        for _ in range(2):
            angle = rng.uniform(0, 2 * np.pi)
            yield 0.5 * ab_norm + np.float32((np.cos(angle), np.sin(angle))) * chroma / color.AB_SCALE
        blotches = rng.normal(0, chroma / np.sqrt(2), (6, 6, 2)).astype(np.float32)
        yield cv2.resize(blotches, ab_norm.shape[1::-1], interpolation=cv2.INTER_CUBIC) / color.AB_SCALE


def fits(scores: list[dict[str, float]]) -> dict[str, dict[str, dict[str, float]]]:
    """Counts how many of Table 3's 16 pairs of PSNR and SSIM each pair of conventions can produce.

    A pair is reached where `FEWEST` predictions have its PSNR, and fits where its SSIM lies in the band between the
    quantiles of theirs.

    Args:
        scores: from `score`, one per prediction.

    Returns:
        PSNR's name -> SSIM's name -> `reached`, `fits`, and `width`, the mean height of the bands, or None.
    """
    pairs = [pair for psnr, ssim in TABLE3.values() for pair in zip(psnr, ssim, strict=True)]
    columns = {name: np.array([s[name] for s in scores]) for name in (*PSNRS, *SSIMS)}

    def fit(psnr_name, ssim_name):
        near = ((np.abs(columns[psnr_name] - psnr) <= BAND_DB, ssim / 100) for psnr, ssim in pairs)
        reached = [(columns[ssim_name][mask], ssim) for mask, ssim in near if mask.sum() >= FEWEST]
        bands = [(*np.quantile(values, _QUANTILES), ssim) for values, ssim in reached]
        width = float(np.mean([high - low for low, high, _ in bands])) if bands else None
        return {"reached": len(bands), "fits": sum(bool(a <= ssim <= b) for a, b, ssim in bands), "width": width}

    return {psnr_name: {ssim_name: fit(psnr_name, ssim_name) for ssim_name in SSIMS} for psnr_name in PSNRS}


def at_printed_error(scores: list[dict[str, float]]) -> dict[str, dict]:
    """Finds the PSNR that goes with each error of Table 2.

    Returns:
        Training set -> `mse`; `n`, the number of predictions within `BAND_DB` of it; and, from `FEWEST` on, PSNR's name
        -> [5 % quantile, median, 95 % quantile] in dB.
    """
    errors, by_set = np.array([s["mse_ab"] for s in scores]), {}
    for trained_on, (_, mse, _) in TABLE2.items():
        with np.errstate(divide="ignore"):
            near = np.abs(10 * np.log10(errors / mse)) <= BAND_DB
        by_set[trained_on] = {"mse": mse, "n": int(near.sum())}
        for name in PSNRS if near.sum() >= FEWEST else ():
            values = np.array([s[name] for s in scores])[near]
            by_set[trained_on][name] = np.quantile(values, [_QUANTILES[0], 0.5, _QUANTILES[1]]).tolist()
    return by_set


def slips(rgb_u8: np.ndarray, rgb_u8_hat: np.ndarray) -> dict[str, dict[str, float]]:
    """Scores a prediction as it is, and after easy mistakes.

    Returns:
        name -> `psnr_rgb`, `ssim_rgb`: `none`; `swapped`, blue and red; `black`, a picture in 0..1 cast to integers;
        `wrapped`, differences computed in uint8, for PSNR only.
    """
    images = {"none": rgb_u8_hat, "swapped": rgb_u8_hat[..., ::-1], "black": rgb_u8_hat // 255}
    wrapped = np.subtract(rgb_u8, rgb_u8_hat)  # modulo 256
    return {
        name: {"psnr_rgb": metrics.psnr_rgb(rgb_u8, image), "ssim_rgb": metrics.ssim_rgb(rgb_u8, image)}
        for name, image in images.items()
    } | {"wrapped": {"psnr_rgb": metrics.psnr_rgb(wrapped, np.zeros_like(wrapped))}}


def measure(data_dir: str | Path | None = None, limit: int | None = None) -> dict:
    """Measures all of this on the test lists that are here.

    Args:
        data_dir: as in `test_sets.find`.
        limit: as in `test_sets.find`.

    Returns:
        JSON: `lists`: test list -> `n`, `truth` (its hues) and `half` (scores of half the true colors); `synthetic`:
        `pictures`, `predictions`, `fits`, `at_printed_error`; `slips`. Scores are [mean, minimum, maximum].

    Raises:
        EvaluationError: no test pictures are here.
    """
    sets, notes = test_sets.find([], data_dir, limit)
    if not sets:
        raise EvaluationError("\n".join(["The test pictures are needed.", *notes]))
    lists, pictures = {}, []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for of_list in sets:
            rgb_u8 = of_list.store.read(of_list.rows[: of_list.count])
            ab = list(pool.map(_ab, rgb_u8))
            half = _summary(list(pool.map(lambda rgb, ab_norm: score(rgb, ab_norm / 2), rgb_u8, ab)))
            truth = color_statistics.hues(predictions.unshrink(np.stack([predictions.shrink(one) for one in ab])))
            lists[of_list.name] = {"n": len(rgb_u8), "truth": truth, "half": half}
            pictures += list(rgb_u8)
        chosen = [int(i) for i in np.random.default_rng(SEED).permutation(len(pictures))[:SYNTHETIC_PICTURES]]
        made_up = pool.map(lambda i: _of_wrong(pictures[i], SEED + i), chosen)
        scores = [prediction for of_picture in made_up for prediction in of_picture]
        mistakes = list(pool.map(lambda i: _of_slips(pictures[i]), chosen))
    synthetic = {"pictures": len(chosen), "predictions": len(scores)}
    synthetic |= {"fits": fits(scores), "at_printed_error": at_printed_error(scores)}
    by_slip = {name: _summary([of_picture[name] for of_picture in mistakes]) for name in mistakes[0]}
    return {"lists": lists, "synthetic": synthetic, "slips": by_slip}


def _ab(rgb_u8):
    return color.split(color.rgb_to_lab(rgb_u8))[1]


def _of_wrong(rgb_u8, seed):
    return [score(rgb_u8, ab) for ab in wrong(_ab(rgb_u8), np.random.default_rng(seed))]


def _of_slips(rgb_u8):
    return slips(rgb_u8, color.merge(color.rgb_to_lab(rgb_u8)[..., 0], _ab(rgb_u8) / 2))


def _summary(rows):
    functions = (metrics.finite_mean, np.min, np.max)
    return {name: [float(f([row[name] for row in rows])) for f in functions] for name in rows[0]}


def main(argv=None) -> int:
    """Measures and writes the record; returns the exit status."""
    parser = argparse.ArgumentParser(PROG, description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", metavar="DIR", help="holds coco/, paintings/, ood/ (default: $COLORIZER_DATA)")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N pictures of each list (default: all)")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="FILE", help="(default: %(default)s)")
    flags = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        measured = measure(flags.data_dir, flags.limit)
    except ColorizerError as error:
        print(f"{PROG}: {error}", file=sys.stderr)
        return error.exit_status
    from colorizer import environment  # loads Keras, which readers of the record do not need

    made = {"commit": environment.commit(), "device": environment.device(), "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    atomic_files.write_json(flags.output, {"made": made} | measured)
    print(f"Written: {flags.output}. `python -m experiments.pages` and `make tables` put it into the pages.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
