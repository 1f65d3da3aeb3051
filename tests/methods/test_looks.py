"""The gain that makes a look vivid."""

import numpy as np
from keras import ops

from colorizer.methods.layers import looks
from colorizer.methods.layers.color_bins import BINS, annealed_mean


def test_no_color_at_all_is_no_division_by_zero():
    gray = np.zeros((1, 8, 8, 2), np.float32)
    gain = float(np.squeeze(looks.gain(np.zeros((1, 8, 8, len(BINS)), np.float32), gray, 0.1)))
    assert gain == looks.LARGEST_GAIN


def test_a_gain_is_of_its_picture_alone():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, [[[[1.0]]], [[[6.0]]]], (2, 8, 8, len(BINS))).astype(np.float32)
    ab = ops.convert_to_numpy(annealed_mean(logits))
    both = ops.convert_to_numpy(looks.gain(logits, ab, 0.01))
    alone = [ops.convert_to_numpy(looks.gain(logits[i : i + 1], ab[i : i + 1], 0.01)) for i in range(2)]
    np.testing.assert_allclose(both, np.concatenate(alone), rtol=1e-5)
    assert both[0] > both[1] >= 1, "the surer picture has lost less of its chroma"
