"""The data set that needs no network."""

import re

import cv2
import pytest

from colorizer.data import datasets, sample
from colorizer.data.datasets import find

pytestmark = pytest.mark.usefixtures("own_cache")


def test_sample_is_made_offline_and_split_by_photograph(own_cache):
    dataset = find("sample")
    parts = dataset.train, dataset.val, dataset.test
    assert dataset.root == own_cache / "data" / "sample" and dataset.split_source == "lists"
    assert [len(part) for part in parts] == [54, 9, 9]
    photographs = [{re.sub(r"_\d\.png$", "", name) for name in part} for part in parts]
    assert photographs[2] == {"chelsea"} and not set.intersection(*photographs)
    crop = cv2.imread(str(dataset.root / dataset.test[0]))
    assert crop.shape == (256, 256, 3)
    assert len(datasets.pictures(dataset.root)) == 72
    assert find("sample") == dataset


def test_a_sample_that_breaks_off_is_made_again(own_cache, monkeypatch):
    crops, calls = sample._crops, []

    def breaking(file, folder):
        calls.append(file)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return crops(file, folder)

    monkeypatch.setattr(sample, "_crops", breaking)
    with pytest.raises(KeyboardInterrupt):
        find("sample")
    assert not (own_cache / "data" / "sample").exists()
    assert len(find("sample").train) == 54
