"""`from colorizer import Colorizer`: whatever holds a photograph goes in, the same in color comes out."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from conftest import REPOSITORY, draw_picture
from PIL import Image

import colorizer
from colorizer import color, methods, photos, weights
from colorizer.errors import ArgumentError
from colorizer.inference import borders, full_size
from colorizer.inference import colorizer as inference

SIZE, AB = 32, np.array([0.15, -0.1], np.float32)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder with a network that says one color."""
    folder = tmp_path_factory.mktemp("run")
    network = methods.get("trivial").build(SIZE)
    network.set_weights([AB])
    network.save_weights(folder / weights.BEST)
    (folder / "config.json").write_text(json.dumps({"method": "trivial", "image_size": SIZE, "classifier": "none"}))
    return folder


@pytest.fixture
def library(run, monkeypatch):
    monkeypatch.setenv("COLORIZER_WEIGHTS", str(run))
    return colorizer.Colorizer()


def test_importing_the_package_loads_neither_keras_nor_pillow():
    code = "import sys, colorizer; assert not {'keras', 'numpy', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
    assert colorizer.Colorizer is inference.Colorizer
    with pytest.raises(AttributeError, match="no attribute 'Painter'"):
        _ = colorizer.Painter


def test_weights_are_given_named_in_the_environment_or_asked_for(run, monkeypatch, tmp_path):
    assert inference.Colorizer(run).image_size == SIZE and inference.Colorizer(str(run), classifier="none")
    monkeypatch.delenv("COLORIZER_WEIGHTS", raising=False)
    shipped = weights.place(weights.DEFAULT)
    assert shipped == weights.place(next(iter(weights.SHIPPED)))
    assert shipped.stat().st_size < 32 * 2**20
    assert inference.Colorizer().look == "vivid"
    monkeypatch.setenv("COLORIZER_WEIGHTS", str(run))
    assert weights.load(weights.DEFAULT).path == run / weights.BEST  # one color, by Keras


def test_array_picture_file_and_photo_give_their_own_kind(library, tmp_path):
    rgb = draw_picture(0)
    Image.fromarray(rgb).save(tmp_path / "a.png", dpi=(300, 300))
    expected = library.colorize(rgb)
    assert isinstance(expected, np.ndarray)
    picture = library.colorize(Image.fromarray(rgb))
    assert isinstance(picture, Image.Image) and picture.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(picture), expected)
    for given in (tmp_path / "a.png", str(tmp_path / "a.png"), photos.read(tmp_path / "a.png")):
        photo = library.colorize(given)
        np.testing.assert_array_equal(photo.rgb, expected)
    photo.save(tmp_path / "b.png")
    assert photos.read(tmp_path / "b.png").metadata["dpi"] == pytest.approx((300, 300), abs=0.1)
    gray = rgb[..., 1]
    for given in (gray, gray[..., None]):
        np.testing.assert_array_equal(library.colorize(given), library.colorize(np.dstack([gray] * 3)))


def test_pictures_of_every_mode_of_pillow(library):
    picture = Image.fromarray(draw_picture(1))
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"):
        given = picture.convert("L").convert("I;16") if mode == "I;16" else picture.convert(mode)
        colored = library.colorize(given)
        assert colored.size == picture.size and colored.mode == ("RGBA" if mode in ("LA", "RGBA") else "RGB"), mode


PICTURES = [Image.new("F", (4, 4)), Image.new("LAB", (4, 4)), Image.new("I", (4, 4), 70000), Image.new("L", (0, 10))]


@pytest.mark.parametrize("wrong", [None, 7, np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4)), *PICTURES])
def test_what_is_no_photo_is_refused_with_what_was_received(library, wrong):
    with pytest.raises(ArgumentError, match="Received: "):
        library.colorize(wrong)


def test_a_batch_mixes_kinds_and_keeps_their_order(library, tmp_path):
    Image.fromarray(draw_picture(0)).save(tmp_path / "a.png")
    given = [draw_picture(0), Image.fromarray(draw_picture(1)), tmp_path / "a.png", *map(draw_picture, range(2, 12))]
    done = library.colorize_batch(iter(given), batch_size=4)
    assert [type(d).__name__ for d in done] == ["ndarray", "Image", "Photo"] + ["ndarray"] * 10
    np.testing.assert_array_equal(done[5], library.colorize(given[5]))
    assert library.colorize([]) == []


@pytest.mark.parametrize("one", ["a.png", Image.fromarray(draw_picture(0)), draw_picture(0)])
def test_a_batch_of_one_photo_without_a_list_is_refused(library, one):
    with pytest.raises(ArgumentError, match="A list of photos is needed"):
        library.colorize_batch(one)


def test_threads_share_one_colorizer():
    busy = threading.Lock()

    class OneAtATime(methods.Method):
        def predict_ab(self, network, l_norm, vector, look=None):
            assert busy.acquire(blocking=False), "two threads in the network at once"
            ab = np.concatenate([l_norm, -l_norm], -1) / 4
            busy.release()
            return ab

    shared = inference.Colorizer(None, OneAtATime(), image_size=SIZE)
    pictures = [draw_picture(i, 60 + i, 70) for i in range(24)]
    expected = [shared.colorize(picture) for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        for one, other in zip(pool.map(shared.colorize, pictures), expected, strict=True):
            np.testing.assert_array_equal(one, other)


# -- luminance, toned scans, frames


def test_l_of_the_output_is_the_inputs_within_a_level_in_gamut(library, tmp_path):
    rng = np.random.default_rng(0)
    l = cv2.resize(rng.uniform(35, 75, (9, 11)).astype(np.float32), (200, 150), interpolation=cv2.INTER_LINEAR)
    for deep in (False, True):
        gray = color.merge(l, np.zeros((1, 1, 2), np.float32), np.uint16 if deep else np.uint8)
        photos.write(tmp_path / "a.png", gray)
        for target in ("b.png", "b.tif"):
            library.colorize(tmp_path / "a.png").save(tmp_path / target)
            rgb = photos.read(tmp_path / target).rgb
            assert rgb.dtype == gray.dtype
            difference = (color.rgb_to_lab(rgb) - color.rgb_to_lab(gray))[..., 0]
            assert np.abs(difference).max() < 100 / 255 and np.ptp(rgb.astype(int), axis=-1).min() > 0


def test_a_sepia_scan_gets_the_colors_of_its_grey_copy():
    class OfL(methods.Method):
        def predict_ab(self, network, l_norm, vector, look=None):
            return np.concatenate([l_norm, 0 * l_norm], -1) / 5

    own = inference.Colorizer(None, OfL(), image_size=SIZE)
    l = color.rgb_to_lab(draw_picture(4))[..., 0] * 0.6 + 20
    sepia = color.merge(l, np.tile(np.array([8, 20], np.float32) / 128, (*l.shape, 1)))
    difference = own.colorize(sepia).astype(int) - own.colorize(color.gray(l))
    assert np.abs(difference).mean() < 1


def framed(l_frame, top, bottom, left, right, size=(300, 400)):
    """A picture in a frame with dust on it."""
    picture = draw_picture(6, *size)
    rgb = cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(l_frame,) * 3)
    rng = np.random.default_rng(0)
    rgb[rng.random(rgb.shape[:2]) < 0.002] ^= 128
    return rgb


@pytest.mark.parametrize("level", [250, 128, 4])
@pytest.mark.parametrize("size", [(300, 400), (600, 800)])
def test_a_frame_is_found_to_the_pixel_and_stays_without_color(library, level, size):
    rgb = framed(level, 40, 50, 31, 60, size)
    rows, columns = borders.find(rgb)
    assert (rows, columns) == (slice(40, 40 + size[0]), slice(31, 31 + size[1]))
    colored = library.colorize(rgb)
    inside = np.zeros(rgb.shape[:2], bool)
    inside[rows, columns] = True
    assert np.ptp(colored[~inside].astype(int), axis=-1).max() == 0
    alone = library.colorize(np.ascontiguousarray(rgb[rows, columns]))
    assert np.abs(colored[rows, columns].astype(int) - alone).max() <= 1


def test_skies_and_plain_pictures_are_no_frames():
    sky = framed(250, 60, 0, 0, 0)
    ball_before_a_wall = cv2.circle(np.full((300, 300, 3), 128, np.uint8), (150, 150), 100, (60, 90, 200), -1)
    for rgb in (
        sky,
        ball_before_a_wall,
        np.full((200, 200, 3), 255, np.uint8),
        draw_picture(0),
        np.zeros((64, 90_000, 3), "u1"),
    ):
        assert borders.find(rgb) == (slice(0, rgb.shape[0]), slice(0, rgb.shape[1]))


def test_very_long_pictures_are_colorized(library):
    rgb = np.resize(draw_picture(0), (3, 90_000, 3))
    assert library.colorize(rgb).shape == rgb.shape
    np.testing.assert_array_equal(full_size.merge(rgb, np.zeros((4, 4, 2), np.float32)).shape, rgb.shape)
