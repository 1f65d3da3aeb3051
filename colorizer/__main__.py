"""One door to every command: `python -m colorizer COMMAND`, or `colorizer COMMAND` where the package is installed.

%(prog)s old.jpg -o new.png          colorize a photo; the word `colorize` may be left out
%(prog)s train --dataset coco        train a method and keep its record
%(prog)s COMMAND --help              what a command does, and its flags
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from pathlib import Path

import colorizer
from colorizer import cli

# Command -> module with `main(argv, prog)`, one line of help. No module is imported before its command is typed.
COMMANDS = {
    "colorize": ("colorizer.cli.colorize", "colorize photos and folders of photos"),
    "train": ("colorizer.cli.train", "train a method and keep its record"),
    "evaluate": ("colorizer.cli.evaluate", "score trained runs, write tables and figures"),
    "app": ("colorizer.app.__main__", "open the web page (extra [app])"),
    "serve": ("colorizer.server.__main__", "answer over HTTP: photos in, photos in color out (extra [serve])"),
    "export": ("colorizer.export.__main__", "write a network for ONNX Runtime, LiteRT or TensorFlow (extra [export])"),
    "cluster": ("colorizer.cluster.__main__", "colorize archives and train on many machines (extra [ray])"),
    "fetch": ("colorizer.classifiers.fetch", "get an ImageNet classifier by its name"),
    "reproduce": ("colorizer.cli.reproduce", "run every training of the reproduction"),
    "demo": ("colorizer.cli.demo", "colorize a few photos that come with scikit-image"),
}
CLOSE = 0.8  # of 1: how like a command a word is that was meant as one


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser behind `--help` and `--version`; it lists the commands and knows none of their flags."""
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:{width}}{text}" for name, (_, text) in COMMANDS.items()]
    result = cli.Parser(prog, usage=f"{prog} COMMAND ...", description=__doc__, epilog="\n".join(["commands:", *lines]))
    result.add_argument("--version", action="version", version=f"colorizer {colorizer.__version__}")
    return result


def main(argv: list[str] | None = None, prog: str = "python -m colorizer") -> int:
    """Starts the command that `argv` names.

    Args:
        argv: the typed words; None takes those of the process. Words that name no command but a photo go to `colorize`.
        prog: how the door is typed; it stands in front of messages.

    Returns:
        The command's exit status.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    first = words[0] if words else "--help"
    if first in ("-h", "--help", "--version"):
        parser(prog).parse_args([first])
    if first not in COMMANDS:
        if not Path(first).exists() and (near := difflib.get_close_matches(first, COMMANDS, 1, CLOSE)):
            parser(prog).error(f"there is no command {first}. Did you mean {near[0]}? Received: {first}")
        if not _names_a_photo(first, words):
            parser(prog).error(
                f"the first word is a command ({', '.join(COMMANDS)}) or a photo to colorize. Received: {first}"
            )
        words = ["colorize", *words]
    name, *rest = words
    module = importlib.import_module(COMMANDS[name][0])
    return cli.start(module.main, rest, f"{prog} {name}" if first == name else prog)


def _names_a_photo(first: str, words: list[str]) -> bool:
    """Whether the words are those of `colorize`: it always has -o, or a flag or path comes first."""
    return any(word == "-o" or word.startswith("--output") for word in words) or Path(first).exists()


def run() -> None:
    """The installed command `colorizer`."""
    sys.exit(main(prog="colorizer"))


if __name__ == "__main__":
    sys.exit(main())
