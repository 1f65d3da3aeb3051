"""Trains a colorization method and keeps its record in results/runs/.

    %(prog)s --dataset coco
    %(prog)s --dataset paintings --method efficientnet --classifier none
    %(prog)s --dataset path/to/my/photographs --epochs 20
    %(prog)s --run results/runs/efficientnet-coco --resume
    %(prog)s --method colorful --help    what that method is, and what it costs

Exit status: 0 done; 1 training failed; 2 wrong usage, or data or a classifier that
cannot be had; 130 stopped by Ctrl-C, to be gone on with by --resume.
"""

import argparse
import json
import logging
import os
import sys

from colorizer import cli
from colorizer.errors import ClassifierError, DataError, LabelsError, RecordError, TrainingError, WeightsError

PROG = "python -m colorizer train"


def parse(argv=None, prog: str = PROG):
    """The typed flags: ({field: value} of those that were typed, whether to resume)."""
    from colorizer import config

    parser = argparse.ArgumentParser(
        cli.typed(prog),
        description=__doc__,
        epilog=_methods(argv),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in --run, or in its default folder")
    config.add_flags(parser)
    given = vars(parser.parse_args(argv))
    return given, given.pop("resume")


def configuration(given: dict, resume: bool):
    """What the typed flags ask for; `--run X --resume` needs no other: the record holds them.

    Args:
        given: field -> value, of the flags that were typed.
        resume: whether the run in `given["run"]`, if there is one, is gone on with.

    Returns:
        A `TrainConfig`.

    Raises:
        ValueError: a flag is wrong, by itself or for the method.

    Source: ours.
    """
    from colorizer import config, methods
    from colorizer.training import run_record

    begun = run_record.Record(given["run"]).config() if resume and "run" in given else None
    if begun:
        given = {name: begun[name] for name in config.names() if begun.get(name) is not None} | given
    method = methods.declared(given.get("method", config.TrainConfig.method))
    return config.resolve(given, method)


def _methods(argv) -> str:
    """What stands under the flags: the method that was typed, at length; else a line about each."""
    from colorizer import methods

    asked = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    asked.add_argument("--method")
    name = asked.parse_known_args(argv)[0].method
    if name in methods.names():
        return f"method {name}:\n\n{methods.describe(name)}"
    lines = (f"  {name:20}{methods.describe(name).splitlines()[0]}" for name in methods.names())
    return "\n".join(["methods (--method NAME --help says more):", *lines])


def main(argv=None, prog: str = PROG) -> int:
    """Flags -> configuration -> `training.run`; returns the exit status."""
    given, resume = parse(argv, prog)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # below it TensorFlow alarms people without a GPU

    from colorizer.training import loop, run_record

    try:
        chosen = configuration(given, resume)
    except ValueError as error:
        return _say(prog, error, 2)
    kept = run_record.Record(chosen.run)
    go_on = f"{cli.typed(prog)} --run {chosen.run} --resume"
    try:
        summary = loop.run(chosen, resume)
    except (
        *(RecordError, DataError, ClassifierError, LabelsError),
        WeightsError,
    ) as error:
        return _say(prog, error, 2)
    except TrainingError as error:
        return _say(prog, error, 1)
    except OSError as error:
        kept_too = f"{error}\nThe epochs that were done are kept; go on with: {go_on}"
        return _say(prog, kept_too if kept.state() else error, 1)
    except KeyboardInterrupt:
        return _say(prog, f"stopped. Go on with: {go_on}" if kept.state() else "stopped before an epoch was done.", 130)
    print(json.dumps(summary, indent=2))
    print(f"The record is in {chosen.run}; tables and figures: {cli.typed(prog.replace('train', 'evaluate'))}")
    return 0


def _say(prog: str, message, status: int) -> int:
    print(f"{prog}: {message}", file=sys.stderr)
    return status


def run(prog: str = PROG) -> None:
    """The command as installed: exits with `main`'s status."""
    sys.exit(main(prog=prog))
