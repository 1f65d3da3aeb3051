"""Colorizes photographs: `python colorize.py --help`. The command itself is `colorizer.cli.colorize`."""

from functools import partial

from colorizer.cli import colorize

main = partial(colorize.main, prog="colorize.py")

if __name__ == "__main__":
    colorize.run("colorize.py")
