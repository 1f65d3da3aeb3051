"""Finding, joining and splitting data sets."""

import shutil

import pytest

from colorizer.data import datasets
from colorizer.data.datasets import Dataset, find, limited
from colorizer.errors import DataError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """An empty cache, and no data named by the environment."""
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COLORIZER_DATA", raising=False)
    return tmp_path / "cache"


def write_lists(folder, name, **parts):
    (folder / "splits").mkdir(exist_ok=True)
    for part, names in parts.items():
        (folder / "splits" / f"{name}_{part}.txt").write_text("\n".join(names) + "\n")


def parts(dataset):
    return dataset.train, dataset.val, dataset.test


def test_any_folder_is_split_90_5_5_and_always_the_same_way(picture_folder):
    dataset = find(str(picture_folder))
    assert dataset.name == "pictures" and dataset.split_source == "90/5/5, seed 42"
    assert [len(part) for part in parts(dataset)] == [22, 1, 1]
    assert sorted(sum(parts(dataset), ())) == sorted(p.name for p in picture_folder.iterdir())
    assert find(str(picture_folder)) == dataset
    assert parts(find(str(picture_folder), seed=1)) != parts(dataset)


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1, 0, 0]), (3, [1, 1, 1]), (40, [36, 2, 2]), (5000, [4500, 250, 250])]
)
def test_sizes_of_drawn_lists(count, sizes):
    drawn = datasets._drawn([f"{i:04}.jpg" for i in range(count)], 42)
    assert [len(part) for part in drawn] == sizes
    assert len(set(sum(drawn, ()))) == count
    assert all(list(part) == sorted(part) for part in drawn)


def test_subfolders_count_and_hidden_or_other_files_do_not(picture_folder):
    (picture_folder / "inner" / ".thumbnails").mkdir(parents=True)
    shutil.copy(picture_folder / "picture_00.png", picture_folder / "inner" / "one.PNG")
    shutil.copy(picture_folder / "picture_00.png", picture_folder / "inner" / ".thumbnails" / "two.png")
    (picture_folder / "notes.txt").write_text("no picture")
    names = datasets.pictures(picture_folder)
    assert len(names) == 25 and names[0] == "inner/one.PNG"


def test_lists_beside_the_folder_are_taken(picture_folder):
    names = datasets.pictures(picture_folder)
    write_lists(picture_folder.parent, "pictures", train=names[5:], val=names[3:5], test=names[:3])
    dataset = find(str(picture_folder))
    assert parts(dataset) == (tuple(names[5:]), tuple(names[3:5]), tuple(names[:3]))
    assert dataset.split_source == "lists"


@pytest.mark.parametrize("name", datasets.TEST_ONLY)
def test_a_folder_that_is_called_like_a_test_set_is_a_folder_like_any_other(picture_folder, name):
    folder = picture_folder.rename(picture_folder.with_name(name))
    write_lists(folder.parent, "coco", train=["a.png"], val=["b.png"], test=["c.png"])  # another set's
    assert [len(part) for part in parts(find(str(folder)))] == [22, 1, 1]
    assert [len(part) for part in parts(find(name, data_dir=folder))] == [0, 0, 24]


def test_data_dir_names_the_folder_itself(picture_folder):
    names = datasets.pictures(picture_folder)
    write_lists(picture_folder.parent, "paintings", train=names[2:], val=names[1:2], test=names[:1])
    dataset = find("paintings", data_dir=picture_folder)
    assert (dataset.name, dataset.root, dataset.test) == ("paintings", picture_folder, (names[0],))


def test_a_list_that_names_absent_files_is_refused(picture_folder):
    names = datasets.pictures(picture_folder)
    write_lists(picture_folder.parent, "pictures", train=[*names, "gone.png", "gone_too.png"], val=names, test=names)
    with pytest.raises(DataError, match=r"2 of 74 files.*Received: no gone\.png"):
        find(str(picture_folder))


def test_two_lists_of_three_are_refused(picture_folder):
    write_lists(picture_folder.parent, "pictures", train=["picture_00.png"], test=["picture_01.png"])
    with pytest.raises(DataError, match=r"Received: no pictures_val\.txt"):
        find(str(picture_folder))


def test_data_dir_may_hold_the_set_beside_others(picture_folder):
    folder = picture_folder.rename(picture_folder.with_name("coco"))
    (folder.parent / "paintings").mkdir()
    shutil.copy(folder / "picture_00.png", folder.parent / "paintings" / "other.png")
    assert find("coco", data_dir=folder.parent) == find("coco", data_dir=folder)


def test_order_data_dir_then_environment_then_cache(picture_folder, tmp_path, own_cache, monkeypatch):
    for folder in (own_cache / "data" / "coco", tmp_path / "root" / "coco", tmp_path / "named"):
        shutil.copytree(picture_folder, folder)
    assert find("coco").root == own_cache / "data" / "coco"
    monkeypatch.setenv("COLORIZER_DATA", str(tmp_path / "root"))
    assert find("coco").root == tmp_path / "root" / "coco"
    assert find("coco", data_dir=tmp_path / "named").root == tmp_path / "named"


@pytest.mark.parametrize("name", ["coco", "coco_train", "paintings"])
def test_only_what_is_nowhere_is_downloaded(name, picture_folder, monkeypatch):
    monkeypatch.setattr(datasets.download, "coco", lambda which: picture_folder)
    monkeypatch.setattr(datasets.download, "paintings", lambda: picture_folder)
    assert find(name).root == picture_folder


@pytest.mark.parametrize("name", ["ood", "bw"])
def test_test_only_sets(name, picture_folder, own_cache):
    dataset = find(name, data_dir=picture_folder)
    assert dataset.train == dataset.val == () and len(dataset.test) == 24
    with pytest.raises(DataError, match=rf"{name} cannot be downloaded.*--data-dir.*COLORIZER_DATA"):
        find(name)


def test_errors_say_what_was_received_and_what_the_choices_are(tmp_path):
    with pytest.raises(DataError, match=r"coco, coco_train, paintings, sample.*or a folder.*Received: coca"):
        find("coca")
    with pytest.raises(DataError, match=r"--data-dir must name the folder.*Received: .*nowhere"):
        find("coco", data_dir=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"needs pictures .*\.jpg.*Received: none in"):
        find(str(tmp_path / "empty"))


def test_limited_keeps_the_test_list_and_grows_monotonously(tmp_path):
    names = tuple(f"{i:03}.jpg" for i in range(100))
    dataset = Dataset("x", tmp_path, names[:80], names[80:90], names[90:], "lists")
    small, larger = limited(dataset, 4), limited(dataset, 40)
    assert [len(part) for part in parts(small)] == [4, 4, 10]
    assert [len(part) for part in parts(larger)] == [40, 10, 10]
    assert set(small.train) < set(larger.train) < set(dataset.train)
    assert list(larger.train) == sorted(larger.train) and small == limited(dataset, 4)
    assert limited(dataset, None) is dataset
