"""Batches: what the networks take, the same for one seed and epoch; and what is done to luminance alone."""

import numpy as np
import pytest

from colorizer import config
from colorizer.data import batches, pixel_store


@pytest.fixture
def pictures(tmp_path, picture_folder):
    names = sorted(path.name for path in picture_folder.iterdir())
    return pixel_store.build(picture_folder, names, 64, cache=tmp_path / "cache")


def test_batches_are_what_the_networks_take(pictures):
    made = batches.Batches(pictures, pictures.rows, batch_size=10)
    assert [len(made[i][1]) for i in range(len(made))] == [10, 10, 4]
    (l_norm, vector), ab_norm = made[0]
    assert (l_norm.shape, vector.shape, ab_norm.shape) == ((10, 64, 64, 1), (10, 1000), (10, 64, 64, 2))
    assert l_norm.dtype == vector.dtype == ab_norm.dtype == np.float32
    assert -1 <= l_norm.min() < l_norm.max() <= 1
    assert -0.85 <= ab_norm.min() < ab_norm.max() <= 0.77


def test_order_and_transforms_follow_seed_and_epoch(pictures):
    generator = batches.generator_of(config.resolve({}))
    made = batches.Batches(pictures, pictures.rows, generator=generator, shuffle=True, seed=1)

    def epoch(number):
        made.start_epoch(number)
        return np.concatenate([made[i][1] for i in range(len(made))])

    first, second = epoch(0), epoch(1)
    assert np.abs(first - second).max() > 0.1
    np.testing.assert_array_equal(epoch(0), first)


def test_a_tone_moves_luminance_between_black_and_white_and_no_color(pictures):
    generator = batches.generator_of(config.resolve({}))
    plain, toned, again = (
        batches.Batches(pictures, pictures.rows, generator=generator, tone_range=stops)[0] for stops in (0, 0.5, 0.5)
    )
    (l_norm, _), ab_norm = toned
    np.testing.assert_array_equal(ab_norm, plain[1])
    np.testing.assert_array_equal(l_norm, again[0][0])
    assert -1 <= l_norm.min() < l_norm.max() <= 1
    moved = (l_norm - plain[0][0]).mean((1, 2, 3))
    assert moved.min() < -0.02 and moved.max() > 0.02, "some darker, some lighter"
    ends = np.array([-1 - 1e-7, -1, 1], np.float32)
    np.testing.assert_allclose(batches.with_gamma(ends, 0.5), [-1, -1, 1], atol=1e-6)


def test_mean_color_is_the_mean_over_pixels(pictures):
    made = batches.Batches(pictures, pictures.rows, batch_size=24)
    expected = made[0][1].mean((0, 1, 2))
    np.testing.assert_allclose(batches.mean_ab_norm(pictures, pictures.rows), expected, atol=1e-6)


def epoch_of(made, number):
    """All colors of one epoch, in order."""
    made.start_epoch(number)
    return np.concatenate([made[i][1] for i in range(len(made))])


def test_weights_say_how_often_an_epoch_draws_a_picture(pictures):
    draws = [1] * 12 + [2] * 6 + [0.5] * 6
    made = batches.Batches(pictures, pictures.rows, draws=draws, batch_size=10, shuffle=True)
    for number in range(3):
        epoch_of(made, number)
        counts = np.bincount(made.rows, minlength=24)
        assert len(made.rows) == 27 and counts[:12].tolist() == [1] * 12 and counts[12:18].tolist() == [2] * 6
        assert sorted(counts[18:]) == [0, 0, 0, 1, 1, 1], "half of them"
    chosen = []
    for number in range(8):
        made.start_epoch(number)
        chosen.append(tuple(np.bincount(made.rows, minlength=24)[18:]))
    assert len(set(chosen)) > 1, "another half in another epoch"


def test_weighted_epochs_are_the_same_after_a_resume(pictures):
    generator = batches.generator_of(config.resolve({}))
    options = {"draws": [2.5] * 12 + [1] * 12, "generator": generator, "tone_range": 0.3, "shuffle": True}
    made, again = (batches.Batches(pictures, pictures.rows, **options) for _ in range(2))
    epoch_of(made, 0)
    np.testing.assert_array_equal(epoch_of(made, 1), epoch_of(again, 1))


def test_a_picture_that_is_drawn_twice_is_transformed_twice(pictures):
    generator = batches.generator_of(config.resolve({}))
    rows = pictures.rows[:1]
    once, twice = (batches.Batches(pictures, rows, draws=d, generator=generator) for d in (None, [2]))
    first, second = epoch_of(twice, 0)
    np.testing.assert_array_equal(first, epoch_of(once, 0)[0])
    assert np.abs(first - second).max() > 0.1


def test_equal_weights_are_no_weights(pictures):
    options = {"generator": batches.generator_of(config.resolve({})), "shuffle": True, "batch_size": 7}
    plain, weighted = (batches.Batches(pictures, pictures.rows, draws=d, **options) for d in (None, [1] * 24))
    np.testing.assert_array_equal(epoch_of(plain, 1), epoch_of(weighted, 1))
    # As before there were weights: runs that began then go on with the same order.
    np.testing.assert_array_equal(plain._order[:, 0], np.random.default_rng((42, 1)).permutation(pictures.rows))
