"""How far every pixel is from one of them, along the path of least cost over eight neighbors.

Rows pass their distances on downwards and upwards, columns to the right and to the left, until nothing becomes shorter.
A round is a hundredth of a second of NumPy; photos need about eight. The distances are those of Dijkstra's algorithm,
but for a few that are a little longer. SciPy has that algorithm, but is not needed to colorize.
"""

from __future__ import annotations

import numpy as np

MOST_ROUNDS = 40  # a path that turns back more often stays a little too long
SHORTER = 0.1  # a round that shortens no distance by more is the last


class Steps:
    """The costs of all steps between neighbors.

    Args:
        guide: (h, w, C) float32, what a picture is like in each place.
        length: cost of a step to the side where nothing changes; on the diagonal it is 1.41 times as much.
        free: of a step's change, as a distance in `guide`, so much costs nothing.
    """

    def __init__(self, guide: np.ndarray, length: float, free: float):
        def cost(start, end, steps):
            change = np.linalg.norm(guide[start] - guide[end], axis=-1)
            return (np.maximum(change - free, 0) + length * steps).astype(np.float32)

        upper, lower, every = slice(None, -1), slice(1, None), slice(None)
        across = cost((every, upper), (every, lower), 1)
        down = cost((upper, every), (lower, every), 1)
        falling = cost((upper, upper), (lower, lower), 2**0.5)  # to the right and down
        rising = cost((upper, lower), (lower, upper), 2**0.5)  # to the left and down
        self._rows = down, falling, rising
        self._columns = across.T.copy(), falling.T.copy(), rising.T.copy()
        self.shape = guide.shape[:2]

    def distances(self, row: int, column: int, farthest: float) -> np.ndarray:
        """The cost of the cheapest path from a pixel to each.

        Args:
            row, column: the pixel.
            farthest: longer paths are not looked for.

        Returns:
            (h, w) float32, at most `farthest`.
        """
        far = np.full(self.shape, np.inf, np.float32)
        far[row, column] = 0
        for _ in range(MOST_ROUNDS):
            before = np.minimum(far, farthest)
            _pass_on(far, *self._rows)
            turned = far.T.copy()
            # Transposed, what goes to the right and down still does; what went to the left and down goes up.
            _pass_on(turned, *self._columns)
            far = turned.T.copy()
            if np.max(before - far) < SHORTER and np.isfinite(far).all():
                break
        return np.minimum(far, farthest)


def _pass_on(far: np.ndarray, straight: np.ndarray, falling: np.ndarray, rising: np.ndarray) -> None:
    """Shortens the distances of each row by those of the row above it, then by those of the row below it.

    Args:
        far: (h, w), changed in place.
        straight, falling, rising: (h-1, w), (h-1, w-1), (h-1, w-1), costs between a row and the next.
    """
    last = len(far) - 1
    for row in range(last):
        here, there = far[row], far[row + 1]
        np.minimum(there, here + straight[row], out=there)
        np.minimum(there[1:], here[:-1] + falling[row], out=there[1:])
        np.minimum(there[:-1], here[1:] + rising[row], out=there[:-1])
    for row in range(last, 0, -1):
        here, there = far[row], far[row - 1]
        np.minimum(there, here + straight[row - 1], out=there)
        np.minimum(there[:-1], here[1:] + falling[row - 1], out=there[:-1])
        np.minimum(there[1:], here[:-1] + rising[row - 1], out=there[1:])
