import keras
import numpy as np
import pytest
from skimage import data

from colorizer import images
from colorizer.classifiers import classifier
from colorizer.data import pixel_store
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


def small_classifier(path, size=32, classes=1000):
    inputs = keras.Input((size, size, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(4, 3, strides=4)(x)
    x = keras.layers.Dense(classes, activation="softmax")(keras.layers.Flatten()(x))
    model = keras.Model(inputs, x)
    model.save(path)
    return model


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
    wrong = np.stack([classifier.grey_input(photo, 380) for photo in two_photographs]) / 255
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
    plain = classifier.efficientnet_b4_from_file(b4_file, extra_rescaling=False)
    folded = classifier.efficientnet_b4_from_file(b4_file, extra_rescaling=True)

    def vectors(model):
        return classifier.Classifier("b4", "x", model).vectors(two_photographs, batch_size=2)

    np.testing.assert_allclose(vectors(folded), expected, atol=1e-6)
    assert np.abs(vectors(plain) - expected).sum() > 1e-2, "the layer changes scores, or this test shows nothing"


def test_whether_a_file_was_saved_with_the_extra_layer_is_found_out(b4_file, tmp_path, monkeypatch):
    from keras.src.applications import efficientnet

    monkeypatch.setattr(efficientnet.file_utils, "get_file", lambda *args, **kwargs: str(b4_file))
    keras.applications.EfficientNetB4(weights="imagenet").save_weights(tmp_path / "with.weights.h5")
    assert classifier._saved_with_extra_rescaling(tmp_path / "with.weights.h5")
    assert not classifier._saved_with_extra_rescaling(b4_file)


def test_weights_that_cannot_be_downloaded_are_named_with_the_other_choices(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(keras.applications, "EfficientNetB4", refuse)
    with pytest.raises(ClassifierError) as error:
        classifier.load("efficientnet_b4")
    for needed in ("efficientnetb4.h5", "18c95ad55216b8f92d7e70b3a046e2fc", "models", "--classifier FILE", "none"):
        assert needed in str(error.value)


def test_any_saved_classifier_serves_at_its_own_size(tmp_path, two_photographs):
    model = small_classifier(tmp_path / "small.keras")
    seen = classifier.load(str(tmp_path / "small.keras"))
    assert seen.name == "small"
    assert seen.fingerprint.startswith("sha256:")
    grey = np.stack([classifier.grey_input(photo, 32) for photo in two_photographs])
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
    grey = classifier.grey_input(two_photographs[0], 380)
    assert grey.shape == (380, 380, 3)
    assert grey.dtype == np.float32
    assert 100 < grey.max() <= 255
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])


def test_vectors_are_computed_once_and_kept_beside_the_pixels(tmp_path, picture_folder, monkeypatch):
    small_classifier(tmp_path / "small.keras")
    seen = classifier.load(str(tmp_path / "small.keras"))
    names = sorted(p.name for p in picture_folder.iterdir())
    pictures = pixel_store.build(picture_folder, names, 64, cache=tmp_path / "cache")
    first = np.array(classifier.vectors_of(seen, pictures))
    np.testing.assert_allclose(first[pictures.rows], seen.vectors(pictures.pixels[pictures.rows]), atol=1e-6)
    monkeypatch.setattr(classifier.Classifier, "vectors", lambda *args: pytest.fail("computed twice"))
    np.testing.assert_array_equal(classifier.vectors_of(seen, pictures), first)


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
    own = np.array(classifier.vectors_of(classifier.load(spec), pictures))[pictures.rows]
    seen = classifier.load(f"shuffled:{spec}")
    other = classifier.vectors_of(seen, pictures)[pictures.rows]
    assert (own != other).any(axis=1).all(), "nobody keeps its own"
    np.testing.assert_array_equal(np.sort(own, axis=0), np.sort(other, axis=0))
    np.testing.assert_array_equal(
        classifier.vectors_of(classifier.load(f"shuffled:{spec}"), pictures)[pictures.rows], other
    )
    with pytest.raises(ClassifierError, match="no other's vector"):
        seen.vectors(pictures.pixels[:2])


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
