"""Photographs without a truth, colorized by every run."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from colorizer import photos, weights
from colorizer.evaluation import runs
from colorizer.reporting.figures import side_by_side

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED, KEPT = next(iter(weights.SHIPPED)), "gan-paintings-128"


@pytest.fixture
def recorded(tmp_path):
    """A folder with two runs: one whose weights are the shipped ones, and one with predictions alone."""
    trained_here = shutil.ignore_patterns(weights.BEST, "last")
    for name in (SHIPPED, KEPT):
        shutil.copytree(REPOSITORY / "results" / "runs" / name, tmp_path / "runs" / name, ignore=trained_here)
    return tmp_path / "runs"


@pytest.fixture
def photographs(tmp_path):
    """Two gray photographs in a folder."""
    folder = tmp_path / "attic"
    folder.mkdir()
    for name in ("one.png", "two.png"):
        ramp = np.linspace(20, 230, 80).astype(np.uint8)
        photos.write(folder / name, np.broadcast_to(ramp[:, None, None], (80, 100, 3)).copy())
    return folder


def test_a_sheet_has_a_column_for_each_look(recorded, photographs, tmp_path, capsys):
    output = tmp_path / "figures"
    flags = ["--dataset", str(photographs), "--runs", str(recorded), "--output", str(output)]
    assert side_by_side.main(flags) == 0
    assert "side-by-side-attic.jpg: 2 photographs" in capsys.readouterr().out
    sheet = photos.read(output / "side-by-side-attic.jpg").rgb
    columns = 3  # gray and two looks: the run without weights has no predictions of these
    assert sheet.shape[1] == pytest.approx(2 * columns * side_by_side.TILE, rel=0.1)
    chroma = np.ptp(sheet.astype(int), axis=-1)
    first = chroma[40:, 12 : side_by_side.TILE - 8]  # color of JPEG blocks reaches a few pixels over the edge
    assert first.max() < 10 < chroma[40:, 16 + side_by_side.TILE :].max()


def test_predictions_replace_missing_weights(recorded):
    found, _ = runs.read(recorded)
    systems = {system.label: system for system in side_by_side.systems(found, "ood", None)}
    assert list(systems) == [KEPT, f"{SHIPPED}, accurate", f"{SHIPPED}, vivid"]
    gray = np.full((256, 256, 3), 128, np.uint8)
    colorized = systems[KEPT].colorize("kodim01.jpg", gray)
    assert colorized.shape == gray.shape and np.ptp(colorized.astype(int), axis=-1).max() > 5
    assert systems[KEPT].colorize("unknown.jpg", gray) is None


def test_missing_folders_end_with_one_line(tmp_path, capsys):
    assert side_by_side.main(["--runs", str(tmp_path / "nowhere")]) == 2
    assert "--runs needs a folder" in capsys.readouterr().err
    assert side_by_side.main(["--dataset", "bw", "--data-dir", str(tmp_path), "--output", str(tmp_path)]) == 2
    assert "--data-dir must name the folder" in capsys.readouterr().err
