"""Makes the runs of a matrix, one after another: `python -m colorizer reproduce --help`.

Every row is one `train.py` of its own, so that a kill costs an epoch and no row can disturb the next.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from colorizer import cli, environment, experiments
from colorizer.config import CUT, HISTORY, LAST, PRECISIONS, RECORD, SPLIT, STATE, SUMMARY, TrainConfig, flag_of
from colorizer.errors import ArgumentError, RecordError
from colorizer.training import run_folders

PROG = "python -m colorizer reproduce"
# As `train.py`, but allowed to write records.
TRAIN = [sys.executable, "-c", "import sys; from colorizer.cli import train; sys.exit(train.main(records=True))"]
FINISHED, BEGUN, TO_DO, LACKING = "finished", "begun", "to do", "needs --mobilenet FILE"
RETIRED = "cannot be run again: its flags were removed"
ADVICE = "Restore it, or move the folder away: the row is then trained again."  # about a damaged file
STATELESS = "cut, and the state to resume from is not here"

DESCRIPTION = """Makes every run of the reproduction that is missing, and continues where it was stopped.

    %(prog)s --matrix paper                    the paper's runs at its size, to the end of their learning
    %(prog)s --matrix paper --dry-run          how long each row will take, from a short training of its kind here
    %(prog)s --matrix gpu                      100 epochs each, as the paper; on one GPU
    %(prog)s --matrix cpu --classifier FILE    the small one, two cores, an hour and a quarter
    %(prog)s --matrix whole --classifier FILE  what the class vector is worth, with more care: three hours
    %(prog)s --matrix paper --minutes 480      for a night; run it again to continue
    %(prog)s --matrix vectors                  what each class vector is worth, with two seeds; two cores with bfloat16
    %(prog)s --matrix gpu --list               what is done, what is left and how long it will take
    %(prog)s --matrix gpu --only NAME          one row

Afterwards `python evaluate.py --committed` makes the tables.
Exit status: 0 all rows are finished, 1 some are not, 130 Ctrl-C."""


@dataclass(frozen=True)
class Planned:
    """A row and how far it is.

    Attributes:
        row: of the matrix.
        flags: field of `TrainConfig` -> value, or None where something is not named.
        folder: of the run.
        state: one of the constants above.
        epochs_done: whole epochs there are.
    """

    row: experiments.Row
    flags: Mapping[str, Any] | None
    folder: Path
    state: str
    epochs_done: int = 0

    @property
    def left(self) -> bool:
        return self.state in (BEGUN, TO_DO)

    @property
    def method(self) -> str:
        return (self.flags or {}).get("method", TrainConfig.method)


def plan(
    name: str,
    runs_dir: Path,
    classifier: str,
    mobilenet: str | None = None,
    *,
    only: Iterable[str] = (),
    precision: str = TrainConfig.precision,
) -> list[Planned]:
    """What a matrix asks for and what of it is there.

    Args:
        name: of `experiments.MATRICES`.
        runs_dir: a folder per run.
        classifier: of the rows that do not change it.
        mobilenet: the saved MobileNetEdgeTPU, or None.
        only: names of rows; empty for all.
        precision: of the rows that leave it to the machine, unless they were begun in another.

    Returns:
        A `Planned` per row, in the matrix's order.

    Raises:
        ArgumentError: `only` names no row.
    """
    part = experiments.MATRICES[name]
    if unknown := set(only) - {row.name for row in part}:
        names = "\n  ".join(row.name for row in part)
        raise ArgumentError(f"--only is a row of the matrix {name}:\n  {names}\nReceived: {', '.join(sorted(unknown))}")
    filled = {row.name: experiments.filled(row, classifier, mobilenet, precision) for row in part}
    planned = []
    for row in part:
        if only and row.name not in only:
            continue
        flags, folder = filled[row.name], Path(runs_dir) / row.name
        base = experiments.base_of(row.name)
        state, done = _state(folder, row)
        if state != FINISHED and row.retired:
            state = RETIRED
        elif state in (TO_DO, BEGUN) and flags is None:
            state = LACKING
        elif state == BEGUN and row.flags.get("precision") == experiments.PRECISION:
            flags["precision"] = (run_folders.read_config(folder) or {}).get("precision", precision)
        elif state == TO_DO and base and flags == filled[base]:
            state = experiments.SAME
        planned.append(Planned(row, flags, folder, state, done))
    return planned


def _state(folder: Path, row: experiments.Row) -> tuple[str, int]:
    """How far a row is, and its whole epochs. Raises RecordError for a damaged file.

    A row that was cut by time is resumed, unless the limit is its own. Without a state it cannot be; its record stays.
    """
    if summary := run_folders.read_json(folder / SUMMARY, ADVICE):
        if summary.get("ending") != CUT or "max_minutes" in row.flags:
            return FINISHED, _epochs_done(summary, folder / SUMMARY)
        return BEGUN if run_folders.has_state(folder) else STATELESS, _epochs_done(summary, folder / SUMMARY)
    if run_folders.holds_run(folder):
        file = folder / STATE
        state = run_folders.read_json(file, ADVICE)
        return BEGUN, _epochs_done(state, file) if state else 0
    return TO_DO, 0


def _epochs_done(record: Mapping[str, Any], file: Path) -> int:
    """The whole epochs that a file of a run names. Raises RecordError where it names none."""
    if not isinstance(done := record.get("epochs_done"), int):
        raise RecordError(f"{file} is damaged. {ADVICE} Received: {done} for epochs_done")
    return done


def command(planned: Planned) -> list[str]:
    """The arguments of train.py that make a row, or resume it.

    Args:
        planned: from `plan`, with its flags.

    Returns:
        Flags and values.
    """
    typed = ["--run", str(planned.folder)]
    for name, value in planned.flags.items():
        if isinstance(value, bool):
            typed.append(flag_of(name) if value else flag_of(name).replace("--", "--no-", 1))
        else:
            typed += [flag_of(name), str(value)]
    return typed + (["--resume"] if planned.state == BEGUN else [])


def hours_left(planned: Iterable[Planned], runs_dir: Path, device: str) -> tuple[float | None, list[str]]:
    """How long what is left will take here, from what finished runs took on the same device.

    Args:
        planned: from `plan`.
        runs_dir: where finished runs of this or another matrix lie.
        device: from `environment.device`; a record of another one does not count.

    Returns:
        Hours, or None where no run has been finished on this device; and a line per row that is left.

    A row goes as fast as the runs most like it, see `rates.like`; a record that cannot be read does not count.
    """
    from colorizer.evaluation import rates  # with pandas, which takes a second to load

    there = rates.read(runs_dir, device)
    total, lines = 0.0, []
    for item in planned:
        if not item.left:
            continue
        epochs = item.flags.get("epochs", TrainConfig.epochs) - item.epochs_done
        precision = item.flags.get("precision", TrainConfig.precision)
        rate = rates.like(there, precision, item.method, item.flags.get("image_size", TrainConfig.image_size))
        hours = rate * rates.work(item.flags, item.method, epochs=epochs)
        total += hours
        about = f"about {hours:.2f} h" if there else "time unknown: no run was finished on this device"
        lines.append(f"{item.row.name}: {_at_most(item)}{epochs} epochs, {about}")
    return (total if there else None), lines


def _at_most(item: Planned) -> str:
    return "at most " if "patience" in item.flags else ""


def measured(planned: Iterable[Planned], say=print) -> float:
    """Trains a little of every kind of row that is left, and says how long each row will take at that rate.

    A kind is a method, a size and a precision. The training is `train.py`'s, on the data set `sample` without a
    classifier, in a folder that is removed. Its first epoch compiles and is not counted. Class vectors, which are
    computed once for a data set, and validation come on top.

    Args:
        planned: from `plan`.
        say: is given a line for each row that is left.

    Returns:
        Hours of all.

    Raises:
        RuntimeError: a training failed; it has said why.
    """
    rates, total = {}, 0.0
    for item in planned:
        if not item.left:
            continue
        size = item.flags.get("image_size", TrainConfig.image_size)
        kind = {"method": item.method, "image_size": size}
        kind["precision"] = item.flags.get("precision", TrainConfig.precision)
        key = tuple(kind.values())
        if key not in rates:
            rates[key] = _rate(kind)
        epochs = item.flags.get("epochs", TrainConfig.epochs) - item.epochs_done
        whole = experiments.PICTURES[item.flags["dataset"]]
        hours = min(item.flags.get("limit") or whole, whole) * epochs / rates[key] / 3600
        total += hours
        speed = f"{rates[key]:.1f} pictures/s at {size}x{size} in {kind['precision']}"
        say(f"{item.row.name}: {_at_most(item)}{epochs} epochs, {speed}, {_at_most(item)}{hours:.1f} h")
    return total


def _rate(kind: Mapping[str, Any]) -> float:
    """Training pictures a second of a kind of row on this machine."""
    with tempfile.TemporaryDirectory() as temporary:
        flags = {"dataset": "sample", "classifier": "none", "epochs": 2, **kind}
        item = Planned(experiments.Row("rate", flags), flags, Path(temporary, "run"), TO_DO)
        short = subprocess.run([*TRAIN, *command(item)], capture_output=True, text=True, check=False)
        if short.returncode:
            raise RuntimeError(f"no rate was measured: {short.stderr.strip().splitlines()[-1:]}")
        history = (item.folder / HISTORY).read_text("utf-8").splitlines()
    last = dict(zip(history[0].split(","), history[-1].split(","), strict=True))
    return float(last["images_per_second"])


def run(planned: Iterable[Planned], say=print, minutes: float | None = None) -> list[str]:
    """Makes the rows that are left.

    Args:
        planned: from `plan`.
        say: is given a line at the start and at the end of each.
        minutes: no epoch is started that would end later than this; the row in progress is resumed next time.

    Returns:
        The names of those that failed, each with its exit status.

    Raises:
        KeyboardInterrupt: passed on; the row in progress is resumed next time.
    """
    failed, ends = [], None if minutes is None else time.monotonic() + 60 * minutes
    for item in planned:
        if not item.left:
            continue
        if ends is not None and time.monotonic() > ends:
            say(f"{item.row.name}: not started, the {minutes:g} minutes are over")
            continue
        if item.state == BEGUN and not item.epochs_done:
            try:
                with run_folders.held(item.folder):
                    _forget(item.folder)  # killed in its first epoch: there is nothing to resume from
            except RecordError as error:  # it is in its first epoch now, in another process
                say(f"{item.row.name}: {error}")
                failed.append(f"{item.row.name} ({error.exit_status})")
                continue
            item = Planned(item.row, item.flags, item.folder, TO_DO)
        if ends is not None and "max_minutes" not in item.flags:
            limit = minutes_trained(item.folder) + (ends - time.monotonic()) / 60
            item = replace(item, flags=item.flags | {"max_minutes": round(max(limit, 0.01), 2)})
        say(f"{item.row.name}: train.py {' '.join(command(item))}")
        status = subprocess.run([*TRAIN, *command(item)], check=False).returncode
        if status in (130, -2):
            raise KeyboardInterrupt
        ending = "cut, to be resumed" if run_folders.was_cut(item.folder) else "finished"
        say(f"{item.row.name}: {f'failed, exit status {status}' if status else ending}")
        failed += [f"{item.row.name} ({status})"] if status else []
    return failed


def minutes_trained(folder: Path) -> float:
    """How long a run has been trained so far, all sessions counted, which is what `max_minutes` counts."""
    state = run_folders.read_json(folder / STATE, ADVICE) or {}
    return sum(row["seconds"] for row in state.get("history", [])) / 60


def _forget(folder):
    """Removes what a run left that was killed before its first whole epoch: its record and nothing else."""
    for path in (*(folder / LAST).glob("*"), *(folder / name for name in (RECORD, SPLIT, HISTORY))):
        path.unlink(missing_ok=True)


def _stop(*_):
    """Takes `kill` as Ctrl-C: else the row in progress would train on, and beside it a process that resumes it."""
    raise KeyboardInterrupt


def main(argv=None, prog: str = PROG) -> int:
    """Flags -> `plan` -> `run`; returns the exit status."""
    parser = cli.Parser(prog, description=DESCRIPTION)
    parser.add_argument(
        "--matrix", choices=experiments.MATRICES, default="gpu", help="which rows (default: %(default)s)"
    )
    parser.add_argument("--list", action="store_true", help="say what is done and what is left, and stop")
    parser.add_argument(
        "--dry-run", action="store_true", help="as --list, and measure how fast each kind of row trains here"
    )
    parser.add_argument(
        "--minutes", type=float, metavar="M", help="end cleanly after so many minutes (default: no limit)"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these rows")
    parser.add_argument("--runs", type=Path, default=experiments.FOLDER, metavar="DIR", help="(default: %(default)s)")
    parser.add_argument("--data-dir", metavar="DIR", help="holds coco/ and paintings/ (default: found or downloaded)")
    parser.add_argument(
        "--classifier",
        help=f"as train.py's (default: {TrainConfig.classifier}; of the matrix {experiments.PAPER} "
        f"{experiments.CLASSIFIERS[experiments.PAPER]})",
    )
    parser.add_argument("--mobilenet", metavar="FILE", help="MobileNetEdgeTPU as a saved Keras classifier")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help=f"of the rows of {experiments.PAPER} "
        "(default: mixed_bfloat16 if the processor has units for it, else float32)",
    )
    flags = parser.parse_args(argv)
    if flags.data_dir:  # as a root: every row finds its own folder there, and so does evaluate.py
        os.environ["COLORIZER_DATA"] = str(Path(flags.data_dir).resolve())
    classifier = flags.classifier or experiments.CLASSIFIERS.get(flags.matrix, TrainConfig.classifier)
    precision = flags.precision or ("mixed_bfloat16" if environment.has_bfloat16_units() else TrainConfig.precision)
    asked = partial(plan, flags.matrix, flags.runs, classifier, flags.mobilenet, only=flags.only, precision=precision)
    try:
        if flags.minutes is not None and not flags.minutes > 0:
            raise ArgumentError(f"--minutes must be above 0. Received: {flags.minutes}")
        planned = asked()
    except ArgumentError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return error.exit_status
    _tell(planned, flags.runs)
    if flags.dry_run:
        try:
            print(f"Together {measured(planned):.1f} h at most.")
        except RuntimeError as error:
            print(f"{prog}: {error}", file=sys.stderr)
            return 1
    elif not flags.list:
        signal.signal(signal.SIGTERM, _stop)
        try:
            failed = run(planned, minutes=flags.minutes)
        except KeyboardInterrupt:
            print(f"{prog}: stopped. Run the same command to continue.", file=sys.stderr)
            return 130
        if failed:
            print(f"{prog}: failed: {', '.join(failed)}", file=sys.stderr)
        planned = asked()
    return 0 if all(item.state in (FINISHED, experiments.SAME, RETIRED) for item in planned) else 1


def _tell(planned, runs_dir):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    width = max(len(item.row.name) for item in planned) + 2
    for item in planned:
        done = f", {item.epochs_done} epochs" if item.epochs_done else ""
        print(f"{item.row.name:{width}}{item.state}{done}")
    if cut := [item.row.name for item in planned if item.state == STATELESS]:
        print(f"\nTo train again what was cut: --only {' '.join(cut)} --runs {experiments.ELSEWHERE}")
    hours, lines = hours_left(planned, runs_dir, environment.device())
    print("\n".join(["", *lines]))
    if hours is not None and lines:
        print(f"{len(lines)} of {len(planned)} rows are left, about {hours:.1f} hours here.")


if __name__ == "__main__":
    sys.exit(main())
