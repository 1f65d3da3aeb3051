import threading

import numpy as np
import pytest
from skimage.data import chelsea
from skimage.metrics import peak_signal_noise_ratio

from colorizer import color
from colorizer.data.augment import ImageDataGenerator, _Stock, draw_seed

PAPER = {"horizontal_flip": True, "zoom_range": 0.2, "rotation_range": 20.0, "shear_range": 0.2}
SLANTED = PAPER | {"shear_range": 15.0}


def photo():
    return np.ascontiguousarray(chelsea()[:256, 100:356])


@pytest.mark.parametrize("ranges", [PAPER, SLANTED, {}, {"horizontal_flip": True}, {"zoom_range": 0.3}])
def test_draws_are_those_of_the_stock_class(ranges):
    ours, stock = ImageDataGenerator(**ranges), _Stock(**ranges)
    state = np.random.get_state()
    for seed in range(50):
        expected = stock.get_random_transform((256, 200, 3), seed)
        drawn = ours.get_random_transform((256, 200, 3), seed)
        assert drawn.items() <= expected.items() and len(drawn) == 5
    np.random.set_state(state)


def test_draws_without_a_seed_follow_the_global_generator_as_the_stock_class_does():
    ours, stock = ImageDataGenerator(**PAPER), _Stock(**PAPER)
    state = np.random.get_state()
    expected = stock.get_random_transform((256, 256, 3))
    np.random.set_state(state)
    drawn = ours.get_random_transform((256, 256, 3))
    assert drawn.items() <= expected.items() and len(drawn) == 5


@pytest.mark.parametrize("ranges", [PAPER, SLANTED])
def test_pixels_agree_with_the_stock_class(ranges):
    ours, stock = ImageDataGenerator(**ranges), _Stock(**ranges)
    image = photo()
    for seed in range(8):
        parameters = ours.get_random_transform(image.shape, seed)
        expected = stock.apply_transform(image.astype(np.float32), parameters)
        got = ours.apply_transform(image, parameters)
        assert got.dtype == np.uint8
        assert peak_signal_noise_ratio(expected, got.astype(np.float32), data_range=255) > 45


def test_pictures_that_are_not_square_agree_too():
    ours, stock = ImageDataGenerator(**PAPER), _Stock(**PAPER)
    image = chelsea()
    parameters = ours.get_random_transform(image.shape, 5)
    expected = stock.apply_transform(image.astype(np.float32), parameters)
    got = ours.apply_transform(image, parameters).astype(np.float32)
    assert peak_signal_noise_ratio(expected, got, data_range=255) > 45


def test_flip_moves_l_and_ab_together_pixel_for_pixel():
    image = photo()
    l_norm, ab_norm = color.split(color.rgb_to_lab(image))
    flipped = ImageDataGenerator().apply_transform(image, {"flip_horizontal": True})
    l_flipped, ab_flipped = color.split(color.rgb_to_lab(flipped))
    # To the last bit of float32: vector units may round the end of a row differently.
    np.testing.assert_allclose(l_flipped, l_norm[:, ::-1], atol=3e-7)
    np.testing.assert_allclose(ab_flipped, ab_norm[:, ::-1], atol=3e-7)


def test_no_transform_returns_the_same_pixels():
    image = photo()
    generator = ImageDataGenerator()
    np.testing.assert_array_equal(generator.random_transform(image, seed=1), image)


def test_seeded_draws_touch_no_global_state_in_any_thread():
    generator = ImageDataGenerator(**SLANTED)
    before = np.random.get_state()[1].copy()
    drawn = {}

    def work(offset):
        for index in range(offset, 100, 4):
            drawn[index] = generator.get_random_transform((256, 256, 3), draw_seed(42, 3, index))

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert drawn == {i: generator.get_random_transform((256, 256, 3), draw_seed(42, 3, i)) for i in range(100)}


def test_seeds_differ_between_images_epochs_and_runs():
    seeds = {draw_seed(s, e, i) for s in range(5) for e in range(10) for i in range(100)}
    assert len(seeds) == 5000
