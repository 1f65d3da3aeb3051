"""Several sets as one stream: shares, order, augmentations, and what a sample is."""

import os
from collections import Counter

import cv2
import numpy as np
import pytest
from conftest import draw_picture

from colorizer import color
from colorizer.errors import DataError
from colorizer.training.long import mixture
from colorizer.training.long.mixture import Mixture, PictureSet


@pytest.fixture
def sets(picture_folder):
    names = tuple(sorted(path.name for path in picture_folder.iterdir()))
    return [PictureSet("many", picture_folder, names[:20], 3), PictureSet("few", picture_folder, names[20:], 1)]


def test_every_block_has_the_sets_exact_shares(sets):
    stream = Mixture(sets, 32)
    assert len(stream) == 24
    for block in (0, 3):
        draws = [stream.draw(block * mixture.BLOCK + i) for i in range(mixture.BLOCK)]
        assert Counter(draw.set_index for draw in draws) == {0: mixture.BLOCK * 3 // 4, 1: mixture.BLOCK // 4}


def test_pictures_come_equally_often_and_in_another_order_each_cycle(sets):
    stream = Mixture(sets, 32)
    draws = [stream.draw(i) for i in range(2 * mixture.BLOCK)]
    counts = Counter(stream.number(draw) for draw in draws if draw.set_index == 1)
    assert set(counts) == set(range(20, 24))
    assert max(counts.values()) - min(counts.values()) <= 1
    cycles = Counter((draw.row, draw.cycle) for draw in draws if draw.set_index == 0)
    assert max(cycles.values()) == 1


def test_the_stream_depends_on_the_seed_alone(sets):
    first, same, other = (Mixture(sets, 32, seed) for seed in (1, 1, 2))
    numbers = [5, 4000, 4097, 9000]
    assert [first.draw(n) for n in numbers] == [same.draw(n) for n in reversed(numbers)][::-1]
    assert [first.draw(n) for n in numbers] != [other.draw(n) for n in numbers]


def test_samples_repeat_after_the_views(sets):
    draw = mixture.Draw(0, 3, 0)
    fixed, free = Mixture(sets, 32, augmentations_per_image=2), Mixture(sets, 32)
    one = fixed.sample(draw)
    assert one.l_norm.shape == (32, 32, 1)
    assert one.ab_norm.shape == (8, 8, 2)
    np.testing.assert_array_equal(fixed.sample(draw._replace(cycle=2)).l_norm, one.l_norm)
    for stream, cycle in ((fixed, 1), (free, 2)):
        assert np.abs(stream.sample(draw._replace(cycle=cycle)).l_norm - one.l_norm).max() > 0.05


def test_without_a_degradation_colors_belong_to_the_luminance(sets, monkeypatch):
    monkeypatch.setattr(mixture, "OLD_SHARE", 0)
    monkeypatch.setattr(mixture, "WHOLE_SHARE", 1)
    sample = Mixture(sets, 96).sample(mixture.Draw(0, 0, 0))
    expected = color.rgb_to_l_ab(cv2.resize(draw_picture(0), (96, 96), interpolation=cv2.INTER_LINEAR))
    mirrored = [part[:, ::-1] for part in expected]
    assert any(np.abs(sample.l_norm - l_norm).max() < 1e-5 for l_norm in (expected[0], mirrored[0]))
    small = [cv2.resize(ab, (24, 24), interpolation=cv2.INTER_AREA) for ab in (expected[1], mirrored[1])]
    assert any(np.abs(sample.ab_norm - ab).max() < 1e-5 for ab in small)


def test_under_a_border_there_is_no_color(sets, monkeypatch):
    def framed(l_norm, rng):
        return mixture.degradation.Old(l_norm, np.arange(32)[:, None] < np.full(32, 8))

    monkeypatch.setattr(mixture, "OLD_SHARE", 1)
    monkeypatch.setattr(mixture.degradation, "aged", framed)
    _, ab_norm, border = Mixture(sets, 32).sample(mixture.Draw(0, 0, 0))
    assert not ab_norm[:2].any()
    assert ab_norm[2:].any()
    assert border.shape == (8, 8, 1) and border[:2].all() and not border[2:].any()


@pytest.mark.parametrize("shape", [(40, 90), (90, 40), (33, 33), (8, 200)])
def test_a_crop_is_a_square_of_any_picture(shape):
    picture = draw_picture(0, 96, 224)[: shape[0], : shape[1]]
    for seed in range(5):
        crop = mixture.cropped(picture, 32, np.random.default_rng(seed))
        assert crop.shape == (32, 32, 3)
        assert crop.dtype == np.uint8


def test_what_is_no_set_is_refused(sets, tmp_path):
    with pytest.raises(DataError, match="Received: few, 4 pictures, weight 0"):
        Mixture([sets[1].__class__("few", sets[1].root, sets[1].names, 0)], 32)
    with pytest.raises(DataError, match="Received: weights that give none to few"):
        Mixture([sets[0], PictureSet("few", sets[1].root, sets[1].names, 3e-4)], 32)
    with pytest.raises(DataError, match="Received: none. Name one"):
        Mixture([], 32)
    with pytest.raises(DataError, match="Received twice: few"):
        Mixture([*sets, sets[1]], 32)
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    broken = Mixture([PictureSet("broken", tmp_path, ("a.jpg",), 1)], 32)
    with pytest.raises(DataError, match="None of its pictures can be read. Received: the set broken"):
        broken.sample(broken.draw(0))


def test_a_damaged_picture_ends_no_training(sets, tmp_path, caplog):
    names = ("a.jpg", "b.jpg", "c.jpg")
    for name in names[1:]:
        cv2.imwrite(str(tmp_path / name), draw_picture(names.index(name)))
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    stream = Mixture([PictureSet("one", tmp_path, names, 1)], 32)
    own, next_one = (stream.sample(mixture.Draw(0, row, 0)) for row in (0, 1))
    assert own.l_norm.std() > 0.05 and next_one.l_norm.std() > 0.05
    stream.sample(mixture.Draw(0, 0, 1))
    assert [record.getMessage().count("a.jpg") for record in caplog.records] == [1]
    np.testing.assert_array_equal(stream.sample(mixture.Draw(0, 0, 0)).l_norm, own.l_norm)
    for name in names[1:]:
        (tmp_path / name).unlink()
    with pytest.raises(DataError, match="None of its pictures can be read. Received: the set one"):
        stream.sample(mixture.Draw(0, 1, 0))


def test_a_name_that_is_not_utf8_is_read(tmp_path):
    """OpenCV would end the process."""
    name = os.fsdecode(b"gr\xe9y.png")
    cv2.imwrite(str(tmp_path / "gray.png"), draw_picture(0))
    os.rename(tmp_path / "gray.png", tmp_path / name)
    one = PictureSet("one", tmp_path, (name, os.fsdecode(b"gon\xe9.png")), 1)
    np.testing.assert_array_equal(one.read(name), draw_picture(0)[..., ::-1])
    with pytest.raises(DataError, match="A picture cannot be read"):
        one.read(one.names[1])


def test_another_picture_of_the_same_name_has_another_stamp(tmp_path):
    one = PictureSet("one", tmp_path, ("a.jpg", "gone.jpg"), 1)
    cv2.imwrite(str(tmp_path / "a.jpg"), draw_picture(0))
    before = one.stamps()
    assert before[1] is None and one.stamps() == before
    cv2.imwrite(str(tmp_path / "a.jpg"), draw_picture(1))
    assert one.stamps()[0] != before[0]
