"""The figures of an evaluation: Figure 5, curves, contact sheets, best and worst pictures, color histograms."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from colorizer import experiments
from colorizer.data import datasets
from colorizer.evaluation import color_statistics, predictions, runs, test_sets
from colorizer.evaluation import scores as score_table
from colorizer.evaluation.color_statistics import Predictions
from colorizer.evaluation.runs import Run
from colorizer.evaluation.scores import FIGURE5
from colorizer.evaluation.test_sets import Pictures
from colorizer.reporting import markdown, tables
from colorizer.reporting.figures import contact_sheets, plots

_MEASURE = "ciede2000"  # of best and worst: the closest to what an eye sees


class Gallery:
    """The runs in the figures, the test pictures that are here, and the runs' predictions.

    Args:
        finished: the finished runs; those that represent a method in the tables are drawn.
        pictures: the test lists that are here.
        predictions: run, or look of one -> its `color_statistics.Predictions`.

    Attributes:
        systems: the drawn runs and their looks, in the tables' order.
    """

    def __init__(self, finished: Iterable[Run], pictures: Sequence[Pictures], predictions: Mapping[str, Predictions]):
        self.pictures, self.predictions = pictures, predictions
        drawn = tables.in_order(runs.representatives(finished).values())
        self.systems = [system for run in drawn for system in runs.with_looks(run)]
        self._where = {(p.name, name): (p, i) for p in pictures for i, name in enumerate(p.images)}
        self._lists = {p.name: [(p.name, name) for name in p.images[: p.count]] for p in pictures}

    def random(self, run: Run | None = None) -> list[tuple[str, str]]:
        """Chooses the pictures of a contact sheet, (test list, file name) each, the same for runs on the same lists.

        Args:
            run: only from lists of which it has all predictions; None: from all lists.
        """
        lists = [images for images in self._lists.values() if run is None or self.has(run, images)]
        images = [image for images in lists for image in images]
        return datasets.some(images, contact_sheets.COUNT)

    def truth(self, test_set: str, image: str) -> np.ndarray:
        """(256, 256, 3) uint8 sRGB of a test picture."""
        pictures, i = self._where[test_set, image]
        return pictures.store.read(pictures.rows[[i]])[0]

    def pair(self, run: Run, test_set: str, image: str) -> tuple[np.ndarray, np.ndarray]:
        """A test picture and a run's prediction of it, (256, 256, 3) uint8 sRGB each."""
        names, ab = self.predictions[run.name][test_set]
        return contact_sheets.pair(self.truth(test_set, image), predictions.unshrink(ab[names.index(image)]))

    def has(self, run: Run, images: Iterable[tuple[str, str]]) -> bool:
        """Whether the run has predictions of all these pictures, (test list, file name) each."""
        names = {test_set: set(names) for test_set, (names, _) in self.predictions.get(run.name, {}).items()}
        return all(image in names.get(test_set, ()) for test_set, image in images)

    def contact(self, run: Run) -> contact_sheets.Picture:
        """Draws random test pictures, the same for every run."""
        title = f"{description(run)}: drawn by lot; truth left, predicted right"
        return contact_sheets.contact([self.pair(run, *image) for image in self.random(run)], title)

    def truths(self) -> contact_sheets.Picture:
        """Draws the truth of the pictures on every contact sheet."""
        groups = [contact_sheets.Group([self.truth(*key)], key[0]) for key in self.random()]
        return contact_sheets.sheet(contact_sheets.in_rows(groups, 8))

    def extremes(self, run: Run, scores: pd.DataFrame) -> contact_sheets.Picture | None:
        """Draws the run's best and worst pictures over all test lists.

        Args:
            run: one of `systems`.
            scores: metrics.csv.

        Returns:
            A JPEG; None where no picture of the run has both a score and a prediction.
        """
        own = score_table.select(scores[scores.test_set != FIGURE5], run=run.folder.name, method=run.method)
        here = [self.has(run, [key]) and key in self._where for key in zip(own.test_set, own.image, strict=True)]
        ordered = own.loc[np.array(here, bool)].sort_values([_MEASURE, "test_set", "image"])
        if ordered.empty:
            return None

        def groups(rows):
            return [
                contact_sheets.Group(
                    self.pair(run, row.test_set, row.image), f"{row.test_set}  {getattr(row, _MEASURE):.1f}"
                )
                for row in rows.itertuples()
            ]

        title = f"{description(run)}: smallest CIEDE2000 above, largest below; truth left, predicted right"
        best, worst = ordered.head(contact_sheets.EXTREMES), ordered.tail(contact_sheets.EXTREMES)[::-1]
        return contact_sheets.sheet([groups(best), groups(worst)], title)

    def colors(self, label: Callable[[Run], str]) -> dict[str, Predictions]:
        """The colors of the truth and of every system, by its label: `description` or `figure_label`."""
        systems = {label(run): self.predictions[run.name] for run in self.systems if self.predictions.get(run.name)}
        return {color_statistics.TRUTH: color_statistics.truths(self.pictures)} | systems


def open_all(results: Path) -> Gallery:
    """Opens a gallery of recorded runs: their predictions, and the test pictures of this machine.

    Where no test list is here, the test pictures of `sample` take their place.

    Args:
        results: the folder with runs/.

    Returns:
        A `Gallery`.
    """
    finished, _ = runs.read(Path(results) / "runs")
    by_name = {}
    for run in finished:
        for look in runs.with_looks(run):
            path = predictions.file_of(run.folder, look.name.removeprefix(run.name))
            by_name[look.name] = predictions.read(path)
    return Gallery(finished, test_sets.find(finished)[0] or [test_sets.sample()], by_name)


def description(run: Run) -> str:
    """`EfficientNet-B4 on coco`."""
    return f"{markdown.short_title(run.method)} on {run.trained_on}"


def figure_label(run: Run) -> str:
    """A label for a narrow column: method, training set and classifier, each from a line of its own on."""
    # Joined sets have no space to break at.
    trained_on = textwrap.fill(f"on {run.trained_on}".replace("+", "+ "), 20).replace("+ ", "+")
    return f"{textwrap.fill(markdown.short_title(run.method), 18)}\n{trained_on}\n{run.classifier}"


def draw(finished: Sequence[Run], gallery: Gallery, scores: pd.DataFrame, folder: Path, figure5: Sequence) -> list[str]:
    """Draws all figures; without pictures only the curves that the folder lacks.

    Args:
        finished: the finished runs.
        gallery: of them.
        scores: metrics.csv.
        folder: for the figures.
        figure5: (test list, file name) of Figure 5's pictures; none where some are not here.

    Returns:
        What was done, a line per figure.
    """
    lines = []
    for run in finished:
        if experiments.is_ablation(run.name):  # their table says more than a dozen curves
            continue
        path = folder / f"curves-{run.name}.png"
        if gallery.pictures or not path.is_file():
            plots.curves(run).save(path)
            lines.append(f"{path.name}: drawn")
    if figure5:
        lines += _figure5(gallery, folder / "figure5.png", figure5)
    if gallery.pictures:
        return lines + list(_sheets(gallery, scores, folder))
    return [*lines, "other figures: unchanged, the test pictures are not here"]


def _figure5(gallery, path, wanted) -> Iterator[str]:
    names, columns = ["/".join(pair) for pair in wanted], []
    for run in gallery.systems:
        predicted_names, small = gallery.predictions.get(run.name, {}).get(FIGURE5, ([], None))
        if predicted_names == names:
            columns.append((figure_label(run), predictions.unshrink(small)))
            yield f"{path.name}: {run.method} on {run.trained_on} is {run.name}"
        else:
            yield f"{path.name}: without {run.name}, which has no predictions of the eight pictures"
    plots.figure5(path, [gallery.truth(*pair) for pair in wanted], [_short(name) for name in names], columns)


def _sheets(gallery, scores, folder) -> Iterator[str]:
    for run in gallery.systems:
        if gallery.random(run):
            gallery.contact(run).save(folder / f"contact-{run.name}.jpg")
            yield f"contact-{run.name}.jpg: drawn"
        else:
            yield f"contact-{run.name}.jpg: not drawn, the run has no predictions of a whole test list"
        if extremes := gallery.extremes(run, scores):
            extremes.save(folder / f"extremes-{run.name}.jpg")
            yield f"extremes-{run.name}.jpg: drawn"
        else:
            yield f"extremes-{run.name}.jpg: not drawn, the run has no scored predictions of pictures that are here"
    if gallery.random():
        plots.histograms(gallery.colors(figure_label)).save(folder / "ab-histograms.png")
        yield "ab-histograms.png: drawn"


def _short(name):
    """`coco/COCO_train2014_000000032903.jpg` -> two lines that fit beside a tile."""
    test_list, _, stem = name.rpartition(".")[0].partition("/")
    return f"{test_list}\n{stem if len(stem) <= 20 else '…' + stem[-18:]}"
