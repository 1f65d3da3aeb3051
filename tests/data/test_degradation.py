"""Luminance made old: every effect stays a picture, is repeatable, and does what its name says."""

import cv2
import numpy as np
import pytest
from conftest import draw_picture

from colorizer import color
from colorizer.data import degradation


def luminance(height=96, width=128):
    return color.rgb_to_l_ab(draw_picture(1, height, width))[0]


def test_old_pictures_differ_and_are_repeatable():
    l_norm, before = luminance(), luminance()
    pictures = [degradation.aged(l_norm, np.random.default_rng(seed)) for seed in (0, 1, 0)]
    np.testing.assert_array_equal(l_norm, before)
    np.testing.assert_array_equal(pictures[0].l_norm, pictures[2].l_norm)
    assert np.abs(pictures[0].l_norm - pictures[1].l_norm).mean() > 0.01


@pytest.mark.parametrize("seed", range(40))
def test_every_old_picture_is_a_picture(seed):
    old = degradation.aged(luminance(64, 48), np.random.default_rng(seed))
    assert old.l_norm.shape == (64, 48, 1)
    assert old.l_norm.dtype == np.float32
    assert old.border.shape == (64, 48)
    assert old.l_norm.min() >= -1
    assert old.l_norm.max() <= 1
    assert old.border.mean() < 0.25


@pytest.mark.parametrize("effect", degradation.EFFECTS, ids=lambda effect: effect.__name__)
def test_every_effect_has_a_chance_and_changes_the_picture(effect):
    assert 0 < degradation.CHANCES[effect.__name__] < 1
    light = (luminance()[..., 0] + 1) / 2
    changes = [np.abs(effect(light.copy(), np.random.default_rng(seed)) - light).mean() for seed in range(10)]
    assert max(changes) > 1e-3
    assert np.isfinite(changes).all()


def test_blur_takes_detail_away_and_grain_brings_noise():
    light, rng = (luminance()[..., 0] + 1) / 2, np.random.default_rng(0)
    detail = np.abs(cv2.Laplacian(light, cv2.CV_32F)).mean()
    assert np.abs(cv2.Laplacian(degradation.blur(light, rng), cv2.CV_32F)).mean() < detail
    noisy = degradation.grain(light, rng).astype(np.float32)
    assert np.abs(cv2.Laplacian(noisy, cv2.CV_32F)).mean() > detail


def test_fading_leaves_less_between_black_and_white():
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
    spans = [np.ptp(degradation.fading(ramp, np.random.default_rng(seed)).mean(axis=0)) for seed in range(20)]
    assert np.mean(spans) < 0.85


def test_a_border_is_even_and_the_rest_is_the_picture():
    light = (luminance()[..., 0] + 1) / 2
    framed, border = degradation.framed(light, np.random.default_rng(3))
    assert border.any()
    np.testing.assert_array_equal(framed[~border], light[~border])
    assert framed[border].std() < 0.05
