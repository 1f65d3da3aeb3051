"""Addresses as fsspec opens them: paths of local folders and URLs of buckets."""

from __future__ import annotations

import fsspec


def local_path(address: str) -> str:
    """The absolute path of a local address, as `scans` or `file:///scans`; "" for any other address."""
    system, path = fsspec.core.url_to_fs(address)
    return path.rstrip("/") if "file" in (system.protocol, *system.protocol) else ""
