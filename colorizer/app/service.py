"""What the web page does with files, without the page: photographs in, coloured copies and previews out.

Everything happens below one folder of its own, which `sweep` keeps small and which the page
removes when it ends.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from colorizer import color, photos, weights
from colorizer.errors import ClassifierError, PhotoError, WeightsError, WorkError
from colorizer.inference import colorizer

logger = logging.getLogger(__name__)

RUNS = Path("results/runs")
PREVIEW_SIDE = 1200  # pixels: what a screen shows; the download has them all
MAX_FILES = 50  # at once
EXAMPLES = ("chelsea", "coffee", "rocket", "motorcycle_left")  # photographs that scikit-image installs


@dataclass(frozen=True)
class Result:
    """What became of some uploaded files.

    Attributes:
        before, after: JPEG previews of the first photograph that went well, at most `PREVIEW_SIDE` wide and high.
        download: its coloured copy at full size; of several files, a ZIP with all copies.
        report: one line, and one more for each file that failed or could not be kept whole.
    """

    before: Path
    after: Path
    download: Path
    report: str


class Workbench:
    """Colorizes uploaded files with any of several networks.

    Args:
        networks: label -> `inference.Colorizer`; the first one is the default.
        folder: where previews and results go.
        max_pixels: larger photographs are refused.

    Source: ours.
    """

    def __init__(self, networks: dict[str, colorizer.Colorizer], folder: Path, max_pixels: int):
        self.networks, self.folder, self.max_pixels = networks, folder, max_pixels
        # One at a time: the network uses every core there is, and two photographs need twice the memory.
        self._turn = threading.Lock()

    def colorize(self, sources: Sequence[str | Path], label: str, strength: float) -> Result:
        """Colorizes files.

        Args:
            sources: uploaded files, at most `MAX_FILES`, of any content.
            label: a key of `networks`.
            strength: of the colours, 0..1.

        Returns:
            A `Result`; a file that fails does not stop the others.

        Raises:
            WorkError: no file, too many, or none of them could be colorized.

        Source: ours.
        """
        if label not in self.networks:
            raise WorkError(f"A method is one of {', '.join(self.networks)}. Received: {label}")
        if not 0 <= strength <= 1:
            raise WorkError(f"The strength lies between 0 and 1. Received: {strength}")
        if not 1 <= len(sources) <= MAX_FILES:
            raise WorkError(f"Between 1 and {MAX_FILES} photographs at once. Received: {len(sources)}")
        # A name that nobody guesses: who knows the path of a file here can fetch it.
        folder = self.folder / f"result-{secrets.token_hex(16)}"
        folder.mkdir()
        previews, copies, failed, notes = None, [], [], []
        for source in map(Path, sources):
            target = _free_name(folder, source)
            try:
                before, noted = self._one(source, target, self.networks[label], strength)
            except PhotoError as error:
                failed.append(f"{source.name}: {error.reason}")
                continue
            copies.append(target)
            notes += [f"{source.name}: {note}" for note in noted]
            if previews is None:
                previews = [folder / name for name in ("before.preview.jpg", "after.preview.jpg")]
                photos.write(previews[0], before)
                photos.write(previews[1], _preview(photos.read(target, self.max_pixels)))
        if not copies:
            folder.rmdir()
            raise WorkError("\n".join(failed))
        download = copies[0] if len(sources) == 1 else _zipped(folder / "coloured.zip", copies)
        report = "\n".join([f"{len(copies)} of {len(sources)} colorized", *failed, *notes])
        return Result(*previews, download, report)

    def _one(self, source: Path, target: Path, network: colorizer.Colorizer, strength: float):
        """Colorizes one file; returns its preview in grey, and lines about what could not be kept."""
        with self._turn:
            photo = photos.read(source, self.max_pixels)
            before = _preview(photo)
            del photo  # `colorize_files` reads it again, with all that the file says besides
            (outcome,) = network.colorize_files([(source, target)], 1, strength)
            if outcome.error:
                raise PhotoError(source, outcome.error)
        return color.grey(color.rgb_to_lab(before)[..., 0]), outcome.notes


def _free_name(folder: Path, source: Path) -> Path:
    """Where the copy of an upload goes; two uploads of one name get two."""
    suffix = photos.written_suffix(source)
    target, count = folder / f"{source.stem}-colour{suffix}", 1
    while target.exists():
        count += 1
        target = folder / f"{source.stem}-colour-{count}{suffix}"
    return target


def _preview(photo: photos.Photo):
    """A photograph at most `PREVIEW_SIDE` wide and high: (h, w, 3) uint8 sRGB."""
    rgb = photos.to_uint8(photo.rgb)
    scale = PREVIEW_SIDE / max(rgb.shape[:2])
    size = [max(1, round(side * scale)) for side in rgb.shape[1::-1]]
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else rgb.copy()


def _zipped(path: Path, copies: list[Path]) -> Path:
    """One archive of all copies, which are removed; stored, for photographs are compressed already."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for copy in copies:
            archive.write(copy, copy.name)
            copy.unlink()
    return path


def load_networks(
    trained: Sequence[str | Path] | None = None, classifier: str | None = None
) -> dict[str, colorizer.Colorizer]:
    """The networks a page can offer.

    Args:
        trained: runs or weights files; None takes the shipped default and every run in results/runs that has weights.
        classifier: see `inference.Colorizer.load`.

    Returns:
        label -> `Colorizer`, one for each look; labels such as "EfficientNet-B4 (proposed), trained on coco". Those
        whose weights or classifier cannot be had are left out, and logged.

    Raises:
        WorkError: none is left; the message has the reason of each.

    Source: ours.
    """
    found = trained or [weights.DEFAULT, *(path.parent for path in sorted(RUNS.glob(f"*/{weights.BEST}")))]
    networks, missing = {}, []
    for name in dict.fromkeys(found):
        try:
            path = weights.place(name)
            network = colorizer.Colorizer.load(path, classifier)
        except (WeightsError, ClassifierError) as error:
            missing.append(f"{name}: {error}")
            continue
        for one in _looks(network):
            label = _label(path.parent, one)
            networks[label if label not in networks else f"{label} ({path.parent.name})"] = one
    if not networks:
        raise WorkError("\n".join(missing))
    for line in missing:
        logger.warning("not offered: %s", line)
    return networks


def _looks(network: colorizer.Colorizer) -> list[colorizer.Colorizer]:
    """The same network once for each look, its own first."""
    others = [look for look in network.method.looks if look != network.look]
    parts = (network.network, network.method, network.classifier, network.image_size)
    return [network, *(colorizer.Colorizer(*parts, look=look) for look in others)]


def _label(folder: Path, network: colorizer.Colorizer) -> str:
    """What the method chooser calls a network."""
    record = folder / "config.json"
    config = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    look = f", {network.look}" if network.look else ""
    return f"{network.method.title}{look}, trained on {config.get('dataset', folder.name)}"


def examples(folder: Path) -> list[Path]:
    """Grey photographs to try the page with.

    Args:
        folder: where they go; it is made.

    Returns:
        PNG files made from `EXAMPLES`, those that are installed.

    Source: scikit-image's data.
    """
    import skimage

    made = []
    for name in EXAMPLES:
        for path in sorted((Path(skimage.__file__).parent / "data").glob(f"{name}.*"))[:1]:
            made.append(folder / f"{name}.png")
            photos.write(made[-1], color.grey(color.rgb_to_lab(photos.read(path).rgb)[..., 0]))
    return made


def sweep(folder: Path, keep: Path, seconds: float) -> int:
    """Removes what nobody has touched for a while.

    Args:
        folder: the page's own.
        keep: a folder in it that stays.
        seconds: younger files stay.

    Returns:
        How many files were removed. Empty folders go as well.

    Source: ours; Gradio alone would keep every upload until it ends.
    """
    removed, now = 0, time.time()
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
        if path == keep or keep in path.parents:
            continue
        try:
            if now - path.lstat().st_mtime < seconds:
                continue
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()
                removed += 1
        except OSError:  # not empty, or gone meanwhile
            continue
    return removed
