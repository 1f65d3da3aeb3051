"""Likely colors: the peaks of a distribution, and without one the colors of the picture."""

import numpy as np

from colorizer import Hint, color
from colorizer.methods.layers.bins import BINS
from colorizer.steering import likely
from colorizer.steering.prediction import Prediction
from colorizer.steering.spreading import Canvas


def gray(height=60, width=80, light=50):
    return color.gray(np.full((height, width), light, np.float32))


def test_peaks_are_the_heaviest_colors_that_are_apart():
    masses = np.zeros(len(BINS))
    for ab, mass in (((40, 30), 0.5), ((50, 30), 0.3), ((-30, 20), 0.15), ((0, -50), 0.05)):
        masses[(ab == BINS).all(axis=1)] = mass
    first, second, third = likely.peaks(BINS, masses, 5)
    np.testing.assert_allclose(first, (43.75, 30), atol=0.1)
    np.testing.assert_allclose(second, (-30, 20), atol=0.1)
    np.testing.assert_allclose(third, (0, -50), atol=0.1)
    assert len(likely.peaks(BINS, masses, 2)) == 2


def test_colors_come_from_the_distribution_at_the_place():
    probabilities = np.zeros((12, 16, len(BINS)), np.float32)
    probabilities[:, :8, (BINS == (40, 30)).all(axis=1)] = 1
    probabilities[:, 8:, (BINS == (0, -40)).all(axis=1)] = 1
    prediction = Prediction(np.zeros((12, 12, 2), np.float32), probabilities)
    canvas = Canvas(gray(), prediction)
    (left,), (right,) = (likely.colors(canvas, prediction, 30, column, 5) for column in (10, 70))
    np.testing.assert_allclose(Hint(0, 0, left).ab, (40, 30), atol=1)
    np.testing.assert_allclose(Hint(0, 0, right).ab, (0, -40), atol=1)


def test_without_a_distribution_the_pictures_own_colors_are_offered():
    ab = np.zeros((12, 12, 2), np.float32)
    ab[:, :6], ab[:, 6:] = np.float32((30, 20)) / 128, np.float32((-30, 30)) / 128
    prediction = Prediction(ab)
    offered = likely.colors(Canvas(gray(), prediction), prediction, 30, 70, 5)
    np.testing.assert_allclose(Hint(0, 0, offered[0]).ab, (-30, 30), atol=3)
    assert any(np.linalg.norm(Hint(0, 0, one).ab - (30, 20)) < 3 for one in offered)
