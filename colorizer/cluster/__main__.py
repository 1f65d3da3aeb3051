"""Colorizes archives on all machines of a Ray cluster, and trains on them.

    python -m colorizer cluster colorize album/ -o colored/
    python -m colorizer cluster colorize s3://bucket/scans -o s3://bucket/colored     (pip install s3fs)
    python -m colorizer cluster train --ranks 2 -- --dataset coco --run /mnt/runs/mine --batch-size 40

RAY_ADDRESS names the cluster; without it one starts on this machine and ends with the command. Existing
results are skipped, so that the same command continues after an interruption. All machines must see a local
folder under the same path. report.parquet in OUT has one row for each photo.
Exit status: 0 all done or skipped; 1 some failed; 2 wrong usage, or a missing package, weights or classifier;
130 interrupted by Ctrl-C.
"""

import argparse
import os
import sys

from colorizer import cli
from colorizer.cli import colorize as command
from colorizer.cli import film
from colorizer.errors import ColorizerError

PROG = "python -m colorizer cluster"
RESOURCES = "other resources, as the cluster's machines name them, for"


def parse(argv=None, prog: str = PROG) -> argparse.Namespace:
    """The typed flags; exits with 2 where one of them is wrong."""
    parser = cli.Parser(prog, description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    colorize = commands.add_parser("colorize", help="a folder tree of photos and films, or a bucket of photos")
    add = colorize.add_argument
    add("input", metavar="IN", help="a folder, or the address of one that fsspec opens (s3://, gs://)")
    add("-o", "--output", required=True, metavar="OUT", help="another folder or address; it mirrors the tree of IN")
    command.add_options(colorize, many=True)
    film.add_options(colorize)
    # 32 are four forward passes.
    add("--chunk", type=int, default=32, metavar="N", help="photos in one task, at most (default: %(default)s)")
    add("--cpus", type=float, default=1, metavar="N", help="cores for one task (default: %(default)s)")
    add("--gpus", type=float, default=0, metavar="N", help="GPUs for one task (default: %(default)s)")
    add("--resources", nargs="+", default=[], metavar="NAME=N", help=f"{RESOURCES} one task")
    train = commands.add_parser("train", help="a training with --strategy jax on several ranks")
    add = train.add_argument
    add("--ranks", type=int, required=True, metavar="N", help="processes; each takes its share of --batch-size")
    add("--cpus", type=float, default=1, metavar="N", help="cores for one rank (default: %(default)s)")
    add("--gpus", type=float, default=0, metavar="N", help="GPUs for one rank (default: %(default)s)")
    add("--resources", nargs="+", default=[], metavar="NAME=N", help=f"{RESOURCES} one rank")
    add("--restarts", type=int, default=3, metavar="N", help="most restarts after lost ranks (default: %(default)s)")
    add("flags", nargs=argparse.REMAINDER, metavar="-- FLAGS", help="the flags of train.py")
    flags = parser.parse_args(argv)
    for name, lowest in (("chunk", 1), ("ranks", 1), ("restarts", 0), ("cpus", 0), ("gpus", 0)):
        if getattr(flags, name, lowest) < lowest:
            parser.error(f"--{name} is at least {lowest}. Received: {getattr(flags, name)}")
    flags.resources = dict(_resource(parser, typed) for typed in flags.resources)
    if flags.command == "colorize":
        command.check_options(parser, flags)
        film.check_options(parser, flags)
    return flags


def _resource(parser: argparse.ArgumentParser, typed: str) -> tuple[str, float]:
    """`NAME=N` as a pair; exits with 2 where it is none."""
    name, _, number = typed.partition("=")
    try:
        count = float(number)
    except ValueError:
        count = 0.0
    if not name or not 0 < count < float("inf"):
        parser.error(f"--resources takes NAME=N with N above 0, as in --resources scanner=1. Received: {typed}")
    if name in ("CPU", "GPU"):
        parser.error(f"--resources takes other resources; for these take --cpus and --gpus. Received: {typed}")
    return name, count


def main(argv=None, prog: str = PROG) -> int:
    """Flags -> one call; returns the exit status."""
    flags = parse(argv, prog)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray announces a change of its own
    if os.environ.get("RAY_ADDRESS") not in (None, "", "local"):  # what starts here may take several tries
        os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")  # else minutes of silence where nobody answers
    try:
        cli.require_packages({"ray": "ray"})
        from colorizer.cluster import colorize, train

        return (colorize if flags.command == "colorize" else train).main(flags, prog)
    except ColorizerError as error:
        from colorizer.cli import progress

        progress.say_error(prog, error)
        return error.exit_status
    except KeyboardInterrupt:
        training = "interrupted before the training began."  # afterwards `train.main` says how to continue
        print(f"\n{prog}: {training if flags.command == 'train' else command.INTERRUPTED}", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
