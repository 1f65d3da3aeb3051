"""The frames of a film: time stamps, and where reading can begin again."""

from fractions import Fraction

import pytest
from clips import moving, write

from colorizer.film.probe import probe
from colorizer.film.reader import Reader

MPEG2 = {"codec": "mpeg2video", "options": {"g": "12", "bf": "2"}, "unit": Fraction(1, 25)}


@pytest.mark.parametrize("ending", ["ts", "mpg", "vob", "h264", "avi", "mpeg4.avi", "mkv"])
def test_reading_begins_again_after_any_frame(tmp_path, ending):
    about = MPEG2 if ending in ("ts", "mpg", "vob") else MPEG2 | {"codec": "mpeg4"} if "mpeg4" in ending else {}
    film = probe(write(tmp_path / f"film.{ending}", moving(50), **about))
    whole = list(Reader(film).frames())
    assert len(whole) == 50
    for number in range(0, 50, 7):
        again = list(Reader(film).frames(whole[number].time))
        assert [frame.time for frame in again] == [frame.time for frame in whole[number + 1 :]]
        assert all((one.gray == other.gray).all() for one, other in zip(again, whole[number + 1 :], strict=True))


def test_frames_of_avi_begin_with_the_film_and_are_steady(tmp_path):
    film = probe(
        write(tmp_path / "film.avi", moving(50), unit=Fraction(1, 25))
    )  # with B-frames, which AVI has no word for
    times = [float(frame.time * film.time_base) for frame in Reader(film).frames()]
    assert times == pytest.approx([times[0] + number / 25 for number in range(50)]) and times[0] <= 1 / 25
