"""Many files: failures stop nothing, memory is bounded, a killed run is gone on with."""

import os
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest
from conftest import REPOSITORY, draw_picture
from PIL import Image

from colorizer import atomic_files, photos
from colorizer.inference import batch_files, full_size, memory

AB = np.tile(np.array([0.1, 0.2], np.float32), (8, 8, 1))


def colors(rgbs):
    return [AB for _ in rgbs]


def pairs_of(folder, count, size=(60, 50)):
    """`count` small photographs, linked to one file, and their targets."""
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "0000.png"), draw_picture(0, *size))
    for i in range(1, count):
        os.link(folder / "0000.png", folder / f"{i:04d}.png")
    return [(folder / f"{i:04d}.png", folder / "out" / f"{i:04d}.jpg") for i in range(count)]


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_outcomes_come_in_order_whatever_happens(tmp_path, batch_size):
    pairs = pairs_of(tmp_path / "in", 20)
    for i in (0, 4, 5, 19):
        os.unlink(pairs[i][0])
    pairs[5][0].write_bytes(b"")
    os.makedirs(tmp_path / "in/out")
    pairs[7][1].write_bytes(b"there")
    outcomes = list(batch_files.run(colors, pairs, batch_size=batch_size))
    assert [(o.source, o.target) for o in outcomes] == pairs
    assert [i for i, o in enumerate(outcomes) if o.error] == [0, 4, 5, 19]
    assert [i for i, o in enumerate(outcomes) if o.skipped] == [7]
    assert all(o.seconds > 0 for i, o in enumerate(outcomes) if not o.error and not o.skipped)


def test_a_network_that_fails_on_one_photo_fails_on_that_one_only(tmp_path):
    pairs = pairs_of(tmp_path / "in", 4)
    os.unlink(pairs[2][0])
    cv2.imwrite(str(pairs[2][0]), np.zeros((30, 30, 3), np.uint8))

    def picky(rgbs):
        if any(rgb.shape[0] == 30 for rgb in rgbs):
            raise RuntimeError("no\nblack squares")
        return colors(rgbs)

    errors = [o.error for o in batch_files.run(picky, pairs, batch_size=4)]
    assert errors == [None, None, "cannot be colorized: no black squares", None]


def test_a_merge_that_fails_is_one_line(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(full_size, "merge", full)
    errors = [o.error for o in batch_files.run(colors, pairs_of(tmp_path / "in", 2), batch_size=4)]
    assert errors == ["not enough memory to colorize it at its size"] * 2


class Scheduler:
    """Stops one thread of the pool before its n-th line of batch_files.py, while the main thread goes on."""

    def __init__(self, stop: int):
        self.stop, self.lines, self.lock = stop, 0, threading.Lock()

    def __call__(self, frame, event, _):
        if frame.f_code.co_filename != batch_files.__file__:
            return None
        if event == "line":
            with self.lock:
                self.lines += 1
                here = self.lines == self.stop
            if here:
                time.sleep(0.05)
        return self


def test_a_thread_that_stops_between_any_two_lines_breaks_nothing(tmp_path):
    pairs = pairs_of(tmp_path / "in", 3)
    broken = tmp_path / "in" / "broken.png"
    broken.write_bytes(pairs[0][0].read_bytes()[:-200])
    pairs.insert(1, (broken, tmp_path / "in/out/broken.jpg"))
    stop, lines = 1, 1
    while stop <= lines:
        threading.settrace(scheduler := Scheduler(stop))
        try:
            outcomes = list(batch_files.run(colors, pairs, batch_size=1, overwrite=True))
        finally:
            threading.settrace(None)
        assert [bool(outcome.error) for outcome in outcomes] == [False, True, False, False], stop
        stop, lines = stop + 1, scheduler.lines


def test_what_is_under_way_is_limited_in_pixels(tmp_path, monkeypatch):
    alive, most, lock = set(), [], threading.Lock()
    read, write = photos.read, photos.write

    def counting_read(path):
        with lock:
            alive.add(path)
            most.append(len(alive))
        return read(path)

    def counting_write(path, *args, **kwargs):
        notes = write(path, *args, **kwargs)
        with lock:
            alive.discard(path.parent.parent / f"{path.stem}.png")
        return notes

    monkeypatch.setattr(photos, "read", counting_read)
    monkeypatch.setattr(photos, "write", counting_write)
    monkeypatch.setattr(batch_files, "PIXELS", 3 * 60 * 50)
    outcomes = list(batch_files.run(colors, pairs_of(tmp_path / "in", 30), batch_size=8))
    assert not any(o.error for o in outcomes) and max(most) <= 3
    monkeypatch.setattr(batch_files, "PIXELS", 1)  # one photo always may
    assert not any(o.error for o in batch_files.run(colors, pairs_of(tmp_path / "on", 3), batch_size=8))


def test_the_next_are_decoded_and_the_last_encoded_while_the_network_works(tmp_path, monkeypatch):
    during, written, first = set(), [], threading.Event()
    read = photos.read

    def noting(path):
        during.add(path.stem)
        return read(path)

    monkeypatch.setattr(photos, "read", noting)
    calls = []

    def whole():
        """Results that have their own names; a part's begins with a dot."""
        return [path.name for path in tmp_path.glob("in/out/0*.jpg")]

    def waits(rgbs):
        calls.append(len(rgbs))
        if len(calls) == 2:  # the third batch is decoded and the first one written before this one returns
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline and not (len(during) == 6 and len(whole()) == 2):
                time.sleep(0.01)
            written.extend(whole())
            first.set()
        return colors(rgbs)

    assert not any(o.error for o in batch_files.run(waits, pairs_of(tmp_path / "in", 8), batch_size=2))
    assert first.is_set() and sorted(written)[:2] == ["0000.jpg", "0001.jpg"] and len(during) == 8


def test_a_photo_for_which_there_is_no_memory_is_refused_before(tmp_path, monkeypatch):
    monkeypatch.setattr(batch_files, "LARGE", 1)
    monkeypatch.setattr(memory, "available", lambda: 10**6)
    (outcome,) = batch_files.run(colors, pairs_of(tmp_path / "in", 1), batch_size=1)
    assert outcome.error == "not enough memory: it needs up to 0.0 GB, and 0.0 GB are free"
    monkeypatch.setattr(memory, "available", lambda: None)  # where the system does not say
    assert not any(o.error for o in batch_files.run(colors, pairs_of(tmp_path / "on", 1), batch_size=1))


def test_memory_is_the_machines_or_the_containers(tmp_path):
    assert memory.available(tmp_path) is None
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 4000 kB\n")
    assert memory.available(tmp_path) == 4000 * 1024
    groups = tmp_path / "sys/fs/cgroup"
    groups.mkdir(parents=True)
    (groups / "memory.max").write_text("max\n")
    (groups / "memory.current").write_text("500000\n")
    assert memory.available(tmp_path) == 4000 * 1024
    (groups / "memory.max").write_text("600000\n")
    assert memory.available(tmp_path) == 100_000
    (groups / "memory.stat").write_text("anon 7\ninactive_file 50000\n")
    assert memory.available(tmp_path) == 150_000


KILLED = """
import os, signal, sys, numpy as np
from pathlib import Path
from PIL import Image
from colorizer.inference import batch_files
save = Image.Image.save
def half(self, file, *args, **kwargs):
    if '0003' in file.name:
        file.write(b'half a picture'); file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    save(self, file, *args, **kwargs)
Image.Image.save = half
folder = Path(sys.argv[1])
pairs = [(folder / f'{i:04d}.png', folder / 'out' / f'{i:04d}.jpg') for i in range(6)]
list(batch_files.run(lambda rgbs: [np.zeros((8, 8, 2), np.float32) for _ in rgbs], pairs, batch_size=1))
"""


def test_a_killed_run_leaves_no_half_file_and_is_gone_on_with(tmp_path):
    pairs = pairs_of(tmp_path / "in", 6)
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "in")], cwd=REPOSITORY)
    assert done.returncode == -9
    left = [p.name for p in (tmp_path / "in/out").iterdir()]
    assert any(atomic_files.writer_of(name) for name in left) and "0003.jpg" not in left
    whole = [name for name in left if not atomic_files.writer_of(name)]
    for name in whole:
        assert photos.read(tmp_path / "in/out" / name).rgb.shape == (60, 50, 3)
    outcomes = list(batch_files.run(colors, pairs, batch_size=2))
    assert not any(o.error for o in outcomes) and sum(o.skipped for o in outcomes) == len(whole)
    assert sorted(p.name for p in (tmp_path / "in/out").iterdir()) == [f"{i:04d}.jpg" for i in range(6)]


def test_what_another_machine_is_writing_is_left_until_it_is_known_to_be_lost(tmp_path):
    pairs = pairs_of(tmp_path / "in", 2)
    target = pairs[0][1]
    target.parent.mkdir(parents=True)
    with atomic_files.replacing(target) as part:
        part.touch()
        theirs = part.with_name(part.name.replace(atomic_files._MACHINE, "0123abcd"))
    target.rename(theirs)
    assert not any(outcome.error for outcome in batch_files.run(colors, pairs, batch_size=1))
    assert theirs.exists()
    atomic_files.sweep(pairs[1][1])
    assert theirs.exists(), "it is the temporary name of another photograph"
    atomic_files.sweep(target)
    assert not theirs.exists() and target.exists()


def test_the_longest_names_are_written(tmp_path):
    name = "ä" * 125 + ".png"  # 254 bytes; 255 is what file systems take
    Image.fromarray(draw_picture(0)).save(tmp_path / name)
    (outcome,) = batch_files.run(colors, [(tmp_path / name, tmp_path / "out" / name)], batch_size=1)
    assert outcome.error is None and (tmp_path / "out" / name).is_file()


def test_metadata_depth_and_l_travel_through(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x0132] = 6, "1901:02:03 04:05:06"
    Image.fromarray(draw_picture(3)[..., 1]).save(tmp_path / "a.jpg", exif=exif.tobytes())
    (outcome,) = batch_files.run(colors, [(tmp_path / "a.jpg", tmp_path / "b.tif")], batch_size=1)
    assert outcome.error is None
    photo = photos.read(tmp_path / "b.tif")
    kept = Image.Exif()
    kept.load(photo.metadata["exif"])
    assert kept[0x0132] == "1901:02:03 04:05:06" and 0x0112 not in kept and photo.rgb.shape == (128, 96, 3)


def test_of_several_pages_the_outcome_says_so(tmp_path):
    frames = [Image.fromarray(draw_picture(i)) for i in range(2)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    (outcome,) = batch_files.run(colors, [(tmp_path / "a.tif", tmp_path / "b.tif")], batch_size=1)
    assert outcome.notes == ("it has several pages; the first is read",)
