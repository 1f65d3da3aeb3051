"""Do the colors of a film hold still? Carried along the flow against frame by frame.

    python -m experiments.film > results/experiments/film.jsonl
    python -m experiments.film --clips DIR      also the films of a folder
    python -m experiments.film --animation docs/film.webp

Clips that are made here from scikit-image's photographs: a window that pans over one, a cut-out of one that moves over
another, a still, all with grain. There the true movement and the true colors are known. For films of a folder the flow
by plain Dense Inverse Search at their full size stands for the movement, where it leads there and back again.

A line for each distance of keys sums the clips up: the mean of each measure against frame by frame, with its interval
over clips.

warp: mean change of ab (Lab units) along the movement from one frame to the next, where nothing is covered or
uncovered. ghost: mean error of ab where something has just been uncovered. Colorfulness: Hasler and Susstrunk's.
drift: CIEDE2000 between the colors of a still's frame 10 and its last. bleed: by how much a shot changes the one after
the cut.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from colorizer import color
from colorizer.evaluation import metrics, statistics
from colorizer.film import carry, flow, join, prediction

HEIGHT, WIDTH, FRAMES = 240, 320, 48
SPEED_FRAMES, ANIMATED_FRAMES = 100, 24
GRAIN = 3.0  # gray levels, standard deviation: every frame has its own
PANS = {"astronaut": (2.3, 1.1), "chelsea": (1.7, 0.4), "coffee": (3.1, 1.3), "rocket": (2.7, 0.9)}  # pixels a frame
HOME, ALIKE = 0.5, 6.0  # pixels and gray levels between where a movement leads there and back again
CUTOUTS = {f"{front} on {behind}": (front, behind) for front, behind in itertools.permutations(PANS, 2)}


@dataclass
class Picture:
    """A frame with what is known about it.

    Attributes:
        gray: (H, W) uint8.
        back: (h, w, 2) flow to the frame before, at the size of the maps; None where it is unknown.
        visible: (h, w) bool, whether the pixel was visible in the frame before.
        uncovered: (h, w) bool, whether the pixel has just been uncovered.
        truth: (h, w, 2) float32, true ab/128; None where it is unknown.
    """

    gray: np.ndarray
    back: np.ndarray | None = None
    visible: np.ndarray | None = None
    uncovered: np.ndarray | None = None
    truth: np.ndarray | None = None


def photograph(name: str) -> np.ndarray:
    """One of scikit-image's photographs, RGB uint8."""
    from skimage import data

    return getattr(data, name)()


def window(rgb: np.ndarray, left: float, top: float) -> np.ndarray:
    """(HEIGHT, WIDTH, 3) uint8 of a photograph at any place."""
    moved = np.float32([[1, 0, left], [0, 1, top]])
    return cv2.warpAffine(rgb, moved, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)


def grained(rgb: np.ndarray, rng: np.random.Generator, grain: float = GRAIN) -> np.ndarray:
    """A frame's gray levels with grain of its own."""
    gray = color.gray_of(rgb).astype(np.float32) + rng.normal(0, grain, rgb.shape[:2])
    return np.clip(np.rint(gray), 0, 255).astype(np.uint8)


def small(values: np.ndarray) -> np.ndarray:
    """At the size of the maps."""
    return cv2.resize(values, carry.map_size(HEIGHT, WIDTH)[::-1], interpolation=cv2.INTER_AREA)


def ab_of(rgb: np.ndarray) -> np.ndarray:
    """True colors at the size of the maps."""
    return small(color.rgb_to_l_ab(rgb)[1])


def pan(name: str, speed: tuple[float, float], frames: int = FRAMES, grain: float = GRAIN) -> Iterator[Picture]:
    """A window that moves over a photograph; a speed of 0 is a still."""
    rgb, rng = photograph(name), np.random.default_rng(0)
    height, width = carry.map_size(HEIGHT, WIDTH)
    scale = width / WIDTH
    back = np.full((height, width, 2), np.float32(speed) * scale)  # what is here now was further right before
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    visible = (x + back[..., 0] <= width - 1) & (y + back[..., 1] <= height - 1)
    for number in range(frames):
        frame = window(rgb, number * speed[0], number * speed[1])
        yield Picture(grained(frame, rng, grain), back, visible, None, ab_of(frame))


def cutout(front: str, behind: str, frames: int = FRAMES) -> Iterator[Picture]:
    """An ellipse of one photograph that moves over another, which stands still."""
    rng = np.random.default_rng(0)
    ground, thing = window(photograph(behind), 120, 60), window(photograph(front), 80, 20)
    height, width = carry.map_size(HEIGHT, WIDTH)
    scale, before = width / WIDTH, None
    for number in range(frames):
        x = 70 + 4.0 * number
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.ellipse(mask, (round(x), 120), (45, 70), 0, 0, 360, 255, -1)
        moved = cv2.warpAffine(thing, np.float32([[1, 0, x - 160], [0, 1, 0]]), (WIDTH, HEIGHT))
        frame = np.where(mask[..., None] > 0, moved, ground)
        inside = small(mask) > 250
        outside = small(mask) < 5
        back = np.zeros((height, width, 2), np.float32)
        back[inside, 0] = -4.0 * scale
        was_outside = before is not None and before[1]
        uncovered = outside & before[0] if before is not None else np.zeros_like(inside)
        visible = inside | (outside & was_outside)
        yield Picture(grained(frame, rng), back, visible, uncovered, ab_of(frame))
        before = inside, outside


def of_file(path: Path, frames: int) -> Iterator[Picture]:
    """The first frames of a film; movement as a plain search at full size finds it, not as the program does."""
    import av

    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    with av.open(str(path)) as container:
        before = None
        for number, frame in enumerate(container.decode(video=0)):
            if number >= frames:
                return
            gray = frame.to_ndarray(format="gray")
            height, width = carry.map_size(*gray.shape)
            back = visible = None
            if before is not None:
                sampler = flow.Flow(*gray.shape)
                back, ahead = search.calc(gray, before, None), search.calc(before, gray, None)
                round_trip = np.linalg.norm(back + sampler.sampled(ahead, sampler.grid + back), axis=-1)
                apart = gray.astype(np.float32) - sampler.sampled(before, sampler.grid + back)
                good = np.float32((round_trip < HOME) & (np.abs(cv2.blur(apart, (3, 3))) < ALIKE))
                back = cv2.resize(back, (width, height), interpolation=cv2.INTER_AREA) * np.float32(
                    width / gray.shape[1]
                )
                visible = cv2.resize(good, (width, height), interpolation=cv2.INTER_AREA) > 0.99
            yield Picture(gray, back, visible)
            before = gray


def measured(pictures: list[Picture], maps: list[np.ndarray]) -> dict:
    """The measures of one clip; None where the truth is unknown."""
    search = flow.Flow(*maps[0].shape[:2])
    warps, ghosts, errors = [], [], []
    for number, (picture, ab) in enumerate(zip(pictures, maps, strict=True)):
        if picture.truth is not None:
            error = np.linalg.norm(ab - picture.truth, axis=-1) * color.AB_SCALE
            errors.append(error.mean())
            if picture.uncovered is not None and picture.uncovered.any():
                ghosts.append(error[picture.uncovered].mean())
        if number and picture.back is not None and picture.visible.any():
            carried = search.sampled(maps[number - 1], search.grid + picture.back)
            change = np.linalg.norm(ab - carried, axis=-1) * color.AB_SCALE
            warps.append(change[picture.visible].mean())
    colors = []
    for picture, ab in list(zip(pictures, maps, strict=True))[::6]:
        l = join.lightness(cv2.resize(picture.gray, ab.shape[1::-1], interpolation=cv2.INTER_AREA))
        colors.append(metrics.colorfulness(color.merge(l, ab)))
    return {
        "warp": _mean(warps),
        "ghost": _mean(ghosts),
        "error": _mean(errors),
        "colorfulness": _mean(colors),
    }


def _mean(values: list) -> float | None:
    return round(float(np.mean(values)), 4) if values else None


def clips(folder: Path | None, frames: int) -> Iterator[tuple[str, list[Picture]]]:
    """(name, pictures) of every clip."""
    for name, speed in PANS.items():
        yield f"pan over {name}", list(pan(name, speed, frames))
    for name, (front, behind) in CUTOUTS.items():
        yield name, list(cutout(front, behind, frames))
    for path in sorted(folder.iterdir()) if folder else ():
        yield path.name, list(of_file(path, frames))


def compared(name: str, pictures: list[Picture], predict: Callable, every: list[int]) -> Iterator[dict]:
    """A line for frame by frame, and one for each distance of keys with the shares of it."""
    single = [predict(picture.gray) for picture in pictures]
    known = {id(picture.gray): ab for picture, ab in zip(pictures, single, strict=True)}
    base = measured(pictures, single)
    yield {"clip": name, "every": None, "keys": len(pictures), **base}
    for distance in every:
        results = list(carry.colored(pictures, lambda gray: known[id(gray)], every=distance))
        line = measured(pictures, [result.ab_norm for result in results])
        keys = sum(result.key is not None for result in results)
        shares = {f"{measure}_share": round(line[measure] / base[measure], 3) for measure in ("warp", "colorfulness")}
        yield {"clip": name, "every": distance, "keys": keys, **line, **shares}


def summed_up(lines: list[dict]) -> Iterator[dict]:
    """A line for each distance of keys: means over clips against frame by frame, each with its 95 % interval.

    Args:
        lines: from `compared`, of all clips.

    Yields:
        `every`, `clips` (how many) and `means_with_intervals`: measure -> mean, low, high. The shares are factors of
        frame by frame's; `ghost_above_frame_by_frame` is a difference in Lab units, over the clips that have a ghost.
    """
    single = {line["clip"]: line for line in lines if line["every"] is None}
    for every in dict.fromkeys(line["every"] for line in lines if line["every"] is not None):
        here = [line for line in lines if line["every"] == every]
        ghosts = [line["ghost"] - single[line["clip"]]["ghost"] for line in here if line["ghost"] is not None]
        each = {measure: [line[measure] for line in here] for measure in ("warp_share", "colorfulness_share")}
        each["ghost_above_frame_by_frame"] = ghosts
        means = {
            name: [round(value, 3) for value in (float(np.mean(values)), *statistics.bootstrap_interval(values))]
            for name, values in each.items()
            if values
        }
        yield {"clip": "all clips", "every": every, "clips": len(here), "means_with_intervals": means}


def drift(predict: Callable, frames: int) -> dict:
    """A still with grain: CIEDE2000 between early and late colors, on the luminance of one frame."""
    pictures = list(pan("coffee", (0, 0), frames))
    maps = [result.ab_norm for result in carry.colored(pictures, predict)]
    l = join.lightness(small(pictures[0].gray))
    early, late = (color.merge(l, ab) for ab in (maps[10], maps[-1]))
    single = [color.merge(l, predict(pictures[number].gray)) for number in (10, frames - 1)]
    return {
        "clip": f"still, {frames} frames",
        "every": carry.EVERY,
        "drift": round(metrics.ciede2000(early, late), 3),
        "drift_frame_by_frame": round(metrics.ciede2000(*single), 3),
    }


def bleed(predict: Callable) -> dict:
    """Two pans joined by a cut: the second's colors with and without the first."""
    one, other = list(pan("coffee", (2, 0), 12)), list(pan("chelsea", (2, 0), 12))
    joined = list(carry.colored(one + other, predict))
    alone = list(carry.colored(other, predict))
    pairs = zip(joined[len(one) :], alone, strict=True)
    most = max(float(np.abs(a.ab_norm - b.ab_norm).max()) for a, b in pairs)
    cuts = [number for number, result in enumerate(joined) if result.starts_shot]
    return {"clip": "cut", "every": carry.EVERY, "cuts_at": cuts, "bleed": round(most * color.AB_SCALE, 4)}


def joined(height: int, width: int) -> dict:
    """The joining of films against that of photographs: levels apart in Y', Cb and Cr, and milliseconds of each."""
    import av

    gray = cv2.resize(color.gray_of(photograph("astronaut")), (width, height), interpolation=cv2.INTER_CUBIC)
    ab = cv2.resize(ab_of(photograph("astronaut")), carry.map_size(height, width)[::-1])
    matrix = join.matrix_of(1)

    def whole():
        rgb = color.merge(join.lightness(gray), ab)
        return av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p", dst_colorspace="itu709")

    exact = [np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width] for plane in whole().planes]
    apart = [np.abs(a.astype(int) - b) for a, b in zip(exact, join.planes(gray, ab, matrix), strict=True)]
    times = {"merge": _milliseconds(whole), "film": _milliseconds(lambda: join.planes(gray, ab, matrix))}
    return {
        "clip": f"joining {width}x{height}",
        "levels_apart": [round(float(plane.mean()), 3) for plane in apart],
        "levels_apart_99": [float(np.percentile(plane, 99)) for plane in apart],
        "milliseconds": times,
    }


def _milliseconds(work: Callable[[], object]) -> float:
    work()
    spent = []
    for _ in range(10):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return round(min(spent) * 1e3, 2)


def speed(colorizer, every: int) -> dict:
    """Frames a second of a whole film at 640x480, decoding and encoding included, and CPU seconds a frame."""
    import av

    from colorizer.film.colorize import Settings, colorize

    rgb = cv2.resize(photograph("coffee"), (1000, 667))
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "film.mp4"), Path(folder, "color.mp4")
        with av.open(str(source), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
            for number in range(SPEED_FRAMES):
                cut = np.ascontiguousarray(rgb[60:540, 2 * number : 2 * number + 640])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(color.gray(color.rgb_to_lab(cut)[..., 0]))))
            container.mux(stream.encode(None))
        began, cpu = time.perf_counter(), time.process_time()
        result = colorize(colorizer, source, target, Settings(every=every))
        spent, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {
        "clip": "640x480 film",
        "every": every,
        "keys": result.keys,
        "frames_per_second": round(SPEED_FRAMES / spent, 1),
        "cpu_ms_per_frame": round(cpu / SPEED_FRAMES * 1e3, 1),
    }


def animation(predict: Callable, path: Path) -> None:
    """Writes a pan, gray beside colored, as an animated picture."""
    from PIL import Image

    pictures = list(pan("astronaut", (5, 1.9), ANIMATED_FRAMES, grain=0))
    shown = []
    for picture, result in zip(pictures, carry.colored(pictures, predict), strict=True):
        rgb = color.merge(join.lightness(picture.gray), result.ab_norm)
        pair = np.hstack([np.repeat(picture.gray[..., None], 3, axis=2), rgb])
        shown.append(Image.fromarray(cv2.resize(pair, (560, 210), interpolation=cv2.INTER_AREA)))
    shown += shown[-2:0:-1]  # and back
    shown[0].save(path, save_all=True, append_images=shown[1:], duration=80, loop=0, quality=36, method=6)


def main(argv=None) -> None:
    """Prints a JSON line for every measurement."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.film", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="shipped")
    parser.add_argument("--clips", type=Path, metavar="DIR", help="a folder of films, besides those made here")
    parser.add_argument("--every", type=int, nargs="+", default=[1, 4, 8, 16], metavar="N", help="frames between keys")
    parser.add_argument("--frames", type=int, default=FRAMES, help="of each clip (default: %(default)s)")
    parser.add_argument("--still", type=int, default=300, help="frames of the still (default: %(default)s)")
    parser.add_argument("--animation", type=Path, metavar="FILE", help="only write a pan before and after, as WebP")
    flags = parser.parse_args(argv)
    from colorizer import Colorizer

    colorizer = Colorizer(flags.weights)
    predict = prediction.predictor(colorizer)
    if flags.animation:
        animation(predict, flags.animation)
        return

    def say(line: dict) -> None:
        print(json.dumps(line), flush=True)

    for size in ((480, 640), (1080, 1920)):
        say(joined(*size))
    say(bleed(predict))
    say(drift(predict, flags.still))
    for every in flags.every:
        say(speed(colorizer, every))
    lines = []
    for name, pictures in clips(flags.clips, flags.frames):
        for line in compared(name, pictures, predict, flags.every):
            say(line)
            lines.append(line)
    for line in summed_up(lines):
        say(line)


if __name__ == "__main__":
    main()
