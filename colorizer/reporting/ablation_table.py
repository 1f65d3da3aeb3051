"""What each part of the paper's network is worth: a table with one change a row, on the COCO test list."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from colorizer import experiments
from colorizer.evaluation import statistics
from colorizer.evaluation.runs import Run
from colorizer.reporting import markdown

TEST_SET = "coco"  # the data set that the ablations train on
MEASURES = ("mse_ab", "psnr_rgb", "ssim_rgb", "ciede2000", "colourfulness")
COLUMNS = ["matrix", "change", "run", "classifier", "epochs_done", "epochs", "train_images", "pixels", "measure"]
COLUMNS += ["n", "mean", "low", "high", "minus_base", "minus_base_low", "minus_base_high", "note"]


def table(found: Iterable[Run], compared: statistics.Compared) -> pd.DataFrame:
    """The ablations of every matrix of which a row has been run, and of the first where none has.

    Args:
        found: the finished runs.
        compared: from `comparison.compare`.

    Returns:
        `COLUMNS`, a row per run and measure; a run that is still to be made has one row, its `note` says so
        with the command. `minus_base` is the paired difference to the run with nothing changed.

    Source: ours; BASELINES §2.4 asks whether the class vector is used at all.
    """
    here = {run.name: run for run in found}
    of_the_network = {name: part for name, part in experiments.MATRICES.items() if name != experiments.CHOICES}
    wanted = [name for name, part in of_the_network.items() if any(r.base and r.name in here for r in part)]
    rows = []
    for name in wanted or ["cpu"]:
        ablations = [row for row in experiments.MATRICES[name] if row.base]
        bases = {row.base for row in ablations}
        changed = [row for row in experiments.MATRICES[name] if row.name in bases] + [
            row for row in ablations if row.name not in bases
        ]
        for row in changed:
            head = {"matrix": name, "change": row.change or "nothing", "run": row.name}
            rows += _measured(head, here[row.name], compared) if row.name in here else [head | _missing(name, row)]
    return pd.DataFrame(rows, columns=COLUMNS).astype(
        dict.fromkeys(("epochs_done", "epochs", "train_images", "pixels", "n"), "Int64")
    )


def _missing(name, row):
    needs = {experiments.MOBILENET: " --mobilenet FILE.keras"}.get(row.flags.get("classifier"), "")
    return {"note": f"not run: `python -m colorizer reproduce --matrix {name}{needs} --only {row.name}`"}


def _measured(head, run, compared):
    own = compared.of(run.name, run.method)
    head = head | {"classifier": run.classifier, "pixels": run.config["image_size"]}
    head |= {name: run.summary[name] for name in ("epochs_done", "epochs", "train_images")}
    lists = own.lists[own.lists.test_set == TEST_SET].set_index("measure")
    if lists.empty:
        return [head | {"note": "no predictions: weights, classifier or pictures are not here"}]
    against = own.differences[(own.differences.test_set == TEST_SET) & (own.differences.role == "base")]
    against = against.set_index("measure")
    rows = []
    for measure in MEASURES:
        values = lists.loc[measure, ["n", "mean", "low", "high"]].to_dict()
        if measure in against.index:
            ends = against.loc[measure, ["mean", "low", "high"]]
            values |= dict(zip(("minus_base", "minus_base_low", "minus_base_high"), ends, strict=True))
        rows.append(head | {"measure": measure} | values)
    return rows


def render(ablations: pd.DataFrame, note: str = "") -> str:
    """Renders `table` as Markdown: a line per run, its means and its differences to the base.

    Args:
        ablations: from `table`.
        note: a sentence that the page must carry.

    Returns:
        A page.

    Source: ours.
    """
    header = ["Changed", "Run", "Classifier", "Epochs", "Images", "Pixels"]
    for measure in MEASURES:
        header += [markdown.MEASURES[measure][0], "minus base"]
    lines = []
    for (_, change, run), part in ablations.groupby(["matrix", "change", "run"], sort=False):
        first = part.iloc[0]
        told = [change, f"`{run}`"]
        if not pd.isna(first.note):
            lines.append([*told, first.note, *[""] * (len(header) - 3)])
            continue
        told += [first.classifier, f"{first.epochs_done} of {first.epochs}", first.train_images]
        told.append(f"{first.pixels}x{first.pixels}")
        for row in part.itertuples():
            _, factor, form = markdown.MEASURES[row.measure]
            told.append(markdown.number(factor * row.mean, form))
            told.append(markdown.difference(row.measure, row.minus_base, row.minus_base_low, row.minus_base_high))
        lines.append(told)
    sizes = sorted(set(ablations.n.dropna().astype(int)))
    size = f" (n={sizes[0]})" if len(sizes) == 1 else ""
    notes = [
        markdown.MARKED,
        "Every run is trained once, with one seed: an interval says how the difference varies over pictures, not over "
        "trainings.",
        "A shuffled vector is another picture's, always the same one for a picture; the network could learn them by "
        "heart in training.",
        "EfficientNet-B4 with random weights and softmax gives every class 0.001 to several digits, whatever it sees.",
    ]
    notes = [f"**{note}**", *notes] if note else notes
    title = f"## Ablations of the proposed network, {TEST_SET.upper()} test list{size}"
    return "\n\n".join([title, markdown.markdown(header, lines), "\n".join(f"- {line}" for line in notes)]) + "\n"
