"""What the benchmark of the training loop makes of its epochs."""

import os

import pytest

from benchmarks.training import Epoch, Span, compared


def test_the_ratio_is_the_median_of_epochs_each_beside_its_own_bouts():
    cores = len(os.sched_getaffinity(0))
    quiet = Epoch(Span(0.10, 0.10 * cores), Span(0.09, 0.09 * cores), 0.0, 1.0)
    # A busy moment slows both sides: the ratio is the same, and half of the time is waited for.
    busy = Epoch(Span(0.20, 0.10 * cores), Span(0.18, 0.09 * cores), 0.0, 2.0)
    line = compared([quiet, busy, busy])
    assert line["ratio"] == pytest.approx(0.9) and line["processor_ratio"] == pytest.approx(0.9)
    assert line["ours_images_per_second"] == pytest.approx(5) and line["epochs"] == 3
    assert line["idle"] == pytest.approx({"ours": 0.5, "bare": 0.5})
