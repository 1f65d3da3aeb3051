"""The photographs of a tree, in a folder or a bucket, and the names of their copies."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import NamedTuple

import fsspec

from colorizer import photos
from colorizer.cli import file_plan
from colorizer.cluster.addresses import local_path
from colorizer.errors import UsageError


class Album(NamedTuple):
    """The photographs of a tree.

    Attributes:
        pairs: (address, address) of each photograph and of its copy, sorted.
        sizes: address -> bytes of each photograph.
    """

    pairs: list[tuple[str, str]]
    sizes: dict[str, int]


def list_album(source: str, output: str, form: str | None = None, required: bool = True) -> Album:
    """Finds the photographs of a tree and names their copies.

    Args:
        source: a folder, as a path or as an address that fsspec opens.
        output: another one. What it holds is not colorized, nor are names that begin with a dot.
        form: the format of all copies; None keeps each photograph's own.
        required: whether a tree without photographs is an error.

    Returns:
        An `Album`. Addresses in local folders are absolute: workers start elsewhere.

    Raises:
        UsageError: there is no photograph, or two copies would have one name.
    """
    system, root = fsspec.core.url_to_fs(source)
    root, real_root, real_target = root.rstrip("/"), _place(source), _place(output)
    if real_root == real_target:
        raise UsageError(f"OUT is another folder than IN. Received: {source} and {output}, which are one folder")
    inside = f"{real_target[len(real_root) + 1 :]}/" if real_target.startswith(f"{real_root}/") else None
    if (path := local_path(source)) and not os.path.exists(path):
        raise UsageError(f"no such file or folder: {source}")
    infos = system.find(root, detail=True)
    names = [name[len(root) + 1 :] for name in sorted(infos) if photos.is_photo_name(name)]
    names = [name for name in names if not (inside and name.startswith(inside))]
    if not names and required:
        raise UsageError(f"no photos ({', '.join((*photos.EXTENSIONS, *photos.ONLY_READ))}) and no films in {source}")
    base, into = local_path(source) or source.rstrip("/"), local_path(output) or output.rstrip("/")
    copies: dict[str, str] = {}
    for name in names:
        copy = str(file_plan.place_of_copy(PurePosixPath(name), form))
        if copy in copies:
            raise UsageError(f"{copies[copy]} and {name} would both become {copy}")
        copies[copy] = name
    pairs = [(f"{base}/{name}", f"{into}/{copy}") for copy, name in copies.items()]
    return Album(pairs, {f"{base}/{name}": int(infos[f"{root}/{name}"].get("size") or 0) for name in names})


def _place(address: str) -> str:
    """What two names of one folder have in common: of a local one its path without links."""
    if path := local_path(address):
        return os.path.realpath(path)
    system, path = fsspec.core.url_to_fs(address)
    return system.unstrip_protocol(path).rstrip("/")
