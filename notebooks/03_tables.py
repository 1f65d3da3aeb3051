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
# # 3. The tables
#
# Tables 2 to 4 and Figure 5 as `make tables` wrote them, with the paper's values beside ours, and the confidence
# intervals. Table 2 and `results/README.md` give the number of epochs of each row. No pictures are needed.

# %%
from pathlib import Path

import pandas as pd

from colorizer import experiments
from colorizer.reporting.figures import display, plots

RESULTS = Path("../results")

# %%
display.page(RESULTS / "tables/table2.md")

# %%
display.page(RESULTS / "tables/table3.md")

# %%
display.page(RESULTS / "tables/table4.md")

# %% [markdown]
# ## Figure 5, on our pictures
#
# ![Eight test pictures: truth, gray, and the prediction of each network](../results/figures/figure5.png)
#
# `results/PICTURES.md` describes this and the other pictures.

# %% [markdown]
# ## Intervals
#
# The runs of the tables, without ablations. A dot is the mean over a test list, the line its 95 % bootstrap interval.
# The dashed line is the all-gray baseline.

# %%
lists = pd.read_csv(RESULTS / "tables/lists.csv", keep_default_na=False)
lists = lists[~lists.run.map(experiments.is_ablation)]
plots.intervals(lists, "psnr_rgb")

# %%
plots.intervals(lists, "ssim_rgb")

# %%
plots.intervals(lists, "ciede2000")

# %% [markdown]
# Both methods of a comparison see the same pictures, so paired differences are more precise than two intervals. The
# table shows each run minus all-gray, in dB; `differs` means that the interval excludes zero.

# %%
differences = pd.read_csv(RESULTS / "tables/differences.csv", keep_default_na=False)
paired = differences[(differences.measure == "psnr_rgb") & (differences.role == "all_grey")]
paired[["run", "method", "test_set", "n", "mean", "low", "high", "differs"]].round(2).reset_index(drop=True)
