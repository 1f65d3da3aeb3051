"""The sheet of degradations: the command runs, and the page's picture is of all of them."""

import numpy as np
from conftest import REPOSITORY

from colorizer import photos
from colorizer.data import degradation
from colorizer.reporting.figures import degradations


def test_the_command_draws_every_effect(tmp_path, capsys, monkeypatch):
    labels = []
    sheet = degradations.contact_sheets.sheet

    def watched(rows, *args, **options):
        labels.extend(group.label for row in rows for group in row)
        return sheet(rows, *args, **options)

    monkeypatch.setattr(degradations.contact_sheets, "sheet", watched)
    assert degradations.main(["--output", str(tmp_path / "sheet.jpg")]) == 0
    assert {effect.__name__ for effect in degradation.EFFECTS} | {"the photograph", "border"} < set(labels)
    drawn = photos.read(tmp_path / "sheet.jpg").rgb
    committed = photos.read(REPOSITORY / "docs" / "degradations.jpg").rgb
    assert drawn.shape == committed.shape
    assert np.abs(drawn.astype(int) - committed).mean() < 4  # levels; other versions of libraries round otherwise
    assert (REPOSITORY / "docs" / "degradations.jpg").stat().st_size <= 200_000
    assert "sheet.jpg: " in capsys.readouterr().out
