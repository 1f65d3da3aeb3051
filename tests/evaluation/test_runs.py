"""What evaluation makes of a network that has more than one answer: its own luminance, or a second look."""

import numpy as np
import pandas as pd
import pytest
from canned import canned_run
from drawn_lists import brown_run, evaluate

from colorizer import color, methods
from colorizer.evaluation import predictions, runs, scores
from colorizer.methods import Method
from colorizer.reporting.figures import gallery


def test_a_method_that_predicts_luminance_is_scored_with_its_own_too(drawn_lists, tmp_path, monkeypatch):
    def predict_lab(network, l_norm, vector):
        ab_norm = methods.get("trivial").predict_ab(network, l_norm, vector)
        return color.join(-np.ones_like(l_norm), ab_norm)  # black

    monkeypatch.setattr(methods.get("trivial"), "predict_lab", predict_lab)
    monkeypatch.setattr(Method, "predicts_luminance", True)
    brown_run(tmp_path / "runs" / "trivial-paintings")
    first = evaluate(tmp_path / "runs", tmp_path / "out", drawn_lists)[0].scores
    of_run = first[(first.run == "trivial-paintings") & (first.test_set == "coco")].set_index("image")
    true_l, own_l = (of_run[of_run.method == name] for name in ("trivial", "trivial" + runs.OWN_L))
    assert len(true_l) == len(own_l) > 0
    assert (own_l.ssim_rgb < true_l.ssim_rgb - 0.1).all()
    np.testing.assert_allclose(own_l.mse_ab, true_l.mse_ab, atol=1e-6)
    table = pd.read_csv(tmp_path / "out" / "tables" / "table4.csv")
    means = table[(table.method == "trivial" + runs.OWN_L) & (table.image == "mean")]
    assert list(means.test_set) == list(scores.TEST_LISTS)
    np.testing.assert_allclose(means.ssim_rgb.iloc[1], own_l.ssim_rgb.mean())
    again = evaluate(tmp_path / "runs", tmp_path / "out")[0].scores
    assert (again.method == "trivial" + runs.OWN_L).sum() == (first.method == "trivial" + runs.OWN_L).sum()


def test_a_second_look_is_scored_kept_and_drawn(drawn_lists, tmp_path, monkeypatch):
    trivial = methods.get("trivial")

    def predict_ab(network, l_norm, vector, look=None):
        return Method.predict_ab(trivial, network, l_norm, vector) * {"pale": 1, "strong": 2}[look or "pale"]

    monkeypatch.setattr(Method, "looks", ("pale", "strong"))
    monkeypatch.setattr(trivial, "predict_ab", predict_ab)
    run = brown_run(tmp_path / "runs" / "trivial-paintings")
    table = evaluate(tmp_path / "runs", tmp_path / "out", drawn_lists)[0].scores
    assert set(table[table.run == "trivial-paintings"].method) == {"trivial", "trivial_strong"}
    pale, strong = (predictions.read(predictions.file_of(run.folder, suffix)) for suffix in ("", "_strong"))
    for test_set, (names, ab) in strong.items():
        assert names == pale[test_set][0]
        np.testing.assert_allclose(
            predictions.unshrink(ab), 2 * predictions.unshrink(pale[test_set][1]), atol=1.5 / predictions.AB_STEPS
        )
    drawn = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    assert {f"contact-trivial-paintings{suffix}.jpg" for suffix in ("", "_strong")} <= drawn
    monkeypatch.setenv("COLORIZER_DATA", str(drawn_lists))
    assert [system.name for system in gallery.open_all(tmp_path).systems] == [run.name, run.name + "_strong"]


@pytest.mark.parametrize(("patience", "whole"), [(2, False), (3, True), (None, True)])
def test_a_run_with_less_patience_than_a_plateau_has_is_not_whole(tmp_path, patience, whole):
    config = {"patience": patience, "plateau_patience": 3}
    run = canned_run(tmp_path / "run", epochs=100, epochs_done=61, ending="stopped", config=config)
    assert run.is_whole is whole


@pytest.mark.parametrize(
    ("summary", "ending", "whole"),
    [
        ({"epochs": 100, "epochs_done": 100}, "ended", True),  # the first three: from before there was a field
        ({"epochs": 4, "epochs_done": 4}, "ended", False),
        ({"epochs": 100, "epochs_done": 4}, "cut", False),
        ({"epochs": 100, "epochs_done": 61, "ending": "stopped"}, "stopped", True),
        ({"epochs": 20, "epochs_done": 12, "ending": "stopped"}, "stopped", False),  # less than the paper planned
        ({"epochs": 100, "epochs_done": 61, "ending": "cut"}, "cut", False),
    ],
)
def test_how_a_run_ended_and_whether_it_stands_beside_the_papers(tmp_path, summary, ending, whole):
    run = canned_run(tmp_path / "run", **summary)
    assert (run.ending, run.is_whole) == (ending, whole)
