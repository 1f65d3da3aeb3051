"""Downloads data sets: every file verified, every folder complete or absent.

A download can be killed at any moment. An unfinished file or folder has another name
(`.part`, `.unfinished`), so a name that `datasets.find` looks for is always complete.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import importlib
import importlib.util
import logging
import os
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from colorizer import photos
from colorizer.data.cache import cache_dir, disk_full_explained, locked, once, require_space
from colorizer.errors import DownloadError

logger = logging.getLogger(__name__)

KAGGLE_PAINTINGS = "thedownhill/art-images-drawings-painting-sculpture-engraving"

_PAINTINGS_BY_HAND = (
    f"By hand: https://www.kaggle.com/datasets/{KAGGLE_PAINTINGS}, its folders `painting` with --data-dir."
)

_ATTEMPTS = 5  # in a row without a new byte
_NO_NETWORK = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
_BACKOFF = 1.0  # seconds before the second attempt; doubles with every further one
_TIMEOUT = 30  # seconds without a byte: the connection counts as broken
_CHUNK = 1 << 20


class Archive(NamedTuple):
    """A zip of pictures on the web: how many bytes and pictures it has when it is whole."""

    url: str
    size: int
    md5: str
    pictures: int


COCO = {
    "coco": Archive(
        "http://images.cocodataset.org/zips/val2017.zip", 815_585_330, "442b8da7639aecaf257c1dceb8ba8c80", 5_000
    ),
    "coco_train": Archive(
        "http://images.cocodataset.org/zips/train2017.zip", 19_336_861_798, "cced6f7f71b7629ddf16f17bbcfab6b2", 118_287
    ),
}


def _by_hand(url: str, path: Path, size: int, md5: str) -> str:
    return (
        f"By hand: download {url} ({size:,} bytes, MD5 {md5}) to {path} and run the same command again, "
        "or unpack it anywhere and name that folder with --data-dir."
    )


def fetch(url: str, path: Path, size: int, md5: str) -> Path:
    """Downloads a file; continues where an earlier attempt or process stopped.

    Args:
        url: http or https.
        path: the final name; written as `path` + ".part" until it is whole.
        size: the file's bytes.
        md5: the file's MD5, hexadecimal.

    Returns:
        `path`, verified.

    Raises:
        DownloadError: no network, no connection after several attempts, or wrong bytes (the part is deleted).
        DataError: the disk is too small.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():  # put there by hand, or left by a run that was killed before unpacking
        return _verified(path, path, url, size, md5)
    require_space(path.parent, max(0, size - _length(part)), path.name)
    with tqdm(total=size, desc=path.name, unit="B", unit_scale=True) as bar:
        start = furthest = _length(part)
        failures = 0
        while _length(part) < size:
            end = _attempt(url, path, part, size, md5, bar)
            # Only bytes beyond the furthest count as progress: a server that ignores Range and
            # always stops at the same place must not keep this loop running forever.
            failures = 0 if _length(part) > furthest else failures + 1
            furthest = max(furthest, _length(part))
            if _length(part) >= size:
                break
            offline = end.no_network and furthest == start  # a network that worked a moment ago may come back
            if offline or failures >= _ATTEMPTS:
                problem = "there is no network" if offline else f"{_ATTEMPTS} attempts in a row brought no new bytes"
                raise DownloadError(
                    f"{url} could not be downloaded: {problem}. Received: {end.reason}; {furthest:,} of {size:,} bytes "
                    f"are in {part} and the next run continues there. " + _by_hand(url, path, size, md5)
                )
            logger.warning("%s: %s; trying again", url, end.reason)
            time.sleep(_BACKOFF * 2**failures)
    return _verified(part, path, url, size, md5)


class _End(NamedTuple):
    """Why a connection ended, and whether it was because this machine has no network or no name service."""

    reason: str
    no_network: bool = False


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _attempt(url: str, path: Path, part: Path, size: int, md5: str, bar) -> _End:
    """One connection; appends to `part` and returns why it ended. Only hopeless errors are raised."""
    have = _length(part)
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            goes_on = response.status == 206 and (response.headers["Content-Range"] or "").startswith(f"bytes {have}-")
            bar.n = have if goes_on else 0
            with disk_full_explained(part), open(part, "ab" if goes_on else "wb") as file:
                while chunk := response.read1(_CHUNK):  # written as it arrives, so that a kill loses next to nothing
                    file.write(chunk)
                    bar.update(len(chunk))
                    if file.tell() > size:  # not our file: verification will say so
                        break
        return _End(f"the connection ended after {_length(part):,} of {size:,} bytes")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # "range not satisfiable": the file there is shorter than our part
            part.unlink()
        elif error.code < 500 and error.code not in (408, 429):
            raise DownloadError(
                f"{url} is not there. Received: HTTP {error.code} {error.reason}. " + _by_hand(url, path, size, md5)
            ) from error
        return _End(f"HTTP {error.code} {error.reason}")
    except (OSError, http.client.HTTPException) as error:  # URLError, timeouts and resets are OSErrors
        cause = getattr(error, "reason", error)
        no_network = isinstance(cause, socket.gaierror) or getattr(cause, "errno", None) in _NO_NETWORK
        return _End(f"{type(error).__name__}: {error}", no_network)


def _verified(file: Path, path: Path, url: str, size: int, md5: str) -> Path:
    """Renames `file` to `path` if it has the right size and MD5; else deletes it and raises DownloadError."""
    with open(file, "rb") as stream:
        received = (file.stat().st_size, hashlib.file_digest(stream, "md5").hexdigest())
    if received != (size, md5):
        file.unlink()
        raise DownloadError(
            f"{url} should have {size:,} bytes and the MD5 {md5}. Received: {received[0]:,} bytes, MD5 {received[1]}; "
            f"{file} was deleted. Run the same command again. " + _by_hand(url, path, size, md5)
        )
    file.replace(path)
    return path


def unpack(archive: Path, folder: Path, pictures: int | None = None) -> Path:
    """Unpacks the pictures of a zip into one flat folder that appears only when it is complete.

    Args:
        archive: a zip file; only its pictures are unpacked.
        folder: the final name. Folders inside the zip are dropped, so no entry can lead outside.
        pictures: how many there must be (default: not checked).

    Returns:
        `folder`.

    Raises:
        DownloadError: the zip is damaged, or has another number of pictures.
    """

    def fill(unfinished: Path) -> None:
        try:
            with zipfile.ZipFile(archive) as zipped:
                entries = {_flat(e.filename): e for e in zipped.infolist() if photos.is_photo_name(_flat(e.filename))}
                if not entries or (pictures is not None and len(entries) != pictures):
                    wanted = f"{pictures:,}" if pictures else "some"
                    raise DownloadError(
                        f"{archive} should hold {wanted} pictures. Received: {len(entries):,}. "
                        "Delete it and run the same command again."
                    )
                require_space(unfinished, sum(e.file_size for e in entries.values()), f"unpacking {archive.name}")
                for name, entry in tqdm(entries.items(), desc=f"unpacking {archive.name}", unit="file"):
                    with zipped.open(entry) as source, open(unfinished / name, "wb") as target:
                        shutil.copyfileobj(source, target, _CHUNK)
        except (zipfile.BadZipFile, EOFError) as error:
            raise DownloadError(
                f"{archive} is not a complete zip file. Received: {error}. Delete it and run the same command again."
            ) from error

    return once(Path(folder), fill)


def _flat(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def coco(which: str = "coco") -> Path:
    """Downloads MS COCO 2017 into the user's cache.

    Args:
        which: "coco" (val2017, 5,000 pictures, the paper's sample size) or "coco_train" (118,287).

    Returns:
        The folder with the pictures; the archive is deleted.

    Raises:
        DownloadError: as `fetch` and `unpack`.

    Source: sizes and MD5 of the files on the COCO site.
    """
    archive, folder = COCO[which], cache_dir() / "data" / which
    path = folder.parent / archive.url.rsplit("/", 1)[-1]
    with locked(folder.with_name(f".{which}.download.lock")):
        if folder.is_dir():
            return folder
        # JPEG does not shrink in a zip: unpacked, the pictures take the archive's size once more.
        needed = 2 * archive.size - _length(path) - _length(path.with_name(path.name + ".part"))
        require_space(folder.parent, needed, f"the data set {which} ({archive.pictures:,} pictures)")
        unpack(fetch(archive.url, path, archive.size, archive.md5), folder, archive.pictures)
        path.unlink()
    return folder


def check_kagglehub() -> None:
    """Raises DownloadError if the package that downloads `paintings` is missing."""
    if sys.modules.get("kagglehub") is None and importlib.util.find_spec("kagglehub") is None:
        raise DownloadError(
            f"The data set paintings needs the package kagglehub for its download. Received: it is not installed. "
            f"Run: pip install kagglehub. {_PAINTINGS_BY_HAND}"
        )


def paintings() -> Path:
    """Downloads the paintings of Kaggle's art-images set, which the paper names, by `kagglehub`.

    The set holds copies of whole folders. Of equal files one is taken, so that no picture is both in the
    training and in the test list.

    Returns:
        The folder with the pictures, in the user's cache.

    Raises:
        DownloadError: kagglehub is not installed, cannot download, or brings no paintings.

    Source: paper §III.B.
    """
    check_kagglehub()
    kagglehub = importlib.import_module("kagglehub")

    def fill(unfinished: Path) -> None:
        try:
            source = Path(kagglehub.dataset_download(KAGGLE_PAINTINGS))
        except Exception as error:  # kagglehub passes on the errors of its HTTP library
            raise DownloadError(
                f"kagglehub could not download {KAGGLE_PAINTINGS}: {error}. {_PAINTINGS_BY_HAND}"
            ) from error
        files = sorted(p for p in source.rglob("*") if p.parent.name.lower() in ("painting", "paintings"))
        seen = set()
        for file in (p for p in files if p.is_file() and photos.is_photo_name(p)):
            with open(file, "rb") as stream:
                digest = hashlib.file_digest(stream, "md5").hexdigest()
            if digest in seen:
                continue
            seen.add(digest)
            target = unfinished / file.name
            if target.exists():  # two folders number their pictures alike
                target = unfinished / f"{file.stem}-{digest[:8]}{file.suffix}"
            try:
                os.link(file, target)
            except OSError:  # another disk, or a file system without links
                shutil.copyfile(file, target)
        if not seen:
            raise DownloadError(
                f"{KAGGLE_PAINTINGS} should hold folders named painting. Received: none. {_PAINTINGS_BY_HAND}"
            )

    return once(cache_dir() / "data" / "paintings", fill)
