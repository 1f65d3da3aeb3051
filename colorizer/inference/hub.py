"""Presets from the Hugging Face Hub and from Kaggle, through their own packages.

    hf://OWNER/NAME            hf://OWNER/NAME@REVISION
    kaggle://OWNER/MODEL/FRAMEWORK/VARIATION            with /VERSION behind it where one is meant

No code of a repository is run. Both packages keep what they fetched, check it, resume, and read their own settings
(HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, KAGGLE_API_TOKEN, ...).
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

from colorizer import weights
from colorizer.errors import WeightsError

HF, KAGGLE = "hf://", "kaggle://"
PACKAGES = {HF: "huggingface_hub", KAGGLE: "kagglehub"}
EXTRAS = {HF: "hub", KAGGLE: "kaggle"}
FORMS = {HF: "hf://OWNER/NAME or hf://OWNER/NAME@REVISION"}
FORMS[KAGGLE] = "kaggle://OWNER/MODEL/FRAMEWORK/VARIATION or kaggle://OWNER/MODEL/FRAMEWORK/VARIATION/VERSION"
# What a preset consists of; of a repository on the Hugging Face Hub, anything else stays there.
FILES = (weights.RECORD, weights.BEST, weights.ENCODER, "*.onnx")


def is_handle(name: str | Path) -> bool:
    """Whether a name is that of a preset on a hub."""
    return str(name).startswith((HF, KAGGLE))


def fetch(handle: str) -> Path:
    """Fetches a preset, or finds it where it was fetched before.

    Args:
        handle: see the module.

    Returns:
        The folder with its files.

    Raises:
        WeightsError: the handle is malformed, its package is not installed, or the hub does not give the files.
    """
    hub = HF if handle.startswith(HF) else KAGGLE
    parts = handle.removeprefix(hub).split("/")
    if not all(parts) or len(parts) not in {HF: (2,), KAGGLE: (4, 5)}[hub]:
        raise WeightsError(f"A preset on this hub is named {FORMS[hub]}. Received: {handle}")
    if importlib.util.find_spec(PACKAGES[hub]) is None:
        raise WeightsError(
            f"Presets of {hub} need the package {PACKAGES[hub]}. Received: {handle}; the package is not installed. "
            f"Run: pip install {PACKAGES[hub]}, or in a clone: pip install -e '.[{EXTRAS[hub]}]' -c constraints.txt"
        )
    package = importlib.import_module(PACKAGES[hub])
    try:
        folder = _from_hugging_face(package, parts) if hub == HF else package.model_download("/".join(parts))
    except Exception as error:  # each hub has a dozen kinds of its own, besides those of the network
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise WeightsError(
            f"{handle} cannot be fetched. Check the name and the network, or fetch the folder by hand and give its "
            f"path. Received: {reason}"
        ) from error
    return Path(folder)


def _from_hugging_face(package, parts: list[str]) -> str:
    """The folder of a snapshot."""
    owner, name = parts
    name, _, revision = name.partition("@")
    return package.snapshot_download(f"{owner}/{name}", revision=revision or None, allow_patterns=list(FILES))
