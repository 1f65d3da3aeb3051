"""Several sets of pictures as one endless stream of samples, each set with a weight.

    sets, weights --> draws (set, picture, cycle) --> crop, flip --> luminance, made old in a third --> l_norm, ab

Which picture is drawn depends on the sample's number and the seed alone, so a stream can resume at any sample.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from colorizer import color, images
from colorizer.data import degradation
from colorizer.errors import DataError
from colorizer.methods.layers.bins import STRIDE

log = logging.getLogger(__name__)

BLOCK = 4096  # samples in which every set has its exact share
OLD_SHARE = 1 / 3  # of the samples whose luminance is made old
WHOLE_SHARE = 0.25  # of the samples that show the whole picture, squeezed to a square as evaluation does
# 0.6^2: 36 % of the largest square at least.
SMALLEST_CROP = 0.6  # of the shorter side
# exp(0.15) = 1.16: circles stay nearly round.
STRETCH = 0.15  # the most that a crop's aspect is changed by, as a logarithm


@dataclass(frozen=True)
class PictureSet:
    """A set of pictures and how often it is drawn.

    Attributes:
        name: for records.
        root: the folder.
        names: files relative to it.
        weight: its share of the samples, relative to the other sets' weights.
    """

    name: str
    root: Path
    names: tuple[str, ...]
    weight: float

    def read(self, name: str) -> np.ndarray:
        """Reads one of the pictures: (H, W, 3) uint8 sRGB.

        Raises:
            DataError: it cannot be read.
        """
        path = self.root / name
        try:
            str(path).encode()
            bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
        except UnicodeEncodeError:  # TRICKY: OpenCV ends the process on a name that is not UTF-8
            content = np.fromfile(path, np.uint8) if path.is_file() else np.empty(0, np.uint8)
            bgr = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
        except cv2.error:  # more pixels than it takes
            bgr = None
        if bgr is None:
            raise DataError(f"A picture cannot be read. Received: {path}. Remove it before a run starts, or repair it.")
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)

    def stamps(self) -> list[tuple[int, int] | None]:
        """Size and time of each file, which change with its pixels; None for a file that is gone."""
        files = (self.root / name for name in self.names)
        stats = (path.stat() if path.is_file() else None for path in files)
        return [stat and (stat.st_size, stat.st_mtime_ns) for stat in stats]


class Draw(NamedTuple):
    """One sample: the set's index, the picture's row in the set, and how often the picture was drawn before."""

    set_index: int
    row: int
    cycle: int


class Sample(NamedTuple):
    """What a network learns from.

    Attributes:
        l_norm: (S, S, 1) float32, -1..1, perhaps made old.
        ab_norm: (S/4, S/4, 2) float32, ab/128, means over squares of pixels.
        border: (S/4, S/4, 1) float32, 1 where a pixel belongs to a border, which has no color; else 0.
    """

    l_norm: np.ndarray
    ab_norm: np.ndarray
    border: np.ndarray


class Mixture:
    """Several sets as one stream.

    Args:
        sets: not empty, with pictures in each.
        image_size: side of the samples, a multiple of 16.
        seed: of the order, the crops and the degradations.
        augmentations_per_image: how many different samples a picture gives; None for another one in every cycle.

    Raises:
        DataError: a set has no pictures, or too little weight to be drawn, or two have one name.
    """

    def __init__(
        self,
        sets: Sequence[PictureSet],
        image_size: int,
        seed: int = 42,
        augmentations_per_image: int | None = None,
    ):
        for one in sets:
            if not one.names or one.weight <= 0:
                raise DataError(
                    f"A set needs pictures and a weight above 0. Received: {one.name}, {len(one.names)} pictures, "
                    f"weight {one.weight}. Leave the set out."
                )
        if not sets:
            raise DataError("A mixture needs sets of pictures. Received: none. Name one.")
        names = [one.name for one in sets]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DataError(f"Each set has a name of its own, for the record. Received twice: {', '.join(twice)}")
        self.sets, self.image_size, self.seed = tuple(sets), image_size, seed
        self.augmentations_per_image = augmentations_per_image
        self._unreadable: set[str] = set()  # that were warned about
        self._starts = np.cumsum([0, *(len(one.names) for one in sets)])
        shares = np.array([one.weight for one in sets]) / sum(one.weight for one in sets) * BLOCK
        self._counts = np.floor(shares).astype(int)
        for index in np.argsort(self._counts - shares)[: BLOCK - self._counts.sum()]:  # the largest rests
            self._counts[index] += 1
        if never := [one.name for one, count in zip(sets, self._counts, strict=True) if not count]:
            raise DataError(
                f"Of {BLOCK:,} samples each set needs one at least. Received: weights that give none to "
                f"{', '.join(never)}. Give more weight, or leave the set out."
            )

    def __len__(self) -> int:
        """How many different pictures there are."""
        return int(self._starts[-1])

    def number(self, draw: Draw) -> int:
        """The picture's number among all pictures of all sets, from 0."""
        return int(self._starts[draw.set_index] + draw.row)

    def augmentation(self, draw: Draw) -> int:
        """The number of the augmentation that a picture gets in this draw, from 0."""
        return draw.cycle % self.augmentations_per_image if self.augmentations_per_image else draw.cycle

    def draw(self, sample: int) -> Draw:
        """The draw of sample number `sample`, from 0; the same for the same seed and sets."""
        block, place = divmod(sample, BLOCK)
        set_index, turn = _block(self.seed, block, tuple(self._counts))[place]
        pictures = len(self.sets[set_index].names)
        cycle, position = divmod(block * int(self._counts[set_index]) + int(turn), pictures)
        return Draw(int(set_index), int(_order(self.seed, int(set_index), cycle, pictures)[position]), cycle)

    def sample(self, draw: Draw) -> Sample:
        """Reads, crops, flips and perhaps ages a picture.

        Args:
            draw: from `draw`.

        Returns:
            A `Sample`; the same for the same draw, seed and number of augmentations. If the picture cannot be read,
            the next one of its set that can takes its place: one damaged file must not end a training of days.

        Raises:
            DataError: no picture of the set can be read.
        """
        rng = np.random.default_rng((self.seed, draw.set_index, draw.row, self.augmentation(draw)))
        picture = self._readable(self.sets[draw.set_index], draw.row)
        l_norm, ab_norm = color.rgb_to_l_ab(cropped(picture, self.image_size, rng))
        border = np.zeros(l_norm.shape[:2], bool)
        if rng.random() < OLD_SHARE:
            l_norm, border = degradation.aged(l_norm, rng)
            # A frame of paper has no color to learn.
            ab_norm[border] = 0
        # The truth at the size of the logits, averaged by area.
        size = (self.image_size // STRIDE,) * 2
        ab_norm = cv2.resize(ab_norm, size, interpolation=cv2.INTER_AREA)
        share = cv2.resize(border.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        return Sample(l_norm, ab_norm, (share > 0).astype(np.float32)[..., None])

    def _readable(self, one: PictureSet, row: int) -> np.ndarray:
        """The picture of a row, or of the next one that can be read: (H, W, 3) uint8."""
        for name in (*one.names[row:], *one.names[:row]):
            try:
                return one.read(name)
            except DataError as error:
                # Its place in the list stays: a resumed run must have the same pictures.
                if name not in self._unreadable:
                    log.warning("%s The next one takes its place.", error)
                self._unreadable.add(name)
        raise DataError(f"None of its pictures can be read. Received: the set {one.name}, {one.root}")


# Four blocks: two threads read ahead, and a batch may lie across two.
@functools.lru_cache(maxsize=4)
def _block(seed, block, counts):
    """(set, turn) of every sample of a block, in its order: (BLOCK, 2)."""
    # 0 in the seed: the order of sets in a block.
    pairs = np.concatenate([np.column_stack([np.full(n, i), np.arange(n)]) for i, n in enumerate(counts)])
    return np.random.default_rng((seed, 0, block)).permutation(pairs)


# An order for each set and cycle that is in use; 64 permutations of 60,000 pictures are 31 MB.
@functools.lru_cache(maxsize=64)
def _order(seed, set_index, cycle, pictures):
    """The order of a set's pictures in one cycle."""
    # 1 in the seed: the order of pictures in a cycle, in which each comes once.
    return np.random.default_rng((seed, 1, set_index, cycle)).permutation(pictures)


def cropped(picture: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A random crop as a square, mirrored in half of the cases; in a quarter of them it is the whole picture.

    Args:
        picture: (H, W, 3) uint8.
        side: of the result.
        rng: the source of all draws.

    Returns:
        (side, side, 3) uint8.
    """
    height, width = picture.shape[:2]
    if rng.random() >= WHOLE_SHARE:
        # Of the shorter side, so that a crop fits in every picture.
        crop = min(height, width) * rng.uniform(SMALLEST_CROP, 1)
        # Half of it on each side: the area stays that of the square. Its logarithm is drawn, so wide and tall are
        # alike.
        stretch = np.exp(rng.uniform(-STRETCH, STRETCH) / 2)
        rows, columns = (min(max(int(n), 1), most) for n, most in ((crop * stretch, height), (crop / stretch, width)))
        top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
        picture = picture[top : top + rows, left : left + columns]
    picture = images.resize_square(picture, side)
    # Mirrored in half of the cases: left and right mean nothing for colors.
    return np.ascontiguousarray(picture[:, ::-1]) if rng.random() < 0.5 else picture
