"""Trains a colorization method: `python train.py --help`. The command itself is `colorizer.commands.train`."""

from functools import partial

from colorizer.commands import train

main = partial(train.main, prog="train.py")

if __name__ == "__main__":
    train.run("train.py")
