"""Downloads from a local server that breaks off, fails and lies: no half file is taken for a whole one."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
from badserver import files_in, md5
from conftest import REPOSITORY

from colorizer.data import download
from colorizer.data.download import fetch
from colorizer.errors import DataError, DownloadError

pytestmark = pytest.mark.usefixtures("own_cache")


def get(server, path):
    return fetch(server.url, path, len(server.body), md5(server.body))


@pytest.mark.parametrize(
    ("plan", "ranges"),
    [
        ([], [None]),
        (["cut"], [None, "bytes=150000-"]),
        (["cut", "cut", "cut"], [None, "bytes=150000-", "bytes=225000-", "bytes=262500-"]),
        ([500, 503, "cut", 500], [None, None, None, "bytes=150000-", "bytes=150000-"]),
        (["cut", "no range"], [None, "bytes=150000-"]),
    ],
)
def test_what_breaks_is_resumed(server, tmp_path, plan, ranges):
    server.plan = plan
    path = get(server, tmp_path / "down" / "file.zip")
    assert path.read_bytes() == server.body
    assert server.ranges == ranges
    assert files_in(tmp_path / "down") == ["file.zip"]
    assert get(server, path) == path and len(server.ranges) == len(ranges)


def test_more_interruptions_than_attempts_are_fine_while_bytes_arrive(server, tmp_path):
    server.plan = ["cut"] * 12
    assert get(server, tmp_path / "file.zip").read_bytes() == server.body


def test_giving_up_keeps_the_part_and_says_how_to_go_on(server, tmp_path):
    server.plan = ["cut"] + [500] * 5
    with pytest.raises(DownloadError) as caught:
        get(server, tmp_path / "file.zip")
    for said in (
        server.url,
        "HTTP 500",
        "150,000 of 300,000 bytes",
        "next run continues there",
        md5(server.body),
        "--data-dir",
    ):
        assert said in str(caught.value)
    assert files_in(tmp_path) == ["file.zip.part"]
    assert get(server, tmp_path / "file.zip").read_bytes() == server.body
    assert server.ranges[-1] == "bytes=150000-"


def test_a_server_without_ranges_that_always_breaks_off_is_given_up(server, tmp_path):
    server.plan = ["no range, cut"] * 50
    with pytest.raises(DownloadError, match="5 attempts in a row"):
        get(server, tmp_path / "file.zip")


def test_no_server_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_BACKOFF", 0)
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DownloadError, match=r"could not be downloaded.*refused"):
        fetch("http://127.0.0.1:9/file.zip", tmp_path / "file.zip", 10, md5(b""))


@pytest.mark.parametrize(
    "error",
    [
        socket.gaierror(-2, "Name or service not known"),
        socket.gaierror(-3, "Temporary failure in name resolution"),
        OSError(errno.ENETUNREACH, "Network is unreachable"),
    ],
)
def test_without_a_network_there_is_one_attempt(tmp_path, monkeypatch, error):
    attempts = []

    def connect(*arguments, **options):
        attempts.append(arguments)
        raise error

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DownloadError, match=r"there is no network.*By hand: download http://nowhere\.invalid"):
        fetch("http://nowhere.invalid/file.zip", tmp_path / "file.zip", 10, md5(b""))
    assert len(attempts) == 1


def test_a_network_that_goes_away_for_a_moment_is_waited_for(server, tmp_path, monkeypatch):
    connect, connections = socket.create_connection, []

    def sometimes(*arguments, **options):
        connections.append(arguments)
        if len(connections) in (2, 3):
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return connect(*arguments, **options)

    monkeypatch.setattr(socket, "create_connection", sometimes)
    server.plan = ["cut"]
    assert get(server, tmp_path / "file.zip").read_bytes() == server.body
    assert len(connections) == 4


def test_not_found_is_not_tried_again(server, tmp_path):
    server.plan = [404] * 3
    with pytest.raises(DownloadError, match=r"HTTP 404.*By hand"):
        get(server, tmp_path / "file.zip")
    assert len(server.ranges) == 1


@pytest.mark.parametrize("kind", ["wrong", "longer", "shorter"])
def test_wrong_bytes_are_deleted(server, tmp_path, kind):
    right = server.body
    server.plan = ["wrong"] * 9 if kind == "wrong" else []
    server.body = right + b"more" if kind == "longer" else right[:-4] if kind == "shorter" else right
    with pytest.raises(DownloadError, match=r"Received: .*--data-dir"):
        fetch(server.url, tmp_path / "file.zip", len(right), md5(right))
    assert not (tmp_path / "file.zip").exists()
    server.body, server.plan = right, []
    assert get(server, tmp_path / "file.zip").read_bytes() == right


def test_a_wrong_part_from_before_is_found_out(server, tmp_path):
    (tmp_path / "file.zip.part").write_bytes(bytes(1000))
    with pytest.raises(DownloadError, match=f"MD5 {md5(server.body)}. Received: 300,000 bytes, MD5 "):
        get(server, tmp_path / "file.zip")
    assert files_in(tmp_path) == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_process_is_gone_on_with(server, tmp_path):
    server.plan = ["hang"]
    part = tmp_path / "file.zip.part"
    target = str(part.with_suffix(""))
    call = f"from colorizer.data.download import *; fetch({server.url!r}, Path({target!r}), 300000, '')"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen([sys.executable, "-c", call], stderr=subprocess.DEVNULL, env=environment)
    for _ in range(500):
        if part.exists() and part.stat().st_size:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert files_in(tmp_path) == ["file.zip.part"] and 0 < part.stat().st_size <= 150_000
    assert get(server, tmp_path / "file.zip").read_bytes() == server.body
    assert server.ranges[1] is not None


def test_disk_space_is_looked_at_first(server, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 1000))
    with pytest.raises(DataError, match=r"needs 0\.3 MB of disk.*Received: 0\.0 MB free.*Make room"):
        get(server, tmp_path / "file.zip")
    assert server.ranges == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_said(server, tmp_path):
    (tmp_path / "file.zip.part").symlink_to("/dev/full")
    with pytest.raises(DataError, match=r"disk is full at .*file\.zip\.part"):
        get(server, tmp_path / "file.zip")
