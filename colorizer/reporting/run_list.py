"""The list of runs in results/README.md: what has been trained, and which of the paper's runs are missing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from colorizer import experiments
from colorizer.config import TrainConfig
from colorizer.evaluation.runs import Run, representatives
from colorizer.reporting.markdown import epochs_of, table, title_of

_HEADER = ["Run", "Method", "Trained on", "Classifier", "Epochs", "Images", "Pixels", "Precision", "Hours", "Device"]


def render(runs: Sequence[Run]) -> str:
    """Renders a row per run, and the runs of the paper that are still missing.

    Args:
        runs: the finished runs.

    Returns:
        Markdown for results/README.md.
    """
    rows = []
    for run in runs:
        s, size = run.summary, run.config["image_size"]
        row = [run.name, title_of(run.method), run.trained_on, run.classifier, _epochs(run)]
        row += [s["train_images"], f"{size}x{size}", s["precision"], f"{s['runtime_hours']:.2f}", s["device"]]
        rows.append([*row, run.config["commit"], s["finished"][:10]])
    parts = [table([*_HEADER, "Commit", "Date"], rows)] if rows else ["No run is finished."]
    begun = {run.name for run in runs}
    if missing := [f"- {name}: {state}: `{reproduce(name, begun=begun)}`" for name, state in pending(runs)]:
        parts.append(
            "Not run, each until its validation loss stops improving. The state of a row that was cut is not in the "
            "repository, so it is trained anew, beside its record. "
            f"Then put {experiments.ELSEWHERE}/NAME in the place of {experiments.FOLDER}/NAME and run `make tables`:"
            "\n\n" + "\n".join(missing)
        )
    if ablations := pending_ablations(runs):
        files = "--classifier FILE.keras --mobilenet MOBILENET.keras"
        parts.append(
            f"Further ablations that were not run, {TrainConfig.epochs} epochs each: "
            f"`python -m colorizer reproduce --matrix gpu {files} --only {' '.join(ablations)}`.",
        )
    return "\n\n".join(parts) + "\n"


def _epochs(run: Run) -> str:
    """How long a run was, with a link to its curve where one is drawn: of every run but the ablations."""
    text = epochs_of(run)
    return text if experiments.is_ablation(run.name) else f"[{text}](figures/curves-{run.name}.png)"


def command(method: str, dataset: str) -> str:
    """The command that makes a missing run among one's own; the default method needs no flag."""
    flag = "" if method == TrainConfig.method else f"--method {method} "
    return f"python train.py {flag}--dataset {dataset}"


def reproduce(*names: str, begun: Collection[str]) -> str:
    """The command that makes these rows of the matrix of the paper's runs.

    Args:
        names: of the rows.
        begun: the rows that have a record here. It stays: they are trained in another folder.
    """
    elsewhere = f" --runs {experiments.ELSEWHERE}" if set(names) & set(begun) else ""
    return f"python -m colorizer reproduce --matrix {experiments.PAPER} --only {' '.join(names)}{elsewhere}"


def pending(runs: Iterable[Run]) -> list[tuple[str, str]]:
    """Lists the rows of the matrix of the paper's runs that no run of their size has finished.

    Args:
        runs: the finished runs.

    Returns:
        (name, "not run", "not run, so far 5 of 100, cut, in efficientnet-coco-64" or "61 of 100, cut").
    """
    runs = list(runs)
    best, by_name, missing = representatives(runs), {run.name: run for run in runs}, []
    for row in experiments.MATRICES[experiments.PAPER]:
        size = row.flags.get("image_size", TrainConfig.image_size)
        so_far = by_name.get(row.name)
        if so_far is None and not row.base:
            so_far = best.get((row.flags.get("method", TrainConfig.method), row.flags["dataset"]))
        if not (so_far and so_far.is_whole and so_far.config["image_size"] >= size):
            before = f", so far {epochs_of(so_far)}, in {so_far.name}" if so_far else ""
            missing.append((row.name, epochs_of(so_far) if row.name in by_name else f"not run{before}"))
    return missing


def pending_ablations(runs: Iterable[Run]) -> list[str]:
    """Lists the ablations of the matrix gpu that no run has finished, in the matrix's order."""
    finished = {run.name for run in runs}
    return [row.name for row in experiments.MATRICES["gpu"] if row.base and row.name not in finished]
