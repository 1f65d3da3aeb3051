"""What the benchmark of clusters makes of its times."""

import pytest

from benchmarks import cluster


def test_start_up_is_what_photographs_do_not_explain():
    measured = cluster.rates([10, 110], {"one_process": [3.0, 13.0], "cluster": [9.0, 14.0]})
    assert measured["photos_per_second"] == pytest.approx({"one_process": 10.0, "cluster": 20.0})
    assert measured["start_up_seconds"] == pytest.approx({"one_process": 2.0, "cluster": 8.5})
