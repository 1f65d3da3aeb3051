"""Smoothing within luminance's edges, against the formulas of its paper, one pixel after the other."""

import math

import numpy as np
import pytest
from keras import ops

from colorizer.methods.layers import domain_transform

HEIGHT, WIDTH, SPREAD, CONTRAST = 20, 27, 0.2, 0.3


def _smooth(l_norm, ab_norm_hat, weight=None, **changed):
    weight = np.ones_like(l_norm) if weight is None else weight
    parameters = {"spread": SPREAD, "contrast": CONTRAST} | changed
    return ops.convert_to_numpy(
        domain_transform.smooth(*map(ops.convert_to_tensor, (l_norm, ab_norm_hat, weight)), **parameters)
    )


def _line(x, luminance, sigma_s, sigma_h):
    """One pass over a line in both directions, as section 5.3 has it."""
    feedback, x = math.exp(-math.sqrt(2) / sigma_h), x.copy()
    distance = [1 + sigma_s / CONTRAST * abs(b - a) for a, b in zip(luminance, luminance[1:], strict=False)]
    for i in range(1, len(x)):
        left = feedback ** distance[i - 1]
        x[i] = (1 - left) * x[i] + left * x[i - 1]
    for i in range(len(x) - 2, -1, -1):
        left = feedback ** distance[i]
        x[i] = (1 - left) * x[i] + left * x[i + 1]
    return x


def _expected(l_norm, x):
    """The filter of (H, W, C) values."""
    sigma_s, x = SPREAD * math.sqrt(HEIGHT * WIDTH), x.astype(float)
    for i in (1, 2, 3):
        sigma_h = sigma_s * math.sqrt(3) * 2 ** (3 - i) / math.sqrt(4**3 - 1)
        for row in range(HEIGHT):
            x[row] = _line(x[row], l_norm[row], sigma_s, sigma_h)
        for column in range(WIDTH):
            x[:, column] = _line(x[:, column], l_norm[:, column], sigma_s, sigma_h)
    return x


@pytest.fixture
def pair():
    """`l_norm` (1, H, W, 1) and `ab_norm_hat` (1, H, W, 2), float32."""
    rng = np.random.default_rng(3)
    values = rng.uniform(-1, 1, (1, HEIGHT, WIDTH, 3)).astype(np.float32)
    return 0.2 * values[..., :1], values[..., 1:]


def test_it_is_the_papers_recursion(pair):
    l_norm, ab_norm_hat = pair
    expected = _expected(l_norm[0, ..., 0].astype(float), ab_norm_hat[0])
    np.testing.assert_allclose(_smooth(*pair)[0], expected, atol=1e-5)


def test_a_place_counts_as_much_as_its_weight(pair):
    l_norm, ab_norm_hat = pair
    weight = np.random.default_rng(5).uniform(0.01, 1, l_norm.shape).astype(np.float32)
    luminance = l_norm[0, ..., 0].astype(float)
    expected = _expected(luminance, ab_norm_hat[0] * weight[0]) / _expected(luminance, weight[0])
    np.testing.assert_allclose(_smooth(l_norm, ab_norm_hat, weight)[0], expected, atol=1e-5)


def test_color_ends_at_an_edge_of_luminance_and_reaches_it():
    l_norm = np.full((1, HEIGHT, WIDTH, 1), -0.5, np.float32)
    l_norm[:, :, 12:] = 0.5
    ab_norm_hat = np.zeros((1, HEIGHT, WIDTH, 2), np.float32)
    ab_norm_hat[:, :, 15:] = 0.4  # coarse: it begins three pixels behind the edge
    weight = np.ones_like(l_norm)
    weight[:, :, 10:17] = 0.05  # where the network knows it least
    smooth = _smooth(l_norm, ab_norm_hat, weight, spread=0.5)
    assert np.abs(smooth[:, :, :12]).max() < 0.06
    assert smooth[:, :, 12:].min() > 0.3


def test_one_color_stays_as_it_is(pair):
    color = np.broadcast_to(np.float32([0.25, -0.5]), (1, HEIGHT, WIDTH, 2))
    np.testing.assert_allclose(_smooth(pair[0], color, np.abs(pair[0]) + 0.01), color, atol=1e-5)


@pytest.mark.parametrize("height, width", [(64, 64), (64, 96), (32, 160)])
def test_enlarging_without_keras_gives_the_same(height, width):
    rng = np.random.default_rng(4)
    l_norm = rng.uniform(-1, 1, (2, height, width, 1)).astype(np.float32)
    coarse = rng.uniform(-1, 1, (2, height // 4, width // 4, 3)).astype(np.float32)
    coarse[..., 2] = rng.uniform(1e-4, 0.06, coarse.shape[:3])  # as one over a variance
    expected = ops.convert_to_numpy(domain_transform.enlarge(ops.convert_to_tensor(l_norm), coarse, 0.2, 0.2))
    received = np.stack([domain_transform.enlarge_numpy(l, ab, 0.2, 0.2) for l, ab in zip(l_norm, coarse, strict=True)])
    assert received.shape == (2, height, width, 2)
    np.testing.assert_allclose(received, expected, atol=1e-5)
