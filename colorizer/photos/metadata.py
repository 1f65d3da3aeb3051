"""What a photograph's file says besides its pixels: EXIF, XMP, IPTC, resolution, comments.

Everything is taken out as bytes that can be put into a file of another kind, and made true of the
pixels that will be written: upright, sRGB, of their own size.
"""

from __future__ import annotations

import math
import re
import struct

from PIL import Image

ORIENTATION, _EXIF_IFD, _GPS_IFD, _INTEROPERABILITY = 0x0112, 0x8769, 0x8825, 0xA005
_COLOUR_SPACE, _WIDTH, _HEIGHT, _MAKER_NOTE = 0xA001, 0xA002, 0xA003, 0x927C
# A TIFF's EXIF is the file's own directory; of it, only what describes the photograph may travel.
DESCRIPTIVE = (269, 270, 271, 272, 285, 305, 306, 315, 316, 33432, *range(40091, 40096), _EXIF_IFD, _GPS_IFD)
DIRECTORIES = (_EXIF_IFD, _GPS_IFD)
_IPTC = 33723  # the tag of a TIFF; in a JPEG, resource 0x0404 of Photoshop's block
_XMP_ORIENTATION = re.compile(rb"(<tiff:Orientation>|tiff:Orientation=[\"'])\s*[2-8]")
SEGMENT = 65533  # bytes that one part of a JPEG holds


def orientation(image: Image.Image) -> int:
    """How the camera was held, 1..8; 1 where that is not said or not sense. Source: EXIF 2.32, table 6."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:  # a damaged EXIF block is no reason to refuse the photograph
        return 1
    return value if value in range(1, 9) else 1


def extract(image: Image.Image, turned: bool) -> tuple[dict, list[str]]:
    """Takes out what a decoded picture's file says.

    Args:
        image: opened by Pillow and loaded.
        turned: whether width and height change places when it is set upright.

    Returns:
        `Photo.metadata`, and a line for each thing that had to be left out.

    Source: ours.
    """
    size = image.size[::-1] if turned else image.size
    exif, note = _exif(image, size)
    xmp = image.info.get("xmp")
    xmp = xmp.encode() if isinstance(xmp, str) else bytes(xmp[0] if isinstance(xmp, tuple) else xmp or b"")
    comment = image.info.get("comment")
    found = {
        "format": image.format,
        "exif": exif,
        "icc": image.info.get("icc_profile") or None,
        "xmp": _XMP_ORIENTATION.sub(rb"\g<1>1", xmp) or None,
        "iptc": _iptc(image),
        "dpi": _dpi(image, turned),
        "comment": comment.encode() if isinstance(comment, str) else comment or None,
        "text": _text(image),
    }
    return found, [note] if note else []


def _exif(image, size) -> tuple[bytes, str]:
    """The EXIF block, made true of the upright picture, and what is to be said about it."""
    try:
        exif = image.getexif()
        exif.pop(ORIENTATION, None)
        if image.format == "TIFF":
            for tag in set(exif).difference(DESCRIPTIVE):
                del exif[tag]
        if not len(exif):
            return b"", ""
        inner = exif.get_ifd(_EXIF_IFD) if _EXIF_IFD in exif else {}  # asked for, an empty one is made
        for tag, true in ((_WIDTH, size[0]), (_HEIGHT, size[1]), (_COLOUR_SPACE, 1)):
            if tag in inner:
                inner[tag] = true
        inner.pop(_INTEROPERABILITY, None)  # may claim Adobe RGB
        return exif.tobytes(), ""
    except Exception as error:  # a damaged EXIF block is no reason to refuse the photograph
        return b"", f"its EXIF data are damaged and left out ({' '.join(str(error).split())})"


def _iptc(image) -> bytes | None:
    """The IPTC records (captions, keywords, credits)."""
    try:
        if image.format == "TIFF":
            # As it lies in the file: old programs call the bytes longs, and Pillow then gives the first one.
            data = image.tag_v2._tagdata.get(_IPTC)
        elif image.format == "PNG":
            data = _unhex(image.info.get("Raw profile type iptc"))
        else:
            data = image.info.get("photoshop", {}).get(0x0404)
        return bytes(data) if data and bytes(data[:1]) == b"\x1c" else None
    except Exception:  # damaged records are no reason to refuse the photograph
        return None


def photoshop(iptc: bytes) -> bytes:
    """IPTC records as the one resource of a Photoshop block. Source: Adobe, Photoshop file formats."""
    return b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc + b"\0" * (len(iptc) % 2)


def _unhex(text) -> bytes | None:
    """IPTC out of ImageMagick's text in a PNG: a name, a length, a Photoshop block in hexadecimal."""
    if not text:
        return None
    block = bytes.fromhex("".join(str(text).split()[2:]))
    at = block.find(b"8BIM\x04\x04")
    if at < 0:
        return block
    name = block[at + 6] + 1
    at += 6 + name + name % 2
    (length,) = struct.unpack_from(">I", block, at)
    return block[at + 4 : at + 4 + length]


def hexed(iptc: bytes) -> str:
    """IPTC as ImageMagick and ExifTool put it into a PNG's text. Source: ImageMagick's "Raw profile type"."""
    block = photoshop(iptc)
    digits = block.hex()
    lines = [digits[i : i + 72] for i in range(0, len(digits), 72)]
    return "\n".join(["", "iptc", f"{len(block):8}", *lines, ""])


def _dpi(image, turned: bool) -> tuple[float, float] | None:
    """The resolution in dots per inch, if it is one."""
    try:
        x, y = (float(n) for n in image.info["dpi"])
    except Exception:  # absent, one number, not numbers
        return None
    if not all(math.isfinite(n) and 1 <= n <= 30_000 for n in (x, y)):
        return None
    return (y, x) if turned else (x, y)


def _text(image) -> dict[str, str]:
    """The texts of a PNG (title, author, creation time) but for those that are kept as something else."""
    if image.format != "PNG":
        return {}
    texts = {str(key): str(value) for key, value in image.text.items()}
    return {k: v for k, v in texts.items() if k != "XML:com.adobe.xmp" and not k.startswith("Raw profile type")}


def fitting_exif(exif: bytes, limit: int = SEGMENT) -> tuple[bytes, str]:
    """EXIF that a JPEG's one segment can hold, and what is to be said about it.

    Args:
        exif: `Photo.metadata["exif"]`.
        limit: bytes.

    Returns:
        The block; without the maker's note, or empty, where it is too long.

    Source: ours.
    """
    if len(exif) <= limit:
        return exif, ""
    shorter = Image.Exif()
    shorter.load(exif)
    shorter.get_ifd(_EXIF_IFD).pop(_MAKER_NOTE, None)
    exif = shorter.tobytes()
    if len(exif) <= limit:
        return exif, "the maker's note in EXIF is too long for this format and left out"
    return b"", "its EXIF data are too long for this format and left out"
