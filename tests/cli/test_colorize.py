"""colorize.py as a person types it: files on the disk, words on the screen, exit status."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import REPOSITORY, draw_picture
from PIL import Image

from colorizer import methods, photos, weights
from colorizer.cli.colorize import FORMATS
from colorizer.inference import colorizer
from colorizer.photos import reader

SIZE = 32


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> str:
    """A run's folder, as train.py leaves it: the method "trivial", one color everywhere."""
    folder = tmp_path_factory.mktemp("runs") / "trivial-test"
    folder.mkdir()
    network = methods.get("trivial").build(SIZE)
    network.set_weights([np.array([0.2, 0.1], np.float32)])
    network.save_weights(folder / weights.BEST)
    (folder / "config.json").write_text(json.dumps({"method": "trivial", "image_size": SIZE, "classifier": "none"}))
    return str(folder)


@pytest.fixture
def colorize(run, tmp_path, monkeypatch, capsys):
    """Calls the script's `main` in a folder of its own; returns status, output, errors."""
    monkeypatch.syspath_prepend(REPOSITORY)
    monkeypatch.chdir(tmp_path)
    import colorize as script

    def call(*words, weights_given=True):
        try:
            status = script.main([*map(str, words), *(["--weights", run] if weights_given else [])])
        except SystemExit as stop:  # argparse's way
            status = stop.code
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def picture(path, index=0):
    """Saves a small picture; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_picture(index, 60, 80)).save(path)
    return path


def files_below(folder):
    """All files but the report."""
    names = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return sorted(name for name in names if not name.endswith("report.csv"))


def test_one_photo_into_a_named_file(colorize, tmp_path, run):
    picture(tmp_path / "photo.jpg")
    status, out, err = colorize("photo.jpg", "-o", "deep/color.png")
    assert (status, err) == (0, "") and "photo.jpg -> deep/color.png" in out and "1 done, 0 skipped, 0 failed" in out
    expected = colorizer.Colorizer.load(run).colorize(photos.read(tmp_path / "photo.jpg").rgb)
    np.testing.assert_array_equal(photos.read(tmp_path / "deep/color.png").rgb, expected)


@pytest.mark.parametrize("output", ["out/", "out", "there"])
def test_several_photos_go_into_a_folder_and_keep_name_and_format(colorize, tmp_path, output):
    picture(tmp_path / "a.jpg")
    picture(tmp_path / "b.v2.TIF", 1)
    picture(tmp_path / "c.png", 2).rename(tmp_path / "c.dat")
    (tmp_path / "there").mkdir()
    assert colorize("a.jpg", "b.v2.TIF", "c.dat", "-o", output)[0] == 0
    assert files_below(tmp_path / output) == ["a.jpg", "b.v2.TIF", "c.dat.png"]
    assert photos.read(tmp_path / output / "b.v2.TIF").metadata["format"] == "TIFF"


def test_a_folder_is_mirrored(colorize, tmp_path):
    for name in ("album/a.jpg", "album/1920/b.png", "album/1920/winter/b.png", "album/.thumbnails/x.txt"):
        picture((tmp_path / name).with_suffix(".png")).rename(tmp_path / name)
    picture(tmp_path / "album/._a.png").rename(tmp_path / "album/._a.jpg")
    (tmp_path / "album/notes.txt").write_text("nothing to see")
    status, out, _ = colorize("album", "-o", "out", "--batch-size", "2")
    assert status == 0 and "3 done" in out
    assert files_below(tmp_path / "out") == ["1920/b.png", "1920/winter/b.png", "a.jpg"]


def test_an_output_folder_inside_the_input_is_not_searched(colorize, tmp_path):
    picture(tmp_path / "album/a.png")
    for line in ("1 done, 0 skipped, 0 failed", "0 done, 1 skipped, 0 failed"):
        status, out, _ = colorize("album", "-o", "album/color")
        assert status == 0 and line in out
    assert files_below(tmp_path / "album") == ["a.png", "color/a.png"]


def test_a_pattern_leaves_out_photos_of_the_output_folder(colorize, tmp_path):
    for name in ("a.png", "deep/b.jpg"):
        picture(tmp_path / "album" / name)
    for line in ("2 done, 0 skipped, 0 failed", "0 done, 2 skipped, 0 failed"):
        status, out, _ = colorize("album/**/*.*g", "-o", "album/color")
        assert status == 0 and line in out
    status, _, err = colorize("album/color/*", "-o", "album/color")
    assert status == 2 and "is one of the photos to colorize" in err


def test_folders_that_a_pattern_names_are_searched(colorize, tmp_path):
    for name in ("in/a.png", "in/album/b.png", "in/other/c.png", "in/other/deep/d.png"):
        picture(tmp_path / name)
    assert colorize("in/*", "-o", "out")[0] == 0
    assert files_below(tmp_path / "out") == ["a.png", "b.png", "c.png", "deep/d.png"]
    assert colorize("in/**", "-o", "all")[0] == 0, "** names the files of its folders"
    assert files_below(tmp_path / "all")[:2] == ["a.png", "b.png"]


def test_patterns_are_expanded_where_the_shell_did_not(colorize, tmp_path):
    for i in range(3):
        picture(tmp_path / f"scans/{i}.png", i)
    (tmp_path / "scans/list.txt").write_text("0, 1, 2")
    picture(tmp_path / "odd[1].png")
    assert colorize("scans/*", "odd[1].png", "-o", "out")[0] == 0
    assert files_below(tmp_path / "out") == ["0.png", "1.png", "2.png", "odd[1].png"]


def test_a_photo_that_is_named_twice_is_done_once(colorize, tmp_path):
    picture(tmp_path / "album/a.png")
    status, out, _ = colorize("album", "album/a.png", "album/*.png", "-o", "out")
    assert status == 0 and "1 done, 0 skipped, 0 failed" in out


def test_an_existing_result_is_skipped_and_counted_so(colorize, tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"the old one")
    status, out, err = colorize("a.png", "-o", "b.png")
    assert (status, err) == (0, "") and "b.png exists already: skipped" in out
    assert out.splitlines()[-1] == "0 done, 1 skipped, 0 failed"
    assert (tmp_path / "b.png").read_bytes() == b"the old one"
    assert colorize("a.png", "-o", "b.png", "--overwrite")[0] == 0
    assert photos.read(tmp_path / "b.png").rgb.shape == (60, 80, 3)


def test_failures_are_named_with_their_reason_and_stop_nothing(colorize, tmp_path):
    picture(tmp_path / "in/a.png")
    picture(tmp_path / "in/z.png", 1)
    (tmp_path / "in/empty.jpg").write_bytes(b"")
    (tmp_path / "in/list.png").write_text("a shopping list")
    status, out, err = colorize("in", "-o", "out")
    assert status == 1 and "2 done, 0 skipped, 2 failed" in out
    assert err.splitlines() == [
        "colorize.py: in/empty.jpg: empty file (0 bytes)",
        f"colorize.py: in/list.png: not a {reader.KINDS} picture",
    ]
    assert files_below(tmp_path / "out") == ["a.png", "z.png"]


def test_strength(colorize, tmp_path):
    picture = np.full((40, 40), 128, np.uint8)
    picture[:, 20:] = 60  # one flat tone would get no color
    Image.fromarray(picture).save(tmp_path / "a.png")
    for strength in ("0", "0.5", "1"):
        assert colorize("a.png", "-o", f"{strength}.png", "--strength", strength)[0] == 0
    spread = [np.ptp(photos.read(tmp_path / f"{s}.png").rgb[0, 0].astype(int)) for s in ("0", "0.5", "1")]
    assert spread[0] == 0 and spread[0] + 10 < spread[1] < spread[2] - 10


@pytest.mark.parametrize(
    "words, reason",
    [
        (["absent.jpg", "-o", "out"], "no such file or folder: absent.jpg"),
        (["none*.jpg", "-o", "out"], "no such file or folder: none*.jpg"),
        (["bare", "-o", "out"], "no photos (.jpg"),
        (["a.png"], "-o/--output is missing"),
        ([], "IN and -o/--output are missing"),
        (["a.png", "-o", "x.png", "--strength", "1.5"], "--strength lies between 0 and 1. Received: 1.5"),
        (["a.png", "-o", "x.png", "--strength", "nan"], "--strength lies between 0 and 1. Received: nan"),
        (["a.png", "-o", "x.png", "--batch-size", "0"], "--batch-size is at least 1. Received: 0"),
        (["a.png", "-o", "x.png", "--size", "63"], "--size lies between 64 and 1024. Received: 63"),
        (["a.png", "-o", "x.png", "--size", "320"], f"sees squares of {SIZE} pixels, as it was trained. Received:"),
        (["a.png", "-o", "x.png", "--look", "vivid"], "has one look only. Received: look vivid"),
        (["a.png", "b/a.png", "-o", "x.png"], "-o x.png names a file"),
        (["b", "-o", "x.png"], "-o x.png names a file"),
        (["a.png", "-o", "x.gif"], "-o ends in one of .jpg"),
        (["a.png", "b/a.png", "-o", "out"], "a.png and b/a.png would both become out/a.png"),
        (["a.png", "-o", "a.png"], "a.png is one of the photos to colorize"),
        (["b", "-o", "b"], "-o b is the folder of the photos"),
        (["b", "-o", "./b/", "--format", "jpeg"], "is the folder of the photos"),
        (["a.png", "-o", "notes"], "-o notes is a file, and a folder is needed"),
        (["a.png", "-o", os.devnull], f"-o {os.devnull} is a file, and a folder is needed"),
        (["a.png", "-o", "notes/x.png"], "-o: notes is not a folder. Received: notes as the folder"),
        (["a.png", "-o", "notes/deep/x.png"], "-o: notes is not a folder. Received: notes/deep as the folder"),
        (["b", "-o", "notes/deep/"], "-o: notes is not a folder. Received: notes/deep"),
        (["a.png", "-o", "-"], "results are files"),
        (["a.png", "-o", ""], "-o is empty. Name a file or a folder."),
        (["b", "-o", "s3://bucket/out"], "cluster colorize` writes to buckets. Received: s3://bucket/out"),
        (["a.png", "-o", "x.png", "--weights", "absent"], "Received: absent"),
    ],
)
def test_wrong_usage_exits_with_2_and_writes_nothing(colorize, tmp_path, words, reason):
    picture(tmp_path / "a.png")
    picture(tmp_path / "b/a.png")
    (tmp_path / "bare").mkdir()
    (tmp_path / "notes").write_text("not a folder")
    before = files_below(tmp_path)
    status, out, err = colorize(*words, weights_given="--weights" not in words)
    assert status == 2 and reason in err and "Traceback" not in err and out == ""
    assert err.startswith("colorize.py: ") and len(err.splitlines()) <= 2  # no page of flags hides the reason
    assert files_below(tmp_path) == before


def test_every_format_can_be_typed_and_is_refused_where_pillow_has_it_not(colorize, tmp_path, monkeypatch):
    assert sorted(FORMATS) == sorted(photos.SUFFIXES)
    picture(tmp_path / "a.png")
    monkeypatch.delitem(photos.FORMATS, ".avif", raising=False)
    status, _, err = colorize("a.png", "-o", "out/", "--format", "avif")
    assert status == 2 and "--format avif: this Pillow does not write AVIF" in err


def test_a_folder_without_permission_is_refused_unless_all_is_done(colorize, tmp_path, monkeypatch):
    picture(tmp_path / "a.png")
    picture(tmp_path / "out/a.png", 1)
    monkeypatch.setattr(os, "access", lambda place, mode: False)  # root may write anywhere
    status, _, err = colorize("a.png", "-o", "out/b.png")
    assert status == 2 and "-o: out cannot be written to. Received: out" in err
    status, out, _ = colorize("a.png", "-o", "out/a.png")
    assert status == 0 and "exists already" in out


def test_a_dry_run_adds_up_small_photos(colorize, tmp_path):
    for index in range(3):
        Image.new("L", (400, 300)).save(tmp_path / f"{index}.png")
    out = colorize("0.png", "1.png", "2.png", "-o", "out", "--dry-run")[1]
    assert "0.png -> out/0.png (0.1 megapixels)" in out and out.splitlines()[-1].startswith(
        "3 to colorize (0.4 megapixels)"
    )


def test_a_classifier_that_is_not_here_exits_with_2_and_says_the_choices(colorize, tmp_path, run, monkeypatch):
    monkeypatch.setattr(methods.get("trivial"), "uses_vector", True)
    picture(tmp_path / "a.png")
    status, _, err = colorize("a.png", "-o", "x.png", "--classifier", "gone.keras")
    assert status == 2 and "gone.keras" in err and not (tmp_path / "x.png").exists()
    assert colorize("a.png", "-o", "x.png", "--classifier", "none")[0] == 0


def test_help_answers_before_anything_heavy_is_loaded():
    code = (
        "import sys, colorize\n"
        "try: colorize.main(['--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "print('loaded:', {'keras', 'tensorflow', 'numpy', 'cv2', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert "loaded: set()" in done.stdout and "--overwrite" in done.stdout, done.stderr


def test_what_needs_no_network_loads_no_backend(tmp_path, run):
    for name in ("a.png", "there.png", "theirs.png"):
        picture(tmp_path / name)
    (tmp_path / "text.png").write_text("a shopping list")
    (tmp_path / "report.csv").write_text("file,size,seconds,status,reason,target\nb.png,7,1.0,done,,theirs.png\n")
    expected = {
        "a.png -o there.png": 0,
        "a.png -o new.png --dry-run": 0,
        "text.png -o new.png": 1,
        "a.png -o theirs.png --dry-run": 1,
        "absent.png -o new.png": 2,
        "a.png -o new.gif": 2,
        "a.png -o new.png --weights absent": 2,
        "a.png -o new.png --classifier absent.keras": 2,
        "a.png -o new.png --strength 7": 2,
        f"a.png -o new.png --look vivid --weights {run}": 2,
        f"a.png -o new.png --size 320 --weights {run}": 2,
    }
    code = (
        "import sys\n"
        f"sys.path.insert(0, {str(REPOSITORY)!r})\n"
        "import colorize\n"
        "for line in sys.argv[1:]:\n"
        "    try: status = colorize.main(line.split())\n"
        "    except SystemExit as stop: status = stop.code\n"
        "    loaded = {'keras', 'tensorflow', 'jax', 'h5py', 'onnxruntime'} & set(sys.modules)\n"
        "    print('ended:', status, sorted(loaded))"
    )
    done = subprocess.run([sys.executable, "-c", code, *expected], cwd=tmp_path, capture_output=True, text=True)
    ended = [line for line in done.stdout.splitlines() if line.startswith("ended:")]
    assert dict(zip(expected, ended, strict=True)) == {words: f"ended: {n} []" for words, n in expected.items()}, done


def test_size_reaches_the_network(tmp_path, monkeypatch):
    from colorizer.cli import colorize as command
    from colorizer.inference import colorizer as inference

    asked = []

    class Asked:
        def colorize_files(self, pairs, *_, **__):
            return iter(())

    monkeypatch.setattr(inference.Colorizer, "load", lambda *given: asked.append(given) or Asked())
    picture(tmp_path / "a.png")
    command.main([str(tmp_path / "a.png"), "-o", str(tmp_path / "x.png"), "--size", "320", "--look", "accurate"])
    assert (asked[0][2], asked[0][4]) == ("accurate", 320)


def test_version(capsys):
    from colorizer import __version__
    from colorizer.cli import colorize as command

    with pytest.raises(SystemExit, match="0"):
        command.main(["--version"])
    assert capsys.readouterr().out == f"colorizer {__version__}\n"


@pytest.mark.skipif(os.name == "nt", reason="the shell of this test is sh")
@pytest.mark.parametrize("closed", [">&-", "<&- >&-", "<&- >&- 2>&-"])
def test_closed_streams_end_neither_the_command_nor_the_photo(tmp_path, closed):
    picture(tmp_path / "a.png")
    command = f"{sys.executable} {REPOSITORY / 'colorize.py'} a.png -o b.png {closed}"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "Error" not in done.stderr, done.stderr
    assert photos.read(tmp_path / "b.png").rgb.shape == (60, 80, 3)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full is here")
def test_a_full_disk_under_the_output_is_one_line(tmp_path):
    picture(tmp_path / "a.png")
    words = [sys.executable, str(REPOSITORY / "colorize.py"), "a.png", "-o", "b.png", "--dry-run"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(words, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and done.stderr.splitlines() == ["colorize.py: [Errno 28] No space left on device"]


def test_ctrl_c_exits_with_130_and_leaves_no_half_file(tmp_path):
    large = Image.fromarray(np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), dtype=np.uint8))
    (tmp_path / "in").mkdir()
    large.save(tmp_path / "in/000.bmp")
    for i in range(1, 400):  # so many that a busy machine is still at work when the signal comes
        os.link(tmp_path / "in/000.bmp", tmp_path / f"in/{i:03d}.bmp")
    words = [sys.executable, REPOSITORY / "colorize.py", "in", "-o", "out", "--batch-size", "2"]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("out/*.bmp")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=180)[1]
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors and "interrupted" in errors
    written = files_below(tmp_path / "out")
    assert 0 < len(written) < 400
    for name in written:
        assert photos.read(tmp_path / "out" / name).rgb.shape == (1500, 1500, 3)


def test_the_recorded_classifier_is_missed_before_keras_is_loaded(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / weights.BEST).write_bytes(b"weights")
    record = {"method": "efficientnet", "image_size": SIZE, "classifier": "gone/net.keras"}
    (run / "config.json").write_text(json.dumps(record))
    picture(tmp_path / "a.png")
    code = (
        "import sys, colorize\n"
        f"status = colorize.main(['{tmp_path}/a.png', '-o', '{tmp_path}/b.png', '--weights', '{run}'])\n"
        "print('status', status, 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert "status 2 False" in done.stdout, done.stderr
    assert "trained with the classifier gone/net.keras" in done.stderr and "--classifier none" in done.stderr
