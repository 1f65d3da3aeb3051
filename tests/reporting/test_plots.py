"""Figure 5 and curves: written, the same every time, small enough, and of what was asked."""

import cv2
import numpy as np
import pytest
from canned import canned_run
from conftest import draw_picture

from colorizer import color
from colorizer.evaluation import predictions, test_sets
from colorizer.reporting.figures import plots


@pytest.fixture
def eight():
    return [draw_picture(index, 256, 256) for index in range(8)]


def tile(image, row, column, columns):
    """The inside of one tile of Figure 5."""
    side = min(plots._LARGEST_TILE, int((plots._PIXELS / (8 * columns)) ** 0.5))
    top, left = plots._TOP + row * (side + plots._GAP), plots._LEFT + column * (side + plots._GAP)
    return image[top : top + side, left : left + side]


def test_figure5_shows_truth_gray_and_each_method(eight, tmp_path):
    ab = [color.split(color.rgb_to_lab(picture))[1] for picture in eight]
    none = [np.zeros((64, 64, 2), np.float32)] * 8
    path = tmp_path / "figures" / "figure5.png"
    plots.figure5(path, eight, [str(i) for i in range(8)], [("perfect", ab), ("none", none)])
    image = cv2.imread(str(path))[..., ::-1]
    truth, gray, perfect, nothing = (tile(image, 5, column, 4).astype(int) for column in range(4))
    assert np.array_equal(truth, perfect)
    assert np.abs(gray - nothing).max() <= plots._STEP
    assert truth.std(axis=-1).mean() > 10 > 1 > gray.std(axis=-1).mean()
    assert image[: plots._TOP].min() < 128  # there are labels


def test_figures_are_the_same_bytes_every_time(eight, tmp_path):
    run = canned_run(tmp_path / "runs" / "efficientnet-paintings")
    for name in ("one", "two"):
        plots.figure5(tmp_path / f"{name}.png", eight, ["x"] * 8, [])
        plots.curves(run).save(tmp_path / f"{name}-curves.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert (tmp_path / "one-curves.png").read_bytes() == (tmp_path / "two-curves.png").read_bytes()


@pytest.mark.parametrize("name", ["efficientnet-paintings", "vit_decoder-coco+paintings+photographs"])
def test_a_long_title_over_curves_stays_in_the_figure(tmp_path, monkeypatch, name):
    drawn, pack = [], plots._lines
    monkeypatch.setattr(plots, "_lines", lambda figure: drawn.append(figure) or pack(figure))
    plots.curves(canned_run(tmp_path / name, trained_on="coco+paintings+photographs"))
    (figure,) = drawn
    title = figure.axes[0].title
    box = title.get_window_extent()
    assert title.get_text().replace("\n", " ").startswith(f"{name}: ")
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width


def test_the_floors_are_drawn_only_beside_a_loss_that_is_the_mse(tmp_path, monkeypatch):
    drawn, pack = [], plots._lines
    monkeypatch.setattr(plots, "_lines", lambda figure: drawn.append(figure.axes[0]) or pack(figure))
    plots.curves(canned_run(tmp_path / "a"))
    plots.curves(canned_run(tmp_path / "b", val_mse=0.3))
    mse, other = (axes.get_legend_handles_labels()[1] for axes in drawn)
    assert "all-gray, validation: 0.0152" in mse
    assert "mean-color, validation: 0.0148" in mse
    assert other == ["loss (training)", "val_loss", "best epoch: 2"]


@pytest.mark.data
def test_figure5_of_real_pictures_is_under_the_limit(real_data, monkeypatch, tmp_path):
    monkeypatch.setenv("COLORIZER_CACHE", str(tmp_path))
    found, _ = test_sets.find([], real_data, limit=1)
    where = {f"{p.name}/{image}": p.store.read(p.rows[[i]])[0] for p in found for i, image in enumerate(p.images)}
    pictures = [where["/".join(pair)] for pair in test_sets.figure5()]
    ab = [predictions.unshrink(predictions.shrink(color.split(color.rgb_to_lab(picture))[1])) for picture in pictures]
    for columns in (2, 8):
        path = tmp_path / f"{columns}.png"
        plots.figure5(path, pictures, ["x"] * 8, [("method", ab)] * columns)
        assert path.stat().st_size < 1_000_000
