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
# The paper's network, trained on 48 pictures at 64x64 on a CPU. It shows what training does; it is far too little to
# learn from. The paper's own training is `python train.py --dataset paintings`: 100 epochs at 256x256. The curves of
# the recorded runs are below. Without the paintings, `sample` takes their place.

# %%
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from colorizer import color, config, methods
from colorizer.data import datasets
from colorizer.evaluation import runs
from colorizer.reporting.figures import contact_sheets, display, plots
from colorizer.training import loop

RESULTS = Path("../results")

# %% tags=["parameters"]
PICTURES = 48
EPOCHS = 8
SIDE = 64
DATASET = "paintings" if datasets.is_here("paintings") else "sample"
print(datasets.missing(["paintings"]) or "The paintings are on this machine.")

# %% [markdown]
# ## The settings
#
# All other settings are the paper's, or have their source in `colorizer/config.py`. Without a classifier the class
# vector is zeros.

# %%
folder = tempfile.TemporaryDirectory()
named = {"dataset": DATASET, "limit": PICTURES, "epochs": EPOCHS, "image_size": SIDE, "batch_size": 8}
method = methods.get("efficientnet")
settings = config.resolve(named | {"classifier": "none", "run": f"{folder.name}/runs/tiny"}, method)
pd.Series({"method": method.title, "loss": settings.loss, "learning rate": settings.learning_rate} | named).to_frame("")

# %% [markdown]
# ## Training
#
# After every epoch the network colorizes three pictures of the validation list.

# %%
data = loop.prepare(settings, method)
shown = data.val_rows[:: max(1, len(data.val_rows) // 3)][:3]
pictures = data.store.read(shown)
l_norm = np.stack([color.rgb_to_l_ab(rgb_u8)[0] for rgb_u8 in pictures])
epochs = []


def watch(epoch, network):
    epochs.append(method.predict_ab(network, l_norm, data.vectors[shown]))


summary = loop.run(settings, watch=watch)

# %%
contact_sheets.sheet(contact_sheets.through_time(pictures, epochs))

# %% [markdown]
# So few pictures teach hardly more than one mean color, a brown: the validation loss does not fall clearly below what
# that color alone has. The two horizontal lines in the curves are the trivial baselines: all-gray, and the mean color
# for every pixel.

# %%
tiny = runs.read(f"{folder.name}/runs")[0][0]
plots.curves(tiny)

# %%
tiny.history.drop(columns=["images_per_second", "seconds"]).round(4)

# %%
measures = ["train_images", "val_images", "parameters", "val_mse", "val_mse_all_grey", "val_mse_mean_colour"]
pd.Series(summary)[measures].to_frame("")

# %% [markdown]
# ## The recorded runs of the same network
#
# Their epochs and pictures are in `results/README.md`, the curves of all runs in `results/figures/curves-*.png`.

# %%
finished = runs.representatives(runs.read(RESULTS / "runs")[0]).values()
recorded = [run for run in finished if run.method == settings.method]
display.stacked([plots.curves(run) for run in recorded])

# %% [markdown]
# ## What to do with a run
#
# - `python evaluate.py` scores it on the test lists.
# - `python colorize.py old.jpg -o new.png --weights runs/NAME` colorizes with it.
# - `python train.py --run runs/NAME --resume` continues after an interruption and ends with the same bits.

# %%
folder.cleanup()
