"""Colorizes photographs: `python colorize.py --help`. The command itself is `colorizer.cli.colorize`."""

import sys
from functools import partial

from colorizer.cli import colorize, start

main = partial(colorize.main, prog="colorize.py")

if __name__ == "__main__":
    sys.exit(start(colorize.main, None, "colorize.py"))
