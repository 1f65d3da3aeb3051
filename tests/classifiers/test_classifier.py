"""ImageNet classifiers by name and file, and what is refused."""

import numpy as np
import pytest
from skimage import data
from small_classifiers import small_classifier

from colorizer import images
from colorizer.classifiers import classifier
from colorizer.data import pixel_store
from colorizer.errors import ClassifierError


@pytest.fixture(scope="module")
def two_photographs():
    return np.stack([images.resize_square(photo, 256) for photo in (data.chelsea(), data.coffee())])


def test_any_saved_classifier_serves_at_its_own_size(tmp_path, two_photographs):
    model = small_classifier(tmp_path / "small.keras")
    seen = classifier.load(str(tmp_path / "small.keras"))
    assert seen.name == "small"
    assert seen.fingerprint.startswith("sha256:")
    grey = np.stack([classifier.gray_input(photo, 32) for photo in two_photographs])
    np.testing.assert_allclose(seen.vectors(two_photographs), model.predict_on_batch(grey), atol=1e-6)


def test_no_classifier_gives_zeros(two_photographs):
    assert not classifier.load("none").vectors(two_photographs).any()


@pytest.mark.parametrize("content", ["missing", "text", "ten classes"])
def test_what_is_no_classifier_is_refused(tmp_path, content):
    path = tmp_path / "model.keras"
    if content == "text":
        path.write_text("not a model")
    elif content == "ten classes":
        small_classifier(path, classes=10)
    with pytest.raises(ClassifierError, match=r"model\.keras"):
        classifier.load(str(path))


def test_the_input_is_grey_in_0_to_255(two_photographs):
    grey = classifier.gray_input(two_photographs[0], 380)
    assert grey.shape == (380, 380, 3)
    assert grey.dtype == np.float32
    assert 100 < grey.max() <= 255
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])


@pytest.mark.parametrize("spec", ["logits:none", "shuffled:none", "random:none", "random:vgg16"])
def test_an_ablation_of_nothing_is_refused(spec):
    with pytest.raises(ClassifierError, match="Received"):
        classifier.load(spec)


@pytest.mark.data
def test_the_real_classifier_sees_a_cat_and_an_espresso_in_grey(real_classifier):
    seen = classifier.load(str(real_classifier))
    photographs = np.stack([images.resize_square(photo, 256) for photo in (data.chelsea(), data.coffee())])
    vectors = seen.vectors(photographs)
    assert vectors[0].argmax() in range(281, 286), "a cat: tabby, tiger, Persian, Siamese or Egyptian"
    assert vectors[1].argmax() == 967, "an espresso"
