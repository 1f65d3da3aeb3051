"""The commands on folders: report.csv, --dry-run, --format, progress, strange names, installed scripts."""

import csv
import io
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY, draw_picture
from PIL import Image

from colorizer import methods, photos, weights
from colorizer.cli import colorize, file_plan
from colorizer.cli import progress as reporting
from colorizer.inference import batch_files


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("run")
    network = methods.get("trivial").build(32)
    network.set_weights([np.array([0.2, 0.1], np.float32)])
    network.save_weights(folder / weights.BEST)
    (folder / "config.json").write_text(json.dumps({"method": "trivial", "image_size": 32, "classifier": "none"}))
    return str(folder)


@pytest.fixture
def call(run, tmp_path, monkeypatch, capsys):
    """Calls the command in a folder of its own; returns status, output, errors."""
    monkeypatch.chdir(tmp_path)

    def called(*words):
        status = colorize.main([*words, "--weights", run])
        said = capsys.readouterr()
        return status, said.out, said.err

    return called


def save(path, index=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_picture(index, 60, 80)).save(path, **options)
    return path


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_report_has_a_row_for_each_photo_and_survives_a_second_run(call, tmp_path):
    save(tmp_path / "in/a.png")
    save(tmp_path / "in/deep/b, c.jpg", 1)
    frames = [Image.fromarray(draw_picture(i)) for i in range(2)]
    frames[0].save(tmp_path / "in/pages.tif", save_all=True, append_images=frames[1:])
    (tmp_path / "in/empty.png").write_bytes(b"")
    assert call("in", "-o", "out")[0] == 1
    first = rows(tmp_path / "out/report.csv")
    assert list(first[0]) == ["file", "size", "seconds", "status", "reason", "target", "path"]
    found = {row["file"]: (row["status"], row["reason"]) for row in first}
    assert found == {
        "in/a.png": ("done", ""),
        "in/deep/b, c.jpg": ("done", ""),
        "in/pages.tif": ("done", "it has several pages; the first is read"),
        "in/empty.png": ("failed", "empty file (0 bytes)"),
    }
    assert int(first[0]["size"]) == (tmp_path / "in/a.png").stat().st_size
    assert all(re.fullmatch(r"\d+\.\d\d", row["seconds"]) for row in first)
    save(tmp_path / "in/empty.png", 2)
    os.unlink(tmp_path / "out/deep/b, c.jpg")
    assert call("in", "-o", "out")[0] == 0
    second = {row["file"]: row for row in rows(tmp_path / "out/report.csv")}
    assert {row["status"] for row in second.values()} == {"done"} and len(second) == 4
    assert second["in/a.png"] == first[0]  # skipped now, and still as it was done
    assert second["in/pages.tif"]["reason"]


def test_a_report_of_a_killed_run_is_gone_on_with(call, tmp_path):
    save(tmp_path / "in/a.png")
    save(tmp_path / "out/b.png")
    save(tmp_path / "in/b.png")
    (tmp_path / "out/report.csv").write_text("file,size,seconds,status,reason\nin/b.png,7,1.00,done,\nin/c.png,7,1.0")
    assert call("in", "-o", "out")[0] == 0
    assert [(r["file"], r["status"]) for r in rows(tmp_path / "out/report.csv")] == [
        ("in/b.png", "done"),
        ("in/a.png", "done"),
    ]
    os.unlink(tmp_path / "out/report.csv")
    call("in", "-o", "out")
    assert {r["status"] for r in rows(tmp_path / "out/report.csv")} == {"skipped"}


def test_the_report_says_what_a_format_could_not_hold(call, tmp_path):
    rgba = np.dstack([draw_picture(0), np.full(draw_picture(0).shape[:2], 99, np.uint8)])
    for name in ("a.png", "b.png"):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(rgba).save(tmp_path / "in" / name)
    assert call("in", "-o", "out", "--format", "jpeg")[0] == 0
    assert {row["reason"] for row in rows(tmp_path / "out/report.csv")} == {
        "JPEG holds no transparency; the picture is laid on white"
    }


def test_a_single_photo_into_a_folder_has_a_row(call, tmp_path):
    for number, folder in enumerate("xy"):
        save(tmp_path / folder / "a.png", number)
    assert call("x/a.png", "-o", "out")[0] == 0
    status, _, err = call("y/a.png", "-o", "out")
    assert status == 1 and "y/a.png: out/a.png was made from x/a.png: choose another -o" in err
    found = [(row["file"], row["status"]) for row in rows(tmp_path / "out/report.csv")]
    assert found == [("x/a.png", "done"), ("y/a.png", "failed")]


def test_a_named_result_has_a_row_only_where_there_is_a_report(call, tmp_path):
    save(tmp_path / "x/deep/a.png")
    save(tmp_path / "y/a.png", 1)
    assert call("y/a.png", "-o", "alone/b.png")[0] == 0 and os.listdir("alone") == ["b.png"]
    (tmp_path / "alone/report.csv").write_text("\nquarter,earnings\n")
    assert call("y/a.png", "-o", "alone/c.png")[0] == 0
    assert (tmp_path / "alone/report.csv").read_text() == "\nquarter,earnings\n"
    assert call("x", "-o", "out")[0] == 0
    assert call("y/a.png", "-o", "out/deep/a.png", "--overwrite")[0] == 0
    assert call("y/a.png", "-o", "out/deep/b.png")[0] == 0 and os.listdir("out/deep").count("report.csv") == 0
    status, _, err = call("x", "-o", "out")
    assert status == 1 and "x/deep/a.png: out/deep/a.png was made from y/a.png: choose another -o" in err
    assert call("y/a.png", "-o", "out/b.png")[0] == 0
    assert [row["target"] for row in rows(tmp_path / "out/report.csv") if row["status"] == "done"][-1] == "b.png"


def test_a_report_that_cannot_be_written_exits_with_2(call, tmp_path):
    save(tmp_path / "in/a.png")
    (tmp_path / "out/report.csv").mkdir(parents=True)
    status, _, err = call("in", "-o", "out")
    assert status == 2 and "out/report.csv cannot be read: Is a directory" in err


def test_dry_run_says_what_would_be_done_and_does_nothing(call, tmp_path):
    save(tmp_path / "in/a.png")
    save(tmp_path / "in/deep/b.jpg")
    save(tmp_path / "out/a.png")
    (tmp_path / "in/c.jpg").write_text("a shopping list")
    before = sorted(tmp_path.rglob("*"))
    status, out, err = call("in", "-o", "out", "--dry-run")
    assert status == 1 and sorted(tmp_path.rglob("*")) == before
    assert "out/a.png exists already: would be skipped" in out
    assert "in/deep/b.jpg -> out/deep/b.jpg (0.0 megapixels)" in out
    assert "1 to colorize (0.0 megapixels), 1 to skip, 1 would fail" in out
    assert "colorizer: in/c.jpg: not a JPEG, PNG" in err
    os.unlink(tmp_path / "in/c.jpg")
    assert call("in", "-o", "out", "--dry-run", "--overwrite")[0] == 0


def test_format_and_quality(call, tmp_path):
    save(tmp_path / "in/a.png")
    save(tmp_path / "in/b.tif", 1)
    assert call("in", "-o", "jpeg", "--format", "jpeg")[0] == 0
    assert call("in", "-o", "small", "--format", "jpeg", "--quality", "30")[0] == 0
    for name in ("a.png.jpg", "b.tif.jpg"):
        assert photos.read(tmp_path / "jpeg" / name).metadata["format"] == "JPEG"
        with Image.open(tmp_path / "jpeg" / name) as image:
            assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3
        assert (tmp_path / "small" / name).stat().st_size < (tmp_path / "jpeg" / name).stat().st_size
    status, _, err = call("in/a.png", "-o", "x.png", "--format", "webp")
    assert status == 2 and "--format webp and -o x.png name two formats" in err


def test_a_copys_name_depends_on_its_own_photo_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    (tmp_path / "in").mkdir()
    for name in ("a.gif", "a.png", "b.jp2", "c.tif", "d.jpeg"):  # each added to those before it
        (tmp_path / "in" / name).write_bytes(b"")
        for form in (None, "jpeg"):
            for source, target in file_plan.plan(["in"], "out", form).pairs:
                names.setdefault((source.name, form), set()).add(target.name)
    assert {source: target for (source, form), (target,) in names.items() if form is None} == {
        "a.gif": "a.gif.png",
        "a.png": "a.png",
        "b.jp2": "b.jp2.png",
        "c.tif": "c.tif",
        "d.jpeg": "d.jpeg",
    }
    assert names["c.tif", "jpeg"] == {"c.tif.jpg"} and names["d.jpeg", "jpeg"] == {"d.jpeg"}


def test_a_photo_added_later_is_colorized(call, tmp_path):
    Image.fromarray(draw_picture(0)).save(tmp_path / "a.gif")
    (tmp_path / "in").mkdir()
    os.rename(tmp_path / "a.gif", tmp_path / "in/a.gif")
    assert call("in", "-o", "out")[0] == 0
    save(tmp_path / "in/a.png", 1)
    status, out, _ = call("in", "-o", "out")
    assert status == 0 and out.splitlines()[-1] == "1 done, 1 skipped, 0 failed"
    assert photos.read(tmp_path / "out/a.png").rgb.shape == (60, 80, 3)


def test_another_photos_copy_is_neither_taken_for_done_nor_replaced(call, tmp_path):
    save(tmp_path / "summer/001.png", 0)
    save(tmp_path / "winter/001.png", 1)
    assert call("summer", "-o", "out")[0] == 0
    before = (tmp_path / "out/001.png").read_bytes()
    for more in ([], ["--dry-run"]):
        status, _, err = call("winter", "-o", "out", *more)
        assert status == 1 and (tmp_path / "out/001.png").read_bytes() == before
        assert err.startswith("colorizer: winter/001.png: out/001.png was made from summer/001.png: choose another -o")
    assert call("winter/001.png", "-o", "out/001.png")[0] == 1  # a single photo asks the report too
    assert call("winter", "-o", "out", "--overwrite")[0] == 0
    status, _, err = call("summer", "-o", "out")
    assert status == 1 and "was made from winter/001.png" in err


def test_a_moved_album_and_a_changed_photo_are_known(call, tmp_path, monkeypatch):
    save(tmp_path / "in/a.png")
    assert call("in", "-o", "out")[0] == 0
    monkeypatch.chdir(tmp_path / "in")
    assert call("../in", "-o", "../out")[1].endswith("0 done, 1 skipped, 0 failed\n")
    monkeypatch.chdir(tmp_path)
    os.rename("in", "album")
    assert call("album", "-o", "out")[1].endswith("0 done, 1 skipped, 0 failed\n")
    save(tmp_path / "in/a.png", 1)
    status, out, _ = call("in", "-o", "out")
    assert status == 0 and "out/a.png exists already, but in/a.png has changed since: skipped (--overwrite" in out


def test_photos_of_one_name_in_two_folders_are_two_photos(call, tmp_path, monkeypatch):
    """Also where they are typed alike, and where both have as many bytes, as uncompressed scans do."""
    for number, folder in enumerate(("1920", "1930")):
        save(tmp_path / folder / "scan.bmp", number)
        save(tmp_path / folder / "more.png", number)
    for folder in ("1920", "1930"):
        monkeypatch.chdir(tmp_path / folder)
        status, out, err = call("scan.bmp", "more.png", "-o", "../typed")
        assert status == (folder == "1930"), out
    monkeypatch.chdir(tmp_path)
    for more in ((), ("--format", "png")):
        assert call("1920", "-o", "out", *more)[0] == 0
    for more in ((), ("--format", "png")):
        status, out, err = call("1930", "-o", "out", *more)
        assert status == 1 and err.count("was made from 1920/") == 2
    assert [row["status"] for row in rows(tmp_path / "out/report.csv")] == 3 * ["done"] + 3 * ["failed"]
    monkeypatch.chdir(tmp_path / "1930")
    err = call(".", "-o", "../out")[2]
    assert f"was made from {tmp_path / '1920/scan.bmp'}: choose another -o" in err
    assert call(".", "-o", "../out", "--overwrite")[0] == 0
    monkeypatch.chdir(tmp_path)
    assert call("1930", "-o", "out")[1].endswith("0 done, 2 skipped, 0 failed\n")
    assert call("1920", "-o", "out")[0] == 1


def test_a_report_that_a_spreadsheet_saved_is_read(call, tmp_path):
    save(tmp_path / "in/a.png")
    assert call("in", "-o", "out")[0] == 0
    report = tmp_path / "out/report.csv"
    report.write_text(report.read_text(), encoding="utf-8-sig", newline="\r\n")
    assert call("in", "-o", "out")[1].endswith("0 done, 1 skipped, 0 failed\n")
    assert [row["status"] for row in rows(report)] == ["done"]


def test_somebody_elses_report_is_not_replaced(call, tmp_path):
    save(tmp_path / "in/a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/report.csv").write_text("quarter,earnings\n1,7\n")
    status, _, err = call("in", "-o", "out")
    assert status == 2 and "is not a report of this program" in err and "Received: a first line 'quarter,earn" in err
    assert (tmp_path / "out/report.csv").read_text() == "quarter,earnings\n1,7\n"


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_link_to_itself_fails_alone(call, tmp_path, more):
    save(tmp_path / "in/a.png")
    for name in ("in/loop.png", "in/loop", "in/z.jpg"):
        os.symlink(os.path.basename(name), tmp_path / name)
    status, out, err = call("in", "-o", "out", *more)
    assert status == 1 and "in/a.png -> out/a.png" in out
    assert err.splitlines() == [
        f"colorizer: in/{name}: cannot be read: Too many levels of symbolic links" for name in ("loop.png", "z.jpg")
    ]


def test_a_link_to_a_folder_elsewhere_is_said_and_one_in_a_circle_passed_over(call, tmp_path):
    save(tmp_path / "in/a.png")
    save(tmp_path / "elsewhere/b.png")
    os.symlink("..", tmp_path / "in/up")
    status, _, err = call("in", "-o", "out", "--dry-run")
    assert (status, err) == (0, "")
    os.symlink("../elsewhere", tmp_path / "in/linked")
    status, _, err = call("in", "-o", "out", "--dry-run")
    assert status == 1
    assert err == "colorizer: in/linked: a link to a folder, which is not followed: name that folder as well\n"


def test_a_second_name_of_a_photo_is_no_place_for_its_copy(call, tmp_path):
    save(tmp_path / "a.png")
    os.link(tmp_path / "a.png", tmp_path / "A.PNG")  # as a file system without upper case has it
    content = (tmp_path / "a.png").read_bytes()
    status, _, err = call("a.png", "-o", "A.PNG", "--overwrite")
    assert status == 2 and "A.PNG is one of the photos to colorize" in err
    assert (tmp_path / "a.png").read_bytes() == content


def test_an_output_that_is_a_link_to_itself_exits_with_2(call, tmp_path):
    save(tmp_path / "in/a.png")
    os.symlink("out", tmp_path / "out")
    status, _, err = call("in", "-o", "out/")
    assert status == 2 and "out is not a folder. Received: out" in err


def test_a_full_disk_ends_in_one_line_and_keeps_what_is_done(call, tmp_path, monkeypatch):
    for i in range(3):
        save(tmp_path / f"in/{i}.png", i)
    add, count = reporting.Report.add, []

    def fills(self, outcome):
        count.append(outcome)
        if len(count) == 2:
            self._file.close()
            self._file = open("/dev/full", "w", encoding="utf-8")  # noqa: SIM115
        add(self, outcome)

    monkeypatch.setattr(reporting.Report, "add", fills)
    status, _, err = call("in", "-o", "out", "--batch-size", "1")
    assert status == 1 and len(err.splitlines()) == 1
    assert "out/report.csv cannot be written: No space left on device. Every written photo is complete." in err
    assert rows(tmp_path / "out/report.csv")[0]["status"] == "done"
    assert photos.read(tmp_path / "out/0.png").rgb.shape == (60, 80, 3)
    monkeypatch.setattr(reporting.Report, "add", add)
    assert call("in", "-o", "out")[0] == 0


def test_folders_that_cannot_be_listed_are_named_and_stop_nothing(call, tmp_path, monkeypatch):
    save(tmp_path / "in/a.png")
    (tmp_path / "in/closed").mkdir()
    scan = os.scandir

    def guarded(path="."):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", guarded)
    status, out, err = call("in", "-o", "out")
    assert status == 1 and "in/closed: cannot be listed: Permission denied" in err and "1 done" in out


def test_names_that_are_no_text_neither_end_the_run_nor_break_lines(call, tmp_path):
    save(tmp_path / "in/a.png")
    os.rename(tmp_path / "in/a.png", os.path.join(os.fsencode(tmp_path), b"in", b"a\xff\nb.png"))
    (tmp_path / "in/b\x1b[31m.png").write_bytes(b"")
    status, out, err = call("in", "-o", "out")
    assert status == 1 and "1 done, 0 skipped, 1 failed" in out and r"in/a\udcff\nb.png" in out
    assert r"in/b\x1b[31m.png: empty file" in err and "\x1b" not in err
    assert [r["status"] for r in rows(tmp_path / "out/report.csv")] == ["done", "failed"]


def test_progress_is_drawn_on_a_terminal_with_the_time_left():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    progress = reporting.Progress(4, stream)
    outcome = batch_files.Outcome(Path("a"), Path("b"))
    progress.step(outcome._replace(skipped=True))
    progress.step(outcome)
    assert progress._bar.initial == 1 and progress._bar.n == 2
    progress._bar.refresh()
    progress.close()
    assert "2/4" in stream.getvalue() and "photo/s" in stream.getvalue() or "s/photo" in stream.getvalue()
    quiet = io.StringIO()
    reporting.Progress(4, quiet).step(outcome)
    assert quiet.getvalue() == ""


def test_notes_are_said_once(call, tmp_path):
    image = Image.fromarray(draw_picture(0, 60, 80))
    image.putalpha(128)
    image.save(tmp_path / "a.png")
    status, _, err = call("a.png", "-o", "b.jpg")
    assert status == 0 and err.splitlines() == ["b.jpg: JPEG holds no transparency; the picture is laid on white"]


def test_a_reader_that_has_gone_ends_the_command_quietly(run, tmp_path):
    import subprocess

    for i in range(3):
        save(tmp_path / f"in/{i}.png", i)
    words = [sys.executable, str(REPOSITORY / "colorize.py"), "in", "-o", "out", "--dry-run"]
    read, write = os.pipe()
    os.close(read)
    for unbuffered in ("", "1"):
        setting = os.environ | {"PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(words, cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, text=True, env=setting)
        assert done.returncode == 1 and "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
    os.close(write)
