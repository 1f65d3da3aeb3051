"""The experiment on films: its clips, and the line that sums them up."""

import numpy as np
import pytest

from experiments import film


def line(clip, every, warp=1.0, ghost=None, **shares):
    return {"clip": clip, "every": every, "warp": warp, "ghost": ghost, **shares}


def test_all_clips_are_summed_up_against_frame_by_frame():
    lines = [
        line("a", None, ghost=20.0),
        line("a", 8, ghost=18.0, warp_share=0.1, colorfulness_share=1.0),
        line("b", None, ghost=10.0),
        line("b", 8, ghost=11.0, warp_share=0.3, colorfulness_share=0.9),
        line("c", None),
        line("c", 8, warp_share=0.2, colorfulness_share=1.1),
    ]
    (summary,) = film.summed_up(lines)
    assert (summary["every"], summary["clips"]) == (8, 3)
    means = summary["means_with_intervals"]
    assert means["warp_share"] == [0.2, 0.1, 0.3] and means["colorfulness_share"][0] == 1.0
    assert means["ghost_above_frame_by_frame"] == [-0.5, -2.0, 1.0]  # of the two clips that have one


def test_clips_without_a_truth_are_summed_up_too():
    lines = [line("a", None), line("a", 4, warp_share=0.1, colorfulness_share=1.0)]
    (summary,) = film.summed_up(lines)
    assert list(summary["means_with_intervals"]) == ["warp_share", "colorfulness_share"]


@pytest.mark.parametrize("name", film.CUTOUTS)
def test_a_cutout_uncovers_what_was_hidden_by_it(name):
    pytest.importorskip("skimage")
    first, second = film.cutout(*film.CUTOUTS[name], frames=2)
    assert not first.uncovered.any() and second.uncovered.any()
    assert not (second.uncovered & second.visible).any()
    behind = film.ab_of(film.window(film.photograph(film.CUTOUTS[name][1]), 120, 60))
    np.testing.assert_array_equal(second.truth[second.uncovered], behind[second.uncovered])
