"""Small drawn test lists and runs with weights, for the tests of evaluation and reporting."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from canned import canned_run
from conftest import draw_picture

from colorizer import methods
from colorizer.evaluation import evaluator, runs, scores, test_sets
from colorizer.reporting import build
from colorizer.reporting.figures import plots

BROWN = [0.03, 0.09]


def score_at(side: int, monkeypatch):
    """Scores pictures at another size than the paper's 256 pixels."""
    for module in (evaluator, test_sets):
        monkeypatch.setattr(module, "SIDE", side)


@pytest.fixture
def drawn_lists(tmp_path, monkeypatch) -> Path:
    """coco/, paintings/, ood/ and splits/ with the pictures of Figure 5 and two more in each test list.

    They are scored at 64 pixels, and Figure 5 is drawn small: both for speed.
    """
    score_at(64, monkeypatch)
    monkeypatch.setattr(plots, "_PIXELS", 30_000)
    root = tmp_path / "data"
    (root / "splits").mkdir(parents=True)
    for index, name in enumerate(scores.TEST_LISTS):
        test = [image for test_list, image in test_sets.figure5() if test_list == name] + ["extra_0.png", "extra_1.png"]
        parts = {"train": ["train_0.png", "train_1.png"], "val": ["val_0.png"], "test": test}
        (root / name).mkdir()
        for part, images in parts.items():
            if name == "ood" and part != "test":
                continue
            for i, image in enumerate(images):
                cv2.imwrite(str(root / name / image), draw_picture(100 * index + 10 * len(part) + i))
            if name != "ood":
                (root / "splits" / f"{name}_{part}.txt").write_text("\n".join(images) + "\n")
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COLORIZER_DATA", raising=False)
    return root


def brown_run(folder, trained_on="paintings", **kwargs) -> runs.Run:
    """A finished run of "trivial", weights and all, that predicts `BROWN` everywhere."""
    run = canned_run(folder, "trivial", trained_on, **kwargs)
    network = methods.get("trivial").build(run.config["image_size"])
    network.set_weights([np.array(BROWN, np.float32)])
    network.save_weights(folder / "best.weights.h5")
    return run


def own_folder(folder: Path, count: int = 6) -> Path:
    """A user's folder with photo_0.png to photo_<count - 1>.png."""
    folder.mkdir(parents=True)
    for i in range(count):
        cv2.imwrite(str(folder / f"photo_{i}.png"), draw_picture(500 + i))
    return folder


def own_run(folder: Path, pictures: Path, test: list[str]) -> runs.Run:
    """A finished run that was trained on one's own folder of pictures."""
    config = {"dataset": os.fspath(pictures), "data": {"split_source": "90/5/5, seed 42"}}
    run = brown_run(folder, trained_on=pictures.name, config=config)
    (folder / "split.json").write_text(json.dumps({"train": [], "val": [], "test": test}))
    return run


def evaluate(runs_dir: Path, output: Path, data_dir: Path | None = None, **options):
    """Scores runs and writes the results, as evaluate.py does; returns the `Evaluation` and the lines of `build`."""
    result = evaluator.evaluate(runs_dir, scores.read(output / scores.FILE), data_dir=data_dir, **options)
    return result, build.write(result, output)


def without_pictures(monkeypatch, data: Path):
    """As on a fresh clone: the pictures are gone, and so is the cache."""
    data.rename(data.with_name("gone"))
    monkeypatch.setenv("COLORIZER_CACHE", str(data.with_name("empty-cache")))


def snapshot(folder: Path) -> dict[Path, bytes]:
    """All files of a folder."""
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
