"""How hints spread: kept where they are, over the same thing, not over its edge, and darker in its shadow."""

import cv2
import numpy as np
import pytest
from skimage.color import deltaE_ciede2000

from colorizer import Hint, color
from colorizer.steering import spreading
from colorizer.steering.prediction import Prediction
from colorizer.steering.spreading import SIDE, Canvas, shaded

HEIGHT, WIDTH = 240, 320
HINT = Hint(80, 120, "#7a1f1f")


def two_things(noise=2.0):
    """A dark left half and a light right half, with grain; returns (H, W, 3) uint8 gray."""
    l = np.where(np.arange(WIDTH) < WIDTH // 2, 40.0, 70.0) + np.zeros((HEIGHT, 1))
    l += np.random.default_rng(0).normal(0, noise, l.shape)
    return color.gray(l.astype(np.float32))


def predicted(ab=(10, 20), **more):
    return Prediction(np.broadcast_to(np.float32(ab) / 128, (48, 48, 2)), **more)


def test_a_hint_is_kept_where_it_is_fills_its_thing_and_stops_at_the_edge():
    canvas = Canvas(two_things(), predicted())
    ab = canvas.ab_norm([HINT]) * color.AB_SCALE
    row, column = canvas.place(HINT)
    light = canvas.l[row, column]
    asked, is_there = (np.array([light, *one]) for one in (HINT.ab, ab[row, column]))
    assert deltaE_ciede2000(asked, is_there) < 1
    left, right = ab[:, : WIDTH // 2 - 4], ab[:, WIDTH // 2 + 4 :]
    assert np.linalg.norm(left - HINT.ab, axis=-1).mean() < 4
    assert np.linalg.norm(right - (10, 20), axis=-1).max() < 2


def test_no_hints_leave_the_prediction_and_far_things_are_left_alone():
    canvas = Canvas(two_things(), predicted())
    np.testing.assert_allclose(canvas.ab_norm([]) * 128, np.broadcast_to((10.0, 20.0), (*canvas.shape, 2)), rtol=1e-5)
    bars = two_things()
    bars[:, ::40] = bars[:, 1::40] = 0  # the same tone again and again, behind dark bars
    canvas = Canvas(bars, predicted())
    ab = canvas.ab_norm([Hint(20, 120, "#7a1f1f")]) * 128
    assert np.linalg.norm(ab[:, 130:150] - (10, 20), axis=-1).mean() < 2


def test_of_two_hints_each_has_its_surroundings_and_one_more_takes_a_color_back():
    canvas = Canvas(two_things(0), predicted())
    green = Hint(240, 120, "#208020")
    ab = canvas.ab_norm([HINT, green]) * 128
    for hint in (HINT, green):
        row, column = canvas.place(hint)
        np.testing.assert_allclose(ab[row, column], hint.ab, atol=0.5)
    again = Hint(HINT.x, 20, "#808080")
    ab = canvas.ab_norm([HINT, again]) * 128
    assert np.abs(ab[canvas.place(again)]).max() < 0.5
    assert np.linalg.norm(ab[canvas.place(HINT)] - HINT.ab) < 0.5


def test_between_two_hints_on_one_thing_both_count_the_nearer_one_more():
    canvas = Canvas(np.full((HEIGHT, WIDTH, 3), 120, np.uint8), predicted((0, 0)))
    red, green = Hint(60, 120, "#a04040"), Hint(260, 120, "#40a040")
    ab = canvas.ab_norm([red, green]) * 128
    apart = np.linalg.norm(red.ab - green.ab)
    middle, nearer = ab[120, 160], ab[120, 120]  # of the canvas, which is as large as the picture
    np.testing.assert_allclose(middle, (red.ab + green.ab) / 2, atol=0.1 * apart)
    assert 0.02 * apart < np.linalg.norm(nearer - red.ab) < 0.15 * apart


def test_the_distances_of_a_limited_number_of_hints_are_kept(monkeypatch):
    canvas = Canvas(two_things(), predicted())
    hints = [Hint(x, 120, "#7a1f1f") for x in (20, 80, 140, 200)]
    colors = canvas.ab_norm(hints)
    monkeypatch.setattr(spreading, "KEPT", 2)
    fewer = Canvas(two_things(), predicted())
    np.testing.assert_array_equal(fewer.ab_norm(hints), colors)
    assert len(fewer._distances) == 2


def test_a_small_reach_stays_near():
    canvas = Canvas(two_things(), predicted())
    areas = [(canvas.weight(Hint(80, 120, "#7a1f1f", reach)) > 1).sum() for reach in (0.05, 0.1, 1)]
    assert 0 < areas[0] < areas[1] < areas[2]


def test_features_keep_a_color_from_what_the_encoder_sees_as_another_thing():
    features = np.zeros((12, 12, 4), np.float32)
    features[:6, :, 0] = features[6:, :, 1] = 1
    flat = color.gray(np.full((HEIGHT, WIDTH), 50, np.float32) + np.random.default_rng(0).normal(0, 1, (HEIGHT, WIDTH)))
    hint = Hint(160, 40, "#7a1f1f")
    with_them, without = (
        Canvas(flat, predicted(features=given)).ab_norm([hint])[180, 160] * 128 for given in (features, None)
    )
    assert np.linalg.norm(with_them - (10, 20)) < np.linalg.norm(without - (10, 20)) / 2


def test_strength_pales_the_prediction_and_not_the_hints():
    canvas = Canvas(two_things(), predicted())
    ab = canvas.ab_norm([HINT], strength=0.0) * 128
    assert np.linalg.norm(ab[canvas.place(HINT)] - HINT.ab) < 0.5
    assert np.abs(ab[:, -20:]).max() < 2


@pytest.mark.parametrize("light", [4.0, 30.0, 60.0, 97.0])
def test_an_asked_color_keeps_the_luminance_and_is_inside_srgb(light):
    l = np.linspace(0, 100, 101, dtype=np.float32)[None]
    ab = shaded(Hint(0, 0, "#e01020").ab, light, l)
    back = color.rgb_to_lab(color.lab_to_rgb(np.dstack([l, ab]), np.float32))
    assert np.abs(back[..., 0] - l).max() < 1
    chroma = np.linalg.norm(ab[0], axis=-1)
    assert (np.diff(chroma[: min(int(light), 45)]) >= -1e-3).all()  # paler, the darker the shadow
    assert chroma[int(light)] > 4  # as much as there is


def test_large_and_narrow_pictures_have_small_canvases():
    wide = cv2.resize(two_things(), (3000, 7))
    canvas = Canvas(wide, predicted())
    assert max(canvas.shape) == SIDE and min(canvas.shape) >= 2
    ab = canvas.ab_norm([Hint(2999, 6, "#7a1f1f")])
    np.testing.assert_allclose(ab[-1, -1] * 128, Hint(0, 0, "#7a1f1f").ab, atol=0.5)
    deep = two_things().astype(np.uint16) * 257
    np.testing.assert_allclose(Canvas(deep, predicted()).l, Canvas(two_things(), predicted()).l, atol=0.1)


def test_the_very_pixel_of_a_hint_counts_not_the_light_around_it():
    l = np.full((HEIGHT * 2, WIDTH * 2), 97, np.float32)
    l[::4, ::4] = 50  # dots that the canvas averages away
    hint = Hint(320, 240, "#a04040")
    rgb = color.gray(l)
    canvas = Canvas(rgb, predicted())
    assert canvas.light(hint) < 55 and canvas.l[canvas.place(hint)] > 70
    np.testing.assert_allclose(canvas.ab_norm([hint])[canvas.place(hint)] * 128, hint.ab, atol=0.5)
