"""What `colorize.py`, `train.py`, `evaluate.py` and the installed commands run: flags -> one call.

Each module has `main(argv, prog)`, which returns the exit status, and `run()`, the installed command.
"""


def typed(prog: str) -> str:
    """How a person starts a command: `train.py` -> `python train.py`; an installed one by its name. Source: ours."""
    return f"python {prog}" if prog.endswith(".py") else prog
