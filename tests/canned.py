"""Records of runs that never ran, for the tests of tables, figures and evaluation."""

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from colorizer.config import TrainConfig
from colorizer.evaluation import metrics, runs, scores

SUMMARY = {
    "epochs": 3,
    "epochs_done": 3,
    "best_epoch": 2,
    "runtime_hours": 0.123456,
    "val_mse": 0.0141,
    "val_accuracy": 0.625,
    "val_images": 10,
    "train_images": 90,
    "parameters": 2,
    "mean_ab_norm": [0.03, 0.09],
    "val_mse_all_grey": 0.0152,
    "val_accuracy_all_grey": 0.39,
    "val_mse_mean_colour": 0.0148,
    "val_accuracy_mean_colour": 0.61,
    "device": "CPU",
    "precision": "float32",
    "finished": "2026-01-01T00:00:00+00:00",
}


def canned_run(folder: Path, method="efficientnet", trained_on="paintings", config=None, **summary) -> runs.Run:
    """Writes a finished run's record, without weights, and reads it back."""
    folder.mkdir(parents=True)
    settings = TrainConfig(method=method, dataset=trained_on, classifier="none", epochs=3, image_size=64)
    recorded = {"commit": "0123abcd", "classifier_name": "none", "classifier_sha256": ""}
    recorded["data"] = {"split_source": "lists"}
    whole = asdict(settings) | recorded | (config or {})
    (folder / "config.json").write_text(json.dumps(whole))
    head = {"method": method, "trained_on": trained_on, "classifier": whole["classifier_name"]}
    (folder / "summary.json").write_text(json.dumps(head | SUMMARY | summary))
    epochs = {"epoch": [1, 2, 3], "loss": [0.02, 0.015, 0.0145], "val_loss": [0.017, 0.0141, 0.0143]}
    pd.DataFrame(epochs | {"learning_rate": [1e-3, 1e-3, 5e-4]}).to_csv(folder / "history.csv", index=False)
    return next(run for run in runs.read(folder.parent)[0] if run.name == folder.name)


def canned_scores(key: dict, test_set: str, psnr: list[float], ssim: list[float]) -> list[dict]:
    """Rows of metrics.csv with these PSNR and SSIM; the other numbers are 0.5."""
    rows = []
    for index, (p, s) in enumerate(zip(psnr, ssim, strict=True)):
        row = key | {"test_set": test_set, "image": f"{test_set}-{index}.jpg"} | dict.fromkeys(metrics.COLUMNS, 0.5)
        rows.append(row | {"psnr_rgb": p, "ssim_rgb": s})
    return rows


def floor_key(method: str, trained_on: str = scores.NONE) -> dict:
    """The key columns of a trivial baseline's rows."""
    return {"run": scores.NONE, "method": method, "trained_on": trained_on, "classifier": scores.NONE}


def run_key(run: runs.Run) -> dict:
    """The key columns of a run's rows."""
    return run.key
