"""Scores of runs on test pictures: computed where weights, classifier and pictures are here, else the recorded ones.

Nothing is downloaded, no page is written and no figure drawn.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from colorizer import methods, weights
from colorizer.classifiers import class_vectors, classifier
from colorizer.errors import ClassifierError, EvaluationError, WeightsError
from colorizer.evaluation import metrics, predictions, runs, test_sets
from colorizer.evaluation import scores as score_table
from colorizer.evaluation.color_statistics import Predictions
from colorizer.evaluation.runs import OWN_L, Run
from colorizer.evaluation.scores import FIGURE5, NONE
from colorizer.evaluation.test_sets import SIDE, Pictures
from colorizer.inference.engine import KerasNetwork
from colorizer.inference.forward import Forward
from colorizer.methods import trivial

BATCH = 20

# rgb_u8, rows of the store -> ab_norm_hat; or lab_norm_hat, L/50 - 1 first, to be scored with its own L
Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]

COMPUTED, RECORDED = "computed", "recorded"


@dataclass
class Evaluation:
    """The scores of all predictors, and what pages and figures are made from.

    Attributes:
        runs: the finished runs.
        pictures: the test lists that are here.
        figure5: whether all eight pictures of Figure 5 are here.
        predictions: run, or look of one -> its predictions.
        origins: predictor -> test set -> `COMPUTED` or `RECORDED`.
        notes: a line for everything that is missing or was skipped, with the reason.
        rows: of metrics.csv.
    """

    runs: list[Run]
    pictures: list[Pictures]
    notes: list[str]
    figure5: bool = False
    predictions: dict[str, Predictions] = field(default_factory=dict)
    origins: dict[str, dict[str, str]] = field(default_factory=dict)
    rows: list[Mapping] = field(default_factory=list, repr=False)

    @property
    def scores(self) -> pd.DataFrame:
        """The rows as a table with the columns of metrics.csv."""
        return pd.DataFrame(self.rows, columns=list(score_table.COLUMNS))


def evaluate(
    runs_dir: str | Path,
    recorded: pd.DataFrame | None = None,
    *,
    data_dir: str | Path | None = None,
    limit: int | None = None,
    classifier_spec: str | None = None,
    keep_predictions: bool = True,
) -> Evaluation:
    """Scores all finished runs of a folder, and the trivial baselines, on the test lists.

    Args:
        runs_dir: a folder per run.
        recorded: earlier rows of metrics.csv, for what cannot be computed here; None for none.
        data_dir: a folder that holds coco/, paintings/ and ood/, or one of these; None: see `test_sets.roots`.
        limit: at most this many pictures of each list.
        classifier_spec: of the runs that were trained with this classifier; None: the recorded ones.
        keep_predictions: whether whole-list predictions are written into the runs' folders.

    Returns:
        An `Evaluation`.

    Raises:
        EvaluationError: a folder is missing, no run is finished, or `limit` is not above 0.
        ClassifierError: `classifier_spec` cannot be loaded.
    """
    if not Path(runs_dir).is_dir():
        raise EvaluationError(f"--runs needs a folder with a folder per run. Received: {runs_dir}, which is not there.")
    if limit is not None and limit <= 0:
        raise EvaluationError(f"--limit must be above 0. Received: {limit}")
    if data_dir is not None and not Path(data_dir).is_dir():
        raise EvaluationError(
            f"--data-dir needs a folder with coco/, paintings/, ood/. Received: {data_dir}, not there."
        )
    finished, notes = runs.read(runs_dir)
    if not finished:
        reasons = "".join(f"\n  {note}" for note in notes)
        raise EvaluationError(f"{runs_dir} holds no finished run. Train one first.{reasons}")
    classifiers = Classifiers(classifier_spec)
    pictures, missing = test_sets.find(finished, data_dir, limit)
    recorded = score_table.empty() if recorded is None else recorded
    result = Evaluation(finished, pictures, notes + missing)
    scorer = _Scorer(result, recorded, classifiers)
    scorer.trivial_rows()
    for name in sorted(set(recorded.run) - {NONE} - {run.name for run in finished}):
        result.notes.append(f"{name}: its recorded rows are left out, {runs_dir} has no finished run of that name")
    for run in finished:
        scorer.run_rows(run, keep_predictions and limit is None)
    return result


class Classifiers:
    """The classifiers of the runs, each loaded once."""

    def __init__(self, spec: str | None):
        self.by_spec = {}
        self.spec = spec
        self.given = self._load(spec) if spec else None

    def _load(self, spec):
        if spec not in self.by_spec:
            self.by_spec[spec] = classifier.load(spec)
        return self.by_spec[spec]

    def of_run(self, run: Run) -> classifier.Classifier:
        """The classifier of a run's training: the given one, or that of the record.

        Raises:
            ClassifierError: neither is that classifier.
        """
        spec, fingerprint = classifier.spec_of(run.config), run.config["classifier_sha256"]
        if self.given and self.given.fingerprint == fingerprint:
            return self.given
        other = f"--classifier {self.spec} is not the classifier of its training, {run.classifier} ({fingerprint})"
        try:
            loaded = self._load(spec)
        except ClassifierError as error:
            reason = str(error).splitlines()[0]
            raise ClassifierError(other if self.given else f"{reason} Name its file with --classifier.") from error
        if loaded.fingerprint != fingerprint:
            reason = other if self.given else f"{spec} is not the classifier of its training, {fingerprint}"
            raise ClassifierError(reason)
        return loaded


def predictors(run: Run, lists: Sequence[Pictures], classifiers: Classifiers) -> dict[str, dict[str, Predict]]:
    """Loads a run's network, to predict the pictures of some lists.

    Args:
        run: a finished run.
        lists: one or more.
        classifiers: for the class vectors.

    Returns:
        "" -> test list -> what predicts its ab; and the same for every one of the method's `runs.variants`.

    Raises:
        WeightsError: its weights are not here or do not fit.
        ClassifierError: nor is its classifier.
    """
    trained_here = weights.of_run(run.folder)
    if trained_here is None:
        raise WeightsError(f"its weights ({weights.BEST}) are not here")
    trained = weights.load(trained_here)
    vectors = {p.name: np.broadcast_to(np.float32(0), (len(p.store.pixels), classifier.CLASSES)) for p in lists}
    if trained.method.uses_vector:
        seen_by = classifiers.of_run(run)
        vectors = {p.name: class_vectors.compute(seen_by, p.store) for p in lists}

    by_variant = {}
    for suffix in ("", *runs.variants(trained.method)):
        look = None if suffix in ("", OWN_L) else suffix.removeprefix("_")
        forward = Forward(KerasNetwork(trained.network, trained.method), trained.config["image_size"], look=look)
        predict = forward.lab_norm if suffix == OWN_L else forward.ab_norm
        by_variant[suffix] = {p.name: partial(_with_vectors, predict, vectors[p.name]) for p in lists}
    return by_variant


def _with_vectors(predict, vectors, rgb_u8, rows) -> np.ndarray:
    """A prediction of some pictures with their rows of a list's class vectors."""
    return predict(rgb_u8, vectors[rows], size=SIDE, batch_size=BATCH)


class _Scorer:
    """Scores one predictor after another and adds its rows, predictions and notes to an `Evaluation`."""

    def __init__(self, result: Evaluation, recorded: pd.DataFrame, classifiers: Classifiers):
        self.result, self.recorded, self.classifiers = result, recorded, classifiers
        self.pictures = result.pictures
        here = {f"{p.name}/{image}": (p, i) for p in self.pictures for i, image in enumerate(p.images)}
        figure5 = ["/".join(pair) for pair in test_sets.figure5()]
        self.figure5 = {name: here[name] for name in figure5} if all(name in here for name in figure5) else {}
        result.figure5 = bool(self.figure5)
        if self.pictures and not self.figure5:
            result.notes.append("figure5: some of its eight pictures are not here")
        self.test_sets = [*score_table.test_lists([*recorded.test_set, *(p.name for p in self.pictures)]), FIGURE5]

    def trivial_rows(self):
        """Adds all-gray once, and mean-color for every training set that has a run."""
        self._trivial("all_grey", NONE, lambda rgb_u8, rows: trivial.all_gray(rgb_u8))
        for trained_on, run in runs.mean_colors(self.result.runs).items():
            mean = run.summary["mean_ab_norm"]
            self._trivial("mean_colour", trained_on, lambda rgb_u8, rows, c=mean: trivial.mean_color(rgb_u8, c))

    def _trivial(self, method, trained_on, predict):
        key = {"run": NONE, "method": method, "trained_on": trained_on, "classifier": NONE}
        label = method if trained_on == NONE else f"{method} of {trained_on}"
        self._score(label, key, dict.fromkeys([p.name for p in self.pictures], predict))

    def run_rows(self, run: Run, keep_predictions: bool):
        """Adds a run's rows: of new predictions where everything is here, else the recorded ones."""
        try:
            predicts = self._predictors(run)
        except (ClassifierError, WeightsError, EvaluationError, ValueError) as error:
            predicts = {}
            self.result.notes.append(f"{run.name}: {str(error).splitlines()[0]}")
        for suffix in ("", *runs.variants(methods.declared(run.method))):
            label = run.name + suffix
            new = self._score(label, run.key | {"method": run.method + suffix}, predicts.get(suffix, {}))
            if suffix == OWN_L:  # its colors are the run's own
                continue
            path = predictions.file_of(run.folder, suffix)
            self.result.predictions[label] = predictions.read(path) | new
            if new and keep_predictions:
                predictions.write(path, self.result.predictions[label])

    def _predictors(self, run) -> dict[str, dict[str, Predict]]:
        """ "" -> test list -> what predicts its ab; and the same for every one of the method's `runs.variants`."""
        if weights.of_run(run.folder) is None:
            raise WeightsError(f"its weights ({weights.BEST}) are not here")
        lists = [p for p in self.pictures if _may_see(run, p)]
        if not lists:
            return {}
        _refuse_other_split(run, lists)
        return predictors(run, lists, self.classifiers)

    def _score(self, label, key, predicts: Mapping[str, Predict]) -> Predictions:
        """Adds a predictor's rows, new or recorded, list by list; returns the new predictions, shrunk."""
        new, origins = {}, self.result.origins.setdefault(label, {})
        lists = [p for p in self.pictures if p.name in predicts]
        try:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                results = {p.name: _results(p, predicts[p.name], pool, label) for p in lists}
        except WeightsError as error:  # the network gives no numbers
            results = {}
            self.result.notes.append(f"{label}: {str(error).splitlines()[0]}")
        for test_set in self.test_sets:
            if scored := self._of(test_set, results):
                images, values, small = zip(*scored, strict=True)
                head = key | {"test_set": test_set}
                self.result.rows += [head | {"image": i} | v for i, v in zip(images, values, strict=True)]
                new[test_set] = (list(images), np.stack(small))
                origins[test_set] = COMPUTED
                continue
            rows = score_table.select(self.recorded, **key, test_set=test_set)
            self.result.rows += rows.to_dict("records")
            if len(rows):
                origins[test_set] = RECORDED
        return new

    def _of(self, test_set, results):
        """(image, scores, small prediction) of each picture of a test set; none where it was not predicted."""
        if test_set != FIGURE5:
            pictures = [(p, i, p.images[i]) for p in self.pictures if p.name == test_set for i in range(p.count)]
        else:
            pictures = [(p, i, name) for name, (p, i) in self.figure5.items()]
        if any(p.name not in results for p, _, _ in pictures):
            return []
        return [(image, *results[p.name][i]) for p, i, image in pictures]


def _may_see(run: Run, pictures: Pictures) -> bool:
    """Whether a run may be scored on a list: not on other splits of pictures that it was trained on."""
    return pictures.runs is None or run.name in pictures.runs


def _refuse_other_split(run: Run, lists: Sequence[Pictures]) -> None:
    """Keeps training pictures out of the test lists: both must come from the same split."""
    split = run.config["data"]["split_source"]
    for here in lists:
        # Of several sets the record joins how each was split, and does not say which was which.
        if here.name in run.named_sets and here.split_source not in split.split(" + "):
            raise EvaluationError(
                f"it was trained on another split of {here.name} ({split}) than the test list is from "
                f"({here.split_source}): pictures of the list may be among its training pictures"
            )


def _results(pictures: Pictures, predict: Predict, pool: Executor, label: str):
    """(scores, small prediction) of each picture, predicted in batches and scored in threads."""
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
