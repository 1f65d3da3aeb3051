"""A whole film: its colors and pixels, what a kill and Ctrl-C leave, and what bad files are told."""

from fractions import Fraction

import numpy as np
import pytest
from clips import Painter, av, files_of, moving, packets_of, pictures_of, times_of, two_shots, write

from colorizer.errors import FilmError
from colorizer.film import colorize as films
from colorizer.film import container, parts, reader
from colorizer.film.colorize import Settings, colorize, partial_name
from colorizer.film.probe import Film, probe
from colorizer.inference import memory


@pytest.fixture
def clip(tmp_path):
    return two_shots(tmp_path / "film.mp4")


def test_a_film_comes_back_in_color_with_its_luminance(tmp_path, clip):
    done, painter = [], Painter()
    result = colorize(painter, clip, tmp_path / "color.mp4", progress=done.append)
    assert (result.frames, result.shots, result.cut_short, result.notes) == (20, 2, 0, [])
    assert done == list(range(1, 21)) and painter.pictures == result.keys == 5
    assert files_of(tmp_path) == ["color.mp4", "film.mp4"]
    for gray, rgb in zip(pictures_of(clip), pictures_of(tmp_path / "color.mp4"), strict=True):
        assert np.ptp(rgb.astype(int), axis=-1).mean() > 15
        assert np.abs(rgb @ [0.299, 0.587, 0.114] - gray.mean(axis=-1)).mean() < 12  # luma moves, L* does not


def test_strength_0_is_gray(tmp_path, clip):
    colorize(Painter(), clip, tmp_path / "gray.mp4", Settings(strength=0.0))
    assert max(np.ptp(rgb.astype(int), axis=-1).max() for rgb in pictures_of(tmp_path / "gray.mp4")) <= 2


def test_a_colon_in_a_name_is_no_address(tmp_path, clip, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clip.rename("12:30.mp4")
    assert colorize(Painter(), "12:30.mp4", "13:30.mp4").frames == 20
    assert files_of(tmp_path) == ["12:30.mp4", "13:30.mp4"]


def test_a_playlist_opens_no_other_file(tmp_path, clip):
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {clip.name}\n")
    with pytest.raises(FilmError, match="no film, or damaged"):
        probe(tmp_path / "list.mp4")


@pytest.mark.parametrize("turn", [90, 180, -90])
def test_a_turned_film_stays_turned_and_the_network_sees_it_upright(tmp_path, turn):
    shapes = []

    class Watching(Painter):
        def predict_ab(self, rgbs):
            shapes.append(rgbs[0].shape[:2])
            upright = rgbs[0][..., 0].astype(int)
            shapes.append(upright[: len(upright) // 2].mean() > upright[len(upright) // 2 :].mean())
            return super().predict_ab(rgbs)

    upright = np.full((64, 48) if turn != 180 else (48, 64), 60, np.uint8)
    upright[: len(upright) // 2] = 200
    stored = np.rot90(upright, -(turn // 90))
    source = write(tmp_path / "film.mp4", [stored] * 4, rotation=turn)
    colorize(Watching(), source, tmp_path / "color.mp4")
    assert probe(tmp_path / "color.mp4").quarter_turns == turn // 90 % 4
    assert shapes[:2] == [upright.shape, True]
    top = np.rot90(pictures_of(tmp_path / "color.mp4")[0].astype(int), turn // 90)[:10].mean(axis=(0, 1))
    assert top[0] > top[2] + 20  # light is warm


def test_full_range_is_read_as_such(tmp_path):
    frames = [np.tile(np.linspace(0, 255, 64, dtype=np.uint8), (48, 1))] * 3
    source = write(tmp_path / "film.avi", frames, codec="mjpeg", pix_fmt="yuvj420p", options={})
    colorize(Painter(), source, tmp_path / "color.mp4", Settings(strength=0.0))
    shown = pictures_of(tmp_path / "color.mp4")[0][24, :, 1].astype(int)
    np.testing.assert_allclose(shown, frames[0][0], atol=8)


class Killed(Exception):
    """Stands for a kill: nothing of the program runs after it."""


def test_a_killed_film_is_continued_shot_by_shot(tmp_path, clip, monkeypatch):
    monkeypatch.setattr(films, "PART_FRAMES", 6)
    colorize(Painter(), clip, tmp_path / "whole.mp4")
    with pytest.raises(Killed):
        colorize(Painter(stop_after=4, error=Killed), clip, tmp_path / "color.mp4")
    assert not (tmp_path / "color.mp4").exists()
    again = Painter()
    result = colorize(again, clip, tmp_path / "color.mp4")
    assert result.resumed == 12 and result.frames == 20 and again.pictures == 2
    assert times_of(tmp_path / "color.mp4") == times_of(clip)
    assert packets_of(tmp_path / "color.mp4", "audio") == packets_of(clip, "audio")
    assert files_of(tmp_path) == ["color.mp4", "film.mp4", "whole.mp4"]
    assert (tmp_path / "color.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_parts_of_other_settings_are_refused_and_kept(tmp_path, clip):
    with pytest.raises(Killed):
        colorize(Painter(stop_after=4, error=Killed), clip, tmp_path / "color.mp4", Settings(strength=0.9))
    with pytest.raises(FilmError, match=r"finished 12 frames .* crf 18 -> 20, strength 0\.9 -> 1\.0\. Repeat that"):
        colorize(Painter(), clip, tmp_path / "color.mp4", Settings(crf=20))
    with pytest.raises(FilmError, match=r"preview None -> 1"):
        colorize(Painter(), clip, tmp_path / "color.mp4", Settings(preview=1))
    assert colorize(Painter(), clip, tmp_path / "color.mp4", Settings(strength=0.9)).resumed == 12


def test_parts_of_other_settings_are_done_again_where_that_is_asked_for(tmp_path, clip):
    for earlier, later in ((Settings(), {"overwrite": True}), (Settings(preview=10), {})):
        with pytest.raises(Killed):
            colorize(Painter(stop_after=4, error=Killed), clip, tmp_path / "color.mp4", earlier)
        painter = Painter()
        result = colorize(painter, clip, tmp_path / "color.mp4", Settings(strength=0.5), **later)
        assert result.resumed == 0 and painter.pictures == 5


def test_ctrl_c_leaves_a_playable_film_and_the_next_run_continues(tmp_path, clip):
    with pytest.raises(films.Interrupted) as stop:
        colorize(Painter(stop_after=4, error=KeyboardInterrupt), clip, tmp_path / "color.mp4")
    part = partial_name(tmp_path / "color.mp4")
    assert stop.value.output == part and not (tmp_path / "color.mp4").exists()
    assert times_of(part) == times_of(clip)[: len(times_of(part))] and len(times_of(part)) >= 12
    assert 0 < len(packets_of(part, "audio")) < len(packets_of(clip, "audio"))
    result = colorize(Painter(), clip, tmp_path / "color.mp4")
    assert result.resumed == 12 and times_of(tmp_path / "color.mp4") == times_of(clip)
    assert not part.exists()


def test_ctrl_c_while_a_part_is_written_loses_that_part_alone(tmp_path, clip, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(parts, "save", stopped)
    with pytest.raises(films.Interrupted) as stop:
        colorize(Painter(), clip, tmp_path / "color.mp4")
    assert stop.value.output is None
    monkeypatch.undo()
    assert colorize(Painter(), clip, tmp_path / "color.mp4").frames == 20
    assert times_of(tmp_path / "color.mp4") == times_of(clip)


def test_ctrl_c_on_a_full_disk_keeps_the_finished_parts(tmp_path, clip, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(container, "_write", full)
    with pytest.raises(films.Interrupted) as stop:
        colorize(Painter(stop_after=4, error=KeyboardInterrupt), clip, tmp_path / "color.mp4")
    assert stop.value.output is None and not partial_name(tmp_path / "color.mp4").exists()
    assert stop.value.seconds == pytest.approx(0.44) and stop.value.reason == "No space left on device"
    monkeypatch.undo()
    assert colorize(Painter(), clip, tmp_path / "color.mp4").resumed == 12


def test_parts_of_weights_that_were_trained_further_are_not_used(tmp_path, clip):
    weights = tmp_path / "best.weights.h5"
    weights.write_bytes(b"one")
    stopped, painter = Painter(stop_after=4, error=Killed), Painter()
    stopped.weights = painter.weights = weights
    with pytest.raises(Killed):
        colorize(stopped, clip, tmp_path / "color.mp4")
    weights.write_bytes(b"other")
    with pytest.raises(FilmError, match=r"something else: weights changed\. Repeat that"):
        colorize(painter, clip, tmp_path / "color.mp4")
    assert colorize(painter, clip, tmp_path / "color.mp4", overwrite=True).resumed == 0


def test_ctrl_c_before_the_first_frame_leaves_nothing(tmp_path, clip):
    with pytest.raises(films.Interrupted) as stop:
        colorize(Painter(stop_after=0, error=KeyboardInterrupt), clip, tmp_path / "color.mp4")
    assert stop.value.output is None and not partial_name(tmp_path / "color.mp4").exists()


def test_a_preview_is_the_beginning(tmp_path, clip):
    result = colorize(Painter(), clip, tmp_path / "color.mp4", Settings(preview=0.3))
    assert result.frames == 8 and times_of(tmp_path / "color.mp4") == times_of(clip)[:8]
    assert packets_of(tmp_path / "color.mp4", "audio")[-1][0] < 0.35 and result.cut_short == 0


def test_a_preview_of_a_picture_that_begins_late_is_its_beginning(tmp_path):
    times = [3000 + 40 * number for number in range(20)]
    source = write(tmp_path / "film.mkv", moving(20), times=times, sound=True)
    assert colorize(Painter(), source, tmp_path / "color.mkv", Settings(preview=0.3)).frames == 8
    first, *_, last = times_of(tmp_path / "color.mkv")
    assert first > 2.8 and last - first == pytest.approx(0.28)


def test_a_truncated_film_is_said_and_written_under_another_name(tmp_path):
    whole = write(tmp_path / "whole.mkv", moving(100), options={"crf": "5", "g": "5"})
    cut = tmp_path / "film.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    result = colorize(Painter(), cut, tmp_path / "color.mkv")
    assert 1 < result.cut_short < 3 and result.output == tmp_path / "color.part.mkv"
    assert files_of(tmp_path) == ["color.part.mkv", "film.mkv", "whole.mkv"]
    assert len(times_of(result.output)) == result.frames > 20


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty file"), (b"a shopping list" * 99, "no film, or damaged"), (None, "no such file")],
)
def test_what_is_no_film(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "film.mp4").write_bytes(content)
    before = files_of(tmp_path)
    with pytest.raises(FilmError, match=reason):
        colorize(Painter(), tmp_path / "film.mp4", tmp_path / "color.mp4")
    assert files_of(tmp_path) == before


def test_sound_alone_is_no_film(tmp_path, clip):
    with av.open(str(clip)) as source, av.open(str(tmp_path / "sound.mp4"), "w") as target:
        copy = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    with pytest.raises(FilmError, match="no picture in it. Received: audio"):
        probe(tmp_path / "sound.mp4")


def test_damage_inside_a_film_is_counted_and_the_rest_is_colored(tmp_path):
    source = write(tmp_path / "film.avi", moving(40), codec="png", pix_fmt="gray", options={})
    data = bytearray(source.read_bytes())
    middle = len(data) // 2
    start = data.index(b"\x89PNG", middle)
    data[start : start + 8] = bytes(8)
    source.write_bytes(data)
    result = colorize(Painter(), source, tmp_path / "color.mp4")
    assert 35 <= result.frames < 40 and result.output.name == "color.mp4"
    assert any("could not be decoded" in note for note in result.notes)


def deep_film(path, codec="ffv1", options=None, **about):
    """A film of one shot whose luma has all levels of 10 bits, and these levels."""
    luma = np.tile(np.arange(64, 940, dtype=np.uint16)[:864].reshape(12, 72).repeat(4, axis=0), (1, 1))
    planes = np.concatenate([luma.ravel(), np.full(luma.size // 2, 512, np.uint16)]).reshape(-1, 72)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = 72, 48, "yuv420p10le"
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p10le")
            frame.pts = number
            for name, value in about.items():
                setattr(frame, name, value)
                setattr(stream.codec_context, name, value)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return luma


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_ten_bits_are_kept_to_the_level(tmp_path, codec):
    luma = deep_film(tmp_path / "deep.mkv")
    result = colorize(Painter(), tmp_path / "deep.mkv", tmp_path / "1.mkv", Settings(0.0, codec, crf=0))
    assert result.notes == []
    with av.open(str(tmp_path / "1.mkv")) as container:
        frames = [frame for frame in container.decode(video=0)]
    assert len(frames) == 3 and frames[0].format.name == "yuv420p10le"
    errors = [np.abs(frame.to_ndarray()[:48].astype(int) - luma) for frame in frames]
    assert np.mean(errors) < 0.6 and np.percentile(errors, 99) <= 3  # 8 bits are 4 levels apart


@pytest.mark.parametrize("ending", ["mkv", "mp4"])
@pytest.mark.parametrize("encoder", ["libx265", "libsvtav1", "libaom-av1"])
def test_films_of_ten_bits_in_hevc_and_av1_are_read(tmp_path, encoder, ending):
    if encoder not in av.codecs_available:
        pytest.skip(f"This PyAV has no encoder {encoder} to make the film with.")
    source = tmp_path / f"deep.{ending}"
    # Lossless where the encoder can: an encoder's blocks would be hard to write again to the level.
    options = {"x265-params": "lossless=1:log-level=none"} if encoder == "libx265" else {"crf": "10"}
    deep_film(source, encoder, options)
    with av.open(str(source)) as container:
        shown = [frame.to_ndarray()[:48].astype(int) for frame in container.decode(video=0)]
    assert probe(source).bits == 10 and len(shown) == 3
    result = colorize(Painter(), source, tmp_path / f"color.{ending}", Settings(0.0, crf=0))
    assert (result.frames, result.notes, result.output.name) == (3, [], f"color.{ending}")
    with av.open(str(result.output)) as container:
        frames = list(container.decode(video=0))
    assert frames[0].format.name == "yuv420p10le"
    errors = [np.abs(frame.to_ndarray()[:48].astype(int) - luma) for frame, luma in zip(frames, shown, strict=True)]
    assert np.mean(errors) < 0.6 and np.percentile(errors, 99) <= 3  # 8 bits are 4 levels apart


def test_fewer_bits_and_odd_sizes_are_said(tmp_path):
    deep = write(tmp_path / "deep.mkv", moving(3), codec="ffv1", pix_fmt="yuv420p10le", options={})
    notes = colorize(Painter(), deep, tmp_path / "1.mp4", Settings(codec="mpeg4")).notes
    assert notes == ["10 bits a channel are written as 8"]
    assert colorize(Painter(), deep, tmp_path / "3.mp4", Settings(bits=8)).notes == []
    with av.open(str(tmp_path / "3.mp4")) as container:
        assert container.streams.video[0].format.name == "yuv420p"
    odd = write(tmp_path / "odd.mkv", moving(3, 47, 63), codec="ffv1", pix_fmt="yuv444p", options={})
    (note,) = colorize(Painter(), odd, tmp_path / "2.mp4").notes
    assert "63x47 becomes 64x48" in note and pictures_of(tmp_path / "2.mp4")[0].shape == (48, 64, 3)


def test_an_interlaced_film_is_said_and_its_combs_removed(tmp_path):
    wide = moving(1, 48, 200)[0]
    frames = []
    for number in range(8):  # each field shows another moment
        frame = wide[:, 8 * number : 8 * number + 64].copy()
        frame[1::2] = wide[1::2, 8 * number + 4 : 8 * number + 68]
        frames.append(frame)
    options = {"flags": "+ildct+ilme", "qmin": "1", "qmax": "2"}
    source = write(tmp_path / "film.mpg", frames, codec="mpeg2video", options=options, unit=Fraction(1, 25))
    assert probe(source).interlaced

    def combs(path):
        gray = [rgb[..., 1].astype(int) for rgb in pictures_of(path)]
        return np.mean([np.abs(2 * g[1:-1] - g[:-2] - g[2:]).mean() for g in gray])

    for name, flag in (("combs.mp4", False), ("plain.mp4", True)):
        result = colorize(Painter(), source, tmp_path / name, Settings(strength=0.0, deinterlace=flag))
        assert flag or "--deinterlace removes them" in result.notes[0]
        assert (result.notes == []) == flag
        assert result.frames == 8 and times_of(tmp_path / name) == times_of(tmp_path / "combs.mp4")
    assert combs(tmp_path / "plain.mp4") < 0.5 * combs(tmp_path / "combs.mp4")


def test_a_film_too_large_for_the_memory_is_refused(tmp_path, clip, monkeypatch):
    monkeypatch.setattr(memory, "shortage", lambda need: f"not enough memory: {need}" if need > 10 else None)
    with pytest.raises(FilmError, match="64x48 pixels: not enough memory") as refusal:
        colorize(Painter(), clip, tmp_path / "color.mp4")
    assert int(str(refusal.value).split()[-1]) >= 227 * 64 * 48  # what the encoder takes by itself


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_becomes_sdr(tmp_path, transfer):
    luma = deep_film(tmp_path / "film.mkv", color_trc=transfer, colorspace=9, color_primaries=9)
    result = colorize(Painter(), tmp_path / "film.mkv", tmp_path / "1.mkv", Settings(0.0, crf=0))
    assert result.notes == [f"HDR ({'PQ' if transfer == 16 else 'HLG'}) becomes SDR, by the curve of ITU-R BT.2390"]
    with av.open(str(tmp_path / "1.mkv")) as container:
        frame = next(container.decode(video=0))
    assert int(frame.color_trc) == 1 and int(frame.colorspace) in (1, 6)
    expected = 64 + reader.sdr_curve(transfer)[np.rint((luma - 64.0) * 1023 / 876).astype(int)] * (876 / 1023)
    assert np.abs(frame.to_ndarray()[:48] - expected).mean() < 2


def test_the_curve_of_hdr_is_the_standards():
    pq, hlg = reader.sdr_curve(16), reader.sdr_curve(18)
    for curve in (pq, hlg):
        assert (np.diff(curve.astype(int)) >= 0).all() and curve[0] == 0 and curve[-1] == 1023
    # PQ's signal of 50 cd/m2 is 0.4403: below the knee it is 50 cd/m2 of the 203 of white, with a gamma of 2.4.
    assert pq[round(0.4403 * 1023)] == pytest.approx((50 / 203) ** (1 / 2.4) * 1023, abs=3)
    # The white of a scene, 203 cd/m2, is 0.5807 in PQ and 0.75 in HLG: nearly, not quite, the white of SDR.
    assert 0.8 < pq[round(0.5807 * 1023)] / 1023 < 0.95
    assert hlg[round(0.75 * 1023)] == pytest.approx(pq[round(0.5807 * 1023)], abs=8)


def test_a_disk_that_fills_up_leaves_no_half_film(tmp_path, clip, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(container, "_write", full)
    with pytest.raises(FilmError, match="No space left on device"):
        colorize(Painter(), clip, tmp_path / "color.mp4")
    assert [name for name in files_of(tmp_path) if not name.endswith(".parts")] == ["film.mp4"]
    monkeypatch.undo()
    assert colorize(Painter(), clip, tmp_path / "color.mp4").resumed == 20


def test_black_bars_are_not_shown_to_the_network(tmp_path):
    frames = [np.pad(gray | 64, ((12, 12), (0, 0))) for gray in moving(3)]
    shapes = []

    class Watching(Painter):
        def predict_ab(self, rgbs):
            shapes.append(rgbs[0].shape)
            return super().predict_ab(rgbs)

    source = write(tmp_path / "film.mkv", frames, codec="ffv1", options={})
    colorize(Watching(), source, tmp_path / "color.mp4")
    assert set(shapes) == {(48, 64, 3)}
    assert np.ptp(pictures_of(tmp_path / "color.mp4")[0][:8].astype(int), axis=-1).max() <= 8


def test_facts_of_a_film(clip):
    film = probe(clip)
    assert isinstance(film, Film) and film.bits == 8
    assert (film.width, film.height, film.rate, film.frames) == (64, 48, 25, 20)


def test_a_second_run_on_one_film_is_refused_and_harms_nothing(tmp_path, clip):
    first, second = Painter(), Painter()

    def meanwhile(done):
        if done == 14:  # the first shot is a part by now
            before = files_of(parts.folder_of(tmp_path / "color.mp4"))
            for settings in (Settings(), Settings(strength=0.5)):
                with pytest.raises(FilmError, match=r"another run is making this film now\. Received: .*\.parts.lock"):
                    colorize(second, clip, tmp_path / "color.mp4", settings)
            assert files_of(parts.folder_of(tmp_path / "color.mp4")) == before and "00000.npz" in before
            assert colorize(Painter(), clip, tmp_path / "other.mp4").frames == 20

    result = colorize(first, clip, tmp_path / "color.mp4", progress=meanwhile)
    assert result.frames == 20 and second.pictures == 0
    assert files_of(tmp_path) == ["color.mp4", "film.mp4", "other.mp4"]
    assert colorize(second, clip, tmp_path / "color.mp4").frames == 20  # nothing is locked any more
