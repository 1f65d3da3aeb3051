"""Finding, joining and splitting data sets."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

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


def test_links_to_nowhere_and_folders_that_cannot_be_opened_are_left_out(picture_folder, monkeypatch, caplog):
    (picture_folder / "link.png").symlink_to("nowhere.png")
    (picture_folder / "itself.png").symlink_to("itself.png")
    (picture_folder / "good.png").symlink_to("picture_00.png")
    (picture_folder / "closed").mkdir()
    scan = os.scandir

    def refuse(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    names = datasets.pictures(picture_folder)
    assert len(names) == 25 and "good.png" in names
    assert f"{picture_folder / 'closed'} cannot be opened (Permission denied)" in caplog.text


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


def test_some_are_chosen_by_their_number_and_in_their_order():
    assert datasets.some("abcdefgh", 3) == ["c", "d", "e"] and datasets.some(range(8), 3) == [2, 3, 4]
    assert datasets.some("abc", 5) == datasets.some("abc", None) == ["a", "b", "c"]


def test_limited_keeps_the_test_list_and_grows_monotonously(tmp_path):
    names = tuple(f"{i:03}.jpg" for i in range(100))
    dataset = Dataset("x", tmp_path, names[:80], names[80:90], names[90:], "lists")
    small, larger = limited(dataset, 4), limited(dataset, 40)
    assert [len(part) for part in parts(small)] == [4, 4, 10]
    assert [len(part) for part in parts(larger)] == [40, 10, 10]
    assert set(small.train) < set(larger.train) < set(dataset.train)
    assert list(larger.train) == sorted(larger.train) and small == limited(dataset, 4)
    assert limited(dataset, None) is dataset


# -- several sets as one


@pytest.fixture
def two_sets(picture_folder, monkeypatch):
    """Ten pictures of coco with lists, and a folder `photos` with fourteen."""
    root = picture_folder.parent
    (root / "coco").mkdir()
    (root / "other" / "my photos").mkdir(parents=True)
    for index, path in enumerate(sorted(picture_folder.iterdir())):
        path.rename((root / "coco" if index < 10 else root / "other" / "my photos") / path.name)
    names = datasets.pictures(root / "coco")
    write_lists(root, "coco", train=names[2:], val=names[1:2], test=names[:1])
    monkeypatch.setenv("COLORIZER_DATA", str(root))
    return root


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("coco", [("coco", 1)]),
        ("coco+paintings+photos:2", [("coco", 1), ("paintings", 1), ("photos", 2)]),
        ("coco:0.5+path/to/photos:3", [("coco", 0.5), ("path/to/photos", 3)]),
        ("C:\\photos", [("C:\\photos", 1)]),
        ("coco:", [("coco:", 1)]),
    ],
)
def test_parts_of_a_name(name, expected):
    assert datasets.parts_of(name) == expected


def test_a_folder_that_is_named_like_a_joined_set_is_one_folder(picture_folder, monkeypatch):
    monkeypatch.chdir(picture_folder.parent)
    picture_folder.rename(picture_folder.with_name("a+b:2"))
    assert datasets.parts_of("a+b:2") == [("a+b:2", 1)]
    assert find("a+b:2").draws == () and len(find("a+b:2").train) == 22


def test_a_named_set_and_a_folder_are_joined_with_weights(two_sets):
    folder = two_sets / "other" / "my photos"
    dataset = find(f"coco+{folder}:2.5")
    alone = find("coco"), find(str(folder))
    assert dataset.root == two_sets and dataset.name == "coco+my photos"
    assert len(dataset.train) == len(alone[0].train) + len(alone[1].train) == len(dataset.draws)
    assert dataset.draws == (1,) * len(alone[0].train) + (2.5,) * len(alone[1].train)
    assert dataset.train[0] == "coco/picture_02.png" and dataset.train[-1].startswith("other/my photos/picture_")
    assert all((dataset.root / name).is_file() for part in parts(dataset) for name in part)
    assert dataset.split_source == "lists + 90/5/5, seed 42"
    assert find(f"coco+{folder}").draws == ()


def test_a_limit_keeps_each_pictures_weight(two_sets):
    dataset = find(f"coco+{two_sets / 'other' / 'my photos'}:2")
    small = limited(dataset, 5)
    assert len(small.train) == 5 == len(small.draws) and set(small.draws) == {1, 2}
    assert small.draws == tuple(2 if name.startswith("other") else 1 for name in small.train)


def test_any_folder_below_the_data_root_has_a_name(two_sets):
    (two_sets / "other" / "my photos").rename(two_sets / "photos")
    assert find("coco+photos:2").name == "coco+photos" and find("photos").root == two_sets / "photos"
    assert find("photos", data_dir=two_sets).root == two_sets / "photos"
    assert find("coco+photos", data_dir=two_sets).train == find("coco+photos").train


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("coco+nowhere", "A data set is one of.*Received: nowhere"),
        ("coco+photos:0", "above 0.*Received: photos:0"),
        ("coco+coco", "must not share pictures.*10 in two sets, such as .*coco/picture"),
        ("coco+{root}", "must not share pictures"),
        ("coco+ood", "ood cannot be downloaded"),
    ],
)
def test_sets_that_cannot_be_joined(two_sets, name, message):
    name = name.format(root=two_sets)
    for function in (find, datasets.check):
        with pytest.raises(DataError, match=message):
            function(name)


def test_a_data_dir_must_hold_every_joined_set(two_sets, tmp_path):
    with pytest.raises(DataError, match="Received: no paintings in"):
        find("coco+paintings", data_dir=two_sets)


def test_a_folder_that_holds_other_sets_is_none_of_them(two_sets):
    with pytest.raises(DataError, match="or the one that holds paintings/. Received: .*, which holds coco/"):
        find("paintings", data_dir=two_sets)


def test_pictures_of_a_path_may_lie_elsewhere_now(two_sets):
    moved = two_sets / "other" / "my photos"
    expected = find(str(moved))
    for place in (moved, moved.parent):
        assert find("gone/my photos", data_dir=place) == expected
    with pytest.raises(DataError, match="Received: gone/photos"):
        find("gone/photos", data_dir=moved)


def test_absolute_names_are_found_from_another_folder(two_sets, monkeypatch):
    monkeypatch.chdir(two_sets / "other")
    name = datasets.absolute("coco+my photos:2")
    expected = find("coco+my photos:2")
    monkeypatch.chdir("/")
    assert find(name) == expected and name.endswith("my photos:2") and name.startswith("coco+")


# -- without the backend


CHECK = """
import sys
from pathlib import Path
from colorizer.classifiers import classifier
from colorizer.data import datasets
from colorizer.errors import ColorizerError
messages = []
for check, arguments in (
    (datasets.check, ("no/such/folder",)),
    (datasets.check, ("coco", "no/such/folder")),
    (datasets.check, ("coco+photo:2",)),
    (datasets.find, ("ood",)),
    (classifier.check, ("no_such_classifier",)),
    (classifier.check, ("efficientnet_lite2",)),
):
    try:
        check(*arguments)
    except ColorizerError as error:
        messages.append(str(error))
assert len(messages) == 6 and all("Received" in message for message in messages), messages
classifier.check("none"), datasets.check("coco_train")
heavy = {"keras", "tensorflow", "jax", "torch", "pandas", "matplotlib", "skimage"} & set(sys.modules)
assert not heavy, heavy
"""


def test_wrong_names_are_found_without_the_backend(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", CHECK], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_check_finds_what_find_would(two_sets):
    datasets.check("coco")
    write_lists(two_sets, "coco", train=["gone.png"])
    with pytest.raises(DataError, match=r"no gone\.png"):
        datasets.check("coco")


@pytest.mark.skipif(sys.platform != "linux", reason="names here are Unicode")
def test_a_list_of_a_windows_editor(tmp_path):
    """It begins with a mark that nobody sees, and lines end in two characters."""
    (tmp_path / "list.txt").write_bytes("\ufeffa.png\r\n\r\nb\u2028.png\r\n".encode())
    assert datasets.read_list(tmp_path / "list.txt") == ("a.png", "b\u2028.png")


def test_a_list_with_a_name_that_is_not_utf8(picture_folder):
    name = os.fsdecode(b"gr\xe9y.png")
    (picture_folder / "picture_00.png").rename(picture_folder / name)
    names = datasets.pictures(picture_folder)
    assert name in names
    (picture_folder.parent / "splits").mkdir()
    for part, chosen in (("train", names), ("val", names[:1]), ("test", names[:1])):
        path = picture_folder.parent / "splits" / f"pictures_{part}.txt"
        path.write_bytes(b"".join(os.fsencode(n) + b"\n" for n in chosen))
    assert find(str(picture_folder)).train == tuple(names)
