"""metrics.csv: a row for each predictor, test list and picture, with every metric."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from colorizer import atomic_files
from colorizer.errors import EvaluationError
from colorizer.evaluation import metrics

PREDICTOR = ("run", "method", "trained_on", "classifier")  # the columns that name a predictor
KEYS = (*PREDICTOR, "test_set", "image")
COLUMNS = KEYS + metrics.COLUMNS
TEST_LISTS = ("paintings", "coco", "ood")
FIGURE5 = "figure5"
NONE = "-"  # in a key: there is none, such as the run of a trivial baseline
FLOORS = ("all_grey", "mean_colour")  # the trivial baselines, as metrics.csv names them
FILE = "metrics.csv"


def empty() -> pd.DataFrame:
    """A table of scores without a row."""
    return pd.DataFrame(columns=list(COLUMNS))


def read(path: Path) -> pd.DataFrame:
    """Reads metrics.csv.

    Args:
        path: the file; it may be absent.

    Returns:
        `COLUMNS`; no rows where there is no file.

    Raises:
        EvaluationError: the file has other columns.
    """
    if not path.is_file():
        return empty()
    # A classifier called "none" is a name, not a missing value.
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(KEYS, str), keep_default_na=False)
    except ValueError as error:  # empty, or no CSV
        raise EvaluationError(f"{path} is not a table of scores; delete it. Received: {error}") from error
    if tuple(table.columns) != COLUMNS:
        columns = ", ".join(table.columns)
        raise EvaluationError(f"{path} needs the columns {', '.join(COLUMNS)}; delete it. Received: {columns}")
    return table


def write(path: Path, table: pd.DataFrame) -> None:
    """Writes metrics.csv at full precision, whole or not at all."""
    with atomic_files.replacing(path) as part:
        table.to_csv(part, index=False, columns=list(COLUMNS))


def complete(table: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Adds what another table knows of predictors and test lists that a table has no row of.

    Args:
        table: `COLUMNS`; its rows come first.
        other: the same.

    Returns:
        `COLUMNS`.
    """
    head = [*PREDICTOR, "test_set"]
    known = set(table[head].itertuples(index=False, name=None))
    lacking = [key not in known for key in other[head].itertuples(index=False, name=None)]
    parts = [part for part in (table, other[lacking]) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else table


def select(table: pd.DataFrame, **key: str) -> pd.DataFrame:
    """Selects the rows whose columns have these values."""
    for column, value in key.items():
        table = table[table[column] == value]
    return table


def test_lists(names) -> list[str]:
    """The test lists among some names: `TEST_LISTS` first, then those of one's own pictures.

    Args:
        names: test sets, as in metrics.csv; `FIGURE5` is left out.
    """
    names = list(dict.fromkeys(names))
    return [name for name in TEST_LISTS if name in names] + [
        name for name in names if name not in (*TEST_LISTS, FIGURE5)
    ]
