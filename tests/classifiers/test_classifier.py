"""ImageNet classifiers by name and file, and what is refused."""

import keras
import numpy as np
import pytest
from skimage import data
from small_classifiers import small_classifier

from colorizer import images
from colorizer.classifiers import catalog, classifier
from colorizer.errors import ClassifierError


@pytest.fixture(scope="module")
def two_photographs():
    return np.stack([images.resize_square(photo, 256) for photo in (data.chelsea(), data.coffee())])


def test_any_saved_classifier_serves_at_its_own_size(tmp_path, two_photographs):
    model = small_classifier(tmp_path / "small.keras")
    seen = classifier.load(str(tmp_path / "small.keras"))
    assert seen.name == "small"
    assert seen.fingerprint.startswith("sha256:")
    gray = np.stack([classifier.gray_input(photo, 32) for photo in two_photographs])
    np.testing.assert_allclose(seen.vectors(two_photographs), model.predict_on_batch(gray), atol=1e-6)


def test_no_classifier_gives_zeros(two_photographs):
    assert not classifier.load("none").vectors(two_photographs).any()


@pytest.mark.parametrize("content", ["missing", "text", "ten classes", "wide"])
def test_what_is_no_classifier_is_refused(tmp_path, content):
    path = tmp_path / "model.keras"
    if content == "text":
        path.write_text("not a model")
    elif content == "ten classes":
        small_classifier(path, classes=10)
    elif content == "wide":  # it gets squares
        small_classifier(path, size=(32, 48))
    with pytest.raises(ClassifierError, match=r"model\.keras"):
        classifier.load(str(path))


def test_the_input_is_grey_in_0_to_255(two_photographs):
    gray = classifier.gray_input(two_photographs[0], 380)
    assert gray.shape == (380, 380, 3)
    assert gray.dtype == np.float32
    assert 100 < gray.max() <= 255
    np.testing.assert_array_equal(gray[..., 0], gray[..., 2])


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


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_truncated_file_is_called_so_and_not_missing(tmp_path, ending):
    small_classifier(tmp_path / "whole.keras")
    content = (tmp_path / "whole.keras").read_bytes()
    cut = tmp_path / f"cut{ending}"
    for size in (0, 100, len(content) // 2, len(content) - 1):
        cut.write_bytes(content[:size])
        for function in (classifier.check, classifier.load):
            with pytest.raises(ClassifierError, match=rf"its end is missing.*{size:,} bytes"):
                function(str(cut))


@pytest.mark.parametrize("damage", ["logits", "not a number", "sigmoid"])
def test_scores_that_are_not_a_softmax_are_refused(tmp_path, damage):
    activation = {"logits": None, "not a number": "softmax", "sigmoid": "sigmoid"}[damage]
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(1000, activation=activation)(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, outputs)
    if damage == "not a number":
        model.set_weights([weight * np.nan for weight in model.get_weights()])
    model.save(tmp_path / "model.keras")
    with pytest.raises(ClassifierError, match=r"1000 softmax scores.*model\.keras.*sum"):
        classifier.load(str(tmp_path / "model.keras"))


def test_a_classifier_that_can_be_fetched_is_offered_by_name(own_cache):
    for name in ("efficientnet_lite2", "logits:efficientnet_lite2"):
        with pytest.raises(ClassifierError, match="python -m colorizer fetch efficientnet_lite2$"):
            classifier.load(name)
    with pytest.raises(ClassifierError, match="mobile_models.*fetch mobilenet_edgetpu --tflite FILE"):
        classifier.load("../elsewhere/mobilenet_edgetpu.keras")


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("none", "none"),
        ("efficientnet_lite2", "efficientnet_lite2"),
        ("/some/where/net.v2.keras", "net.v2"),
        ("logits:../net.keras", "logits:net"),
        ("shuffled:C:\\models\\net.keras", "shuffled:net"),
        ("random:efficientnet_b4", "random:efficientnet_b4"),
        ("weights.h5", "weights"),
    ],
)
def test_a_record_keeps_a_name_and_no_path(spec, name):
    assert classifier.name_of(spec) == name


def test_a_recorded_classifier_is_found_by_sha256_then_by_name(own_cache, tmp_path):
    small_classifier(tmp_path / "net.keras")
    recorded = classifier.load(str(tmp_path / "net.keras"))
    record = {"classifier": "elsewhere/net.keras", "classifier_sha256": recorded.fingerprint}
    assert classifier.spec_of(record) == "elsewhere/net.keras", "it is nowhere"
    catalog.folder().mkdir(parents=True)
    small_classifier(catalog.path_of("net"), size=16)  # another one of this name
    assert classifier.load(classifier.spec_of(record)).fingerprint != recorded.fingerprint
    (tmp_path / "net.keras").rename(catalog.path_of("renamed"))
    assert classifier.load(classifier.spec_of(record)).fingerprint == recorded.fingerprint
    for prefix in ("logits:", "shuffled:"):
        ablated = {"classifier": f"{prefix}net", "classifier_sha256": prefix + recorded.fingerprint}
        assert classifier.load(classifier.spec_of(ablated)).fingerprint == prefix + recorded.fingerprint
    assert classifier.spec_of({"classifier": "none", "classifier_sha256": ""}) == "none"
