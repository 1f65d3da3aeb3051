"""Files of hints: what is written is read again, at another size too, and what is no such file is refused."""

import json

import pytest

from colorizer import Hint
from colorizer.errors import HintError
from colorizer.steering import sidecar

HINTS = [Hint(10, 20, "#7a1f1f"), Hint(399.5, 0, "#abc", 0.5)]


def test_what_is_written_is_read_again(tmp_path):
    sidecar.write(tmp_path / "new" / "a.json", HINTS, 300, 400)
    read = sidecar.read(tmp_path / "new" / "a.json")
    assert read == sidecar.Sidecar(tuple(HINTS), 400, 300)
    assert read.on(300, 400) == HINTS
    assert sidecar.parse(sidecar.text_of([], 1, 1)).hints == ()


def test_hints_are_scaled_to_a_copy_of_the_photo_and_refused_for_another():
    read = sidecar.parse(sidecar.text_of(HINTS, 300, 400))
    assert read.on(600, 801)[0] == Hint(10 * 801 / 400, 40, "#7a1f1f")
    with pytest.raises(HintError, match="400 x 300 pixels.*300 x 400"):
        read.on(400, 300)


def test_more_hints_than_are_read_are_not_written(tmp_path):
    many = [HINTS[0]] * (sidecar.MOST_HINTS + 1)
    sidecar.write(tmp_path / "a.json", many[1:], 300, 400)
    with pytest.raises(HintError, match="at most 2000 hints. Received: 2001 of them"):
        sidecar.write(tmp_path / "b.json", many, 300, 400)
    assert len(sidecar.read(tmp_path / "a.json").hints) == 2000 and not (tmp_path / "b.json").exists()


def changed(**fields):
    return json.loads(sidecar.text_of(HINTS, 300, 400)) | fields


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "JSON. Received: Expecting"),
        (b"\xff\xfe\x00", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b"[]", "Received: 'list'"),
        (b'{"hints": []}', "colorizer-hints"),
        (changed(version=2), "version 1. Received: 2"),
        (changed(width=0), '"width" is'),
        (changed(width=10**400), '"width" is'),
        (changed(height="300"), "Received: '300'"),
        (changed(hints={}), "a list of at most"),
        (changed(hints=[{"x": 1, "y": 2}]), "hint 1: it has"),
        (changed(hints=[{"x": 1, "y": 2, "color": "#000", "size": 3}]), "Received: the fields x, y, color, size"),
        (changed(hints=[7]), "hint 1: it has"),
        (changed(hints=[{"x": 1, "y": 2, "color": "red"}]), "hint 1: A hint's color"),
        (changed(hints=[{"x": 1, "y": True, "color": "#000"}]), "hint 1: A hint's y"),
        (changed(hints=[{"x": 400, "y": 2, "color": "#000"}]), "hint 1: it lies outside 400 x 300"),
        (b" " * (2**20 + 1), "at most 1 MiB"),
    ],
)
def test_what_is_no_file_of_hints_is_refused_with_its_name(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(HintError) as refusal:
        sidecar.read(path)
    assert str(refusal.value).startswith(f"{path}: ") and message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(HintError, match="none.json: the hints cannot be read: No such file"):
        sidecar.read(tmp_path / "none.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(HintError, match="folder: the hints cannot be written"):
        sidecar.write(tmp_path / "folder", HINTS, 300, 400)
