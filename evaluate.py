"""Scores runs and writes tables: `python evaluate.py --help`. It is `colorizer.cli.evaluate`."""

from colorizer.cli import evaluate

if __name__ == "__main__":
    evaluate.run("evaluate.py")
