"""Trains a colorization method and keeps its record in results/runs/.

    python train.py --dataset coco
    python train.py --dataset paintings --method efficientnet --classifier none
    python train.py --dataset path/to/my/photographs --epochs 20
    python train.py --run results/runs/efficientnet-coco --resume

Exit status: 0 done; 1 training failed; 2 wrong usage, or data or a classifier that
cannot be had; 130 stopped by Ctrl-C, to be gone on with by --resume.
"""

import argparse
import json
import logging
import os
import sys
from pathlib import Path


def parse(argv=None):
    """The typed flags: ({field: value} of those that were typed, whether to resume)."""
    from colorizer import config

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resume", action="store_true", help="go on with the run in --run, or in its default folder")
    config.add_flags(parser)
    given = vars(parser.parse_args(argv))
    return given, given.pop("resume")


def main(argv=None) -> int:
    """Flags -> configuration -> `training.run`; returns the exit status."""
    given, resume = parse(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    from colorizer import classifier, config, datasets, methods, record, training

    try:
        begun = record.Record(given["run"]).config() if resume and "run" in given else None
        if begun:  # `--run X --resume` needs no other flag: the record holds them
            given = {f: begun[f] for f in config.names() if begun.get(f) is not None} | given
        settings = methods.get(given.get("method", "efficientnet")).settings
        chosen = config.resolve(given, settings)
        summary = training.run(chosen, resume)
    except (ValueError, record.RecordError, datasets.DataError, classifier.ClassifierError) as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 2
    except (training.TrainingError, OSError) as error:
        print(f"train.py: {error}\nWhole epochs are kept; go on with --resume.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nStopped. Go on with: python train.py --run {chosen.run} --resume", file=sys.stderr)
        return 130
    print(json.dumps(summary, indent=2))
    print(f"The record is in {Path(chosen.run)}; tables and figures: python evaluate.py")
    return 0


if __name__ == "__main__":
    sys.exit(main())
