"""Colorizes a folder with the network of Zhang, Isola, Efros (ECCV 2016) in PyTorch, with random weights.

    python -m benchmarks.zhang_pytorch FOLDER OUT          what a person waits for, from the shell
    python -m benchmarks.zhang_pytorch FOLDER OUT --warm   the same, timed after one photograph

Only its speed is of interest, so the weights are random: their colors mean nothing. It reads, joins and writes
photographs as this package does, which is faster than the authors' demo. The network is built from the paper's table
and `colorizer.methods.colorful`; no code of theirs is used. It needs PyTorch and none of Keras.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from torch import nn

from colorizer import color, photos
from colorizer.inference import full_size

SIDE = 256  # pixels, the paper's
BINS = 313
# Of conv1 to conv7: convolutions, channels, stride of the last one, dilation.
BLOCKS = ((2, 64, 2, 1), (2, 128, 2, 1), (3, 256, 2, 1), (3, 512, 1, 1), (3, 512, 1, 2), (3, 512, 1, 2), (3, 512, 1, 1))


def build() -> nn.Module:
    """The network: L* (B, 1, S, S) -> logits (B, 313, S/4, S/4)."""
    layers, channels = [], 1
    for count, filters, stride, dilation in BLOCKS:
        for index in range(count):
            last = stride if index == count - 1 else 1
            layers += [nn.Conv2d(channels, filters, 3, last, dilation, dilation), nn.ReLU()]
            channels = filters
        layers.append(nn.BatchNorm2d(filters))
    layers += [nn.ConvTranspose2d(channels, 256, 4, 2, 1), nn.ReLU()]
    for _ in range(2):
        layers += [nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(256, BINS, 1)).eval()


class Zhang2016:
    """The network, and the mean of its distribution in place of the annealed one, which costs the same."""

    def __init__(self):
        torch.manual_seed(0)
        self._network, self._colors = build(), torch.rand(BINS, 2) - 0.5

    def ab_norm(self, rgb):
        """(H, W, 3) uint8 sRGB -> (S, S, 2) float32, ab/128."""
        from colorizer import images

        l = color.rgb_to_lab(images.resize_square(images.to_uint8(rgb), SIDE))[..., 0]
        with torch.inference_mode():
            logits = self._network(torch.from_numpy(l)[None, None] / 100 - 0.5)
            ab = torch.einsum("bchw,cd->bdhw", logits.softmax(1), self._colors)
            ab = nn.functional.interpolate(ab, scale_factor=4, mode="bilinear", align_corners=False)
        return ab[0].permute(1, 2, 0).contiguous().numpy()


def main() -> int:
    """Colorizes, and prints photographs per second as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--warm", action="store_true")
    flags = parser.parse_args()
    flags.out.mkdir(parents=True, exist_ok=True)
    files, network = sorted(flags.folder.iterdir()), Zhang2016()

    def colorize(path):
        photo = photos.read(path)
        photos.write(flags.out / path.name, full_size.merge(photo.rgb, network.ab_norm(photo.rgb)))

    if flags.warm:
        colorize(files[0])
    began = time.perf_counter()
    for path in files:
        colorize(path)
    print(json.dumps({"photos_per_second": len(files) / (time.perf_counter() - began)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
