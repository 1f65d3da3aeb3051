"""Hints on a network's grid: where they lie, and their colors."""

import numpy as np

from colorizer import Hint
from colorizer.steering import network_hints


def test_a_hint_is_a_cell_at_its_place_in_its_color():
    given = network_hints.grid([Hint(399, 0, "#7a1f1f"), Hint(200, 150, "#204080")], (300, 400), (64, 96))
    assert given.shape == (16, 24, 3)
    assert given[..., 2].sum() == 2
    np.testing.assert_allclose(given[0, 23], [*Hint(0, 0, "#7a1f1f").ab / 128, 1])
    np.testing.assert_allclose(given[8, 12], [*Hint(0, 0, "#204080").ab / 128, 1])
    assert not network_hints.grid([], (300, 400), (64, 96)).any()
