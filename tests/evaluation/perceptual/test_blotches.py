"""Blotches painted by hand, on pictures whose regions are known."""

import numpy as np
import pytest

from colorizer.evaluation.perceptual import blotches

HALVES = np.repeat([[0] * 32 + [1] * 32], 64, axis=0)  # two regions, left and right


def ab_of(hue, chroma=30.0, shape=(64, 64)):
    angle = np.radians(hue)
    return np.full((*shape, 2), np.array([np.cos(angle), np.sin(angle)]) * chroma / 128, np.float32)


def test_even_colors_have_no_blotches():
    ab = ab_of(20)
    ab[:, 32:] = ab_of(200, shape=(64, 32))  # another color in the other region
    assert blotches.score(ab, HALVES) == pytest.approx({"blotch_deviation": 0, "blotch_hues": 0}, abs=1e-5)


def test_a_swapped_hue_is_its_share():
    ab = ab_of(20)
    ab[:16, :32] = ab_of(200, shape=(16, 32))  # a quarter of the left region
    score = blotches.score(ab, HALVES)
    assert score["blotch_hues"] == pytest.approx(1 / 8)
    # +-30 on a line through gray, a quarter on one side: sqrt(3)/4 of the distance, in one of two equal regions
    assert score["blotch_deviation"] == pytest.approx(60 * np.sqrt(3) / 4 / 2, rel=1e-4)


@pytest.mark.parametrize(("turn", "stray"), [(55, 0), (65, 0.25)])
def test_hues_stray_beyond_sixty_degrees_on_the_circle(turn, stray):
    ab = ab_of(340)
    ab[:16] = ab_of(340 + turn, shape=(16, 64))
    assert blotches.score(ab, np.zeros((64, 64), int))["blotch_hues"] == pytest.approx(stray)


def test_gray_pixels_have_no_hue_to_stray():
    ab = ab_of(20)
    ab[:16] = ab_of(200, chroma=4, shape=(16, 64))
    assert blotches.score(ab, np.zeros((64, 64), int))["blotch_hues"] == 0


def test_a_picture_without_regions_has_no_number():
    assert all(np.isnan(value) for value in blotches.score(ab_of(20), np.full((64, 64), -1)).values())


def test_the_median_of_hues_does_not_care_where_the_circle_begins():
    assert blotches.median_hue(np.array([350.0, 358.0, 6.0])) == 358


def test_regions_follow_colors_not_shades():
    rgb = np.zeros((96, 96, 3), np.uint8)
    rgb[:, :48], rgb[:, 48:] = (70, 130, 190), (200, 120, 60)
    rgb[40:56] = (rgb[40:56] * 0.93).astype(np.uint8)  # a band of light shade over both
    found = blotches.regions(rgb)
    sides = [set(np.unique(found[:, :30])), set(np.unique(found[:, 66:]))]  # superpixels between both have two colors
    assert sorted(sides, key=min) == [{0}, {1}]


def test_a_checked_area_is_no_region_of_one_color():
    rgb = np.full((96, 96, 3), (60, 90, 200), np.uint8)
    rows, columns = np.mgrid[:96, :48] // 3
    rgb[:, 48:] = np.where(((rows + columns) % 2)[..., None], (200, 60, 60), (60, 160, 60))
    found = blotches.regions(rgb)
    assert (found[:, :30] == 0).all() and (found[:, 66:] == -1).all()


def test_a_blotch_painted_by_hand_raises_both_measures():
    rgb = np.full((96, 96, 3), (200, 150, 110), np.uint8)
    ab = ab_of(60, shape=(96, 96))
    before = blotches.score(ab, blotches.regions(rgb))
    ab[30:60, 30:60] = ab_of(250, shape=(30, 30))
    after = blotches.score(ab, blotches.regions(rgb))
    assert all(after[name] > before[name] + 0.05 for name in blotches.MEASURES)
