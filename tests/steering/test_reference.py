"""Hints from another photo: where both look alike, and none where they do not."""

import numpy as np
import pytest

from colorizer import color
from colorizer.errors import HintError
from colorizer.steering import reference
from colorizer.steering.prediction import Prediction

GRID, CHANNELS = 12, 32


def photo(kinds, colors, seed=0):
    """A photo whose places have features and colors by their kind, with noise: `Places`."""
    rng = np.random.default_rng(seed)
    axes = np.random.default_rng(42).normal(0, 1, (10, CHANNELS))
    places = np.random.default_rng(7).normal(0, 0.5, (*kinds.shape, CHANNELS))  # what makes each place its own
    features = axes[kinds] + places + rng.normal(0, 0.1, (*kinds.shape, CHANNELS))
    lab = np.zeros((*kinds.shape, 3), np.float32)
    lab[..., 0] = 40 + 4 * kinds
    lab[..., 1:] = np.array(colors, np.float32)[kinds]
    rgb = np.kron(color.lab_to_rgb(lab), np.ones((16, 16, 1), np.uint8))
    return reference.places(rgb, Prediction(np.zeros((8, 8, 2), np.float32), features=features.astype(np.float32)))


def halves(left, right, grid=GRID):
    kinds = np.full((grid, grid), left)
    kinds[:, grid // 2 :] = right
    return kinds


COLORS = [(45, 25), (-30, 30), (5, -40), (0, 0)]
SIZE = (240, 360)


def test_the_same_things_get_the_references_colors():
    hints = reference.hints(photo(halves(0, 1), [(0, 0)] * 4), photo(halves(0, 1), COLORS, 1), SIZE)
    assert len(hints) > 0.5 * GRID**2
    for hint in hints:
        np.testing.assert_allclose(hint.ab, COLORS[0] if hint.x < SIZE[1] / 2 else COLORS[1], atol=3)
    assert all(0 <= hint.x < SIZE[1] and 0 <= hint.y < SIZE[0] for hint in hints)


def test_only_the_things_in_both_get_colors():
    hints = reference.hints(photo(halves(0, 3), [(0, 0)] * 4), photo(halves(2, 0)[:, ::-1], COLORS, 1), SIZE)
    assert hints and all(hint.x < SIZE[1] / 2 for hint in hints)


def test_a_fine_grid_gives_few_hints_all_over_the_photo():
    kinds = halves(0, 1, 40)
    hints = reference.hints(photo(kinds, [(0, 0)] * 4), photo(kinds, COLORS, 1), SIZE)
    assert 0.7 * reference.MOST < len(hints) <= reference.MOST
    for hint in hints:
        np.testing.assert_allclose(hint.ab, COLORS[0] if hint.x < SIZE[1] / 2 else COLORS[1], atol=3)
    counts, *_ = np.histogram2d([hint.y for hint in hints], [hint.x for hint in hints], 4, [(0, SIZE[0]), (0, SIZE[1])])
    assert counts.min() >= 8


def test_photos_with_nothing_in_common_give_no_hints():
    rng = np.random.default_rng(0)
    other = photo(halves(2, 3), COLORS, 1)
    other = other._replace(features=_unit(rng.normal(0, 1, other.features.shape)))
    assert reference.hints(photo(halves(0, 1), COLORS), other, SIZE) == []


def _unit(features):
    features = features - features.mean(axis=1, keepdims=True)
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


def test_a_gray_reference_and_a_network_without_an_encoder_are_refused():
    with pytest.raises(HintError, match="photo in color"):
        reference.hints(photo(halves(0, 1), COLORS), photo(halves(0, 1), [(0, 0)] * 4), SIZE)
    with pytest.raises(HintError, match="an encoder"):
        reference.places(np.zeros((60, 60, 3), np.uint8), Prediction(np.zeros((8, 8, 2), np.float32)))


def test_a_gray_reference_is_known_before_a_network_is_asked():
    gray = np.full((300, 200, 3), 90, np.uint8)
    with pytest.raises(HintError, match="photo in color"):
        reference.require_colors(gray)
    gray[:40, :40] = 200, 40, 40
    reference.require_colors(gray)


def test_a_place_over_an_edge_has_the_color_of_one_side():
    rgb = np.zeros((192, 192, 3), np.uint8)
    rgb[:, 100:] = 255, 0, 0  # inside a place of 16 pixels: 4 of the one, 12 of the other
    features = np.ones((GRID, GRID, CHANNELS), np.float32)
    found = reference.places(rgb, Prediction(np.zeros((8, 8, 2), np.float32), features=features))
    lab = found.lab.reshape(GRID, GRID, 3)[0, 6]
    np.testing.assert_allclose(lab, color.rgb_to_lab(rgb[:1, -1:])[0, 0], atol=1)
