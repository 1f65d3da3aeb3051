"""Finished parts of a film: what is kept of them, and who may work on them."""

import os
import signal

import numpy as np
import pytest
from clips import Painter, files_of, moving, two_shots, write

from colorizer.errors import FilmError
from colorizer.film import carry, container, parts
from colorizer.film.colorize import colorize


def test_memory_holds_the_key_of_the_last_part_alone(tmp_path):
    key = carry.Key(np.zeros((4, 4), np.uint8), np.zeros((4, 4, 2), np.float32), np.ones((4, 4), np.float32))
    with parts.Parts(tmp_path / "film.mp4", {"version": 1}) as made:
        for time in range(3):
            made.add([], parts.Ending(time, 1, key))
    with parts.Parts(tmp_path / "film.mp4", {"version": 1}) as again:
        for one in (made, again):
            assert [ending.key is not None for ending in one.endings] == [False, False, True]
        made.add([], parts.Ending(3, 1, None), tail=True)
        assert len(made.endings) == 4
        made.forget_tail()
        assert [ending.key is not None for ending in made.endings] == [False, False, True]


def test_parts_of_another_record_are_refused_or_go_and_the_lock_stays(tmp_path):
    output = tmp_path / "film.mp4"
    with parts.Parts(output, {"version": 1}) as made:
        made.add([], parts.Ending(0, 1, None))
    with pytest.raises(FilmError, match="earlier run finished 1 frames of it with something else: version 1 -> 2. Rep"):
        parts.Parts(output, {"version": 2})
    with parts.Parts(output, {"version": 1}) as made:
        assert len(made.endings) == 1
    with parts.Parts(output, {"version": 2}, overwrite=True) as made:
        assert made.endings == []
        with pytest.raises(FilmError, match="another run"):
            parts.require_free(output)
    parts.require_free(output)
    parts.require_free(tmp_path / "never.mp4")
    assert files_of(tmp_path) == [".film.mp4.parts"]


def test_a_file_with_the_name_of_the_unfinished_part_is_never_touched(tmp_path):
    source, part = write(tmp_path / "film.mp4", moving(12)), write(tmp_path / "color.part.mp4", moving(3))
    before = part.read_bytes()
    for film, reason in ((source, "Rename or remove it"), (part, "the source has the name of its unfinished part")):
        with pytest.raises(FilmError, match=reason):
            colorize(Painter(), film, tmp_path / "color.mp4")
    assert files_of(tmp_path) == ["color.part.mp4", "film.mp4"] and part.read_bytes() == before


def test_an_unfinished_part_that_was_changed_is_another_file(tmp_path):
    source, part = two_shots(tmp_path / "film.mp4"), tmp_path / "color.part.mp4"
    for count in (4, 0):  # an own one is replaced
        with pytest.raises(KeyboardInterrupt):
            colorize(Painter(stop_after=count, error=KeyboardInterrupt), source, tmp_path / "color.mp4")
    with pytest.raises(FilmError, match="the source has the name"):
        colorize(Painter(), part, tmp_path / "color.mp4")
    own = part.read_bytes()
    part.write_bytes(b"mine")
    with pytest.raises(FilmError, match="Received: 4 bytes. Rename or remove it"):
        colorize(Painter(), source, tmp_path / "color.mp4")
    part.unlink()
    assert own and colorize(Painter(), source, tmp_path / "color.mp4").frames == 20
    assert files_of(tmp_path) == ["color.mp4", "film.mp4"]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
def test_a_kill_after_ctrl_c_leaves_no_part_of_half_a_shot(tmp_path, monkeypatch):
    source = write(tmp_path / "film.mp4", moving(40))
    colorize(Painter(), source, tmp_path / "whole.mp4")
    if not (child := os.fork()):
        monkeypatch.setattr(container, "_write", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        colorize(Painter(stop_after=3, error=KeyboardInterrupt), source, tmp_path / "color.mp4")
        os._exit(0)
    os.waitpid(child, 0)
    assert "tail.npz" in files_of(parts.folder_of(tmp_path / "color.mp4"))
    assert colorize(Painter(), source, tmp_path / "color.mp4").resumed == 0
    assert (tmp_path / "color.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
def test_a_kill_while_the_film_is_put_together_leaves_nothing_beside_it(tmp_path, monkeypatch):
    source = two_shots(tmp_path / "film.mp4")
    if not (child := os.fork()):
        written = container._write
        monkeypatch.setattr(container, "_write", lambda *to: (written(*to), os.kill(os.getpid(), signal.SIGKILL)))
        colorize(Painter(), source, tmp_path / "color.mp4")
        os._exit(0)
    os.waitpid(child, 0)
    left = [name for name in files_of(tmp_path) if name.endswith("-color.mp4")]
    (tmp_path / left[0].replace("-color.mp4", "-color.part.mp4")).write_bytes(b"of a film that was interrupted")
    (tmp_path / left[0].replace("-color.mp4", "-other.mp4")).write_bytes(b"of a film that is being made")
    assert len(left) == 1 and colorize(Painter(), source, tmp_path / "color.mp4").resumed == 20
    assert [name.rpartition("-")[2] for name in files_of(tmp_path)] == ["other.mp4", "color.mp4", "film.mp4"]
