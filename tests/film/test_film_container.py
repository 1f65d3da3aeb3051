"""The file of a film: what is copied, time stamps, tags, and which codecs a container takes."""

from fractions import Fraction

import numpy as np
import pytest
from clips import Painter, av, files_of, moving, packets_of, times_of, two_shots, write

from colorizer.errors import FilmError, UsageError
from colorizer.film import container, encoder, reader
from colorizer.film.colorize import Settings, colorize
from colorizer.film.probe import probe


@pytest.fixture
def clip(tmp_path):
    return two_shots(tmp_path / "film.mp4")


def test_sound_subtitles_chapters_and_metadata_are_copied(tmp_path):
    source = write(
        tmp_path / "film.mkv",
        moving(20),
        sound=True,
        subtitles=["one", "two", "three"],
        metadata={"title": "Le voyage", "comment": "é"},
        chapters=two_chapters(),
    )
    result = colorize(Painter(), source, tmp_path / "color.mkv")
    assert result.notes == []
    for kind in ("audio", "subtitles"):
        assert packets_of(tmp_path / "color.mkv", kind) == packets_of(source, kind)
    with av.open(str(tmp_path / "color.mkv")) as made:
        assert made.metadata["title"] == "Le voyage" and made.metadata["COMMENT"] == "é"
        assert [chapter["metadata"]["title"] for chapter in made.chapters()] == ["A", "B"]
        assert made.streams.audio[0].language == "fra"


def two_chapters():
    return [
        {"id": n, "start": n * 400, "end": n * 400 + 400, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
        for n, title in enumerate("AB")
    ]


@pytest.mark.parametrize("ending", ["mkv", "mp4"])
@pytest.mark.parametrize("late", [0, 900])
@pytest.mark.parametrize(("preview", "spans"), [(0.3, [(0, 0.32)]), (0.4, [(0, 0.4)]), (0.6, [(0, 0.4), (0.4, 0.6)])])
def test_chapters_end_with_a_preview(tmp_path, ending, late, preview, spans):
    chapters = [one | {name: one[name] + late for name in ("start", "end")} for one in two_chapters()]
    times = [late + 40 * number for number in range(20)]
    source = write(tmp_path / "film.mkv", moving(20), times=times, chapters=chapters)
    colorize(Painter(), source, tmp_path / f"color.{ending}", Settings(preview=preview))
    with av.open(str(tmp_path / f"color.{ending}")) as made:
        found = [[float(one[name] * one["time_base"]) for name in ("start", "end")] for one in made.chapters()]
    assert len(found) == len(spans) and np.allclose(found, spans, atol=0.002)


def test_a_preview_reads_no_more_of_the_film_than_it_needs(tmp_path, monkeypatch):
    long, read, looked = tmp_path / "long.mkv", [], []
    slow = write(tmp_path / "film.mkv", moving(60), times=[5000 * number for number in range(60)])
    with av.open(str(slow)) as old, av.open(str(long), "w") as new:
        copies = [new.add_stream_from_template(old.streams.video[0]) for _ in range(2)]
        for packet in old.demux(video=0):
            for copy in copies if packet.size else ():
                packet.stream = copy
                new.mux(packet)
    packets, falls_back = container._until_damage, reader.falls_back
    monkeypatch.setattr(container, "_until_damage", lambda *to: (read.append(one) or one for one in packets(*to)))
    monkeypatch.setattr(reader, "falls_back", lambda *to: looked.append(to) or falls_back(*to))
    assert colorize(Painter(), long, tmp_path / "color.mkv", Settings(preview=20)).frames == 4
    assert 4 <= len(of_stream(tmp_path / "color.mkv", 1)) < 10 and len(read) < 20 and len(looked) < 20
    assert colorize(Painter(), long, tmp_path / "whole.mkv").frames == 60
    assert len(of_stream(tmp_path / "whole.mkv", 1)) == 60


def test_the_track_of_chapters_is_no_stream_that_is_left_out(tmp_path):
    source = write(tmp_path / "film.mp4", moving(20), chapters=two_chapters())
    for ending, notes in ((".mp4", []), (".mkv", []), (".ts", ["chapters do not fit into mpegts: left out"])):
        result = colorize(Painter(), source, tmp_path / f"color{ending}")
        assert result.notes == notes
        with av.open(str(result.output)) as made:
            titles = [chapter["metadata"]["title"] for chapter in made.chapters()]
        assert titles == ([] if notes else ["A", "B"])


def test_what_a_container_cannot_hold_is_said(tmp_path):
    source = write(tmp_path / "film.mkv", moving(4), subtitles=["one"])
    result = colorize(Painter(), source, tmp_path / "color.mp4")
    assert result.notes == ["subtitle (subrip) does not fit into mp4: left out"]


def with_more(source, target, *, cover=False, attachment=False):
    """A copy of a film with a cover, or with a font."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        copies = [new.add_stream_from_template(stream) for stream in old.streams]
        if attachment:
            new.add_attachment("font.ttf", "application/x-truetype-font", bytes(100))
        if cover:
            picture = new.add_stream("mjpeg")
            picture.width, picture.height, picture.pix_fmt = 32, 32, "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
        new.start_encoding()
        if cover:
            red = av.VideoFrame.from_ndarray(np.full((32, 32, 3), (200, 0, 0), np.uint8), format="rgb24")
            new.mux(picture.encode(red))
        for packet in old.demux(*old.streams):
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                new.mux(packet)
    return target


def covers_of(path):
    with av.open(str(path)) as film:
        flags = av.stream.Disposition.attached_pic
        return [bytes(next(film.demux(stream))) for stream in film.streams.video if stream.disposition & flags]


def test_a_cover_is_copied_or_said(tmp_path, clip):
    source = with_more(clip, tmp_path / "cover.mp4", cover=True)
    assert len(covers_of(source)) == 1
    for name in ("color.mp4", "color.mkv"):
        assert colorize(Painter(), source, tmp_path / name).notes == []
        assert covers_of(tmp_path / name) == covers_of(source)
    assert colorize(Painter(), source, tmp_path / "color.ts").notes == [
        "cover picture does not fit into mpegts: left out"
    ]


def test_a_second_picture_is_copied_and_said(tmp_path, clip):
    with av.open(str(clip)) as old, av.open(str(tmp_path / "two.mkv"), "w") as new:
        copies = [new.add_stream_from_template(old.streams.video[0]) for _ in range(2)]
        for packet in old.demux(old.streams.video[0]):
            for copy in copies if packet.dts is not None else ():
                packet.stream = copy
                new.mux(packet)
    result = colorize(Painter(), tmp_path / "two.mkv", tmp_path / "color.mkv")
    assert result.notes == ["another picture (h264) is copied without color: only the first gets colors"]
    with av.open(str(result.output)) as film:
        assert [stream.type for stream in film.streams] == ["video", "video"]
    two, made = (of_stream(path, 1) for path in (tmp_path / "two.mkv", result.output))
    assert len(made) == 20 and made == two  # Matroska's first packets have no stamp of decoding


@pytest.mark.parametrize("frames", [1, 2])
def test_a_second_picture_of_few_frames_is_copied_whole(tmp_path, clip, frames):
    short = write(tmp_path / "short.mkv", moving(9))
    with av.open(str(clip)) as old, av.open(str(short)) as other, av.open(str(tmp_path / "two.mkv"), "w") as new:
        copies = [new.add_stream_from_template(film.streams.video[0]) for film in (old, other)]
        packets = [packet for packet in other.demux(video=0) if packet.size][:frames]
        for copy, packet in [(copies[1], p) for p in packets] + [(copies[0], p) for p in old.demux(video=0) if p.size]:
            packet.stream = copy
            new.mux(packet)
    result = colorize(Painter(), tmp_path / "two.mkv", tmp_path / "color.mkv")
    assert of_stream(result.output, 1) == of_stream(tmp_path / "two.mkv", 1) and result.frames == 20
    assert len(of_stream(result.output, 1)) == frames


def of_stream(path, index):
    """(time stamp, bytes) of the packets of a stream."""
    with av.open(str(path)) as film:
        return [(packet.pts, bytes(packet)) for packet in film.demux(film.streams[index]) if packet.size]


@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_chapters_move_with_a_film_that_begins_late(tmp_path, ending):
    chapters = [chapter | {"start": chapter["start"] + 900, "end": chapter["end"] + 900} for chapter in two_chapters()]
    times = [900 + 40 * number for number in range(20)]
    source = write(tmp_path / "film.mkv", moving(20), times=times, chapters=chapters)
    colorize(Painter(), source, tmp_path / f"color.{ending}")
    assert times_of(tmp_path / f"color.{ending}")[0] == 0
    with av.open(str(tmp_path / f"color.{ending}")) as made:
        spans = [
            [float(chapter[name] * chapter["time_base"]) for name in ("start", "end")] for chapter in made.chapters()
        ]
    assert spans == [[0, 0.4], [0.4, 0.8]]


@pytest.mark.parametrize(("ending", "kept"), [("mp4", True), ("mov", True), ("mkv", True), ("ts", False)])
def test_a_timecode_is_written_anew_or_said(tmp_path, ending, kept):
    source = write(tmp_path / "film.mov", moving(4), metadata={"timecode": "01:00:00:00"})
    result = colorize(Painter(), source, tmp_path / f"color.{ending}")
    assert result.notes == ([] if kept else ["data (unknown codec) does not fit into mpegts: left out"])
    with av.open(str(result.output)) as made:
        tags = {key.lower(): value for key, value in made.streams.video[0].metadata.items()}
    assert tags.get("timecode") == ("01:00:00:00" if kept else None)


def test_attached_fonts_are_copied_or_said(tmp_path, clip):
    source = with_more(clip, tmp_path / "font.mkv", attachment=True)
    result = colorize(Painter(), source, tmp_path / "color.mp4")
    assert result.notes == ["attachment (font.ttf) does not fit into mp4: left out"] and result.frames == 20
    colorize(Painter(), source, tmp_path / "color.mkv")
    with av.open(str(tmp_path / "color.mkv")) as film:
        assert [stream.name for stream in film.streams if stream.type == "attachment"] == ["font.ttf"]


@pytest.mark.parametrize("ending", [".ts", ".m2ts"])
def test_mpeg_ts_takes_h264_and_sound(tmp_path, clip, ending):
    result = colorize(Painter(), clip, tmp_path / f"color{ending}")
    assert result.notes == [] and result.frames == 20
    with av.open(str(result.output)) as film:
        assert [stream.codec_context.name for stream in film.streams] == ["h264", "aac"]
    first, *_, last = times_of(result.output)
    assert last - first == pytest.approx(0.76, abs=0.001)


def test_containers_without_time_stamps_get_a_steady_rate(tmp_path):
    times = [0, 40, 41, 300, 320, 1000, 1040, 1080, 2000, 2500]
    steady, variable = write(tmp_path / "steady.mp4", moving(20)), write(tmp_path / "v.mp4", moving(10), times=times)
    result = colorize(Painter(), steady, tmp_path / "color.avi")
    assert result.notes == [".avi has no time stamps: frames come at a constant rate"]
    assert np.allclose(np.diff(times_of(result.output)), 0.04)
    assert len(times_of(colorize(Painter(), variable, tmp_path / "v.avi").output)) == 10
    shown = times_of(colorize(Painter(), variable, tmp_path / "v.wmv").output)
    assert shown[-1] == pytest.approx(2.5, abs=0.05)


def test_time_stamps_of_a_variable_rate_are_kept(tmp_path):
    times = [0, 40, 90, 91, 300, 333, 400, 777, 800, 1000, 1300, 1310]
    source = write(tmp_path / "film.mkv", moving(6) + moving(6, seed=5), times=times)
    for name in ("color.mkv", "color.mp4"):
        colorize(Painter(), source, tmp_path / name)
        assert times_of(tmp_path / name) == times_of(source) == [time / 1000 for time in times]


def test_a_film_that_begins_late_begins_at_0_with_its_sound(tmp_path):
    source = write(tmp_path / "film.ts", moving(12), sound=True)
    assert probe(source).start > 0.05
    colorize(Painter(), source, tmp_path / "color.mkv")
    picture, sound = times_of(tmp_path / "color.mkv"), packets_of(tmp_path / "color.mkv", "audio")
    assert picture[0] - sound[0][0] == pytest.approx(times_of(source)[0] - packets_of(source, "audio")[0][0], abs=2e-3)
    assert min(picture[0], sound[0][0]) < 0.1 and len(picture) == 12


def test_a_container_without_rotation_is_said(tmp_path):
    source = write(tmp_path / "film.mp4", moving(4), rotation=90)
    for ending, notes in ((".mkv", []), (".mov", []), (".ts", ["mpegts has no rotation"]), (".flv", ["flv has no"])):
        result = colorize(Painter(), source, tmp_path / f"color{ending}")
        assert len(result.notes) == len(notes) and all(map(str.startswith, result.notes, notes))
        assert (probe(result.output).quarter_turns == 1) == (not notes)


def test_aspect_and_color_tags(tmp_path):
    tags = {"colorspace": 1, "color_trc": 1, "color_primaries": 1, "color_range": 1}
    source = write(tmp_path / "film.mp4", moving(3), aspect=Fraction(4, 3), tags=tags)
    colorize(Painter(), source, tmp_path / "color.mp4")
    film = probe(tmp_path / "color.mp4")
    assert (film.aspect, film.matrix, film.transfer) == (Fraction(4, 3), 1, 1)
    colorize(Painter(), write(tmp_path / "plain.mp4", moving(3)), tmp_path / "tagged.mp4")
    assert probe(tmp_path / "tagged.mp4").matrix == 6  # small films: BT.601


def test_codecs(tmp_path, clip):
    webm = colorize(Painter(), clip, tmp_path / "color.webm", Settings(preview=0.2))
    assert any("does not take H.264: encoded with libvpx-vp9" in note for note in webm.notes)
    colorize(Painter(), clip, tmp_path / "color.mp4", Settings(codec="mpeg4", preview=0.2))
    assert len(times_of(tmp_path / "color.mp4")) == 5
    for name, codec, reason in (
        ("x.mp4", "nonsense", "Received: nonsense"),
        ("x.webm", "hevc", "takes no hevc"),
        ("x.txt", "h264", "-o ends in"),
    ):
        with pytest.raises(UsageError, match=reason):
            colorize(Painter(), clip, tmp_path / name, Settings(codec=codec))
    assert not [name for name in files_of(tmp_path) if name.startswith((".", "x"))]


@pytest.mark.parametrize("codec", ["mpeg1video", "mpeg2video"])
@pytest.mark.parametrize(("source", "ending"), [("mkv", "mkv"), ("mp4", "mp4"), ("mkv", "mpg"), ("mp4", "vob")])
def test_mpeg_is_made_of_films_with_any_unit_of_time(tmp_path, codec, source, ending):
    film = write(tmp_path / f"film.{source}", moving(20))
    colorize(Painter(), film, tmp_path / f"color.{ending}", Settings(codec=codec))
    assert np.allclose(np.diff(times_of(tmp_path / f"color.{ending}")), 0.04, atol=2e-3)
    with av.open(str(tmp_path / f"color.{ending}")) as made:
        assert made.streams.video[0].codec_context.name == codec


def test_an_encoder_that_cannot_is_named_before_anything_is_written(tmp_path, clip):
    with pytest.raises(FilmError, match="the encoder prores_ks does not take it .*: choose another --codec"):
        colorize(Painter(), clip, tmp_path / "color.mov", Settings(codec="prores_ks"))
    for name in ("x.mpg", "x.vob", "x.mxf", "x.m2v"):
        with pytest.raises(UsageError, match="takes no h264. Choose another --codec, or an -o that ends in .mkv"):
            colorize(Painter(), clip, tmp_path / name)
    assert files_of(tmp_path) == ["film.mp4"]


def test_what_a_container_refuses_is_said_before_the_network_sees_a_frame(tmp_path, clip, monkeypatch):
    monkeypatch.setattr(encoder, "codecs_of", lambda target: {"h264", "aac", "subrip"})
    source, painter = write(tmp_path / "words.mkv", moving(4), subtitles=["one"]), Painter()
    with pytest.raises(FilmError, match="a file that ends in .mp4 does not take all of it: choose .mkv"):
        colorize(painter, source, tmp_path / "color.mp4")
    assert painter.pictures == 0 and files_of(tmp_path) == ["film.mp4", "words.mkv"]


def test_a_raw_dv_film_has_its_own_rate(tmp_path):
    source = write(tmp_path / "film.dv", moving(3, 576, 720), codec="dvvideo", options={}, unit=Fraction(1, 25))
    assert probe(source).rate == 25
    assert colorize(Painter(), source, tmp_path / "color.mp4").frames == 3
    assert times_of(tmp_path / "color.mp4") == [0, 0.04, 0.08]


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_encoders_do_not_chat(tmp_path, clip, codec, capfd):
    colorize(Painter(), clip, tmp_path / "color.mkv", Settings(codec=codec, preview=0.1))
    assert capfd.readouterr() == ("", "")
