"""Automatic image colorization in Keras.

A reproduction of "Image Colorization Enhancement using Transfer Learning"
(Beniwal, Neelisetty, Pakanati), the systems it is compared with, and a tool
that colorizes photographs:

    from colorizer import Colorizer
    Colorizer().colorize("old.jpg").save("new.jpg")

Importing this package imports no Keras backend; asking it for `Colorizer` does.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from colorizer.inference.colorizer import Colorizer

__all__ = ["Colorizer", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str):
    """`Colorizer`, loaded when it is asked for: it takes seconds of Keras."""
    if name == "Colorizer":
        from colorizer.inference.colorizer import Colorizer

        return Colorizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
