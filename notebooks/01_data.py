# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1. The data
#
# What the networks are trained and tested on, what they are given (L) and what they must find (a, b), and how well
# one does who finds nothing. The pictures are looked for where `train.py` looks: `$COLORIZER_DATA`, the cache, a
# download.

# %%
from pathlib import Path

import numpy as np
import pandas as pd

from colorizer import color
from colorizer.data import datasets
from colorizer.evaluation import color_statistics, metrics, scores, test_sets
from colorizer.reporting.figures import contact_sheets, gallery, plots

RESULTS = Path("../results")

# %% [markdown]
# ## The lists
#
# 90 % to train on, 5 % to validate with, 5 % to test, seed 42. `ood`, out of dataset, is only for tests: Kodak's
# photographs, museum paintings, scikit-image's photographs.

# %%
found = [datasets.find(name) for name in ("coco", "paintings", "ood")]
pd.DataFrame(
    [(d.name, len(d.train), len(d.val), len(d.test), d.split_source) for d in found],
    columns=["data set", "train", "validation", "test", "split by"],
)

# %% [markdown]
# 24 test pictures, drawn by lot, the ones that stand on every contact sheet of `results/PICTURES.md`. All are
# resized to a square of 256x256 pixels without keeping their shape, as the paper does.

# %%
view = gallery.open_all(RESULTS)
view.truths()

# %% [markdown]
# ## Lab
#
# L is what a black-and-white photograph has kept. a runs from green to red, b from blue to yellow; here each is
# shown alone, at middle grey. Edges live in L. What is to be guessed, a and b, is smooth, so a small prediction
# enlarged will do.

# %%
contact_sheets.sheet([contact_sheets.channels(view.truth(*key)) for key in test_sets.figure5()[3:7]], tile=96)

# %% [markdown]
# Going to Lab and back changes nothing:

# %%
picture = view.truth(*test_sets.figure5()[0])
np.array_equal(color.lab_to_rgb(color.rgb_to_lab(picture)), picture)

# %% [markdown]
# ## Where the colours lie
#
# Most pixels are near grey, and what is not leans to yellow and orange. `spread` is the distance from the mean
# colour, `near_gray` the share of pixels with less than 10 Lab units of chroma, `warm` the share with a > 0 and b >
# 0.

# %%
truth = color_statistics.truths(view.pictures)
plots.histograms({color_statistics.TRUTH: truth})

# %%
color_statistics.table({color_statistics.TRUTH: truth}).round(2)

# %% [markdown]
# ## The floor: no colour at all
#
# A prediction of grey has the truth's L, and most of a picture is L: this is what any network must beat. Computed
# here on the first test list:

# %%
first = view.pictures[0]
greys = [metrics.score(rgb_u8, np.zeros((256, 256, 2))) for rgb_u8 in first.store.read(first.rows[: first.count])]
pd.DataFrame(greys).mean().round(4).to_frame(first.name)

# %% [markdown]
# And as `evaluate.py` recorded it, beside the other predictor that looks at nothing, the mean colour of a training
# set:

# %%
recorded = scores.read(RESULTS / "metrics.csv")
floors = recorded[(recorded.run == scores.NONE) & recorded.test_set.isin(scores.TEST_LISTS)]
floors.groupby(["test_set", "method", "trained_on"])[list(metrics.COLUMNS)].mean().round(4)
