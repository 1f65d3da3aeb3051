"""Class vectors that an ablation asks for: logits, another picture's."""

import keras
import numpy as np
import pytest
from skimage import data
from small_classifiers import small_classifier

from colorizer import images
from colorizer.classifiers import class_vectors, classifier
from colorizer.data import pixel_store
from colorizer.errors import ClassifierError


@pytest.fixture(scope="module")
def two_photographs():
    return np.stack([images.resize_square(photo, 256) for photo in (data.chelsea(), data.coffee())])


def test_logits_are_what_the_softmax_is_taken_of(tmp_path, two_photographs):
    small_classifier(tmp_path / "dense.keras")
    whole = keras.saving.load_model(tmp_path / "dense.keras")
    ends_in_a_layer = keras.Model(
        whole.input, keras.layers.Softmax()(keras.layers.Dense(1000)(whole.layers[-2].output))
    )
    ends_in_a_layer.save(tmp_path / "layer.keras")
    for name in ("dense", "layer"):
        spec = str(tmp_path / f"{name}.keras")
        scores, seen = classifier.load(spec).vectors(two_photographs), classifier.load(f"logits:{spec}")
        raw = seen.vectors(two_photographs)
        np.testing.assert_allclose(keras.activations.softmax(raw), scores, atol=1e-6)
        assert np.abs(raw.sum(axis=1) - 1).min() > 1e-2
        assert seen.name == f"logits_{name}" and seen.fingerprint != classifier.load(spec).fingerprint


def test_a_shuffled_vector_is_another_pictures(tmp_path, picture_folder):
    spec = str(small_classifier(tmp_path / "small.keras") and tmp_path / "small.keras")
    names = sorted(p.name for p in picture_folder.iterdir())
    pictures = pixel_store.build(picture_folder, names, 64, cache=tmp_path / "cache")
    own = np.array(class_vectors.compute(classifier.load(spec), pictures))[pictures.rows]
    seen = classifier.load(f"shuffled:{spec}")
    other = class_vectors.compute(seen, pictures)[pictures.rows]
    assert (own != other).any(axis=1).all(), "nobody keeps its own"
    np.testing.assert_array_equal(np.sort(own, axis=0), np.sort(other, axis=0))
    np.testing.assert_array_equal(
        class_vectors.compute(classifier.load(f"shuffled:{spec}"), pictures)[pictures.rows], other
    )
    with pytest.raises(ClassifierError, match="no other vector"):
        seen.vectors(pictures.pixels[:2])
