"""Paired differences, bootstrap intervals and the table of ablations, on numbers known beforehand."""

import numpy as np
import pandas as pd
import pytest
from canned import canned_run, canned_scores, floor_key, run_key

from colorizer import experiments
from colorizer.cli import reproduce
from colorizer.evaluation import scores, statistics
from colorizer.evaluation.runs import representatives
from colorizer.reporting import ablation_table, build, markdown

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
    command = "not run: `python -m colorizer reproduce --matrix cpu --classifier none"
    assert f"{command} --only {BASE}-b4`" in text and f"{command} --mobilenet FILE.keras --only {BASE}-mo" in text
    assert "(n=3)" in text


@pytest.mark.parametrize(
    ("name", "same", "typed"),
    [("mobilenet_edgetpu", "mobilenet", "mobilenet_edgetpu"), ("efficientnet_b4", "b4", "efficientnet_b4")]
    + [("mine", None, "FILE.keras")],
)
def test_a_missing_row_is_made_with_the_classifier_of_its_base_or_is_its_base(tmp_path, name, same, typed):
    base = canned_run(tmp_path / BASE, trained_on="coco", config={"classifier_name": name})
    none = canned_run(tmp_path / f"{BASE}-none", trained_on="coco")
    table = frame(canned_scores(run_key(base), "coco", [20, 22], [0.8, 0.9]))
    notes = ablation_table.table([base, none], statistics.compare([base], table)).set_index("run").note
    for end in ("mobilenet", "b4"):
        mobilenet = " --mobilenet FILE.keras" if end == "mobilenet" else ""
        command = f"reproduce --matrix cpu --classifier {typed}{mobilenet} --only {BASE}-{end}`"
        assert notes[f"{BASE}-{end}"] == "same as its base" if end == same else command in notes[f"{BASE}-{end}"]
    planned = {p.row.name: p for p in reproduce.plan("cpu", tmp_path, typed, name)}
    assert planned[f"{BASE}-b4"].left == (same != "b4"), "the command trains"


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
        assert len(ablations) >= {"paper": 0, "whole": 2}.get(name, 8), name
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


def test_runs_that_differ_in_their_seed_alone_show_how_far_they_lie_apart(tmp_path):
    base, other, longer = (
        canned_run(tmp_path / name, trained_on="coco", config={"seed": seed, "run": name, "epochs": epochs})
        for name, seed, epochs in (
            ("efficientnet-coco-128-short", 42, 3),
            ("efficientnet-coco-128-short-seed43", 43, 3),
            ("efficientnet-coco", 44, 9),
        )
    )
    rows = [row for run, psnr in ((base, 23), (other, 23.4), (longer, 29)) for row in _two(run, psnr)]
    found, table = [base, other, longer], frame(rows)
    compared = statistics.compare(found, table)
    spread = compared.seeds[compared.seeds.measure == "psnr_rgb"]
    assert set(spread.run) == {base.name, other.name}  # the third has more epochs
    assert [*spread.seeds, *spread.low, *spread.high] == [2, 2, 23, 23, 23.4, 23.4]
    text = build.write_tables(found, table, tmp_path / "out")
    assert "| 23.00; 2 seeds: 23.00 to 23.40 |" in text and markdown.SEEDS in text
    assert "Every run is one training with one seed" not in text
    assert (tmp_path / "out/tables/seeds.csv").is_file()
    assert "seeds:" not in build.write_tables([base, longer], frame(_two(base, 23)), tmp_path / "out")
    assert not (tmp_path / "out/tables/seeds.csv").exists()


def test_a_repeat_with_the_same_seed_is_no_further_seed(tmp_path):
    seeds = {"one": 42, "again": 42, "other": 43}
    found = [canned_run(tmp_path / name, config={"seed": seed}) for name, seed in seeds.items()]
    table = frame([row for run, psnr in zip(found, (23, 23.2, 23.4), strict=True) for row in _two(run, psnr)])
    repeated = table[table.run != "other"]
    assert statistics.compare(found[:2], repeated).seeds.empty
    text = build.write_tables(found[:2], repeated, tmp_path / "out")
    assert "seeds:" not in text and markdown.SEEDS not in text
    assert set(statistics.compare(found, table).seeds.seeds) == {2}


def test_only_pages_with_a_run_of_several_seeds_have_the_note_on_them(tmp_path):
    names = {"efficientnet-coco-128": 1, BASE: 1, f"{BASE}-seed43": 2}  # the first has more epochs
    found = [
        canned_run(tmp_path / name, trained_on="coco", config={"seed": seed, "epochs": 5 - 2 * name.startswith(BASE)})
        for name, seed in names.items()
    ]
    build.write_tables(found, frame([row for run in found for row in _two(run, 23)]), tmp_path / "out")
    pages = {name: (tmp_path / f"out/tables/{name}.md").read_text() for name in ("table2", "table3", "ablation")}
    assert {name: markdown.SEEDS in text for name, text in pages.items()} == dict(
        table2=False, table3=False, ablation=True
    )


def test_records_from_before_there_was_a_choice_had_keras_own_initial_weights(tmp_path):
    old, new = (
        canned_run(tmp_path / name, config={"initializer": value})
        for name, value in (("a", None), ("b", "glorot_uniform"))
    )
    other = canned_run(tmp_path / "c", config={"initializer": "he_normal"})
    assert old.recipe == new.recipe != other.recipe


def test_the_spread_of_seeds_stands_beside_the_interval_over_pictures(tmp_path):
    """In Tables 2-4, of runs that are no ablation."""
    found = [canned_run(tmp_path / name, config={"seed": seed}) for name, seed in (("one", 42), ("two", 43))]
    table = frame([row for run, psnr in zip(found, (23, 23.4), strict=True) for row in _two(run, psnr)])
    text = build.write_tables(found, table, tmp_path / "out")
    assert "| 23.00 [22.00, 24.00]; 2 seeds: 23.00 to 23.40 |" in text
    assert "| 23.40 [22.40, 24.40]; 2 seeds: 23.00 to 23.40 |" in text


def test_runs_that_were_cut_at_different_epochs_are_no_seeds_of_one_row(tmp_path):
    cut = {"epochs": 100, "ending": "cut"}
    runs = [
        canned_run(tmp_path / n, epochs_done=k, config={"seed": s}, **cut) for n, k, s in (("a", 4, 1), ("b", 5, 2))
    ]
    assert runs[0].recipe != runs[1].recipe
    stopped = {"epochs": 100, "ending": "stopped"}
    runs = [
        canned_run(tmp_path / n, epochs_done=k, config={"seed": s}, **stopped)
        for n, k, s in (("c", 40, 1), ("d", 50, 2))
    ]
    assert runs[0].recipe == runs[1].recipe


def _two(run, psnr):
    """Two test pictures of COCO, a dB to either side of a mean."""
    return canned_scores(run_key(run), "coco", [psnr - 1, psnr + 1], [0.9, 0.8])
