"""Colorizes photographs: `python colorize.py --help`. The command itself is `colorizer.commands.colorize`."""

from functools import partial

from colorizer.commands import colorize

main = partial(colorize.main, prog="colorize.py")

if __name__ == "__main__":
    colorize.run("colorize.py")
