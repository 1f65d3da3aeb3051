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
# # 5. Colorize your photos
#
# Runs on a laptop's CPU, without a download, and on Colab ("File", "Upload notebook"). On Colab, write the public
# address of this repository into the next cell: the package is then installed from git. Elsewhere leave it empty. An
# "Open in Colab" badge needs that address too; it is not known yet, so there is none.

# %% tags=["parameters"]
REPOSITORY = ""  # on Colab: the address to clone from
PHOTOS = []  # paths of your photos; empty: upload on Colab, else photos that scikit-image installs
STRENGTH = 1.0  # 0 is gray, 1 is what the network predicts

# %%
import importlib.util
import subprocess
import sys

COLAB = "google.colab" in sys.modules
if COLAB and importlib.util.find_spec("colorizer") is None:
    if not REPOSITORY:
        raise RuntimeError("Write the address of this repository into REPOSITORY above. Received: an empty text")
    command = [sys.executable, "-m", "pip", "install", "-q", f"keras-colorizer @ git+{REPOSITORY}"]
    subprocess.run(command, check=True)

# %%
from pathlib import Path

from colorizer import Colorizer, color, images, photos
from colorizer.data import sample
from colorizer.reporting.figures import display

if COLAB and not PHOTOS:
    from google.colab import files

    PHOTOS = list(files.upload())
PHOTOS = PHOTOS or [sample.photograph(name) for name in ("astronaut.png", "chelsea.png", "rocket.jpg")]

# %% [markdown]
# ## Before and after
#
# Left: the photo in gray, which is all that the network sees. Middle: `accurate`, cautious colors. Right: `vivid`,
# strong colors. The colors are likely ones, not those that were there.

# %%
accurate, vivid = Colorizer(look="accurate"), Colorizer(look="vivid")
opened = [photos.read(path) for path in PHOTOS]
grays = [color.gray(color.rgb_to_lab(images.to_uint8(photo.rgb))[..., 0]) for photo in opened]
display.rows(
    [
        [gray, accurate.colorize(photo, STRENGTH).rgb, vivid.colorize(photo, STRENGTH).rgb]
        for gray, photo in zip(grays, opened, strict=True)
    ]
)

# %% [markdown]
# ## Strength
#
# The first photo at 0, 0.25, 0.5, 0.75 and 1.

# %%
display.rows([[vivid.colorize(opened[0], step / 4).rgb for step in range(5)]], height=180)

# %% [markdown]
# ## Save and download
#
# The copies keep size, depth, EXIF and transparency.

# %%
COPIES = [Path("colored") / f"{number}-{Path(path).stem}.png" for number, path in enumerate(PHOTOS, 1)]
for photo, copy in zip(opened, COPIES, strict=True):
    vivid.colorize(photo, STRENGTH).save(copy)
    print(copy.as_posix())

# %%
if COLAB:
    for copy in COPIES:
        files.download(str(copy))

# %% [markdown]
# For whole folders: `python colorize.py album -o colored`. For a page in the browser: `python -m colorizer app`.
