"""Photographs in their own shape: what the network sees, and that all ways give the same colors."""

import cv2
import keras
import numpy as np
import pytest
from conftest import draw_picture

from colorizer import methods, photos
from colorizer.classifiers.encoders import vision_transformer
from colorizer.inference import forward
from colorizer.inference.colorizer import Colorizer
from colorizer.inference.engine import KerasNetwork
from colorizer.methods.layers import backbone, token_decoder

SMALL = vision_transformer.Shape(width=24, heads=2, blocks=2, grid=5)
SHAPES = {"landscape": (90, 120), "panorama": (40, 160), "tower": (160, 40), "square": (80, 80), "tiny": (3, 5)}


def colored(network):
    """The network with random logits, so that it gives every place a color of its own."""
    kernel = network.get_layer("decoder").get_layer("logits").kernel
    kernel.assign(np.random.default_rng(0).normal(0, 0.3, kernel.shape))


@pytest.fixture(scope="module", params=["classifier", "transformer"])
def trained(request):
    """A method that takes any shape, and a network of it for squares of 96 pixels with either kind of encoder."""
    keras.utils.set_random_seed(0)
    method = methods.get("vit_decoder")
    encoder = vision_transformer.build((28, 28), (0, 1), SMALL) if request.param == "transformer" else None
    network = method.build(96, encoder)
    colored(network)
    return method, network


@pytest.fixture(scope="module")
def colorizer(trained):
    method, network = trained
    return Colorizer(network, method, image_size=96)


def pictures():
    drawn = draw_picture(3, 240, 320)
    return {name: cv2.resize(drawn, shape[::-1], interpolation=cv2.INTER_AREA) for name, shape in SHAPES.items()}


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((3000, 4000), 192, (160, 224)),
        ((4000, 3000), 192, (224, 160)),
        ((500, 500), 192, (192, 192)),
        ((100, 400), 192, (96, 384)),
        ((400, 100), 192, (384, 96)),
        ((10, 9000), 192, (96, 384)),
        ((480, 640), 250, (224, 288)),
        ((1, 1), 64, (64, 64)),
        ((100, 300), 64, (64, 96)),
    ],
)
def test_the_network_sees_about_as_many_pixels_in_the_shape_of_the_photo(shape, size, expected):
    assert forward.shape_at(shape, size) == expected


def test_a_view_is_not_squeezed(colorizer):
    wide = np.zeros((200, 400, 3), np.uint8)
    cv2.circle(wide, (200, 100), 80, (255, 255, 255), -1)
    seen = colorizer.forward.view(wide).l_norm[..., 0] > 0
    assert seen.shape == (64, 128)
    assert np.ptp(np.flatnonzero(seen.any(axis=0))) == pytest.approx(np.ptp(np.flatnonzero(seen.any(axis=1))), abs=2)


def test_every_shape_is_colored(colorizer):
    for name, rgb in pictures().items():
        (ab,) = colorizer.predict_ab([rgb])
        assert ab.shape == (*forward.shape_at(rgb.shape[:2], 96), 2), name
        assert ab.dtype == np.float32 and np.abs(ab).max() > 0.01
        color = colorizer.colorize(rgb)
        assert color.shape == rgb.shape and color.dtype == rgb.dtype


def test_shapes_mixed_in_a_batch_get_the_colors_of_one_by_one(colorizer):
    mixed = [*pictures().values(), *(rgb[:, ::-1] for rgb in pictures().values())]
    together = colorizer.colorize(mixed)
    for rgb, color in zip(mixed, together, strict=True):
        assert np.abs(color.astype(int) - colorizer.colorize(rgb)).max() <= 1


def test_a_square_photo_gets_the_colors_that_evaluation_scores(trained, colorizer):
    method, network = trained
    rgb = draw_picture(5, 300, 300)
    expected = forward.Forward(KerasNetwork(network, method), 96, look=colorizer.look).ab_norm([rgb])[0]
    np.testing.assert_allclose(colorizer.predict_ab([rgb])[0], expected, atol=1e-4)


def test_a_network_for_any_shape_gives_what_one_for_that_shape_gives(trained):
    method, network = trained
    fixed, other = (method.build(shape, method.encoder_of(network)) for shape in ((64, 128), (None, None)))
    for copy in (fixed, other):
        copy.set_weights(network.get_weights())
    l_norm = forward.luminance(forward.squares([draw_picture(i) for i in range(2)], 128), (128, 128))[:, :64]
    vector = np.zeros((2, 1000), np.float32)
    other.predict_on_batch([l_norm[:, :, :64], vector])  # another shape before: TensorFlow then makes a general graph
    expected = fixed.predict_on_batch([l_norm, vector])
    assert expected.shape == (2, 16, 32, 313)
    np.testing.assert_allclose(other.predict_on_batch([l_norm, vector]), expected, atol=1e-3)


def test_hints_have_the_grid_of_a_photo_that_is_no_square():
    decoder = token_decoder.build((None, None), 48)
    colored_decoder = decoder.get_layer("logits").kernel
    colored_decoder.assign(np.random.default_rng(0).normal(0, 0.3, colored_decoder.shape))
    l_norm, tokens = np.zeros((1, 64, 128, 1), np.float32), np.zeros((1, 4, 8, 48), np.float32)
    given = np.zeros((1, 16, 32, 3), np.float32)
    without = decoder.predict_on_batch([l_norm, tokens, given])
    given[0, 4, 24] = 0.5, -0.5, 1
    change = np.abs(decoder.predict_on_batch([l_norm, tokens, given]) - without).max(axis=-1)[0]
    assert change.shape == (16, 32) and np.unravel_index(change.argmax(), change.shape) == pytest.approx((4, 24), abs=3)


def test_positions_are_interpolated_alike_for_a_size_that_is_known_late():
    for size in (3, 5, 12):
        late = keras.ops.convert_to_numpy(vision_transformer.bicubic(keras.ops.convert_to_tensor(size), 5))
        np.testing.assert_allclose(late, vision_transformer.bicubic(size, 5), atol=1e-6)


def test_doubled_is_keras_own_enlargement():
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    expected = keras.layers.UpSampling2D(2, interpolation="bilinear")(x)
    np.testing.assert_allclose(backbone.Doubled()(x), expected, atol=1e-6)


def test_many_photos_of_a_large_size_are_split(colorizer, monkeypatch):
    views = [colorizer.forward.view(draw_picture(i, 96, 96)) for i in range(3)]
    expected = colorizer.forward.ab_norm_of(views)
    asked = []
    monkeypatch.setattr(forward, "BATCH_PIXELS", 2 * 96 * 96)
    predict = KerasNetwork.predict
    monkeypatch.setattr(KerasNetwork, "predict", lambda *a: asked.append(len(a[1])) or predict(*a))
    for ab, one in zip(colorizer.forward.ab_norm_of(views), expected, strict=True):
        np.testing.assert_allclose(ab, one, atol=1e-4)
    assert asked == [2, 1]


def test_a_look_is_chosen_or_refused():
    both, one = methods.declared("vit_decoder"), methods.declared("efficientnet")
    assert both.look_of() == "vivid" and both.look_of("accurate") == "accurate" and one.look_of() is None
    with pytest.raises(ValueError, match="has the looks accurate, vivid. Received: look gray"):
        both.look_of("gray")
    with pytest.raises(ValueError, match="has one look only. Received: look vivid"):
        one.look_of("vivid")


def test_a_size_is_chosen_or_refused():
    any_shape, squares = methods.declared("vit_decoder"), methods.declared("efficientnet")
    assert any_shape.inference_size(256, None) == 256 and any_shape.inference_size(192, 320) == 320
    assert any_shape.inference_size(192, None) == 224  # as eyes judged them
    assert any_shape.inference_size(32, None) == 64
    assert squares.inference_size(256, None) is None and squares.inference_size(256, 256) is None
    with pytest.raises(ValueError, match="lies between 64 and 1024. Received: 63"):
        any_shape.inference_size(192, 63)
    with pytest.raises(ValueError, match="sees squares of 256 pixels, as it was trained. Received: size 320"):
        squares.inference_size(256, 320)


def test_the_shipped_weights_see_a_photo_in_its_own_shape(tmp_path):
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), draw_picture(1, 60, 90))
    colorizer = Colorizer(size=100)
    assert colorizer.size == 100 and "100 pixels" in repr(colorizer)
    (ab,) = colorizer.predict_ab([photos.read(photo).rgb])
    assert ab.shape == (96, 128, 2)
