"""Cached features are those that are computed, each only once."""

import keras
import numpy as np
import pytest

from colorizer.errors import DataError
from colorizer.training.long.feature_cache import CachedFeatures, Features, fingerprint


class Counting:
    """An encoder's model that counts the pictures it has seen."""

    def __init__(self):
        pictures = keras.Input((16, 16, 1))
        self.model = keras.Model(pictures, keras.layers.Conv2D(4, 16, strides=16)(pictures))
        self.output_shape, self.batches = self.model.output_shape, []

    def predict_on_batch(self, pictures):
        self.batches.append(pictures)
        return self.model.predict_on_batch(pictures)


@pytest.fixture
def encoder():
    keras.utils.set_random_seed(0)
    return Counting()


PICTURES = np.random.default_rng(0).uniform(-1, 1, (6, 16, 16, 1)).astype(np.float32)


def test_cached_features_are_the_computed_ones(encoder, tmp_path):
    computed, cached = Features(encoder, 4), CachedFeatures(tmp_path / "f", {"of": "these"}, 6, encoder, 4)
    for rows in ([0, 1, 2], [2, 5, 0, 4], [3]):
        expected = computed.of(np.array(rows), PICTURES[rows])
        assert expected.dtype == np.float16
        assert expected.shape == (len(rows), 1, 1, 4)
        for _ in range(2):
            np.testing.assert_array_equal(cached.of(np.array(rows), PICTURES[rows]), expected)


def test_each_is_computed_once_also_by_the_next_process(encoder, tmp_path):
    rows = np.array([1, 3, 4])
    first = CachedFeatures(tmp_path / "f", {"of": "these"}, 6, encoder, 4).of(rows, PICTURES[rows])
    encoder.batches.clear()
    again = CachedFeatures(tmp_path / "f", {"of": "these"}, 6, encoder, 4)
    np.testing.assert_array_equal(again.of(rows[::-1], PICTURES[rows[::-1]]), first[::-1])
    assert not encoder.batches
    again.of(np.array([3, 5]), PICTURES[[3, 5]])
    (batch,) = encoder.batches
    assert len(batch) == 4, "one shape is compiled"
    np.testing.assert_array_equal(batch[0], PICTURES[5])
    assert not batch[1:].any()


def test_a_full_disk_is_an_error_and_its_row_is_not_complete(encoder, tmp_path):
    cached, file = CachedFeatures(tmp_path / "f", {"of": "these"}, 6, encoder, 4), tmp_path / "f" / "features.npy"
    file.rename(tmp_path / "whole.npy")
    file.symlink_to("/dev/full")
    for _ in range(2):
        with pytest.raises(OSError, match="No space left on device"):
            cached.of(np.array([1]), PICTURES[[1]])
    assert len(encoder.batches) == 2
    (tmp_path / "whole.npy").replace(file)
    for _ in range(2):
        cached.of(np.array([1]), PICTURES[[1]])
    assert len(encoder.batches) == 3


def test_features_of_something_else_are_refused(encoder, tmp_path):
    CachedFeatures(tmp_path / "f", {"of": "these"}, 6, encoder, 4)
    with pytest.raises(DataError, match="of another encoder or other pictures. Received: .*f. Remove it"):
        CachedFeatures(tmp_path / "f", {"of": "those"}, 6, encoder, 4)


def test_a_fingerprint_changes_with_values_and_arrays():
    assert fingerprint({"a": 1}, np.arange(3)) == fingerprint({"a": 1}, np.arange(3))
    assert len({fingerprint({"a": 1}), fingerprint({"a": 2}), fingerprint(np.arange(3)), fingerprint(np.ones(3))}) == 4
