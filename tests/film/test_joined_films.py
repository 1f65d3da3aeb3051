"""Films of several pieces that were joined as they are: their time stamps fall back at each joint."""

from fractions import Fraction

import numpy as np
import pytest
from clips import Painter, moving, packets_of, times_of, write

from colorizer.film import encoder, parts
from colorizer.film.colorize import Settings, colorize, colorize_shot
from colorizer.film.probe import probe
from colorizer.film.reader import Reader, shifts

MPEG2 = {"codec": "mpeg2video", "options": {"g": "12", "bf": "2"}, "unit": Fraction(1, 25)}
COUNTS = (60, 48, 50)


def pieces(folder, ending, **about):
    """Three films of one kind; two of Matroska's, of which FFmpeg reads no third."""
    about |= {} if ending == "mkv" else MPEG2
    return [
        write(folder / f"{number}.{ending}", moving(count, seed=3 * number), **about)
        for number, count in enumerate(COUNTS[:2] if ending == "mkv" else COUNTS)
    ]


def joined(films):
    """What `cat` makes of them."""
    film = films[0].with_name(f"film{films[0].suffix}")
    film.write_bytes(b"".join(one.read_bytes() for one in films))
    return film


@pytest.mark.parametrize("deinterlace", [False, True])
@pytest.mark.parametrize("ending", ["ts", "mpg", "vob", "mkv"])
def test_all_frames_of_a_joined_film_are_read_also_again(tmp_path, ending, deinterlace):
    films = pieces(tmp_path, ending)
    film = probe(joined(films))
    whole = list(Reader(film, deinterlace).frames())
    gaps = np.round(25 * np.diff([float(frame.time * film.time_base) for frame in whole]), 3).tolist()
    # FFmpeg guesses the stamps of MPEG-PS, and the last one of a piece a frame too late.
    assert set(gaps) <= {1, 2} and gaps.count(2) <= (2 if film.path.suffix in (".mpg", ".vob") else 0)
    assert len(whole) == sum(COUNTS[: len(films)])
    alone = [frame for one in films for frame in Reader(probe(one), deinterlace).frames()]
    same = [(one.gray == other.gray).all() for one, other in zip(whole, alone, strict=True)]
    assert same.count(False) <= (4 if deinterlace else 0)  # which looks at the frame before and after
    for number in (20, 59, 60, 90, 107):
        again = list(Reader(film, deinterlace).frames(whole[number].time))
        assert [frame.time for frame in again] == [frame.time for frame in whole[number + 1 :]]
    moves = [float(shift * film.time_base) for shift in shifts(film)]
    assert moves == pytest.approx([0, 2.4, 4.32][: len(films)], abs=0.05)
    assert shifts(probe(films[0])) == (0,)


@pytest.mark.parametrize("deinterlace", [False, True])
@pytest.mark.parametrize(("height", "width"), [(288, 272), (240, 384)])
def test_a_joined_film_that_changes_its_size_is_shown_whole(tmp_path, height, width, deinterlace):
    sizes = [(288, 352), (height, width)]
    frames = [[np.tile(np.linspace(60, 180, w).astype(np.uint8), (h, 1))] * 30 for h, w in sizes]
    films = [write(tmp_path / f"{number}.ts", each, **MPEG2) for number, each in enumerate(frames)]
    shown = list(Reader(probe(joined(films)), deinterlace).frames())
    assert len(shown) >= 59  # the decoder may drop one where the size changes
    for frame in shown:
        assert frame.gray.shape == (288, 352) and np.abs(frame.gray.astype(int) - frames[0][0]).mean() < 4


@pytest.mark.parametrize("ending", ["ts", "mkv"])
@pytest.mark.parametrize("into", ["ts", "mkv", "mp4"])
def test_the_sound_of_a_joined_film_goes_with_its_picture(tmp_path, ending, into):
    films = pieces(tmp_path, ending, sound=True)
    result = colorize(Painter(), joined(films), tmp_path / f"color.{into}")
    times = "once" if len(films) == 2 else "2 times"
    assert result.notes == [f"time stamps fall back {times}, as in joined films: the pieces follow one another"]
    assert result.frames == sum(COUNTS[: len(films)]) and result.cut_short == 0
    shown, heard = times_of(result.output), packets_of(result.output, "audio")
    assert np.allclose(np.diff(shown), 0.04, atol=2e-3) and (np.diff([time for time, _ in heard]) >= 0).all()
    sounds = [packets_of(film, "audio") for film in films]
    assert len(heard) == sum(map(len, sounds))
    for piece in range(len(films)):
        frames, packets = sum(COUNTS[: piece + 1]), sum(map(len, sounds[: piece + 1]))
        ahead = shown[frames - 1] - heard[packets - 1][0]
        assert ahead == pytest.approx(times_of(films[piece])[-1] - sounds[piece][-1][0], abs=5e-3)


def test_a_killed_joined_film_has_the_same_bytes(tmp_path):
    film = joined(pieces(tmp_path, "ts", sound=True))
    whole = colorize(Painter(), film, tmp_path / "whole.mkv")
    with pytest.raises(RuntimeError, match="stopped"):
        colorize(Painter(stop_after=whole.keys - 1), film, tmp_path / "color.mkv")
    assert colorize(Painter(), film, tmp_path / "color.mkv").resumed == sum(COUNTS[:2])
    assert (tmp_path / "color.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()


def test_a_shot_behind_a_joint_is_colored_by_itself(tmp_path):
    film, settings = probe(joined(pieces(tmp_path, "ts"))), Settings()
    times = [frame.time for frame in Reader(film).frames()]
    encoding = encoder.choose(tmp_path / "color.mkv", "h264", 18)
    file = tmp_path / "part.npz"
    colorize_shot(Painter(), film, settings, encoding, after=times[59], last=times[107], file=file)
    assert sorted(packet.time for packet in parts.packets_of(file)) == times[60:108]
