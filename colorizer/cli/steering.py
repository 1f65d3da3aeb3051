"""The flags with which colors are asked for: hints, a reference, several versions."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from colorizer import atomic_files
from colorizer.errors import HintError, PhotoError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from colorizer.inference.colorizer import Colorizer
    from colorizer.inference.steered_photo import FileSteering
    from colorizer.methods import Method
    from colorizer.steering.hint import Hint
    from colorizer.steering.sidecar import Sidecar

BESIDE = "beside"
MOST_SAMPLES = 20
STRIP_HEIGHT = 360  # pixels of the versions side by side


def add_options(parser: argparse.ArgumentParser, many: bool = False) -> None:
    """Adds the flags to those of `colorize.add_options`.

    Args:
        parser: of the command.
        many: whether the command is for many photos: the flags for one are refused then, and no help names them.
    """
    add = parser.add_argument_group("colors that you ask for (docs/steer.md)").add_argument

    def for_one(text: str) -> str:
        return argparse.SUPPRESS if many else text

    add(
        "--hint",
        action="append",
        default=[],
        metavar="X,Y,#RRGGBB",
        help=for_one("the color of the place X,Y, in pixels of the photo as it is shown; once for each place"),
    )
    beside = f"{BESIDE}: for each photo.jpg those of photo.jpg.hints.json, if there is one"
    add(
        "--hints",
        metavar=BESIDE if many else f"FILE|{BESIDE}",
        help=beside if many else f"hints from a file; {beside}",
    )
    add("--save-hints", metavar="FILE", help=for_one("write all hints of one photo, to have the same result again"))
    add("--reference", metavar="PHOTO", help="a photo in color, for what looks the same in it")
    versions = "N versions of one photo: OUT-1 (automatic), OUT-2, ... and a strip"
    add("--samples", type=int, metavar="N", help=for_one(versions))


def check_options(parser: argparse.ArgumentParser, flags: argparse.Namespace) -> None:
    """Exits with 2 where these flags do not go together or a hint is none."""
    if flags.samples is not None and not 2 <= flags.samples <= MOST_SAMPLES:
        parser.error(f"--samples lies between 2 and {MOST_SAMPLES}. Received: {flags.samples}")
    others = {"--save-hints": flags.save_hints, "--reference": flags.reference, "--dry-run": flags.dry_run}
    if flags.samples and any(others.values()):
        parser.error(
            f"--samples takes hints, but not {', '.join(others)}; each version gets a file of its own hints. "
            f"Received: {', '.join(name for name, value in others.items() if value)}"
        )
    for typed in flags.hint:
        from colorizer.steering import hint

        try:
            hint.parse(typed)
        except HintError as error:
            parser.error(f"--hint: {error}")


@dataclass(frozen=True)
class Asked:
    """The colors that the flags ask for.

    Attributes:
        typed: hints of `--hint`.
        sidecar: of `--hints FILE`.
        beside: whether each photo's own sidecar is read.
        reference: of `--reference`.
        save: of `--save-hints`.
    """

    typed: list[Hint] = field(default_factory=list)
    sidecar: Sidecar | None = None
    beside: bool = False
    reference: Path | None = None
    save: Path | None = None

    def hints_of(self, source: Path, height: int, width: int) -> list[Hint]:
        """The hints of one photo.

        Args:
            source: its file.
            height, width: of the photo as it is shown.

        Raises:
            HintError: its sidecar cannot be used.
        """
        from colorizer.steering import sidecar

        given = self.sidecar
        if self.beside and os.path.exists(path := sidecar.beside(source)):  # Path.exists raises for too long a name
            given = sidecar.read(path)
        return [*(given.on(height, width) if given else []), *self.typed]

    def for_files(self, network: Colorizer) -> FileSteering | None:
        """What `Colorizer.colorize_files` takes; None where nothing is asked for.

        Raises:
            HintError, PhotoError: the reference cannot be used.
        """
        if self == Asked():
            return None
        from colorizer.inference.steered_photo import FileSteering

        reference = network.steer(self.reference) if self.reference else None
        return FileSteering(self.hints_of, reference, self._write if self.save else None)

    def _write(self, source: Path, hints: Sequence[Hint], height: int, width: int) -> None:
        from colorizer.steering import sidecar

        sidecar.write(self.save, hints, height, width)


def check_method(flags: argparse.Namespace, method: Method) -> None:
    """Refuses what the method of the weights cannot do.

    Args:
        flags: of `add_options`; those of other commands may lack.
        method: from `methods.declared`.

    Raises:
        UsageError: it has no encoder for a reference, or no distribution for several versions.
    """
    if getattr(flags, "reference", None) and not method.uses_encoder:
        raise UsageError(f"--reference needs weights with an encoder. Received: those of {method.title}")
    if getattr(flags, "samples", 0) and not method.predicts_bins:
        raise UsageError(f"--samples needs weights that predict a distribution. Received: those of {method.title}")


def check_files(flags: argparse.Namespace, pairs: Sequence[tuple[Path, Path]]) -> Asked:
    """Reads what the flags name, without loading a backend.

    Args:
        flags: with the fields of `add_options`.
        pairs: source and target of each photo.

    Raises:
        UsageError: flags for one photo and several photos; a file for hints that cannot be written, or would replace
            another file; the reference cannot be read, has no colors, or would be replaced.
        HintError: a file of hints cannot be used, or a hint lies outside of the photo.
    """
    from colorizer import photos
    from colorizer.steering import hint, sidecar

    file = flags.hints if flags.hints != BESIDE else None
    for name, value in _for_one(flags, file).items():
        if value and len(pairs) != 1:
            raise UsageError(f"{name} is for one photo. Received: {len(pairs)}. {_instead(name)}")
    if flags.save_hints:
        _check_saved(Path(flags.save_hints), pairs[0][1])
    if flags.reference:
        _check_reference(flags.reference)
        if flags.overwrite:
            _check_kept(flags.reference, [target for _, target in pairs])
    typed = [hint.parse(one) for one in flags.hint]
    asked = Asked(
        typed,
        sidecar.read(file) if file else None,
        flags.hints == BESIDE,
        Path(flags.reference) if flags.reference else None,
        Path(flags.save_hints) if flags.save_hints else None,
    )
    if typed or asked.sidecar:
        try:
            size = photos.shown_size(pairs[0][0])
        except PhotoError:  # a photo that cannot be read fails later, as all do
            size = None
        if size:
            hint.require_inside(asked.hints_of(pairs[0][0], *size), *size)
    return asked


def refuse_films(flags: argparse.Namespace) -> None:
    """Refuses hints and a reference for films.

    Raises:
        UsageError: something is asked for.
    """
    if flags.hint or flags.hints or flags.reference or flags.save_hints or flags.samples:
        raise UsageError("--hint, --hints, --save-hints, --reference and --samples are for photos. Received: a film.")


def check_for_many(flags: argparse.Namespace) -> None:
    """Refuses what is for one photo.

    Raises:
        UsageError: such a flag is there.
    """
    file = flags.hints if flags.hints != BESIDE else None
    for name in [name for name, value in _for_one(flags, file).items() if value]:
        raise UsageError(f"{name} is for one photo. Received: a folder or a bucket. {_instead(name)}")
    if flags.reference:
        _check_reference(flags.reference)


def _for_one(flags: argparse.Namespace, file: str | None) -> dict[str, object]:
    """The flags that are for one photo, and their values."""
    return {"--hint": flags.hint, "--hints FILE": file, "--save-hints": flags.save_hints, "--samples": flags.samples}


def _instead(name: str) -> str:
    """What to do for several photos in place of a flag that is for one."""
    if name in ("--hint", "--hints FILE"):
        return f"For several take --hints {BESIDE}."
    return "Colorize each photo by a command of its own."


def _check_saved(path: Path, target: Path) -> None:
    """Refuses a file for hints that cannot be written, or whose place another file has or will have."""
    from colorizer.cli import file_plan

    if reason := atomic_files.obstacle(path.parent):
        raise UsageError(f"--save-hints: {reason}. Received: {path}. Choose another file.")
    if file_plan.identity(path) == file_plan.identity(target):
        raise UsageError(f"--save-hints and -o name one file. Received: {path}. Choose another file.")
    if path.exists() and not _is_sidecar(path):
        raise UsageError(f"--save-hints replaces nothing but a file of hints. Received: {path}. Choose another file.")


def _is_sidecar(path: Path) -> bool:
    from colorizer.steering import sidecar

    try:
        return path.is_file() and bool(sidecar.read(path))
    except HintError:
        return False


def _check_reference(path: str) -> None:
    from colorizer import photos
    from colorizer.steering import reference

    try:
        reference.require_colors(photos.read(path).rgb)
    except PhotoError as error:
        raise UsageError(f"--reference: {error}") from error
    except HintError as error:
        raise UsageError(f"--reference: {path}: {error}") from error


def _check_kept(reference: str, targets: Sequence[Path]) -> None:
    """Refuses to replace the reference."""
    from colorizer.cli import file_plan

    own = file_plan.identity(Path(reference))
    if replaced := [target for target in targets if file_plan.identity(target) == own]:
        raise UsageError(
            f"--overwrite would replace the reference. Received: --reference {reference}, and -o with {replaced[0]}. "
            "Choose another -o, or give a copy of the reference."
        )


def write_samples(
    flags: argparse.Namespace, source: Path, target: Path, asked: Asked, prog: str, *, load: Callable[[], Colorizer]
) -> int:
    """Writes several versions of one photo, their hints, and all of them side by side; returns the exit status.

    Args:
        flags: of `colorize`.
        source: the photo.
        target: the name that those of the versions are made from.
        asked: the hints that the flags name.
        prog: stands in front of messages.
        load: gives the network; it is asked when nothing is in the way.

    Raises:
        UsageError: a file of that name exists, or it is the photo or its file of hints.
        HintError: the photo has one version only, or a hint lies outside of it.
    """
    from colorizer import photos
    from colorizer.cli import file_plan, progress
    from colorizer.steering import sidecar

    names = [target.with_stem(f"{target.stem}-{number}") for number in range(1, flags.samples + 1)]
    strip = target.with_name(f"{target.stem}-strip.jpg")
    existing = [path for path in (*names, *map(sidecar.beside, names), strip) if os.path.exists(path)]
    inputs = {file_plan.identity(Path(path)) for path in (source, flags.hints or source)}
    if replaced := [path for path in existing if file_plan.identity(path) in inputs]:
        raise UsageError(f"--samples would replace one of its inputs. Received: {replaced[0]}. Choose another -o.")
    if existing and not flags.overwrite:
        raise UsageError(f"{existing[0]} exists already. Choose another -o, or replace it with --overwrite.")
    try:
        photos.probe(source)
        small = [_small(rgb) for rgb in _versions(load(), flags, source, names, asked)]
        photos.write(strip, _side_by_side(small))
    except PhotoError as error:
        progress.say_error(prog, error)
        return 1
    if len(small) < flags.samples:
        progress.say_error(prog, f"{source}: only {len(small)} versions differ")
    print(f"{source} -> {strip}")
    return 0


def _versions(
    network: Colorizer, flags: argparse.Namespace, source: Path, names: Sequence[Path], asked: Asked
) -> Iterator[np.ndarray]:
    """Writes the versions of a photo and their hints, and yields the pixels of each: (H, W, 3)."""
    from colorizer import photos
    from colorizer.steering import sidecar

    photo = photos.read(source)
    size = photo.rgb.shape[:2]
    steered, own = network.steer(photo.rgb), asked.hints_of(source, *size)
    for name, hints in zip(names, steered.samples(len(names), own, strength=flags.strength), strict=False):
        rgb = steered.colorized(hints, flags.strength)
        sidecar.write(sidecar.beside(name), hints, *size)
        photos.write(name, photos.with_pixels(photo, rgb), quality=flags.quality)
        print(f"{source} -> {name}")
        yield rgb


def _small(rgb):
    import cv2

    from colorizer import images

    width = max(1, round(rgb.shape[1] * STRIP_HEIGHT / rgb.shape[0]))
    return cv2.resize(images.to_uint8(rgb), (width, STRIP_HEIGHT), interpolation=cv2.INTER_AREA)


def _side_by_side(pictures):
    """Pictures of one size in a row, with white between them."""
    import numpy as np

    gap = np.full((STRIP_HEIGHT, 6, 3), 255, np.uint8)
    return np.hstack([part for picture in pictures for part in (picture, gap)][:-1])
