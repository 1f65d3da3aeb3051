"""The Vision Transformer: its shapes, its positions for other grids, and how it is saved."""

import keras
import numpy as np
import pytest

from colorizer.classifiers.encoders import vision_transformer
from colorizer.classifiers.encoders.vision_transformer import Shape

SMALL = Shape(width=24, heads=2, blocks=3, grid=5)


def build(size=(28, 42), **options):
    keras.utils.set_random_seed(0)
    return vision_transformer.build(size, (0, 2), SMALL, **options)


def test_tokens_are_normalized_at_any_shape_of_the_picture():
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 28, 42, 3)).astype(np.float32)
    tokens = build().predict_on_batch(pictures)
    assert tokens.shape == (2, 2, 3, 48)
    assert tokens.dtype == np.float32
    for level in (tokens[..., :24], tokens[..., 24:]):
        np.testing.assert_allclose(level.mean(axis=-1), 0, atol=1e-4)
        np.testing.assert_allclose(level.var(axis=-1), 1, atol=1e-2)


def test_a_side_that_patches_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="multiples of 14. Received: .28, 40.. Resize it."):
        build((28, 40))


def test_the_weights_fit_every_size():
    small, large = build((28, 28)), build((70, 70))
    assert [w.shape for w in small.weights] == [w.shape for w in large.weights]


@pytest.mark.parametrize("size", [1, 3, 5, 12, 40])
def test_bicubic_weights_keep_what_is_constant(size):
    weights = vision_transformer.bicubic(size, 5)
    assert weights.shape == (size, 5)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)


def test_bicubic_weights_at_the_same_size_change_nothing():
    np.testing.assert_allclose(vision_transformer.bicubic(7, 7), np.eye(7), atol=1e-6)


def test_bicubic_weights_are_those_of_an_exact_case():
    # Halfway between four values: -3/32, 19/32, 19/32, -3/32 with the coefficient -0.75.
    np.testing.assert_allclose(vision_transformer.bicubic(3, 6)[1], [0, -3 / 32, 19 / 32, 19 / 32, -3 / 32, 0])


def test_every_token_sees_every_patch():
    model = build((28, 28))
    pictures = np.full((1, 28, 28, 3), 127, np.float32)
    before = model.predict_on_batch(pictures)
    pictures[:, :14, :14] = np.random.default_rng(0).uniform(0, 255, (14, 14, 3))
    assert (np.abs(model.predict_on_batch(pictures) - before).max(axis=(0, 3)) > 0).all()


def test_half_the_precision_is_close():
    pictures = np.random.default_rng(0).uniform(0, 255, (1, 28, 42, 3)).astype(np.float32)
    exact, half = build(), build(dtype="mixed_bfloat16")
    half.set_weights(exact.get_weights())
    difference = half.predict_on_batch(pictures) - exact.predict_on_batch(pictures)
    assert 0 < np.abs(difference).max() < 0.1


def test_it_is_saved_and_loaded(tmp_path):
    model, pictures = build(), np.ones((1, 28, 42, 3), np.float32)
    model.save(tmp_path / "vit.keras")
    loaded = keras.saving.load_model(tmp_path / "vit.keras")
    np.testing.assert_array_equal(loaded.predict_on_batch(pictures), model.predict_on_batch(pictures))
