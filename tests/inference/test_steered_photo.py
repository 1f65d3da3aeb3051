"""Photos with hints: from the library's call to pixels, for every method, frames and sizes."""

import importlib.util

import cv2
import keras
import numpy as np
import pytest
from conftest import draw_picture
from skimage.color import deltaE_ciede2000

from colorizer import Colorizer, Hint, color, methods, photos
from colorizer.errors import ArgumentError, HintError
from colorizer.inference import steered_photo
from colorizer.steering.prediction import Prediction
from colorizer.steering.spreading import Canvas

SIZE = 64
HINT = Hint(250, 150, "#3050a0")


def tiny(name, seed=0):
    """An untrained network of a method with strong colors, as a `Colorizer`."""
    keras.utils.set_random_seed(seed)
    method = methods.get(name)
    network = method.build(SIZE)
    if name == "trivial":
        network.set_weights([np.array([0.15, -0.1], np.float32)])
    return Colorizer(network, method, image_size=SIZE)


@pytest.fixture(scope="module")
def plain():
    return tiny("trivial")


def difference(rgb, hint, around=0):
    """CIEDE2000 between a colored photo and a hint's color at the photo's own luminance."""
    lab = color.rgb_to_lab(rgb)[int(hint.y), int(hint.x)]
    return float(deltaE_ciede2000(np.array([lab[0], *hint.ab]), lab))


@pytest.mark.parametrize("name", ["trivial", "vit_decoder"])
def test_a_hint_is_kept_and_the_photo_keeps_its_luminance(name, plain):
    library = plain if name == "trivial" else tiny(name)
    rgb = draw_picture(3, 300, 400)
    colored = library.colorize(rgb, hints=[HINT])
    assert difference(colored, HINT) < 5
    automatic = library.colorize(rgb)
    assert np.abs(colored.astype(int) - automatic).max() > 20
    l, without, hinted = (color.rgb_to_lab(one)[..., 0] for one in (rgb, automatic, colored))
    kept = np.abs(l - without) < 1  # an untrained network's colors may lie outside sRGB
    assert np.percentile(np.abs(l - hinted)[kept], 95) < 1.5


def test_both_engines_give_the_same_colors_likely_ones_and_hints():
    if importlib.util.find_spec("onnxruntime") is None:
        pytest.skip("ONNX Runtime is not installed: pip install onnxruntime")
    rgb = draw_picture(3, 300, 400)
    keras_photo, onnx_photo = (Colorizer(engine=engine).steer(rgb) for engine in ("keras", "onnx"))
    for mine, theirs in zip(keras_photo.prediction, onnx_photo.prediction, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=0.02)
    assert keras_photo.likely_colors(100, 50)[0] == onnx_photo.likely_colors(100, 50)[0]
    both = [photo.colorized([HINT]).astype(int) for photo in (keras_photo, onnx_photo)]
    assert np.abs(both[0] - both[1]).max() <= 8


def test_a_network_that_takes_hints_gets_them():
    library = tiny("vit_decoder")
    decoder = library.network.get_layer("decoder").get_layer("logits")
    decoder.kernel.assign(np.random.default_rng(0).normal(0, 0.3, decoder.kernel.shape))
    photo = library.steer(draw_picture(3, 300, 400))
    canvas_alone = photo.canvas.ab_norm(photo.inner([HINT]))
    assert np.abs(photo.ab_norm([HINT]) - canvas_alone).max() > 0.01
    assert np.array_equal(photo.ab_norm(), photo.prediction.ab_norm_hat)


def test_every_kind_of_photo_takes_hints_and_comes_back_as_its_kind(plain, tmp_path):
    rgb = draw_picture(3, 300, 400)
    photos.write(tmp_path / "a.png", rgb)
    from_file = plain.colorize(tmp_path / "a.png", hints=[HINT])
    np.testing.assert_array_equal(from_file.rgb, plain.colorize(rgb, hints=[HINT]))
    deep = plain.colorize(rgb.astype(np.uint16) * 257, hints=[HINT])
    assert deep.dtype == np.uint16 and difference(deep, HINT) < 5


def test_coordinates_count_in_the_photo_as_it_is_shown(plain, tmp_path):
    rgb = draw_picture(3, 300, 400)
    exif = photos.from_image(photos.Photo(rgb).to_image()).to_image().getexif()
    exif[0x0112] = 6  # stored lying, shown upright
    photos.Photo(np.ascontiguousarray(np.rot90(rgb))).to_image().save(tmp_path / "a.png", exif=exif)
    turned = plain.colorize(tmp_path / "a.png", hints=[HINT]).rgb
    assert turned.shape == rgb.shape and difference(turned, HINT) < 5


def test_hints_count_from_the_corner_of_the_whole_photo_also_in_a_frame(plain):
    framed = cv2.copyMakeBorder(draw_picture(6, 300, 400), 40, 50, 31, 60, cv2.BORDER_CONSTANT, value=(250,) * 3)
    colored = plain.colorize(framed, hints=[HINT])
    assert difference(colored, HINT) < 5
    with pytest.raises(HintError, match="frame around the photo gets no color"):
        plain.colorize(framed, hints=[Hint(5, 5, "#000000")])
    with pytest.raises(HintError, match="491 x 390 pixels"):
        plain.colorize(framed, hints=[Hint(491, 5, "#000000")])


def test_hints_are_for_one_photo_and_strength_has_a_range(plain):
    with pytest.raises(HintError, match="a list of 2 photos"):
        plain.colorize([draw_picture(0), draw_picture(1)], hints=[HINT])
    with pytest.raises(ValueError, match="strength"):
        plain.colorize(draw_picture(0, 300, 400), strength=2, hints=[HINT])
    for ask in ("colorized", "ab_norm", "samples"):
        with pytest.raises(ArgumentError, match="strength lies between 0 and 1. Received: 2"):
            getattr(plain.steer(draw_picture(0, 300, 400)), ask)(*[3] * (ask == "samples"), strength=2)


def test_the_reference_of_a_list_is_looked_at_once(plain, monkeypatch):
    seen = []
    colors = lambda self, source, rgb, steer, strength: seen.append(self.reference) or np.zeros((4, 4, 2), np.float32)  # noqa: E731
    monkeypatch.setattr(steered_photo.FileSteering, "colors", colors)
    results = plain.colorize([draw_picture(0), draw_picture(1)], reference=draw_picture(2))
    assert len(results) == 2 and seen[0] is seen[1] and seen[0] is not None
    assert plain.colorize([], reference=draw_picture(2)) == []


def test_wrong_hints_are_refused_before_the_network_sees_the_photo(plain, monkeypatch):
    monkeypatch.setattr(type(plain), "steer", lambda *_: pytest.fail("the network was asked"))
    for wrong, message in (([Hint(400, 5, "#000000")], "400 x 300 pixels"), (HINT, r"Hints are a list, .*\[hint\]")):
        with pytest.raises(HintError, match=message):
            plain.colorize(draw_picture(0, 300, 400), hints=wrong)


def test_likely_colors_are_told_for_every_method(plain):
    rgb = draw_picture(3, 300, 400)
    (only,) = plain.likely_colors(rgb, 100, 50)
    np.testing.assert_allclose(Hint(0, 0, only).ab, (19.2, -12.8), atol=4)
    library = tiny("vit_decoder")
    offered = library.likely_colors(rgb, 100, 50, count=4)
    assert 1 <= len(offered) <= 4 and len(set(offered)) == len(offered)
    assert library.steer(rgb).prediction.features.shape == (4, 4, 672)
    with pytest.raises(HintError, match="400 x 300"):
        plain.likely_colors(rgb, 400, 50)


def two_sides():
    """A canvas with a dark side and a light one."""
    l = np.where(np.arange(320) < 100, 20.0, 85.0) + np.zeros((240, 1))
    l += 8 * (np.arange(320) // 20 % 2)  # edges on the way
    return Canvas(color.gray(l.astype(np.float32)), Prediction(np.full((48, 48, 2), 0.05, np.float32)))


def test_one_hint_moves_no_far_colors_visibly_and_many_hints_do():
    canvas = two_sides()
    row, column = canvas.place(Hint(20, 120, "#1f5fa8"))
    near, far = np.s_[row - 5 : row + 5, column - 5 : column + 5], np.s_[:, -40:]

    def change_with(hints, asked=(30, 0)):
        asked = canvas.ab + np.float32(asked)
        moved = steered_photo.contained(asked, canvas, len(hints), canvas.nearest(hints))
        return np.linalg.norm(moved - canvas.ab, axis=-1)

    one = change_with([Hint(20, 120, "#1f5fa8")])
    np.testing.assert_allclose(one[near], 30, rtol=1e-4)
    np.testing.assert_allclose(one[far], steered_photo.SPILL, rtol=1e-4)
    np.testing.assert_allclose(change_with([Hint(20, 120, "#1f5fa8")], (1, 0))[far], 1, rtol=1e-4)
    assert change_with([Hint(20, 120, "#1f5fa8", reach=20.0)])[far].min() > 29  # as far as it is asked to reach
    ten = [Hint(2 + 3 * number, 120, "#1f5fa8") for number in range(10)]
    np.testing.assert_allclose(change_with(ten)[far], 10 * steered_photo.SPILL, rtol=1e-4)
    both = change_with([Hint(20, 120, "#1f5fa8"), Hint(300, 120, "#1f5fa8")])
    np.testing.assert_allclose(both[near], 30, rtol=1e-4)
    np.testing.assert_allclose(both[115:125, 295:305], 30, rtol=1e-4)


def test_a_photo_with_one_hint_keeps_its_colors_on_the_other_side(monkeypatch):
    library = tiny("vit_decoder")
    photo = library.steer(color.gray(two_sides().l))
    blue = np.broadcast_to(np.float32([0.1, -0.4]), photo.prediction.ab_norm_hat.shape)
    monkeypatch.setattr(type(photo._forward), "hinted", lambda *_: blue)
    hint = Hint(20, 120, "#1f5fa8")
    change = np.linalg.norm(photo.ab_norm([hint]) - photo.canvas.ab / 128, axis=-1) * 128
    assert change[photo.canvas.place(hint)] > 20 and change[:, -40:].max() < 3


def test_of_two_colors_for_one_place_the_last_one_counts():
    photo = tiny("vit_decoder").steer(color.gray(two_sides().l))
    blue, red = Hint(20, 120, "#1f5fa8"), Hint(20, 120, "#a83020")
    np.testing.assert_array_equal(photo.ab_norm([blue, red]), photo.ab_norm([red]))


def test_what_no_hint_can_be_the_reason_of_takes_no_large_change():
    canvas = two_sides()
    hint = Hint(20, 120, "#1f5fa8")
    row, column = canvas.place(hint)
    near, far = np.s_[row - 5 : row + 5, column - 5 : column + 5], np.s_[:, -40:]

    def change_of(asked, hints):
        """The share of a change that stays."""
        result = steered_photo.without_leaps(canvas.ab + asked, canvas, hints, canvas.nearest(hints))
        return (result - canvas.ab) / asked

    to_the_hint, moderate, elsewhere = hint.ab - canvas.ab[row, column], np.float32([12, 12]), np.float32([50, 50])
    assert change_of(to_the_hint, [hint])[near].min() > 0.99 and change_of(to_the_hint, [hint])[far].max() < 0.2
    assert change_of(moderate, [hint])[far].min() > 0.8
    assert change_of(elsewhere, [hint])[near].max() < 0.2  # near, but in a color that nobody asked for
    everywhere = [Hint(x, 120, "#1f5fa8", reach=20.0) for x in (20, 300)]
    np.testing.assert_allclose(change_of(to_the_hint, everywhere), 1, atol=1e-3)
