"""Trains a colorization method and keeps its record in runs/METHOD-DATASET.

    %(prog)s --dataset sample --classifier none --image-size 64 --epochs 5     a first try, without a download
    %(prog)s --dataset coco
    %(prog)s --dataset paintings --classifier none
    %(prog)s --dataset path/to/my/photographs --epochs 20
    %(prog)s --dataset coco --resume     continue the newest run of a method and data set
    %(prog)s --run runs/NAME --resume    continue this one
    %(prog)s --method colorful --help    what that method is, what it costs, its defaults

Exit status: 0 done; 1 training failed; 2 wrong usage, or data or a classifier that
cannot be had; 130 interrupted, continue with --resume.
"""

import argparse
import importlib.util
import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from colorizer import cli, config, environment, methods
from colorizer.errors import ClassifierError, ColorizerError, LabelsError, TrainingError, UsageError
from colorizer.methods import base

PROG = "python -m colorizer train"


def parse(argv: list[str] | None = None, prog: str = PROG) -> tuple[dict[str, Any], bool]:
    """Reads the flags, and answers `--help` and `--help-all`.

    Args:
        argv: the typed words; None takes those of the process.
        prog: the command's name.

    Returns:
        Field of `TrainConfig` -> value, for the flags that were typed; and whether to resume.

    Raises:
        SystemExit: help was asked for (0), or a flag is wrong (2).
    """
    asked = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    asked.add_argument("--method", default=config.TrainConfig.method)
    asked.add_argument("--help-all", action="store_true")
    first, _ = asked.parse_known_args(argv)
    try:
        method = methods.declared(first.method)
    except UsageError as error:
        cli.Parser(prog).error(str(error))
    parser = cli.Parser(
        prog,
        usage="%(prog)s [flags]",
        description=__doc__,
        epilog=_about(method, named=_names_method(argv)),
        allow_abbrev=False,
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue the run in --run, or the newest one of this method and data set under runs/",
    )
    parser.add_argument("--help-all", action="help", help="also show expert flags, and where defaults come from")
    config.add_flags(parser, method, everything=first.help_all)
    given = vars(parser.parse_args(argv))
    return given, given.pop("resume")


def configuration(given: dict[str, Any], resume: bool, records: bool = False) -> config.TrainConfig:
    """What the typed flags ask for; of a resumed run the record holds the others. Keras is not loaded for it.

    Args:
        given: field -> value, of the flags that were typed.
        resume: whether a run is resumed: that in `given["run"]`, or the newest of its method and data set.
        records: whether the run may be one of the committed records; only `make results` writes them.

    Returns:
        A `TrainConfig`, with the folder of the run.

    Raises:
        UsageError: a flag is wrong, by itself or for the method; or the run used a setting that was removed.
        RecordError: the folder holds another run, no run, or a committed record, or cannot be written to.
    """
    from colorizer.training import run_folders

    if not (resume and "run" in given):
        chosen = config.resolve(given, methods.declared(given.get("method", config.TrainConfig.method)))
    if "run" in given:
        folder = Path(given["run"])
    elif resume:
        folder = run_folders.newest(chosen.run, chosen.method, chosen.dataset)
    else:
        folder = run_folders.free(chosen.run)
    if not records:
        run_folders.refuse_record(folder)
    run_folders.require_writable(folder)
    if not resume:
        run_folders.refuse_taken(folder)
        return replace(chosen, run=str(folder))
    run_folders.refuse_absent(folder)
    recorded = run_folders.read_config(folder)
    # As recorded, None included: a method's default of today is not that of the run. What a record lacks came later,
    # and the run was trained with its general default.
    before = asdict(config.TrainConfig()) | config.of_record(recorded)
    if run_folders.was_cut(folder):  # the limit that cut it holds no longer
        before["max_minutes"] = None
    chosen = config.TrainConfig(**(before | given | {"run": str(folder)}))
    methods.declared(chosen.method)
    if "classifier" in given:
        return chosen
    from colorizer.classifiers import classifier  # it loads the backend

    # A record keeps a file's name: the file itself may be in the cache.
    return replace(chosen, classifier=classifier.spec_of({**recorded, "classifier": chosen.classifier}))


def check_inputs(chosen) -> None:
    """Refuses what is not there before Keras is loaded; a data set that can be downloaded is.

    Args:
        chosen: a `TrainConfig`.

    Raises:
        UsageError: Keras is not installed, or the pictures are too small for the encoder.
        StrategyError: `--strategy` is for another backend.
        DataError, LabelsError, WeightsError, ClassifierError, TrainingError: what is missing, and what to do.
    """
    from colorizer import weights
    from colorizer.classifiers import classifier
    from colorizer.data import datasets
    from colorizer.training import run_folders

    cli.require_keras()  # before a data set is downloaded
    environment.check_strategy(chosen.strategy)
    dataset = datasets.check(chosen.dataset, chosen.data_dir, chosen.seed)
    is_new = not run_folders.holds_run(chosen.run)  # a resumed run has a split of its own
    if dataset and is_new:
        datasets.require_trainable(dataset)
    if chosen.labels and not Path(chosen.labels).is_file():
        raise LabelsError(f"--labels is a file of COCO annotations. Received: {chosen.labels}, which is not there.")
    if chosen.init_weights and not run_folders.has_state(chosen.run):  # a resumed run has weights of its own
        weights.record_for(chosen.init_weights, chosen.method)
    method = methods.declared(chosen.method)
    if method.uses_vector or (method.uses_encoder and not chosen.init_weights):
        try:
            classifier.check(chosen.classifier)
        except ClassifierError as error:
            if is_new:
                raise
            raise ClassifierError(f"{error}\nThe run was started with it: name its file with --classifier.") from error
    _check_size(chosen, method)
    if chosen.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise TrainingError(
            f"--tensorboard needs the package tensorboard: pip install tensorboard. Received: {chosen.tensorboard}"
        )
    if not dataset:  # last: a download may take an hour, and nothing that was typed should turn out wrong after it
        dataset = datasets.find(chosen.dataset, chosen.data_dir, chosen.seed)
        if is_new:
            datasets.require_trainable(dataset)


def _check_size(chosen, method: methods.Method) -> None:
    """Refuses pictures that convolutions cannot halve five times; a saved encoder's needs show when it is loaded."""
    from colorizer.classifiers import catalog

    if not method.uses_encoder or chosen.init_weights or chosen.image_size >= base.MIN_SIZE:
        return
    if not Path(chosen.classifier).is_file() and catalog.find(chosen.classifier) is None:
        raise UsageError(
            f"--image-size must be at least {base.MIN_SIZE} for --method {chosen.method} with --classifier "
            f"{chosen.classifier}. Received: {chosen.image_size}"
        )


def _names_method(argv: list[str] | None) -> bool:
    words = sys.argv[1:] if argv is None else argv
    return any(word == "--method" or word.startswith("--method=") for word in words)


def _about(method: methods.Method, named: bool) -> str:
    """The end of the help: the method at length if it was named, else a line about each."""
    defaults = f"The defaults above are those of --method {method.name}."
    if named:
        return f"{defaults}\n\n{methods.describe(method.name)}"
    lines = (f"  {name:20}{methods.describe(name).splitlines()[0]}" for name in methods.names())
    return "\n".join([f"{defaults} Methods:", *lines])


def main(argv=None, prog: str = PROG, records: bool = False) -> int:
    """Flags -> configuration -> `training.loop.run` -> report; returns the exit status.

    Args:
        argv: the typed words; None takes those of the process.
        prog: the command's name; it stands in front of messages.
        records: see `configuration`; of a record no report is made.
    """
    given, resume = parse(argv, prog)
    cli.show_progress()
    try:
        chosen = configuration(given, resume, records)
        check_inputs(chosen)
    except ColorizerError as error:
        return _say(prog, error, error.exit_status)

    from colorizer.training import loop, run_record  # Keras takes seconds to load

    record = run_record.Record(chosen.run)
    advice = f"Continue with: {cli.typed(prog)} --run {shlex.quote(chosen.run)} --resume"
    if Path(chosen.classifier).is_file():  # the record has its name alone
        advice += f" --classifier {shlex.quote(chosen.classifier)}"
    try:
        summary = loop.run(chosen, resume)
    except ColorizerError as error:
        return _say(prog, error, error.exit_status)
    except OSError as error:
        text = f"{error}\nThe epochs that were done are kept. {advice}"
        return _say(prog, text if record.has_state() else error, 1)
    except KeyboardInterrupt:
        stopped = f"interrupted. {advice}" if record.has_state() else "interrupted before an epoch was done."
        return _say(prog, stopped, 130)
    if summary:  # of ranks after the first it is empty
        from colorizer.cli import training_report

        print(training_report.headline(chosen, summary))
        if not records:
            print(training_report.write(chosen, summary, cli.typed(prog.replace("train", "colorize"))))
    return 0


def _say(prog: str, message, status: int) -> int:
    print(f"{prog}: {message}", file=sys.stderr)
    return status
