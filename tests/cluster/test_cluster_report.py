"""report.parquet of an archive: rows over several runs, a full disk, a file that is no report."""

import errno
import os

import pandas as pd
import pytest
from test_cluster import album, no_ray  # noqa: F401  (it skips this module without Ray)
from test_colorize import run  # noqa: F401  (a fixture: a run's folder with one color everywhere)


def test_the_report_has_a_row_for_each_photo_and_keeps_those_of_earlier_runs(tmp_path):
    from colorizer.cluster.report import NAME, Report
    from colorizer.inference.batch_files import Outcome

    output = str(tmp_path / "out")
    bad = os.fsdecode(b"gr\xe9y.png")  # no UTF-8: parquet holds text only
    first = [Outcome("a", "A", seconds=2.0), Outcome("b", "B", "broken"), Outcome(bad, bad)]
    Report(output, {"a": 7}).write(first)
    Report(output, {"a": 7}).write([Outcome("a", "A", skipped=True), Outcome("b", "B", seconds=1.0)])
    table = pd.read_parquet(tmp_path / "out" / NAME)
    assert table[["file", "status", "size", "seconds"]].values.tolist() == [
        ["a", "done", "7", 2.0],
        ["b", "done", "", 1.0],
        [r"gr\udce9y.png", "done", "", 0.0],
    ]


def test_a_full_disk_leaves_the_earlier_report_whole(tmp_path, monkeypatch):
    from colorizer.cluster.report import NAME, Report
    from colorizer.errors import ReportError
    from colorizer.inference.batch_files import Outcome

    output = tmp_path / "out"
    Report(str(output), {}).write([Outcome("a", "A")])
    before = (output / NAME).read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    report = Report(str(output), {})
    with pytest.raises(ReportError, match=f"{NAME} cannot be written: No space left on device.*is complete.*run"):
        report.write([Outcome("b", "B")])
    assert (output / NAME).read_bytes() == before and [path.name for path in output.iterdir()] == [NAME]


@pytest.mark.parametrize(
    "content", [b"", b"PAR1 half a report", b"PAR1" + bytes(300) + b"PAR1", pd.DataFrame({"a": [1]}).to_parquet()]
)
def test_a_report_that_is_none_is_named_with_what_to_do(tmp_path, run, no_ray, capsys, content):  # noqa: F811
    from colorizer.cluster import __main__ as command

    album(tmp_path / "in", 1), album(tmp_path / "out", 1)
    (tmp_path / "out" / "report.parquet").write_bytes(content)
    assert command.main(["colorize", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--weights", run]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path}/out/report.parquet is damaged or no report" in said and "Delete or rename it" in said


def test_the_report_knows_which_photo_a_result_was_made_from(tmp_path):
    from colorizer.cluster.report import Report
    from colorizer.inference.batch_files import Outcome

    output = album(tmp_path / "out", 1)
    target = str(output / "0/000.png")
    assert Report(str(output), {}).existing("/summer/000.png", target).same  # made before there were reports
    assert Report(str(output), {}).existing("/summer/001.png", str(output / "0/001.png")) is None
    sizes = {"/summer/000.png": 7, "/winter/000.png": 8}
    Report(str(output), sizes).write([Outcome("/summer/000.png", target)])
    assert Report(str(output), sizes).existing("/summer/000.png", target) == ("/summer/000.png", True, False)
    assert Report(str(output), sizes).existing("/winter/000.png", target) == ("/summer/000.png", False, False)
    assert Report(str(output), {"/summer/000.png": 9}).existing("/summer/000.png", target).changed
