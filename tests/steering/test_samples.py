"""Several versions: different, likely, of one color all over a thing, and the same again for the same seed."""

import numpy as np
import pytest

from colorizer import color
from colorizer.errors import HintError
from colorizer.methods.layers.bins import BINS
from colorizer.steering import samples
from colorizer.steering.prediction import Prediction
from colorizer.steering.spreading import Canvas

LIKELY = [(40, 30), (-40, 30), (0, -40)]


def scene(chances):
    """A gray wall with a darker thing in it, of three colors with these chances; the wall's color is sure."""
    l = np.full((120, 160), 70, np.float32) + np.random.default_rng(0).normal(0, 0.5, (120, 160)).astype(np.float32)
    l[30:90, 40:110] -= 30
    probabilities = np.zeros((30, 40, len(BINS)), np.float32)
    probabilities[..., (BINS == (0, 0)).all(axis=1)] = 1
    probabilities[8:22, 10:28] = 0
    for ab, chance in zip(LIKELY, chances, strict=True):
        probabilities[8:22, 10:28, (ab == BINS).all(axis=1)] = chance
    ab_norm = (probabilities @ BINS / 128).astype(np.float32)
    prediction = Prediction(ab_norm, probabilities)
    return Canvas(color.gray(l), prediction), prediction


def test_versions_differ_in_the_doubtful_thing_alone():
    canvas, prediction = scene((0.4, 0.3, 0.3))
    versions = samples.versions(canvas, prediction, 3)
    colors = [canvas.ab_norm(hints) * 128 for hints in versions]
    inside, outside = (slice(40, 80), slice(50, 100)), (slice(0, 20), slice(None))
    means = np.array([ab[inside].reshape(-1, 2).mean(axis=0) for ab in colors])
    apart = np.linalg.norm(means[:, None] - means[None], axis=-1)[np.triu_indices(3, 1)]
    assert apart.min() > 15
    for ab in colors:
        assert ab[inside].std(axis=(0, 1)).max() < 3  # one color all over
        assert np.abs(ab[outside]).max() < 3
    assert versions[0] == []  # the first is the automatic result
    assert samples.versions(canvas, prediction, 3) == versions


def two_boxes(second):
    """A wall with two boxes of doubtful color; the encoder sees `second` in the second one."""
    l = np.full((120, 160), 70, np.float32) + np.random.default_rng(0).normal(0, 0.5, (120, 160)).astype(np.float32)
    probabilities = np.zeros((30, 40, len(BINS)), np.float32)
    features = np.zeros((30, 40, 4), np.float32)
    probabilities[..., (BINS == (0, 0)).all(axis=1)] = 1
    features[..., 0] = 1
    for left, seen in ((4, (0, 1, 0, 0)), (24, second)):
        box = np.s_[8:22, left : left + 12]
        l[32:88, 4 * left : 4 * left + 48] -= 30
        probabilities[box] = 0
        for ab, chance in zip(LIKELY, (0.4, 0.3, 0.3), strict=True):
            probabilities[(*box, (ab == BINS).all(axis=1))] = chance
        features[box] = seen
    prediction = Prediction((probabilities @ BINS / 128).astype(np.float32), probabilities, features)
    return Canvas(color.gray(l), prediction), prediction


@pytest.mark.parametrize(("second", "is_one_thing"), [((0, 1, 0, 0), True), ((0, 0, 1, 0), False)])
def test_what_looks_alike_has_one_color_in_each_version(second, is_one_thing):
    canvas, prediction = two_boxes(second)
    apart = []
    for hints in samples.versions(canvas, prediction, 7)[1:]:
        assert len(hints) == 2
        ab = canvas.ab_norm(hints) * 128
        left, right = (ab[44:76, edge + 8 : edge + 40].mean(axis=(0, 1)) for edge in (16, 96))
        apart.append(np.linalg.norm(left - right))
    assert max(apart) < 3 if is_one_thing else max(apart) > 30


def test_strength_pales_the_colors_of_the_versions():
    canvas, prediction = scene((0.4, 0.3, 0.3))
    full, half, gray = (samples.versions(canvas, prediction, 3, strength=s)[1:] for s in (1, 0.5, 0))
    for one, two, three in zip(full, half, gray, strict=True):
        for strong, pale, none in zip(one, two, three, strict=True):
            np.testing.assert_allclose(pale.ab, np.array(strong.ab) / 2, atol=3)
            assert np.linalg.norm(none.ab) < 0.1


def test_what_is_unlikely_does_not_come_up():
    canvas, prediction = scene((0.6, 0.35, 0.05))
    for hints in samples.versions(canvas, prediction, 5):
        for hint in hints:
            assert np.linalg.norm(hint.ab - LIKELY[2]) > 20


def test_without_doubt_or_a_distribution_there_is_one_version():
    canvas, prediction = scene((1, 0, 0))
    sure = prediction._replace(probabilities=np.broadcast_to(prediction.probabilities[:1, :1], (30, 40, len(BINS))))
    with pytest.raises(HintError, match="one version only"):
        samples.versions(canvas, sure, 3)
    with pytest.raises(HintError, match="how likely each color is"):
        samples.versions(canvas, prediction._replace(probabilities=None), 3)
