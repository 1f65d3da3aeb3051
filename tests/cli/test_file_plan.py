"""Which files a command takes: results of earlier runs are none, two spellings are one, two runs share a folder."""

import os
from pathlib import Path

import pytest
from PIL import Image

from colorizer.cli import file_plan, film
from colorizer.cli.progress import Report
from colorizer.errors import UsageError
from colorizer.inference.batch_files import Outcome


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture(name):
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (90, 60, 30)).save(path)
    return path


def pretend(inputs, output):
    """What a run does with the files of a plan, without its colors."""
    done = file_plan.plan(inputs, output).pairs
    with_report(Path(output), done)
    return done


def with_report(output, pairs):
    report = Report(output)
    report.open()
    for source, target in pairs:
        picture(target)
        report.add(Outcome(source, target))
    report.close()


def names(inputs, output):
    return [str(source) for source, _ in file_plan.plan(inputs, output).pairs]


def test_results_of_an_earlier_run_below_the_folder_are_no_photos():
    for name in ("album/a.png", "album/deep/b.png"):
        picture(name)
    pretend(["album"], "album/color")
    assert names(["album"], "album/other") == ["album/a.png", "album/deep/b.png"]
    picture("album/color/new.png")  # put there by a person
    assert names(["album"], "album/other") == ["album/a.png", "album/color/new.png", "album/deep/b.png"]
    assert names(["album/color"], "again") == ["album/color/a.png", "album/color/new.png", "album/color/deep/b.png"]


def test_a_pattern_in_the_output_folder_finds_its_photos_again():
    picture("g/a.gif")
    assert pretend(["g/*"], "g") == [(Path("g/a.gif"), Path("g/a.gif.png"))]
    assert file_plan.plan(["g/*"], "g").pairs == [(Path("g/a.gif"), Path("g/a.gif.png"))]


def test_hidden_folders_are_not_searched():
    for name in ("album/a.png", "album/.thumbnails/a.png", ".hidden/b.png"):
        picture(name)
    assert names(["album"], "out") == ["album/a.png"]
    assert names([".hidden"], "out") == [".hidden/b.png"]  # named


def test_a_folder_in_two_spellings_is_one(folder):
    picture("album/a.png")
    os.symlink("album", "link")
    assert names(["album", str(folder / "album"), "link/", "album/../album"], "out") == ["album/a.png"]
    picture("other/a.png")
    with pytest.raises(UsageError, match=r"album/a\.png and other/a\.png would both become"):
        names(["album", "other"], "out")


def test_two_runs_into_one_folder_keep_the_rows_of_both():
    before, first, second = (picture(f"{name}.png") for name in ("before", "first", "second"))
    with_report(Path("out"), [(before, Path("out/before.png"))])
    reports = [Report(Path("out")), Report(Path("out"))]
    for report in reports:
        report.open()
    for report, photo in zip(reports, (first, second), strict=True):
        report.add(Outcome(photo, Path("out") / photo.name))
    reports[1].add(Outcome(before, Path("out/before.png"), error="too dark"))
    for report in reports:
        report.close()
    statuses = {(row.file, row.target): row.status for row in Report(Path("out")).rows.values()}
    assert statuses == {
        ("first.png", "first.png"): "done",
        ("second.png", "second.png"): "done",
        ("before.png", "before.png"): "failed",
    }


def test_a_report_that_is_removed_meanwhile_is_written_whole():
    first, second = picture("first.png"), picture("second.png")
    with_report(Path("out"), [(first, Path("out/first.png"))])
    report = Report(Path("out"))
    report.open()
    os.unlink("out/report.csv")
    report.add(Outcome(second, Path("out/second.png")))
    report.close()
    assert [row.file for row in Report(Path("out")).rows.values()] == ["first.png", "second.png"]


def test_a_folder_of_old_films_may_hold_its_own_results(folder):
    source, target = Path("reels/a.avi"), Path("reels/a.avi.mkv")
    picture("reels/photo.png").unlink()
    source.write_bytes(b"a film")
    assert film.plan(film.split(["reels"], "reels"), "reels") == [(source, target)]
    with_report(Path("reels"), [])
    report = Report(Path("reels"))
    report.open()
    for name in ("a.avi.mkv", "a.avi.part.mkv", "a.avi.preview.mkv"):
        Path("reels", name).write_bytes(b"a result")
    report.add(Outcome(source, target))
    report.close()
    for typed in ("reels", "reels/*", str(folder / "reels")):
        pairs = film.plan(film.split([typed], "reels"), "reels")
        assert [(pair[0].name, pair[1]) for pair in pairs] == [(source.name, target)]
