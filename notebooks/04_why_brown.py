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
# # 4. Why brown?
#
# The paper says that pictures unlike its training set "looked mostly brown". The loss explains it. A gray shirt may
# have been red, blue or green. The prediction with the least squared error is the mean of these colors, and the mean
# of many colors is dull. The mean of the true colors lies on the warm side, so the dull color is brown.

# %%
from pathlib import Path

import numpy as np
import pandas as pd

from colorizer import experiments
from colorizer.data import datasets
from colorizer.evaluation import color_statistics, scores
from colorizer.reporting.figures import contact_sheets, gallery, plots

RESULTS = Path("../results")
print(datasets.missing(scores.TEST_LISTS) or "All test lists are on this machine.")
view = gallery.open_all(RESULTS)
colors = view.colors(gallery.description)
truth = colors[color_statistics.TRUTH]
predictors = {label: predicted for label, predicted in colors.items() if label != color_statistics.TRUTH}

# %% [markdown]
# Red, yellow, green and blue, and their mean; then the mean color of each training set by its name, the best
# prediction that ignores the picture. All at middle gray.

# %%
swatches = {"red": (0.5, 0.4), "yellow": (0, 0.55), "green": (-0.4, 0.3), "blue": (0.15, -0.5)}
swatches["their mean"] = np.mean(list(swatches.values()), axis=0)
swatches |= {run.trained_on.replace("+", " + "): run.summary["mean_ab_norm"] for run in view.systems}
groups = [contact_sheets.Group([contact_sheets.swatch(ab_norm)], label) for label, ab_norm in swatches.items()]
contact_sheets.sheet([groups[:4], groups[4:]], tile=160)

# %% [markdown]
# ## The colors of truth and predictions
#
# Shares of the pixels, on a logarithmic scale; the red line surrounds 95 % of the true colors. Pictures are needed for
# this drawing; `results/figures/ab-histograms.png` is the committed one.

# %%
plots.histograms(view.colors(gallery.figure_label))

# %% [markdown]
# `chroma` is the mean strength of the colors in Lab units. `spread` is the distance from the predictor's own mean
# color; 0 is one tint for everything. `near_gray` is the share of pixels with a chroma under 10, `warm` the share with
# a > 0 and b > 0. Trained by squared error, the paper's network has much less chroma and spread than the truth.

# %%
color_statistics.table(colors).round(2)

# %% [markdown]
# ## The cost of stronger colors
#
# Multiply the predicted a and b by a gain. `best_gain` gives the least squared error. For a network trained by squared
# error it is near 1 on the test list of its own training set: its colors are as pale as its loss asks for. On other
# lists it is mostly lower: there its colors are too strong. `vivid_gain` makes the colors as strong as the
# true ones (the dots below). Then the error of such a network is about that of no color, or
# larger; that of the ViT decoder, trained on distributions, stays below.

# %%
color_statistics.gains(truth, predictors).round(2)

# %%
plots.gains(truth, predictors, "coco")

# %% [markdown]
# ## What rebalancing and the GAN change
#
# Colorful predicts a distribution over 313 colors, gives rare colors more weight in its loss, and decodes a color
# nearer to the distribution's peak. The GAN's discriminator penalizes dull pictures. Both increase the error. Means
# over the test lists, from `metrics.csv`:

# %%
table = scores.read(RESULTS / "metrics.csv")
table = table[table.test_set.isin(scores.TEST_LISTS) & ~table.run.map(experiments.is_ablation)]
kinds = ["test_set", "run", "method", "trained_on"]
measures = ["colourfulness", "colourfulness_truth", "ciede2000"]
table.groupby(kinds)[measures].mean().round(4)

# %% [markdown]
# Those runs differ in many ways. A single network shows the price alone. Our ViT decoder predicts a distribution of
# colors too; its vivid look adds chroma where the distribution leaves colors open, by `added` Lab units for each
# squared unit of variance (0: none). No training is needed. Validation pictures, from
# `results/experiments/looks.jsonl`:

# %%
looks = pd.read_json(RESULTS / "experiments" / "looks.jsonl", lines=True)
looks = looks[(looks.temperature == 0.5) & looks.cast.isna() & (looks.spread == 0.4) & (looks.contrast == 0.2)]
looks[["dataset", "added", *measures]].round(4).reset_index(drop=True)

# %% [markdown]
# The colors get stronger step by step, and CIEDE2000 gets worse.
#
# Colorfulness does not compare with the truth: strong wrong colors score high too. The same pictures by the paper's
# network trained on COCO and, below, by the GAN; truth left, prediction right:
#
# ![24 pairs](../results/figures/contact-efficientnet-coco-128.jpg)
#
# ![24 pairs](../results/figures/contact-gan-paintings-128.jpg)
