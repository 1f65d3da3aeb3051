"""KID, the distance of features and the recovered share, on cases with known answers."""

import itertools

import numpy as np
import pytest

from colorizer.evaluation.perceptual import measures


def test_identical_sets_are_zero():
    x = np.random.default_rng(0).standard_normal((20, 8))
    assert measures.kid(x, x) == pytest.approx((0, 0, 0), abs=1e-12)


def moments(values):
    return [np.mean(np.power(values, k)) for k in range(4)]


def test_the_mean_over_all_samples_is_the_discrepancy():
    # In one dimension (xy + 1)^3 is a sum of moments: 1, 3, 3, 1 times those of degree 0 to 3.
    pairs = [(0.0, 1.0), (1.0, 3.0), (2.0, 1.0)]  # each as likely; x and y of a pair depend on each other
    exact = sum(
        times * (one - other) ** 2
        for times, one, other in zip((1, 3, 3, 1), *(moments(side) for side in zip(*pairs, strict=True)), strict=True)
    )
    samples = [np.array(sample)[..., None] for sample in itertools.product(pairs, repeat=3)]
    assert np.mean([measures.kid(sample[:, 0], sample[:, 1]).value for sample in samples]) == pytest.approx(exact)


def test_the_interval_leaves_one_pair_out_after_another():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((12, 5)), rng.standard_normal((12, 5)) + 0.5
    estimate = measures.kid(x, y)
    parts = [measures.kid(np.delete(x, i, 0), np.delete(y, i, 0)).value for i in range(12)]
    error = np.sqrt(11 / 12 * np.square(parts - np.mean(parts)).sum())
    assert estimate.high - estimate.value == pytest.approx(1.96 * error)
    assert estimate.value - estimate.low == pytest.approx(1.96 * error)


@pytest.mark.parametrize(("one", "other"), [(3, 2), (4, 3), (2, 2)])
def test_kid_needs_pairs(one, other):
    with pytest.raises(ValueError, match=f"Received: {one} and {other}"):
        measures.kid(np.zeros((one, 2)), np.zeros((other, 2)))


def test_the_distance_of_directions():
    one = [np.zeros((2, 4, 4, 3)), np.zeros((2, 2, 2, 3))]
    other = [level.copy() for level in one]
    for level in one:
        level[..., 0] = 5
    for level, length in zip(other, (0.1, 7), strict=True):
        level[0, ..., 0] = length  # the same direction, another length
        level[1, ..., 1] = length  # at a right angle: 2
    np.testing.assert_allclose(measures.distance(one, other), [0, 2], atol=1e-6)
    other[0][0, :2] *= -1  # half of the places of one level of two: 4 there
    np.testing.assert_allclose(measures.distance(one, other), [1, 2], atol=1e-6)


def test_the_recovered_share_is_of_the_way_from_gray_to_truth():
    truth = np.array([1] * 90 + [0] * 10)
    gray = np.array([1] * 70 + [0] * 30)
    for right, share in ((70, 0.0), (90, 1.0), (75, 0.25), (60, -0.5)):
        correct = np.array([1] * right + [0] * (100 - right))
        value, low, high = measures.recovered(correct, gray, truth)
        assert value == pytest.approx(share) and low <= value <= high
    assert np.isnan(measures.recovered(truth, truth, truth).value)
