"""Every metric against an identity and a number from outside; the floor of the test lists."""

import keras
import numpy as np
import pytest
import skimage.data
from skimage.transform import resize

from colorizer import color
from colorizer.evaluation import metrics, test_sets


def photo(name):
    """A scikit-image photograph at 256x256 as docs/reproduction_notes.md, 6, prepares it."""
    return np.rint(resize(getattr(skimage.data, name)(), (256, 256), anti_aliasing=True) * 255).astype(np.uint8)


def flat(*rgb):
    return np.full((16, 16, 3), rgb, np.uint8)


def test_a_picture_compared_with_itself():
    picture = photo("coffee")
    assert metrics.psnr_rgb(picture, picture) == float("inf")
    assert metrics.ssim_rgb(picture, picture) == pytest.approx(1)
    assert metrics.ciede2000(picture, picture) == 0
    ab = np.random.default_rng(0).uniform(-1, 1, (8, 8, 2)).astype(np.float32)
    assert metrics.mse_ab(ab, ab) == 0
    assert metrics.psnr_ab(ab, ab) == float("inf")
    assert metrics.accuracy_argmax_ab(ab, ab) == 1


def test_true_colors_give_the_picture_back():
    picture = photo("astronaut")
    _, ab_norm = color.split(color.rgb_to_lab(picture))
    row = metrics.score(picture, ab_norm)
    assert tuple(row) == metrics.COLUMNS
    assert row["psnr_rgb"] == float("inf")
    assert row["ssim_rgb"] == pytest.approx(1)
    assert row["ciede2000"] == 0
    assert row["colourfulness"] == row["colourfulness_truth"]


def test_psnr_of_one_level_everywhere():
    assert metrics.psnr_rgb(flat(10, 20, 30), flat(11, 21, 31)) == pytest.approx(20 * np.log10(255))
    # uint8 subtraction wraps around: 0 - 1 must count as 1, not as 255
    assert metrics.psnr_rgb(flat(0, 0, 0), flat(1, 1, 1)) == pytest.approx(48.1308, abs=1e-4)


def test_ab_errors_have_peak_1():
    truth, guess = np.zeros((4, 4, 2), np.float32), np.full((4, 4, 2), 0.1, np.float32)
    assert metrics.mse_ab(truth, guess) == pytest.approx(0.01)
    assert metrics.psnr_ab(truth, guess) == pytest.approx(20, abs=1e-5)


def test_ssim_of_flat_pictures_is_its_luminance_term():
    c1 = (0.01 * 255) ** 2  # Wang et al. 2004, equation 6
    expected = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
    assert metrics.ssim_rgb(flat(100, 100, 100), flat(150, 150, 150)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [((255, 0, 0), (0, 255, 0), 86.608), ((255, 0, 0), (0, 0, 255), 52.881), ((0, 0, 0), (255, 255, 255), 100)],
)
def test_ciede2000_of_the_primaries(one, other, expected):
    assert metrics.ciede2000(flat(*one), flat(*other)) == pytest.approx(expected, abs=0.02)


def test_colorfulness_by_hand_with_signs():
    red = 0.3 * np.hypot(255, 127.5)
    assert metrics.colorfulness(flat(255, 0, 0)) == pytest.approx(red)
    assert metrics.colorfulness(flat(90, 90, 90)) == 0
    both = np.concatenate([flat(255, 0, 0), flat(0, 255, 255)])
    assert metrics.colorfulness(both) == pytest.approx(np.hypot(255, 127.5))  # 85.5 with absolute values


def test_accuracy_is_keras_categorical_accuracy():
    rng = np.random.default_rng(1)
    truth, guess = rng.integers(-2, 3, (2, 3, 16, 16, 2)).astype(np.float32) / 2  # many ties
    assert (truth[..., 0] == truth[..., 1]).any()
    metric = keras.metrics.CategoricalAccuracy()
    metric.update_state(truth, guess)
    assert metrics.accuracy_argmax_ab(truth, guess) == pytest.approx(float(metric.result()))


def test_accuracy_of_a_constant_is_a_share_of_pixels():
    _, ab = color.split(color.rgb_to_lab(photo("chelsea")))
    yellower = float(np.mean(ab[..., 1] > ab[..., 0]))
    brown = np.broadcast_to(np.float32([0.02, 0.08]), ab.shape)
    assert metrics.accuracy_argmax_ab(ab, brown) == pytest.approx(yellower)
    assert metrics.accuracy_argmax_ab(ab, np.zeros_like(ab)) == pytest.approx(1 - yellower)


def test_grey_pixels_of_the_truth_are_a_tie():
    gray = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=-1)
    assert metrics.score(gray, np.zeros((16, 16, 2), np.float32))["accuracy_argmax_ab"] == 1


@pytest.mark.parametrize(
    ("name", "psnr", "ssim", "accuracy"),
    [
        ("chelsea", 19.4, 0.938, 0.14),
        ("coffee", 14.1, 0.755, 0.33),
        ("rocket", 22.6, 0.888, 0.91),
        ("astronaut", 17.8, 0.905, 0.55),
    ],
)
def test_all_gray_scores_what_other_code_measured(name, psnr, ssim, accuracy):
    """The astronaut has 11 % of exactly gray pixels, which count as ties here."""
    row = metrics.score(photo(name), np.zeros((256, 256, 2), np.float32))
    assert row["psnr_rgb"] == pytest.approx(psnr, abs=0.051)
    assert row["ssim_rgb"] == pytest.approx(ssim, abs=6e-4)
    assert row["accuracy_argmax_ab"] == pytest.approx(accuracy, abs=0.01)


def test_a_prediction_of_another_size_is_refused():
    with pytest.raises(ValueError, match="picture's size"):
        metrics.score(flat(1, 2, 3), np.zeros((8, 8, 2), np.float32))


# All-gray's MSE, PSNR and SSIM, and mean-color's accuracy, measured by other code.
REFERENCE = {"coco": (250, 0.0150, 22.51, 0.932, 0.61), "paintings": (122, 0.0229, 20.40, 0.885, 0.65)}


@pytest.mark.slow
@pytest.mark.data
def test_the_floor_on_the_whole_test_lists_is_that_of_other_code(real_data, monkeypatch, tmp_path):
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path))
    found, missing = test_sets.find([], real_data)
    assert not missing
    for pictures in found:
        if pictures.name not in REFERENCE:
            assert (pictures.name, pictures.count) == ("ood", 46)
            continue
        n, mse, psnr, ssim, accuracy = REFERENCE[pictures.name]
        assert pictures.count == n
        gray, brown = np.zeros((256, 256, 2), np.float32), np.full((256, 256, 2), (0.03, 0.09), np.float32)
        pixels = pictures.store.read(pictures.rows)
        rows = [metrics.score(rgb, gray) for rgb in pixels]
        mean = {column: np.mean([row[column] for row in rows]) for column in metrics.COLUMNS}
        assert mean["mse_ab"] == pytest.approx(mse, abs=1.5e-4)
        assert mean["psnr_rgb"] == pytest.approx(psnr, abs=0.015)
        assert mean["ssim_rgb"] == pytest.approx(ssim, abs=1.5e-3)
        constant = np.mean([metrics.score(rgb, brown)["accuracy_argmax_ab"] for rgb in pixels])
        assert constant == pytest.approx(accuracy, abs=0.015)
