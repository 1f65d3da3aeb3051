"""The numbers of Tables 1-4, tidy and at full precision; `table_pages` renders them.

Tables 1 and 2 come from the records of the runs, 3 and 4 from metrics.csv, the paper's values from `paper.published`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from colorizer import config, methods
from colorizer.config import TrainConfig
from colorizer.evaluation import metrics, statistics
from colorizer.evaluation import scores as score_table
from colorizer.evaluation.runs import Run, mean_colors, representatives
from colorizer.evaluation.scores import FIGURE5, FLOORS, NONE
from colorizer.reporting.paper import published
from colorizer.reporting.run_list import command

PROPOSED = TrainConfig.method
NO_PREDICTIONS = "no predictions: weights, classifier or pictures are not here"

# Table 1's first four rows are built into a network; a test compares these with the network itself.
BUILT_IN = {PROPOSED: dict(list(published.TABLE1.items())[:4])}
LOSSES = {"mse": "Mean Squared Error", "mae": "Mean Absolute Error"}

_MEASURES = ("psnr_rgb", "ssim_rgb")
_ENDS = [f"{m}{end}" for m in _MEASURES for end in ("", "_low", "_high")]
_HEAD = ["training_set", "method", "source", "run", "classifier"]
_PIXEL_COLUMNS = [*_HEAD, "test_set", "image", "n", *_ENDS, "identical", "note"]


def table1(runs: Iterable[Run]) -> pd.DataFrame:
    """Table 1: the final model's parameters, the paper's and each run's.

    Args:
        runs: the runs.

    Returns:
        A row per parameter and source: `parameter, source, run, value`; source is "paper" or "ours".
        Below the paper's six rows follow the other settings that decide a result.

    Source: Table 1.
    """
    left_out = {*published.TABLE1, "data_dir", "run", "workers", "max_minutes", "tensorboard"}
    runs = list(runs)
    if not any(run.config.get("patience") for run in runs):
        left_out.add("patience")
    names = [*published.TABLE1, *(name for name in config.names() if name not in left_out)]
    stated = published.TABLE1 | published.SECTION3 | {"method": PROPOSED, "dataset": "paintings; coco"}
    rows = [(name, "paper", NONE, stated.get(name, "not stated")) for name in names]
    for run in runs:
        built_in = BUILT_IN.get(run.method, dict.fromkeys(BUILT_IN[PROPOSED], f"see colorizer/methods/{run.method}.py"))
        values = dict(run.config) | built_in | {"classifier": run.classifier, "dataset": run.trained_on}
        if run.method == PROPOSED:
            values["loss"] = LOSSES[run.config.get("loss", TrainConfig.loss)]
        rows += [(name, "ours", run.name, str(NONE if values.get(name) is None else values[name])) for name in names]
    return pd.DataFrame(rows, columns=["parameter", "source", "run", "value"])


def table2(runs: Iterable[Run]) -> pd.DataFrame:
    """Table 2: training results on the validation list, beside the trivial baselines.

    Args:
        runs: the runs, of any method.

    Returns:
        A row per training set and source ("paper", "ours", "all_grey", "mean_colour"):
        `training_set, method, source, run, classifier, runtime_hours, mse, accuracy_percent, epochs_done,
        epochs, ending, best_epoch, device, precision, train_images, val_images, val_set, note`. `val_set` is the set
        of the validation list, where that is another than the training set.

    Source: Table 2. Its text calls the values validation values.
    """
    runs = list(runs)
    rows = []
    for training_set in _training_sets(runs):
        if training_set in published.TABLE2:
            values = dict(
                zip(("runtime_hours", "mse", "accuracy_percent"), published.TABLE2[training_set], strict=True)
            )
            head = {"method": PROPOSED, "source": "paper", "run": NONE, "classifier": "efficientnet_b4", "epochs": 100}
            rows.append({"training_set": training_set, **head, **values})
        here = in_order(run for run in runs if run.trained_on == training_set)
        rows += [_trained(run) for run in here]
        # On other sets the paper has no row.
        if training_set in published.TABLE2 and not any(run.method == PROPOSED for run in here):
            rows.append(_missing(training_set, PROPOSED))
        if here:
            rows += [_floor(here, training_set, name) for name in FLOORS]
    measured = ["runtime_hours", "mse", "accuracy_percent"]
    settings = ["epochs_done", "epochs", "ending", "best_epoch", "device", "precision"]
    settings += ["train_images", "val_images", "val_set", "note"]
    counts = dict.fromkeys(("train_images", "val_images"), "Int64")
    table = pd.DataFrame(rows, columns=[*_HEAD, *measured, *settings], dtype=object)
    # Epochs stay as recorded: a long training has fractions of one.
    return table.astype(counts | {name: float for name in measured})


def _trained(run):
    recorded = ["runtime_hours", "epochs_done", "epochs", "best_epoch", "device", "precision"]
    recorded += ["train_images", "val_images"]
    measured = {"mse": run.summary["val_mse"], "accuracy_percent": 100 * run.summary["val_accuracy"]}
    measured |= {"ending": run.ending, "val_set": run.summary.get("val_set")}
    return _head(run) | {name: run.summary[name] for name in recorded} | measured


def _floor(here, training_set, name):
    """A trivial baseline on the validation list, from the record of the training set's largest run."""
    summary = mean_colors(here)[training_set].summary
    measured = {"mse": summary[f"val_mse_{name}"], "accuracy_percent": 100 * summary[f"val_accuracy_{name}"]}
    counts = {"train_images": summary["train_images"], "val_images": summary["val_images"]}
    head = {"training_set": training_set, "method": name, "source": name, "run": NONE, "classifier": NONE}
    return head | measured | counts


def table3(runs: Iterable[Run], scores: pd.DataFrame) -> pd.DataFrame:
    """Table 3: PSNR and SSIM of the proposed network per training set, eight pictures and whole test lists.

    Args:
        runs: the runs; those of other methods belong to Table 4.
        scores: metrics.csv.

    Returns:
        `_PIXEL_COLUMNS`: a row per picture of Figure 5 (`image` names it) and one per test list (`image` is
        "mean", with the ends of the 95 % interval); PSNR in dB, SSIM in 0..1; `identical` pictures have an
        infinite PSNR and are left out of its mean; `note` says why numbers are missing.

    Source: Table 3.
    """
    ours = [run for run in runs if run.method == PROPOSED]
    rows = []
    for training_set in _training_sets(ours):
        if training_set in published.TABLE3:
            rows += _paper(training_set, PROPOSED, *published.TABLE3[training_set])
        here = in_order(run for run in ours if run.trained_on == training_set)
        for run in here:
            rows += _measured(score_table.select(scores, run=run.name), _head(run))
        rows += ([] if here else [_missing(training_set, PROPOSED)]) + _floors(scores, training_set)
    return _pixel_table(rows)


def table4(runs: Iterable[Run], scores: pd.DataFrame) -> pd.DataFrame:
    """Table 4: SSIM of every method trained on the paintings, eight pictures and whole test lists.

    Args:
        runs: the runs.
        scores: metrics.csv.

    Returns:
        As `table3`, without PSNR. A method of the paper without a run is "not run", with
        the command that runs it; other methods stand here once they have one.

    Source: Table 4.
    """
    rows = []
    for method in dict.fromkeys([*published.TABLE4, *methods.names()]):
        if method in published.TABLE4:
            rows += _paper("paintings", method, [None] * 8, published.TABLE4[method])
        here = in_order(run for run in runs if (run.method, run.trained_on) == (method, "paintings"))
        for run in here:
            of_run = score_table.select(scores, run=run.name)
            rows += _measured(of_run[of_run.method == method], _head(run))
            for variant in of_run.method.unique():  # with its own L, or with another look
                if variant != method:
                    rows += _measured(of_run[of_run.method == variant], _head(run) | {"method": variant})
        if not here and method in published.TABLE4:
            rows.append(_missing("paintings", method))
    return _pixel_table(rows + _floors(scores, "paintings")).drop(columns=[*_ENDS[:3], "identical"])


def headline(scores: pd.DataFrame, runs: Iterable[Run] | None = None) -> pd.DataFrame:
    """The table of README: means over the whole test lists, the trivial baselines first.

    Args:
        scores: metrics.csv.
        runs: only the run that represents a method and a training set; None: all of metrics.csv.

    Returns:
        `test_set, n, method, trained_on, classifier, run` and the means of `metrics.COLUMNS`.
    """
    if runs is not None:
        scores = scores[scores.run.isin({NONE, *(run.name for run in representatives(runs).values())})]
    rows = []
    for test_set in score_table.test_lists(scores.test_set):
        here = scores[scores.test_set == test_set]
        for key, part in here.groupby(["method", "trained_on", "classifier", "run"], sort=False):
            means = {column: metrics.finite_mean(part[column]) for column in metrics.COLUMNS}
            head = dict(zip(("method", "trained_on", "classifier", "run"), key, strict=True))
            rows.append({"test_set": test_set, "n": len(part), **head, **means})
    return pd.DataFrame(rows, columns=["test_set", "n", "method", "trained_on", "classifier", "run", *metrics.COLUMNS])


def _training_sets(runs):
    """The paper's two, then the others."""
    return list(dict.fromkeys([*published.TABLE2, *(run.trained_on for run in runs)]))


def in_order(runs: Iterable[Run]) -> list[Run]:
    """Sorts runs: the proposed method first, the paper's order of training sets, representatives before others."""
    runs, sets = list(runs), list(published.TABLE2)
    best = {run.name for run in representatives(runs).values()}
    place = {name: sets.index(name) if name in sets else len(sets) for name in (run.trained_on for run in runs)}
    return sorted(runs, key=lambda r: (r.method != PROPOSED, r.method, place[r.trained_on], r.name not in best, r.name))


def _head(run):
    values = (run.trained_on, run.method, "ours", run.name, run.classifier)
    return dict(zip(_HEAD, values, strict=True))


def _missing(training_set, method):
    head = {"training_set": training_set, "method": method, "source": "ours", "run": NONE, "classifier": NONE}
    return head | {"note": f"not run: `{command(method, training_set)}`"}


def _paper(training_set, method, psnr, ssim_percent):
    """The paper's eight values; its pictures are numbered, because it does not identify them."""
    head = {"training_set": training_set, "method": method, "source": "paper", "run": NONE}
    head |= {"classifier": "efficientnet_b4" if method == PROPOSED else NONE, "test_set": FIGURE5, "n": 1}
    pairs = enumerate(zip(psnr, ssim_percent, strict=True), start=1)
    return [head | {"image": f"paper-{i}", "psnr_rgb": p, "ssim_rgb": s / 100} for i, (p, s) in pairs]


def _floors(scores, training_set):
    rows = []
    for name, trained_on in zip(FLOORS, (NONE, training_set), strict=True):
        part = score_table.select(scores, method=name, run=NONE, trained_on=trained_on)
        head = {"training_set": training_set, "method": name, "source": name, "run": NONE, "classifier": NONE}
        rows += _measured(part, head)
    return rows


def _measured(part, head):
    """Rows of one predictor: a row per picture of Figure 5, means with intervals of the lists."""
    if part.empty:
        return [head | {"note": NO_PREDICTIONS}]
    rows = []
    for _, row in part[part.test_set == FIGURE5].iterrows():
        rows.append(head | {"test_set": FIGURE5, "image": row.image, "n": 1} | {m: row[m] for m in _MEASURES})
    for test_set in score_table.test_lists(part.test_set):
        here = part[part.test_set == test_set]
        identical = int(np.isinf(here.psnr_rgb).sum())
        rows.append(head | {"test_set": test_set, "image": "mean", "n": len(here), "identical": identical})
        for measure in _MEASURES:
            rows[-1][measure] = metrics.finite_mean(here[measure])
            finite = here[measure][np.isfinite(here[measure])]
            if len(finite):
                rows[-1][f"{measure}_low"], rows[-1][f"{measure}_high"] = statistics.bootstrap_interval(finite)
    return rows


def _pixel_table(rows):
    return pd.DataFrame(rows, columns=_PIXEL_COLUMNS).astype({"n": "Int64", "identical": "Int64"})
