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
# # 2. Train and watch
#
# The paper's network on a few dozen pictures at 64x64, on a CPU in a minute or two: enough to see what a training
# does, far too little to learn what things look like. The paper's own training is `python train.py --dataset
# paintings`, 100 epochs at 256x256; below stand the curves of the runs that were recorded.

# %%
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from colorizer import color, config, methods
from colorizer.evaluation import runs
from colorizer.reporting.figures import contact_sheets, display, plots
from colorizer.training import loop

RESULTS = Path("../results")

# %% tags=["parameters"]
PICTURES = 48
EPOCHS = 8
SIDE = 64

# %% [markdown]
# ## The settings
#
# What is not named is the paper's, or stands in `colorizer/config.py` with its source. Without a classifier the
# class vector is zeros.

# %%
folder = tempfile.TemporaryDirectory()
named = {"dataset": "paintings", "limit": PICTURES, "epochs": EPOCHS, "image_size": SIDE, "batch_size": 8}
settings = config.resolve(named | {"classifier": "none", "run": f"{folder.name}/runs/tiny"})
method = methods.get(settings.method)
pd.Series({"method": method.title, "loss": settings.loss, "learning rate": settings.learning_rate} | named).to_frame("")

# %% [markdown]
# ## Training
#
# After every epoch the network colours some pictures of the validation list.

# %%
data = loop.prepare(settings, method)
looked_at = data.val_rows[::16]
pictures = data.store.read(looked_at)
l_norm = np.stack([color.rgb_to_l_ab(rgb_u8)[0] for rgb_u8 in pictures])
epochs = []


def watch(epoch, network):
    epochs.append(method.predict_ab(network, l_norm, data.vectors[looked_at]))


summary = loop.run(settings, watch=watch)

# %%
contact_sheets.sheet(contact_sheets.through_time(pictures, epochs))

# %% [markdown]
# After one epoch everything is brown, and it stays so: one mean colour is nearly all that so few pictures teach. The
# curves say the same. The two horizontal lines are what needs no network, no colour and one mean colour for everything;
# the validation loss moves around the second.

# %%
tiny = runs.read(f"{folder.name}/runs")[0][0]
plots.curves(tiny)

# %%
tiny.history.drop(columns=["images_per_second", "seconds"]).round(4)

# %%
told = ["train_images", "val_images", "parameters", "val_mse", "val_mse_all_grey", "val_mse_mean_colour"]
pd.Series(summary)[told].to_frame("")

# %% [markdown]
# ## The recorded runs of the same network
#
# Their epochs, pictures and machines stand in `results/README.md`; the curves of all runs are
# `results/figures/curves-*.png`.

# %%
finished = runs.representatives(runs.read(RESULTS / "runs")[0]).values()
recorded = [run for run in finished if run.method == settings.method]
display.stacked([plots.curves(run) for run in recorded])

# %% [markdown]
# ## What to do with a run
#
# `python evaluate.py` scores it on the test lists; `python colorize.py old.jpg -o new.png --weights
# results/runs/NAME` uses it; `python train.py --run results/runs/NAME --resume` goes on after an interruption and
# ends with the same bits.

# %%
folder.cleanup()
