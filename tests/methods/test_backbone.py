"""What an encoder sees in luminance: one interface for classifiers and Vision Transformers."""

import cv2
import keras
import numpy as np
import pytest

from colorizer import color
from colorizer.classifiers.encoders import vision_transformer
from colorizer.classifiers.encoders.vision_transformer import Shape
from colorizer.errors import ClassifierError, UsageError
from colorizer.methods.layers import backbone

SMALL = Shape(width=24, heads=2, blocks=3, grid=5)


@pytest.fixture
def transformer():
    keras.utils.set_random_seed(0)
    return vision_transformer.build((70, 70), (0, 2), SMALL)


def picture(height=64, width=64):
    """A gray picture's luminance, (1, H, W, 1) as a network takes it, and the gray levels."""
    levels = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    levels = cv2.GaussianBlur(levels, (0, 0), 3)
    levels = cv2.normalize(levels, None, 0, 255, cv2.NORM_MINMAX)
    return color.rgb_to_l_ab(np.repeat(levels[..., None], 3, axis=-1))[0][None], levels


def test_gray_is_that_of_srgb():
    levels = np.arange(256, dtype=np.uint8)[None]
    l_norm = color.rgb_to_l_ab(np.repeat(levels[..., None], 3, axis=-1))[0][None]
    gray = keras.ops.convert_to_numpy(backbone.Gray()(l_norm))[0, ..., 0]
    assert np.abs(gray - levels).max() < 0.1


def test_a_transformer_sees_the_picture_averaged_to_its_own_patches(transformer):
    l_norm, _ = picture(64, 96)
    gray = keras.ops.convert_to_numpy(backbone.Gray()(l_norm))[0, ..., 0]
    smaller = cv2.resize(gray, (84, 56), interpolation=cv2.INTER_AREA)
    exact = vision_transformer.build((56, 84), (0, 2), SMALL)
    exact.set_weights(transformer.get_weights())
    expected = exact.predict_on_batch(np.repeat(smaller[None, ..., None], 3, axis=-1))
    tokens = backbone.token_encoder(transformer, (64, 96)).predict_on_batch(l_norm)
    assert tokens.shape == (1, 4, 6, 48)
    np.testing.assert_allclose(tokens, expected, atol=2e-3)


def test_a_classifier_gives_a_grid_of_the_same_size():
    encoder = backbone.token_encoder(backbone.plain_encoder(), 64)
    tokens = encoder.predict_on_batch(picture()[0])
    assert tokens.shape == (1, 4, 4, 96 + 192 + 384)
    np.testing.assert_allclose(tokens[..., :96].mean(axis=-1), 0, atol=1e-4)


@pytest.mark.parametrize("kind", ["transformer", "classifier"])
def test_an_encoder_is_made_again_for_another_size(kind, transformer):
    encoder = backbone.token_encoder(transformer if kind == "transformer" else backbone.plain_encoder(), 64)
    copy = keras.models.model_from_json(encoder.to_json())
    copy.set_weights(encoder.get_weights())
    larger = backbone.token_encoder(copy, 96)
    assert larger.output_shape[1:] == (6, 6, encoder.output_shape[-1])
    again = backbone.token_encoder(larger, 64)
    l_norm = picture()[0]
    np.testing.assert_allclose(again.predict_on_batch(l_norm), encoder.predict_on_batch(l_norm), atol=1e-5)


def test_averaging_by_area_keeps_what_is_constant():
    area = backbone._area(16, 14)
    assert area.shape == (14, 16)
    np.testing.assert_allclose(area.sum(axis=1), 1)
    np.testing.assert_allclose(area.sum(axis=0), 14 / 16)


def test_an_encoders_scales_are_found_by_shape():
    classifier = keras.applications.EfficientNetB0(weights=None)
    outputs = backbone.feature_pyramid(classifier, 64).outputs
    assert [tuple(o.shape[1:]) for o in outputs] == [(16, 16, 144), (8, 8, 240), (4, 4, 672), (2, 2, 1280)]


def test_what_has_no_scales_is_no_encoder():
    flat = keras.Sequential(
        [keras.Input((64, 64, 3)), keras.layers.Conv2D(4, 3, padding="same"), keras.layers.Flatten()]
    )
    with pytest.raises(ClassifierError, match="Received: none of 1/4, 1/8, 1/16, 1/32. Choose another"):
        backbone.feature_pyramid(flat, 64)


def test_an_input_too_small_for_the_scales_is_refused():
    with pytest.raises(UsageError, match="--image-size must be at least 64 .* Received: 32"):
        backbone.feature_pyramid(keras.applications.EfficientNetB0(weights=None, include_top=False), 32)
