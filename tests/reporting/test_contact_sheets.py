"""Contact sheets, histograms of colors and what goes with them: what is shown, and the numbers behind it."""

import io

import numpy as np
import pandas as pd
from canned import canned_run, floor_key
from conftest import draw_picture
from PIL import Image

from colorizer import color
from colorizer.evaluation import color_statistics, predictions, statistics
from colorizer.reporting.figures import contact_sheets, display, gallery, plots


def pixels(picture: display.Picture) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB")).astype(int)


def kept(*ab) -> np.ndarray:
    """(n, 64, 64, 2) int8, each picture one color in Lab units."""
    return np.stack([predictions.shrink(np.full((64, 64, 2), np.float32(one) / color.AB_SCALE)) for one in ab])


def test_a_sheet_shows_truth_and_prediction_side_by_side():
    picture = draw_picture(3, 256, 256)
    drawn = contact_sheets.contact([contact_sheets.pair(picture, np.zeros((64, 64, 2)))] * 5, "five")
    assert drawn.form == "jpeg" and drawn._repr_jpeg_() == drawn.data and drawn._repr_png_() is None
    image, side, gap, top = pixels(drawn), contact_sheets.TILE, contact_sheets._GAP, contact_sheets._TITLE
    truth, gray = (image[top : top + side, gap + k * side : gap + (k + 1) * side] for k in (0, 1))
    assert truth.std(axis=-1).mean() > 20 and gray.std(axis=-1).mean() < 2
    assert image.shape[0] == top + 2 * (side + gap)  # four pairs and one
    assert image[:top].min() < 128  # the title


def test_channels_add_up_to_the_picture():
    whole, l, a, b = (group.pictures[0].astype(int) for group in contact_sheets.channels(draw_picture(1, 64, 64)))
    assert np.ptp(l, axis=-1).max() == 0
    assert np.ptp(color.rgb_to_lab(a.astype(np.uint8))[..., 2]) < np.ptp(color.rgb_to_lab(b.astype(np.uint8))[..., 2])
    assert whole.shape == l.shape == a.shape


def test_small_pictures_keep_black_and_white():
    drawing = np.zeros((4, 300, 3), np.uint8)
    drawing[:, 150:] = 255
    drawing[0, :256] = np.arange(256)[:, None]
    for step in (3, 15):
        packed = pixels(display.png(drawing, step))
        assert packed[1:].tolist() == drawing[1:].tolist()
        assert np.abs(packed - drawing).max() <= step // 2


def test_a_notebook_is_told_what_it_shows(tmp_path):
    drawing = display.png(draw_picture(0), 1)
    assert drawing._repr_png_() == drawing.data and drawing._repr_jpeg_() is None
    assert repr(drawing).startswith("<png, ")
    assert np.array_equal(pixels(display.stacked([drawing, drawing])), np.concatenate([draw_picture(0)] * 2))
    (tmp_path / "page.md").write_text("# Ä", encoding="utf-8")
    assert display.page(tmp_path / "page.md")._repr_markdown_() == "# Ä"


def test_photos_in_rows_keep_their_proportions():
    wide, high = np.full((50, 100, 3), 200, np.uint8), np.full((80, 40, 3), 10 * 257, np.uint16)
    sheet = pixels(display.rows([[wide, high], [high]], height=40))
    assert sheet.shape == (80, 100, 3)
    for area, value in ((sheet[:40, :80], 200), (sheet[:40, 80:], 10), (sheet[40:, :20], 10), (sheet[40:, 20:], 255)):
        assert abs(np.median(area) - value) <= 2


def test_drawings_are_the_same_bytes_every_time():
    truth = {"coco": (["x", "y"], kept((40, 0), (-40, 20)))}
    predictors = {color_statistics.TRUTH: truth, "pale": {"coco": (["x", "y"], kept((10, 0), (-10, 0)))}}
    key = [*floor_key("all_grey").values(), "coco", "psnr_rgb", 250, 0, 22.5, 22.0, 23.0]
    other = ["a-run", "gan", "paintings", "none", "coco", "psnr_rgb", 250, 0, 19.5, 19.0, 20.0]
    lists = pd.DataFrame([key, other], columns=statistics.LIST_COLUMNS)
    for draw in (
        lambda: plots.histograms(predictors),
        lambda: plots.gains(truth, {"pale": predictors["pale"]}, "coco"),
        lambda: plots.intervals(lists, "psnr_rgb"),
    ):
        one, two = draw(), draw()
        assert one.data == two.data and one.form == "png" and len(one.data) < 60_000


def test_a_run_without_kept_predictions_is_told_and_not_drawn(tmp_path):
    run = canned_run(tmp_path / "runs" / "efficientnet-paintings")
    opened = gallery.Gallery([run], [], {})
    assert opened.random() == [] and opened.systems == [run]
    assert not opened.has(run, [("coco", "x.jpg")])


def test_a_label_of_joined_sets_is_no_wider_than_a_column(tmp_path):
    run = canned_run(tmp_path / "many", trained_on="coco+paintings+photographs")
    label = gallery.figure_label(run)
    assert "on coco+paintings+\nphotographs" in label
    assert max(map(len, label.split("\n"))) <= 20
