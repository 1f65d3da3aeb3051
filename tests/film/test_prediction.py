"""What the network is shown of a film, and where its colors go."""

import itertools

import cv2
import numpy as np
import pytest
from clips import Painter, write

from colorizer.film import prediction
from colorizer.film.probe import probe

SIGNS = list(itertools.product((1, -1), repeat=2))
STORED = np.full((48, 64), 60, np.uint8)
STORED[:24, :32], STORED[24:, :16] = 200, 90


def as_shown(stored, a, b, c, d):
    """What a player makes of a frame: it shows (x, y) at (a x + c y, b x + d y)."""
    rows, columns = np.mgrid[: stored.shape[0], : stored.shape[1]]
    x, y = a * columns + c * rows, b * columns + d * rows
    shown = np.zeros((np.ptp(y) + 1, np.ptp(x) + 1), stored.dtype)
    shown[y - y.min(), x - x.min()] = stored
    return shown


@pytest.mark.parametrize("matrix", [m for p, q in SIGNS for m in ((p, 0, 0, q), (0, p, q, 0))])
def test_turned_and_mirrored_films_are_shown_upright(tmp_path, matrix):
    a, b, c, d = matrix
    display = [a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30]
    film = probe(write(tmp_path / "film.mp4", [STORED] * 2, display=display))
    shown = []

    class Watching(Painter):
        def predict_ab(self, rgbs):
            shown.extend(rgb[..., 0] for rgb in rgbs)
            return super().predict_ab(rgbs)

    predict = prediction.predictor(Watching(), film.quarter_turns, film.aspect, film.flipped)
    ab_norm = predict(STORED)
    np.testing.assert_array_equal(shown[0], as_shown(STORED, *matrix))
    light = cv2.resize(STORED, ab_norm.shape[1::-1], interpolation=cv2.INTER_AREA) > 128
    assert ab_norm[light][:, 0].mean() > 0.2 and ab_norm[~light][:, 0].mean() < -0.1
