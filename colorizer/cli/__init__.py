"""What `colorize.py`, `train.py`, `evaluate.py` and `python -m colorizer` run: flags -> one call.

Each module has `main(argv, prog)`, which returns the exit status. `start` runs it as a process should.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from colorizer.errors import ColorizerError


def typed(prog: str) -> str:
    """How a person types a command: `train.py` -> `python train.py`; any other by its name."""
    return f"python {prog}" if prog.endswith(".py") else prog


def start(main: Callable[..., int], argv: list[str] | None, prog: str) -> int:
    """Runs a command's `main` and turns what a user can mend into one message.

    Args:
        main: `main(argv, prog) -> int`.
        argv: the typed words; None takes those of the process.
        prog: the command's name; it stands in front of messages.

    Returns:
        The exit status: that of `main`, of a `ColorizerError`, 130 after Ctrl-C, 1 where the reader of the output left.
    """
    try:
        status = main(argv, prog=prog)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, and not at the interpreter's end, where a reader that left is an error
        return status
    except ColorizerError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print(f"\n{prog}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read the output left: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
