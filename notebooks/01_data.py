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
# What the networks are trained and tested on. What they see (L), what they predict (a, b), and how well no color at
# all scores. The pictures come from `$COLORIZER_DATA` or the cache; this notebook downloads nothing.

# %%
from pathlib import Path

import numpy as np
import pandas as pd

from colorizer import color
from colorizer.data import datasets
from colorizer.evaluation import color_statistics, metrics, scores
from colorizer.reporting.figures import contact_sheets, gallery, plots

RESULTS = Path("../results")
SETS = ("coco", "paintings", "ood", "sample")
print(datasets.missing(SETS) or "All data sets are on this machine.")

# %% [markdown]
# ## The lists
#
# 90 % are for training, 5 % for validation, 5 % for testing, with seed 42. `ood` (out of dataset) is only for
# tests: Kodak's photos, museum paintings, scikit-image's photos. `sample` needs no download.

# %%
pd.DataFrame(
    [
        (d.name, len(d.train), len(d.val), len(d.test), d.split_source)
        for d in (datasets.find(name) for name in filter(datasets.is_here, SETS))
    ],
    columns=["data set", "train", "validation", "test", "split by"],
)

# %% [markdown]
# Up to 24 random test pictures: those of every contact sheet in `results/PICTURES.md`, where the lists are here. All
# are resized to 256x256 pixels without keeping their proportions, as in the paper.

# %%
view = gallery.open_all(RESULTS)
view.truths()

# %% [markdown]
# ## Lab
#
# L is what a black-and-white photo shows. a runs from green to red, b from blue to yellow; here each is shown alone, at
# middle gray. Edges are in L. a and b are smooth, so a small prediction can be enlarged.

# %%
contact_sheets.sheet([contact_sheets.channels(view.truth(*key)) for key in view.random()[::6]], tile=96)

# %% [markdown]
# The way to Lab and back changes nothing:

# %%
picture = view.truth(*view.random()[0])
np.array_equal(color.lab_to_rgb(color.rgb_to_lab(picture)), picture)

# %% [markdown]
# ## Where the colors are
#
# More than a third of the pixels are nearly gray; the others are more often yellow and orange. `spread` is the distance
# from the mean color, `near_gray` the share of pixels with less than 10 Lab units of chroma, `warm` the share with
# a > 0 and b > 0.

# %%
truth = color_statistics.truths(view.pictures)
plots.histograms({color_statistics.TRUTH: truth})

# %%
color_statistics.table({color_statistics.TRUTH: truth}).round(2)

# %% [markdown]
# ## The baseline: no color at all
#
# An all-gray prediction keeps the true L, and most of a picture is L. Every network must beat its score. Computed here
# on the first test list:

# %%
first = view.pictures[0]
grays = [metrics.score(rgb_u8, np.zeros((256, 256, 2))) for rgb_u8 in first.store.read(first.rows[: first.count])]
pd.DataFrame(grays).mean().round(4).to_frame(first.name)

# %% [markdown]
# As `evaluate.py` recorded it, beside the other trivial baseline, the mean color of a training set:

# %%
recorded = scores.read(RESULTS / "metrics.csv")
baselines = recorded[(recorded.run == scores.NONE) & recorded.test_set.isin(scores.TEST_LISTS)]
baselines.groupby(["test_set", "method", "trained_on"])[list(metrics.COLUMNS)].mean().round(4)
