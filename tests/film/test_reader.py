"""The frames of a film: time stamps, and where reading can begin again."""

from fractions import Fraction

import pytest
from clips import av, moving, write

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


def copied(source, target, later=0, seconds=None):
    """A copy of a film that begins later, or whose sound has another length, both in seconds."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        copies = [new.add_stream_from_template(stream) for stream in old.streams]
        for packet in old.demux(*old.streams):
            if packet.dts is None:
                continue
            if seconds and packet.stream.type == "audio":  # stretched: the same packets with longer breaks
                packet.pts = packet.dts = round(packet.dts * seconds * 25 / 50)
            packet.pts += round(later / packet.time_base)
            packet.dts += round(later / packet.time_base)
            packet.stream = copies[packet.stream.index]
            new.mux(packet)
    return target


@pytest.mark.parametrize("tags", [True, False])
def test_a_matroska_film_that_begins_late_is_whole(tmp_path, tags):
    source = write(tmp_path / "film.mp4", moving(50), options={"bf": "0"})
    late = copied(source, tmp_path / "late.mkv", later=5)
    if not tags:
        late.write_bytes(late.read_bytes().replace(b"DURATION", b"DURATIOX"))
    reader = Reader(probe(late))
    assert len(list(reader.frames())) == 50 and reader.missing == 0
    assert reader.film.start == 5 and reader.film.seconds == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("ending", ["flv", "nut", "mkv"])
def test_longer_sound_does_not_make_a_film_cut(tmp_path, ending):
    source = write(tmp_path / "film.mp4", moving(50), sound=True, options={"bf": "0"})
    longer = copied(source, tmp_path / f"longer.{ending}", seconds=8)
    if ending == "mkv":
        longer.write_bytes(longer.read_bytes().replace(b"DURATION", b"DURATIOX"))
    reader = Reader(probe(longer))
    assert len(list(reader.frames())) == 50 and reader.missing == 0
    assert reader.film.seconds > 6  # for the progress


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_reading_begins_again_where_the_picture_is_whole_after_a_recovery_point(tmp_path, ending):
    options = {"crf": "20", "x264-params": "intra-refresh=1:keyint=30:bframes=0:scenecut=0"}
    film = probe(write(tmp_path / f"film.{ending}", moving(90, 96, 320), options=options, unit=Fraction(1, 25)))
    whole = list(Reader(film).frames())
    assert len(whole) == 90
    for number in (2, 29, 31, 44, 58, 61, 75, 88):
        again = list(Reader(film).frames(whole[number].time))
        assert [frame.time for frame in again] == [frame.time for frame in whole[number + 1 :]]
        assert all((one.gray == other.gray).all() for one, other in zip(again, whole[number + 1 :], strict=True))
