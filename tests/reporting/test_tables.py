"""Tables 1-4 from canned records and a canned metrics.csv: exact cells, and what stands where nothing is known."""

import numpy as np
import pandas as pd
import pytest
from canned import canned_run, canned_scores, floor_key, run_key

from colorizer import methods, weights
from colorizer.evaluation import runs, scores, statistics
from colorizer.reporting import build, markdown, run_list, table_pages, tables
from colorizer.reporting.paper import published

MISSING = "no predictions: weights, classifier or pictures are not here"
EIGHT = [20.4, 21, 22, 23, 24, 25, 26, 27.6], [0.804, 0.81, 0.82, 0.83, 0.84, 0.85, 0.86, 0.99]


@pytest.fixture
def found(tmp_path):
    """A chosen run and a short one on the paintings; none on COCO."""
    return [
        canned_run(tmp_path / "efficientnet-paintings"),
        canned_run(tmp_path / "try", epochs=2, epochs_done=2, train_images=64),
    ]


@pytest.fixture
def recorded(found):
    rows = canned_scores(floor_key("all_grey"), "paintings", [20, 22], [0.9, 0.8])
    rows += canned_scores(floor_key("mean_colour", "paintings"), "paintings", [21, 23], [0.88, 0.78])
    rows += canned_scores(run_key(found[0]), "paintings", [22, 24], [0.91, 0.81])
    rows += canned_scores(run_key(found[0]), "figure5", *EIGHT)
    return pd.DataFrame(rows, columns=list(scores.COLUMNS))


def lines_of(markdown, *starts):
    return [line for line in markdown.splitlines() if line.startswith(starts)]


def test_the_papers_values_are_the_papers():
    assert all(len(values) == 8 for values in published.TABLE4.values())
    # Table 4 repeats Table 3's first row
    assert published.TABLE4["efficientnet"] == published.TABLE3["paintings"][1]
    assert np.mean(published.TABLE3["coco"][0]) == 10.75
    assert published.TABLE2["coco"] == (5.33, 0.119, 64.89)


def test_table1_lists_the_papers_six_and_every_run(found):
    table = tables.table1(found)
    assert list(table.parameter[:6]) == list(published.TABLE1)
    wide = table.pivot(index="parameter", columns="run", values="value")
    assert wide.loc["epochs"].to_dict() == {"-": "100", "efficientnet-paintings": "3", "try": "3"}
    assert wide.loc["learning_rate", "-"] == "not stated"
    assert wide.loc["limit", "try"] == "-"
    text = table_pages.table1(table)
    assert "| Parameter | Paper | `efficientnet-paintings` | `try` |" in text
    assert "| optimizer | Adam | Adam | Adam |" in text


def test_table1_says_whose_settings_are_those_of_the_last_stage(tmp_path, recorded):
    shipped = next(iter(weights.SHIPPED))
    rates = {shipped: 4e-4, "of-ones-own": 9e-4, "in-one-go": 1e-3}  # the histories go up to 1e-3
    found = [canned_run(tmp_path / name, "vit_decoder", config={"learning_rate": r}) for name, r in rates.items()]
    build.write_tables(found, recorded, tmp_path / "out")
    said = "was trained in stages: its epochs are those of all, the other settings those of the last"
    assert lines_of((tmp_path / "out" / "tables" / "table1.md").read_text(), "- `") == [
        f"- `{shipped}` {said}; results/experiments/long_training.md tells the stages.",
        f"- `of-ones-own` {said}.",
    ]


def test_table1s_built_in_rows_are_what_the_network_is():
    method = methods.get("efficientnet")
    network = method.build(32)
    activations = [layer.activation.__name__ for layer in network.layers if hasattr(layer, "activation")]
    assert set(activations[:-1]) == {"relu"}
    trained = method.trainer(network, tables.TrainConfig(), range(3))
    built_in = tables.BUILT_IN["efficientnet"]
    assert built_in["internal_activation"] == "ReLU"
    assert built_in["output_activation"].lower() == activations[-1] == "tanh"
    assert built_in["optimizer"] == type(trained.optimizer).__name__
    assert (built_in["loss"], trained.loss) == ("Mean Squared Error", "mse")


def test_table2_exactly(found, recorded):
    table = tables.table2(found)
    lines = table.to_csv(index=False).splitlines()
    assert lines[0] == (
        "training_set,method,source,run,classifier,runtime_hours,mse,accuracy_percent,"
        "epochs_done,epochs,ending,best_epoch,device,precision,train_images,val_images,val_set,note"
    )
    assert lines[1] == "paintings,efficientnet,paper,-,efficientnet_b4,3.57,0.0035,88.5,,100,,,,,,,,"
    assert lines[2] == (
        "paintings,efficientnet,ours,efficientnet-paintings,none,0.123456,0.0141,62.5,3,3,ended,2,CPU,float32,90,10,,"
    )
    assert lines[4] == "paintings,all_grey,all_grey,-,-,,0.0152,39.0,,,,,,,90,10,,"
    assert lines[5] == "paintings,mean_colour,mean_colour,-,-,,0.0148,61.0,,,,,,,90,10,,"
    proposed = "EfficientNet-B4 (proposed)"
    assert lines_of(table_pages.table2(table, statistics.compare(found, recorded)), "| paintings", "| coco") == [
        f"| paintings | {proposed} | paper | 3.57 | 0.0035 | 88.5 | 100 | efficientnet_b4 |  |  |  |  |",
        f"| paintings | {proposed} | **ours**, `efficientnet-paintings` | 0.12 | 0.0141 | 62.5 | 3 of 3 | none "
        "| 90 | 10 | CPU | float32 |",
        f"| paintings | {proposed} | run `try` | 0.12 | 0.0141 | 62.5 | 2 of 2 | none | 64 | 10 | CPU | float32 |",
        "| paintings | all-gray | all-gray |  | 0.0152 | 39.0 |  | - | 90 | 10 |  |  |",
        "| paintings | mean-color | mean-color |  | 0.0148 | 61.0 |  | - | 90 | 10 |  |  |",
        f"| coco | {proposed} | paper | 5.33 | 0.119 | 64.89 | 100 | efficientnet_b4 |  |  |  |  |",
        f"| coco | {proposed} | ours | not run: `python train.py --dataset coco` |  |  |  | - |  |  |  |  |",
        f"| paintings | {proposed} | **ours**, `efficientnet-paintings` | none | paintings | 2 | MSE (ab/128) | 0.0035 "
        "| 0.5000 [0.5000, 0.5000] | 0.5000 [0.5000, 0.5000] | 0.5000 [0.5000, 0.5000] "
        "| +0.0000 [+0.0000, +0.0000] | +0.0000 [+0.0000, +0.0000] |",
        f"| paintings | {proposed} | **ours**, `efficientnet-paintings` | none | paintings | 2 | Accuracy (%) | 88.5 "
        "| 50.0 [50.0, 50.0] | 50.0 [50.0, 50.0] | 50.0 [50.0, 50.0] | +0.0 [+0.0, +0.0] | +0.0 [+0.0, +0.0] |",
        f"| paintings | {proposed} | run `try` | none | {MISSING} |  |  |  |  |  |  |  |  |",
        f"| coco | {proposed} | ours | - | not run: `python train.py --dataset coco` |  |  |  |  |  |  |  |  |",
    ]


def test_table3_exactly(found, recorded):
    table = tables.table3(found, recorded)
    low, high = statistics.bootstrap_interval([22, 24])
    mean = table[(table.run == "efficientnet-paintings") & (table.image == "mean")].iloc[0]
    assert (mean.n, mean.psnr_rgb, mean.psnr_rgb_low, mean.psnr_rgb_high) == (2, 23, low, high)
    assert mean.ssim_rgb == pytest.approx(0.86)
    text = table_pages.table3(table, statistics.compare(found, recorded))
    proposed = "EfficientNet-B4 (proposed)"
    assert "Table 3. PSNR and SSIM by training set, proposed network (paintings n=2)" in text
    assert lines_of(text, "| paintings", "| coco") == [
        "| paintings | paper | efficientnet_b4 | 22, 20, 23, 23, 10, 15, 10, 7 | 98, 97, 97, 99, 88, 76, 65, 82 |",
        "| paintings | **ours**, `efficientnet-paintings` | none | 20, 21, 22, 23, 24, 25, 26, 28 "
        "| 80, 81, 82, 83, 84, 85, 86, 99 |",
        f"| paintings | run `try` | none | {MISSING} |  |",
        "| paintings | all-gray | - | no predictions of the eight pictures |  |",
        "| paintings | mean-color | - | no predictions of the eight pictures |  |",
        "| coco | paper | efficientnet_b4 | 8, 7, 10, 11, 6, 13, 16, 15 | 75, 68, 77, 83, 81, 73, 69, 65 |",
        "| coco | ours | - | not run: `python train.py --dataset coco` |  |",
        "| coco | all-gray | - | no predictions of the eight pictures |  |",
        f"| coco | mean-color | - | {MISSING} |  |",
        f"| paintings | {proposed} | **ours**, `efficientnet-paintings` | none | paintings | 2 | PSNR (dB) | 16.25 "
        "| 23.00 [22.00, 24.00] | 21.00 [20.00, 22.00] | 22.00 [21.00, 23.00] "
        "| +2.00 [+2.00, +2.00] * | +1.00 [+1.00, +1.00] * |",
        f"| paintings | {proposed} | **ours**, `efficientnet-paintings` | none | paintings | 2 | SSIM (%) | 87.8 "
        "| 86.0 [81.0, 91.0] | 85.0 [80.0, 90.0] | 83.0 [78.0, 88.0] "
        "| +1.0 [+1.0, +1.0] * | +3.0 [+3.0, +3.0] * |",
        f"| paintings | {proposed} | run `try` | none | {MISSING} |  |  |  |  |  |  |  |  |",
        f"| coco | {proposed} | ours | - | not run: `python train.py --dataset coco` |  |  |  |  |  |  |  |  |",
    ]
    assert "does not identify its eight pictures" in text
    assert "Class vectors of ours: none" in text


def test_table4_says_what_was_not_run(found, recorded):
    table = tables.table4(found, recorded)
    assert "psnr_rgb" not in table
    text = table_pages.table4(table, statistics.compare(found, recorded))
    assert lines_of(text, f"| {markdown.title_of('gan')} |")[:2] == [
        f"| {markdown.title_of('gan')} | paper | - | 92, 89, 89, 94, 69, 90, 75, 77 |",
        f"| {markdown.title_of('gan')} | ours | - | not run: `python train.py --method gan --dataset paintings` |",
    ]


def test_a_title_is_the_method_s_own_with_its_look():
    ours, gan = methods.get("vit_decoder").title, methods.get("gan").title
    titles = {name: markdown.title_of(name) for name in ("vit_decoder", "vit_decoder_vivid", "gan", "gan_own_l")}
    assert list(titles.values()) == [f"{ours}, accurate", f"{ours}, vivid", gan, f"{gan}, with its own L"]
    assert [markdown.title_of(name) for name in ("all_grey", "unknown")] == ["all-gray", "unknown"]


def test_infinite_psnr_is_left_out_and_counted(found):
    rows = canned_scores(run_key(found[0]), "coco", [float("inf"), 30], [1, 0.9])
    recorded = pd.DataFrame(rows, columns=list(scores.COLUMNS))
    table = tables.table3(found, recorded)
    mean = table[table.image == "mean"].iloc[0]
    assert (mean.n, mean.identical, mean.psnr_rgb, mean.ssim_rgb) == (2, 1, 30, 0.95)
    assert "infinite PSNR and are not in the means: 1." in table_pages.table3(
        table, statistics.compare(found, recorded)
    )


def test_rows_with_their_own_luminance_are_explained_where_there_are_any(found, recorded):
    table = tables.headline(recorded, found)
    assert "enlarged" not in table_pages.headline(table)
    assert "its own L: predicted at the network's size and enlarged" in table_pages.headline(
        table.assign(method="gan_own_l")
    )


def test_without_runs_and_rows_the_papers_values_stand_alone(tmp_path):
    text = build.write_tables([], pd.DataFrame(columns=list(scores.COLUMNS)), tmp_path)
    assert "(no test pictures)" in text
    assert text.count("not run: `python train.py --dataset paintings`") == 6  # tables 2, 3 and 4, two parts each
    names = [
        f"{name}.{ending}" for name in ("ablation", *(f"table{n}" for n in (1, 2, 3, 4))) for ending in ("csv", "md")
    ]
    assert sorted(p.name for p in (tmp_path / "tables").iterdir()) == sorted([*names, "lists.csv", "differences.csv"])


def test_every_table_carries_the_note(found, recorded, tmp_path):
    build.write_tables(found, recorded, tmp_path, "--limit 2: not the whole lists.")
    for name in ("table1", "table2", "table3", "table4", "ablation"):
        assert "**--limit 2: not the whole lists.**" in (tmp_path / f"tables/{name}.md").read_text()


def test_the_longest_run_is_chosen_and_a_plain_name_or_a_lower_error_breaks_the_tie(tmp_path):
    for name, images in (("efficientnet-coco-zeros", 90), ("efficientnet-coco", 90), ("a-short-one", 8)):
        canned_run(tmp_path / name, trained_on="coco", train_images=images)
    canned_run(tmp_path / "b-more-epochs", method="trivial", trained_on="coco", train_images=9, epochs_done=20)
    for name, val_mse in (("e-worse", 0.02), ("f-better", 0.01)):
        canned_run(tmp_path / name, trained_on="paintings", train_images=90, val_mse=val_mse)
    found, _ = runs.read(tmp_path)
    best = {key: run.name for key, run in runs.representatives(found).items()}
    assert best == {
        ("efficientnet", "coco"): "efficientnet-coco",
        ("efficientnet", "paintings"): "f-better",
        ("trivial", "coco"): "b-more-epochs",
    }
    assert runs.mean_colors(found)["coco"].name == "efficientnet-coco"


def test_headline_has_the_floors_and_one_run_per_method(found, recorded):
    table = tables.headline(recorded, found)
    assert list(table.method) == ["all_grey", "mean_colour", "efficientnet"]
    assert lines_of(table_pages.headline(table), "| paintings")[2] == (
        "| paintings (n=2) | EfficientNet-B4 (proposed) | paintings | none | 0.5000 | 23.00 | 0.860 | 0.5 | 0.5 (0.5) |"
    )


def test_text_goes_between_the_markers_only(tmp_path):
    readme = tmp_path / "README.md"
    assert not markdown.put_between_markers(readme, "runs", "new\n")
    readme.write_text("# Title\n")
    assert not markdown.put_between_markers(readme, "runs", "new\n")
    start, end = "<!-- runs:start -->", "<!-- runs:end -->"
    readme.write_text(f"before\n{start}\nold\n{end}\nafter\n")
    assert not markdown.put_between_markers(readme, "results", "new\n")
    assert markdown.put_between_markers(readme, "runs", "new\n")
    assert readme.read_text() == f"before\n{start}\nnew\n{end}\nafter\n"


def test_what_is_not_trained_as_long_as_the_papers_is_pending(tmp_path):
    paper = {"config": {"image_size": 256}, "epochs": 100}
    short = canned_run(tmp_path / "efficientnet-coco", trained_on="coco", epochs_done=3, epochs=100)
    stopped = canned_run(tmp_path / "efficientnet-paintings", epochs_done=61, ending="stopped", **paper)
    missing = dict(run_list.pending([short, stopped]))
    assert missing["efficientnet-coco-256"] == "not run, so far 3 of 100, cut, in efficientnet-coco"
    assert "efficientnet-paintings-256" not in missing
    assert missing["gan-coco-128"] == "not run"
    assert len(missing) == 2 * 4 + 2 - 2  # the proposed one also at 128; the run on paintings is as large as both ask
    text = run_list.render([short, stopped])
    one = "`python -m colorizer reproduce --matrix paper --only efficientnet-coco-256`"
    assert f"- efficientnet-coco-256: not run, so far 3 of 100, cut, in efficientnet-coco: {one}" in text
    begun = canned_run(tmp_path / "efficientnet-coco-256", trained_on="coco", epochs_done=7, ending="cut", **paper)
    assert dict(run_list.pending([short, begun]))["efficientnet-coco-256"] == "7 of 100, cut"
    assert f"7 of 100, cut: {one[:-1]} --runs runs/whole`" in run_list.render([short, begun]), "its record stays"
    assert "put runs/whole/NAME in the place of results/runs/NAME and run `make tables`" in text
    assert "[100 planned, stopped at 61, best 2](figures/curves-efficientnet-paintings.png)" in text
    small = canned_run(tmp_path / "small", trained_on="coco", epochs_done=100, epochs=100)
    assert "efficientnet-coco-256" in dict(run_list.pending([small])), "64 pixels are not the paper's"
    done = canned_run(tmp_path / "efficientnet-coco-100-l1", trained_on="coco", epochs_done=100)
    text = run_list.render([short, stopped, done])
    _, command, ablations = text.partition("--classifier FILE.keras --mobilenet MOBILENET.keras --only ")
    assert command and "efficientnet-coco-100-none " in ablations and "efficientnet-coco-100-l1 " not in ablations


def test_tables_say_how_a_run_ended(tmp_path):
    endings = {"ended": 100, "stopped": 61, "cut": 4}
    found = [canned_run(tmp_path / e, epochs=100, epochs_done=n, best_epoch=3, ending=e) for e, n in endings.items()]
    recorded = pd.DataFrame(columns=list(scores.COLUMNS))
    text = table_pages.table2(tables.table2(found), statistics.compare(found, recorded))
    for said in ("| 100 of 100 |", "| 100 planned, stopped at 61, best 3 |", "| 4 of 100, cut |"):
        assert text.count(said) == 1
    assert "alone, with the weights" not in text


def test_table_2_says_which_list_a_row_of_several_sets_was_validated_on(tmp_path):
    found = [canned_run(tmp_path / "long", trained_on="coco+paintings", val_set="coco")]
    recorded = pd.DataFrame(columns=list(scores.COLUMNS))
    text = table_pages.table2(tables.table2(found), statistics.compare(found, recorded))
    assert "`long` and the baselines below it: on the validation list of coco alone" in text


def test_table1_has_patience_where_a_run_had_it(tmp_path):
    assert "patience" not in set(tables.table1([canned_run(tmp_path / "one")]).parameter)
    table = tables.table1([canned_run(tmp_path / "two", config={"patience": 6})])
    assert list(table[table.parameter == "patience"].value) == ["not stated", "6"]
