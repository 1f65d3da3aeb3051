"""Finished parts of a film: what is kept of them, and who may work on them."""

import numpy as np
import pytest
from clips import files_of

from colorizer.errors import FilmError
from colorizer.film import carry, parts


def test_memory_holds_the_key_of_the_last_part_alone(tmp_path):
    key = carry.Key(np.zeros((4, 4), np.uint8), np.zeros((4, 4, 2), np.float32), np.ones((4, 4), np.float32))
    with parts.Parts(tmp_path / "film.mp4", {"version": 1}) as made:
        for time in range(3):
            made.add([], parts.Ending(time, 1, key))
    with parts.Parts(tmp_path / "film.mp4", {"version": 1}) as again:
        for one in (made, again):
            assert [ending.key is not None for ending in one.endings] == [False, False, True]
        made.forget(2)
        assert [ending.key is not None for ending in made.endings] == [False, True]


def test_parts_of_another_record_go_and_the_lock_stays(tmp_path):
    output = tmp_path / "film.mp4"
    with parts.Parts(output, {"version": 1}) as made:
        made.add([], parts.Ending(0, 1, None))
    with parts.Parts(output, {"version": 2}) as made:
        assert made.endings == []
        with pytest.raises(FilmError, match="another run"):
            parts.require_free(output)
    parts.require_free(output)
    parts.require_free(tmp_path / "never.mp4")
    assert files_of(tmp_path) == [".film.mp4.parts"]
