"""Hues, histograms, strength of colors and gains, on colors that one can check by hand."""

import numpy as np
import pytest

from colorizer import color
from colorizer.evaluation import color_statistics, predictions


def small(*ab) -> np.ndarray:
    """(n, 64, 64, 2) int8, each picture one color in Lab units."""
    return np.stack([predictions.shrink(np.full((64, 64, 2), np.float32(one) / color.AB_SCALE)) for one in ab])


def test_the_table_of_colors_is_right_for_colors_one_can_see_through():
    one_tint = {"coco": (["x", "y"], small((6, 8), (6, 8)))}
    two = {"coco": (["x", "y"], small((30, 40), (-30, -40)))}
    table = color_statistics.table({"tint": one_tint, "two": two}).set_index("predictor")
    step = color.AB_SCALE / predictions.AB_STEPS  # of what is kept
    assert table.chroma["tint"] == pytest.approx(10, abs=step) and table.spread["tint"] == pytest.approx(0, abs=1e-6)
    assert table.chroma["two"] == pytest.approx(50, abs=step) and table.spread["two"] == pytest.approx(50, abs=step)
    assert table.warm.to_dict() == {"tint": 1.0, "two": 0.5}
    assert table.near_gray["two"] == 0 and abs(table.mean_a["two"]) < 1e-6


def test_the_gain_that_costs_least_is_found_and_the_vivid_one_costs_more():
    truth = {"coco": (["x", "y"], small((40, 0), (-40, 20)))}
    pale = {"coco": (["y", "x"], small((-10, 0), (10, 0)))}  # in another order, and it knows nothing of b
    row = color_statistics.gains(truth, {"pale": pale, "gray": {"coco": (["x", "y"], small((0, 0), (0, 0)))}})
    assert list(row.predictor) == ["pale"]  # no gain makes gray colorful
    row = row.iloc[0]
    assert row.best_gain == pytest.approx(4, rel=0.05) and row.error_best < row.error < 1
    assert row.vivid_gain > row.best_gain and row.error_vivid > row.error_best
    steps = np.array([0, row.best_gain])
    assert color_statistics.errors(truth, pale, "coco", steps).tolist() == pytest.approx([1, row.error_best])


def test_there_is_no_gain_without_color_in_the_truth_or_without_a_common_picture():
    orange = {"coco": (["x"], small((20, 40)))}
    for truth in ({"coco": (["x"], small((0, 0)))}, {"coco": (["other"], small((20, 40)))}):
        assert color_statistics.gains(truth, {"orange": orange}).empty


def test_a_histogram_counts_every_pixel_where_it_lies():
    shares = color_statistics.histogram(np.concatenate([small((0, 0)), small((0, 60))]))
    assert shares.sum() == pytest.approx(1) and (shares > 0).sum() == 2
    rows, columns = np.nonzero(shares)
    middle = len(shares) // 2
    assert columns.tolist() == [middle, middle] and rows[0] == middle < rows[1]  # b points up
    assert color_statistics.histogram(np.full((1, 1, 2), -127, np.int8)).sum() == 1  # a saturated network's too
    assert color_statistics.region(shares) == 0.5


def test_hues_are_counted_among_pixels_that_have_one():
    ab = np.float32([[3, 3], [8, 20], [20, 12], [0, -30], [-30, 10]])  # no hue, brown, brown, blue, green
    found = color_statistics.hues(ab / color.AB_SCALE)
    assert found["brown"] == 0.5 and found["colored"] == pytest.approx(0.8)
    assert (found["a"], found["b"]) == pytest.approx((0.2, 3.0), abs=1e-5)
    assert found["chroma"] == pytest.approx(np.hypot(*ab.T).mean())
    assert color_statistics.hues(np.zeros((2, 2, 2)))["brown"] == 0
