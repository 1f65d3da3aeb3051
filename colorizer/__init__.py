"""Automatic image colorization in Keras.

A reproduction of "Image Colorization Enhancement using Transfer Learning"
(Beniwal, Neelisetty, Pakanati), the systems it is compared with, and a tool
that colorizes photographs:

    from colorizer import Colorizer
    Colorizer().colorize("old.jpg").save("new.jpg")

Importing this package imports no Keras backend; asking it for `Colorizer` does. From here on a backend is loaded
without a line on the terminal, see `colorizer.environment.QuietImports`, and no package reports its use to its makers.
"""

from typing import TYPE_CHECKING, Any

from colorizer import environment

if TYPE_CHECKING:
    from colorizer.inference.colorizer import Colorizer
    from colorizer.steering.hint import Hint

__all__ = ["Colorizer", "Hint", "__version__"]
__version__ = "0.1.0"


environment.quiet_backends()
environment.report_to_nobody()


def __getattr__(name: str) -> Any:
    """Loads `Colorizer` when it is asked for: Keras takes seconds."""
    if name == "Colorizer":
        from colorizer.inference.colorizer import Colorizer

        return Colorizer
    if name == "Hint":
        from colorizer.steering.hint import Hint

        return Hint
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
