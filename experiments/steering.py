"""What hints and a reference do, measured on photographs.

    python -m experiments.steering measure FOLDER > results/experiments/steering.jsonl
    python -m experiments.steering true FOLDER --given 1 10 100
    python -m experiments.steering objects FOLDER --limit 40 >> results/experiments/steering.jsonl
    python -m experiments.steering series FOLDER >> results/experiments/steering.jsonl
    python -m experiments.steering thinned FOLDER --limit 4 >> results/experiments/steering.jsonl

`measure` takes the color photographs of a folder. Hints: places and colors drawn by lot, each alone on its photograph.
A reference of the same series: two cuts of a photograph that overlap, one of them darkened by a gamma of 1.25; the
other is colored. A foreign reference: every pair of different photographs.

`true` takes the color photographs of a folder and hints of their true colors at places drawn by lot: the gain in PSNR
over no hint, as the program does and with large changes of what is far from all hints.

`objects` takes the color photographs of a folder at 256 pixels, and regions of one true color (those of the blotch
measure). In each photograph up to three of them, drawn by lot, get a hint of their true color at the place that is
farthest from their edges, each alone: does the color reach the whole region, and stop at its edges?

`series` takes the films in color of a folder: a real series with known colors. In each shot of more than 2 seconds the
first frame is colored with the frame 2 seconds later, and with the last one up to 10 seconds later, as its reference;
and with the first frame of every other film, which should change nothing.

`thinned` colors the series of two cuts at `--size 896`, with at most 256 hints, as the program does, and with all.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import unittest.mock
from pathlib import Path

import cv2
import numpy as np
from skimage.color import deltaE_ciede2000

from colorizer import Colorizer, Hint, color, photos
from colorizer.evaluation import metrics
from colorizer.evaluation.perceptual import blotches
from colorizer.inference import steered_photo
from colorizer.inference.steered_photo import SteeredPhoto
from colorizer.steering import likely, reference

HINTS = 8  # on each photograph
CHROMA = (15, 45)  # Lab units, of the colors that are asked for
DARK = 20.0  # L*: below, the levels of 8 bits are several units of CIEDE2000 apart
CHANGED = 3.0  # Lab units of ab: a place has changed
OBJECTS = 3  # regions of a photograph that get a hint
SEEN = 256  # pixels of the longer side, for regions
BESIDE = 10  # pixels around a region, of which those of another true color must keep their own
ANOTHER = 15.0  # Lab units of ab from a region's color: another color
LARGE, EVERY = 896, 10**9  # pixels; more hints than there are


def _line(measure: str, **numbers) -> None:
    rounded = {key: round(value, 3) if isinstance(value, float) else value for key, value in numbers.items()}
    print(json.dumps({"measure": measure} | rounded), flush=True)


def _ab(rgb: np.ndarray) -> np.ndarray:
    return color.rgb_to_lab(rgb)[..., 1:]


def hints(library: Colorizer, pictures: dict[str, np.ndarray]) -> None:
    """One line: how well single hints are kept, and how far they reach."""
    rng = np.random.default_rng(0)
    differences, dark, areas, lights, spills = [], [], [], [], []
    for rgb in pictures.values():
        photo, (height, width) = library.steer(rgb), rgb.shape[:2]
        automatic = photo.colorized()
        for _ in range(HINTS):
            x, y = int(rng.uniform(0.05, 0.95) * width), int(rng.uniform(0.05, 0.95) * height)
            light = float(color.rgb_to_lab(rgb[y : y + 1, x : x + 1])[0, 0, 0])
            angle, chroma = rng.uniform(0, 2 * np.pi), rng.uniform(*CHROMA)
            hint = Hint(x, y, likely.named(np.array([np.cos(angle), np.sin(angle)]) * chroma, light))
            colored = photo.colorized([hint])
            lab, own = color.rgb_to_lab(colored), color.rgb_to_lab(rgb)[..., 0]
            differences.append(float(deltaE_ciede2000([own[y, x], *hint.ab], lab[y, x])))
            dark.append(light < DARK)
            lights.append(float(np.percentile(np.abs(lab[..., 0] - color.rgb_to_lab(automatic)[..., 0]), 99)))
            change = np.linalg.norm(_ab(colored) - _ab(automatic), axis=-1)
            areas.append(float((change > CHANGED).mean()))
            l = photo.canvas.l
            row, column = photo.canvas.place(hint)
            unlike = np.abs(cv2.resize(l, (width, height)) - l[row, column]) > 30
            spills.append(float((change[unlike] > CHANGED).mean()) if unlike.any() else 0.0)
    _line(
        "hints",
        hints=len(differences),
        ciede2000_median=float(np.median(differences)),
        ciede2000_largest=max(differences),
        over_5=int(np.sum(np.array(differences) > 5)),
        over_5_where_l_is_over_20=int(np.sum((np.array(differences) > 5) & ~np.array(dark))),
        luminance_changed_99th_percentile=float(np.median(lights)),
        area_changed_median=float(np.median(areas)),
        area_changed_90th_percentile=float(np.percentile(areas, 90)),
        changed_where_luminance_differs_by_30=float(np.mean(spills)),
    )


def true_hints(library: Colorizer, pictures: dict[str, np.ndarray], numbers: list[int]) -> None:
    """A line for each number of hints: what true colors at random places are worth."""
    rng, near = np.random.default_rng(0), steered_photo.without_leaps
    photo = {name: library.steer(rgb) for name, rgb in pictures.items()}
    automatic = {name: metrics.psnr_rgb(rgb, photo[name].colorized()) for name, rgb in pictures.items()}
    for number in numbers:
        gains = {"psnr_gain": [], "psnr_gain_with_leaps": []}
        for name, rgb in pictures.items():
            places = rng.uniform(0, rgb.shape[1::-1], (number, 2))
            given = [Hint(x, y, "#" + bytes(rgb[int(y), int(x)]).hex()) for x, y in places.tolist()]
            for measure, rule in (("psnr_gain", near), ("psnr_gain_with_leaps", lambda ab, *_: ab)):
                steered_photo.without_leaps = rule
                gains[measure].append(metrics.psnr_rgb(rgb, photo[name].colorized(given)) - automatic[name])
        steered_photo.without_leaps = near
        _line("true hints", photos=len(pictures), hints=number, **{k: float(np.mean(v)) for k, v in gains.items()})


def objects(library: Colorizer, pictures: dict[str, np.ndarray]) -> None:
    """One line: how much of a true hint's effect falls inside the region it lies on, and what becomes of the rest."""
    rng, rows = np.random.default_rng(0), []
    for rgb in pictures.values():
        scale = SEEN / max(rgb.shape[:2])
        rgb = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        labels, photo = blotches.regions(rgb), library.steer(rgb)
        for number in rng.permutation(labels.max() + 1)[:OBJECTS]:
            rows.append(_on_object(rgb, photo, labels == number))
    mean = {name: float(np.nanmean([row[name] for row in rows])) for name in rows[0]}
    _line("true hints on regions of one color", photos=len(pictures), hints=len(rows), **mean)


def _on_object(rgb: np.ndarray, photo: SteeredPhoto, inside: np.ndarray) -> dict[str, float]:
    """What a hint of a region's true color changes.

    Args:
        rgb: (H, W, 3) uint8, the truth.
        photo: the same.
        inside: (H, W) bool, the region.
    """
    truth = color.rgb_to_lab(rgb)
    depth = cv2.distanceTransform(np.pad(inside, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    ab = truth[inside][:, 1:].mean(axis=0)
    hint = Hint(int(x), int(y), likely.named(ab, float(truth[y, x, 0])))
    before, after = (color.rgb_to_lab(photo.colorized(given)) for given in ((), [hint]))
    change, *errors = (deltaE_ciede2000(*pair) for pair in ((before, after), (truth, before), (truth, after)))
    around = cv2.dilate(inside.astype(np.uint8), np.ones((2 * BESIDE + 1,) * 2, np.uint8)) > 0
    other = np.linalg.norm(truth[..., 1:] - ab, axis=-1) > ANOTHER
    numbers = {
        "area": inside.mean(),
        "share_of_change_inside": change[inside].sum() / max(change.sum(), 1e-6),
        "mean_change_inside": change[inside].mean(),
        "mean_change_outside": change[~inside].mean(),
    }
    for name, where in (("inside", inside), ("outside", ~inside), ("beside", around & ~inside & other)):
        for when, error in zip(("automatic", "hinted"), errors, strict=True):
            numbers[f"ciede2000_{name}_{when}"] = error[where].mean() if where.any() else np.nan
    outside_before, outside_after = (error[~inside].mean() for error in errors)
    return numbers | {"outside_worse_by_half": float(outside_after > outside_before + 0.5)}


def _cuts(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two overlapping cuts of a photograph; the second is darker."""
    height, width = rgb.shape[:2]
    first = np.ascontiguousarray(rgb[: height * 4 // 5, : width * 3 // 4])
    lab = color.rgb_to_lab(np.ascontiguousarray(rgb[height * 3 // 20 :, width // 4 :]))
    lab[..., 0] = 100 * (lab[..., 0] / 100) ** 1.25
    return first, color.lab_to_rgb(lab)


def references(library: Colorizer, pictures: dict[str, np.ndarray]) -> None:
    """Two lines: a reference of the same series, and a foreign one."""
    cuts = {name: _cuts(rgb) for name, rgb in pictures.items()}
    photo = {name: library.steer(first) for name, (first, _) in cuts.items()}
    other = {name: library.steer(second) for name, (_, second) in cuts.items()}
    errors, counts = [], []
    for name, (first, _) in cuts.items():
        given = photo[name].hints_from(other[name])
        counts.append(len(given))
        errors.append([_error(first, photo[name], one) for one in ((), given)])
    automatic, referred = np.mean(errors, axis=0)
    _line(
        "reference of the same series",
        pairs=len(cuts),
        with_hints=sum(map(bool, counts)),
        hints_median=float(np.median(counts)),
        ab_error_automatic=float(automatic),
        ab_error_with_reference=float(referred),
    )
    given = [len(photo[a].hints_from(other[b])) for a, b in itertools.permutations(cuts, 2)]
    _line("foreign reference", pairs=len(given), changed=sum(map(bool, given)), hints_largest=max(given))


def thinned(library: Colorizer, pictures: dict[str, np.ndarray]) -> None:
    """Two lines: a reference at a large size, with as many hints as the program takes and with all."""
    cuts, large = [_cuts(rgb) for rgb in pictures.values()], library.with_look(library.look, LARGE)
    pairs = [[large.steer(rgb) for rgb in both] for both in cuts]
    for most in (reference.MOST, EVERY):
        with unittest.mock.patch.object(reference, "MOST", most):
            given = [photo.hints_from(other) for photo, other in pairs]
        errors = [_error(rgb, photo, one) for (rgb, _), (photo, _), one in zip(cuts, pairs, given, strict=True)]
        _line(
            f"reference at size {LARGE}, {'all hints' if most == EVERY else f'at most {most} hints'}",
            pairs=len(pairs),
            hints_median=float(np.median([len(one) for one in given])),
            ab_error_with_reference=float(np.mean(errors)),
        )


def _error(rgb: np.ndarray, photo: SteeredPhoto, given) -> float:
    """Mean distance of ab to the truth."""
    return float(np.linalg.norm(_ab(rgb) - _ab(photo.colorized(given)), axis=-1).mean())


def series(library: Colorizer, folder: Path) -> None:
    """A line for each film and distance in seconds, and one for references out of other films."""
    first: dict[str, SteeredPhoto] = {}
    for path in sorted(folder.iterdir()):
        for number, (near, far) in enumerate(_shots(path)):
            photo = library.steer(near[1])
            first.setdefault(path.name, photo)
            for seconds, rgb in far:
                _series_line(f"{path.name}, shot {number + 1}", seconds - near[0], photo, library.steer(rgb))
    changes, given = [], []
    for a, b in itertools.permutations(first, 2):
        hints_of_b = first[a].hints_from(first[b])
        given.append(len(hints_of_b))
        changes.append(metrics.ciede2000(first[a].colorized(hints_of_b), first[a].colorized()))
    _line(
        "reference out of another film",
        pairs=len(given),
        changed=sum(map(bool, given)),
        ciede2000_mean_change=float(np.mean(changes)),
    )


def _series_line(film: str, seconds: float, photo: SteeredPhoto, reference: SteeredPhoto) -> None:
    given = photo.hints_from(reference)
    numbers = {}
    for name, some in (("automatic", ()), ("with_reference", given)):
        colored = photo.colorized(some)
        numbers[f"psnr_{name}"] = float(metrics.psnr_rgb(photo.rgb, colored))
        numbers[f"ciede2000_{name}"] = float(metrics.ciede2000(photo.rgb, colored))
    _line(f"reference out of the same shot: {film}", seconds=round(seconds, 1), hints=len(given), **numbers)


def _shots(path: Path):
    """Of each shot of more than 2 seconds its first frame, and those 2 and up to 10 seconds later, with the seconds."""
    import av

    from colorizer.film import carry
    from colorizer.film.probe import probe
    from colorizer.film.reader import Reader

    film, begin = probe(path), 0.0
    for last in carry.shot_ends(Reader(film).frames()):
        end = float(last.time * film.time_base)
        if end - begin > 2:
            frames = []
            with av.open(str(path)) as container:
                for frame in container.decode(video=0):
                    if begin - 1e-3 <= frame.time <= min(end, begin + 10) + 1e-3:
                        frames.append((frame.time, frame))
            later = [next(pair for pair in frames if pair[0] >= frames[0][0] + 2 - 1e-3), frames[-1]]
            later = later if later[1][0] - later[0][0] > 1 else later[:1]
            yield _rgb(*frames[0]), [_rgb(*pair) for pair in later]
        begin = end + float(last.duration * film.time_base)


def _rgb(seconds: float, frame) -> tuple[float, np.ndarray]:
    return seconds, frame.to_ndarray(format="rgb24")


def main(argv=None) -> int:
    """Measures; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.steering", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("measure", "true", "objects", "series", "thinned"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", help="default: the shipped ones")
    parser.add_argument("--given", type=int, nargs="+", default=[1, 10], metavar="N", help="hints in `true`")
    parser.add_argument("--limit", type=int, default=24, help="photographs (default: %(default)s)")
    flags = parser.parse_args(argv)
    library = Colorizer.load(flags.weights) if flags.weights else Colorizer()
    if flags.what == "series":
        series(library, flags.folder)
        return 0
    paths = [path for path in sorted(flags.folder.iterdir()) if photos.is_photo_name(path)][: flags.limit]
    read = {path.name: photos.read(path).rgb for path in paths}
    if flags.what in ("objects", "thinned"):
        {"objects": objects, "thinned": thinned}[flags.what](library, read)
        return 0
    if flags.what == "true":
        true_hints(library, read, flags.given)
        return 0
    hints(library, read)
    references(library, read)
    return 0


if __name__ == "__main__":
    sys.exit(main())
