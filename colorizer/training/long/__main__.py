"""Trains a decoder on a frozen encoder's features of several sets of pictures, in any number of sessions.

    python -m colorizer.training.long --run DIR --encoder FILE.keras --set coco=FOLDER --minutes 60

    mixture --> l_norm --> features (kept or computed) --> decoder --> distribution's loss --> AdamW
          \\-> ab_norm --> hints, in half of the samples ----^

There are three stages, each a run of its own that begins with the weights of the one before. The first trains the
decoder alone. `--tune N` also trains the encoder's last N blocks, more slowly. `--critic 0.5` adds a critic that tells
colored photographs from true ones; its gradient is half as long as that of the distribution's loss.

The run's folder holds

    config.json          the settings and the sets
    history.csv          a row for each checkpoint
    decoder.weights.h5   the moving average of the weights, kernels in half precision
    encoder.npz          the encoder's trained blocks, if there are any
    last/                what the same command continues from

A run has no planned end, so its rate rises and then stays. `--fall N` trains a copy for N samples more while the rate
falls to zero, and keeps that in DIR/fallen; the run itself stays where it was. `--begin` starts another run with a
run's weights, at another size or with other sets. `--whole` trains nothing and joins encoder and decoder; with the
run's sets and `--validate` it also writes the record that evaluation reads; `--average` mixes in other weights, such
as those that the run began with. `--hints` trains nothing and scores a run
with hints.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import signal
import sys
from dataclasses import asdict
from pathlib import Path

if importlib.util.find_spec("keras") is None:
    sys.exit("A long training needs Keras. Received: it is not installed. Run: pip install -r requirements.txt")

from colorizer.classifiers.encoders import saved
from colorizer.data import datasets, filters
from colorizer.errors import ClassifierError, ColorizerError, DataError, WeightsError
from colorizer.methods.layers import backbone, token_decoder
from colorizer.training.long import record, run_files, whole
from colorizer.training.long.mixture import Mixture, PictureSet
from colorizer.training.long.run import LongRun, Settings
from colorizer.training.long.validation_squares import Squares

log = logging.getLogger(__name__)

LOOKED_AT = 32  # pictures of each set, at the start

# What `--help` says of each of `Settings`.
HELP = {
    "image_size": "side of the samples, a multiple of 32",
    "batch_size": "samples in a step",
    "learning_rate": "the decoder's highest rate",
    "warm_up": "steps in which it rises",
    "weight_decay": "AdamW's, of the decoder's kernels",
    "precision": "of the layers",
    "seed": "of everything that is drawn",
    "views": "different samples of one picture; 0: a new one each time",
    "tune": "how many of the encoder's last blocks are trained too",
    "tune_rate": "their rate, as a share of the decoder's",
    "critic": "the critic's gradient at the logits, as a share of the distribution's; 0: no critic",
    "critic_rate": "the critic's rate",
    "critic_alone": "steps in which the critic is trained alone, at the start",
}


def picture_set(text: str) -> PictureSet:
    """A set from the command line: NAME=FOLDER, NAME=FOLDER@LIST, and either with *WEIGHT; by itself the weight is 1.

    Args:
        text: LIST is a text file with a name a line; without it all pictures of the folder are taken. A NAME that
            ends in "_" takes those of the folder's pictures whose names begin with it.

    Returns:
        A `PictureSet`.

    Raises:
        DataError: the folder or the list is not there, or the text is not of this form.
    """
    name, found, rest = text.partition("=")
    # The weight stands last, so it is cut off first.
    rest, _, weight = rest.partition("*")
    folder, _, names = rest.partition("@")
    try:
        share = float(weight or 1)
    except ValueError:
        found = ""
    if not found or not Path(folder).is_dir() or (names and not Path(names).is_file()):
        raise DataError(f"A set is NAME=FOLDER, NAME=FOLDER@LIST, either with *WEIGHT. Received: {text}")
    listed = Path(names).read_text("utf-8").split("\n") if names else datasets.pictures(Path(folder))
    chosen = [line.strip() for line in listed if line.strip() and (not name.endswith("_") or line.startswith(name))]
    return PictureSet(name, Path(folder), tuple(chosen), share)


def main(arguments: list[str] | None = None) -> None:
    """The command; see the module."""
    parser = argparse.ArgumentParser(prog="python -m colorizer.training.long", description=__doc__.split("\n")[0])
    parser.add_argument("--run", required=True, help="the run's folder; a run that is there goes on")
    parser.add_argument("--encoder", required=True, help="a saved encoder, .keras, or its name")
    parser.add_argument("--set", action="append", default=[], help="NAME=FOLDER[@LIST][*WEIGHT]; may be repeated")
    parser.add_argument("--validate", help="FOLDER@LIST: squares of it are scored at every checkpoint")
    parser.add_argument("--whole", metavar="DIR", help="train nothing; write the whole network's record to DIR")
    parser.add_argument("--average", nargs=2, metavar=("WEIGHTS", "SHARE"), help="--whole: mixed with other weights")
    parser.add_argument("--hints", type=int, nargs="+", metavar="N", help="train nothing; validate with N true hints")
    parser.add_argument("--begin", metavar="RUN", help="first weights: a long training's folder, or `shipped`")
    parser.add_argument("--keep", help="folder for kept features (default: they are computed each time)")
    parser.add_argument("--minutes", type=float, help="stop after this many (default: never)")
    parser.add_argument("--samples", type=int, help="stop when the run has seen this many (default: never)")
    parser.add_argument("--every", type=float, default=5, help="minutes between checkpoints (default: 5)")
    parser.add_argument("--fall", type=int, default=0, help="let the rate fall over this many samples, see the module")
    for name, value in asdict(Settings()).items():
        # `views` may be None, which has no type of its own.
        kind = int if name == "views" else type(value)
        parser.add_argument(
            "--" + name.replace("_", "-"), type=kind, default=value, help=f"{HELP[name]} (default: {value})"
        )
    flags = parser.parse_args(arguments)
    flags.views = flags.views or None
    if flags.average and not flags.whole:
        parser.error("--average mixes other weights into what --whole writes. Received: no --whole. Name its DIR.")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        if flags.whole and flags.set and flags.validate:
            _record(flags)
        elif flags.whole:
            whole.write(flags.run, flags.encoder, flags.whole, _averaged(flags))
        elif flags.hints:
            _score(flags)
        else:
            _run(flags)
    except ColorizerError as error:
        parser.exit(error.exit_status, f"{error}\n")


def _score(flags):
    """Prints a run's scores with some numbers of hints, each a pixel of the hints' grid."""
    if not flags.validate:
        raise DataError("Scores need pictures. Received: --hints without --validate. Name FOLDER@LIST.")
    encoder = backbone.tokens(saved.load(flags.encoder).model, flags.image_size)
    decoder = token_decoder.build((flags.image_size,) * 2, encoder.output_shape[-1])
    run_files.load_decoder(decoder, flags.run)
    run_files.set_blocks(encoder, run_files.load_blocks(flags.run))
    for given in flags.hints:
        scores = Squares(picture_set(f"validation={flags.validate}"), encoder, flags.image_size, given).score(decoder)
        print(f"hints={given}", *(f"{name}={value:.4f}" for name, value in scores.items()), flush=True)


def _record(flags):
    """Writes the whole network with the record of a finished run."""
    sets, validation = [picture_set(text) for text in flags.set], picture_set(f"validation={flags.validate}")
    mixture = Mixture(sets, flags.image_size, flags.seed, flags.views)
    record.write(flags.run, flags.encoder, flags.whole, mixture, validation, _averaged(flags))


def _averaged(flags) -> tuple[str, float] | None:
    """Other weights and their share, of `--average`."""
    if not flags.average:
        return None
    try:
        return flags.average[0], float(flags.average[1])
    except ValueError:
        raise WeightsError(f"--average takes weights and a share. Received: {' '.join(flags.average)}") from None


def _warn_of_gray(sets):
    """Looks at some pictures of each set: gray ones would teach gray, and nobody leaves them out as `train.py` does."""
    for one in sets:
        some = one.names[:: -(-len(one.names) // LOOKED_AT)]
        if gray := [name for name in some if filters.defect(one.read(name))]:
            log.warning(
                "%s: of %d pictures looked at %d are gray, toned or tiny, such as %s. They teach gray: name the others "
                "in a list, %s=FOLDER@LIST.",
                *(one.name, len(some), len(gray), gray[0], one.name),
            )


def _run(flags):
    settings = Settings(**{name: getattr(flags, name) for name in asdict(Settings())})
    sets = [picture_set(text) for text in flags.set]
    mixture = Mixture(sets, settings.image_size, settings.seed, settings.views)
    _warn_of_gray(sets)
    encoder = saved.load(flags.encoder).model
    if encoder is None:
        raise ClassifierError(f"A long training needs an encoder. Received: {flags.encoder}. Give a saved one.")
    # A name and counts: no path of a machine stands in a record.
    described = {"encoder": Path(flags.encoder).stem, "sets": {s.name: [len(s.names), s.weight] for s in sets}}
    run = LongRun(flags.run, settings, mixture, encoder, keep=flags.keep, begin=flags.begin, described=described)
    check = None
    if flags.validate:
        one = picture_set(f"validation={flags.validate}")
        check = Squares(one, run.features.encoder, settings.image_size).score
    # Ctrl-C and a scheduler's SIGTERM: the step is ended, the state saved.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, run.stop)
    log.info("%d pictures, %d samples seen", len(mixture), run.samples)
    run.train(samples=flags.samples, minutes=flags.minutes, every=flags.every, fall=flags.fall, check=check)


if __name__ == "__main__":
    main()
