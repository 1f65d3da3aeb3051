"""A hint: the color that one place of a photo is to have."""

from __future__ import annotations

import numbers
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from colorizer import color
from colorizer.errors import HintError

SHORT, LONG = re.compile(r"#[0-9a-fA-F]{3}"), re.compile(r"#[0-9a-fA-F]{6}")
LEAST_REACH, MOST_REACH = 0.05, 20.0
LARGEST = 1e12  # of a number


@dataclass(frozen=True)
class Hint:
    """The color that one place of a photo is to have.

    Attributes:
        x, y: pixels from the left and from the top of the photo as it is shown, with its orientation applied.
        color: "#rrggbb" or "#rgb", sRGB. Only its hue and its saturation count: the photo keeps its luminance.
        reach: how far the color spreads; 1 usually covers the thing that the place belongs to.

    Numbers of NumPy are kept as Python's.

    Raises:
        HintError: one of them is no such value.
    """

    x: float
    y: float
    color: str
    reach: float = 1.0

    def __post_init__(self):
        for name in ("x", "y", "reach"):
            value = getattr(self, name)
            value = float(value) if isinstance(value, np.floating) else value  # half floats do not reach LARGEST
            # An integer may be too large for a float, as in a damaged file.
            is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
            if not (is_number and -LARGEST < value < LARGEST):
                raise HintError(f"A hint's {name} is a number below {LARGEST:g}. Received: {repr(value)[:20]}")
            # JSON takes Python's numbers alone.
            object.__setattr__(self, name, int(value) if isinstance(value, numbers.Integral) else float(value))
        if self.x < 0 or self.y < 0:
            raise HintError(f"A hint's x and y are pixels from the upper left corner. Received: {self.x:g},{self.y:g}")
        if not LEAST_REACH <= self.reach <= MOST_REACH:
            raise HintError(f"A hint's reach lies between {LEAST_REACH} and {MOST_REACH:g}. Received: {self.reach:g}")
        if not (isinstance(self.color, str) and (SHORT.fullmatch(self.color) or LONG.fullmatch(self.color))):
            raise HintError(f"A hint's color is #rrggbb in hexadecimal, as #7a1f1f. Received: {self.color!r}")

    @property
    def ab(self) -> np.ndarray:
        """(2,) float32: a and b of the color, in Lab units."""
        digits = self.color[1:] if len(self.color) == 7 else "".join(2 * digit for digit in self.color[1:])
        rgb = np.array([[list(bytes.fromhex(digits))]], np.uint8)
        return color.rgb_to_lab(rgb)[0, 0, 1:]


def parse(text: str) -> Hint:
    """A hint as it is typed.

    Args:
        text: "X,Y,#RRGGBB", or "X,Y,#RRGGBB,REACH".

    Raises:
        HintError: it is something else.
    """
    parts = [part.strip() for part in text.split(",")]
    try:
        x, y, asked, *rest = parts
        (reach,) = map(float, rest or [1])
        return Hint(float(x), float(y), asked, reach)
    except ValueError:
        pass
    raise HintError(f"A hint is X,Y,#RRGGBB: two numbers of pixels and a color. Received: {text!r}")


def hexadecimal(lab: Sequence[float]) -> str:
    """The "#rrggbb" of a color (L, a, b) in Lab units."""
    rgb = color.lab_to_rgb(np.array([[lab]], np.float32))[0, 0]
    return "#" + bytes(rgb).hex()


def require_inside(hints: Iterable[Hint], height: int, width: int) -> list[Hint]:
    """The hints, if each lies on a photo of this size.

    Raises:
        HintError: one does not, or what is given is no list of hints.
    """
    if isinstance(hints, Hint):
        raise HintError(f"Hints are a list, also of one. Received: {hints!r}. Write [hint] for it.")
    hints = list(hints)
    for hint in hints:
        if not isinstance(hint, Hint):
            raise HintError(f"Hints are a list of Hint(x, y, color). Received: {hint!r}")
        if hint.x >= width or hint.y >= height:
            raise HintError(
                f"A hint lies on the photo, which is {width} x {height} pixels. Received: {hint.x:g},{hint.y:g}. "
                "Count from the upper left corner of the photo as it is shown."
            )
    return hints
