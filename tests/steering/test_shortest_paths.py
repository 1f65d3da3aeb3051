"""Distances along cheapest paths: those of Dijkstra's algorithm, also through a maze."""

import cv2
import numpy as np
import pytest

from colorizer.steering.shortest_paths import Steps


def dijkstra(guide, length, free, row, column):
    """SciPy's distances on the same costs."""
    from scipy import sparse
    from scipy.sparse import csgraph

    height, width = guide.shape[:2]
    index = np.arange(height * width).reshape(height, width)
    starts, ends, costs = [], [], []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        start = slice(0, height - down), slice(max(0, -right), width - max(0, right))
        end = slice(down, height), slice(max(0, right), width + min(0, right))
        change = np.linalg.norm(guide[start] - guide[end], axis=-1)
        costs.append((np.maximum(change - free, 0) + length * np.hypot(down, right)).ravel())
        starts.append(index[start].ravel())
        ends.append(index[end].ravel())
    pairs = np.concatenate(starts), np.concatenate(ends)
    graph = sparse.csr_matrix((np.concatenate(costs), pairs), (index.size, index.size))
    return csgraph.dijkstra(graph, directed=False, indices=row * width + column).reshape(height, width)


def cloudy():
    noise = np.random.default_rng(0).uniform(0, 30, (60, 80, 3)).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def maze():
    """Walls with a gap, left and right in turn."""
    guide = np.zeros((60, 80, 1), np.float32)
    guide[4::8] = 50
    for number, row in enumerate(range(4, 60, 8)):
        guide[row, -3:-1] = 0 if number % 2 else 50
        guide[row, 1:3] = 50 if number % 2 else 0
    return guide


@pytest.mark.parametrize("guide", [cloudy(), maze()], ids=["cloudy", "maze"])
@pytest.mark.parametrize("start", [(0, 0), (30, 41), (59, 79)])
def test_distances_are_those_of_dijkstra(guide, start):
    expected = dijkstra(guide, 0.01, 0.05, *start)
    difference = Steps(guide, 0.01, 0.05).distances(*start, 1e6) - expected
    assert difference.min() > -1e-3 and difference.max() < 0.1 and difference.mean() < 0.01


def test_a_line_and_a_pixel_have_distances():
    assert Steps(np.zeros((1, 5, 1), np.float32), 1, 0).distances(0, 1, 2.5).tolist() == [[1, 0, 1, 2, 2.5]]
    assert Steps(np.zeros((1, 1, 1), np.float32), 1, 0).distances(0, 0, 9).tolist() == [[0]]
