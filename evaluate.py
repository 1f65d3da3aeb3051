"""Scores runs and writes tables: `python evaluate.py --help`. It is `colorizer.cli.evaluate`."""

import sys

from colorizer.cli import evaluate, start

if __name__ == "__main__":
    sys.exit(start(evaluate.main, None, "evaluate.py"))
