"""Scores trained runs on the test pictures; writes Tables 1-4, REPRODUCTION.md and figures.

    %(prog)s                             the runs in runs/; results in runs/evaluation/
    %(prog)s --data-dir path/to/data     the folder that holds coco/, paintings/, ood/
    %(prog)s --limit 20                  a quick look: 20 pictures of each list; results in runs/evaluation-limit-20/
    %(prog)s --perceptual efficientnet_lite0        one more table: KID, a distance of features, blotches

A run is predicted anew where its weights, its classifier and the pictures are here; else its
recorded scores are used. A run trained on a folder of pictures is scored on that folder's own
test split too. Nothing is downloaded.
"""

import argparse
import logging
import os
import sys
from pathlib import Path

from colorizer import atomic_files, cli
from colorizer.config import RECORD, SUMMARY
from colorizer.errors import ColorizerError, EvaluationError

PROG = "python -m colorizer evaluate"
COMMITTED = Path("results")
LIMITED = "limited.txt"  # in a folder of results: the lists were limited, and how


def main(argv=None, prog: str = PROG) -> int:
    """Reads the flags, scores the runs and writes the results; returns the exit status."""
    flags = parse(argv, prog)
    try:
        runs, output, note = plan(flags, prog)  # wrong flags end here, before Keras loads for seconds
        cli.show_progress()
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        # Every run's network is compiled once; from the fifth on TensorFlow warns of a loop.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        _evaluate(flags, runs, output, note)
    except ColorizerError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return error.exit_status
    except OSError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{prog}: interrupted", file=sys.stderr)
        return 130
    return 0


def parse(argv=None, prog: str = PROG) -> argparse.Namespace:
    """The typed flags."""
    parser = cli.Parser(prog, description=__doc__)
    add = parser.add_argument
    add("--runs", type=Path, metavar="DIR", help="a folder with a folder per run (default: runs)")
    add("--output", type=Path, metavar="DIR", help="folder for the results (default: evaluation/ in the runs' folder)")
    add("--data-dir", metavar="DIR", help="holds coco/, paintings/, ood/ (default: $COLORIZER_DATA, then the cache)")
    add("--limit", type=int, metavar="N", help="at most N pictures of each test list (default: all)")
    add("--classifier", metavar="FILE|NAME", help="for the runs trained with it (default: as recorded)")
    seeing = "one more table, of measures by this classifier, which no run of that table may be trained with"
    add("--perceptual", metavar="FILE|NAME", help=seeing)
    labeled = "for --perceptual: photographs with ImageNet classes, a folder for each class or a CSV with file, class"
    add("--classes", metavar="DIR|CSV", help=labeled)
    committed = "make the repository's own tables: results/runs -> results/, README.md, MODEL_CARD.md"
    add("--committed", action="store_true", help=committed)
    return parser.parse_args(argv)


def plan(flags: argparse.Namespace, prog: str = PROG) -> tuple[Path, Path, str]:
    """Checks the flags without loading anything heavy.

    Args:
        flags: from `parse`.
        prog: the command, for messages.

    Returns:
        The folder of runs, the folder for the results, and the note of limited lists or "".

    Raises:
        EvaluationError: a folder or file is missing, no run is finished, or results would be overwritten.
    """
    if flags.limit is not None and flags.limit <= 0:
        raise EvaluationError(f"--limit must be above 0. Received: {flags.limit}")
    if flags.data_dir is not None and not Path(flags.data_dir).is_dir():
        raise EvaluationError(
            f"--data-dir needs a folder with coco/, paintings/, ood/. Received: {flags.data_dir}, which is not there."
        )
    _check_classifier(flags.classifier)
    _check_perceptual(flags)
    if flags.committed:
        if flags.runs or flags.output or flags.limit:
            raise EvaluationError("--committed takes no --runs, --output or --limit: it makes results/ from all of it.")
        runs, output = COMMITTED / "runs", COMMITTED
    else:
        runs = flags.runs or Path("runs")
        folder = f"evaluation-limit-{flags.limit}" if flags.limit else "evaluation"
        output = flags.output or runs / folder
    _check_runs(runs, flags, prog)
    if not flags.committed:
        _check_output(output, flags, prog)
    note = f"--limit {flags.limit}: at most {flags.limit} pictures of each test list, not the whole lists."
    return runs, output, note if flags.limit else ""


def _check_classifier(spec):
    looks_like_file = spec and (os.sep in spec or Path(spec).suffix in (".keras", ".h5"))
    if looks_like_file and ":" not in spec and not Path(spec).is_file():
        raise EvaluationError(f"--classifier needs the name or the file of a classifier. Received: {spec}, not there.")


def _check_perceptual(flags):
    if flags.classes and not flags.perceptual:
        raise EvaluationError(
            f"--classes belongs to --perceptual CLASSIFIER. Received: --classes {flags.classes} alone."
        )
    if flags.perceptual:
        from colorizer.classifiers import classifier

        try:
            classifier.check(flags.perceptual)
        except ColorizerError as error:
            raise EvaluationError(f"--perceptual: {error}") from error
    if flags.classes:
        from colorizer.evaluation.perceptual import class_pictures

        class_pictures.read(flags.classes)


def _check_runs(runs: Path, flags, prog):
    if flags.committed and not runs.is_dir():
        raise EvaluationError(f"--committed works in a clone of the repository. Received: no {runs} here.")
    if flags.runs and not runs.is_dir():
        raise EvaluationError(f"--runs needs a folder with a folder per run. Received: {runs}, which is not there.")
    if not any(runs.glob(f"*/{SUMMARY}")):
        unfinished = sorted(path.parent.name for path in runs.glob(f"*/{RECORD}"))
        started = f" Not finished yet: {', '.join(unfinished)}." if unfinished else ""
        raise EvaluationError(
            f"there is no finished run in {runs}.{started} Train one first, for example: python train.py --dataset "
            f"sample --method vit_decoder --init-weights shipped --epochs 1\nFor the records that come with the "
            f"repository: {cli.typed(prog)} --runs results/runs --output runs/evaluation-of-records"
        )


def _check_output(output: Path, flags, prog):
    if root := _committed_results(output):
        raise EvaluationError(
            f"{root} holds the committed results, which only `make tables` writes ({cli.typed(prog)} --committed). "
            f"Choose another --output. Received: {output}"
        )
    if obstacle := atomic_files.obstacle(output):
        raise EvaluationError(f"--output needs a folder for the results. Received: {output}; {obstacle}")
    whole = (output / "metrics.csv").is_file() and not (output / LIMITED).is_file()
    if flags.limit and whole:
        raise EvaluationError(
            f"{output} holds results of whole test lists, which --limit does not overwrite. Choose another --output. "
            f"Received: --limit {flags.limit}"
        )


def _committed_results(path: Path) -> Path | None:
    """The committed results that hold a path: a folder with metrics.csv, README.md and runs/."""
    path = path.resolve()
    for folder in (path, *path.parents):
        if (folder / "metrics.csv").is_file() and (folder / "README.md").is_file() and (folder / "runs").is_dir():
            return folder
    return None


def _evaluate(flags, runs: Path, output: Path, note: str) -> None:
    from colorizer.evaluation import evaluator, scores
    from colorizer.reporting import build

    limited = output / LIMITED
    features = _features(flags.perceptual, runs) if flags.perceptual else None
    same_lists = note == (limited.read_text("utf-8").strip() if limited.is_file() else "")
    recorded = scores.read(output / scores.FILE) if same_lists else scores.empty()
    # Committed records are of whole lists: they never stand beside limited ones.
    records = None if flags.committed or note else _committed_results(runs)
    if records:
        recorded = scores.complete(recorded, scores.read(records / scores.FILE))
    result = evaluator.evaluate(
        runs,
        recorded,
        data_dir=flags.data_dir,
        limit=flags.limit,
        classifier_spec=flags.classifier,
        keep_predictions=flags.committed or not _committed_results(runs),
    )
    if note:
        atomic_files.write_text(limited, note + "\n")
    lines = build.write(result, output, note, summary=not flags.committed, records=records)
    if not note:
        limited.unlink(missing_ok=True)
    if flags.committed:
        lines += build.fill_in(result, output)
    if features:
        _perceptual(flags, result, features, output, note)
    print(summary(result))
    for line in (*_grouped(result.notes), *(line for line in lines if "not drawn" in line or "unchanged" in line)):
        print(line)
    pages = "summary.md, table1.md to table4.md, ablation.md" if not flags.committed else "table1.md to table4.md"
    print(f"\nTables: {output / 'tables'} ({pages}); claims: {output / 'REPRODUCTION.md'}; {output / 'figures'}")


def _features(spec: str, runs: Path):
    """The classifier of --perceptual, refused before anything is scored."""
    from colorizer.evaluation import runs as records
    from colorizer.evaluation.perceptual import scorer

    features = scorer.load(spec)
    scorer.check(records.read(runs)[0], features)
    return features


def _perceptual(flags, result, features, output: Path, note: str) -> None:
    """Writes the table of perceptual measures, and prints it."""
    from colorizer.evaluation.perceptual import class_pictures, scorer
    from colorizer.reporting import perceptual_table

    classes = class_pictures.read(flags.classes) if flags.classes else None
    print(perceptual_table.write(scorer.score(result, features, classes, flags.limit), output, features.name, note))


def summary(result) -> str:
    """A line per predictor and test list: how many pictures, PSNR, SSIM, CIEDE2000, and whether it was computed.

    Args:
        result: an `evaluator.Evaluation`.

    Returns:
        Text for a terminal.
    """
    from colorizer.evaluation.scores import NONE
    from colorizer.reporting import markdown, tables

    methods = {run.name: run.method for run in result.runs}
    lines = [("predictor", "test list", "n", "PSNR (dB)", "SSIM (%)", "CIEDE2000", "")]
    for row in tables.headline(result.scores).itertuples():
        if row.run == NONE:
            label = row.method if row.trained_on == NONE else f"{row.method} of {row.trained_on}"
            name = label.replace(row.method, markdown.title_of(row.method))
        else:
            name = label = row.run + row.method.removeprefix(methods[row.run])
        numbers = [markdown.scaled(m, getattr(row, m)) for m in ("psnr_rgb", "ssim_rgb", "ciede2000")]
        lines.append((name, row.test_set, str(row.n), *numbers, result.origins[label].get(row.test_set, "")))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    form = "  ".join(f"{{:{'<' if i in (0, 1, 6) else '>'}{width}}}" for i, width in enumerate(widths))
    return "\n".join(form.format(*line).rstrip() for line in lines) + "\n"


def _grouped(notes) -> list[str]:
    """Notes of the form `name: reason`, those with the same reason in one line."""
    names = {}
    for note in notes:
        name, _, reason = note.partition(": ")
        names.setdefault(reason, []).append(name)
    return [
        f"{', '.join(part[:3])}{f' and {len(part) - 3} more' if len(part) > 3 else ''}: {reason}"
        for reason, part in names.items()
    ]
