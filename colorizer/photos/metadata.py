"""What the file of a photograph says besides its pixels: EXIF, XMP, IPTC, resolution, comments.

Everything is taken out as bytes that can be put into a file of another kind, and made true of the
pixels that will be written: upright, sRGB, of their own size.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import re
import struct

from PIL import Image

from colorizer.photos import exif
from colorizer.photos.exif import Directory

# Of a TIFF's own directory, only what describes the photograph may travel.
DESCRIPTIVE = {269, 270, 271, 272, 285, 305, 306, 315, 316, 33432, *range(40091, 40096), exif.EXIF, exif.GPS}
_X_RESOLUTION, _XMP, _IPTC, _PHOTOSHOP = 282, 700, 33723, 34377  # tags of TIFF
_IPTC_RESOURCE = 0x0404  # of Photoshop's block
_XMP_ORIENTATION = re.compile(rb"(<tiff:Orientation>|tiff:Orientation=[\"'])\s*([2-8])")
_RAW_PROFILES = {
    "exif": ("Raw profile type exif", "Raw profile type APP1"),
    "xmp": ("Raw profile type xmp", "Raw profile type APP1"),
    "iptc": ("Raw profile type iptc", "Raw profile type 8bim"),
}
_EXIF_MARK, _XMP_MARK = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
XMP_EXTENSION_MARK = b"http://ns.adobe.com/xmp/extension/\0"
_XMP_KEY = "XML:com.adobe.xmp"
SEGMENT = 65533  # bytes that one part of a JPEG holds


def orientation(image: Image.Image) -> int:
    """How the camera was held, 1..8; 1 where that is not stated or makes no sense. Source: EXIF 2.32, table 6."""
    with contextlib.suppress(Exception):  # a damaged EXIF block is no reason to refuse the photograph
        order, directory, _ = exif.parse(_exif_block(image))
        value = directory.get(exif.ORIENTATION)
        if value:
            (number,) = struct.unpack_from(order + ("H" if value.kind == 3 else "I"), value.data)
            return number if number in range(1, 9) else 1
    with contextlib.suppress(Exception):
        value = image.getexif().get(exif.ORIENTATION, 1)  # Pillow also looks into XMP
        return value if value in range(1, 9) else 1
    return 1


def extract(image: Image.Image, turned: bool, path=None) -> tuple[dict, list[str]]:
    """Takes out what the file of a decoded picture says.

    Args:
        image: opened by Pillow and loaded.
        turned: whether width and height change places when it is set upright.
        path: its file, if it has one.

    Returns:
        `Photo.metadata`, and a line for each thing that had to be left out.
    """
    size = image.size[::-1] if turned else image.size
    order, directory, notes = _directory(image, path)
    metadata = {
        "format": image.format,
        "exif": _true_exif(order, directory, size, image.format == "TIFF"),
        "icc": image.info.get("icc_profile") or None,
        "xmp": _XMP_ORIENTATION.sub(rb"\g<1>1", _xmp(image, directory)) or None,
        "xmp_extension": _extended_xmp(image),
        "iptc": _iptc(image, directory),
        "dpi": _dpi(image, turned),
        "comments": _comments(image),
        "text": _text(image),
    }
    return metadata, notes


def _directory(image, path) -> tuple[str, Directory, list[str]]:
    """The entries of EXIF, or of a TIFF, their byte order, and notes."""
    try:
        if image.format == "TIFF" and path is not None:
            wanted = DESCRIPTIVE | {_XMP, _IPTC, _PHOTOSHOP}
            with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                order, directory, damaged = exif.parse(content, wanted)
        else:
            block = _exif_block(image)
            if not block:
                return "<", {}, []
            order, directory, damaged = exif.parse(block)
    except Exception as error:  # a damaged EXIF block is no reason to refuse the photograph
        return "<", {}, [f"its EXIF data are damaged and left out ({' '.join(str(error).split())})"]
    return order, directory, [f"{damaged} of its EXIF entries are damaged and left out"] if damaged else []


def _exif_block(image) -> bytes:
    """The EXIF block as it lies in the file, from the mark of the byte order on; empty where there is none."""
    block = image.info.get("exif") or _raw_profile(image, "exif")
    if not block and image.format in ("TIFF", None):
        block = image.getexif().tobytes()
    return bytes(block or b"").removeprefix(_EXIF_MARK)


def _true_exif(order: str, directory: Directory, size: tuple[int, int], is_tiff: bool) -> bytes:
    """An EXIF block that is true of the upright picture; empty where there is nothing to say."""
    entries = exif.travelling(directory)
    entries.pop(exif.ORIENTATION, None)
    if is_tiff:
        entries = {tag: value for tag, value in entries.items() if tag in DESCRIPTIVE}
    inner = entries.get(exif.EXIF, {})
    for tag, pixels in ((exif.PIXEL_WIDTH, size[0]), (exif.PIXEL_HEIGHT, size[1])):
        if tag in inner:
            inner[tag] = exif.numbers(order, [pixels])
    if exif.COLOR_SPACE in inner:
        inner[exif.COLOR_SPACE] = exif.shorts(order, 1)  # sRGB
    return _EXIF_MARK + exif.pack(order, entries) if entries else b""


def _raw_profile(image, kind: str) -> bytes:
    """A block out of ImageMagick's texts in a PNG: a name, a length, the block in hexadecimal."""
    if image.format != "PNG":
        return b""
    for key in _RAW_PROFILES[kind]:
        with contextlib.suppress(ValueError):
            lines = str(image.info.get(key, "")).strip().split("\n")
            block = bytes.fromhex("".join(lines[2:]))
            # The part of a JPEG called APP1 holds EXIF or XMP: its first bytes say which.
            if block and (not key.endswith("APP1") or block.startswith(_EXIF_MARK if kind == "exif" else _XMP_MARK)):
                return block
    return b""


def _xmp(image, directory: Directory) -> bytes:
    if image.format == "TIFF" and _XMP in directory:
        return directory[_XMP].data
    xmp = image.info.get("xmp") or image.info.get(_XMP_KEY) or _raw_profile(image, "xmp")
    if isinstance(xmp, str):
        is_latin = image.format == "PNG" and not hasattr(xmp, "lang")  # how Pillow reads PNG's older kinds of text
        return xmp.encode("latin-1" if is_latin else "utf-8", "replace")
    return bytes(xmp[0] if isinstance(xmp, tuple) else xmp or b"").removeprefix(_XMP_MARK)


def _extended_xmp(image) -> tuple[bytes, ...]:
    """The parts of a JPEG that hold what was too long for its first XMP block."""
    segments = getattr(image, "applist", None) or ()
    return tuple(data for name, data in segments if name == "APP1" and data.startswith(XMP_EXTENSION_MARK))


def _iptc(image, directory: Directory) -> bytes | None:
    """The IPTC records (captions, keywords, credits)."""
    if image.format == "TIFF":
        # As it lies in the file: old programs call the bytes longs.
        records = [directory[tag].data for tag in (_IPTC, _PHOTOSHOP) if tag in directory]
    elif image.format == "PNG":
        records = [_raw_profile(image, "iptc")]
    else:
        resources = image.info.get("photoshop")
        records = [resources.get(_IPTC_RESOURCE, b"")] if isinstance(resources, dict) else []
    for data in records:
        data = _resource(data, _IPTC_RESOURCE) if data.startswith(b"8BIM") else data
        if data[:1] == b"\x1c":
            return bytes(data)
    return None


def _resource(block: bytes, number: int) -> bytes:
    """One resource of a Photoshop block; empty where it has none. Source: Adobe, Photoshop file formats."""
    at = 0
    with contextlib.suppress(struct.error, IndexError):
        while block[at : at + 4] == b"8BIM":
            (kind,) = struct.unpack_from(">H", block, at + 4)
            at += 6 + (block[at + 6] + 2) // 2 * 2  # its name, of even length with the length's byte
            (length,) = struct.unpack_from(">I", block, at)
            if kind == number:
                return block[at + 4 : at + 4 + length]
            at += 4 + length + length % 2
    return b""


def photoshop(iptc: bytes) -> bytes:
    """IPTC records as the one resource of a Photoshop block. Source: Adobe, Photoshop file formats."""
    return b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc + b"\0" * (len(iptc) % 2)


def raw_profile(iptc: bytes) -> str:
    """IPTC as ImageMagick and ExifTool put it into a PNG's text. Source: ImageMagick's "Raw profile type"."""
    block = photoshop(iptc)
    digits = block.hex()
    lines = [digits[i : i + 72] for i in range(0, len(digits), 72)]
    return "\n".join(["", "iptc", f"{len(block):8}", *lines, ""])


def _dpi(image, turned: bool) -> tuple[float, float] | None:
    """The resolution in dots per inch, if it is one."""
    if image.format == "TIFF" and _X_RESOLUTION not in image.tag_v2:
        return None  # Pillow says 1 then
    try:
        x, y = (float(n) for n in image.info["dpi"])
    except Exception:  # absent, one number, not numbers
        return None
    if not all(math.isfinite(n) and 1 <= n <= 30_000 for n in (x, y)):
        return None
    return (y, x) if turned else (x, y)


def _comments(image) -> tuple[bytes, ...]:
    """The comments of a JPEG, a GIF or a JPEG 2000, in their order."""
    comments = [data for name, data in getattr(image, "applist", None) or () if name == "COM"]
    if not comments and image.info.get("comment"):
        comments = [image.info["comment"]]
    return tuple(comment.encode() if isinstance(comment, str) else bytes(comment) for comment in comments)


def _text(image) -> dict[str, str]:
    """The texts of a PNG (title, author, creation time) but for those that are kept as something else."""
    if image.format != "PNG":
        return {}
    texts = {str(key): str(value) for key, value in image.text.items()}
    return {k: v for k, v in texts.items() if k != _XMP_KEY and not k.startswith("Raw profile type")}


def fitting_exif(block: bytes) -> tuple[bytes, str]:
    """EXIF that a JPEG's one segment can hold, and a note about what had to go.

    Args:
        block: `Photo.metadata["exif"]`.

    Returns:
        The block; without the maker's note, or empty, where it is too long.
    """
    if len(block) <= SEGMENT:
        return block, ""
    order, directory, _ = exif.parse(block.removeprefix(_EXIF_MARK))
    directory.get(exif.EXIF, {}).pop(exif.MAKER_NOTE, None)
    block = _EXIF_MARK + exif.pack(order, directory)
    if len(block) <= SEGMENT:
        return block, "the maker's note in EXIF is too long for this format and left out"
    return b"", "its EXIF data are too long for this format and left out"


def descriptive(block: bytes | None) -> tuple[str, Directory]:
    """The byte order of an EXIF block, and its entries that may stand in a TIFF's own directory."""
    if not block:
        return "<", {}
    order, directory, _ = exif.parse(block.removeprefix(_EXIF_MARK), DESCRIPTIVE)
    return order, directory
