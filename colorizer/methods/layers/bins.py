"""The 313 colors of which methods predict a distribution, and the grid on which they do. Needs no Keras.

From Zhang, Isola, Efros, Colorful Image Colorization, ECCV 2016, section 2.1.
"""

from __future__ import annotations

import numpy as np

STRIDE = 4  # pixels of the network's input to a cell of the logits' and the hints' grid, along a side; as in the paper

# The bins that occur in sRGB, on a grid of 10 Lab units: for each a, the first and the last b. It is the authors'
# published list; no simple rule for "inside sRGB" gives exactly these.
_ROWS = (
    (-90, 50, 90), (-80, 20, 90), (-70, 0, 90), (-60, -20, 90), (-50, -30, 100),
    (-40, -40, 100), (-30, -50, 100), (-20, -50, 100), (-10, -60, 100), (0, -70, 100),
    (10, -80, 90), (20, -80, 90), (30, -90, 90), (40, -100, 90), (50, -100, 80),
    (60, -110, 80), (70, -110, 80), (80, -110, 70), (90, -110, 70), (100, -90, 0),
)  # fmt: skip
BINS = np.array([(a, b) for a, first, last in _ROWS for b in range(first, last + 1, 10)], np.float32)  # (313, 2), Lab
