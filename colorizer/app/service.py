"""What the web page does with files: photographs in, colored copies and previews out. Nothing of Gradio is in here.

Everything happens below one folder, see `storage`.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import threading
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from colorizer import color, images, photos, weights
from colorizer.app.storage import used_bytes
from colorizer.data import sample
from colorizer.errors import DataError, FilmError, PhotoError, WorkError
from colorizer.film.probe import is_film_name
from colorizer.inference import colorizer

PREVIEW_SIDE = 1200  # pixels: what a screen shows; the download has all of them
MAX_FILES = 50  # in one upload
# Of a frame, at least 640x480, times frames. Two cores colorize 31 frames of 640x480 a second, 10 where each is a key
# frame (results/experiments/film.md): others wait four minutes, or eleven at most. 30 seconds of 1920x1080 are allowed,
# and a quarter of that of 3840x2160.
MAX_CLIP_PIXELS = 2 * 10**9
EXAMPLES = ("chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")  # photographs that scikit-image installs
LABELS = {"vivid": "Vivid colors", "accurate": "Cautious colors", None: "Colors"}


@dataclass(frozen=True)
class Preview:
    """A photograph as the page shows it.

    Attributes:
        name: of the uploaded file.
        source: the uploaded file.
        before, after: JPEG files, at most `PREVIEW_SIDE` wide and high.
    """

    name: str
    source: Path
    before: Path
    after: Path


@dataclass(frozen=True)
class Result:
    """The result of one upload.

    Attributes:
        previews: of each photograph that could be colorized, at least one.
        download: the colored copy at full size; for several files, a ZIP with all copies.
        report: one line, and one more for each file that failed or was changed besides.
    """

    previews: list[Preview]
    download: Path
    report: str


class Workbench:
    """Colorizes uploaded files with one of several networks.

    Args:
        networks: label -> `Colorizer`; the first one is the default.
        folder: where previews and results go.
        max_pixels: larger photographs are refused.
        max_bytes: of everything in `folder`; beyond it nothing is colorized.
        max_clip_pixels: of all frames of a clip together, see `film.refuse_long`; longer clips are refused.
    """

    def __init__(
        self,
        networks: dict[str, colorizer.Colorizer],
        folder: Path,
        max_pixels: int,
        max_bytes: int = 2 * 2**30,
        max_clip_pixels: int = MAX_CLIP_PIXELS,
    ):
        self.networks, self.folder, self.max_pixels, self.max_bytes = networks, folder, max_pixels, max_bytes
        self.max_clip_pixels = max_clip_pixels
        # One at a time: the network uses all cores, and two photographs need twice the memory.
        self._turn = threading.Lock()
        self._ending = threading.Event()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for this piece of work's turn, and holds it while the block runs.

        Raises:
            WorkError: the page has ended.
        """
        with self._turn:
            self.require_open()
            yield

    def require_open(self) -> None:
        """Raises a `WorkError` if the page has ended."""
        if self._ending.is_set():
            raise WorkError("The page has ended.")

    def close(self) -> None:
        """Begins no more work, and waits for what is going on: a photo is finished, a clip stops at its next frame.

        Afterwards the folder can be removed: nothing writes into it any more.
        """
        self._ending.set()
        with self._turn:
            pass

    def colorize(self, sources: Sequence[str | Path], label: str, strength: float) -> Result:
        """Colorizes files.

        Args:
            sources: uploaded files, at most `MAX_FILES`, of any content.
            label: a key of `networks`.
            strength: of the colors, 0..1.

        Returns:
            A `Result`; a file that fails does not stop the others.

        Raises:
            WorkError: no file, too many, no room on the disk, or no file could be colorized.
        """
        if label not in self.networks:
            raise WorkError(f"A method is one of {', '.join(self.networks)}. Received: {label}")
        if not 0 <= strength <= 1:
            raise WorkError(f"The strength lies between 0 and 1. Received: {strength}")
        if not 1 <= len(sources) <= MAX_FILES:
            raise WorkError(f"Between 1 and {MAX_FILES} photographs at once. Received: {len(sources)}")
        self.require_room()
        # A name that nobody guesses: who knows the path of a file here can fetch it.
        folder = self.folder / f"result-{secrets.token_hex(16)}"
        try:
            folder.mkdir()
            return self._colorize([Path(source) for source in sources], folder, self.networks[label], strength)
        except OSError as error:  # a full disk: for this user a line, for the others nothing
            shutil.rmtree(folder, ignore_errors=True)
            raise WorkError(f"The results cannot be written: {error.strerror or error}") from error
        except WorkError:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def require_room(self) -> None:
        """Raises a `WorkError` if the folder is full."""
        if used_bytes(self.folder) > self.max_bytes:
            raise WorkError("The page has no room for results now: try again later.")

    def _colorize(self, sources: list[Path], folder: Path, network: colorizer.Colorizer, strength: float) -> Result:
        previews, copies, failed, notes = [], [], [], []
        for source in sources:
            target = _free_name(folder, source)
            try:
                preview, lines = self._one(source, target, network, strength)
            except (PhotoError, FilmError) as error:
                failed.append(f"{source.name}: {error.reason}")
                continue
            copies.append(target)
            previews.append(preview)
            notes += [f"{source.name}: {line}" for line in lines]
        if not copies:
            raise WorkError("\n".join(failed))
        download = copies[0] if len(sources) == 1 else _zipped(folder / "colored.zip", copies)
        report = "\n".join([f"{len(copies)} of {len(sources)} colorized", *failed, *notes])
        return Result(previews, download, report)

    def _one(
        self, source: Path, target: Path, network: colorizer.Colorizer, strength: float
    ) -> tuple[Preview, tuple[str, ...]]:
        """Colorizes one file: its preview, and lines about what could not be preserved."""
        if is_film_name(source):
            return self._clip(source, target, network, strength)
        preview = Preview(
            source.name, source, *(target.with_name(f"{target.name}.{when}.jpg") for when in ("before", "after"))
        )
        with self.turn():
            photo = photos.read(source, self.max_pixels)
            before = preview_of(photo)
            del photo  # `colorize_files` reads it again, with its metadata
            (outcome,) = network.colorize_files([(source, target)], 1, strength)
            if outcome.error:
                raise PhotoError(source, outcome.error)
            after = preview_of(photos.read(target, self.max_pixels))
            photos.write(preview.before, color.gray(color.rgb_to_lab(before)[..., 0]))
            photos.write(preview.after, after)
        return preview, outcome.notes

    def _clip(
        self, source: Path, target: Path, network: colorizer.Colorizer, strength: float
    ) -> tuple[Preview, tuple[str, ...]]:
        """Colorizes the beginning of a clip; its preview is a frame."""
        from colorizer.app.film import colorize_clip

        paths = [target.with_name(f"{target.name}.{when}.jpg") for when in ("before", "after")]
        with self.turn():
            before, after, notes = colorize_clip(
                network,
                source,
                target,
                strength=strength,
                max_pixels=self.max_pixels,
                max_clip_pixels=self.max_clip_pixels,
                progress=lambda _: self.require_open(),
            )
            photos.write(paths[0], color.gray(color.rgb_to_lab(before)[..., 0]))
            photos.write(paths[1], after)
        return Preview(source.name, paths[0], *paths), tuple(notes)


def _free_name(folder: Path, source: Path) -> Path:
    """Where the copy of an upload goes; two uploads of one name get two."""
    suffix = ".mp4" if is_film_name(source) else photos.written_suffix(source)
    target, count = folder / f"{source.stem}-color{suffix}", 1
    while target.exists():
        count += 1
        target = folder / f"{source.stem}-color-{count}{suffix}"
    return target


def preview_of(photo: photos.Photo):
    """A photograph at most `PREVIEW_SIDE` wide and high: (h, w, 3) uint8 sRGB."""
    rgb = images.to_uint8(photo.rgb)
    scale = PREVIEW_SIDE / max(rgb.shape[:2])
    size = [max(1, round(side * scale)) for side in rgb.shape[1::-1]]
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else rgb.copy()


def _zipped(path: Path, copies: list[Path]) -> Path:
    """Moves all copies into one archive, uncompressed: photographs are compressed already."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for copy in copies:
            archive.write(copy, copy.name)
            copy.unlink()
    return path


def load_networks(
    trained: Sequence[str | Path] = (weights.DEFAULT,),
    classifier: str | None = None,
    engine: str | None = None,
    size: int | None = None,
) -> dict[str, colorizer.Colorizer]:
    """The networks that a page offers.

    Args:
        trained: runs or weights files.
        classifier: see `Colorizer.load`.
        engine: see `Colorizer.load`.
        size: see `Colorizer`.

    Returns:
        label -> `Colorizer`, one for each look: "Vivid colors", "Cautious colors"; from the second weights on
        with the name of their folder: "Vivid colors (portraits)".

    Raises:
        WeightsError, ClassifierError: one of them cannot be loaded.
    """
    networks: dict[str, colorizer.Colorizer] = {}
    for name in dict.fromkeys(trained):
        folder = weights.place(name).parent
        for network in looks(colorizer.Colorizer.load(name, classifier, engine=engine, size=size)):
            label = LABELS.get(network.look, str(network.look))
            for place in (folder.name, folder):
                label = f"{label} ({place})" if label in networks else label
            networks[label] = network
    return networks


def looks(network: colorizer.Colorizer) -> list[colorizer.Colorizer]:
    """The same network once for each look, its own first."""
    return [network, *(network.with_look(look) for look in network.method.looks if look != network.look)]


def examples(folder: Path) -> list[Path]:
    """Gray photographs to try the page with.

    Args:
        folder: where they go; it is made.

    Returns:
        PNG files made from those of `EXAMPLES` that scikit-image has installed.
    """
    made = []
    for file in EXAMPLES:
        with contextlib.suppress(DataError, ModuleNotFoundError):  # the light installation has no scikit-image
            path = sample.photograph(file)
            made.append(folder / f"{path.stem}.png")
            photos.write(made[-1], color.gray(color.rgb_to_lab(photos.read(path).rgb)[..., 0]))
    return made
