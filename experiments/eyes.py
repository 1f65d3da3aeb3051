"""A blind look at photographs without a truth: two or more weights side by side, their order drawn by lot.

    python -m experiments.eyes draw --weights old=shipped new=runs/NAME --output runs/eyes
    python -m experiments.eyes count runs/eyes

`draw` makes sheets: a row for each photograph, gray first, then a column A, B, ... for each of the weights. A lot
decides for every row anew which column has which weights. The lot is in key.json: do not open it. Look at the sheets,
and write one verdict into each line of verdicts.csv; of several faults the one that is seen first:

{verdicts}

`count` opens the key and counts the verdicts of each of the weights, with 95 % intervals (Wilson 1927). It compares
weights on the photographs where both were judged: how many pass with the one only, and how likely such a difference is
if both are equally good (sign test).
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import json
import os
import secrets
import string
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import stats

from colorizer import Colorizer, atomic_files, color, images, methods, photos, weights
from colorizer.data import datasets
from colorizer.errors import ColorizerError, UsageError

VERDICTS = {
    "pass": "one would take it for a color photograph",
    "pale": "hardly any color, no fault that one sees first",
    "clouds": "fault: clouds of color around faces or other things",
    "spots": "fault: spots on skin",
    "halves": "fault: one object in two colors",
    "green": "fault: green spotlights in trees or hair",
    "sepia": "fault: one brown over the whole picture, skin like the walls",
    "blue": "fault: blue on pale things (walls, sails, margins)",
    "other": "another fault; say which in the note",
}
FAULTS = tuple(name for name, meaning in VERDICTS.items() if meaning.startswith(("fault", "another")))
FILE, KEY = "verdicts.csv", "key.json"
FIELDS = ("list", "photo", "sheet", "row", "column", "verdict", "note")
GAP, HEAD, FOOT = 8, 24, 18  # pixels: between pictures, the line of column letters, the line below a row
LEVEL = 0.95


class Weights(NamedTuple):
    """One of the weights that are compared.

    Attributes:
        name: in the results.
        place: a run's folder, a weights file or a shipped name.
        look: one of the method's; None for its default.
    """

    name: str
    place: str
    look: str | None


class Row(NamedTuple):
    """One photograph of a sheet.

    Attributes:
        dataset: the list's name.
        photo: the file's name.
        pictures: gray, then one for each column: (h, w, 3) uint8 sRGB of one size.
    """

    dataset: str
    photo: str
    pictures: Sequence[np.ndarray]


def weights_of(texts: Sequence[str]) -> list[Weights]:
    """Reads `--weights`: NAME=WEIGHTS or NAME=WEIGHTS@LOOK each.

    Raises:
        UsageError: fewer than two, a name twice, or another form.
    """
    chosen = []
    for text in texts:
        name, equals, rest = text.partition("=")
        place, at, look = rest.rpartition("@")
        if not (name and equals and rest):
            raise UsageError(f"--weights takes NAME=WEIGHTS or NAME=WEIGHTS@LOOK. Received: {text}")
        chosen.append(Weights(name, place, look) if at else Weights(name, rest, None))
    names = [one.name for one in chosen]
    if not 2 <= len(set(names)) == len(names) <= len(string.ascii_uppercase):
        raise UsageError(f"--weights takes two weights or more, each with a name of its own. Received: {texts}")
    for one in chosen:  # what is missing is said before anything is loaded
        looks = methods.declared(weights.record_of(weights.place(one.place))["method"]).looks
        if one.look and one.look not in looks:
            raise UsageError(f"{one.place} has the looks {', '.join(looks) or '(none)'}. Received: @{one.look}")
    return chosen


def small(rgb: np.ndarray, side: int) -> np.ndarray:
    """A picture reduced to a longer side of at most `side`: (H, W, 3) uint8 or uint16 -> (h, w, 3) uint8."""
    rgb_u8 = images.to_uint8(rgb)
    size = rgb_u8.shape[1], rgb_u8.shape[0]
    scale = min(1.0, side / max(size))
    size = tuple(max(1, round(length * scale)) for length in size)
    return np.asarray(Image.fromarray(rgb_u8).resize(size, Image.Resampling.LANCZOS))


def colored(chosen: Weights, paths: Sequence[Path], side: int) -> list[np.ndarray]:
    """Colors photographs at their full size, then reduces them; see `small`."""
    colorizer = Colorizer.load(chosen.place, look=chosen.look)
    return [small(colorizer.colorize(path).rgb, side) for path in paths]


def gray(path: Path, side: int) -> np.ndarray:
    """A photograph without its colors; see `small`."""
    return small(color.gray(color.rgb_to_lab(images.to_uint8(photos.read(path).rgb))[..., 0]), side)


def lots(count: int, columns: int, seed: int) -> list[list[int]]:
    """Draws the order of the weights in each row: `count` permutations of 0..columns-1."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(columns).tolist() for _ in range(count)]


def sheet(rows: Sequence[Row], first: int, side: int) -> bytes:
    """Draws some photographs below each other.

    Args:
        rows: with the same number of pictures each, in the order of the columns.
        first: the number of the first row.
        side: the longest that a picture is.

    Returns:
        The bytes of a PNG: a JPEG would add spots of its own.
    """
    heights = [row.pictures[0].shape[0] + FOOT + GAP for row in rows]
    columns = len(rows[0].pictures)
    canvas = Image.new("RGB", (columns * (side + GAP) + GAP, HEAD + sum(heights)), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=14)
    for column, letter in enumerate(["gray", *string.ascii_uppercase[: columns - 1]]):
        draw.text((GAP + column * (side + GAP), 4), letter, "black", font)
    y = HEAD
    for number, (row, height) in enumerate(zip(rows, heights, strict=True), first):
        for column, picture in enumerate(row.pictures):
            canvas.paste(Image.fromarray(picture), (GAP + column * (side + GAP), y))
        draw.text((GAP, y + height - FOOT - GAP + 1), f"{number}   {row.dataset}/{row.photo}", "black", font)
        y += height
    stream = io.BytesIO()
    canvas.save(stream, "PNG")
    return stream.getvalue()


def listed(names: Sequence[str], data_dir: str | None, limit: int | None) -> list[tuple[str, str, Path]]:
    """The photographs of some lists: (list, name in it, file) each.

    Raises:
        DataError: a list is not here or holds no photograph.
    """
    pictures = []
    for name in names:
        dataset = datasets.find(name, data_dir and Path(data_dir) / name)
        pictures += [(dataset.name, file, dataset.root / file) for file in datasets.pictures(dataset.root)[:limit]]
    return pictures


def draw(flags: argparse.Namespace) -> None:
    """Makes sheets, the empty table of verdicts and the key."""
    folder = Path(flags.output)
    if (folder / FILE).exists():
        raise UsageError(f"--output has a {FILE}, which would be lost. Received: {folder}. Choose another folder.")
    if min(flags.per_sheet, flags.side) < 1 or (flags.limit is not None and flags.limit < 1):
        raise UsageError("--per-sheet, --side and --limit are 1 or more.")
    chosen = weights_of(flags.weights)
    listing = listed(flags.dataset, flags.data_dir, flags.limit)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    paths = [path for _, _, path in listing]
    by_weights = [colored(one, paths, flags.side) for one in chosen]
    seed = secrets.randbits(32) if flags.seed is None else flags.seed
    orders = lots(len(listing), len(chosen), seed)
    letters, rows, lines, key = string.ascii_uppercase[: len(chosen)], [], [], {}
    for index, ((dataset, photo, path), order) in enumerate(zip(listing, orders, strict=True)):
        file = sheet_name(index // flags.per_sheet)
        rows.append(Row(dataset, photo, [gray(path, flags.side), *(by_weights[one][index] for one in order)]))
        key[f"{dataset}/{photo}"] = {letter: chosen[one].name for letter, one in zip(letters, order, strict=True)}
        lines += [(dataset, photo, file, index + 1, letter, "", "") for letter in letters]
    for number, start in enumerate(range(0, len(rows), flags.per_sheet)):
        data = sheet(rows[start : start + flags.per_sheet], start + 1, flags.side)
        atomic_files.write_bytes(folder / sheet_name(number), data)
    about = {one.name: {"weights": one.place, "look": one.look} for one in chosen}
    atomic_files.write_json(folder / KEY, {"seed": seed, "weights": about, "columns": key})
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([FIELDS, *lines])
    atomic_files.write_text(folder / FILE, stream.getvalue())
    sheets = -(-len(rows) // flags.per_sheet)
    print(f"{folder}: {sheets} sheets of {len(rows)} photographs. Write one of these words into each line of {FILE}:")
    print(meanings())


def sheet_name(index: int) -> str:
    """The file of a sheet, counted from 0."""
    return f"sheet-{index + 1:02}.png"


def meanings() -> str:
    """The verdicts and what they mean, a line each."""
    return "\n".join(f"    {name:<8} {meaning}" for name, meaning in VERDICTS.items())


# list/photo -> name of weights -> verdict
Verdicts = dict[str, dict[str, str]]


def read(folder: Path) -> tuple[Verdicts, list[str], int]:
    """Opens the key and the verdicts.

    Args:
        folder: from `draw`.

    Returns:
        The verdicts, the names of the weights, and how many lines have no verdict yet.

    Raises:
        UsageError: a file is missing, a line is not of the key, or a word is none of `VERDICTS`.
    """
    for name in (KEY, FILE):
        if not (folder / name).is_file():
            raise UsageError(f"The folder is one that `draw` made. Received: {folder} without {name}.")
    key = json.loads((folder / KEY).read_text("utf-8"))
    verdicts, empty = {}, 0
    with open(folder / FILE, encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    for number, line in enumerate(lines, 2):
        name, column = f"{line.get('list')}/{line.get('photo')}", line.get("column")
        word = (line.get("verdict") or "").strip().lower()
        if column not in key["columns"].get(name, {}):
            raise UsageError(f"{folder / FILE}, line {number}: {name}, column {column} is not of {KEY}.")
        if word and word not in VERDICTS:
            raise UsageError(
                f"{folder / FILE}, line {number}: a verdict is one of {', '.join(VERDICTS)}. Received: {word}"
            )
        empty += not word
        if word:
            verdicts.setdefault(name, {})[key["columns"][name][column]] = word
    return verdicts, list(key["weights"]), empty


def interval(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share. Source: Wilson 1927."""
    low, high = stats.binomtest(count, of).proportion_ci(LEVEL, method="wilson")
    return float(low), float(high)


def counts(verdicts: Mapping[str, Mapping[str, str]], names: Sequence[str]) -> Iterator[dict]:
    """Counts verdicts: a line for each list and each of the weights, then one for each pair of weights.

    Args:
        verdicts: from `read`.
        names: of the weights.

    Yields:
        `list`, `weights`, `n`, a count for each of `VERDICTS` and for `fault`, and `pass_share` with its interval
        `low`, `high`; or `list`, `weights`, `against`, `n`, `better` and `worse` (photographs that pass with the one
        only, with the other only) and `p` of the sign test. The list "all" is all of them together.
    """
    lists = list(dict.fromkeys(name.partition("/")[0] for name in verdicts))
    for dataset in [*lists, *(["all"] if len(lists) > 1 else [])]:
        here = [by for name, by in verdicts.items() if dataset in ("all", name.partition("/")[0])]
        for one in names:
            words = Counter(by[one] for by in here if one in by)
            if n := words.total():
                low, high = interval(words["pass"], n)
                share = {"pass_share": words["pass"] / n, "low": low, "high": high}
                each = {word: words[word] for word in VERDICTS} | {"fault": sum(words[word] for word in FAULTS)}
                yield {"list": dataset, "weights": one, "n": n} | each | share
        for one, other in itertools.combinations(names, 2):
            both = [(by[one] == "pass", by[other] == "pass") for by in here if one in by and other in by]
            if both:
                better, worse = both.count((False, True)), both.count((True, False))
                p = float(stats.binomtest(better, better + worse).pvalue) if better + worse else 1.0
                about = {"list": dataset, "weights": other, "against": one, "n": len(both)}
                yield about | {"better": better, "worse": worse, "p": p}


def table(lines: Sequence[dict]) -> str:
    """Markdown: verdicts of each of the weights, then the comparisons in sentences."""
    head = ["List", "Weights", "n", "Pass [95 %]", "Pale", "Fault", *(word.capitalize() for word in FAULTS)]
    rows = [head, ["---"] * len(head)]
    for line in lines:
        if "against" not in line:
            share = f"{line['pass']} = {line['pass_share']:.0%} [{line['low']:.0%}, {line['high']:.0%}]"
            cells = [line["list"], line["weights"], line["n"], share, line["pale"], line["fault"]]
            rows.append([*map(str, cells), *(str(line[word]) for word in FAULTS)])
    text = ["| " + " | ".join(row) + " |" for row in rows] + [""]
    for line in lines:
        if "against" in line:
            text.append(
                f"{line['list']}, n={line['n']}: {line['better']} pass with {line['weights']} only, {line['worse']} "
                f"with {line['against']} only; sign test p = {line['p']:.3f}."
            )
    return "\n".join(text)


def count(flags: argparse.Namespace) -> None:
    """Prints the counts as Markdown, or as JSON lines."""
    verdicts, names, empty = read(Path(flags.folder))
    lines = list(counts(verdicts, names))
    print("\n".join(json.dumps(line) for line in lines) if flags.json else table(lines))
    if empty:
        print(f"{empty} lines of {FILE} have no verdict yet.", file=sys.stderr)


def parse(argv=None) -> argparse.Namespace:
    """The typed flags."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.eyes",
        description=__doc__.format(verdicts=meanings()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    drawing = commands.add_parser("draw", help="make sheets")
    add = drawing.add_argument
    add("--weights", nargs="+", required=True, metavar="NAME=WEIGHTS[@LOOK]", help="two or more, as colorize.py's")
    add("--output", required=True, metavar="DIR", help="for sheets, verdicts and key")
    add("--dataset", nargs="+", default=["bw", "ood"], help="lists, or folders (default: bw ood)")
    add("--data-dir", metavar="DIR", help="holds the lists' folders (default: $COLORIZER_DATA, then the cache)")
    add("--per-sheet", type=int, default=4, help="photographs on a sheet (default: %(default)s)")
    add("--side", type=int, default=420, help="a picture's longer side in pixels (default: %(default)s)")
    add("--limit", type=int, help="photographs of each list (default: all)")
    add("--seed", type=int, help="of the lot, to repeat it (default: another each time; the key has it)")
    counting = commands.add_parser("count", help="open the key and count verdicts")
    counting.add_argument("folder", help="what `draw --output` named")
    counting.add_argument("--json", action="store_true", help="JSON lines, for a record")
    return parser.parse_args(argv)


def main(argv=None) -> int:
    """Runs one of the two commands; returns the exit status."""
    flags = parse(argv)
    try:
        {"draw": draw, "count": count}[flags.command](flags)
    except ColorizerError as error:
        print(f"eyes: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
