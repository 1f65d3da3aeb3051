"""Smoothing along luminance's edges, against the formulas of its paper in NumPy."""

import numpy as np
import pytest
from keras import ops

from colorizer.methods.layers import guided_filter

SIDE, RADIUS, EPSILON = 24, 3, 0.01


def _smooth(l_norm, ab_norm_hat):
    return ops.convert_to_numpy(guided_filter.smooth(ops.convert_to_tensor(l_norm), ab_norm_hat, RADIUS, EPSILON))


def _mean(x):
    """Means over windows cut off at the border, one pixel after the other."""
    out = np.empty_like(x)
    for row, column in np.ndindex(x.shape):
        near = slice(max(row - RADIUS, 0), row + RADIUS + 1), slice(max(column - RADIUS, 0), column + RADIUS + 1)
        out[row, column] = x[near].mean()
    return out


@pytest.fixture
def pair():
    """(1, S, S, 1) and (1, S, S, 2) float32."""
    rng = np.random.default_rng(3)
    return rng.uniform(-1, 1, (1, SIDE, SIDE, 1)).astype("float32"), rng.uniform(-1, 1, (1, SIDE, SIDE, 2)).astype(
        "float32"
    )


def test_it_is_the_papers_formula(pair):
    l_norm, ab_norm_hat = pair
    luminance, smooth = l_norm[0, ..., 0].astype(float), _smooth(*pair)[0]
    for channel in range(2):
        color = ab_norm_hat[0, ..., channel].astype(float)
        covariance = _mean(luminance * color) - _mean(luminance) * _mean(color)
        slope = covariance / (_mean(luminance**2) - _mean(luminance) ** 2 + EPSILON)
        expected = _mean(slope) * luminance + _mean(_mean(color) - slope * _mean(luminance))
        np.testing.assert_allclose(smooth[..., channel], expected, atol=1e-5)


def test_flat_luminance_leaves_the_mean_of_means(pair):
    l_norm, ab_norm_hat = pair
    smooth = _smooth(np.full_like(l_norm, 0.3), ab_norm_hat)[0, ..., 1]
    np.testing.assert_allclose(smooth, _mean(_mean(ab_norm_hat[0, ..., 1].astype(float))), atol=1e-5)


def test_an_edge_of_luminance_keeps_its_colors_and_noise_goes():
    l_norm = np.full((1, SIDE, SIDE, 1), -0.5, np.float32)
    l_norm[:, :, SIDE // 2 :] = 0.5
    clean = np.concatenate([0.4 * l_norm, -0.2 * l_norm], axis=-1)
    noisy = clean + np.random.default_rng(1).normal(0, 0.05, clean.shape).astype(np.float32)
    smooth = _smooth(l_norm, noisy)
    assert np.abs(smooth - clean).mean() < 0.3 * np.abs(noisy - clean).mean()
    step = smooth[0, :, SIDE // 2, 0] - smooth[0, :, SIDE // 2 - 1, 0]
    np.testing.assert_allclose(step.mean(), 0.4, atol=0.05)


def test_one_color_stays_as_it_is(pair):
    color = np.broadcast_to(np.float32([0.25, -0.5]), (1, SIDE, SIDE, 2))
    np.testing.assert_allclose(_smooth(pair[0], color), color, atol=1e-5)


@pytest.mark.parametrize("height, width", [(64, 64), (64, 96), (32, 160)])
def test_enlarging_without_keras_gives_the_same(height, width):
    rng = np.random.default_rng(4)
    l_norm = rng.uniform(-1, 1, (2, height, width, 1)).astype(np.float32)
    coarse = rng.uniform(-1, 1, (2, height // 4, width // 4, 2)).astype(np.float32)
    expected = ops.convert_to_numpy(guided_filter.enlarge(ops.convert_to_tensor(l_norm), coarse, 16, 0.003))
    received = np.stack([guided_filter.enlarge_numpy(l, ab, 16, 0.003) for l, ab in zip(l_norm, coarse, strict=True)])
    np.testing.assert_allclose(received, expected, atol=1e-5)
