"""Color hints: where training gives them, and how they reach a coarser grid."""

import numpy as np
import pytest
from keras import ops

from colorizer.methods.layers import hints


def masks(count, size=(24, 24), seed=0):
    uniform = np.random.default_rng(seed).random((count, hints.DRAWS), np.float32)
    return ops.convert_to_numpy(hints.sample_masks(uniform, size))


def test_half_of_the_pictures_have_no_hint():
    given = masks(400).any(axis=(1, 2, 3))
    assert 0.4 < given.mean() < 0.6


def test_the_number_of_patches_is_between_one_and_the_most():
    areas = masks(400, (96, 96)).sum(axis=(1, 2, 3))
    areas = areas[areas > 0]
    assert areas.min() == 1
    assert (2 * hints.LARGEST + 1) ** 2 < areas.max() <= hints.MOST * (2 * hints.LARGEST + 1) ** 2
    assert np.median(areas) < 0.3 * areas.max(), "few patches are as frequent as many"


@pytest.mark.parametrize(("radius", "side"), [(0.0, 1), (0.5, 3), (0.99, 5)])
def test_one_patch_is_a_square_around_its_center(radius, side):
    uniform = np.zeros((1, hints.DRAWS), np.float32)
    uniform[:, 2 : 2 + hints.MOST], uniform[:, 2 + hints.MOST :] = radius, 0.5
    mask = ops.convert_to_numpy(hints.sample_masks(uniform, (12, 16)))[0, ..., 0]
    rows, columns = np.nonzero(mask)
    assert (rows.min() + rows.max(), columns.min() + columns.max()) == (2 * 6, 2 * 8)
    assert mask.sum() == side**2


def test_hints_are_the_truth_where_the_mask_is():
    ab_norm = np.random.default_rng(0).uniform(-0.4, 0.4, (2, 8, 8, 2)).astype(np.float32)
    mask = np.zeros((2, 8, 8, 1), np.float32)
    mask[0, 2, 3] = 1
    given = ops.convert_to_numpy(hints.make_hints(ab_norm, mask))
    np.testing.assert_allclose(given[0, 2, 3], [*ab_norm[0, 2, 3] / hints.RANGE, 1], rtol=1e-6)
    given[0, 2, 3] = 0
    assert not given.any()


def test_a_coarser_grid_has_the_mean_of_the_hints_alone():
    given = np.zeros((1, 8, 8, 3), np.float32)
    given[0, 0, 1], given[0, 3, 3] = (0.5, -1, 1), (0.1, 0, 1)
    coarse = ops.convert_to_numpy(hints.Averaged(4)(given))
    np.testing.assert_allclose(coarse[0, 0, 0], [0.3, -0.5, 1], atol=1e-5)
    assert coarse.shape == (1, 2, 2, 3)
    coarse[0, 0, 0] = 0
    assert not coarse.any()


def spread(tokens, given):
    return ops.convert_to_numpy(hints.Spread()(tokens, given))


def two_halves():
    """Tokens of two kinds, left and right, and a hint in one cell of the left half."""
    tokens = np.random.default_rng(0).normal(0, 0.1, (1, 4, 6, 16)).astype(np.float32)
    tokens[:, :, :3, 0], tokens[:, :, 3:, 1] = 3, 3
    given = np.zeros((1, 4, 6, 3), np.float32)
    given[0, 1, 1] = (0.8, -0.4, 1)
    return tokens, given


def test_a_hint_reaches_all_that_looks_alike_and_nothing_else():
    colors = spread(*two_halves())
    assert colors[0, :, :3, 2].min() > 0.9 > 0.5 > colors[0, :, 3:, 2].max()
    np.testing.assert_allclose(colors[..., 0], 0.8 * colors[..., 2], rtol=1e-5)


def test_without_hints_nothing_is_spread_and_nothing_is_no_number():
    tokens, given = two_halves()
    assert not spread(tokens, np.zeros_like(given)).any()


def test_pictures_of_a_batch_do_not_see_each_others_hints():
    tokens, given = two_halves()
    layer = hints.Spread()
    both = ops.convert_to_numpy(layer(np.concatenate([tokens, tokens]), np.concatenate([given, 0 * given])))
    assert not both[1].any()
    np.testing.assert_allclose(both[:1], ops.convert_to_numpy(layer(tokens, given)), rtol=1e-5)
