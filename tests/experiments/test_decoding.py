"""The experiment on decoding: what the weights of the loss do to odds, and how they are taken away."""

import numpy as np

from colorizer.methods import colorful
from experiments import decoding


def test_dividing_the_weights_out_gives_the_odds_that_the_loss_is_least_for():
    rng = np.random.default_rng(0)
    true = rng.dirichlet(np.ones(313))
    class_weights = colorful.rebalance(rng.dirichlet(np.ones(313))).astype(np.float64)
    # Where one color has the weight w and the odds p, -sum(p w ln q) is least at q = p w / sum(p w).
    learned = np.log(true * class_weights / (true * class_weights).sum())
    odds = np.exp(decoding.unweighted(learned, class_weights))
    np.testing.assert_allclose(odds / odds.sum(), true, rtol=1e-6)
