"""Colors that are carried along a film: they hold still, follow what moves, and stay on their side of a cut."""

from typing import NamedTuple

import cv2
import numpy as np
import pytest
from conftest import draw_picture

from colorizer.film import carry, flow


class Gray(NamedTuple):
    gray: np.ndarray


def scene(index: int, height: int = 96, width: int = 128) -> np.ndarray:
    """A gray picture with detail everywhere, so that movement can be seen."""
    rng = np.random.default_rng(index)
    fine = cv2.resize(rng.integers(0, 256, (height // 6, width // 6), np.uint8), (width, height))
    return cv2.addWeighted(cv2.cvtColor(draw_picture(index, height, width), cv2.COLOR_RGB2GRAY), 0.5, fine, 0.5, 0)


def noisy(gray: np.ndarray, seed: int, sigma: float = 2.0) -> Gray:
    return Gray(np.clip(gray + np.random.default_rng(seed).normal(0, sigma, gray.shape), 0, 255).astype(np.uint8))


class Unsteady:
    """A network whose predictions differ from frame to frame: a color by luminance, and noise."""

    def __init__(self, noise: float = 0.05):
        self.rng, self.noise, self.calls = np.random.default_rng(0), noise, 0

    def __call__(self, gray):
        self.calls += 1
        warm = cv2.blur(gray, (5, 5)).astype(np.float32)[..., None] / 255
        ab = np.concatenate([warm * 0.4, 0.3 - warm * 0.4], axis=-1)
        return ab + self.rng.normal(0, self.noise, (1, 1, 2)).astype(np.float32)


def test_a_still_keeps_its_colors_over_300_frames():
    picture, predict = scene(1), Unsteady()
    maps = [colored.ab_norm for colored in carry.colored((noisy(picture, n) for n in range(300)), predict)]
    steps = [np.abs(after - before).mean() for before, after in zip(maps, maps[1:], strict=False)]
    alone = Unsteady()
    frames = [alone(noisy(picture, n).gray) for n in range(60)]
    assert np.mean(steps) < 0.1 * np.mean([np.abs(b - a).mean() for a, b in zip(frames, frames[1:], strict=False)])
    truth = Unsteady(0)(picture)
    assert np.abs(maps[-1] - truth).mean() < 0.03 and predict.calls == 1 + -(-299 // carry.EVERY)


@pytest.mark.parametrize("every", [1, 4, 30])
def test_the_network_sees_key_frames_only(every):
    predict = Unsteady()
    results = list(carry.colored((noisy(scene(2), n) for n in range(21)), predict, every=every))
    assert predict.calls == 1 + -(-20 // every) == sum(result.key is not None for result in results)
    assert len(results) == 21 and results[-1].key is not None


def test_colors_move_with_what_they_belong_to():
    wide = scene(3, 96, 260)
    frames = [noisy(wide[:, 3 * n : 3 * n + 128], n, 1.0) for n in range(40)]
    maps = [colored.ab_norm for colored in carry.colored(frames, Unsteady())]
    moved = [
        np.abs(after[8:-8, 8:-12] - before[8:-8, 11:-9]).mean() for before, after in zip(maps, maps[1:], strict=False)
    ]
    alone = Unsteady()
    single = [alone(frame.gray) for frame in frames]
    free = [np.abs(b[8:-8, 8:-12] - a[8:-8, 11:-9]).mean() for a, b in zip(single, single[1:], strict=False)]
    assert np.mean(moved) < 0.25 * np.mean(free)


def test_a_cut_is_found_and_nothing_bleeds_over_it():
    one, other = [noisy(scene(4), n) for n in range(11)], [noisy(scene(5), n) for n in range(7)]
    results = list(carry.colored(one + other, Unsteady(0)))
    assert [n for n, result in enumerate(results) if result.starts_shot] == [0, 11]
    alone = list(carry.colored(other, Unsteady(0)))
    for joined, single in zip(results[11:], alone, strict=True):
        np.testing.assert_allclose(joined.ab_norm, single.ab_norm, atol=1e-6)
    before = list(carry.colored(one, Unsteady(0)))
    for joined, single in zip(results[:11], before, strict=True):
        np.testing.assert_allclose(joined.ab_norm, single.ab_norm, atol=1e-6)


def test_neither_a_flash_nor_a_fade_is_a_cut():
    picture = scene(6)
    fade = [Gray(np.uint8(picture * share)) for share in np.linspace(0.05, 1, 25)]
    flash = [Gray(cv2.add(picture, 90 if n == 12 else 0)) for n in range(25)]
    for frames in (fade, flash):
        assert sum(result.starts_shot for result in carry.colored(frames, Unsteady())) == 1


def test_what_the_network_saw_in_the_dark_is_soon_forgotten():
    picture = scene(7)
    fade = [Gray(np.uint8(picture * min(1.0, n / 20))) for n in range(60)]
    maps = [result.ab_norm for result in carry.colored(fade, Unsteady(0))]
    truth = Unsteady(0)(picture)
    assert np.abs(maps[-1] - truth).mean() < 0.1 * np.abs(maps[0] - truth).mean()


def test_what_appears_gets_the_networks_colors_and_leaves_no_ghost():
    ground, frames, places = scene(8), [], []
    for number in range(25):
        frame, left = ground.copy(), 4 * number
        frame[30:66, left : left + 24] = 250
        frames.append(Gray(frame))
        places.append(left)

    def predict(gray):
        return np.where((gray > 245)[..., None], np.float32([0.5, 0.5]), np.float32([-0.2, -0.2]))

    maps = [result.ab_norm for result in carry.colored(frames, predict)]
    for ab, left in zip(maps, places, strict=True):
        inside = ab[36:60, left + 5 : left + 19, 0]
        assert np.median(inside) > 0.35
        behind = ab[36:60, max(0, left - 14) : max(0, left - 5), 0]
        assert behind.size == 0 or np.median(behind) < 0


def test_a_film_continues_from_a_key_as_if_it_had_not_stopped():
    frames = [noisy(scene(9), n) for n in range(30)]
    whole = list(carry.colored(frames, Unsteady(0)))
    stop = next(n for n, result in enumerate(whole) if n > 5 and result.key is not None)
    rest = list(carry.colored(frames[stop + 1 :], Unsteady(0), key=whole[stop].key))
    assert not any(result.starts_shot for result in rest)
    for one, other in zip(whole[stop + 1 :], rest, strict=True):
        np.testing.assert_array_equal(one.ab_norm, other.ab_norm)


def test_mixing_hues_does_not_make_a_film_pale():
    picture, hues = scene(10), iter(np.linspace(0, 40, 400))

    def predict(gray):
        hue = next(hues)
        return np.full((*gray.shape, 2), 0.3 * np.array([np.cos(hue), np.sin(hue)]), np.float32)

    maps = [result.ab_norm for result in carry.colored((noisy(picture, n) for n in range(80)), predict, every=2)]
    assert np.linalg.norm(maps[-1], axis=-1).mean() > 0.15  # the plain mean of all hues has less than 0.1


@pytest.mark.parametrize("size", [(2, 2), (9, 300), (48, 7)])
def test_frames_too_small_for_flow_are_colored_too(size):
    frames = [Gray(np.full(size, 90 + n, np.uint8)) for n in range(5)]
    assert len(list(carry.colored(frames, Unsteady()))) == 5


def test_flow_finds_a_movement_and_its_border():
    wide = scene(11, 96, 200)
    one, other = wide[:, 10:138], wide[:, 13:141]
    search = flow.Flow(96, 128)
    ways = search.both_ways(np.ascontiguousarray(other), np.ascontiguousarray(one))
    assert np.median(ways.there[..., 0]) == pytest.approx(3, abs=0.2)
    trust = ways.trust_there
    assert trust[10:-10, 10:-20].mean() > 0.9 and trust[:, -2:].max() == 0


def grainy_sky(count: int = 2, shade: float = 0.0) -> tuple[list[np.ndarray], np.ndarray]:
    """Frames of a sky with grain, and of a thing with detail that moves over it by 4 pixels; where it is last.

    The sky is plain, or gets lighter from left to right by `shade` gray levels.
    """
    rng, thing = np.random.default_rng(3), scene(12)[20:60, 30:70]
    frames = []
    for number in range(count):
        frame = np.full((96, 128), 110.0) + np.linspace(-shade / 2, shade / 2, 128)
        left = 20 + 4 * number
        frame[28:68, left : left + 40] = thing
        frames.append(np.clip(frame + rng.normal(0, 3, frame.shape), 0, 255).astype(np.uint8))
    inside = np.zeros((96, 128), bool)
    inside[28:68, left : left + 40] = True
    return frames, inside


def test_grain_in_a_plain_sky_is_no_movement():
    (one, other), inside = grainy_sky()
    ways = flow.Flow(96, 128).both_ways(one, other)
    moves = np.linalg.norm(ways.back, axis=-1) > 0.3
    near = cv2.dilate(inside.astype(np.uint8), np.ones((19, 19))) > 0
    assert moves[~near].mean() < 0.02  # and not: half of it, where the search follows the grain
    assert np.median(ways.back[inside][:, 0]) == pytest.approx(-4, abs=0.3)


def test_a_plain_sky_moves_along_in_a_pan():
    rng, wide = np.random.default_rng(4), np.full((96, 180), 110.0)
    wide[60:] = scene(13, 96, 180)[40:76]
    one, other = (
        np.clip(wide[:, left : left + 128] + rng.normal(0, 3, (96, 128)), 0, 255).astype(np.uint8) for left in (10, 13)
    )
    back = flow.Flow(96, 128).both_ways(one, other).back
    assert np.median(back[60:, :-8, 0]) == pytest.approx(3, abs=0.2)


def test_the_sky_behind_a_thing_does_not_follow_it():
    frames, inside = grainy_sky()
    ways = flow.Flow(96, 128).both_ways(*frames)
    left = int(np.flatnonzero(inside.any(axis=0))[0])
    behind = np.s_[32:64, left - 12 : left - 5]  # it was beside the thing before, too
    assert np.linalg.norm(ways.back[behind], axis=-1).mean() < 2 and ways.trust_back[behind].mean() > 0.8


def test_what_is_new_keeps_the_chroma_that_is_predicted():
    share = np.float32([[1.0, 0.5]])
    gain = carry._gain(np.full((1, 2, 2), 0.3, np.float32), np.full((1, 2, 2), 0.2, np.float32), share)
    assert gain[0, 0] == 1 and gain[0, 1] > 1


def test_a_pale_first_prediction_is_soon_forgotten():
    picture, numbers = scene(14), iter(range(200))
    pale, rich = np.float32([0.01, 0.02]), np.float32([0.25, 0.25])

    def predict(gray):
        return np.broadcast_to(pale if next(numbers) == 0 else rich, (*gray.shape, 2))

    maps = [result.ab_norm for result in carry.colored((noisy(picture, n) for n in range(17)), predict)]
    assert np.linalg.norm(maps[-1] - rich, axis=-1).mean() < 0.3 * np.linalg.norm(rich - pale)


def test_what_a_thing_uncovers_is_seen_and_nothing_else():
    frames, inside = grainy_sky(shade=120)
    search = flow.Flow(96, 128)
    uncovered = flow.uncovered(search.both_ways(*frames).back)
    left = int(np.flatnonzero(inside.any(axis=0))[0])
    assert uncovered[34:62, left - 4 : left].mean() > 0.8  # the sky there lay behind the thing one frame before
    assert uncovered[:, left + 60 :].max() == 0 and uncovered[80:].max() == 0
    still = search.both_ways(frames[0], frames[0].copy())
    assert flow.uncovered(still.back).max() == 0


def test_a_halo_around_a_thing_does_not_stay_behind_it():
    frames, _ = grainy_sky(9, shade=120)

    def predict(gray):
        """As networks do: the color of a thing runs over its edge."""
        busy = cv2.blur(np.abs(cv2.Laplacian(gray.astype(np.float32), cv2.CV_32F, ksize=3)), (9, 9)) > 40
        halo = cv2.dilate(np.uint8(busy), np.ones((9, 9)))[..., None] > 0
        return np.where(halo, np.float32([0.5, 0.3]), np.float32([-0.1, -0.3]))

    results = list(carry.colored([Gray(frame) for frame in frames], predict))
    left = 20 + 4 * 3  # in frame 3; the key before has the halo beside it, the key after, frame 8, only sky
    assert results[3].ab_norm[34:62, left - 4 : left - 1, 0].mean() < 0.1


def test_colors_that_come_and_go_leave_a_film_as_colorful_as_they_are():
    picture, rng, rms = scene(15), np.random.default_rng(0), []

    def predict(gray):
        """A part of the picture is colored, each time another, in another hue."""
        hues, rich = rng.uniform(0, 2 * np.pi, (6, 8)), rng.uniform(size=(6, 8)) < 0.5
        ab = np.stack([np.cos(hues), np.sin(hues)], axis=-1) * np.where(rich, 0.4, 0.2)[..., None]
        rms.append(np.sqrt(np.square(ab).sum(axis=-1).mean()))
        return cv2.resize(ab.astype(np.float32), gray.shape[::-1], interpolation=cv2.INTER_NEAREST)

    maps = [result.ab_norm for result in carry.colored((noisy(picture, n) for n in range(41)), predict)]
    assert np.sqrt(np.square(maps[-1]).sum(axis=-1).mean()) > 0.9 * np.mean(rms)
