"""The table of soft codes beside a search for the nearest bins, and the prior."""

import numpy as np
import pytest
from keras import ops
from skimage import data
from test_colorful import dense, photograph

from colorizer import color
from colorizer.config import resolve
from colorizer.data import batches, pixel_store
from colorizer.methods.layers import soft_encoding
from colorizer.methods.layers.bins import BINS


@pytest.fixture(scope="module")
def colors():
    """Every 7th subsampled pixel of three photographs: (n, 2) Lab units."""
    photos = [photograph(128, rgb_u8)[1] for rgb_u8 in (data.chelsea(), data.coffee(), data.astronaut())]
    return np.concatenate([soft_encoding.subsample(ab_norm).reshape(-1, 2) for ab_norm in photos])[::7]


def test_a_color_is_spread_over_its_ten_nearest(colors):
    indices, shares = (ops.convert_to_numpy(part) for part in soft_encoding.encode(colors))
    assert indices.shape == shares.shape == (len(colors), 10)
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-6)
    encoded = np.zeros((len(colors), 313))
    np.put_along_axis(encoded, indices, shares, axis=1)
    assert ((encoded > 0).sum(1) == 10).all()
    # Of bins that are equally near, the table and the search take the first.
    np.testing.assert_allclose(encoded, dense(np.round(colors)), atol=1e-4)
    np.testing.assert_allclose(ops.convert_to_numpy(soft_encoding.SoftEncoder()(colors)), encoded, atol=1e-6)
    assert np.abs(encoded @ BINS - np.round(colors)).mean() < 0.3, "the mean of an encoding is the color"


def test_the_whole_table_has_the_codes_of_a_search():
    """Also where several bins are equally near, and beyond all bins."""
    ab = np.random.default_rng(0).integers(soft_encoding.FIRST, soft_encoding.LAST + 1, (3000, 2)).astype(np.float32)
    ab[:1000] = np.clip(5 * np.round(ab[:1000] / 5), soft_encoding.FIRST, soft_encoding.LAST)
    codes = ops.convert_to_numpy(soft_encoding.SoftEncoder()(ab))
    np.testing.assert_allclose(codes, dense(ab), atol=1e-5)


def test_every_color_of_srgb_is_in_the_table():
    levels = np.linspace(0, 255, 18).astype(np.uint8)
    rgb = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 1, 3)
    ab = color.rgb_to_lab(rgb)[:, 0, 1:]
    assert (np.round(ab) >= soft_encoding.FIRST).all()
    assert (np.round(ab) <= soft_encoding.LAST).all()
    rows = ops.convert_to_numpy(soft_encoding.row_index(ab))
    assert rows.min() >= 0
    assert rows.max() < len(soft_encoding.table())


def test_what_lies_outside_takes_the_nearest_row():
    rows = ops.convert_to_numpy(soft_encoding.row_index(np.float32([[-500, -500], [500, 500]])))
    assert rows.tolist() == [0, len(soft_encoding.table()) - 1]


def test_the_prior_is_the_mean_of_the_encoded_pictures(tmp_path, picture_folder):
    names = sorted(path.name for path in picture_folder.iterdir())[:6]
    pictures = pixel_store.build(picture_folder, names, 32, cache=tmp_path / "cache")
    generator = batches.generator_of(resolve({}))
    train = batches.Batches(pictures, pictures.rows, batch_size=4, generator=generator, shuffle=True)
    prior = soft_encoding.prior_of(train)
    plain = batches.Batches(pictures, pictures.rows, batch_size=6)
    expected = dense(np.round(soft_encoding.subsample(plain[0][1]).reshape(-1, 2))).mean(0)
    np.testing.assert_allclose(prior, expected, atol=1e-5)
    assert prior.sum() == pytest.approx(1)
    np.testing.assert_array_equal(soft_encoding.prior_of(train), prior)
