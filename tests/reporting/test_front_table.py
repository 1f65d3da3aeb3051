"""The small table of README on scores that are no ordinary numbers."""

import pandas as pd
from canned import canned_scores, floor_key

from colorizer.evaluation import scores
from colorizer.reporting import front_table


def test_pictures_that_are_identical_to_the_truth_are_left_out_of_the_mean():
    """All-gray is exactly right on a test picture that is gray: its PSNR is infinite."""
    rows = canned_scores(floor_key("all_grey"), "coco", [20.0, float("inf"), 24.0], [0.9, 1.0, 0.8])
    text = front_table.render([], pd.DataFrame(rows, columns=list(scores.COLUMNS)))
    (line,) = [line for line in text.splitlines() if line.startswith("| all-gray ")]
    assert "| 22.00 | 90.0 |" in line
