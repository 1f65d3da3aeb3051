"""Trains a colorization method: `python train.py --help`. The command itself is `colorizer.cli.train`."""

from functools import partial

from colorizer.cli import train

main = partial(train.main, prog="train.py")

if __name__ == "__main__":
    train.run("train.py")
