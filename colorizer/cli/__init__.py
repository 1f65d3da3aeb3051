"""What `colorize.py`, `train.py`, `evaluate.py` and `python -m colorizer` run: flags -> one call.

Each module has `main(argv, prog)`, which returns the exit status. `start` runs it as a process should.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from colorizer.errors import ColorizerError

# Packages of the extra [train]: the light installation has none of them.
HEAVY = frozenset({"keras", "tensorflow", "h5py", "matplotlib", "pandas", "scipy", "skimage"})


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
        self.exit(2, f"{name}: {message}\nFor the flags, type: {self.prog} --help\n")


def show_progress() -> None:
    """Prints the package's own notes of progress on standard error; of other packages only warnings."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("colorizer").setLevel(logging.INFO)


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
        print(
            f"{prog}: this needs the package {package}, which is not installed. "
            "In a clone of this repository: pip install -r requirements.txt",
            file=sys.stderr,
        )
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
    """Gives closed standard streams (`>&-`) a place: the next opened file, perhaps a photo, would take their number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
        if getattr(sys, name) is None:
            stream = open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def _discard_output() -> None:
    """Sends what is still in the output's buffer nowhere, so that the interpreter ends without an error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
