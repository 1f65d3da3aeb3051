"""The perceptual measures of whole test lists, by a small random classifier."""

import keras
import numpy as np
import pytest
from canned import canned_run
from conftest import draw_picture
from drawn_lists import brown_run, score_at

from colorizer import photos
from colorizer.classifiers import catalog
from colorizer.classifiers.classifier import Classifier
from colorizer.cli import evaluate
from colorizer.errors import ClassifierError, EvaluationError
from colorizer.evaluation import evaluator
from colorizer.evaluation.perceptual import blotches, class_pictures, scorer
from colorizer.evaluation.perceptual.features import Features
from colorizer.reporting import build, perceptual_table

SIDE = 128  # pixels of the test lists' squares here


@pytest.fixture(autouse=True)
def halves(monkeypatch):
    """Two regions in every picture: those of real ones take a second each."""
    of_two = np.repeat([[0] * (SIDE // 2) + [1] * (SIDE // 2)], SIDE, axis=0)
    monkeypatch.setattr(blotches, "regions", lambda rgb_u8: of_two)


def seeing_classifier():
    """A random classifier with feature maps of 1/4 to 1/32 of its 64 pixels."""
    keras.utils.set_random_seed(1)
    rgb = keras.Input((64, 64, 3))
    x = keras.layers.Rescaling(1 / 255)(rgb)
    for filters in (4, 6, 8, 10, 12):
        x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(rgb, keras.layers.Dense(1000, activation="softmax")(x))


@pytest.fixture(scope="module")
def features():
    return Features(Classifier("small", "sha256:small", seeing_classifier()))


@pytest.fixture
def labeled(tmp_path, features):
    """Six photographs: the classifier is right about the first four."""
    for index in range(6):
        rgb = draw_picture(index, 128, 128)
        photos.write(tmp_path / "labeled" / f"{index}.png", rgb)
    from colorizer.data import pixel_store

    store = pixel_store.build(tmp_path / "labeled", [f"{index}.png" for index in range(6)], SIDE)
    classes = features.extract(store.read(store.rows)).classes
    lines = [f"{index}.png,{label if index < 4 else (label + 1) % 1000}" for index, label in enumerate(classes)]
    (tmp_path / "labeled" / "list.csv").write_text("\n".join(["file,class", *lines]), encoding="utf-8")
    return tmp_path / "labeled" / "list.csv"


@pytest.fixture
def drawn_lists(drawn_lists, monkeypatch):
    """Scored at a size where colors at 64 pixels are not the truth's."""
    score_at(SIDE, monkeypatch)
    monkeypatch.setattr(scorer, "SIDE", SIDE)
    return drawn_lists


@pytest.fixture
def result(drawn_lists, tmp_path):
    brown_run(tmp_path / "runs" / "trivial-paintings")
    return evaluator.evaluate(tmp_path / "runs", data_dir=drawn_lists)


def test_truth_gray_and_runs_are_scored(result, features, labeled):
    table = scorer.score(result, features, class_pictures.read(labeled))
    means = table.set_index(["test_set", "method", "measure"])["mean"]
    for test_set in ("paintings", "coco", "ood"):
        assert means[test_set, "truth", "kid"] == pytest.approx(0, abs=1e-9)
        assert means[test_set, "truth", "feature_distance"] == pytest.approx(0, abs=1e-9)
        assert 0 < means[test_set, "truth_64", "feature_distance"] < means[test_set, "all_grey", "feature_distance"]
        assert {"trivial", "all_grey"} < set(table[table.test_set == test_set].method)
    accuracy = {method: means["list", method, "accuracy"] for method in ("truth", "all_grey", "trivial")}
    assert accuracy["truth"] == pytest.approx(4 / 6)
    if accuracy["truth"] > accuracy["all_grey"]:
        share = (accuracy["trivial"] - accuracy["all_grey"]) / (accuracy["truth"] - accuracy["all_grey"])
        assert means["list", "trivial", "recovered"] == pytest.approx(share)
    assert set(table[table.test_set == "list"].n) == {6}
    page = perceptual_table.render(table, "small")
    assert "| truth, colors at 64x64 |" in page and "not LPIPS" in page and "Recognized" in page
    ends = table.dropna()
    assert ((ends.low <= ends["mean"]) & (ends["mean"] <= ends.high)).all()


def test_a_classifier_of_a_training_is_refused(result, features):
    result.runs[0].config["classifier_sha256"] = features.fingerprint
    with pytest.raises(EvaluationError, match="no run of its table was trained with. Received: small"):
        scorer.score(result, features)


def test_a_run_without_all_predictions_is_left_out(result, features):
    (label,) = result.predictions
    names, ab = result.predictions[label]["coco"]
    result.predictions[label]["coco"] = (names[:1], ab[:1])
    table = scorer.score(result, features)
    assert {"coco", "ood"} <= set(table.test_set)
    assert "trivial" not in set(table[table.test_set == "coco"].method)
    assert "trivial" in set(table[table.test_set == "ood"].method)


def test_a_classifier_without_the_feature_maps_is_refused():
    rgb = keras.Input((64, 64, 3))
    x = keras.layers.Dense(1000)(keras.layers.GlobalAveragePooling2D()(rgb))
    with pytest.raises(ClassifierError, match="without 1/4, 1/8, 1/16, 1/32"):
        Features(Classifier("flat", "", keras.Model(rgb, x)))


def test_features_do_not_depend_on_the_other_pictures_of_a_batch(features):
    rgb_u8 = np.stack([draw_picture(index, 96, 96) for index in range(3)])
    together, alone = features.extract(rgb_u8), features.extract(rgb_u8[1:2])
    assert together.vector.shape == (3, 12) and [level.shape[1] for level in together.levels] == [16, 8, 4, 2]
    np.testing.assert_allclose(together.vector[1], alone.vector[0], rtol=1e-4, atol=1e-6)


def test_the_command_writes_one_more_table(drawn_lists, tmp_path, labeled, capsys, monkeypatch):
    monkeypatch.setattr(build, "write", lambda *args, **options: [])  # pages and figures are other tests' subject
    run = brown_run(tmp_path / "runs" / "trivial-paintings")
    seeing_classifier().save(tmp_path / "small.keras")
    flags = ["--runs", str(run.folder.parent), "--data-dir", str(drawn_lists), "--limit", "3"]
    assert evaluate.main([*flags, "--perceptual", str(tmp_path / "small.keras"), "--classes", str(labeled)]) == 0
    page = (run.folder.parent / "evaluation-limit-3" / "tables" / "perceptual.md").read_text("utf-8")
    assert page in capsys.readouterr().out and "KID x 1000" in page and "at most 3 pictures" in page
    assert "| list (n=3) | truth |" in page


def test_the_command_refuses_an_unfit_classifier_before_anything_is_scored(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(evaluator, "evaluate", lambda *args, **options: pytest.fail("scored first"))
    seeing, flat = tmp_path / "seeing.keras", tmp_path / "flat.keras"
    seeing_classifier().save(seeing)
    rgb = keras.Input((64, 64, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(rgb))
    keras.Model(rgb, keras.layers.Dense(1000, activation="softmax")(x)).save(flat)
    canned_run(tmp_path / "runs" / "seen", config={"classifier_sha256": catalog.fingerprint_of(seeing)})
    for path, message in ((seeing, "seeing, which seen was trained with"), (flat, "64 pixels, without 1/4")):
        assert evaluate.main(["--runs", str(tmp_path / "runs"), "--perceptual", str(path)]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--classes", "somewhere"], "belongs to --perceptual"),
        (["--perceptual", "nothing.keras"], "nothing.keras"),
    ],
)
def test_wrong_flags_end_early(flags, message, capsys):
    assert evaluate.main(flags) == 2
    assert message in capsys.readouterr().err
