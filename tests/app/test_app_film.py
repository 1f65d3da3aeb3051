"""Clips that are dropped on the page."""

import dataclasses
import re
import threading
import time

import numpy as np
import pytest
from clips import Painter, moving, times_of, write

from colorizer import photos
from colorizer.app import film, service
from colorizer.errors import FilmError, WorkError

SMALL = film.LEAST_WIDTH * film.LEAST_HEIGHT  # pixels that a small frame counts as


@pytest.fixture
def bench(tmp_path):
    folder = tmp_path / "page"
    folder.mkdir()
    return service.Workbench({"Colors": Painter()}, folder, max_pixels=10_000)


def test_a_clip_comes_back_as_a_film_with_a_frame_to_compare(bench, tmp_path):
    source = write(tmp_path / "reel.avi", moving(10), codec="mjpeg", pix_fmt="yuvj420p", options={})
    result = bench.colorize([source], "Colors", 1)
    assert result.download.name == "reel-color.mp4" and len(times_of(result.download)) == 10
    assert result.report == "1 of 1 colorized"
    (preview,) = result.previews
    before, after = (photos.read(path).rgb.astype(int) for path in (preview.before, preview.after))
    assert before.shape == after.shape == (48, 64, 3)
    assert abs(before - before.mean(axis=-1, keepdims=True)).max() < 4 < abs(after[..., 0] - after[..., 2]).mean()


def test_a_clip_with_a_damaged_place_is_compared_at_one_moment(bench, tmp_path):
    frames = [np.full((48, 64), 20 + 10 * number, np.uint8) for number in range(20)]
    source = write(tmp_path / "reel.avi", frames, codec="png", pix_fmt="gray", options={})
    data = bytearray(source.read_bytes())
    for start in [match.start() for match in re.finditer(b"\x89PNG", data)][2:6]:
        data[start : start + 8] = bytes(8)
    source.write_bytes(data)
    result = bench.colorize([source], "Colors", 1)
    (preview,) = result.previews
    before, after = (photos.read(path).rgb.astype(int)[..., 1].mean() for path in (preview.before, preview.after))
    assert "damaged places that could not be decoded" in result.report
    assert before == pytest.approx(120, abs=1) and after == pytest.approx(120, abs=9)


def test_a_long_clip_is_shortened_and_a_line_says_so(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(film, "SECONDS", 0.2)
    result = bench.colorize([write(tmp_path / "reel.mkv", moving(12))], "Colors", 1)
    assert len(times_of(result.download)) == 5 and "the first 0.2 seconds only" in result.report


@pytest.mark.parametrize(("size", "reason"), [((48, 64), "no film, or damaged"), ((120, 160), "more than 0.01 mega")])
def test_bad_clips_are_a_line(bench, tmp_path, size, reason):
    source = write(tmp_path / "reel.mp4", moving(2, *size))
    if size == (48, 64):
        source.write_bytes(b"a shopping list")
    with pytest.raises(WorkError, match=reason):
        bench.colorize([source], "Colors", 1)
    assert not list(bench.folder.iterdir())


def test_a_clip_of_too_many_pixels_is_refused_before_work_with_what_is_allowed(bench, tmp_path):
    source, bench.max_clip_pixels = write(tmp_path / "reel.mp4", moving(12)), 10 * SMALL
    with pytest.raises(
        WorkError,
        match=r"at least 640x480, .*Received: 64x48 pixels, 12 frames, .* 0\.4 seconds are allowed",
    ):
        bench.colorize([source], "Colors", 1)
    assert bench.networks["Colors"].pictures == 0 and not list(bench.folder.iterdir())
    bench.max_clip_pixels = 12 * SMALL
    assert bench.colorize([source], "Colors", 1).report == "1 of 1 colorized"


def test_small_frames_cost_as_much_as_those_of_640x480(tmp_path):
    clip = film.probe(write(tmp_path / "reel.mp4", moving(2)))
    frames = service.MAX_CLIP_PIXELS // SMALL
    film.refuse_long(clip, frames, service.MAX_CLIP_PIXELS)
    with pytest.raises(FilmError, match="64x48 pixels, 120000 frames, 36.9 gigapixels"):
        film.refuse_long(clip, 120_000, service.MAX_CLIP_PIXELS)
    large = dataclasses.replace(clip, width=1920, height=1080)
    film.refuse_long(large, 900, service.MAX_CLIP_PIXELS)
    with pytest.raises(FilmError, match="1920x1080"):
        film.refuse_long(large, 1000, service.MAX_CLIP_PIXELS)


def test_a_clip_with_more_frames_than_it_states_stops_at_the_limit(bench, tmp_path, monkeypatch):
    source, bench.max_clip_pixels = write(tmp_path / "reel.mp4", moving(30)), 10 * SMALL
    real = film.probe
    monkeypatch.setattr(film, "probe", lambda path: dataclasses.replace(real(path), seconds=0.2))
    with pytest.raises(WorkError, match="Received: 64x48 pixels, 11 frames"):
        bench.colorize([source], "Colors", 1)
    assert not list(bench.folder.iterdir())


def test_a_clip_stops_when_the_page_ends_and_nothing_is_written_afterwards(bench, tmp_path):
    class Ending(Painter):
        def predict_ab(self, rgbs):
            if self.pictures == 1:
                threading.Thread(target=bench.close).start()
                while not bench._ending.is_set():
                    time.sleep(0.001)
            return super().predict_ab(rgbs)

    network = bench.networks["Colors"] = Ending()
    source = write(tmp_path / "reel.mp4", moving(60))
    with pytest.raises(WorkError, match="The page has ended"):
        bench.colorize([source], "Colors", 1)
    assert network.pictures == 2 and not list(bench.folder.iterdir())
    with pytest.raises(WorkError, match="The page has ended"):
        bench.colorize([source], "Colors", 1)
