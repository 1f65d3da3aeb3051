"""Films as a person types them: files on the disk, words on the screen, exit status."""

import os
import signal
import subprocess
import sys
import time
from fractions import Fraction

import pytest
from clips import Painter, moving, times_of, write
from conftest import REPOSITORY, draw_picture
from PIL import Image

from colorizer.cli import colorize as command
from colorizer.cli import film
from colorizer.errors import FilmError, WeightsError
from colorizer.film import container
from colorizer.film.parts import Parts, require_free


@pytest.fixture
def colorize(tmp_path, monkeypatch, capsys):
    """Calls the command in a folder of its own, with a stand-in for the network; returns status, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "load", lambda *_: Painter())

    def call(*words):
        try:
            status = command.main([*map(str, words)], prog="colorize.py")
        except SystemExit as stop:  # argparse's way
            status = stop.code
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def test_a_film_into_a_named_file_and_again(colorize, tmp_path):
    write(tmp_path / "film.mp4", moving(6) + moving(6, seed=3), sound=True)
    status, out, err = colorize("film.mp4", "-o", "deep/color.mkv")
    assert (status, err) == (0, "")
    assert out.startswith("film.mp4 -> deep/color.mkv (64x48, 25 frames/s, 0.5 s)\n")
    assert "deep/color.mkv: 12 frames, 2 shots, " in out and len(times_of(tmp_path / "deep/color.mkv")) == 12
    assert "exists already: skipped" in colorize("film.mp4", "-o", "deep/color.mkv")[1]
    assert "12 frames" in colorize("film.mp4", "-o", "deep/color.mkv", "--overwrite")[1]
    assert os.listdir("deep") == ["color.mkv"]


def test_films_and_photos_together_go_into_a_folder(colorize, tmp_path, monkeypatch):
    for name in ("a.mp4", "b.MKV"):
        write(tmp_path / name, moving(3))
    (tmp_path / "c.avi").write_bytes(b"a shopping list")
    status, out, err = colorize("*.*", "-o", "out")
    assert status == 1 and err == "colorize.py: c.avi: no film, or damaged: Invalid data found when processing input\n"
    assert sorted(os.listdir("out")) == ["a.mp4", "b.MKV", "report.csv"]
    seen = []
    monkeypatch.setattr(command, "_run_photos", lambda flags, prog, inputs: seen.append(inputs) or 0)
    Image.fromarray(draw_picture(0)).save("photo.png")
    assert colorize("photo.png", "a.mp4", "-o", "both")[0] == 0
    assert seen == [["photo.png"]] and sorted(os.listdir("both")) == ["a.mp4", "report.csv"]


def test_a_photo_beside_a_film_has_a_row_also_if_it_fails(colorize, tmp_path):
    write(tmp_path / "a.mp4", moving(3))
    (tmp_path / "bad.jpg").write_text("a shopping list")
    assert colorize("bad.jpg", "a.mp4", "-o", "mix")[0] == 1
    lines = (tmp_path / "mix/report.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["bad.jpg", "a.mp4"] and ",failed," in lines[1]


def test_a_film_with_a_name_of_its_own_is_known_to_a_report_that_is_there(colorize, tmp_path):
    for name, seed in (("p/m.mp4", 0), ("q/m.mp4", 3)):
        (tmp_path / name).parent.mkdir()
        write(tmp_path / name, moving(3, seed=seed), options={"crf": str(20 + seed)})
    assert colorize("p", "-o", "out")[0] == 0
    assert colorize("q/m.mp4", "-o", "out/m.mp4", "--overwrite")[0] == 0
    status, _, err = colorize("p", "-o", "out")
    assert status == 1 and "out/m.mp4 was made from q/m.mp4" in err


def test_another_films_copy_is_not_taken_for_done(colorize, tmp_path):
    for name, seed in (("p/m.mp4", 0), ("q/m.mp4", 3)):
        (tmp_path / name).parent.mkdir()
        write(tmp_path / name, moving(3, seed=seed), options={"crf": str(20 + seed)})
    assert colorize("p/m.mp4", "-o", "out")[0] == 0
    before = (tmp_path / "out/m.mp4").read_bytes()
    assert "out/m.mp4 exists already: skipped" in colorize("p/m.mp4", "-o", "out/m.mp4")[1]
    assert "out/m.mp4 exists already: would be skipped" in colorize("p", "-o", "out", "--dry-run")[1]
    for words in (["q/m.mp4", "-o", "out"], ["q", "-o", "out", "--dry-run"], ["q/m.mp4", "-o", "out/m.mp4"]):
        status, _, err = colorize(*words)
        assert status == 1 and "q/m.mp4: out/m.mp4 was made from p/m.mp4: choose another -o, or replace it" in err
    assert (tmp_path / "out/m.mp4").read_bytes() == before
    assert colorize("q/m.mp4", "-o", "out", "--overwrite")[0] == 0
    status, _, err = colorize("p/m.mp4", "-o", "out")
    assert status == 1 and "out/m.mp4 was made from q/m.mp4" in err


def test_a_pattern_leaves_out_films_of_the_output_folder(colorize, tmp_path):
    (tmp_path / "album/deep").mkdir(parents=True)
    for name in ("a.mp4", "deep/b.mp4"):
        write(tmp_path / "album" / name, moving(2))
    assert colorize("album/**/*.mp4", "-o", "album/color")[0] == 0
    status, out, err = colorize("album/**/*.mp4", "-o", "album/color")
    assert (status, err) == (0, "") and out.count("exists already: skipped") == 2


def test_a_preview_stands_beside_the_whole_film(colorize, tmp_path):
    write(tmp_path / "film.mp4", moving(20))
    for _ in range(2):  # a preview is for trying: the next one replaces it
        status, out, _ = colorize("film.mp4", "-o", "color.mp4", "--preview", "0.3")
        assert status == 0 and "film.mp4 -> color.preview.mp4 (64x48" in out and "skipped" not in out
    assert len(times_of(tmp_path / "color.preview.mp4")) == 8 and not os.path.exists("color.mp4")
    assert "color.mp4: 20 frames" in colorize("film.mp4", "-o", "color.mp4")[1]
    colorize("film.mp4", "-o", "color.mp4", "--preview", "0.1", "--overwrite")
    assert len(times_of(tmp_path / "color.mp4")) == 20 and len(times_of(tmp_path / "color.preview.mp4")) == 3


def test_in_a_folder_old_containers_become_matroska(colorize, tmp_path):
    (tmp_path / "reels").mkdir()
    for name, codec in (("a.avi", "mpeg4"), ("b.mkv", "libx264"), ("c.wmv", "wmv2")):
        unit = {"unit": Fraction(1, 25), "options": {}} if codec != "libx264" else {}
        write(tmp_path / "reels" / name, moving(3), codec=codec, **unit)
    status, _, err = colorize("reels", "-o", "out")
    assert (status, err) == (0, "")
    assert sorted(os.listdir("out")) == ["a.avi.mkv", "b.mkv", "c.wmv.mkv", "report.csv"]


def test_size_reaches_the_network(colorize, tmp_path, monkeypatch):
    write(tmp_path / "film.mp4", moving(3))
    asked = []
    monkeypatch.setattr(command, "load", lambda *words: asked.append(words) or Painter())
    assert colorize("film.mp4", "-o", "color.mp4", "--size", "256")[0] == 0
    assert asked == [(None, None, None, None, 256)]


def test_what_cannot_be_encoded_or_written_is_said_before_the_network_is_loaded(colorize, tmp_path, monkeypatch):
    write(tmp_path / "film.mp4", moving(3))
    (tmp_path / "notes").write_text("")
    monkeypatch.setattr(command, "load", lambda *_: pytest.fail("loaded"))
    status, _, err = colorize("film.mp4", "-o", "color.mov", "--codec", "prores_ks")
    assert status == 1 and "the encoder prores_ks does not take it" in err
    status, _, err = colorize("film.mp4", "-o", "notes/color.mp4")
    assert status == 2 and "notes is not a folder" in err
    assert sorted(os.listdir()) == ["film.mp4", "notes"]


def test_a_disk_that_fills_up_at_the_end_of_a_film_does_not_stop_the_next(colorize, tmp_path, monkeypatch):
    for name in ("a.mp4", "b.mp4"):
        write(tmp_path / name, moving(3))
    close = Parts.close

    def full(parts):
        if parts.output.name == "a.mp4":
            raise OSError(28, "No space left on device")
        close(parts)

    monkeypatch.setattr(Parts, "close", full)
    status, _, err = colorize("a.mp4", "b.mp4", "-o", "out")
    assert status == 1 and err == "colorize.py: out/a.mp4: cannot be written: No space left on device\n"
    rows = (tmp_path / "out/report.csv").read_text().splitlines()
    assert os.path.exists("out/b.mp4") and len(rows) == 3 and "No space left" in rows[1]


@pytest.mark.parametrize("error", [MemoryError, RuntimeError])
def test_what_nobody_expects_of_a_film_does_not_stop_the_next(colorize, tmp_path, monkeypatch, error):
    for name in ("a.mp4", "b.mp4"):
        write(tmp_path / name, moving(3))
    network = Painter()
    predict = network.predict_ab

    def once(rgbs):
        monkeypatch.setattr(network, "predict_ab", predict)
        raise error("stopped")

    monkeypatch.setattr(network, "predict_ab", once)
    monkeypatch.setattr(command, "load", lambda *_: network)
    status, _, err = colorize("a.mp4", "b.mp4", "-o", "out")
    reason = "not enough memory to colorize it" if error is MemoryError else "cannot be colorized: stopped"
    rows = (tmp_path / "out/report.csv").read_text().splitlines()
    assert status == 1 and f"colorize.py: a.mp4: {reason}" in err and len(rows) == 3 and reason in rows[1]
    assert len(times_of(tmp_path / "out/b.mp4")) == 3


def test_weights_that_cannot_be_had_end_all_films(colorize, tmp_path, monkeypatch):
    def absent(*_):
        raise WeightsError("no such weights")

    monkeypatch.setattr(command, "load", absent)
    for name in ("a.mp4", "b.mp4"):
        write(tmp_path / name, moving(3))
    status, _, err = colorize("a.mp4", "b.mp4", "-o", "out")
    assert status == 2 and err.count("no such weights") == 1


@pytest.fixture
def album(tmp_path, monkeypatch):
    """A folder with a photo and two films; the photos that are colored are counted."""
    (tmp_path / "album" / "deep").mkdir(parents=True)
    write(tmp_path / "album/a.mp4", moving(3))
    write(tmp_path / "album/deep/b.mkv", moving(3))
    Image.fromarray(draw_picture(0)).save(tmp_path / "album/photo.png")
    seen = []
    monkeypatch.setattr(command, "_run_photos", lambda flags, prog, inputs: seen.append(inputs) or 0)
    return seen


def test_a_folder_of_photos_and_films_is_mirrored(colorize, tmp_path, album):
    status, _, err = colorize("album", "-o", "album/out")
    assert (status, err) == (0, "") and album == [["album"]]
    assert sorted(os.listdir("album/out")) == ["a.mp4", "deep", "report.csv"] and os.listdir("album/out/deep") == [
        "b.mkv"
    ]
    out = colorize("album", "-o", "album/out")[1]
    assert out.count("exists already: skipped") == 2  # and the results are no films of the folder


def test_a_folder_of_films_alone_needs_no_photo(colorize, tmp_path, album):
    (tmp_path / "album/photo.png").unlink()
    assert colorize("album", "-o", "out")[0] == 0 and album == []
    assert os.listdir("out/deep") == ["b.mkv"]
    status, _, err = colorize("album", "-o", "out.mp4")
    assert status == 2 and "-o out.mp4 names a film; several inputs, or a folder of them, need a folder" in err


def test_folders_that_are_not_searched_are_named_once(colorize, tmp_path, album):
    (tmp_path / "elsewhere").mkdir()
    write(tmp_path / "elsewhere/c.mp4", moving(3))
    (tmp_path / "album/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "album/photo.png").unlink()
    for words in (["album"], ["album", "album"]):
        status, out, err = colorize(*words, "-o", "out")
        assert status == 1 and err.count("album/link: a link to a folder, which is not followed") == 1, words
    assert out.count("exists already: skipped") == 2 and album == []
    Image.fromarray(draw_picture(0)).save(tmp_path / "album/photo.png")  # then the line comes with the photos
    assert "link" not in colorize("album", "-o", "out")[2]


def test_a_film_that_is_named_twice_is_done_once(colorize, tmp_path, album):
    (tmp_path / "album/photo.png").unlink()
    status, out, _ = colorize("album", "album/a.mp4", "-o", "out")
    assert status == 0 and out.count("album/a.mp4 -> out/a.mp4 ") == 1 and os.listdir("out/deep") == ["b.mkv"]
    status, out, _ = colorize("album/a.mp4", "album/a.mp4", "-o", "one.mp4")
    assert status == 0 and out.count(" -> one.mp4 ") == 1


def test_hints_of_a_folder_are_for_its_photos(colorize, tmp_path, album):
    assert colorize("album", "-o", "out", "--hints", "beside")[0] == 0 and os.path.exists("out/a.mp4")
    status, _, err = colorize("album/a.mp4", "-o", "c.mp4", "--hints", "beside")
    assert status == 2 and "are for photos. Received: a film." in err


def test_without_pyav_the_photos_of_a_folder_are_done(colorize, album, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    status, _, err = colorize("album", "-o", "out")
    assert status == 1 and album == [["album"]] and 'pip install -e ".[film]"' in err


def test_a_dry_run_loads_nothing_and_writes_nothing(colorize, tmp_path, monkeypatch):
    write(tmp_path / "film.mp4", moving(3))
    monkeypatch.setattr(command, "load", lambda *_: pytest.fail("loaded"))
    status, out, _ = colorize("film.mp4", "-o", "color.mp4", "--dry-run")
    assert status == 0 and "film.mp4 -> color.mp4 (64x48" in out and os.listdir() == ["film.mp4"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["film.mp4", "-o", "color.png"], "-o of a film ends in one of .mp4"),
        (["film.mp4", "-o", "film.mp4"], "film.mp4 is one of the films to colorize"),
        (["c.part.mp4", "-o", "c.mp4"], "c.part.mp4 is one of the films to colorize"),
        (["film.mp4", "b/film.part.mp4", "-o", "out"], "b/film.part.mp4 would become out/film.part.mp4, the name of"),
        (["film.mp4", "b/film.mp4", "-o", "out"], "film.mp4 and b/film.mp4 would both become out/film.mp4"),
        (["film.mp4", "b/film.mp4", "-o", "notes"], "-o notes is a file"),
        (["film.mp4", "-o", "c.mp4", "--codec", "nonsense"], "--codec is one of h264"),
        (["film.mp4", "-o", "c.mp4", "--crf", "70"], "--crf lies between 0 and 51. Received: 70"),
        (["film.mp4", "-o", "c.mp4", "--preview", "0"], "--preview is more than 0 seconds. Received: 0.0"),
        (["film.mp4", "-o", "-"], "results are files and do not go to standard output"),
        (["film.mp4", "-o", "s3://bucket/out.mp4"], "-o is a file or a folder of this computer"),
        (["film.mp4", "-o", "out", "--format", "png"], "--format is for photos"),
        (["absent.mp4", "-o", "c.mp4"], "no such file or folder: absent.mp4"),
    ],
)
def test_wrong_usage_writes_nothing(colorize, tmp_path, words, reason):
    (tmp_path / "b").mkdir()
    for name in ("film.mp4", "b/film.mp4", "c.part.mp4", "b/film.part.mp4"):
        write(tmp_path / name, moving(2))
    (tmp_path / "notes").write_text("")
    before = sorted(os.listdir())
    status, _, err = colorize(*words)
    assert status in (1, 2) and reason in err and sorted(os.listdir()) == before


def test_what_is_wrong_with_a_film_is_said_before_the_photos_beside_it_are_done(colorize, tmp_path, album, monkeypatch):
    refused = {
        "album/photo.png album/a.mp4 -o fresh.jpg": "-o fresh.jpg names a photo; several inputs, or a folder of them",
        "album/photo.png album/a.mp4 -o out --codec vp99": "--codec is one of h264",
        "album -o out --codec vp99": "--codec is one of h264",
    }
    for words, reason in refused.items():
        status, _, err = colorize(*words.split())
        assert status == 2 and reason in err and album == [] and os.listdir() == ["album"], words
    monkeypatch.setitem(sys.modules, "av", None)
    status, _, err = colorize("album/photo.png", "album/a.mp4", "-o", "out")
    assert status == 2 and album == [] and 'pip install -e ".[film]"' in err


def test_without_pyav_the_message_says_what_to_install(colorize, tmp_path, monkeypatch):
    write(tmp_path / "film.mp4", moving(2))
    monkeypatch.setitem(sys.modules, "av", None)
    status, _, err = colorize("film.mp4", "-o", "color.mp4")
    assert status == 2 and 'pip install -e ".[film]"' in err


def test_ctrl_c_says_where_the_beginning_is(colorize, tmp_path, monkeypatch):
    write(tmp_path / "film.mp4", moving(12) + moving(8, seed=3))
    monkeypatch.setattr(command, "load", lambda *_: Painter(stop_after=4, error=KeyboardInterrupt))
    status, _, err = colorize("film.mp4", "-o", "color.mp4")
    assert status == 130 and "are in color.part.mp4. Run the same command again to continue." in err
    monkeypatch.setattr(command, "load", lambda *_: Painter())
    assert "20 frames, 12 of them by an earlier run, " in (out := colorize("film.mp4", "-o", "color.mp4")[1])
    assert "shot" not in out


def test_ctrl_c_says_what_is_done_also_where_the_beginning_cannot_be_written(colorize, tmp_path, monkeypatch):
    write(tmp_path / "film.mp4", moving(12) + moving(8, seed=3))
    network = Painter(stop_after=4, error=KeyboardInterrupt)
    monkeypatch.setattr(command, "load", lambda *_: network)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(container, "_write", full)
    status, _, err = colorize("film.mp4", "-o", "color.mp4")
    assert status == 130 and "interrupted; the first 0.4 s are done, but color.part.mp4 cannot be written: No sp" in err
    assert "device. Run the same command again to continue." in err


def test_a_second_run_on_one_film_is_refused_before_the_network_is_loaded(colorize, tmp_path, monkeypatch):
    write(tmp_path / "film.mp4", moving(2))
    monkeypatch.setattr(command, "load", lambda *_: pytest.fail("the network was loaded"))
    with Parts(tmp_path / "color.mp4", {}):
        status, _, err = colorize("film.mp4", "-o", "color.mp4")
    assert status == 1 and "color.mp4: another run is making this film now. Received: " in err
    assert "Wait until that run ends, stop it, or choose another output" in err


def test_another_flag_does_not_throw_away_what_an_interrupted_run_has_done(colorize, tmp_path, monkeypatch):
    write(tmp_path / "film.mp4", moving(12) + moving(8, seed=3))
    monkeypatch.setattr(command, "load", lambda *_: Painter(stop_after=4, error=KeyboardInterrupt))
    assert colorize("film.mp4", "-o", "color.mp4", "--strength", "0.9")[0] == 130
    monkeypatch.setattr(command, "load", lambda *_: Painter())
    status, _, err = colorize("film.mp4", "-o", "color.mp4")
    assert status == 1 and "color.mp4: an earlier run finished 12 frames of it with something else: strength 0.9" in err
    assert "begin anew with --overwrite, or remove the folder .color.mp4.parts" in err
    assert "20 frames, 2 shots" in colorize("film.mp4", "-o", "color.mp4", "--overwrite")[1]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
def test_a_killed_process_is_continued(tmp_path):
    write(tmp_path / "film.mp4", [frame for seed in range(1, 7) for frame in moving(12, seed=seed)])
    code = (
        f"import sys, time; sys.path[:0] = [r'{REPOSITORY}/tests', r'{REPOSITORY}/tests/film']\n"
        "from clips import Painter\n"
        "from colorizer.film.colorize import colorize\n"
        "print(colorize(Painter(), 'film.mp4', 'color.mp4', progress=lambda n: time.sleep(float(sys.argv[1]))).resumed)"
    )
    words = [sys.executable, "-c", code]
    killed = subprocess.Popen([*words, "0.05"], cwd=tmp_path)
    parts = tmp_path / ".color.mp4.parts"
    limit = time.monotonic() + 60
    while len(list(parts.glob("0*.npz"))) < 2 and time.monotonic() < limit:
        time.sleep(0.02)
    with pytest.raises(FilmError, match="another run is making this film now"):
        require_free(tmp_path / "color.mp4")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "color.mp4").exists()
    again = subprocess.run([*words, "0"], cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 0 and int(again.stdout) >= 24, again.stderr
    assert times_of(tmp_path / "color.mp4") == times_of(tmp_path / "film.mp4")
    assert sorted(os.listdir(tmp_path)) == ["color.mp4", "film.mp4"]


def test_progress_without_a_terminal_is_a_line_now_and_then(monkeypatch, capsys):
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(film.time, "monotonic", lambda: next(clock))
    with film._progress(100) as step:
        for done in range(1, 6):
            step(done)
    assert capsys.readouterr().err.splitlines() == [
        "2 frames of 100, 32:40 left, 0.1 frames/s",
        "4 frames of 100, 32:00 left, 0.1 frames/s",
    ]
