"""Encoders: one film gives one result."""

import numpy as np
import pytest
from clips import Painter, files_of, moving, two_shots, write

from colorizer.film import encoder, join
from colorizer.film.colorize import colorize
from colorizer.film.probe import probe


def test_h264_has_the_same_bits_in_each_run(tmp_path):
    frames = moving(60, 240, 320, seed=3)  # with it x264 wrote four to six results in six runs
    film = probe(write(tmp_path / "film.mkv", frames[:1], codec="ffv1", options={}))
    chroma = np.full((120, 160), 128, np.uint8)

    def encoded():
        work = encoder.Encoder(film, encoder.choose("color.mp4"))
        packets = [work.add(join.Planes(gray, chroma, chroma), 40 * number, 40) for number, gray in enumerate(frames)]
        return b"".join(packet.data for some in [*packets, work.finish()] for packet in some)

    assert len({encoded() for _ in range(5)}) == 1


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_film_has_the_same_bytes_in_each_run(tmp_path, ending):
    source = two_shots(tmp_path / "film.mp4")
    for name in ("1", "2"):
        colorize(Painter(), source, tmp_path / f"{name}.{ending}")
    assert files_of(tmp_path) == sorted([f"1.{ending}", f"2.{ending}", "film.mp4"])
    assert (tmp_path / f"1.{ending}").read_bytes() == (tmp_path / f"2.{ending}").read_bytes()
