"""The page on a Hugging Face Space: it starts `python -m colorizer app` as the Hub wants it."""

import os
import sys
from collections.abc import Mapping

from colorizer.app import security
from colorizer.app.__main__ import main

HUB = "https://huggingface.co"  # shows a Space in a frame


def flags(environment: Mapping[str, str]) -> list[str]:
    """The page's flags on a Space.

    Args:
        environment: variables of the Hub: SPACE_HOST is the public name of the Space, GRADIO_SERVER_PORT the port.

    Returns:
        What stands behind `python -m colorizer app`.
    """
    words = ["--host", "0.0.0.0", "--port", environment.get("GRADIO_SERVER_PORT", "7860"), "--max-megabytes", "20"]
    name = environment.get("SPACE_HOST")
    return words + (["--allow-host", name] if name else [])


def allow_frame() -> None:
    """Lets the Hub show the page in a frame; other websites still may not."""
    policy = "content-security-policy"
    security.HEADERS[policy] = security.HEADERS[policy].replace("frame-ancestors 'none'", f"frame-ancestors {HUB}")


if __name__ == "__main__":
    allow_frame()
    sys.exit(main(flags(os.environ)))
