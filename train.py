"""Trains a colorization method: `python train.py --help`. The command itself is `colorizer.cli.train`."""

import sys

from colorizer.cli import start, train

if __name__ == "__main__":
    sys.exit(start(train.main, None, "train.py"))
