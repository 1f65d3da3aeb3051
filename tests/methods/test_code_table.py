"""The table of soft codes beside the search for the nearest bins."""

import numpy as np
from keras import ops

from colorizer import color
from colorizer.methods.layers import code_table, color_bins


def dense(ab):
    """Soft codes by a search: (n, 2) -> (n, 313)."""
    indices, shares = map(ops.convert_to_numpy, color_bins.encode(ops.convert_to_tensor(ab)))
    codes = np.zeros((len(ab), len(color_bins.BINS)), np.float32)
    np.put_along_axis(codes, indices, shares, axis=-1)
    return codes


def test_whole_units_have_the_code_of_the_search():
    rng = np.random.default_rng(0)
    ab = rng.integers([-85, -105], [98, 94], (200, 2)).astype(np.float32)
    codes = ops.convert_to_numpy(code_table.Codes()(ab))
    np.testing.assert_allclose(codes.sum(axis=-1), 1, atol=1e-5)
    expected, means = dense(ab), codes @ color_bins.BINS
    np.testing.assert_allclose(means, expected @ color_bins.BINS, atol=0.6)
    # Where the tenth and the eleventh bin are equally near, both searches may choose either.
    tenth, eleventh = np.sort(np.square(ab[:, None] - color_bins.BINS).sum(axis=-1))[:, 9:11].T
    untied = eleventh > tenth
    assert untied.mean() > 0.3
    np.testing.assert_allclose(codes[untied], expected[untied], atol=1e-4)
    np.testing.assert_allclose(np.sort(codes)[:, -3:], np.sort(expected)[:, -3:], atol=1e-4)


def test_every_color_of_srgb_is_in_the_table():
    levels = np.linspace(0, 255, 18).astype(np.uint8)
    rgb = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 1, 3)
    ab = color.rgb_to_lab(rgb)[:, 0, 1:]
    assert (np.round(ab) >= code_table.FIRST).all()
    assert (np.round(ab) <= code_table.LAST).all()
    rows = ops.convert_to_numpy(code_table.rows(ab))
    assert rows.min() >= 0
    assert rows.max() < len(code_table.table())


def test_what_lies_outside_takes_the_nearest_row():
    rows = ops.convert_to_numpy(code_table.rows(np.float32([[-500, -500], [500, 500]])))
    assert rows.tolist() == [0, len(code_table.table()) - 1]


def test_the_nearest_ten_are_those_of_the_search():
    rng = np.random.default_rng(1)
    ab = rng.integers([-85, -105], [98, 94], (300, 2)).astype(np.float32)
    indices, shares = map(ops.convert_to_numpy, code_table.encode(ab))
    expected, expected_shares = map(ops.convert_to_numpy, color_bins.encode(ops.convert_to_tensor(ab)))
    np.testing.assert_allclose(shares, expected_shares, atol=1e-5)
    distances = [np.linalg.norm(ab[:, None] - color_bins.BINS[chosen], axis=-1) for chosen in (indices, expected)]
    np.testing.assert_allclose(*distances, atol=1e-3)  # in a tie both may choose another of equal distance
