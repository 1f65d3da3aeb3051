"""The non-local mean: what looks alike gets one color, and hints stay."""

import keras
import numpy as np
from keras import ops

from colorizer.methods.layers.non_local_mean import CELL, NonLocalMean

RNG = np.random.default_rng(0)
# Two kinds of cells on a grid of 4 x 6: the left half and the right half.
TOKENS = np.zeros((1, 4, 6, 8), np.float32)
TOKENS[:, :, :3, 0] = TOKENS[:, :, 3:, 1] = 1
LOGITS = RNG.normal(size=(1, 4 * CELL, 6 * CELL, 5)).astype(np.float32)
NONE = np.zeros((1, 4 * CELL, 6 * CELL, 3), np.float32)


def averaged(logits, tokens=TOKENS, hints=NONE, **options):
    return ops.convert_to_numpy(NonLocalMean(**options)(logits, tokens, hints))


def cells(logits):
    """Means of cells: (4, 6, 5)."""
    return logits.reshape(4, CELL, 6, CELL, -1).mean(axis=(1, 3))


def ramp():
    """Logits of one bin that grow from top to bottom, the other way in the right half."""
    logits = np.zeros_like(LOGITS)
    logits[..., 0] = np.linspace(-1, 1, 4 * CELL)[:, None]
    logits[:, :, 3 * CELL :, 0] *= -1
    logits[:, :, 3 * CELL :, 0] += 4
    return logits


def test_cells_that_look_alike_get_their_mean():
    found = cells(averaged(ramp()))[..., 0]
    assert cells(ramp())[:, 0, 0].std() > 0.5
    # A cell's change is enlarged smoothly, so a part of what tells neighbors apart stays.
    assert found[:, 0].std() < 0.2 and found[:, 5].std() < 0.2
    np.testing.assert_allclose(found.mean(axis=0)[[0, 5]], [0, 4], atol=1e-3)


def test_what_no_other_cell_is_like_stays_as_it_is():
    tokens = np.eye(24, dtype=np.float32).reshape(1, 4, 6, 24)
    np.testing.assert_allclose(averaged(LOGITS, tokens), LOGITS, atol=1e-4)


def test_the_detail_within_a_cell_stays():
    flat = np.repeat(np.repeat(cells(LOGITS), CELL, axis=0), CELL, axis=1)[None]
    detail = RNG.normal(size=LOGITS.shape).astype(np.float32)
    detail -= np.repeat(np.repeat(cells(detail), CELL, axis=0), CELL, axis=1)
    np.testing.assert_allclose(averaged(flat + detail) - averaged(flat), detail, atol=1e-4)


def test_a_hint_keeps_its_color_and_lends_it_to_its_like():
    logits, hints = np.zeros_like(LOGITS), NONE.copy()
    cell = np.s_[:, 4:8, 4:8]
    logits[cell] = (0, 0, 9, 0, 0)
    hints[(*cell, 2)] = 1
    found = averaged(logits, hints=hints)
    np.testing.assert_array_equal(found[cell], logits[cell])
    assert found[0, 1, 1, 2] > 0.5 and abs(found[0, 1, -2, 2]) < 1e-3


def test_a_higher_temperature_averages_over_what_is_less_alike():
    tokens = TOKENS + 0.5
    cold, warm = (
        cells(averaged(ramp(), tokens, temperature=value))[..., 0].mean(axis=0)[[0, 5]] for value in (0.01, 1)
    )
    assert np.ptp(cold) > 3.9 and np.ptp(warm) < 1


def test_it_is_saved_with_its_temperature():
    layer = NonLocalMean.from_config(NonLocalMean(temperature=0.2).get_config())
    assert layer.temperature == 0.2 and not layer.weights
    assert keras.saving.get_registered_object("colorizer>NonLocalMean") is NonLocalMean
