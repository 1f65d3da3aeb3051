"""Scores all predictors by the perceptual measures, on the test lists and on photographs with classes.

    predictions, 64x64 --> enlarged, with the true L --> classifier --> KID, distance, accuracy
                              |
                              +--> blotches

Every prediction is taken at 64x64, as predictions.npz holds it: so runs without weights are compared by one rule. What
this costs shows the row `truth_64`, the true colors at that size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from tqdm import tqdm

from colorizer import color, experiments, methods
from colorizer.data import datasets, pixel_store
from colorizer.errors import ClassifierError, ColorizerError, EvaluationError
from colorizer.evaluation import evaluator, predictions, runs, statistics
from colorizer.evaluation.evaluator import Evaluation
from colorizer.evaluation.perceptual import blotches, measures
from colorizer.evaluation.perceptual.class_pictures import ClassPictures
from colorizer.evaluation.perceptual.features import BATCH, Features
from colorizer.evaluation.perceptual.measures import Estimate
from colorizer.evaluation.runs import OWN_L, Run
from colorizer.evaluation.scores import NONE, PREDICTOR
from colorizer.evaluation.test_sets import SIDE, Pictures

TRUTH, TRUTH_64, GRAY = "truth", "truth_64", "all_grey"
FLOORS = (TRUTH, TRUTH_64, GRAY)
COLUMNS = [*PREDICTOR, "test_set", "measure", "n", "mean", "low", "high"]
KID, DISTANCE, ACCURACY, RECOVERED = "kid", "feature_distance", "accuracy", "recovered"
LEAST = 3  # pictures of a list, for KID's interval

Small = Callable[[list[str], np.ndarray, np.ndarray], np.ndarray]  # names, rgb_u8, rows -> (B, 64, 64, 2) int8


@dataclass
class _Tally:
    """What is gathered of one predictor on one list."""

    vectors: list[np.ndarray] = field(default_factory=list)
    classes: list[np.ndarray] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, **values) -> None:
        for name, some in values.items():
            self.values.setdefault(name, []).extend(some)


def score(
    result: Evaluation, features: Features, classes: ClassPictures | None = None, limit: int | None = None
) -> pd.DataFrame:
    """Scores gray, the truth, and every run that is no ablation.

    Args:
        result: from `evaluator.evaluate`; lines for what is left out are added to its notes.
        features: of a classifier that no run of the table was trained with.
        classes: photographs with classes; None leaves accuracy out.
        limit: at most this many of them, see `datasets.some`.

    Returns:
        `COLUMNS`, a row for each predictor, list and measure, with 95 % intervals. In `method`, `truth` is the true
        picture and `truth_64` the same with its colors at 64x64.

    Raises:
        EvaluationError: a run of the table was trained with this classifier, or no list is here.
    """
    check(result.runs, features)
    finished = _no_ablations(result.runs)
    if not result.pictures and not classes:
        raise EvaluationError("--perceptual needs test pictures. Received: none is here. See --data-dir.")
    rows: list[dict] = []
    for pictures in result.pictures:
        if pictures.count < LEAST:
            result.notes.append(f"{pictures.name}: too few pictures for KID, {pictures.count}")
            continue
        predictors = {key: _recorded(*where) for key, where in _of_list(result, finished, pictures.name)}
        rows += _rows(pictures, _floors() | predictors, features)
    if classes:
        chosen = datasets.some(list(classes.classes), limit)
        classes = classes._replace(classes={name: classes.classes[name] for name in chosen})
        rows += _class_rows(result, finished, features, classes)
    return pd.DataFrame(rows, columns=COLUMNS)


def check(finished: Iterable[Run], features: Features) -> None:
    """Checks that a classifier trained none of the runs that it would judge.

    Args:
        finished: the finished runs; ablations are not judged.
        features: of the classifier.

    Raises:
        EvaluationError: a run was trained with it.
    """
    for run in _no_ablations(finished):
        if run.config.get("classifier_sha256") == features.fingerprint:
            raise EvaluationError(
                f"--perceptual needs a classifier that no run of its table was trained with. "
                f"Received: {features.name}, which {run.name} was trained with. Name another one."
            )


def _no_ablations(finished: Iterable[Run]) -> list[Run]:
    return [run for run in finished if not experiments.is_ablation(run.name)]


def _key(run: Run, suffix: str) -> tuple[str, ...]:
    """`PREDICTOR` of a run's look, as in metrics.csv."""
    return tuple((run.key | {"method": run.method + suffix}).values())


def _suffixes(run: Run) -> list[str]:
    """A run's looks; its own luminance is left out, which has no colors of its own."""
    return ["", *(suffix for suffix in runs.variants(methods.declared(run.method)) if suffix != OWN_L)]


def _floors() -> dict[tuple[str, ...], Small | None]:
    """Truth and gray; None stands for the true picture itself."""

    def true(names, rgb_u8, rows):
        return np.stack([predictions.shrink(color.rgb_to_l_ab(rgb)[1]) for rgb in rgb_u8])

    def gray(names, rgb_u8, rows):
        return np.zeros((len(rgb_u8), predictions.SIZE, predictions.SIZE, 2), np.int8)

    return {(NONE, method, NONE, NONE): small for method, small in zip(FLOORS, (None, true, gray), strict=True)}


def _of_list(result, finished, test_set) -> Iterator[tuple[tuple[str, ...], tuple[list[str], np.ndarray]]]:
    """(key, (names, small predictions)) of every look of a run that has predictions of a list."""
    for run in finished:
        for suffix in _suffixes(run):
            recorded = result.predictions.get(run.name + suffix, {})
            if test_set in recorded:
                yield _key(run, suffix), recorded[test_set]


def _recorded(names: list[str], ab: np.ndarray) -> Small:
    """Looks predictions up by the picture's name."""
    row_of = {name: row for row, name in enumerate(names)}

    def small(wanted, rgb_u8, rows):
        missing = [name for name in wanted if name not in row_of]
        if missing:
            raise EvaluationError(f"no prediction of {missing[0]}")
        return ab[[row_of[name] for name in wanted]]

    return small


def _gather(pictures: Pictures, predictors: Mapping, features: Features, blotched: bool) -> dict[tuple, _Tally]:
    """Looks at every picture of a list in the colors of every predictor.

    A predictor that lacks a picture is left out: KID compares whole lists.
    """
    tallies = {key: _Tally() for key in predictors}
    with_truth = tqdm(range(0, pictures.count, BATCH), f"perceptual measures on {pictures.name}", disable=None)
    for start in with_truth:
        stop = min(start + BATCH, pictures.count)
        names, rows = pictures.images[start:stop], pictures.rows[start:stop]
        rgb_u8 = pictures.store.read(rows)
        of_regions = [blotches.regions(rgb) for rgb in rgb_u8] if blotched else []
        truth, light = features.extract(rgb_u8), [color.rgb_to_lab(rgb)[..., 0] for rgb in rgb_u8]
        for key in list(tallies):
            try:
                ab_norm = _ab_norm(predictors[key], names, rgb_u8, rows)
            except EvaluationError:
                del tallies[key]
                continue
            merged = rgb_u8 if predictors[key] is None else np.stack(list(map(color.merge, light, ab_norm)))
            seen, tally = features.extract(merged), tallies[key]
            tally.vectors.append(seen.vector)
            tally.classes.append(seen.classes)
            tally.add(**{DISTANCE: measures.distance(seen.levels, truth.levels)})
            for ab, where in zip(ab_norm, of_regions, strict=False):
                tally.add(**{name: [value] for name, value in blotches.score(ab, where).items()})
    return tallies


def _ab_norm(small: Small | None, names, rgb_u8, rows) -> np.ndarray:
    """A predictor's colors at the pictures' size, or the true ones: (B, S, S, 2) float32."""
    if small is None:
        return np.stack([color.rgb_to_l_ab(rgb)[1] for rgb in rgb_u8])
    enlarged = [blotches.resized(ab, rgb_u8.shape[1]) for ab in predictions.unshrink(small(names, rgb_u8, rows))]
    return np.stack(enlarged)


def _rows(pictures: Pictures, predictors: Mapping, features: Features) -> Iterator[dict]:
    """Rows of a test list: KID, distance and blotches."""
    tallies = _gather(pictures, predictors, features, blotched=True)
    truth = np.concatenate(tallies[NONE, TRUTH, NONE, NONE].vectors)
    for key, tally in tallies.items():
        head = dict(zip(PREDICTOR, key, strict=True)) | {"test_set": pictures.name}
        estimate = measures.kid(np.concatenate(tally.vectors), truth)
        yield head | _cells(KID, len(truth), estimate)
        for measure, values in tally.values.items():
            values = [value for value in values if np.isfinite(value)]  # pictures without a region of one color
            if values:
                interval = Estimate(float(np.mean(values)), *statistics.bootstrap_interval(values))
                yield head | _cells(measure, len(values), interval)


def _cells(measure: str, n: int, estimate: Estimate) -> dict:
    return {"measure": measure, "n": n, "mean": estimate.value, "low": estimate.low, "high": estimate.high}


def _class_rows(result, finished, features, classes: ClassPictures) -> Iterator[dict]:
    """Rows of photographs with classes: accuracy, and the share of the way from gray to truth."""
    store = pixel_store.build(classes.root, list(classes.classes), SIDE)
    images = list(store.names)
    pictures = Pictures(classes.name, images, len(images), "classes", store, store.select(images))
    if not images:
        raise EvaluationError(f"--classes needs photographs in color. Received: {classes.root} without any.")
    predictors = _floors() | dict(_predicted(result, finished, pictures))
    tallies = _gather(pictures, predictors, features, blotched=False)
    labels = np.array([classes.classes[name] for name in images])
    correct = {key: np.concatenate(tally.classes) == labels for key, tally in tallies.items()}
    truth, gray = (correct[NONE, method, NONE, NONE] for method in (TRUTH, GRAY))
    for key, right in correct.items():
        head = dict(zip(PREDICTOR, key, strict=True)) | {"test_set": pictures.name}
        interval = Estimate(float(right.mean()), *statistics.bootstrap_interval(right.astype(float)))
        yield head | _cells(ACCURACY, len(labels), interval)
        yield head | _cells(RECOVERED, len(labels), measures.recovered(right, gray, truth))


def _predicted(result, finished, pictures: Pictures) -> Iterator[tuple[tuple[str, ...], Small]]:
    """(key, small predictions) of every look of a run whose weights are here; the others are noted."""
    classifiers = evaluator.Classifiers(None)
    for run in finished:
        try:
            asks = evaluator.predictors(run, [pictures], classifiers)
        except (ColorizerError, ValueError) as error:
            result.notes.append(f"{run.name}: no accuracy, {str(error).splitlines()[0]}")
            continue
        for suffix in _suffixes(run):
            ask = asks[suffix][pictures.name]

            def small(names, rgb_u8, rows, ask=ask):
                return np.stack([predictions.shrink(ab) for ab in ask(rgb_u8, rows)])

            yield _key(run, suffix), small


def load(spec: str) -> Features:
    """Loads the classifier of `--perceptual`.

    Args:
        spec: as `classifier.load` takes it.

    Raises:
        ClassifierError: it cannot be loaded, or is none.
    """
    from colorizer.classifiers import classifier

    if spec == classifier.NONE:
        raise ClassifierError(f"--perceptual needs a classifier. Received: {spec}")
    return Features(classifier.load(spec))
