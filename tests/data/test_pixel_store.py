"""The store: right pixels, dropped pictures, and the same bytes however often it was killed."""

import csv
import functools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import REPOSITORY, draw_picture

from colorizer import color, images, photos
from colorizer.data import cache, datasets, pixel_store
from colorizer.errors import DataError, PhotoError

# Builds a store in another process, slowly enough to be killed on the way.
SLOW = """
import sys, time
from pathlib import Path
from colorizer import photos
from colorizer.data import datasets, pixel_store as store
read = photos.read
def slow(path):
    time.sleep(0.1)
    return read(path)
photos.read = slow
root, cache = map(Path, sys.argv[1:])
store.build(root, datasets.pictures(root), 64, cache=cache, workers=2)
"""


def start_slow(root, cache):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        [sys.executable, "-c", SLOW, str(root), str(cache)], stderr=subprocess.DEVNULL, env=environment
    )


def build(root, cache, **kwargs):
    return pixel_store.build(root, datasets.pictures(root), 64, cache=cache, **kwargs)


def wait_for_rows(cache, rows):
    """Waits until the store being built under `cache` has recorded `rows` rows."""
    for _ in range(600):
        progress = [
            path for path in Path(cache).glob("stores/*/progress.csv") if path.read_bytes().count(b"\n") >= rows
        ]
        if progress:
            return progress[0]
        time.sleep(0.02)
    raise AssertionError("the other process has made no progress")


def test_pixels_are_the_resized_pictures(picture_folder, tmp_path):
    built = build(picture_folder, tmp_path)
    assert built.names == datasets.pictures(picture_folder) and len(built) == 24 and built.dropped == {}
    assert built.pixels.shape == (24, 64, 64, 3) and built.pixels.dtype == np.uint8
    assert isinstance(built.pixels, np.memmap) and not built.pixels.flags.writeable
    for name, row in zip(built.names, built.rows, strict=True):
        wanted = images.resize_square(photos.read(picture_folder / name).rgb, 64)
        np.testing.assert_array_equal(built.pixels[row], wanted)
    assert built.path.parent == tmp_path / "stores" and built.path.name.startswith("pictures-64-")


def test_select_and_read(picture_folder, tmp_path):
    built = build(picture_folder, tmp_path)
    rows = built.select(["picture_07.png", "picture_03.png"])
    assert rows.tolist() == [7, 3]
    np.testing.assert_array_equal(built.read(rows), built.pixels[rows])
    assert built.select([]).shape == (0,) and built.read([]).shape == (0, 64, 64, 3)
    with pytest.raises(KeyError):
        built.select(["stranger.png"])


@pytest.mark.parametrize(
    ("shape", "way"),
    [((300, 400), cv2.INTER_AREA), ((256, 400), cv2.INTER_LINEAR), ((100, 400), cv2.INTER_LINEAR)],
)
def test_resize_square_chooses_by_the_shorter_side(shape, way):
    rgb = draw_picture(1, *shape)
    np.testing.assert_array_equal(images.resize_square(rgb, 256), cv2.resize(rgb, (256, 256), interpolation=way))
    assert images.resize_square(rgb.astype(np.uint16) << 8, 64).dtype == np.uint16


def test_16_bit_pictures_are_rounded_to_the_nearest_level(tmp_path):
    """As those that are colorized: 65535 / 255 = 257 values make a level."""
    (tmp_path / "deep").mkdir()
    rgb = draw_picture(2, 64, 64)
    deep = np.clip(257 * rgb[..., ::-1].astype(int) + 100, 0, 65535)
    cv2.imwrite(str(tmp_path / "deep" / "a.png"), deep.astype(np.uint16))
    np.testing.assert_array_equal(build(tmp_path / "deep", tmp_path).pixels[0], rgb)


@pytest.fixture
def mixed_folder(picture_folder):
    """Ten good pictures and one of each kind that is dropped."""
    for index in range(10, 24):
        (picture_folder / f"picture_{index}.png").unlink()
    rgb = draw_picture(3)
    lab = color.rgb_to_lab(rgb)
    gray = color.gray(lab[..., 0])
    toned = color.merge(lab[..., 0], np.broadcast_to(np.float32([0.04, 0.1]), (*lab.shape[:2], 2)))
    for name, bad in (("a_gray", gray), ("b_toned", toned), ("c_tiny", rgb[:40])):
        cv2.imwrite(str(picture_folder / f"{name}.png"), bad[..., ::-1])
    (picture_folder / "d_text.jpg").write_text("I am no picture")
    whole = (picture_folder / "picture_00.png").read_bytes()
    (picture_folder / "e_cut.png").write_bytes(whole[: len(whole) // 2])
    return picture_folder


def test_bad_pictures_are_dropped_counted_and_listed(mixed_folder, tmp_path, caplog):
    built = build(mixed_folder, tmp_path)
    reasons = {name: reason.partition(":")[0] for name, reason in built.dropped.items()}
    assert reasons == {
        "a_gray.png": "gray",
        "b_toned.png": "toned",
        "c_tiny.png": "tiny",
        "d_text.jpg": "corrupt",
        "e_cut.png": "corrupt",
    }
    with open(built.path / "dropped.csv", newline="") as file:
        listed = list(csv.reader(file))
    assert listed == [["file", "reason"], *map(list, built.dropped.items())]
    assert "5 of 15 pictures dropped (2 corrupt, 1 gray, 1 toned, 1 tiny)" in caplog.text
    assert len(built) == 10 and built.select(["a_gray.png", "picture_00.png"]).tolist() == [5]
    assert not built.pixels[:5].any() and built.pixels[5:].any((1, 2, 3)).all()


@pytest.mark.skipif(sys.platform != "linux", reason="names here are Unicode")
def test_a_dropped_picture_whose_name_is_not_utf8(picture_folder, tmp_path, caplog):
    gray, text = os.fsdecode(b"gr\xe9y.png"), os.fsdecode(b"t\xe9xt.jpg")
    cv2.imwrite(str(picture_folder / "gray.png"), np.full((80, 80, 3), 90, np.uint8))
    (picture_folder / "gray.png").rename(picture_folder / gray)
    (picture_folder / text).write_text("no picture")
    built = build(picture_folder, tmp_path)
    assert built.dropped[gray] == "gray" and built.dropped[text].startswith("corrupt") and len(built) == 24
    assert "2 of 26 pictures dropped" in caplog.text
    listed = (built.path / "dropped.csv").read_text("utf-8")
    assert "gr\\udce9y.png,gray" in listed
    assert build(picture_folder, tmp_path).dropped == built.dropped, "read again"


def test_a_test_list_keeps_everything_that_can_be_read(mixed_folder, tmp_path):
    built = build(mixed_folder, tmp_path, keep_gray=True)
    assert list(built.dropped) == ["d_text.jpg", "e_cut.png"] and len(built) == 13


def test_a_second_build_opens_and_a_changed_picture_rebuilds(picture_folder, tmp_path, monkeypatch):
    first = build(picture_folder, tmp_path)
    monkeypatch.setattr(photos, "read", lambda path: pytest.fail("read again"))
    assert build(picture_folder, tmp_path).path == first.path
    monkeypatch.undo()
    shutil.copy(picture_folder / "picture_01.png", picture_folder / "picture_00.png")
    second = build(picture_folder, tmp_path)
    assert second.path != first.path
    np.testing.assert_array_equal(second.pixels[0], second.pixels[1])


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_picture_that_could_not_be_opened_is_tried_again(picture_folder, tmp_path, monkeypatch):
    """A drive that was away for a moment must not cost its pictures for ever."""
    names = sorted(path.name for path in picture_folder.iterdir())[:6]
    build = functools.partial(pixel_store.build, picture_folder, names, 32, cache=tmp_path)
    read, reason = photos.read, "cannot be read: Input/output error"

    def broken(path, *rest):
        if path.name in names[2:4]:
            raise PhotoError(path, reason)
        return read(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(photos, "read", broken)
        first = build()
        assert set(first.dropped) == set(names[2:4])
        vectors = first.path / "vectors-of-them.npy"
        np.save(vectors, np.zeros(6))
        assert set(build().dropped) == set(names[2:4]) and vectors.exists()
        reason = "HEIC, which Pillow does not read alone: pip install pillow-heif, or save it as JPEG"
        (first.path / "store.json").unlink()
        assert all("HEIC" in why for why in build().dropped.values())
        np.save(vectors, np.zeros(6))
    again = build()
    assert again.path == first.path and again.names == names and not again.dropped and not vectors.exists()
    np.testing.assert_array_equal(again.pixels, build(cache=tmp_path / "whole").pixels)
    monkeypatch.setattr(photos, "read", None)  # nothing is read any more
    assert build().names == names


def test_killed_half_way_ends_with_the_same_bytes(mixed_folder, tmp_path, monkeypatch):
    process = start_slow(mixed_folder, tmp_path / "killed")
    progress = wait_for_rows(tmp_path / "killed", 4)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (progress.parent / "store.json").exists()
    done = progress.read_bytes().count(b"\n")
    assert 4 <= done < 15
    with open(progress, "ab") as file:
        file.write(b"14,ke")  # as a kill in the middle of a line leaves it

    read, again = photos.read, []
    monkeypatch.setattr(photos, "read", lambda path: again.append(path) or read(path))
    resumed = build(mixed_folder, tmp_path / "killed")
    assert len(again) == 15 - done
    monkeypatch.undo()
    whole = build(mixed_folder, tmp_path / "whole", workers=1)
    for file in ("pixels.npy", "dropped.csv", "store.json", "progress.csv"):
        assert (resumed.path / file).read_bytes() == (whole.path / file).read_bytes(), file


def test_killed_again_and_again_it_still_ends_right(picture_folder, tmp_path, monkeypatch):
    read, calls = photos.read, []

    def breaking(path):
        calls.append(path)
        if len(calls) % 7 == 0:
            raise KeyboardInterrupt
        return read(path)

    monkeypatch.setattr(photos, "read", breaking)
    for _ in range(20):
        try:
            built = build(picture_folder, tmp_path / "a", workers=1)
            break
        except KeyboardInterrupt:
            continue
    monkeypatch.undo()
    whole = build(picture_folder, tmp_path / "b")
    assert (built.path / "pixels.npy").read_bytes() == (whole.path / "pixels.npy").read_bytes()


def test_two_processes_at_once_make_one_store(picture_folder, tmp_path):
    pair = [start_slow(picture_folder, tmp_path / "shared") for _ in range(2)]
    assert [process.wait(60) for process in pair] == [0, 0]
    (folder,) = (tmp_path / "shared" / "stores").iterdir()
    assert (folder / "progress.csv").read_bytes().count(b"\n") == 24
    whole = build(picture_folder, tmp_path / "alone")
    assert (folder / "pixels.npy").read_bytes() == (whole.path / "pixels.npy").read_bytes()


def test_a_lock_is_waited_for_and_that_is_said(tmp_path, caplog):
    entered = threading.Event()

    def wait():
        with cache.locked(tmp_path / "lock"):
            entered.set()

    with cache.locked(tmp_path / "lock"):
        thread = threading.Thread(target=wait)
        thread.start()
        assert not entered.wait(0.3)
    assert entered.wait(5)
    thread.join()
    assert caplog.text.count("waiting until it is done") == 1


def test_a_cache_that_cannot_be_written_is_said_with_what_to_do(picture_folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written: .*Received: .*file/cache.*Set COLORIZER_CACHE"):
        pixel_store.build(
            picture_folder, [path.name for path in picture_folder.iterdir()], cache=tmp_path / "file/cache"
        )


def test_a_finished_folder_is_found_without_a_lock(tmp_path, monkeypatch):
    """A cache that several people share may be read by those who cannot write to it."""
    (tmp_path / "finished").mkdir()
    monkeypatch.setattr(cache, "locked", lambda path: pytest.fail("a lock was asked for"))
    assert cache.once(tmp_path / "finished", lambda folder: None) == tmp_path / "finished"


def test_pictures_in_memory_are_bounded():
    alive, most, gate = [0], [0], threading.Lock()

    def prepare(name):
        with gate:
            alive[0] += 1
            most[0] = max(most[0], alive[0])
        return name, "kept"

    for _ in pixel_store._in_order(prepare, [str(i) for i in range(50)], list(range(50)), workers=3):
        time.sleep(0.002)
        with gate:
            alive[0] -= 1
    assert most[0] <= 6


def test_too_small_a_disk_and_missing_pictures_are_said_first(picture_folder, tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"cannot be opened\. Received: .*gone\.png"):
        pixel_store.build(picture_folder, ["gone.png"], cache=tmp_path)
    with pytest.raises(DataError, match="Received: none from"):
        pixel_store.build(picture_folder, [], cache=tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))
    with pytest.raises(DataError, match=r"24 pictures.*needs.*Received: 0\.0 MB free.*COLORIZER_CACHE"):
        build(picture_folder, tmp_path)
    assert not list(tmp_path.glob("stores/*/store.json"))


@pytest.mark.data
def test_the_real_test_lists_are_kept_whole(real_data, tmp_path):
    dataset = datasets.find("ood", real_data / "ood")
    built = pixel_store.build(dataset.root, dataset.test, keep_gray=True, cache=tmp_path)
    assert built.names == list(dataset.test) and built.pixels.shape == (46, 256, 256, 3)
