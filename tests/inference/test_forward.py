"""The one forward pass: `Colorizer`, evaluation and the plain sequence of its steps give the same colors."""

import cv2
import keras
import numpy as np
import pytest
from canned import canned_run
from conftest import REPOSITORY, draw_picture
from small_classifiers import small_classifier

from colorizer import color, images, methods, photos, weights
from colorizer.classifiers import classifier as classifiers
from colorizer.errors import WeightsError
from colorizer.evaluation import evaluator, metrics, scores
from colorizer.inference import forward
from colorizer.inference.colorizer import Colorizer
from colorizer.inference.engine import KerasNetwork

RUN = "efficientnet-coco"
TEST = [f"test_{i}.png" for i in range(3)]


@pytest.fixture
def data(tmp_path, monkeypatch):
    """coco/ and splits/ with three test pictures of 300x400 pixels, with details that 64 pixels do not show."""
    root = tmp_path / "data"
    (root / "splits").mkdir(parents=True)
    (root / "coco").mkdir()
    for part, names in {"train": ["train.png"], "val": ["val.png"], "test": TEST}.items():
        for i, name in enumerate(names):
            stripes = np.tile(np.arange(400)[None, :, None] // 4 % 2 == 1, (300, 1, 1))
            picture = np.where(stripes, 40 * i, draw_picture(10 * len(part) + i, 300, 400)).astype(np.uint8)
            cv2.imwrite(str(root / "coco" / name), picture[..., ::-1])
        (root / "splits" / f"coco_{part}.txt").write_text("\n".join(names) + "\n")
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COLORIZER_DATA", raising=False)
    return root


def run_with_a_vector(folder, image_size):
    """A finished run of the paper's network, untrained, whose colors depend on a classifier of 96 pixels."""
    keras.utils.set_random_seed(7)
    path = folder / "small.keras"
    small_classifier(path, size=96)
    seen = classifiers.load(str(path))
    config = {"image_size": image_size, "classifier": str(path)}
    config |= {"classifier_name": seen.name, "classifier_sha256": seen.fingerprint}
    run = canned_run(folder / "runs" / RUN, "efficientnet", "coco", config)
    network = methods.get("efficientnet").build(image_size)
    fusion = network.get_layer("fusion")
    kernel, bias = fusion.get_weights()
    kernel[:, :, 256:] *= 100  # the scores of an untrained classifier are all near 1/1000
    fusion.set_weights([kernel, bias])
    network.save_weights(run.folder / weights.BEST)
    return run, seen


@pytest.mark.parametrize("image_size", [64, 256])
def test_colorizer_and_evaluation_predict_the_same(data, tmp_path, image_size):
    run, seen = run_with_a_vector(tmp_path, image_size)
    table = evaluator.evaluate(tmp_path / "runs", data_dir=data).scores
    rows = table[(table.run == RUN) & (table.test_set == "coco")].set_index("image")
    assert list(rows.index) == TEST
    colorizer = Colorizer(run.folder)
    for name in TEST:
        rgb = photos.read(data / "coco" / name).rgb
        square, ab = images.resize_square(rgb, 256), colorizer.predict_ab([rgb])[0]
        ours = metrics.score(square, cv2.resize(ab, (256, 256), interpolation=cv2.INTER_LINEAR))
        np.testing.assert_allclose(ours["mse_ab"], rows.mse_ab[name], rtol=1e-5)
        # What is tested can fail: the vector of a picture of 64 pixels gives other colors.
        small = seen.vectors(images.resize_square(rgb, 64)[None])
        other = colorizer.forward.ab_norm([rgb], small, size=256)[0]
        assert abs(metrics.score(square, other)["mse_ab"] / rows.mse_ab[name] - 1) > 1e-4


def test_colorizer_gives_the_recorded_scores(real_data):
    recorded = scores.read(REPOSITORY / "results" / "metrics.csv")
    colorizer = Colorizer("shipped", look="vivid")
    colorizer = colorizer.with_look("vivid", size=colorizer.image_size)  # what evaluation shows the network
    here = recorded.run == next(iter(weights.SHIPPED))
    rows = recorded[here & (recorded.test_set == "coco") & (recorded.method == "vit_decoder_vivid")].iloc[:8]
    assert len(rows) == 8
    for row in rows.itertuples():
        square = images.resize_square(photos.read(real_data / "coco" / row.image).rgb, 256)
        psnr = metrics.score(square, colorizer.forward.ab_norm([square], size=256)[0])["psnr_rgb"]
        assert psnr == pytest.approx(row.psnr_rgb, abs=0.01)


@pytest.mark.parametrize("image_size", [64, 256, 320])
def test_the_network_sees_l_averaged_from_256_pixels_or_its_own_size(image_size):
    rgb = draw_picture(1, 700, 500)
    side = max(256, image_size)
    square = cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA)
    expected = cv2.resize(color.rgb_to_lab(square)[..., 0] / 50 - 1, (image_size, image_size), interpolation=3)
    squares = forward.squares([rgb, rgb.astype(np.uint16) * 257], image_size)
    assert squares.shape == (2, side, side, 3) and squares.dtype == np.uint8
    for l_norm in forward.luminance(squares, (image_size, image_size)):
        assert l_norm.dtype == np.float32
        np.testing.assert_allclose(l_norm[..., 0], expected, atol=1e-6)


def test_the_classifier_is_shown_256_pixels_and_a_batch_is_padded():
    shown, fed = [], []

    class Seen:
        def vectors(self, rgb_u8, batch_size):
            shown.append((rgb_u8.shape, batch_size))
            return np.ones((len(rgb_u8), 1000), np.float32)

    class Method(methods.Method):
        uses_vector = True

        def predict_ab(self, network, l_norm, vector, look=None):
            fed.append((l_norm.shape, vector.shape))
            return np.concatenate([l_norm, l_norm], -1) + vector[:, :2].reshape(-1, 1, 1, 2)

    pictures, network = [draw_picture(i, 90, 300) for i in range(3)], KerasNetwork(None, Method())
    predictions = forward.Forward(network, 64, Seen()).ab_norm(pictures, size=100)
    assert shown == [((3, 256, 256, 3), 4)] and fed == [((4, 64, 64, 1), (4, 1000))]
    assert predictions.shape == (3, 100, 100, 2) and predictions.dtype == np.float32
    forward.Forward(network, 64).ab_norm(pictures, np.zeros((3, 1000), np.float32), batch_size=20)
    assert fed[-1] == ((20, 64, 64, 1), (20, 1000)) and len(shown) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_colors_that_are_no_numbers_are_refused(value):
    trivial = methods.get("trivial")
    network = trivial.build(64)
    network.set_weights([np.array([0.1, value], np.float32)])
    with pytest.raises(WeightsError, match="no numbers.*Take other weights"):
        forward.Forward(KerasNetwork(network, trivial), 64).ab_norm([draw_picture(0)])


def gray(deviation, side=64):
    """`l_norm` (1, S, S, 1) float32 whose L* has this standard deviation."""
    l = np.where(np.arange(side * side).reshape(1, side, side, 1) % 2, 50 + deviation, 50 - deviation)
    return (l / 50 - 1).astype(np.float32)


def test_flat_luminance_gives_no_confidence_in_colors_and_every_photograph_does():
    values = [float(forward.contrast_confidence(gray(deviation)).item()) for deviation in (0, 0.5, 1.25, 2, 3, 50)]
    assert values == pytest.approx([0, 0, 0.5, 1, 1, 1], abs=1e-4)
    both = forward.contrast_confidence(np.concatenate([gray(0), gray(20)]))
    assert both.shape == (2, 1, 1, 1) and both.ravel().tolist() == [0, 1]


@pytest.mark.parametrize("level", [0, 90, 128, 255])
@pytest.mark.parametrize("look", ["vivid", "accurate"])
def test_a_flat_picture_stays_as_it_is(shipped, level, look):
    picture = np.full((120, 160, 3), level, np.uint8)
    np.testing.assert_array_equal(shipped[look].colorize(picture), picture)
    noise = np.random.default_rng(0).integers(-2, 3, (120, 160, 1))
    sheet = np.clip(picture.astype(int) + noise, 0, 255).astype(np.uint8)
    colored = shipped[look].colorize(sheet).astype(int)
    assert np.abs(colored - sheet).max() <= 6


@pytest.fixture(scope="module")
def shipped():
    colorizer = Colorizer()
    return {look: colorizer.with_look(look) for look in ("vivid", "accurate")}


def test_photographs_keep_all_their_colors(real_data):
    for folder in ("bw", "ood"):
        for path in sorted((real_data / folder).iterdir()):
            if photos.is_photo_name(path):
                squares = forward.squares([photos.read(path).rgb], 192)
                assert forward.contrast_confidence(forward.luminance(squares, (192, 192))).item() == 1, path.name
