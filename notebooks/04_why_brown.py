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
# Pictures unlike its training set "looked mostly brown", says the paper of its network. The loss asks for it. A
# grey shirt may have been red or blue or green; the prediction with the least squared error is the mean of what it
# may have been, and the mean of many colours is a dull one. The truth leans to the warm side of grey, so the dull
# one is brown.

# %%
from pathlib import Path

import numpy as np
import pandas as pd

from colorizer import experiments
from colorizer.evaluation import color_statistics, scores
from colorizer.reporting import markdown
from colorizer.reporting.figures import contact_sheets, gallery, plots

RESULTS = Path("../results")
view = gallery.open_all(RESULTS)
colours = view.colors(gallery.description)
truth = colours[color_statistics.TRUTH]
predictors = {label: kept for label, kept in colours.items() if label != color_statistics.TRUTH}

# %% [markdown]
# Red, yellow, green and blue, equally likely, and their mean; then the mean colour of each training set, the best
# answer of one who does not look at the picture. All at middle grey.

# %%
swatches = {"red": (0.5, 0.4), "yellow": (0, 0.55), "green": (-0.4, 0.3), "blue": (0.15, -0.5)}
swatches["their mean"] = np.mean(list(swatches.values()), axis=0)
swatches |= {f"mean of {run.trained_on}": run.summary["mean_ab_norm"] for run in view.systems}
contact_sheets.sheet(
    [[contact_sheets.Group([contact_sheets.swatch(ab_norm)], label) for label, ab_norm in swatches.items()]], tile=96
)

# %% [markdown]
# ## Where the colours of truth and predictions lie
#
# Shares of the pixels, logarithmic; the red line holds 95 % of the truth's.

# %%
plots.histograms(view.colors(gallery.figure_label))

# %% [markdown]
# `chroma` is the mean strength of the colours in Lab units, `spread` the distance from the predictor's own mean
# colour (0 would be one tint for everything), `near_gray` the share of pixels with a chroma under 10, `warm` the
# share with a > 0 and b > 0. Trained by squared error, the paper's network has half the truth's chroma or less
# and a fraction of its spread. On paintings it is one tint, and a warm one; on COCO, where its encoder is known to live
# (`results/experiments/alive.jsonl`), it has two fifths of the spread of photographs.

# %%
color_statistics.table(colours).round(2)

# %% [markdown]
# ## What stronger colours would cost
#
# Take a prediction as it is and multiply its a and b by a gain. `best_gain` is the one with the least squared
# error. It is near 1 for a network that was trained by squared error: it is as pale as its loss wants it.
# `vivid_gain` makes the colours as strong as the truth's (the dots below), and then the error is about that of no
# colour, or more: whoever does not know which colour it is pays for showing one.

# %%
color_statistics.gains(truth, predictors).round(2)

# %%
plots.gains(truth, predictors, "coco")

# %% [markdown]
# ## What rebalancing and the GAN change
#
# Colorful predicts a distribution over 313 colours, counts rare ones more in its loss, and shows a colour from
# nearer the distribution's peak than its mean is. The GAN is told by a second network that dull pictures look
# wrong. Both are paid for in error. Means over the test lists, `metrics.csv`:

# %%
table = scores.read(RESULTS / "metrics.csv")
table = table[table.test_set.isin(scores.TEST_LISTS) & ~table.run.map(experiments.is_ablation)]
table = table.assign(title=table.method.map(markdown.short_title))
kinds = ["test_set", "title", "trained_on", "run"]
measures = ["colourfulness", "colourfulness_truth", "mse_ab", "psnr_rgb", "ciede2000"]
table.groupby(kinds)[measures].mean().round(4)

# %% [markdown]
# Those runs are short and differ in everything at once. One network rebalanced by degrees tells more: the transfer
# U-Net predicts a distribution of colours too, and it can be divided by how frequent each colour is in training, to the
# power `rebalance` (0: not at all). Nothing else changes, and no training is needed. Validation pictures,
# `results/experiments/looks.jsonl`:

# %%
looks = pd.read_json(RESULTS / "experiments" / "looks.jsonl", lines=True)
looks = looks[(looks.gain == 1) & (looks.temperature == 1) & looks.windows.isna()]
looks[["dataset", "rebalance", *measures]].round(4).reset_index(drop=True)

# %% [markdown]
# The colours get stronger step by step, and CIEDE2000 gets worse with them.
#
# Colourfulness is a number about the picture alone: strong wrong colours have it too. The same pictures by the proposed
# network trained on COCO and, below, by the GAN; truth left, prediction right:
#
# ![24 pairs](../results/figures/contact-efficientnet-coco-64.jpg)
#
# ![24 pairs](../results/figures/contact-gan-paintings.jpg)
