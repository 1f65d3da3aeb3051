"""Colorizes archives on all machines of a Ray cluster, and trains on them.

    python -m colorizer cluster colorize album/ coloured/
    python -m colorizer cluster colorize s3://bucket/scans s3://bucket/coloured     (pip install s3fs)
    python -m colorizer cluster train --ranks 2 -- --dataset coco --run /shared/runs/mine --batch-size 40

RAY_ADDRESS names the cluster; without it one is started on this machine and ended with the command. What
is done already is skipped, so the same command goes on after it was stopped. A local folder must be one
that all machines see; report.parquet in OUT has a row for each photo.
Exit status: 0 all done; 1 some failed; 2 wrong usage, a package missing, or weights or a classifier that
cannot be had; 130 stopped by Ctrl-C.
"""

import argparse
import importlib.util
import os
import sys

PROG = "python -m colorizer cluster"


def parse(argv=None, prog: str = PROG) -> argparse.Namespace:
    """The typed flags; exits with 2 where one of them is wrong."""
    parser = argparse.ArgumentParser(
        prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)
    colorize = commands.add_parser("colorize", help="a folder tree or a bucket of photos")
    add = colorize.add_argument
    add("input", metavar="IN", help="a folder, or the address of one that fsspec opens (s3://, gs://)")
    add("output", metavar="OUT", help="another; the tree of IN is mirrored there")
    add("--weights", metavar="NAME|FILE", help="a run's folder or file (default: the shipped default)")
    add("--classifier", metavar="FILE", help="where the class vector comes from (default: as trained)")
    add("--strength", type=float, default=1.0, help="of the colours, 0..1 (default: %(default)s)")
    add("--quality", type=int, default=95, help="of JPEG, WebP, AVIF, 1..100 (default: %(default)s)")
    add("--batch-size", type=int, default=8, metavar="N", help="photos at once (default: %(default)s)")
    add("--chunk", type=int, default=64, metavar="N", help="photos in one task (default: %(default)s)")
    add("--cpus", type=float, default=1, metavar="N", help="of one task (default: %(default)s)")
    add("--gpus", type=float, default=0, metavar="N", help="of one task (default: %(default)s)")
    train = commands.add_parser("train", help="a training with --strategy jax on several ranks")
    add = train.add_argument
    add("--ranks", type=int, required=True, metavar="N", help="processes; each takes its share of --batch-size")
    add("--cpus", type=float, default=1, metavar="N", help="of one rank (default: %(default)s)")
    add("--gpus", type=float, default=0, metavar="N", help="of one rank (default: %(default)s)")
    add("--restarts", type=int, default=3, metavar="N", help="after ranks were lost (default: %(default)s)")
    add("flags", nargs=argparse.REMAINDER, metavar="-- FLAGS", help="those of train.py")
    flags = parser.parse_args(argv)
    for name, lowest in (("batch_size", 1), ("chunk", 1), ("ranks", 1), ("restarts", 0), ("cpus", 0), ("gpus", 0)):
        if getattr(flags, name, lowest) < lowest:
            parser.error(f"--{name.replace('_', '-')} is at least {lowest}. Received: {getattr(flags, name)}")
    if not 0 <= getattr(flags, "strength", 1) <= 1:
        parser.error(f"--strength lies between 0 and 1. Received: {flags.strength}")
    if not 1 <= getattr(flags, "quality", 1) <= 100:
        parser.error(f"--quality lies between 1 and 100. Received: {flags.quality}")
    return flags


def main(argv=None, prog: str = PROG) -> int:
    """Flags -> one call; returns the exit status."""
    flags = parse(argv, prog)
    if importlib.util.find_spec("ray") is None:
        print(f'{prog}: needs Ray, which is not installed: pip install -e ".[ray]"', file=sys.stderr)
        return 2
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray announces a change of its own
    from colorizer.cluster import colorize as archive
    from colorizer.cluster import train as launch

    try:
        return archive.main(flags, prog) if flags.command == "colorize" else launch.main(flags, prog)
    except KeyboardInterrupt:
        print(f"\n{prog}: stopped; what is written is whole, and the same command goes on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
