"""The list of runs in results/README.md: what has been trained, and which of the paper's runs are missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from colorizer import experiments
from colorizer.config import TrainConfig
from colorizer.evaluation.runs import Run, representatives
from colorizer.reporting.markdown import table, title_of

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
        row = [run.name, title_of(run.method), run.trained_on, run.classifier, f"{s['epochs_done']} of {s['epochs']}"]
        row += [s["train_images"], f"{size}x{size}", s["precision"], f"{s['runtime_hours']:.2f}", s["device"]]
        rows.append([*row, run.config["commit"], s["finished"][:10]])
    parts = [table([*_HEADER, "Commit", "Date"], rows)] if rows else ["No run is finished."]
    if missing := [f"- `{command(method, dataset)}`{so_far}" for method, dataset, so_far in pending(runs)]:
        parts.append(f"Pending, with the paper's {TrainConfig.epochs} epochs:\n\n" + "\n".join(missing))
    if ablations := pending_ablations(runs):
        all_of_them = "`python -m colorizer reproduce --matrix gpu --classifier FILE.keras`"
        parts.append(
            f"Pending ablations, {TrainConfig.epochs} epochs each, {all_of_them}: {', '.join(ablations)}.",
        )
    return "\n\n".join(parts) + "\n"


def command(method: str, dataset: str) -> str:
    """The command that makes a missing run; the default method needs no flag."""
    flag = "" if method == TrainConfig.method else f"--method {method} "
    return f"python train.py {flag}--dataset {dataset}"


def pending(runs: Iterable[Run]) -> list[tuple[str, str, str]]:
    """Lists the trainings that no run has finished: the four systems of the paper on both of its sets.

    Args:
        runs: the finished runs.

    Returns:
        (method, dataset, the state so far: "" or ", so far 3 epochs in efficientnet-coco").
    """
    best, missing = representatives(runs), []
    for flags in (row.flags for row in experiments.MATRICES["gpu"] if not row.base):
        key = (flags.get("method", TrainConfig.method), flags["dataset"])
        epochs = best[key].summary["epochs_done"] if key in best else 0
        if epochs < TrainConfig.epochs:
            missing.append((*key, f", so far {epochs} epochs in {best[key].name}" if epochs else ""))
    return missing


def pending_ablations(runs: Iterable[Run]) -> list[str]:
    """Lists the ablations of the matrix gpu that no run has finished, in the matrix's order."""
    finished = {run.name for run in runs}
    return [row.name for row in experiments.MATRICES["gpu"] if row.base and row.name not in finished]
