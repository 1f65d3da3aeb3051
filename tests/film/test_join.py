"""Luminance of a frame and colors of a map become planes of video."""

import numpy as np
import pytest
from conftest import draw_picture

from colorizer import color
from colorizer.film import join


def rgb_of(planes: join.Planes, matrix: np.ndarray) -> np.ndarray:
    """(H, W, 3) float RGB, 0..255, with chroma repeated."""
    y = (planes.y.astype(np.float32) - 16) / 219
    cb, cr = ((np.kron(plane, np.ones((2, 2))) - 128) / 224 for plane in (planes.u, planes.v))
    return np.stack([y, cb, cr], axis=-1) @ np.linalg.inv(matrix).T * 255


@pytest.mark.parametrize("number", join.LUMA_WEIGHTS)
def test_colors_are_those_of_a_photograph(number):
    gray = color.gray_of(draw_picture(1, 96, 128))
    ab = np.float32(np.random.default_rng(0).uniform(-0.2, 0.2, (1, 1, 2))) * np.ones((8, 8, 1), np.float32)
    matrix = join.matrix_of(number)
    expected = color.merge(join.lightness(gray), ab).astype(np.float32)
    error = np.abs(rgb_of(join.planes(gray, ab, matrix), matrix) - expected)
    assert error.mean() < 1.5 and np.percentile(error, 99) < 8


def test_without_color_luma_is_kept_to_the_level():
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for planes in (
        join.planes(gray, np.zeros((4, 4, 2), np.float32), join.matrix_of(1)),
        join.planes(gray, np.ones((4, 4, 2), np.float32), join.matrix_of(1), strength=0.0),
    ):
        np.testing.assert_allclose(planes.y, 16 + gray * (219 / 255), atol=0.51)
        assert (planes.u == 128).all() and (planes.v == 128).all()


def test_planes_stay_in_videos_range_for_impossible_colors():
    gray = draw_picture(2, 48, 64)[..., 0]
    gray[:8], gray[-8:] = 0, 255
    planes = join.planes(gray, np.full((4, 4, 2), 5, np.float32), join.matrix_of(6))
    assert planes.y.min() >= 16 and planes.y.max() <= 235
    assert min(planes.u.min(), planes.v.min()) >= 16 and max(planes.u.max(), planes.v.max()) <= 240


@pytest.mark.parametrize(("size", "larger"), [((5, 7), (6, 8)), ((6, 7), (6, 8)), ((6, 8), (6, 8))])
def test_odd_sides_are_made_even(size, larger):
    gray = np.random.default_rng(0).integers(0, 255, size, np.uint8)
    padded = join.even(gray)
    assert padded.shape == larger
    np.testing.assert_array_equal(padded[: size[0], : size[1]], gray)
    np.testing.assert_array_equal(padded[-1, : size[1]], gray[-1])


def test_ten_bits_have_the_colors_of_eight():
    deep = np.random.default_rng(1).integers(0, 1024, (16, 16)).astype(np.uint16)
    gray, ab = np.rint(deep * (255 / 1023)).astype(np.uint8), np.full((4, 4, 2), 0.2, np.float32)
    shallow, fine = (join.planes(gray, ab, join.matrix_of(1), deep=one) for one in (None, deep))
    for one, other in zip(shallow, fine, strict=True):
        assert other.dtype == np.uint16 and np.abs(other / 4 - one).max() <= 1.1
    plain = join.planes(gray, ab, join.matrix_of(1), strength=0.0, deep=deep)
    np.testing.assert_allclose(plain.y, 64 + deep * (876 / 1023), atol=0.55)
    assert (plain.u == 512).all()
