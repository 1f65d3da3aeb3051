"""Trains a decoder on a frozen encoder's features of several sets of pictures; it can be stopped and resumed.

    python -m colorizer.training.long --run DIR --encoder FILE.keras --set coco=FOLDER --minutes 60

    mixture --> l_norm --> features (cached or computed) --> decoder --> distribution's loss --> AdamW
          \\-> ab_norm --> hints, in half of the samples ----^

Sets. `--set NAME=FOLDER` trains on the pictures of a folder and may be repeated. `NAME=FOLDER@LIST` takes only those
that a text file lists, one name a line. A NAME that ends in "_" takes only files whose names begin with it. `*WEIGHT`
at the end is the share of a set's samples relative to the other sets', 1 by default:

    --set coco=FOLDER@LIST*3 --set photos=FOLDER*2

Stages. Each is a run of its own that starts from the weights of the one before (`--init-weights`). The first trains the
decoder alone. `--trainable-blocks N` also trains the encoder's last N blocks, at a lower learning rate. `--critic 0.5`
adds a critic that tells colored photographs from true ones; its gradient is half as long as that of the distribution's
loss.

The run's folder holds

    config.json          the settings and the sets
    history.csv          a row for each checkpoint
    decoder.weights.h5   the moving average of the weights, kernels in half precision
    encoder.npz          the encoder's trained blocks, if there are any
    last/                the state that the same command resumes from

Cooldown. A run has no planned end, so its learning rate rises and then stays. `--cooldown N` trains N samples more
while the rate falls to zero, and writes the result to cooldown/ in the run's folder. The run itself stays as it was.

Initial weights. `--init-weights RUN` starts a run from the weights of another, also at another size or with other sets.

Feature cache. `--feature-cache DIR` stores the features of the encoder's frozen part, so that each is computed once.

Export. `--export DIR` trains nothing and writes encoder and decoder as one network, whose folder can be given as
weights. With the run's sets and `--validate` it also writes the record that evaluation reads. `--average WEIGHTS SHARE`
interpolates between the run's weights and other ones, such as those that it started from.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import logging
import math
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
from colorizer.training import run_folders
from colorizer.training.long import export, run_files, settings
from colorizer.training.long.mixture import Mixture, PictureSet
from colorizer.training.long.run import LongRun
from colorizer.training.long.validation_squares import Squares

log = logging.getLogger(__name__)

LOOKED_AT = 32  # pictures of each set that are checked for color at the start


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
    # Names of folders and files may have an "@" too: the first place counts at which both are there.
    places = [(rest, ""), *((rest[:at], rest[at + 1 :]) for at, letter in enumerate(rest) if letter == "@")]
    place = next((one for one in places if Path(one[0]).is_dir() and (not one[1] or Path(one[1]).is_file())), None)
    try:
        share = float(weight or 1)
    except ValueError:
        share = math.nan
    if not found or not place or not math.isfinite(share):
        raise DataError(f"A set is NAME=FOLDER, NAME=FOLDER@LIST, either with *WEIGHT. Received: {text}")
    folder, names = place
    listed = datasets.read_list(Path(names)) if names else datasets.pictures(Path(folder))
    chosen = [line for line in listed if not name.endswith("_") or line.startswith(name)]
    return PictureSet(name, Path(folder), tuple(chosen), share)


def _validation_set(flags) -> PictureSet:
    """The set of `--validate`."""
    one = picture_set(f"validation={flags.validate}")
    if not one.names:
        raise DataError(f"Validation needs pictures. Received: none in --validate {flags.validate}")
    return one


def make_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(
        prog="python -m colorizer.training.long",
        usage="%(prog)s --run DIR --encoder FILE [flags]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", required=True, metavar="DIR", help="the run's folder; an existing run is resumed")
    parser.add_argument("--encoder", required=True, metavar="FILE", help="a saved encoder, .keras, or its name")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SET", help="NAME=FOLDER[@LIST][*WEIGHT], see above"
    )
    parser.add_argument("--validate", metavar="FOLDER@LIST", help="pictures that are scored during the training")
    parser.add_argument("--init-weights", metavar="RUN", help="weights to start from: a run's folder, or shipped")
    parser.add_argument("--feature-cache", metavar="DIR", help="folder of the cache (default: no cache)")
    parser.add_argument("--minutes", type=float, help="stop after this many (default: never)")
    parser.add_argument("--samples", type=int, help="stop when the run has seen this many (default: never)")
    parser.add_argument("--every", type=float, default=5, help="minutes between checkpoints (default: %(default)s)")
    parser.add_argument("--cooldown", type=int, default=0, metavar="N", help="samples of a cooldown, see above")
    parser.add_argument("--export", metavar="DIR", help="train nothing; write the network to DIR, see above")
    parser.add_argument("--average", nargs=2, metavar=("WEIGHTS", "SHARE"), help="with --export, see above")
    parser.add_argument("--hints", type=int, nargs="+", metavar="N", help="train nothing; score with N true hints")
    settings.add_flags(parser.add_argument_group("settings, which are recorded"))
    return parser


def main(arguments: list[str] | None = None) -> None:
    """The command; see the module."""
    parser = make_parser()
    flags = parser.parse_args(arguments)
    if flags.average and not flags.export:
        parser.error("--average changes the weights that --export writes. Received: no --export. Name its DIR.")
    if flags.cooldown and flags.samples is not None:
        parser.error("--cooldown says itself after how many samples it ends. Leave --samples out.")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        if flags.export and flags.set and flags.validate:
            _export_record(flags)
        elif flags.export:
            export.write(flags.run, flags.encoder, flags.export, _averaged_with(flags))
        elif flags.hints:
            _score(flags)
        else:
            _run(flags)
    except ColorizerError as error:
        parser.exit(error.exit_status, f"{error}\n")
    except OSError as error:  # a full disk
        kept = "The last checkpoint is kept: the same command continues there."
        parser.exit(1, f"{error}\n{kept}\n" if run_files.has_state(Path(flags.run)) else f"{error}\n")
    except KeyboardInterrupt:  # a training that has begun ends by `LongRun.stop`
        parser.exit(130, "interrupted\n")


def _score(flags):
    """Prints a run's scores with some numbers of hints, each a pixel of the hints' grid: a line of JSON for each."""
    if not flags.validate:
        raise DataError("Scores need pictures. Received: --hints without --validate. Name FOLDER@LIST.")
    size = _recorded(flags)["image_size"]
    encoder = backbone.token_encoder(saved.load(flags.encoder).model, size)
    decoder = token_decoder.build((size,) * 2, encoder.output_shape[-1])
    run_files.load_decoder(decoder, flags.run)
    run_files.set_blocks(encoder, run_files.load_blocks(flags.run))
    for given in flags.hints:
        scores = Squares(_validation_set(flags), encoder, size, given).score(decoder)
        rounded = {name: round(value, 4) for name, value in scores.items()}
        print(json.dumps({"weights": Path(flags.run).name, "hints": given} | rounded), flush=True)


def _export_record(flags):
    """Writes the network with the record of a finished run."""
    sets, validation = [picture_set(text) for text in flags.set], _validation_set(flags)
    own = _recorded(flags)
    mixture = Mixture(sets, own["image_size"], own["seed"], own["augmentations_per_image"])
    averaged = _averaged_with(flags)
    export.write_record(flags.run, flags.encoder, flags.export, mixture, validation, averaged_with=averaged)


def _recorded(flags) -> dict:
    """The settings of `--run`, whatever was typed; of weights without a record those that were typed."""
    record = run_files.find_record(Path(flags.run))
    return asdict(settings.from_flags(flags)) | (run_files.read_record(record) if record else {})


def _averaged_with(flags) -> tuple[str, float] | None:
    """Other weights and their share, of `--average`."""
    if not flags.average:
        return None
    try:
        return flags.average[0], float(flags.average[1])
    except ValueError:
        raise WeightsError(f"--average takes weights and a share. Received: {' '.join(flags.average)}") from None


def _warn_of_gray(sets):
    """Looks at some pictures of each set: gray ones would teach gray, and are not left out as by `train.py`."""
    for one in sets:
        some = one.names[:: -(-len(one.names) // LOOKED_AT)]
        if gray := [name for name in some if filters.defect(one.read(name))]:
            log.warning(
                "%s: of %d pictures looked at %d are gray, toned or tiny, such as %s. They teach gray: name the others "
                "in a list, %s=FOLDER@LIST.",
                *(one.name, len(some), len(gray), gray[0], one.name),
            )


def _run(flags):
    chosen = settings.from_flags(flags)
    sets = [picture_set(text) for text in flags.set]
    mixture = Mixture(sets, chosen.image_size, chosen.seed, chosen.augmentations_per_image)
    validation = _validation_set(flags) if flags.validate else None
    resumes = run_files.has_state(Path(flags.run))
    if not resumes:  # a picture that was damaged since then must not keep a run of days from going on
        _warn_of_gray(sets)
    encoder = saved.load(flags.encoder).model
    if encoder is None:
        raise ClassifierError(f"A long training needs an encoder. Received: {flags.encoder}. Give a saved one.")
    # A name and counts: no path of a machine stands in a record.
    described = {"encoder": Path(flags.encoder).stem, "sets": {s.name: [len(s.names), s.weight] for s in sets}}
    places = {"feature_cache": flags.feature_cache, "init_weights": flags.init_weights}
    writes = not flags.cooldown  # a cooldown leaves the run as it is
    with contextlib.ExitStack() as stack:
        if writes and resumes:
            stack.enter_context(run_folders.held(flags.run))
        run = LongRun.open(flags.run, chosen, mixture, encoder, described=described, **places)
        if writes and not resumes:  # now there is a folder
            stack.enter_context(run_folders.held(flags.run))
        check = None
        if validation:
            check = Squares(validation, run.features.encoder, chosen.image_size).score
        # Ctrl-C and a scheduler's SIGTERM: the step is ended, the state saved.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, run.stop)
        log.info("%d pictures, %d samples seen", len(mixture), run.samples)
        run.train(samples=flags.samples, minutes=flags.minutes, every=flags.every, cooldown=flags.cooldown, check=check)


if __name__ == "__main__":
    main()
