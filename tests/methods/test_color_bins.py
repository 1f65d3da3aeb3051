"""The 313 bins, the annealed mean, the gain of chroma."""

import keras
import numpy as np
import pytest

from colorizer.methods import colorful
from colorizer.methods.layers import color_bins

SIZES = [5, 8, 10, 12, 14, 15, 16, 16, 17, 18, 18, 18, 19, 20, 19, 20, 20, 19, 19, 10]  # bins for each a


def test_the_313_colors_are_the_table():
    bins = [tuple(row) for row in color_bins.BINS.astype(int)]
    assert len(bins) == len(set(bins)) == 313
    assert bins == sorted(bins)
    assert bins.count((0, 0)) == 1
    assert [sum(a == row for a, _ in bins) for row in range(-90, 101, 10)] == SIZES
    assert color_bins.BINS.min(0).tolist() == [-90, -110] and color_bins.BINS.max(0).tolist() == [100, 100]


def test_the_annealed_mean_lies_between_mean_and_mode():
    logits = np.log(np.full((1, 313), 1e-6, np.float32))
    logits[0, [10, 200]] = np.log([0.6, 0.4])
    decoded = keras.ops.convert_to_numpy(color_bins.annealed_mean(logits, colorful.TEMPERATURE))[0]
    shares = np.array([0.6, 0.4]) ** (1 / 0.38)
    expected = shares @ color_bins.BINS[[10, 200]] / shares.sum()
    np.testing.assert_allclose(decoded, expected, atol=0.05)


def test_no_color_at_all_is_no_division_by_zero():
    gray = np.zeros((1, 8, 8, 2), np.float32)
    gain = float(np.squeeze(color_bins.chroma_gain(np.zeros((1, 8, 8, len(color_bins.BINS)), np.float32), gray, 0.1)))
    assert gain == color_bins.LARGEST_GAIN


def test_a_look_adds_chroma_by_the_distributions_variance():
    gray, red = int(np.hypot(*color_bins.BINS.T).argmin()), int(np.square(color_bins.BINS - [50, 30]).sum(1).argmin())
    logits = np.full((1, 16, 16, len(color_bins.BINS)), -20, np.float32)
    logits[..., gray], logits[..., red] = 0.2, 0
    look = color_bins.Look(0.5, 0.025)
    ab = color_bins.boost_chroma(logits, color_bins.annealed_mean(logits, look.temperature), look)
    chroma = float(np.hypot(*keras.ops.convert_to_numpy(ab)[0, 0, 0]))
    likely = {temperature: 1 / (1 + np.exp(0.2 / temperature)) for temperature in (1, look.temperature)}
    mean = np.hypot(*(likely[0.5] * color_bins.BINS[red] + (1 - likely[0.5]) * color_bins.BINS[gray]))
    distance = np.square(color_bins.BINS[red] - color_bins.BINS[gray]).sum()
    assert chroma == pytest.approx(mean + look.added * likely[1] * (1 - likely[1]) * distance, rel=0.02)


def test_a_sure_color_is_left_as_it_is():
    red = int(np.square(color_bins.BINS - [50, 30]).sum(1).argmin())
    logits = np.full((1, 4, 4, len(color_bins.BINS)), -20, np.float32)
    logits[..., red] = 40
    mean = color_bins.annealed_mean(logits)
    ab = color_bins.boost_chroma(logits, mean, color_bins.Look(1.0, 0.025))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(ab), keras.ops.convert_to_numpy(mean), atol=0.01)


def test_a_place_counts_by_how_narrow_its_distribution_is():
    bins = color_bins.BINS.astype(np.float64)
    violet, beside = (int(np.square(bins - color).sum(1).argmin()) for color in ([90, -90], [90, -80]))
    logits = np.full((3, len(bins)), -60, np.float32)
    logits[0, violet] = 0  # only its bin
    logits[1, [violet, beside]] = 0, -4  # nearly
    logits[2] = 0  # any
    certainty = keras.ops.convert_to_numpy(color_bins.certainty(logits))[:, 0]
    share = np.exp(-4) / (1 + np.exp(-4))
    all_alike = np.square(bins - bins.mean(axis=0)).sum(axis=1).mean()
    expected = np.array([0, share * (1 - share) * 100, all_alike]) + 100 / 6  # 10x10 units, all of a bin equally likely
    np.testing.assert_allclose(1 / certainty, expected, rtol=1e-3)


def test_a_gain_is_of_its_picture_alone():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, [[[[1.0]]], [[[6.0]]]], (2, 8, 8, len(color_bins.BINS))).astype(np.float32)
    ab = keras.ops.convert_to_numpy(color_bins.annealed_mean(logits))
    both = keras.ops.convert_to_numpy(color_bins.chroma_gain(logits, ab, 0.01))
    alone = [
        keras.ops.convert_to_numpy(color_bins.chroma_gain(logits[i : i + 1], ab[i : i + 1], 0.01)) for i in range(2)
    ]
    np.testing.assert_allclose(both, np.concatenate(alone), rtol=1e-5)
    assert both[0] > both[1] >= 1, "the surer picture has lost less of its chroma"


def test_with_a_limit_pale_colors_get_the_gain_and_none_is_raised_above_it():
    picture = np.array([[[[1e-3, 0], [0, 20], [-60, 0], [0, 99], [0, -130]]]], np.float32)
    look = color_bins.Look(0.5, 0.1, limit=100.0)
    ab = keras.ops.convert_to_numpy(color_bins.boost_chroma(logits_like(picture), picture, look))
    raised = np.linalg.norm(ab, axis=-1)[0, 0] / np.linalg.norm(picture, axis=-1)[0, 0]
    assert raised[0] == pytest.approx(color_bins.LARGEST_GAIN, rel=1e-3)
    assert (np.diff(raised) < 0).all() and raised[3] * 99 < 100 and raised[4] == 1


CAST = color_bins.Look(0.5, 0.1, cast=0.7)


def logits_like(ab: np.ndarray) -> np.ndarray:
    """Logits that know nothing: the gain of any picture is then the largest."""
    return np.zeros((*ab.shape[:-1], len(color_bins.BINS)), np.float32)


def test_a_brown_room_does_not_become_browner_but_the_red_coat_in_it_redder():
    room = np.full((1, 8, 8, 2), (2.0, 5.0), np.float32)
    room[0, :2, :2] = (20, 8)
    ab = keras.ops.convert_to_numpy(color_bins.boost_chroma(logits_like(room), room, CAST))
    with_cast = keras.ops.convert_to_numpy(color_bins.boost_chroma(logits_like(room), room, CAST._replace(cast=None)))
    chroma = [np.hypot(*picture[0, 7, 7]) for picture in (room, ab, with_cast)]
    assert chroma[1] < chroma[0] < chroma[2]
    assert np.hypot(*ab[0, 0, 0]) > 1.5 * np.hypot(*room[0, 0, 0])


def test_no_color_turns_into_its_opposite_and_gray_stays_gray():
    rng = np.random.default_rng(0)
    picture = rng.normal((2, 6), 9, (1, 8, 8, 2)).astype(np.float32)
    picture[0, 0, 0] = 0
    ab = keras.ops.convert_to_numpy(color_bins.boost_chroma(logits_like(picture), picture, CAST))
    np.testing.assert_allclose(ab[0, 0, 0], 0, atol=1e-5)
    assert ((ab * picture).sum(axis=-1) >= 0).all()
    direction = picture.mean(axis=(1, 2)) / np.linalg.norm(picture.mean(axis=(1, 2)))
    assert (((ab @ direction[0]) * (picture @ direction[0])) >= -1e-4).all()


def test_a_meadow_keeps_the_color_that_is_more_than_a_cast():
    meadow = np.full((1, 8, 8, 2), (-20.0, 30.0), np.float32)
    logits = logits_like(meadow)
    ab = keras.ops.convert_to_numpy(color_bins.boost_chroma(logits, meadow, CAST))
    assert np.hypot(*ab[0, 0, 0]) > np.hypot(*meadow[0, 0, 0])


def test_a_picture_is_strengthened_by_itself_and_a_gray_one_is_no_division_by_zero():
    rng = np.random.default_rng(0)
    pictures = np.concatenate([rng.normal((2, 6), 9, (1, 8, 8, 2)), np.zeros((1, 8, 8, 2))]).astype(np.float32)
    both = keras.ops.convert_to_numpy(color_bins.boost_chroma(logits_like(pictures), pictures, CAST))
    alone = keras.ops.convert_to_numpy(color_bins.boost_chroma(logits_like(pictures[:1]), pictures[:1], CAST))
    np.testing.assert_allclose(both[:1], alone, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(both[1], 0)
