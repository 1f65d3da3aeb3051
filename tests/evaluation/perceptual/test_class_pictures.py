"""Photographs with classes: folders and CSVs."""

import pytest
from conftest import draw_picture

from colorizer import photos
from colorizer.errors import LabelsError
from colorizer.evaluation.perceptual import class_pictures


def test_the_ids_are_a_thousand_in_order_of_the_scores():
    ids = class_pictures.ids()
    assert len(set(ids)) == 1000 and ids == sorted(ids)
    assert (ids[0], ids[217], ids[999]) == ("n01440764", "n02102040", "n15075141")  # tench, springer, toilet tissue


@pytest.fixture
def folder(tmp_path):
    for name in ("n01440764/a.png", "217/b.png", "sheets/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        photos.write(tmp_path / name, draw_picture(1))
    return tmp_path


def test_a_folder_for_each_class(folder):
    found = class_pictures.read(folder)
    assert found.classes == {"n01440764/a.png": 0, "217/b.png": 217} and found.name == folder.name


def test_a_csv_of_files(folder):
    (folder / "some.csv").write_text("file,class\nsheets/c.png,n02102040\n217/b.png,3\n", encoding="utf-8")
    found = class_pictures.read(folder / "some.csv")
    assert found.classes == {"sheets/c.png": 217, "217/b.png": 3} and found.root == folder


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,class\nc.png,dog\n", "the class 'dog'"),
        ("name,label\nc.png,1\n", "columns file and class"),
        ("file,class\n", "without a row"),
    ],
)
def test_wrong_files_are_explained(tmp_path, text, message):
    (tmp_path / "some.csv").write_text(text, encoding="utf-8")
    with pytest.raises(LabelsError, match=message):
        class_pictures.read(tmp_path / "some.csv")


def test_a_folder_without_classes_and_a_missing_one(tmp_path):
    with pytest.raises(LabelsError, match="a folder for each class"):
        class_pictures.read(tmp_path)
    with pytest.raises(LabelsError, match="Received: .*nowhere"):
        class_pictures.read(tmp_path / "nowhere")
