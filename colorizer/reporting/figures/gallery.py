"""What evaluation draws: Figure 5, curves, contact sheets, the best and the worst, and where the colours lie."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from colorizer import experiments
from colorizer.evaluation import color_statistics, predictions, runs, test_sets
from colorizer.evaluation.runs import FIGURE5, TEST_LISTS, Run
from colorizer.evaluation.test_sets import Pictures
from colorizer.reporting import markdown, tables
from colorizer.reporting.figures import contact_sheets, plots

_MEASURE = "ciede2000"  # what best and worst are told by: the nearest to what an eye sees


class Gallery:
    """The runs that figures show, the test pictures that are here, and what the runs made of them.

    Args:
        found: the finished runs; those chosen for the tables are drawn.
        pictures: the test lists that are here.
        predictions: run, or look of one -> test list -> (names, (n, 64, 64, 2) int8), as kept.

    Source: ours.
    """

    def __init__(
        self, found: Iterable[Run], pictures: Sequence[Pictures], predictions: Mapping[str, color_statistics.Kept]
    ):
        self.pictures, self.predictions = pictures, predictions
        self.shown = [shown for run in tables.in_order(runs.chosen(found).values()) for shown in runs.with_looks(run)]
        self._where = {(p.name, name): (p, i) for p in pictures for i, name in enumerate(p.images)}
        listed = [(p.name, name) for p in pictures for name in p.images[: p.listed]]
        self.random = [listed[i] for i in contact_sheets.drawn(len(listed))]

    def truth(self, test_set: str, image: str) -> np.ndarray:
        """(256, 256, 3) uint8 sRGB of a test picture."""
        pictures, i = self._where[test_set, image]
        return pictures.store.read(pictures.rows[[i]])[0]

    def pair(self, run: Run, test_set: str, image: str) -> tuple[np.ndarray, np.ndarray]:
        """A test picture and what a run makes of it, (256, 256, 3) uint8 sRGB each."""
        names, ab = self.predictions[run.name][test_set]
        return contact_sheets.pair(self.truth(test_set, image), predictions.unshrink(ab[names.index(image)]))

    def has(self, run: Run, images: Iterable[tuple[str, str]]) -> bool:
        """Whether the run's predictions of all these pictures, (test list, file name) each, were kept."""
        kept = {name: set(names) for name, (names, _) in self.predictions.get(run.name, {}).items()}
        return all(image in kept.get(test_set, ()) for test_set, image in images)

    def contact(self, run: Run) -> contact_sheets.Picture:
        """The same random test pictures for every run. Source: ours; drawn by `sheets.drawn`."""
        title = f"{described(run)}: drawn by lot; truth left, predicted right"
        return contact_sheets.contact([self.pair(run, *image) for image in self.random], title)

    def lot(self) -> contact_sheets.Picture:
        """The truth of the pictures that stand on every contact sheet. Source: ours."""
        groups = [contact_sheets.Group([self.truth(*key)], key[0]) for key in self.random]
        return contact_sheets.sheet(contact_sheets.in_rows(groups, 8))

    def extremes(self, run: Run, scores: pd.DataFrame) -> contact_sheets.Picture:
        """The run's best and worst pictures over all test lists.

        Args:
            run: one of `shown`.
            scores: metrics.csv.

        Returns:
            A JPEG.

        Source: ours.
        """
        own = scores[(scores.run == run.folder.name) & (scores.method == run.method) & scores.test_set.isin(TEST_LISTS)]
        here = [self.has(run, [key]) and key in self._where for key in zip(own.test_set, own.image, strict=True)]
        ordered = own[here].sort_values([_MEASURE, "test_set", "image"])

        def groups(rows):
            return [
                contact_sheets.Group(
                    self.pair(run, row.test_set, row.image), f"{row.test_set}  {getattr(row, _MEASURE):.1f}"
                )
                for row in rows.itertuples()
            ]

        title = f"{described(run)}: smallest CIEDE2000 above, largest below; truth left, predicted right"
        return contact_sheets.extremes(
            groups(ordered.head(contact_sheets.EXTREMES)), groups(ordered.tail(contact_sheets.EXTREMES)[::-1]), title
        )

    def colours(self, label: Callable[[Run], str]) -> dict[str, color_statistics.Kept]:
        """The truth's colours and those of every shown run, by its label: `described` or `figure_label`."""
        kept = {label(run): self.predictions[run.name] for run in self.shown if self.predictions.get(run.name)}
        return {color_statistics.TRUTH: color_statistics.truths(self.pictures)} | kept


def open_all(results: Path, data_dir=None) -> Gallery:
    """A gallery of recorded runs: their kept predictions, and the test pictures of this machine.

    Args:
        results: the folder with runs/.
        data_dir: see `testlists.roots`.

    Returns:
        A `Gallery`.

    Source: ours.
    """
    found, _ = runs.read(Path(results) / "runs")
    kept = {}
    for run in found:
        for look in runs.with_looks(run):
            path = predictions.file_of(run.folder, look.name.removeprefix(run.name))
            kept[look.name] = predictions.read(path)
    return Gallery(found, test_sets.find(found, data_dir)[0], kept)


def described(run: Run) -> str:
    """`EfficientNet-B4 on coco`. Source: ours."""
    return f"{markdown.short_title(run.method)} on {run.trained_on}"


def figure_label(run: Run) -> str:
    """A run over a narrow column: method, training set and classifier on lines of their own. Source: ours."""
    return f"{textwrap.fill(markdown.short_title(run.method), 18)}\non {run.trained_on}\n{run.classifier}"


def draw(found: Sequence[Run], gallery: Gallery, scores: pd.DataFrame, folder: Path, figure5: Sequence) -> list[str]:
    """Draws all figures; a clone without pictures keeps those that came with it and draws only the curves it lacks.

    Args:
        found: the finished runs.
        gallery: of them.
        scores: metrics.csv.
        folder: where figures go.
        figure5: (test list, file name) of Figure 5's pictures; none where some are not here.

    Returns:
        A line per figure for the report.

    Source: ours.
    """
    lines = []
    for run in found:
        if experiments.is_ablation(run.name):  # a table of their own tells them apart better than a dozen curves
            continue
        path = folder / f"curves-{run.name}.png"
        if gallery.pictures or not path.is_file():
            plots.curves(run).save(path)
            lines.append(f"{path.name}: drawn")
    if not figure5:
        return [*lines, "other figures: left as they are, there are no pictures here to draw them from"]
    return [*lines, *_figure5(gallery, folder / "figure5.png", figure5), *_sheets(gallery, scores, folder)]


def _figure5(gallery, path, wanted) -> Iterator[str]:
    names, columns = ["/".join(pair) for pair in wanted], []
    for run in gallery.shown:
        kept_names, kept = gallery.predictions[run.name].get(FIGURE5, ([], None))
        if kept_names == names:
            columns.append((figure_label(run), predictions.unshrink(kept)))
            yield f"{path.name}: {run.method} on {run.trained_on} is {run.name}"
        else:
            yield f"{path.name}: without {run.name}, it has no predictions of the eight pictures"
    plots.figure5(path, [gallery.truth(*pair) for pair in wanted], [_short(name) for name in names], columns)


def _sheets(gallery, scores, folder) -> Iterator[str]:
    for run in gallery.shown:
        if not gallery.has(run, gallery.random):
            yield f"contact-{run.name}.jpg: not drawn, it has no predictions of some of the test pictures"
            continue
        gallery.contact(run).save(folder / f"contact-{run.name}.jpg")
        gallery.extremes(run, scores).save(folder / f"extremes-{run.name}.jpg")
        yield f"contact-{run.name}.jpg, extremes-{run.name}.jpg: drawn"
    plots.histograms(gallery.colours(figure_label)).save(folder / "ab-histograms.png")
    yield "ab-histograms.png: drawn"


def _short(name):
    """`coco/COCO_train2014_000000032903.jpg` -> two lines that fit beside a tile."""
    test_list, _, stem = name.rpartition(".")[0].partition("/")
    return f"{test_list}\n{stem if len(stem) <= 20 else '…' + stem[-18:]}"
