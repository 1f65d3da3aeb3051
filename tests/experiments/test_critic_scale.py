"""The experiment on the critic: it is judged on pictures that it has not seen, pair by pair."""

import numpy as np
import pytest

from experiments import critic


def seen(count: int, faded: float) -> critic.Seen:
    """Pictures whose predicted colors are the true ones, faded."""
    rng = np.random.default_rng(count)
    true = rng.normal(0, 0.2, (count, 8, 8, 2)).astype(np.float32)
    tokens = rng.normal(size=(count, 2, 2, 8)).astype(np.float16)
    return critic.Seen(rng.uniform(-1, 1, (count, 8, 8, 1)).astype(np.float32), true, true * faded, tokens)


@pytest.mark.parametrize(("faded", "least", "most"), [(0.1, 0.9, 1.0), (1.0, 0.0, 0.0)])
def test_pairs_are_in_order_only_if_the_colors_differ(monkeypatch, faded, least, most):
    monkeypatch.setattr(critic, "RATE", 3e-3)
    first, last = critic.lines(seen(64, faded), seen(40, faded), 10.0, (1, 60), seed=0)
    assert (first["steps"], last["steps"], last["held_out"], last["color_scale"]) == (1, 60, 40, 10.0)
    assert least <= last["pictures"] <= most and least <= last["patches"] <= most
