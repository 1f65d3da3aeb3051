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
# Tables 2 to 4 and Figure 5 as `python evaluate.py` wrote them, the paper's values beside ours, and how sure a
# difference is. How many epochs stand behind a row is in Table 2 and in `results/README.md`.

# %%
from pathlib import Path

import pandas as pd

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
# ![Eight test pictures: truth, grey, and what each network makes of them](../results/figures/figure5.png)
#
# What is seen on this and the other pictures stands in `results/PICTURES.md`.

# %% [markdown]
# ## Intervals
#
# A dot is the mean over a test list, the line its 95 % bootstrap interval: how far the mean would move with other
# pictures of the same kind. The dashed line is no colour at all.

# %%
lists = pd.read_csv(RESULTS / "tables/lists.csv", keep_default_na=False)
plots.intervals(lists, "psnr_rgb")

# %%
plots.intervals(lists, "ssim_rgb")

# %%
plots.intervals(lists, "ciede2000")

# %% [markdown]
# Intervals of two methods may overlap where the difference is sure all the same, because both saw the same
# pictures: a picture that is hard for one is hard for the other. So differences are taken picture by picture. Each
# run minus all-grey, in dB; `differs` says that the interval leaves zero out.

# %%
differences = pd.read_csv(RESULTS / "tables/differences.csv", keep_default_na=False)
asked = differences[(differences.measure == "psnr_rgb") & (differences.role == "all_grey")]
asked[["run", "method", "test_set", "n", "mean", "low", "high", "differs"]].round(2).reset_index(drop=True)
