"""How the paper may have measured: every convention, slip and made-up prediction, on numbers known beforehand."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import draw_picture

from colorizer import color
from colorizer.evaluation import metrics, test_sets
from colorizer.reporting.paper import published
from experiments import metric_conventions, metric_conventions_page


def scored(**values):
    """A prediction's scores: these, and 0.5 for the others."""
    return dict.fromkeys(("mse_ab", *metric_conventions.PSNRS, *metric_conventions.SSIMS), 0.5) | values


def test_every_convention_agrees_with_the_metric_it_is_made_of():
    rgb_u8 = draw_picture(3, 64, 64)
    lab = color.rgb_to_lab(rgb_u8)
    ab_norm = color.split(lab)[1]
    found = metric_conventions.score(rgb_u8, ab_norm / 4)
    merged = color.merge(lab[..., 0], ab_norm / 4)
    assert found["psnr_rgb"] == metrics.psnr_rgb(rgb_u8, merged)
    assert found["ssim_rgb"] == metrics.ssim_rgb(rgb_u8, merged)
    assert found["mse_ab"] == pytest.approx(np.square(0.75 * ab_norm).mean())
    assert found["psnr_ab"] == pytest.approx(-10 * np.log10(found["mse_ab"]))
    assert found["psnr_ab_peak2"] - found["psnr_ab"] == pytest.approx(10 * np.log10(4))
    assert found["ssim_rgb"] < found["ssim_grey"] < 1  # luminance is the truth's own, but for clipping
    perfect = metric_conventions.score(rgb_u8, ab_norm)
    assert perfect["psnr_ab"] == float("inf")
    assert [perfect[name] for name in metric_conventions.SSIMS] == pytest.approx([1, 1, 1])


def test_made_up_predictions_run_from_mild_to_garish_and_come_again_with_their_seed():
    ab_norm = np.full((12, 12, 2), 0.1, np.float32)
    made, again, other = (list(metric_conventions.wrong(ab_norm, np.random.default_rng(s))) for s in (1, 1, 2))
    assert {ab.shape for ab in made} == {(12, 12, 2)}
    np.testing.assert_array_equal(made, again)
    assert not np.array_equal(made, other)
    errors = [metrics.mse_ab(ab_norm, ab) for ab in made]
    assert min(errors) < 0.001 and max(errors) > published.TABLE2["coco"][1]


@pytest.fixture
def one_pair(monkeypatch):
    """Table 3 with one picture: 20 dB and 90 %."""
    monkeypatch.setattr(metric_conventions, "TABLE3", {"coco": ((20,), (90,))})


@pytest.mark.parametrize(
    ("psnr", "ssim", "count", "expected"),
    [
        (20.0, 0.9, 20, (1, 1)),
        (20.9, 0.9, 20, (1, 1)),
        (21.1, 0.9, 20, (0, 0)),  # another PSNR
        (20.0, 0.8, 20, (1, 0)),  # another SSIM
        (20.0, 0.9, 19, (0, 0)),  # too few to say
    ],
)
def test_a_pair_fits_where_its_ssim_is_among_those_of_its_psnr(one_pair, psnr, ssim, count, expected):
    found = metric_conventions.fits([scored(psnr_rgb=psnr, ssim_grey=ssim)] * count)
    cell = found["psnr_rgb"]["ssim_grey"]
    assert (cell["reached"], cell["fits"]) == expected
    assert cell["width"] == (0 if expected[0] else None)
    assert found["psnr_rgb"]["ssim_rgb"]["fits"] == 0
    assert found["psnr_ab"]["ssim_grey"]["reached"] == 0


def test_a_band_leaves_out_a_tenth_and_its_width_is_measured(one_pair):
    scores = [scored(psnr_ab=20, ssim_ab=s) for s in np.linspace(0, 1, 101)]
    cell = metric_conventions.fits(scores)["psnr_ab"]["ssim_ab"]
    assert cell == {"reached": 1, "fits": 1, "width": pytest.approx(0.9)}
    cell = metric_conventions.fits([s | {"ssim_ab": s["ssim_ab"] * 0.92} for s in scores])["psnr_ab"]["ssim_ab"]
    assert cell["fits"] == 0  # 90 % is above the 95 % quantile, though some have it


def test_psnr_at_the_printed_error_is_that_of_predictions_with_this_error():
    mse = published.TABLE2["coco"][1]
    scores = [scored(mse_ab=mse, psnr_rgb=p) for p in np.linspace(10, 12, 21)]
    scores += [scored(mse_ab=mse * 10**0.11, psnr_rgb=99)] * 30 + [scored(mse_ab=0.0, psnr_rgb=99)] * 30
    found = metric_conventions.at_printed_error(scores)
    assert found["coco"]["n"] == 21
    assert found["coco"]["psnr_rgb"] == pytest.approx([10.1, 11, 11.9])
    assert found["paintings"] == {"mse": published.TABLE2["paintings"][1], "n": 0}


def test_slips_do_what_they_are_called():
    truth = np.full((8, 8, 3), (10, 20, 30), np.uint8)
    found = metric_conventions.slips(truth, truth + np.uint8(1))
    assert found["none"]["psnr_rgb"] == pytest.approx(20 * np.log10(255))
    assert found["wrapped"] == {"psnr_rgb": pytest.approx(0)}  # 10 - 11 is 255
    assert found["swapped"]["psnr_rgb"] == pytest.approx(10 * np.log10(255**2 / ((21**2 + 1 + 19**2) / 3)))
    assert found["black"]["psnr_rgb"] == pytest.approx(10 * np.log10(255**2 / ((100 + 400 + 900) / 3)))


@pytest.fixture
def two_pictures(monkeypatch):
    pixels = np.stack([draw_picture(i, 48, 48) for i in range(3)])
    here = SimpleNamespace(name="coco", count=2, rows=np.arange(3), store=SimpleNamespace(read=lambda r: pixels[r]))
    monkeypatch.setattr(test_sets, "find", lambda *args: ([here], []))
    monkeypatch.setattr(metric_conventions, "SYNTHETIC_PICTURES", 1)
    return pixels[:2]


def test_the_record_holds_means_and_extremes_of_the_listed_pictures(two_pictures, tmp_path):
    path = tmp_path / "conventions.json"
    assert metric_conventions.main(["--output", str(path)]) == 0
    found = json.loads(path.read_text())
    assert set(found["made"]) == {"commit", "device", "date"}
    of_list = found["lists"]["coco"]
    assert of_list["n"] == 2
    truths = [color.split(color.rgb_to_lab(p))[1] for p in two_pictures]
    values = [np.square(ab / 2).mean() for ab in truths]
    assert of_list["half"]["mse_ab"] == pytest.approx([np.mean(values), min(values), max(values)])
    assert found["synthetic"]["pictures"] == 1
    ab_norm = color.split(color.rgb_to_lab(two_pictures[0]))[1]
    assert found["synthetic"]["predictions"] == len(list(metric_conventions.wrong(ab_norm, np.random.default_rng(0))))
    assert set(found["slips"]) == {"none", "swapped", "black", "wrapped"}


def test_without_pictures_it_ends_with_2_and_says_which_are_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(test_sets, "find", lambda *args: ([], ["coco: no pictures here"]))
    assert metric_conventions.main(["--output", str(tmp_path / "never.json")]) == 2
    assert "coco: no pictures here" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_conventions_that_fit_most_are_named():
    cell = {"reached": 16, "fits": 3, "width": 0.2}
    fits = {p: {s: dict(cell) for s in metric_conventions.SSIMS} for p in metric_conventions.PSNRS}
    fits["psnr_ab"]["ssim_grey"]["fits"] = 9
    text = metric_conventions_page.best(fits)
    assert "9 of 16, fit PSNR on ab/128, peak 1 with SSIM on the pictures in gray" in text
    assert "fits 3" in text and "No convention fits all" in text
    fits["psnr_rgb"]["ssim_rgb"]["fits"] = 9
    assert (
        metric_conventions_page.best(fits)
        == "No convention fits more pairs than the usual one, PSNR and SSIM on RGB: 9 of 16."
    )
