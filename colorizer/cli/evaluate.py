"""Scores all runs on the test pictures and writes Tables 1-4, Figure 5, contact sheets and curves.

    %(prog)s                                      results/runs -> results
    %(prog)s --data-dir ../shared/data            the folder that holds coco/, paintings/, ood/
    %(prog)s --limit 20 --output results/smoke    a quick look: the first pictures of each list

Runs whose weights, classifier and pictures are here are predicted anew; the others keep their
recorded rows, and the report says which is which. Without pictures every table is made from the
records alone. Nothing is downloaded.
"""

import argparse
import logging
import sys

from colorizer import cli
from colorizer.errors import EvaluationError

PROG = "python -m colorizer evaluate"


def main(argv=None, prog: str = PROG) -> int:
    """Flags -> `evaluation.evaluate`; returns the exit status."""
    parser = argparse.ArgumentParser(
        cli.typed(prog), description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", default="results/runs", metavar="DIR", help="a folder per run (default: %(default)s)")
    parser.add_argument("--output", default="results", metavar="DIR", help="for the results (default: %(default)s)")
    parser.add_argument("--data-dir", metavar="DIR", help="holds coco/, paintings/, ood/ (default: found)")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N pictures of each test list (default: all)")
    flags = parser.parse_args(argv)

    from colorizer.evaluation import evaluator  # Keras takes seconds to load; --help does not wait for it

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # Every run's network is compiled once; from the fifth on TensorFlow warns of a loop.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        result = evaluator.evaluate(flags.runs, flags.output, flags.data_dir, flags.limit)
    except (EvaluationError, ValueError) as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 2
    print(result.markdown)
    print("\n".join(result.report))
    return 0


def run(prog: str = PROG) -> None:
    """The command as installed: exits with `main`'s status."""
    sys.exit(main(prog=prog))
