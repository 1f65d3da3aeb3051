"""The ablations of the paper's network: one change per row, on the COCO test list."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from colorizer import experiments
from colorizer.classifiers import classifier
from colorizer.evaluation import statistics
from colorizer.evaluation.runs import Run
from colorizer.reporting import markdown
from colorizer.reporting.tables import NO_PREDICTIONS

TEST_SET = "coco"  # the data set that the ablations train on
MEASURES = ("mse_ab", "psnr_rgb", "ssim_rgb", "ciede2000", "colourfulness")
MOBILENET = "mobilenet_edgetpu"  # in the record of a run with MobileNetEdgeTPU
FILE = "FILE.keras"  # in a command: a classifier that has no name of its own
COLUMNS = ["matrix", "change", "run", "classifier", "epochs_done", "epochs", "ending", "best_epoch"]
COLUMNS += ["train_images", "pixels", "measure"]
COLUMNS += ["n", "mean", "low", "high", "seeds", "seeds_low", "seeds_high"]
COLUMNS += ["minus_base", "minus_base_low", "minus_base_high", "note"]


def table(runs: Iterable[Run], comparison: statistics.Comparison) -> pd.DataFrame:
    """Collects the ablations of every matrix of which a row has been run; of the matrix cpu where none has.

    Args:
        runs: the finished runs.
        comparison: from `statistics.compare`.

    Returns:
        `COLUMNS`, a row per run and measure; a missing run has one row, its `note` gives the command, or says that
        its base is the same run.
        `minus_base` is the paired difference to the unchanged run; `seeds` counts the seeds of the runs that differ in
        their seed alone, where there are several, `seeds_low` and `seeds_high` are the ends of their means.
    """
    here = {run.name: run for run in runs}
    wanted = [name for name, part in experiments.MATRICES.items() if any(r.base and r.name in here for r in part)]
    rows = []
    for name in wanted or ["cpu"]:
        ablations = [row for row in experiments.MATRICES[name] if row.base]
        bases = {row.base for row in ablations}
        changed = [row for row in experiments.MATRICES[name] if row.name in bases] + [
            row for row in ablations if row.name not in bases
        ]
        for row in changed:
            head = {"matrix": name, "change": row.change or "nothing", "run": row.name}
            if row.name in here:
                rows += _measured(head, here[row.name], comparison)
            else:
                rows.append(head | _missing(name, row, here.get(experiments.base_of(row.name))))
    return pd.DataFrame(rows, columns=COLUMNS).astype(
        dict.fromkeys(("epochs_done", "epochs", "best_epoch", "train_images", "pixels", "n", "seeds"), "Int64")
    )


def _missing(name: str, row: experiments.Row, base: Run | None) -> dict[str, str]:
    """What stands in the place of a run's numbers: the command that makes it with its base's classifier."""
    if base and _same(row, base):
        return {"note": experiments.SAME}
    words = [f"python -m colorizer reproduce --matrix {name}"]
    if base:
        named = base.classifier if base.classifier in classifier.names() else FILE
        words.append(f"--classifier {named}")
    if row.flags.get("classifier") == experiments.MOBILENET:
        words.append(f"--mobilenet {FILE}")
    return {"note": f"not run: `{' '.join(words)} --only {row.name}`"}


def _same(row: experiments.Row, base: Run) -> bool:
    """Whether a row would repeat its base: it changes the classifier alone, and the base was trained with that one."""
    others = [{**r.flags, "classifier": None} for r in (row, experiments.rows()[row.base])]
    spec = row.flags.get("classifier", "").replace(experiments.MOBILENET, MOBILENET)
    return others[0] == others[1] and spec == base.classifier


def _measured(head, run, comparison):
    own = comparison.select(run.name, run.method)
    head = head | {"classifier": run.classifier, "pixels": run.config["image_size"]}
    head |= {name: run.summary[name] for name in ("epochs_done", "epochs", "best_epoch", "train_images")}
    head["ending"] = run.ending
    lists = own.lists[own.lists.test_set == TEST_SET].set_index("measure")
    if lists.empty:
        return [head | {"note": NO_PREDICTIONS}]
    against = own.differences[(own.differences.test_set == TEST_SET) & (own.differences.role == "base")]
    against = against.set_index("measure")
    spread = own.seeds[own.seeds.test_set == TEST_SET].set_index("measure")
    rows = []
    for measure in MEASURES:
        values = lists.loc[measure, ["n", "mean", "low", "high"]].to_dict()
        if measure in spread.index:
            ends = spread.loc[measure, ["seeds", "low", "high"]]
            values |= dict(zip(("seeds", "seeds_low", "seeds_high"), ends, strict=True))
        if measure in against.index:
            ends = against.loc[measure, ["mean", "low", "high"]]
            values |= dict(zip(("minus_base", "minus_base_low", "minus_base_high"), ends, strict=True))
        rows.append(head | {"measure": measure} | values)
    return rows


def render(ablations: pd.DataFrame, note: str = "") -> str:
    """Renders `table`: a line per run, with its means and its differences to the base.

    Args:
        ablations: from `table`.
        note: a sentence that the page must carry.

    Returns:
        Markdown.
    """
    header = ["Changed", "Run", "Classifier", "Epochs", "Images", "Pixels"]
    for measure in MEASURES:
        header += [markdown.MEASURES[measure][0], "minus base"]
    lines = []
    for (_, change, run), part in ablations.groupby(["matrix", "change", "run"], sort=False):
        first = part.iloc[0]
        line = [change, f"`{run}`"]
        if not pd.isna(first.note):
            lines.append([*line, first.note, *[""] * (len(header) - 3)])
            continue
        epochs = markdown.epochs(first.epochs_done, first.epochs, first.ending, first.best_epoch)
        line += [first.classifier, epochs, first.train_images]
        line.append(f"{first.pixels}x{first.pixels}")
        for row in part.itertuples():
            line.append(markdown.scaled(row.measure, row.mean) + _seeds(row))
            line.append(markdown.difference(row.measure, row.minus_base, row.minus_base_low, row.minus_base_high))
        lines.append(line)
    sizes = sorted(set(ablations.n.dropna().astype(int)))
    size = f" (n={sizes[0]})" if len(sizes) == 1 else ""
    lines_below = [
        markdown.MARKED,
        markdown.SEEDS
        if ablations.seeds.notna().any()
        else "Every run is one training with one seed: intervals are over pictures, not over trainings.",
        "A shuffled vector belongs to another picture, always the same one; the network could memorize the pairs in "
        "training.",
        "EfficientNet-B4 with random weights gives every class a score of about 0.001, whatever the picture.",
    ]
    title = f"## Ablations of the proposed network, {TEST_SET.upper()} test list{size}"
    return "\n\n".join([title, markdown.table(header, lines), markdown.notes(lines_below, note)]) + "\n"


def _seeds(row):
    return "" if pd.isna(row.seeds) else markdown.seeds(row.measure, row.seeds, row.seeds_low, row.seeds_high)
