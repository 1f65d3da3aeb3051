"""Paired differences, bootstrap intervals and the table of ablations, on numbers known beforehand."""

import numpy as np
import pandas as pd
import pytest
from canned import canned_run, canned_scores, floor_key, run_key

from colorizer import experiments
from colorizer.evaluation import scores, statistics
from colorizer.evaluation.runs import representatives
from colorizer.reporting import ablation_table, build

BASE = "efficientnet-coco-cpu"


def frame(rows):
    return pd.DataFrame(rows, columns=list(scores.COLUMNS))


def difference(compared, run, role, measure="psnr_rgb"):
    rows = compared.differences
    return rows[(rows.run == run) & (rows.role == role) & (rows.measure == measure)].iloc[0]


@pytest.fixture
def two(tmp_path):
    """The proposed network and another method, on the same 60 pictures, which are hard and easy by turns."""
    proposed = canned_run(tmp_path / "efficientnet-coco", trained_on="coco")
    other = canned_run(tmp_path / "colorful-coco", method="colorful", trained_on="coco")
    rng = np.random.default_rng(0)
    hard = rng.normal(22, 5, 60)
    better = hard + 0.3 + rng.normal(0, 0.2, 60)
    ssim = np.full(60, 0.9)
    rows = canned_scores(run_key(proposed), "coco", list(hard), list(ssim))
    rows += canned_scores(run_key(other), "coco", list(better), list(ssim))[::-1]  # another order of rows
    rows += canned_scores(floor_key("all_grey"), "coco", list(hard - 1), list(ssim))
    rows += canned_scores(floor_key("mean_colour", "paintings"), "coco", list(hard + 9), list(ssim))
    return [proposed, other], frame(rows), better - hard


def test_a_difference_is_taken_picture_by_picture(two):
    found, table, gaps = two
    row = difference(statistics.compare(found, table), "colorful-coco", "proposed")
    assert row["mean"] == pytest.approx(gaps.mean())
    assert (row.low, row.high) == pytest.approx(statistics.bootstrap_interval(gaps[::-1]))  # the order of its rows
    assert row.differs and row.against == "efficientnet-coco" and row.n == 60
    # Unpaired, the same means would say nothing: their intervals overlap.
    lists = statistics.compare(found, table).lists
    a, b = (lists[(lists.run == r.name) & (lists.measure == "psnr_rgb")].iloc[0] for r in found)
    assert a.high > b.low


def test_no_difference_has_no_mark(two):
    found, table, _ = two
    row = difference(statistics.compare(found, table), "colorful-coco", "proposed", "ssim_rgb")
    assert (row["mean"], row.low, row.high) == (0, 0, 0)
    assert not row.differs


def test_a_run_is_compared_with_its_own_training_sets_mean_color_only(two):
    found, table, _ = two
    rows = statistics.compare(found, table).differences
    assert set(rows.role[rows.run == "efficientnet-coco"]) == {"all_grey"}  # that of the paintings is not its own
    assert set(rows.role[rows.run == "colorful-coco"]) == {"all_grey", "proposed"}
    assert not (rows.run == "-").any()


def test_predictions_identical_to_the_truth_are_left_out_and_counted(tmp_path):
    run = canned_run(tmp_path / "efficientnet-coco", trained_on="coco")
    rows = canned_scores(run_key(run), "coco", [float("inf"), 30, 32], [1, 0.9, 0.8])
    rows += canned_scores(floor_key("all_grey"), "coco", [20, 29, 30], [0.5, 0.9, 0.8])
    row = difference(statistics.compare([run], frame(rows)), run.name, "all_grey")
    assert (row.n, row.left_out, row["mean"]) == (3, 1, 1.5)


def test_many_columns_are_drawn_as_one_is():
    values = np.random.default_rng(1).normal(0, 1, (40, 3))
    together = statistics.bootstrap_intervals(values)
    for column, ends in zip(values.T, together, strict=True):
        assert statistics.bootstrap_interval(column) == pytest.approx(tuple(ends), rel=1e-12)
    counts = statistics._counts(40, 42, 500, 40 * 7)
    assert (counts.sum(axis=1) == 40).all() and len(np.unique(counts, axis=0)) > 490


def test_the_interval_covers_the_true_mean():
    rng = np.random.default_rng(3)
    covered = []
    for seed in range(300):
        low, high = statistics.bootstrap_interval(rng.exponential(2.0, 80), seed=seed, resamples=1000)
        covered.append(low < 2 < high)
    assert 0.89 < np.mean(covered) < 0.97  # 95 % nominal; a skewed sample of 80 falls a little short


def test_the_interval_agrees_with_theory_and_repeats():
    values = np.random.default_rng(4).normal(20, 3, 400)
    low, high = statistics.bootstrap_interval(values)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)
    assert statistics.bootstrap_interval(values) == (low, high)
    assert statistics.bootstrap_interval([5.0]) == (5.0, 5.0)


def test_the_interval_is_the_same_in_small_chunks(monkeypatch):
    values = np.random.default_rng(5).normal(0, 1, 50)
    whole = statistics.bootstrap_interval(values, resamples=1000)
    monkeypatch.setattr(statistics, "_CHUNK", 50 * 7)  # 7 resamples at a time
    assert statistics.bootstrap_interval(values, resamples=1000) == whole


@pytest.mark.parametrize("values", [[], [1.0, float("inf")], [float("nan")]])
def test_the_interval_refuses_what_has_no_mean(values):
    with pytest.raises(ValueError, match="finite"):
        statistics.bootstrap_interval(values)


@pytest.fixture
def ablated(tmp_path):
    base = canned_run(tmp_path / BASE, trained_on="coco")
    none = canned_run(tmp_path / f"{BASE}-none", trained_on="coco")
    rows = canned_scores(run_key(base), "coco", [20, 22, 25], [0.8, 0.9, 0.7])
    rows += canned_scores(run_key(none), "coco", [19, 21, 24], [0.8, 0.9, 0.7])
    return [base, none], frame(rows)


def test_an_ablation_is_compared_with_its_base_and_the_missing_ones_name_their_command(ablated):
    found, table = ablated
    ablations = ablation_table.table(found, statistics.compare(found, table))
    assert set(ablations.matrix) == {"cpu"}
    none = ablations[(ablations.run == f"{BASE}-none") & (ablations.measure == "psnr_rgb")].iloc[0]
    assert (none["mean"], none.minus_base, none.minus_base_low) == (pytest.approx(64 / 3), -1, -1)
    text = ablation_table.render(ablations)
    assert "| class vector: none (zeros) | `efficientnet-coco-cpu-none` | none | 3 of 3 | 90 | 64x64 |" in text
    assert "-1.00 [-1.00, -1.00] *" in text
    assert "not run: `python -m colorizer reproduce --matrix cpu --mobilenet FILE.keras --only " in text
    assert "(n=3)" in text


def test_an_ablation_stands_in_no_other_table(ablated, tmp_path):
    found, table = ablated
    assert not representatives(found)
    build.write_tables(found, table, tmp_path / "out")
    for number in (1, 2, 3, 4):
        assert BASE not in (tmp_path / "out" / "tables" / f"table{number}.md").read_text()


def test_the_matrices_ask_what_the_paper_leaves_open():
    for name, part in experiments.MATRICES.items():
        assert len({row.name for row in part}) == len(part)
        ablations = [row for row in part if experiments.base_of(row.name)]
        assert len(ablations) >= (2 if name == "whole" else 8), name
        by_name = {row.name: row for row in part}
        for row in ablations:
            base = by_name[row.base]
            changed = {k for k in {*row.flags, *base.flags} if row.flags.get(k) != base.flags.get(k)}
            assert changed, row.name
            together = row.name.endswith("no-augmentation") or {"encoder_rate", "frozen_epochs"} <= changed
            together |= row.name.endswith("averaged")
            assert len(changed) == 1 or together, "one thing at a time"
    paper = {(r.flags.get("method", "efficientnet"), r.flags["dataset"]) for r in experiments.MATRICES["gpu"]}
    assert len(paper) == 8, "four systems on two data sets"


def test_welch_is_that_of_the_textbook():
    one, other = pd.Series([1.0, 2, 3, 4]), pd.Series([2.0, 4])
    gap, low, high = statistics.unpaired(one, other)
    error = np.sqrt(np.var(one, ddof=1) / 4 + np.var(other, ddof=1) / 2)
    assert (gap, low, high) == pytest.approx((-0.5, -0.5 - 1.96 * error, -0.5 + 1.96 * error))
