"""Evaluation: runs and test pictures in, metrics.csv, Tables 1-4, Figure 5 and other pictures out.

What can be computed here is computed: the predictions of every run whose weights, classifier and
pictures are at hand. What cannot keeps its recorded rows, and the report says which is which and why.
Nothing is downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from colorizer import methods, weights
from colorizer.classifiers import class_vectors, classifier
from colorizer.errors import ClassifierError, EvaluationError, WeightsError
from colorizer.evaluation import metrics, predictions, runs, test_sets
from colorizer.evaluation.runs import FIGURE5, NONE, OWN_L, TEST_LISTS
from colorizer.evaluation.test_sets import SIDE
from colorizer.inference.forward import Forward
from colorizer.methods import trivial
from colorizer.reporting import model_card, table_pages, tables
from colorizer.reporting.figures import gallery
from colorizer.reporting.paper import page

BATCH = 20
DEFAULT_OUTPUT = Path("results")

# rgb_u8, rows of the store -> ab_norm_hat; or lab_norm_hat, L/50 - 1 first, to be scored with its own L
Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Evaluation(NamedTuple):
    """What an evaluation found.

    Attributes:
        scores: metrics.csv as it was written.
        report: a line per run, trivial predictor, test list and figure: what was done with it, and why.
        markdown: Tables 1-4.
    """

    scores: pd.DataFrame
    report: list[str]
    markdown: str


def evaluate(runs_dir, output, data_dir=None, limit: int | None = None) -> Evaluation:
    """Scores all finished runs on the test lists and writes every table and figure.

    Args:
        runs_dir: a folder per run.
        output: where metrics.csv, tables/, REPRODUCTION.md and figures/ go. The default one also fills in README.md
            and MODEL_CARD.md beside it.
        data_dir: a folder that holds coco/, paintings/ and ood/, or one of these; None: see `testlists.roots`.
        limit: at most this many pictures of each list; a run's own folder is then left alone.

    Returns:
        An `Evaluation`.

    Raises:
        EvaluationError: a folder that was named is not there, or `limit` is not above 0.

    Source: DESIGN, "Commands" and "A run's record".
    """
    runs_dir, output = Path(runs_dir), Path(output)
    if not runs_dir.is_dir():
        raise EvaluationError(f"--runs is a folder with a folder per run. Received: {runs_dir}, which is not there.")
    if limit is not None and limit <= 0:
        raise EvaluationError(f"--limit must be above 0. Received: {limit}")
    if data_dir is not None and not Path(data_dir).is_dir():
        raise EvaluationError(f"--data-dir is a folder with coco/, paintings/, ood/. Received: {data_dir}, not there.")
    found, lines = runs.read(runs_dir)
    recorded = runs.read_metrics(output / "metrics.csv")
    pictures, missing = test_sets.find(found, data_dir, limit)
    bench = _Bench(pictures, recorded, lines + missing)
    bench.trivial_rows(found)
    for name in sorted(set(recorded.run) - {NONE} - {run.name for run in found}):
        bench.lines.append(f"{name}: its recorded rows were left out, {runs_dir} has no finished run of that name")
    for run in found:
        bench.run_rows(run, keep_predictions=limit is None)
    scores = pd.DataFrame(bench.rows, columns=list(runs.COLUMNS))
    runs.write_metrics(output / "metrics.csv", scores)
    note = f"--limit {limit}: at most {limit} pictures of each test list, not the whole lists." if limit else ""
    markdown = tables.write(found, scores, output, note)
    bench.lines.append(page.write(found, scores, output, note))
    shown = gallery.Gallery(found, pictures, bench.predictions)
    bench.lines += gallery.draw(found, shown, scores, output / "figures", test_sets.figure5() if bench.figure5 else [])
    if limit is None and output.resolve() == DEFAULT_OUTPUT.resolve():
        readme = output.resolve().parent / "README.md"
        if table_pages.put_between_markers(readme, "results", table_pages.headline(tables.headline(found, scores))):
            bench.lines.append("README.md: its table of results was filled in")
        table_pages.put_between_markers(output / "README.md", "runs", table_pages.records(found))
        bench.lines += model_card.fill_in(readme.with_name(model_card.PAGE), found, scores)
    return Evaluation(scores, bench.lines, markdown)


class _Bench:
    """Where predictors are scored, one after another: collects rows, kept predictions and the report."""

    def __init__(self, pictures, recorded, lines):
        self.pictures, self.recorded, self.lines = pictures, recorded, lines
        self.rows = []
        self.predictions = {}  # run -> test set -> (names, int8)
        self.classifiers = {}
        here = {f"{p.name}/{image}": (p, i) for p in pictures for i, image in enumerate(p.images)}
        figure5 = ["/".join(pair) for pair in test_sets.figure5()]
        self.figure5 = {name: here[name] for name in figure5} if all(name in here for name in figure5) else {}
        if pictures and not self.figure5:
            self.lines.append("figure5: some of its eight pictures are not here; recorded rows are kept")

    def trivial_rows(self, found):
        """All-grey once, mean-colour for every training set that has a run."""
        self._trivial("all_grey", NONE, lambda rgb_u8, rows: trivial.all_grey(rgb_u8), "")
        for trained_on, run in runs.mean_colours(found).items():
            colour = run.summary["mean_ab_norm"]
            why = f", the colour of {run.name}'s {run.summary['train_images']} training pictures"
            self._trivial("mean_colour", trained_on, lambda rgb_u8, rows, c=colour: trivial.mean_colour(rgb_u8, c), why)

    def _trivial(self, method, trained_on, predict, why):
        key = {"run": NONE, "method": method, "trained_on": trained_on, "classifier": NONE}
        label = method if trained_on == NONE else f"{method} of {trained_on}"
        self._score(label, key, dict.fromkeys([p.name for p in self.pictures], predict), why)

    def run_rows(self, run, keep_predictions):
        """Computes a run's predictions anew where everything is here, else keeps its rows."""
        try:
            predicts, why = self._predictors(run), ""
        except (ClassifierError, WeightsError, ValueError) as error:
            predicts, why = {}, f": {str(error).splitlines()[0]}"
        key = {k: v for k, v in run.keys("", "").items() if k not in ("test_set", "image")}
        for suffix in ("", *runs.variants(methods.get(run.method))):
            label = run.name + suffix
            new = self._score(label, key | {"method": run.method + suffix}, predicts.get(suffix, {}), why)
            if suffix == OWN_L:  # its colours are the run's own
                continue
            path = predictions.file_of(run.folder, suffix)
            self.predictions[label] = predictions.read(path) | new
            if new and keep_predictions:
                predictions.write(path, self.predictions[label])

    def _predictors(self, run) -> dict[str, dict[str, Predict]]:
        """ "" -> test list -> what predicts its ab; and the same for every one of the method's `runs.variants`."""
        trained_here = weights.of_run(run.folder)
        if trained_here is None:
            raise WeightsError(f"its weights ({weights.BEST}) are not here")
        if not self.pictures:
            return {}
        self._refuse_other_split(run)
        trained = weights.load(trained_here)
        vectors = {
            p.name: np.broadcast_to(np.float32(0), (len(p.store.pixels), classifier.CLASSES)) for p in self.pictures
        }
        if trained.method.uses_vector:
            seen_by = self._classifier(run)
            vectors = {p.name: class_vectors.of(seen_by, p.store) for p in self.pictures}

        def predict(ask, rgb_u8, rows, of):
            return ask(rgb_u8, vectors[of][rows], size=SIDE, batch_size=BATCH)

        asks = {}
        for suffix in ("", *runs.variants(trained.method)):
            look = None if suffix in ("", OWN_L) else suffix.removeprefix("_")
            forward = Forward(trained.network, trained.method, trained.config["image_size"], look=look)
            asks[suffix] = forward.lab_norm if suffix == OWN_L else forward.ab_norm
        return {s: {p.name: partial(predict, ask, of=p.name) for p in self.pictures} for s, ask in asks.items()}

    def _classifier(self, run):
        spec = classifier.spec_of(run.config)
        if spec not in self.classifiers:
            self.classifiers[spec] = classifier.load(spec)
        found, trained_with = self.classifiers[spec], run.config["classifier_sha256"]
        if found.fingerprint != trained_with:
            raise ClassifierError(f"{spec} is not the classifier of its training, {trained_with}")
        return found

    def _refuse_other_split(self, run):
        """Keeps training pictures out of the test lists: both must be drawn in the same way."""
        split = run.config["data"]["split_source"]
        for here in self.pictures:
            if here.name in run.trained_on.split("+") and here.split_source != split:
                raise ValueError(
                    f"it was trained on another split of {here.name} ({split}) than the test list is from "
                    f"({here.split_source}): pictures of the list may be among its training pictures"
                )

    def _score(self, label, key, predicts, why):
        """Adds a predictor's rows, new or kept, list by list; returns the new predictions, shrunk."""
        new, computed, kept = {}, [], []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            results = {p.name: _results(p, predicts[p.name], pool, label) for p in self.pictures if p.name in predicts}
        for test_set in (*TEST_LISTS, FIGURE5):
            scored = self._of(test_set, results)
            if scored:
                images, scores, shrunk = zip(*scored, strict=True)
                head = key | {"test_set": test_set}
                self.rows += [head | {"image": i} | s for i, s in zip(images, scores, strict=True)]
                new[test_set] = (list(images), np.stack(shrunk))
                computed.append(f"{test_set} ({len(images)})")
                continue
            mask = self.recorded.test_set == test_set
            for column, value in key.items():
                mask &= self.recorded[column] == value
            self.rows += self.recorded[mask].to_dict("records")
            kept += [f"{test_set} ({int(mask.sum())})"] if mask.any() else []
        parts = [f"computed anew: {', '.join(computed)}"] if computed else []
        parts += [f"recorded rows kept: {', '.join(kept)}"] if kept else []
        self.lines.append(f"{label}: {'; '.join(parts) or 'no rows, none were recorded'}{why}")
        return new

    def _of(self, test_set, results):
        """(image, scores, shrunk prediction) of each picture of a test set; none where it was not predicted."""
        if test_set != FIGURE5:
            picked = [(p, i, p.images[i]) for p in self.pictures if p.name == test_set for i in range(p.listed)]
        else:
            picked = [(p, i, name) for name, (p, i) in self.figure5.items()]
        if any(p.name not in results for p, _, _ in picked):
            return []
        return [(image, *results[p.name][i]) for p, i, image in picked]


def _results(pictures, predict: Predict, pool: Executor, label):
    """(scores, shrunk prediction) of each picture, predicted in batches and scored in threads."""
    results = []
    for start in tqdm(
        range(0, len(pictures.rows), BATCH), desc=f"{label} on {pictures.name}", disable=None, leave=False
    ):
        rows = pictures.rows[start : start + BATCH]
        rgb_u8 = pictures.store.read(rows)
        predicted = predict(rgb_u8, rows)
        ab_norm_hat = predicted[..., -2:]
        own_l = predicted[..., :1] if predicted.shape[-1] == 3 else [None] * len(rows)
        results += zip(
            pool.map(metrics.score, rgb_u8, ab_norm_hat, own_l), map(predictions.shrink, ab_norm_hat), strict=True
        )
    return results
