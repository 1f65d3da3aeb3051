"""Scores a decoder on validation pictures: squares of 256 pixels, measured as in evaluation."""

from __future__ import annotations

import cv2
import keras
import numpy as np
from keras import ops

from colorizer import color
from colorizer.evaluation import metrics
from colorizer.images import resize_square
from colorizer.methods.layers import hints, token_decoder
from colorizer.methods.layers.bins import BINS, STRIDE
from colorizer.training.long.mixture import PictureSet

SIDE = 256  # of the squares that are scored
# Small: the encoder's activations of ten pictures stay below those of a training step of 16.
BATCH = 10


class Squares:
    """Validation pictures with an encoder's features of them, in memory.

    Args:
        pictures: the set.
        encoder: from `backbone.token_encoder`, for squares of `image_size`.
        image_size: side of the network's input.
        given: how many random true hints are given.

    Raises:
        DataError: a picture cannot be read.
    """

    def __init__(self, pictures: PictureSet, encoder: keras.Model, image_size: int, given: int = 0):
        self.rgb = [resize_square(pictures.read(name), SIDE) for name in pictures.names]
        l_norm = [color.rgb_to_l_ab(rgb)[0] for rgb in self.rgb]
        resized = [cv2.resize(l, (image_size, image_size), interpolation=cv2.INTER_AREA) for l in l_norm]
        self.l_norm = np.stack(resized)[..., None]
        # To a multiple of ten, so that one shape is compiled.
        filled = np.concatenate([self.l_norm, np.zeros((-len(self.l_norm) % BATCH, *self.l_norm.shape[1:]))])
        parts = [encoder.predict_on_batch(filled[i : i + BATCH]) for i in range(0, len(filled), BATCH)]
        self.tokens = np.concatenate(parts)[: len(self.l_norm)].astype(np.float16)
        side = image_size // STRIDE
        self.ab_norm = np.stack(
            [cv2.resize(color.rgb_to_l_ab(rgb)[1], (side, side), interpolation=cv2.INTER_AREA) for rgb in self.rgb]
        )
        mask = np.zeros((len(self.rgb), side, side, 1), np.float32)
        # A fixed seed: every checkpoint is given hints at the same places.
        rng = np.random.default_rng(0)
        for picture in mask:
            picture[tuple(rng.integers(side, size=(2, given)))] = 1
        self.hints = ops.convert_to_numpy(hints.make_hints(self.ab_norm, mask))

    def score(self, decoder: keras.Model) -> dict[str, float]:
        """Loss and squared error at the logits' size, and the PSNR of the mean color with the true luminance.

        Args:
            decoder: from `token_decoder.build`.

        Returns:
            `val_loss`, `val_mse` (ab/128) and `val_psnr` (dB), means over the pictures.
        """
        loss, rows = token_decoder.Loss(), []
        for start in range(0, len(self.rgb), BATCH):
            part = slice(start, start + BATCH)
            logits = decoder.predict_on_batch([self.l_norm[part], self.tokens[part], self.hints[part]])
            losses = ops.convert_to_numpy(loss.call(self.ab_norm[part], logits))
            errors = ops.convert_to_numpy(token_decoder.mse(self.ab_norm[part], logits))
            means = ops.convert_to_numpy(ops.matmul(ops.softmax(logits, axis=-1), BINS)) / color.AB_SCALE
            for rgb, mean, *others in zip(self.rgb[part], means, losses, errors, strict=True):
                guess = color.merge(color.rgb_to_lab(rgb)[..., 0], mean)
                rows.append((*others, metrics.psnr_rgb(rgb, guess)))
        return dict(zip(("val_loss", "val_mse", "val_psnr"), np.mean(rows, axis=0).tolist(), strict=True))
