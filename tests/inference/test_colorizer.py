"""Colorizer: the photo's own luminance, the network's colors, at the photo's own size."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from conftest import draw_picture
from PIL import Image

from colorizer import color, methods, photos, weights
from colorizer.classifiers import classifier as classifiers
from colorizer.errors import ArgumentError, ClassifierError, WeightsError
from colorizer.inference import colorizer as inference
from colorizer.inference import full_size
from colorizer.photos import reader

SIZE = 32
AB = np.array([0.15, -0.1], np.float32)


def one_colour(ab_norm=AB):
    """A trained network of the method "trivial": `ab_norm` everywhere."""
    network = methods.get("trivial").build(SIZE)
    network.set_weights([np.asarray(ab_norm, np.float32)])
    return network


class Spy(methods.Method):
    """A method whose colors tell where they come from: a is l_norm, b the mean of the class vector."""

    uses_vector = True

    def __init__(self):
        self.batches = []

    def predict_ab(self, network, l_norm, vector, look=None):
        self.batches.append(len(l_norm))
        assert l_norm.dtype == vector.dtype == np.float32 and l_norm.shape[1:] == (SIZE, SIZE, 1)
        b = np.broadcast_to(vector.mean(1)[:, None, None, None], l_norm.shape)
        return np.concatenate([l_norm, b], -1).astype(np.float32)


class Sees:
    """A classifier whose scores are the mean of each picture, over 1000."""

    name, fingerprint = "sees", "sha256:0"

    def vectors(self, rgb_u8, batch_size=32):
        assert rgb_u8.dtype == np.uint8 and rgb_u8.shape[1:] == (256, 256, 3)
        return np.repeat(rgb_u8.mean((1, 2, 3), dtype=np.float32)[:, None] / 1000, 1000, axis=1)


@pytest.fixture
def colorizer():
    return inference.Colorizer(one_colour(), methods.get("trivial"), image_size=SIZE)


@pytest.mark.parametrize("height, width", [(96, 128), (301, 77), (50, 50), (2, 900)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_photo_gets_the_colors_at_its_own_size_and_depth(colorizer, height, width, dtype):
    rgb = np.resize(draw_picture(1), (height, width, 3)).astype(dtype) * (257 if dtype == np.uint16 else 1)
    before = rgb.copy()
    colored = colorizer.colorize(rgb)
    expected = color.merge(color.rgb_to_lab(rgb)[..., 0], np.tile(AB, (height, width, 1)), dtype)
    assert colored.dtype == dtype
    # Enlarging one color rounds its last bit, which one pixel in ten thousand shows as one of 65535 levels.
    assert np.abs(colored.astype(int) - expected).max() <= (0 if dtype == np.uint8 else 1)
    np.testing.assert_array_equal(rgb, before)


def test_luminance_is_the_photos_own(colorizer):
    l = np.clip(color.rgb_to_lab(draw_picture(2))[..., 0], 35, 65)
    photo = color.gray(l)
    colored = colorizer.colorize(photo)
    assert np.abs(color.rgb_to_lab(colored) - color.rgb_to_lab(photo))[..., 0].max() < 0.3
    ab = color.rgb_to_lab(colored)[..., 1:]
    assert np.abs(ab - AB * 128).max() < 1.5  # and the colors the network's


def test_the_photos_own_colors_are_not_looked_at():
    spy = Spy()
    colorizer = inference.Colorizer(None, spy, image_size=SIZE)
    rgb = draw_picture(3, 200, 100)
    rgb[:100] = (200, 60, 40)
    gray = color.gray(color.rgb_to_lab(rgb)[..., 0])
    difference = colorizer.colorize(rgb).astype(int) - colorizer.colorize(gray)
    assert np.abs(difference).mean() < 1.5


def test_strength_scales_the_colors(colorizer):
    photo = np.full((40, 40, 3), 128, np.uint8)
    photo[:, :20] = 60  # one flat tone would get no color
    chroma = [np.hypot(*color.rgb_to_lab(colorizer.colorize(photo, s))[20, 30, 1:]) for s in (0, 0.25, 0.5, 1)]
    np.testing.assert_allclose(chroma, np.hypot(*AB) * 128 * np.array([0, 0.25, 0.5, 1]), atol=0.6)
    np.testing.assert_array_equal(colorizer.colorize(photo, 0), photo)
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="between 0 and 1. Received"):
            colorizer.colorize(photo, wrong)


def test_several_photos_share_one_forward_pass_and_keep_their_order():
    spy = Spy()
    colorizer = inference.Colorizer(None, spy, Sees(), SIZE)
    pictures = [draw_picture(i, 60 + 10 * i, 90) for i in range(5)]
    together = colorizer.colorize(pictures)
    assert spy.batches == [8]  # five, filled up to the next power of two
    apart = [colorizer.colorize(picture) for picture in pictures]
    assert spy.batches == [8, 1, 1, 1, 1, 1]
    assert len(together) == 5
    for one, other, picture in zip(together, apart, pictures, strict=True):
        assert one.shape == picture.shape
        np.testing.assert_array_equal(one, other)


def test_shapes_of_batches_are_few():
    spy = Spy()
    colorizer = inference.Colorizer(None, spy, image_size=SIZE)
    for count in range(0, 9):
        assert len(colorizer.predict_ab([draw_picture(i) for i in range(count)])) == count
    assert spy.batches == [1, 2, 4, 4, 8, 8, 8, 8]


def test_network_sees_its_own_size_and_classifier_256_pixels():
    spy = Spy()
    colorizer = inference.Colorizer(None, spy, Sees(), SIZE)
    rgb = draw_picture(4, 256, 256)
    (ab,) = colorizer.predict_ab([rgb])
    assert ab.shape == (SIZE, SIZE, 2) and ab.dtype == np.float32
    averaged = color.rgb_to_lab(rgb)[..., 0].reshape(SIZE, 8, SIZE, 8).mean((1, 3))
    np.testing.assert_allclose(ab[..., 0], averaged / 50 - 1, atol=1e-5)
    np.testing.assert_allclose(ab[..., 1], rgb.mean() / 1000, rtol=1e-5)
    (deep,) = colorizer.predict_ab([rgb.astype(np.uint16) * 257])
    np.testing.assert_array_equal(deep, ab)


def test_bands_of_rows_change_nothing(monkeypatch):
    colorizer = inference.Colorizer(None, Spy(), image_size=SIZE)
    rgb = draw_picture(5, 211, 130)
    whole = color.merge(color.rgb_to_lab(rgb)[..., 0], colorizer.predict_ab([rgb])[0])
    assert np.abs(colorizer.colorize(rgb).astype(int) - whole).max() <= 1  # the last bit of enlarging
    whole = colorizer.colorize(rgb)
    for band in (1, 130 * 7, 2**20):
        monkeypatch.setattr(full_size, "BAND_PIXELS", band)
        np.testing.assert_array_equal(colorizer.colorize(rgb), whole)


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), "u1")]
)
def test_what_is_no_photo_is_refused_by_name(colorizer, wrong):
    with pytest.raises(ValueError, match=rf"\(H, W, 3\) array.*Received: {wrong.dtype}, shape \({wrong.shape[0]}"):
        colorizer.colorize(wrong)


# -- weights and classifier


def make_run(folder, **config):
    """A run's folder with a network of the method "trivial"."""
    folder.mkdir()
    one_colour().save_weights(folder / weights.BEST)
    record = {"method": "trivial", "image_size": SIZE, "classifier": "none"} | config
    (folder / "config.json").write_text(json.dumps(record))
    return folder


def test_load_takes_a_run(tmp_path):
    run = make_run(tmp_path / "run")
    for given in (run, str(run), run / weights.BEST):
        colorizer = inference.Colorizer.load(given)
        assert colorizer.image_size == SIZE and colorizer.method is methods.get("trivial")
        np.testing.assert_allclose(colorizer.predict_ab([draw_picture(0)])[0][5, 5], AB)
    with pytest.raises(WeightsError, match="absent"):
        inference.Colorizer.load(tmp_path / "absent")


def test_load_needs_no_classifier_where_the_method_uses_none(tmp_path):
    run = make_run(tmp_path / "run", classifier="gone.keras")
    assert inference.Colorizer.load(run).classifier.name == "none"


def test_load_takes_the_recorded_classifier_or_says_which_one_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(methods.get("trivial"), "uses_vector", True)
    record = {"classifier": "gone/net.keras", "classifier_name": "net", "classifier_sha256": "sha256:abc"}
    run = make_run(tmp_path / "run", **record)
    with pytest.raises(ClassifierError) as caught:
        inference.Colorizer.load(run)
    for needed in ("classifier net", "sha256:abc", "gone/net.keras", "--classifier FILE", "--classifier none"):
        assert needed in str(caught.value)
    asked, right = [], SimpleNamespace(fingerprint="sha256:abc")
    monkeypatch.setattr(classifiers, "load", lambda spec: asked.append(spec) or right)
    inference.Colorizer.load(run)
    inference.Colorizer.load(run, "elsewhere/net.keras")
    assert asked == ["gone/net.keras", "elsewhere/net.keras"]


def test_another_classifier_than_the_recorded_one_is_warned_about(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(methods.get("trivial"), "uses_vector", True)
    run = make_run(tmp_path / "run", classifier="a.keras", classifier_name="net", classifier_sha256="sha256:abc")
    assert inference.Colorizer.load(run, "none").classifier.name == "none"
    assert "trained with the classifier net (sha256:abc), not with none (zeros)" in caplog.text
    caplog.clear()
    same = SimpleNamespace(name="b", fingerprint="sha256:abc")
    monkeypatch.setattr(classifiers, "load", lambda spec: same)
    assert inference.Colorizer.load(run, "b.keras").classifier is same and not caplog.text


# -- files


def make_files(folder, count=5):
    """(source, target) pairs; the third source is a text file."""
    pairs = []
    for i in range(count):
        source = folder / f"{i}.png"
        if i == 2:
            source.write_text("a shopping list")
        else:
            Image.fromarray(draw_picture(i, 50 + i, 60)).save(source)
        pairs.append((source, folder / "out" / f"{i}.png"))
    return pairs


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_files_are_colorized_in_order_and_failures_stop_nothing(tmp_path, colorizer, batch_size):
    pairs = make_files(tmp_path)
    outcomes = list(colorizer.colorize_files(pairs, batch_size))
    assert [(o.source, o.target) for o in outcomes] == pairs
    assert [o.error for o in outcomes] == [
        None,
        None,
        f"not a {reader.KINDS} picture",
        None,
        None,
    ]
    for i in (0, 1, 3, 4):
        expected = colorizer.colorize(draw_picture(i, 50 + i, 60))
        np.testing.assert_array_equal(photos.read(pairs[i][1]).rgb, expected)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["0.png", "1.png", "3.png", "4.png"]


def test_what_is_there_is_skipped_unless_told_otherwise(tmp_path, colorizer):
    pairs = make_files(tmp_path, 2)
    (tmp_path / "out").mkdir()
    pairs[1][1].write_bytes(b"kept")
    assert [(o.skipped, o.error) for o in colorizer.colorize_files(pairs)] == [(False, None), (True, None)]
    assert pairs[1][1].read_bytes() == b"kept"
    assert [o.skipped for o in colorizer.colorize_files(pairs, overwrite=True)] == [False, False]
    assert photos.read(pairs[1][1]).rgb.shape == (51, 60, 3)


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"strength": 7}, {"strength": float("nan")}])
def test_wrong_settings_are_refused_at_once(colorizer, wrong):
    with pytest.raises(ArgumentError, match=f"{next(iter(wrong))} .*Received: {next(iter(wrong.values()))}"):
        colorizer.colorize_files([], **wrong)


def test_alpha_and_depth_travel_with_the_file(tmp_path, colorizer):
    rgb = draw_picture(0).astype(np.uint16) * 257
    alpha = np.tile(np.linspace(1, 65535, rgb.shape[1]).astype(np.uint16), (rgb.shape[0], 1))
    photos.write(tmp_path / "a.tif", rgb, alpha)
    assert list(colorizer.colorize_files([(tmp_path / "a.tif", tmp_path / "b.png")]))[0].error is None
    photo = photos.read(tmp_path / "b.png")
    np.testing.assert_array_equal(photo.alpha, alpha)
    np.testing.assert_array_equal(photo.rgb, colorizer.colorize(rgb))


def test_a_target_that_cannot_be_written_is_one_line(tmp_path, colorizer):
    pairs = make_files(tmp_path, 2)
    (tmp_path / "file").write_text("in the way")
    bad, good = colorizer.colorize_files([(pairs[0][0], tmp_path / "file" / "0.png"), pairs[1]])
    assert bad.error.startswith(f"{tmp_path / 'file' / '0.png'}: cannot be written: ") and "\n" not in bad.error
    assert good.error is None and pairs[1][1].is_file()


def test_the_network_is_a_keras_model_called_in_batches(tmp_path):
    """The real way: a compiled network, several batches, the last of them short."""
    network = one_colour()
    shapes = []
    original = network.predict_on_batch
    network.predict_on_batch = lambda inputs: shapes.append(inputs[0].shape) or original(inputs)
    colorizer = inference.Colorizer(network, methods.get("trivial"), image_size=SIZE)
    assert isinstance(network, keras.Model)
    list(colorizer.colorize_files(make_files(tmp_path), batch_size=4))
    assert shapes == [(4, SIZE, SIZE, 1), (1, SIZE, SIZE, 1)]  # 0, 1, 3 filled up to four; 4 alone
