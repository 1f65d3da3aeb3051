"""The data set `sample`: crops of the color photographs that scikit-image installs; it needs no network."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from PIL import Image

from colorizer import atomic_files
from colorizer.data.cache import cache_dir, once
from colorizer.errors import DataError

# All crops of a photograph are in one list, because they overlap.
PHOTOGRAPHS = {
    "train": ("astronaut.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg", "retina.jpg", "ihc.png"),
    "val": ("motorcycle_left.png",),
    "test": ("chelsea.png",),
}
SIDE = 256  # pixels: the paper's size
SHARE = 0.6  # side of a crop as a share of the photograph's shorter side
GRID = 3  # crops in a row and in a column


def make() -> Path:
    """Makes the data set in the user's cache, unless it is there.

    A photograph gives nine overlapping squares. Each has 60 % of its shorter side, at least 256 pixels, and
    is saved as PNG at 256x256. Six photographs are for training, the motorcycle for validation, the cat for testing.

    Returns:
        The folder `sample`; its lists are beside it in `splits`.

    Raises:
        DataError: scikit-image came without its photographs, or the disk is full.
    """
    folder = cache_dir() / "data" / "sample"

    def fill(unfinished: Path) -> None:
        for part, photographs in PHOTOGRAPHS.items():
            names = [name for file in photographs for name in _crops(file, unfinished)]
            atomic_files.write_text(folder.parent / "splits" / f"sample_{part}.txt", "\n".join(names) + "\n")

    return once(folder, fill)


def photograph(file: str) -> Path:
    """The path of a photograph that scikit-image installs, such as `chelsea.png`.

    Raises:
        DataError: it is not there.
    """
    path = Path(str(resources.files("skimage") / "data" / file))
    if not path.is_file():
        raise DataError(
            f"scikit-image should have installed {file}. Received: no such file. "
            "Run: pip install --force-reinstall scikit-image"
        )
    return path


def _crops(file: str, folder: Path) -> list[str]:
    """Writes a grid of square crops of one installed photograph; returns their names."""
    path = photograph(file)
    with Image.open(path) as opened:
        rgb = opened.convert("RGB")
    side = max(SIDE, int(SHARE * min(rgb.size)))
    names = []
    for index in range(GRID**2):
        steps = divmod(index, GRID)
        left, top = ((length - side) * step // (GRID - 1) for length, step in zip(rgb.size, steps, strict=True))
        crop = rgb.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.BOX)
        names.append(f"{path.stem}_{index}.png")
        crop.save(folder / names[-1])
    return names
