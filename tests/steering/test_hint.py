"""Hints as they are written and typed: what is one, and what the refusals say."""

from fractions import Fraction

import numpy as np
import pytest

from colorizer import Hint, color
from colorizer.errors import HintError
from colorizer.steering import hint as hints
from colorizer.steering import sidecar


def test_a_typed_hint_is_a_place_a_color_and_perhaps_a_reach():
    assert hints.parse("120,80,#7a1f1f") == Hint(120, 80, "#7a1f1f")
    assert hints.parse(" 1.5 , 0, #ABC , 2 ") == Hint(1.5, 0, "#ABC", 2)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("120,80", "X,Y,#RRGGBB"),
        ("left,80,#000000", "X,Y,#RRGGBB"),
        ("1,2,#000000,1,1", "X,Y,#RRGGBB"),
        ("120,80,red", "#rrggbb in hexadecimal, as #7a1f1f. Received: 'red'"),
        ("120,80,#12345g", "#rrggbb"),
        ("-1,80,#000000", "upper left corner. Received: -1,80"),
        ("nan,80,#000000", "x is a number"),
        ("1,80,#000000,1e9", "reach lies between"),
    ],
)
def test_what_is_no_hint_is_refused_in_one_line(typed, message):
    with pytest.raises(HintError) as refusal:
        hints.parse(typed)
    assert message in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("number", [10**400, -(10**400), float("inf")])
def test_a_number_that_no_float_holds_is_refused(number):
    with pytest.raises(HintError, match="x is a number below"):
        Hint(number, 1, "#000000")


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.float16, np.float32, np.float64, np.longdouble, Fraction])
def test_numbers_of_numpy_are_numbers(kind):
    given = Hint(kind(3), kind(4), "#a83020", kind(2))
    assert given == Hint(3, 4, "#a83020", 2) and {type(n) for n in (given.x, given.y, given.reach)} <= {int, float}
    assert sidecar.parse(sidecar.text_of([given], 10, 10)).hints == (given,)
    for wrong in (True, np.bool_(True), "3", None, 3j):
        with pytest.raises(HintError, match="x is a number"):
            Hint(wrong, 4, "#a83020")


def test_a_hint_lies_on_the_photo():
    inside = Hint(99, 49, "#000000")
    assert hints.require_inside([inside], 50, 100) == [inside]
    for outside in (Hint(100, 0, "#000000"), Hint(0, 50, "#000000")):
        with pytest.raises(HintError, match="100 x 50 pixels"):
            hints.require_inside([outside], 50, 100)
    with pytest.raises(HintError, match="a list of Hint"):
        hints.require_inside([(1, 2, "#000000")], 50, 100)


def test_a_color_goes_to_lab_and_back():
    lab = color.rgb_to_lab(np.array([[[0x7A, 0x1F, 0x1F]]], np.uint8))[0, 0]
    np.testing.assert_allclose(Hint(0, 0, "#7a1f1f").ab, lab[1:])
    assert hints.hexadecimal(lab) == "#7a1f1f"
    np.testing.assert_allclose(Hint(0, 0, "#abc").ab, Hint(0, 0, "#aabbcc").ab)
