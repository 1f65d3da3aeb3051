"""Which pictures are useless for training on color."""

import cv2
import numpy as np
import pytest
from conftest import draw_picture

from colorizer import color, photos
from colorizer.data import filters
from colorizer.data.datasets import find, limited
from colorizer.data.filters import defect


def tinted(rgb, a, b):
    """The same light in one tint."""
    light = color.rgb_to_lab(rgb)[..., 0]
    return color.merge(light, np.broadcast_to(np.float32([a, b]) / 128, (*light.shape, 2)))


def sepia(rgb):
    """The sepia filter of CSS and of most photo editors."""
    matrix = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])
    return np.clip(rgb @ matrix.T, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("index", range(8))
def test_defect_finds_pictures_without_color(index):
    rgb = draw_picture(index, 200, 300)
    gray = color.gray(color.rgb_to_lab(rgb)[..., 0])
    assert defect(rgb) is None
    assert defect(gray) == "gray"
    assert defect(cv2.imdecode(cv2.imencode(".jpg", gray)[1], cv2.IMREAD_COLOR)) == "gray"
    assert defect(sepia(rgb)) == "toned"
    assert defect(tinted(gray, 4, 12)) == "toned" and defect(tinted(gray, -5, -9)) == "toned"
    assert defect(rgb[:63]) == "tiny" and defect(rgb[:, :63]) == "tiny" and defect(rgb[:64]) is None


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (90, 120, 200)])
def test_defect_of_one_flat_color(color):
    assert defect(np.full((80, 80, 3), color, np.uint8)) == ("toned" if color[0] == 90 else "gray")


@pytest.mark.data
def test_no_picture_of_the_real_test_lists_is_objected_to(real_data):
    found = {name: find(name, real_data / name) for name in ("coco", "paintings", "ood")}
    assert [len(f.test) for f in found.values()] == [250, 122, 46]
    objections = {f.root / name: defect(photos.read(f.root / name).rgb) for f in found.values() for name in f.test}
    assert not {path: reason for path, reason in objections.items() if reason}


@pytest.mark.data
def test_hardly_a_real_training_picture_is_objected_to(real_data):
    for name in ("coco", "paintings"):
        some = limited(find(name, real_data / name), 300)
        reasons = [defect(photos.read(some.root / n).rgb) for n in some.train]
        assert sum(r is not None for r in reasons) <= 2


def test_the_residual_is_that_of_straight_pieces():
    rng = np.random.default_rng(1)
    l = np.sort(rng.uniform(0, 100, 4096)).astype(np.float32)
    lab = np.column_stack([l, 0.3 * l + 2, -0.1 * l]).astype(np.float32)
    assert filters._residual(lab) < 1e-3  # one straight line
    noise = rng.normal(0, 3, (4096, 2)).astype(np.float32)
    lab[:, 1:] += noise
    assert filters._residual(lab) == pytest.approx(3 * np.sqrt(2), rel=0.05)
    flat = np.full((4096, 3), 50, np.float32)
    assert filters._residual(flat) == 0  # no slope, no difference
