"""color.py against scikit-image, and against itself."""

import numpy as np
import pytest
from skimage.color import lab2rgb, rgb2lab

from colorizer import color

LAB_TOLERANCE = 2e-4  # Lab units, to scikit-image in double precision, over every sRGB color tried
RGB_TOLERANCE = 1e-5  # of 0..1, on the way back: a four-hundredth of an 8-bit level


def grid(step: int) -> np.ndarray:
    """(n, n*n, 3) uint8: every `step`-th level of each channel, black and white among them."""
    levels = np.arange(0, 256, step)
    return np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(len(levels), -1, 3).astype(np.uint8)


def random_lab(seed: int, size: int = 300) -> np.ndarray:
    """(size, size, 3) float32: any luminance with any color a tanh can predict, most of them outside sRGB."""
    rng = np.random.default_rng(seed)
    return np.dstack([rng.uniform(0, 100, (size, size)), rng.uniform(-128, 128, (size, size, 2))]).astype(np.float32)


def test_rgb_to_lab_agrees_with_scikit_image():
    rgb = grid(5)
    gray = (rgb == rgb[..., :1]).all(axis=-1)
    difference = np.abs(color.rgb_to_lab(rgb) - rgb2lab(rgb))
    assert difference[~gray].max() < LAB_TOLERANCE
    # Gray is without color here; scikit-image's rounded constants leave it a little.
    assert 0.001 < difference[gray].max() < 0.005
    assert not color.rgb_to_lab(rgb)[gray, 1:].any()
    # The stated ranges, and that the comparison above was over all of them.
    lab = color.rgb_to_lab(rgb)
    np.testing.assert_allclose(lab.min((0, 1)), [0, -86.18, -107.86], atol=0.01)
    np.testing.assert_allclose(lab.max((0, 1)), [100, 98.24, 94.48], atol=0.01)
    assert lab.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_rgb_to_lab_of_other_depths_agrees_with_scikit_image(dtype):
    rgb01 = np.random.default_rng(0).random((200, 200, 3))
    rgb = np.rint(rgb01 * 65535).astype(np.uint16) if dtype == np.uint16 else rgb01.astype(np.float32)
    truth = rgb2lab(rgb / 65535 if dtype == np.uint16 else rgb.astype(np.float64))
    assert np.abs(color.rgb_to_lab(rgb) - truth).max() < LAB_TOLERANCE


def test_lab_to_rgb_agrees_with_scikit_image():
    lab = rgb2lab(grid(5))
    ours, theirs = color.lab_to_rgb(lab, np.float32), lab2rgb(lab)
    assert np.abs(ours - theirs).max() < RGB_TOLERANCE
    deep = color.lab_to_rgb(lab, np.uint16)
    assert deep.dtype == np.uint16
    assert np.abs(deep - theirs * 65535).max() < 0.5 + RGB_TOLERANCE * 65535


def test_all_colors_return_to_themselves():
    green, blue = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8), indexing="ij")
    wrong = 0
    for red in range(256):
        rgb = np.dstack([np.full_like(green, red), green, blue])
        wrong += int((color.lab_to_rgb(color.rgb_to_lab(rgb)) != rgb).sum())
    assert wrong == 0


def test_true_colors_merge_into_the_identical_picture():
    rng = np.random.default_rng(1)
    for dtype, top in ((np.uint8, 256), (np.uint16, 65536)):
        rgb = rng.integers(0, top, (150, 170, 3)).astype(dtype)
        lab = color.rgb_to_lab(rgb)
        merged = color.merge(lab[..., 0], color.split(lab)[1], dtype)
        assert merged.dtype == dtype
        # float32 Lab resolves a sixteenth of an 8-bit level, which is some 16-bit levels.
        assert np.abs(merged.astype(int) - rgb).max() <= (0 if dtype == np.uint8 else 8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_luminance_is_kept_wherever_the_color_is_inside_srgb(dtype):
    lab = random_lab(2)
    linear = _unclipped_linear(lab)
    inside = ((linear >= 0) & (linear <= 1)).all(-1)
    assert inside.mean() > 0.1
    merged = color.merge(lab[..., 0], lab[..., 1:] / 128, dtype)
    error = np.abs(rgb2lab(merged)[..., 0] - lab[..., 0])[inside]
    # Half a level of rounding in every channel, and nothing else. A step of a dark 8-bit gray is 0.27 of L*.
    assert error.max() < (0.25 if dtype == np.uint8 else 2e-3)
    assert error.mean() < (0.08 if dtype == np.uint8 else 4e-4)


def _unclipped_linear(lab):
    """Linear sRGB of Lab colors, in double precision, beyond 0..1 where they are outside sRGB."""
    f = (lab[..., :1].astype(float) + 16) / 116 + lab[..., 1:2] * [1 / 500, 0, 0] - lab[..., 2:] * [0, 0, 1 / 200]
    xyz = np.where(f > 0.2068966, f**3, (f - 16 / 116) / 7.787) * [0.95047, 1.0, 1.08883]
    matrix = [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
    return xyz @ np.linalg.inv(matrix).T


def test_colors_outside_srgb_are_clipped_to_numbers():
    lab = random_lab(3)
    lab[0, :6] = [[0, 128, 128], [0, -128, -128], [100, 128, -128], [100, -128, 128], [50, 0, 128], [0, 0, 128]]
    rgb = color.lab_to_rgb(lab, np.float32)
    assert np.isfinite(rgb).all() and rgb.min() >= 0 and rgb.max() <= 1
    # Nearest level, but for the 16 bits of linear light in between: a twentieth of a level in the shadows.
    assert np.abs(color.lab_to_rgb(lab) - rgb * 255).max() < 0.53


def test_split_and_join_are_inverses_in_the_stated_ranges():
    lab = color.rgb_to_lab(grid(15))
    l_norm, ab_norm = color.split(lab)
    assert l_norm.shape == (*lab.shape[:2], 1) and ab_norm.shape == (*lab.shape[:2], 2)
    assert l_norm.dtype == ab_norm.dtype == np.float32
    assert l_norm.min() == pytest.approx(-1, abs=1e-5) and l_norm.max() == pytest.approx(1, abs=1e-5)
    assert -0.85 < ab_norm.min() < -0.84 and 0.76 < ab_norm.max() < 0.77
    np.testing.assert_allclose(color.join(l_norm, ab_norm), lab, atol=1e-4)


def test_merge_enlarges_colors_to_the_photograph():
    l = np.full((40, 60), 60, np.float32)
    ab_norm = np.zeros((4, 4, 2), np.float32)
    ab_norm[:, 2:] = 0.2  # gray on the left, colored on the right
    merged = color.merge(l, ab_norm)
    assert merged.shape == (40, 60, 3)
    assert np.ptp(merged[:, :15].astype(int), axis=-1).max() == 0
    assert np.ptp(merged[:, 45:].astype(int), axis=-1).min() > 40
    middle = np.ptp(merged[20].astype(int), axis=-1)
    assert (np.diff(middle) >= 0).all() and len(np.unique(middle)) > 8  # bilinear: a ramp and no step


def test_grey_of_grey_is_itself():
    levels = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=-1)
    np.testing.assert_array_equal(color.gray(color.rgb_to_lab(levels)[..., 0]), levels)


def test_grey_of_color_keeps_its_luminance_and_has_equal_channels():
    rgb = grid(15)
    gray = color.gray(color.rgb_to_lab(rgb)[..., 0])
    assert (gray[..., 0] == gray[..., 1]).all() and (gray[..., 1] == gray[..., 2]).all()
    assert np.abs(rgb2lab(gray)[..., 0] - rgb2lab(rgb)[..., 0]).max() < 0.25


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (8, 8, 4), (2, 8, 8, 3)])
def test_wrong_shapes_are_refused_by_name(shape):
    with pytest.raises(ValueError, match=r"\(H, W, 3\)\. Received: \(" + str(shape[0])):
        color.rgb_to_lab(np.zeros(shape, np.uint8))


def test_one_pass_gives_what_two_steps_give():
    rgb_u8 = np.concatenate([grid(3).reshape(-1, 3), np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, 1)])[None]
    l_norm, ab_norm = color.split(color.rgb_to_lab(rgb_u8))
    for ours, truth in zip(color.rgb_to_l_ab(rgb_u8), (l_norm, ab_norm), strict=True):
        assert ours.shape == truth.shape and ours.dtype == np.float32
        np.testing.assert_allclose(ours, truth, atol=2e-6)
    assert not color.rgb_to_l_ab(rgb_u8)[1][0, -256:].any()
    with pytest.raises(ValueError, match=r"\(H, W, 3\)"):
        color.rgb_to_l_ab(rgb_u8[0])


def test_grey_without_the_way_over_lab_is_the_same_grey():
    rgb_u8 = grid(3)
    truth = color.gray(color.rgb_to_lab(rgb_u8)[..., 0])[..., 0]
    difference = np.abs(color.gray_of(rgb_u8).astype(int) - truth)
    assert difference.max() <= 1 and (difference > 0).mean() < 1e-3  # what rounds the other way
    levels = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    np.testing.assert_array_equal(color.gray_of(levels)[0], np.arange(256))


@pytest.mark.parametrize("level", [0, 3, 20, 60, 200, 255])
def test_a_picture_of_one_pixel_has_the_color_of_two(level):
    two = np.array([[[level, level // 3, level // 2]] * 2], np.uint8)
    lab = color.rgb_to_lab(two)
    np.testing.assert_allclose(color.rgb_to_lab(two[:, :1]), lab[:, :1], atol=1e-4)
    np.testing.assert_allclose(color.rgb_to_l_ab(two[:, :1])[1], color.rgb_to_l_ab(two)[1][:, :1], atol=1e-5)
    np.testing.assert_array_equal(color.lab_to_rgb(lab[:, :1]), two[:, :1])
    assert color.gray_of(two[:, :1]) == color.gray_of(two)[:, :1]
