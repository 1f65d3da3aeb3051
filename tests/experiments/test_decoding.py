"""The experiment on decoding: what the weights of the loss do to odds, and how they are taken away."""

import numpy as np

from colorizer.methods import colorful
from experiments import decoding


def test_dividing_the_weights_out_gives_the_odds_that_the_loss_is_least_for():
    rng = np.random.default_rng(0)
    true = rng.dirichlet(np.ones(313))
    of_colors = colorful.rebalance(rng.dirichlet(np.ones(313))).astype(np.float64)
    # Where one color has the weight w and the odds p, -sum(p w ln q) is least at q = p w / sum(p w).
    learned = np.log(true * of_colors / (true * of_colors).sum())
    odds = np.exp(decoding.unweighted(learned, of_colors))
    np.testing.assert_allclose(odds / odds.sum(), true, rtol=1e-6)
