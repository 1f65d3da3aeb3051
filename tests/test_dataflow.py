"""The data-flow table, row by row, against the arrays themselves."""

import numpy as np
import pytest
from conftest import REPOSITORY, draw_picture

from colorizer import color, config, methods, photos
from colorizer.classifiers import classifier
from colorizer.data import augment, batches, pixel_store
from colorizer.evaluation import metrics


@pytest.fixture(scope="module")
def table():
    """step -> (array, shape) as the page prints them."""
    text = (REPOSITORY / "docs/methods.md").read_text(encoding="utf-8")
    lines = text.partition("## Data flow")[2].partition("## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {row[0]: (row[1], row[2]) for row in rows[2:]}


def is_float32_within(array, shape, low, high):
    return array.shape == shape and array.dtype == np.float32 and low <= array.min() and array.max() <= high


def test_every_step_makes_what_the_page_says(table, tmp_path, monkeypatch):
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path / "cache"))
    checked = {}

    photos.write(tmp_path / "a.png", draw_picture(0, 300, 400))
    photo = photos.read(tmp_path / "a.png")
    assert photo.rgb.shape == (300, 400, 3) and photo.rgb.dtype == np.uint8 and "exif" in photo.metadata
    checked["`photos.read`"] = ("`rgb_u8` (or 16 bit) + metadata", "(H, W, 3) upright sRGB")

    lab = color.rgb_to_lab(photo.rgb)
    assert is_float32_within(lab, (300, 400, 3), -108, 100) and lab[..., 0].min() >= 0
    checked["`color.rgb_to_lab`"] = ("`lab`", "(H, W, 3) float32; L 0..100; a, b about -108..98")

    pictures = pixel_store.build(tmp_path, ["a.png"])
    assert pictures.pixels.shape == (1, 256, 256, 3) and pictures.pixels.dtype == np.uint8
    assert isinstance(pictures.pixels, np.memmap)
    checked["`store`"] = ("`rgb_u8` at 256", "(N, 256, 256, 3) uint8, memory-mapped")

    rgb_u8 = pictures.read([0])[0]
    generator = batches.generator_of(config.resolve({}))
    moved = generator.apply_transform(rgb_u8, generator.get_random_transform(rgb_u8.shape, augment.draw_seed(42, 0, 0)))
    assert moved.shape == (256, 256, 3) and moved.dtype == np.uint8 and (moved != rgb_u8).any()
    moves = "one random flip, zoom, rotation, shear for all three channels"
    checked["`augment`"] = (moves, "(256, 256, 3) uint8")

    l_norm, ab_norm = color.split(color.rgb_to_lab(moved))
    assert is_float32_within(l_norm, (256, 256, 1), -1, 1) and is_float32_within(ab_norm, (256, 256, 2), -1, 1)
    np.testing.assert_allclose(l_norm, color.rgb_to_lab(moved)[..., :1] / 50 - 1, atol=1e-6)
    np.testing.assert_allclose(ab_norm, color.rgb_to_lab(moved)[..., 1:] / 128, atol=1e-6)
    checked["`color.split`"] = ("`l_norm`, `ab_norm`", "(256, 256, 1) = L/50 - 1; (256, 256, 2) = ab/128")

    gray = classifier.gray_input(rgb_u8, 380)
    assert is_float32_within(gray, (380, 380, 3), 0, 255) and gray.max() > 1
    vector = classifier.load("none").vectors(rgb_u8[None])[0]
    assert is_float32_within(vector, (1000,), 0, 1)
    checked["`classifier`"] = ("`vector`", "(1000,) float32 from gray x 3, 380x380, 0..255")

    made = batches.Batches(pictures, np.zeros(25, int), batch_size=config.resolve({}).batch_size)
    (l_batch, vectors), ab_batch = made[0]
    assert [a.shape for a in (l_batch, vectors, ab_batch)] == [(20, 256, 256, 1), (20, 1000), (20, 256, 256, 2)]
    assert {a.dtype for a in (l_batch, vectors, ab_batch)} == {np.dtype(np.float32)}
    checked["`batches`"] = ("`((l_norm, vector), ab_norm)`", "B = 20, float32")

    ab_norm_hat = methods.get("efficientnet").predict_ab(methods.get("efficientnet").build(), l_batch[:1], vectors[:1])
    assert is_float32_within(ab_norm_hat, (1, 256, 256, 2), -1, 1)
    checked["model"] = ("`ab_norm_hat`", "(B, 256, 256, 2) float32, tanh")

    merged = color.merge(lab[..., 0], ab_norm_hat[0])
    assert merged.shape == (300, 400, 3) and merged.dtype == np.uint8
    own = "(H, W, 3) uint8: the photo's own L, ab enlarged bilinearly"
    checked["`color.merge`"] = ("`rgb_u8_hat`", own)

    assert set(metrics.score(rgb_u8, ab_norm_hat[0])) == set(metrics.COLUMNS)
    checked["`metrics` -> `tables`"] = ("one row per image and method", "CSV, full precision")

    assert table == checked
