"""Does a judge of patches make better colors? Makes results/experiments/adversarial.jsonl.

    python -m experiments.adversarial --run results/experiments/choices/transfer_unet-choices-all

The decoder of a transfer U-Net is trained on for a few epochs: on its own loss alone, and with a share of being paid
for deceiving the patch discriminator of `methods.gan`, which learns beside it. What the judge is shown is the accurate
look before its smoothing, beside true colors averaged to the same quarter of the size. A line for each share, the
first one for the run as it was, compared as in `experiments/choices.py`: each with the temperature and gain that
serve it best.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

import keras
import numpy as np
from keras import ops

from colorizer import color, weights
from colorizer.config import TrainConfig, names
from colorizer.data import batches
from colorizer.evaluation import statistics
from colorizer.methods import gan, transfer_unet
from colorizer.methods.layers import color_bins
from colorizer.methods.layers.color_bins import STRIDE
from colorizer.training import initialization, loop
from experiments import choices, looks

SHARES = (0.0, 0.1, 0.5)  # of the discriminator's judgement in nats, beside the network's own loss of about 3.5
RATE = 1e-4  # of both networks at first, then down to nothing: a fifth of the highest that the run was trained with


class Judged(gan.Adversaries):
    """`gan.Adversaries` around a network whose output is a distribution over colors.

    Args:
        network: from `transfer_unet.build`.
        discriminator: from `gan.build_discriminator`.
        own: the network's own loss.
        share: of deceiving the discriminator beside it.
    """

    def __init__(self, network, discriminator, own, share):
        super().__init__(network, discriminator)
        self.own, self.share = own, share

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss of the network whose turn it is; in validation the network's own."""
        own = ops.mean(self.own.call(y, y_pred))
        if not training:
            return own
        l_norm = x[0]
        colors = self.shown(color_bins.annealed_mean(y_pred, 0.7) / color.AB_SCALE, l_norm)
        if self.turn == self.generator.name:
            deceived = gan.adversarial(self.discriminator([l_norm, colors], training=True), 1.0)
            return own + self.share * deceived
        true = self.shown(ops.average_pool(y, STRIDE, STRIDE), l_norm)
        judged = gan.adversarial(self.discriminator([l_norm, true], training=True), gan.REAL)
        made_up = self.discriminator([l_norm, ops.stop_gradient(colors)], training=True)
        return judged + gan.adversarial(made_up, 0.0)

    @staticmethod
    def shown(ab_norm, l_norm):
        """What the judge sees of colors a quarter of the size: (B, S, S, 3), as `gan.lab_norm_of`."""
        return gan.lab_norm_of(l_norm, ops.image.resize(ab_norm, l_norm.shape[1:3], interpolation="bilinear"))


def trained_on(run: str, share: float, epochs: int) -> weights.Trained:
    """The run's network after `epochs` more with a share of the judge."""
    begun = weights.load(run)
    recorded = {name: value for name, value in begun.config.items() if name in names()}
    config = dataclasses.replace(TrainConfig(**recorded), init_weights=run)
    data = loop.prepare(config, begun.method)
    keras.utils.set_random_seed(config.seed)
    network = initialization.network_of(config, begun.method, None)
    own = transfer_unet.DistributionLoss()
    begun.method.encoder_of(network).trainable = False  # or it forgets: results/experiments/choices.jsonl
    train = data.batches(
        data.train_rows,
        config,
        generator=batches.generator_of(config),
        tone_range=config.tone_range,
        shuffle=True,
        workers=config.workers,
    )
    rate = keras.optimizers.schedules.CosineDecay(RATE, epochs * len(train))
    if share:
        fitted = Judged(network, gan.build_discriminator(config.image_size), own, share)
        fitted.compile(optimizer=gan.AdamInTurns(rate, beta_1=0.5), jit_compile=False)
    else:
        fitted = network
        fitted.compile(optimizer=keras.optimizers.Adam(rate, beta_1=0.5), loss=own, jit_compile=False)
    for epoch in range(epochs):
        train.start_epoch(begun.config["epochs"] + epoch)
        logs = fitted.fit(train, epochs=1, shuffle=False, verbose=0).history
        print(f"share {share}, epoch {epoch + 1}: loss {logs['loss'][0]:.4f}", file=sys.stderr)
    return weights.Trained(begun.method, network, begun.config, begun.path)


def main(argv=None) -> None:
    """Prints a line for the run as it was and for every share."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.adversarial",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", required=True, help="a run of transfer_unet")
    parser.add_argument("--epochs", type=int, default=3, help="to go on for (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=125, help="validation pictures (default: %(default)s)")
    flags = parser.parse_args(argv)
    rgb_u8 = looks.pictures({"dataset": "coco"}, flags.limit)["coco"]
    of_grey, of_truth = choices.bounds(rgb_u8)
    base = None
    for share, epochs in ((None, 0), *((share, flags.epochs) for share in SHARES)):
        trained = trained_on(flags.run, share, epochs) if epochs else weights.load(flags.run)
        found, psnr = choices.measure(trained, rgb_u8, of_grey + choices.MARGIN, of_truth)
        base = psnr if base is None else base
        low, high = statistics.bootstrap_interval(psnr - base)
        told = {"share": share, "epochs": epochs, "pictures": len(rgb_u8), "psnr_grey": of_grey}
        told |= found | {"minus_base": float(np.mean(psnr - base)), "low": low, "high": high}
        print(json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in told.items()}), flush=True)


if __name__ == "__main__":
    main()
