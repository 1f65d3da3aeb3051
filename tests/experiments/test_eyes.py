"""Blind sheets: the lot, what the folder holds, and what is counted."""

import csv
import io
import json

import numpy as np
import pytest
from conftest import draw_picture
from PIL import Image

from colorizer import photos
from experiments import eyes

TINTS = {"old": (1.0, 0.3, 0.3), "new": (0.3, 0.3, 1.0)}  # red and blue


class Tinted:
    """Stands in for a colorizer: gives all photographs one tint."""

    def __init__(self, tint):
        self.tint = np.float32(tint)

    def colorize(self, path):
        photo = photos.read(path)
        return photos.with_pixels(photo, (photo.rgb * self.tint).astype(np.uint8))


@pytest.fixture
def photographs(tmp_path):
    """Five gray photographs, wide and high."""
    folder = tmp_path / "attic"
    folder.mkdir()
    for index in range(5):
        height, width = (80, 120) if index % 2 else (120, 80)
        gray = draw_picture(index, height, width).mean(axis=-1, keepdims=True).clip(60, 255)
        photos.write(folder / f"{index}.png", np.broadcast_to(gray, (height, width, 3)).astype(np.uint8))
    return folder


@pytest.fixture
def drawn(photographs, tmp_path, monkeypatch):
    """The folder of a drawing with two tints for weights."""
    monkeypatch.setattr(eyes.Colorizer, "load", lambda place, look: Tinted(TINTS[place]))
    monkeypatch.setattr(eyes.weights, "record_of", lambda path: {"method": "vit_decoder"})
    folder = tmp_path / "eyes"
    flags = ["--weights", "old=old", "new=new", "--output", str(folder), "--dataset", str(photographs)]
    assert eyes.main(["draw", *flags, "--per-sheet", "2", "--side", "60", "--seed", "3"]) == 0
    return folder


def lines_of(folder):
    return list(csv.DictReader(io.StringIO((folder / eyes.FILE).read_text("utf-8"))))


def write_verdicts(folder, word_of):
    lines = lines_of(folder)
    for line in lines:
        line["verdict"] = word_of(line)
    with open(folder / eyes.FILE, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, eyes.FIELDS)
        writer.writeheader()
        writer.writerows(lines)


def test_each_column_shows_the_weights_that_the_key_names(drawn):
    key = json.loads((drawn / eyes.KEY).read_text("utf-8"))
    assert [path.name for path in sorted(drawn.glob("*.png"))] == ["sheet-01.png", "sheet-02.png", "sheet-03.png"]
    y = dict.fromkeys(["sheet-01.png", "sheet-02.png", "sheet-03.png"], eyes.HEAD)
    for line in lines_of(drawn):
        sheet = np.asarray(Image.open(drawn / line["sheet"])).astype(int)
        x = eyes.GAP + (1 + "AB".index(line["column"])) * (60 + eyes.GAP)
        red, _, blue = sheet[y[line["sheet"]] + 10, x + 10]
        name = "old" if red > blue else "new"
        assert key["columns"][f"attic/{line['photo']}"][line["column"]] == name
        if line["column"] == "B":
            height = 40 if int(line["photo"][0]) % 2 else 60
            y[line["sheet"]] += height + eyes.FOOT + eyes.GAP


def test_the_lot_is_the_seed_s_and_changes_from_row_to_row():
    assert eyes.lots(40, 2, 7) == eyes.lots(40, 2, 7) != eyes.lots(40, 2, 8)
    first = [order[0] for order in eyes.lots(400, 2, 0)]
    assert 150 < sum(first) < 250


def test_verdicts_are_counted_by_weights_not_by_columns(drawn, capsys):
    key = json.loads((drawn / eyes.KEY).read_text("utf-8"))["columns"]
    named = {"old": "clouds", "new": "pass"}
    write_verdicts(drawn, lambda line: named[key[f"attic/{line['photo']}"][line["column"]]])
    capsys.readouterr()
    assert eyes.main(["count", str(drawn), "--json"]) == 0
    old, new, both = map(json.loads, capsys.readouterr().out.splitlines())
    assert (old["weights"], old["pass"], old["clouds"], old["fault"]) == ("old", 0, 5, 5)
    assert (new["weights"], new["pass"], new["fault"], new["n"]) == ("new", 5, 0, 5)
    assert new["low"] == pytest.approx(0.566, abs=0.001) and new["high"] == 1  # Wilson's for 5 of 5
    assert (both["weights"], both["against"], both["better"], both["worse"]) == ("new", "old", 5, 0)
    assert both["p"] == pytest.approx(2 / 2**5)
    assert eyes.main(["count", str(drawn)]) == 0
    assert "| attic | new | 5 | 5 = 100% [57%, 100%] |" in capsys.readouterr().out


def test_lines_without_a_verdict_are_left_out_and_said(drawn, capsys):
    write_verdicts(drawn, lambda line: "pale" if line["photo"] == "0.png" else "")
    capsys.readouterr()
    assert eyes.main(["count", str(drawn), "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out.splitlines()[0])["n"] == 1 and "8 lines" in said.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: "fine", "a verdict is one of pass, pale"),
        (lambda line: line.update(column="C") or "pass", "column C is not of key.json"),
    ],
)
def test_wrong_lines_end_with_their_number(drawn, capsys, change, message):
    write_verdicts(drawn, change)
    assert eyes.main(["count", str(drawn)]) == 2
    error = capsys.readouterr().err
    assert "line 2" in error and message in error


def test_verdicts_are_never_overwritten(drawn, photographs, capsys):
    flags = ["--weights", "old=old", "new=new", "--output", str(drawn), "--dataset", str(photographs)]
    assert eyes.main(["draw", *flags]) == 2
    assert "would be lost" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["old=shipped"], "two weights or more"),
        (["old=shipped", "old=shipped"], "two weights or more"),
        (["shipped", "new=shipped"], "NAME=WEIGHTS"),
        (["old=shipped", "new=runs/nowhere"], "runs/nowhere"),
        (["old=shipped@dull", "new=shipped"], "accurate, vivid. Received: @dull"),
    ],
)
def test_wrong_weights_end_before_anything_is_drawn(given, message, tmp_path, capsys):
    assert eyes.main(["draw", "--weights", *given, "--output", str(tmp_path / "eyes")]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "eyes").exists()


def test_a_look_stands_behind_the_weights():
    old, new = eyes.weights_of(["old=shipped@accurate", "new=shipped"])
    assert (old.place, old.look, new.look) == ("shipped", "accurate", None)
