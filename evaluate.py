"""Scores all runs and writes the tables: `python evaluate.py --help`. It is `colorizer.commands.evaluate`."""

from colorizer.commands import evaluate

if __name__ == "__main__":
    evaluate.run("evaluate.py")
