"""Class vectors of a data set: computed once, stored beside the pixels."""

import numpy as np
import pytest
from small_classifiers import small_classifier

from colorizer.classifiers import class_vectors, classifier
from colorizer.data import pixel_store


def test_vectors_are_computed_once_and_kept_beside_the_pixels(tmp_path, picture_folder, monkeypatch):
    small_classifier(tmp_path / "small.keras")
    seen = classifier.load(str(tmp_path / "small.keras"))
    names = sorted(p.name for p in picture_folder.iterdir())
    pictures = pixel_store.build(picture_folder, names, 64, cache=tmp_path / "cache")
    first = np.array(class_vectors.compute(seen, pictures))
    np.testing.assert_allclose(first[pictures.rows], seen.vectors(pictures.pixels[pictures.rows]), atol=1e-6)
    monkeypatch.setattr(classifier.Classifier, "vectors", lambda *args: pytest.fail("computed twice"))
    np.testing.assert_array_equal(class_vectors.compute(seen, pictures), first)


def test_stored_vectors_that_are_damaged_are_computed_again(tmp_path, picture_folder):
    small_classifier(tmp_path / "small.keras")
    seen = classifier.load(str(tmp_path / "small.keras"))
    pictures = pixel_store.build(picture_folder, sorted(p.name for p in picture_folder.iterdir()), 64, cache=tmp_path)
    first = np.array(class_vectors.compute(seen, pictures))
    (path,) = pictures.path.glob("vectors-small-*.npy")
    for content in (b"", path.read_bytes()[:1000]):
        path.write_bytes(content)
        np.testing.assert_array_equal(class_vectors.compute(seen, pictures), first)
