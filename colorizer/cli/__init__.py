"""What `colorize.py`, `train.py`, `evaluate.py` and `python -m colorizer` run: flags -> one call.

Each module has `main(argv, prog)`, which returns the exit status. `start` runs it as a process should.
"""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from colorizer.errors import ColorizerError, UsageError

# Packages of the extra [train]: the light installation has none of them.
HEAVY = frozenset({"keras", "tensorflow", "h5py", "matplotlib", "pandas", "scipy", "skimage"})
INSTALL = "pip install -r requirements.txt"  # of those


def typed(prog: str) -> str:
    """How a person types a command: `train.py` -> `python train.py`; any other by its name."""
    return f"python {prog}" if prog.endswith(".py") else prog


class Parser(argparse.ArgumentParser):
    """Flags whose description keeps its lines, and that answers wrong usage in two lines instead of a page."""

    def __init__(self, prog: str, **options):
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(typed(prog), **options)

    def error(self, message: str) -> NoReturn:
        """Exits with 2: what is wrong, as every other message of the command, and where the flags are described."""
        name = self.prog.removeprefix("python ") if self.prog.endswith(".py") else self.prog
        self.exit(2, f"{name}: {self._plain(message)}\nFor the flags, type: {self.prog} --help\n")

    def _plain(self, message: str) -> str:
        """argparse's message in this package's words; one that is not known here stays as it is."""
        if wrong := re.fullmatch(r"argument (\S+): invalid (int|float) value: '(.*)'", message, re.DOTALL):
            kind = "a whole number" if wrong[2] == "int" else "a number"
            return f"{wrong[1]} is {kind}. Received: {wrong[3]}"
        if wrong := re.fullmatch(r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)", message, re.DOTALL):
            return f"{wrong[1]} is one of {wrong[3].replace(chr(39), '')}. Received: {wrong[2]}"
        if wrong := re.fullmatch(r"the following arguments are required: (.*)", message):
            needed = wrong[1].split(", ")
            return f"{' and '.join(needed)} {'is' if len(needed) == 1 else 'are'} missing"
        if wrong := re.fullmatch(r"unrecognized arguments: ((-[^\s=]+).*)", message, re.DOTALL):
            near = difflib.get_close_matches(wrong[2], self._option_string_actions, 1)
            return f"there is no flag {wrong[2]}.{f' Did you mean {near[0]}?' if near else ''} Received: {wrong[1]}"
        return message


def show_progress() -> None:
    """Prints the package's own notes of progress on standard error; of other packages only warnings."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("colorizer").setLevel(logging.INFO)


def require_packages(extras: Mapping[str, str]) -> None:
    """Checks that packages are installed, without importing them.

    Args:
        extras: package -> the extra of this project that installs it.

    Raises:
        UsageError: some are missing; the message has the command that installs them.
    """
    missing = [package for package in extras if importlib.util.find_spec(package) is None]
    if missing:
        wanted = ",".join(sorted({extras[package] for package in missing}))
        raise UsageError(_lacking(missing, f'pip install -e ".[{wanted}]" -c constraints.txt'))


def require_keras() -> None:
    """Checks that Keras is installed, before downloads that need it.

    Raises:
        UsageError: it is not; the message has the command that installs it.
    """
    if importlib.util.find_spec("keras") is None:
        raise UsageError(_lacking(["keras"], INSTALL))


def _lacking(packages: Sequence[str], command: str) -> str:
    """What is said of packages that are not installed."""
    subject = f"package {packages[0]}, which is" if len(packages) == 1 else f"packages {', '.join(packages)}, which are"
    return f"this needs the {subject} not installed. In a clone of this repository:\n    {command}"


def start(main: Callable[..., int], argv: list[str] | None, prog: str) -> int:
    """Runs a command's `main` and turns what a user can mend into one message.

    Args:
        main: `main(argv, prog) -> int`.
        argv: the typed words; None takes those of the process.
        prog: the command's name; it stands in front of messages.

    Returns:
        The exit status: that of `main`, of a `ColorizerError`, 2 where a package of [train] is not installed, 130 after
        Ctrl-C, 1 where the output cannot be written.
    """
    _open_streams()
    try:
        status = main(argv, prog=prog)
        sys.stdout.flush()  # here, and not at the interpreter's end, where a reader that left is an error
        return status
    except ColorizerError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print(f"\n{prog}: interrupted", file=sys.stderr)
        return 130
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in HEAVY:
            raise
        print(f"{prog}: {_lacking([package], INSTALL)}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read the output left: `| head`
        _discard_output()
        return 1
    except OSError as error:  # a full disk under the output or under a file
        print(f"{prog}: {error}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:
            _discard_output()
        return 1


def _open_streams() -> None:
    """Gives closed standard streams (`>&-`) a place: the next opened file, perhaps a photo, would take their number.

    Standard output takes every name: a folder's need not be UTF-8, nor this output, and to say it must not end a run.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
        if getattr(sys, name) is None:
            stream = open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Sends what is still in the output's buffer nowhere, so that the interpreter ends without an error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
