"""The paper's classifier: its size, its file, its extra layer, its weights before training."""

import keras
import numpy as np
import pytest
from skimage import data

from colorizer import images
from colorizer.classifiers import b4_download, classifier, efficientnet_b4
from colorizer.errors import ClassifierError

SHARPENED = 1e4


@pytest.fixture(scope="module")
def b4():
    """EfficientNet-B4 with random weights, made once: building it takes seconds."""
    keras.utils.set_random_seed(1)
    model = keras.applications.EfficientNetB4(weights=None)
    # Untrained, every score is 1/1000 to five digits: a larger last kernel makes them tell pictures apart.
    last = model.get_layer("predictions")
    last.set_weights([last.get_weights()[0] * SHARPENED, last.get_weights()[1]])
    return model


@pytest.fixture(scope="module")
def b4_file(b4, tmp_path_factory):
    path = tmp_path_factory.mktemp("b4") / "b4.weights.h5"
    b4.save_weights(path)
    return path


@pytest.fixture(scope="module")
def two_photographs():
    return np.stack([images.resize_square(photo, 256) for photo in (data.chelsea(), data.coffee())])


def test_efficientnet_b4_is_the_papers(b4):
    assert b4.count_params() == 19_466_823
    assert b4.input_shape == (None, 380, 380, 3)
    assert b4.output_shape == (None, 1000)


def test_vectors_tell_photographs_apart_and_notice_a_wrong_scale(b4, two_photographs):
    seen = classifier.Classifier("b4", "x", b4)
    vectors = seen.vectors(two_photographs, batch_size=2)
    assert vectors.shape == (2, 1000)
    np.testing.assert_allclose(vectors.sum(axis=1), 1, atol=1e-4)
    assert np.abs(vectors[0] - vectors[1]).sum() > 1e-3
    wrong = np.stack([classifier.gray_input(photo, 380) for photo in two_photographs]) / 255
    assert np.abs(b4.predict_on_batch(wrong) - vectors).sum() > 1e-3


def test_a_file_gives_the_scores_of_the_model_it_came_from(b4, b4_file, two_photographs):
    expected = classifier.Classifier("b4", "x", b4).vectors(two_photographs, batch_size=2)
    loaded = classifier.load(str(b4_file.with_suffix(".h5")))
    np.testing.assert_allclose(loaded.vectors(two_photographs, batch_size=2), expected, atol=1e-6)


@pytest.mark.slow
def test_the_extra_rescaling_of_imagenet_weights_is_kept(b4_file, two_photographs, monkeypatch):
    from keras.src.applications import efficientnet

    # Keras' own way to load "imagenet", which adds the layer, made to read the local file.
    monkeypatch.setattr(efficientnet.file_utils, "get_file", lambda *args, **kwargs: str(b4_file))
    imagenet = keras.applications.EfficientNetB4(weights="imagenet")
    expected = classifier.Classifier("b4", "x", imagenet).vectors(two_photographs, batch_size=2)
    plain = efficientnet_b4.from_file(b4_file, extra_rescaling=False)
    folded = efficientnet_b4.from_file(b4_file, extra_rescaling=True)

    def vectors(model):
        return classifier.Classifier("b4", "x", model).vectors(two_photographs, batch_size=2)

    np.testing.assert_allclose(vectors(folded), expected, atol=1e-6)
    assert np.abs(vectors(plain) - expected).sum() > 1e-2, "the layer changes scores, or this test shows nothing"


def test_whether_a_file_was_saved_with_the_extra_layer_is_found_out(b4_file, tmp_path, monkeypatch):
    from keras.src.applications import efficientnet

    monkeypatch.setattr(efficientnet.file_utils, "get_file", lambda *args, **kwargs: str(b4_file))
    keras.applications.EfficientNetB4(weights="imagenet").save_weights(tmp_path / "with.weights.h5")
    assert efficientnet_b4.saved_with_extra_rescaling(tmp_path / "with.weights.h5")
    assert not efficientnet_b4.saved_with_extra_rescaling(b4_file)


def test_weights_that_cannot_be_downloaded_are_named_with_the_other_choices(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(keras.applications, "EfficientNetB4", refuse)
    monkeypatch.setattr(b4_download, "require", lambda: None)
    with pytest.raises(ClassifierError) as error:
        classifier.load("efficientnet_b4")
    for needed in ("efficientnetb4.h5", "18c95ad55216b8f92d7e70b3a046e2fc", "models", "--classifier FILE", "none"):
        assert needed in str(error.value)


def test_a_random_efficientnet_b4_is_always_the_same_one(monkeypatch):
    def small(weights):
        return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(64, 3), keras.layers.BatchNormalization()])

    monkeypatch.setattr(keras.applications, "EfficientNetB4", small)
    one, two = (classifier.load("random:efficientnet_b4") for _ in range(2))
    assert one.name == "random_efficientnet_b4" and one.fingerprint == two.fingerprint
    for a, b in zip(one.model.get_weights(), two.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    kernel, bias, gamma = one.model.get_weights()[:3]
    assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * 64)), rel=0.1) and not bias.any() and (gamma == 1).all()
