"""Writes arrays of pixels as picture files, with the metadata of the photograph.

Pillow encodes 8 bits. PNG of 16 bits and every TIFF are written here: Pillow does not hold 16-bit
color, and changes the bytes of EXIF texts. Both go out strip by strip.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from PIL import Image, PngImagePlugin, features

from colorizer.images import to_uint8
from colorizer.photos import exif, icc, tiff
from colorizer.photos.metadata import (
    SEGMENT,
    descriptive,
    fitting_exif,
    photoshop,
    raw_profile,
)

FORMATS = dict.fromkeys((".jpg", ".jpeg", ".jfif"), "JPEG") | dict.fromkeys((".tif", ".tiff"), "TIFF")
FORMATS |= {".png": "PNG", ".webp": "WEBP", ".bmp": "BMP"}
if features.check("avif"):
    FORMATS[".avif"] = "AVIF"
# The formats by the names that people type, which are Pillow's in small letters; this Pillow may not write all of them.
SUFFIXES = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "tiff": ".tif", "bmp": ".bmp", "avif": ".avif"}
STRIP_PIXELS = 2**18
MOST_NAMES = 5  # of texts in one line
_LEVEL = 4  # of zlib: the photographs' noise leaves little for the higher, slower ones


def encode(file, form: str, rgb: np.ndarray, alpha: np.ndarray | None, *, metadata: dict, quality: int) -> list[str]:
    """Writes pixels and metadata into an open file.

    Args:
        file: open for writing in binary.
        form: "JPEG", "PNG", "WEBP", "TIFF", "BMP" or "AVIF".
        rgb: (H, W, 3) uint8 or uint16 sRGB.
        alpha: (H, W) of the same dtype, or None.
        metadata: `Photo.metadata`; may be empty.
        quality: of JPEG (always 4:4:4), WebP and AVIF, 1..100.

    Returns:
        A line for each thing that the format does not hold.
    """
    notes = []
    if alpha is not None and form in ("JPEG", "BMP"):
        notes.append(f"{form} holds no transparency; the picture is laid on white")
        rgb, alpha = _on_white(rgb, alpha), None
    notes += _left_out(form, metadata)
    if form == "TIFF":
        _write_tiff(file, rgb, alpha, metadata)
        return notes
    if form == "PNG" and rgb.dtype == np.uint16:
        _write_png16(file, rgb, alpha, metadata)
        return notes
    if rgb.dtype == np.uint16:
        notes.append(f"{form} holds 8 bits; the 16 are rounded to them")
    options, more = _options(form, metadata, quality)
    picture(rgb, alpha).save(file, form, **options)
    return notes + more


def _left_out(form: str, metadata: dict) -> list[str]:
    """A line for each kind of metadata that is there and that a format does not hold."""
    kinds = [
        ("exif", "EXIF", form != "BMP"),
        ("xmp", "XMP", form != "BMP"),
        ("iptc", "IPTC", form in ("JPEG", "PNG", "TIFF")),
        ("comments", "comment", form in ("JPEG", "PNG")),
    ]
    notes = [f"{form} holds no {name}; it is left out" for key, name, holds in kinds if metadata.get(key) and not holds]
    if metadata.get("xmp_extension") and form not in ("JPEG", "BMP"):
        notes.append(f"{form} holds no extended XMP; it is left out, and the first XMP block is kept")
    if (text := metadata.get("text")) and form != "PNG":
        names = ", ".join(text) if len(text) <= MOST_NAMES else f"{', '.join([*text][:MOST_NAMES])} and more"
        notes.append(f"{form} holds no texts of a PNG; they are left out: {names}")
    return notes


def picture(rgb: np.ndarray, alpha: np.ndarray | None) -> Image.Image:
    """The pixels as Pillow's picture of mode RGB or RGBA, in 8 bits."""
    image = Image.fromarray(to_uint8(rgb))
    if alpha is not None:
        image.putalpha(Image.fromarray(to_uint8(alpha)))
    return image


def _on_white(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The picture as it looks on white paper."""
    white, rows = np.float32(np.iinfo(rgb.dtype).max), _rows(rgb)
    result = np.empty_like(rgb)
    for band in (slice(top, top + rows) for top in range(0, len(rgb), rows)):
        share = alpha[band, :, None] / white
        result[band] = np.rint(white + (rgb[band] - white) * share)
    return result


def _options(form: str, metadata: dict, quality: int) -> tuple[dict, list[str]]:
    """The options of Pillow's `save`, and notes."""
    if form == "BMP":
        return {} if not metadata.get("dpi") else {"dpi": metadata["dpi"]}, []
    options = {"icc_profile": icc.srgb(), "exif": metadata.get("exif") or b"", "xmp": metadata.get("xmp") or b""}
    if form == "PNG":
        options |= {"pnginfo": _png_info(metadata), "compress_level": _LEVEL}
        options.pop("xmp")
    if form in ("JPEG", "PNG") and metadata.get("dpi"):
        options["dpi"] = metadata["dpi"]
    if form in ("WEBP", "AVIF"):
        options["quality"] = quality
    if form == "AVIF":
        options["subsampling"] = "4:4:4"
    if form != "JPEG":
        return options, []
    return _jpeg_options(options | {"quality": quality, "subsampling": 0}, metadata)


def _jpeg_options(options: dict, metadata: dict) -> tuple[dict, list[str]]:
    """A JPEG holds everything in segments of 64 KiB: what is longer is left out."""
    notes = []
    options["exif"], note = fitting_exif(options["exif"])
    notes += [note] if note else []
    if len(options["xmp"]) > SEGMENT - 29:
        options["xmp"] = b""
        notes.append("its XMP data are too long for this format and left out")
    segments = [(b"\xff\xfe", comment, "comment is") for comment in metadata.get("comments") or ()]
    segments += [(b"\xff\xe1", part, "extended XMP is") for part in metadata.get("xmp_extension") or ()]
    if metadata.get("iptc"):
        segments.append((b"\xff\xed", b"Photoshop 3.0\0" + photoshop(metadata["iptc"]), "IPTC data are"))
    options["extra"] = b""
    for marker, block, name in segments:
        if len(block) <= SEGMENT:
            options["extra"] += marker + struct.pack(">H", len(block) + 2) + block
        else:
            notes.append(f"its {name} too long for this format and left out")
    return {name: value for name, value in options.items() if value != b""}, notes


def _png_info(metadata) -> PngImagePlugin.PngInfo:
    """XMP, IPTC and texts as chunks."""
    info = PngImagePlugin.PngInfo()
    for key, value in (metadata.get("text") or {}).items():
        info.add_text(key, value, zip=len(value) > 1000)
    for comment in metadata.get("comments") or ():
        info.add_text("Comment", _decoded(comment), zip=len(comment) > 1000)
    if metadata.get("xmp"):
        info.add(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + metadata["xmp"])
    if metadata.get("iptc"):
        info.add_text("Raw profile type iptc", raw_profile(metadata["iptc"]), zip=True)
    return info


def _decoded(comment: bytes) -> str:
    try:
        return comment.decode()
    except UnicodeDecodeError:
        return comment.decode("latin-1")


def _rows(rgb) -> int:
    return max(1, STRIP_PIXELS // rgb.shape[1])


def _strips(rgb, alpha):
    """(rows, W, C) arrays from top to bottom, contiguous."""
    rows = _rows(rgb)
    for top in range(0, len(rgb), rows):
        band = rgb[top : top + rows]
        yield np.ascontiguousarray(band) if alpha is None else np.dstack([band, alpha[top : top + rows]])


def _write_png16(file, rgb, alpha, metadata) -> None:
    """A PNG of 16 bits. Source: PNG specification, third edition, §5 (chunks) and §9 (filters)."""

    def chunk(name: bytes, data: bytes) -> None:
        file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))

    file.write(b"\x89PNG\r\n\x1a\n")
    chunk(b"IHDR", struct.pack(">IIBBBBB", rgb.shape[1], rgb.shape[0], 16, 2 if alpha is None else 6, 0, 0, 0))
    chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(icc.srgb()))
    if metadata.get("dpi"):
        chunk(b"pHYs", struct.pack(">IIB", *(round(n / 0.0254) for n in metadata["dpi"]), 1))
    if metadata.get("exif"):
        chunk(b"eXIf", metadata["exif"].removeprefix(b"Exif\0\0"))
    for name, data, *_ in _png_info(metadata).chunks:
        chunk(name, data)
    packer = zlib.compressobj(_LEVEL)
    for strip in _strips(rgb, alpha):
        values = strip.astype(">u2").view(np.uint8).reshape(len(strip), -1)
        step = 2 * strip.shape[2]
        lines = np.empty((len(strip), values.shape[1] + 1), np.uint8)
        lines[:, 0] = 1  # "sub": every byte less the one a pixel to the left
        lines[:, 1 : step + 1] = values[:, :step]
        np.subtract(values[:, step:], values[:, :-step], out=lines[:, step + 1 :])
        if packed := packer.compress(lines.data):
            chunk(b"IDAT", packed)
    chunk(b"IDAT", packer.flush())
    chunk(b"IEND", b"")


def _write_tiff(file, rgb, alpha, metadata) -> None:
    """A TIFF in strips, deflated with differences. Source: TIFF 6.0, its supplement 2 (deflate) and 3 (predictor)."""
    order, entries = descriptive(metadata.get("exif"))
    strips = -(-len(rgb) // _rows(rgb))
    entries |= _tiff_entries(order, rgb, alpha, metadata)

    def directory(offsets: list[int], lengths: list[int]) -> bytes:
        places = {tiff.OFFSETS: exif.numbers(order, offsets), tiff.LENGTHS: exif.numbers(order, lengths)}
        return exif.pack(order, entries | places)

    file.write(directory([0] * strips, [0] * strips))  # as long as the one with the true numbers
    offsets, lengths = [], []
    for strip in _strips(rgb, alpha):
        differences = np.concatenate([strip[:, :1], strip[:, 1:] - strip[:, :-1]], axis=1)
        packed = zlib.compress(differences.astype(differences.dtype.newbyteorder(order), copy=False).tobytes(), _LEVEL)
        offsets.append(file.tell())
        lengths.append(len(packed))
        file.write(packed + b"\0" * (len(packed) % 2))
    if file.tell() >= 2**32:
        raise ValueError("over 4 GiB, the most a TIFF can have; choose PNG")
    file.seek(0)
    file.write(directory(offsets, lengths))


def _tiff_entries(order: str, rgb, alpha, metadata) -> exif.Directory:
    """The directory of a TIFF with one page, but for EXIF and the places of its strips."""
    channels, bits = (3 if alpha is None else 4), rgb.dtype.itemsize * 8
    sizes = {tiff.WIDTH: rgb.shape[1], tiff.HEIGHT: rgb.shape[0], tiff.ROWS: _rows(rgb)}
    kinds = {tiff.COMPRESSION: 8, tiff.POLARITY: 2, tiff.SAMPLES: channels, tiff.PLANES: 1, tiff.PREDICTOR: 2}
    if alpha is not None:
        kinds[tiff.EXTRA] = 2  # not multiplied into the colors
    entries = {tag: exif.numbers(order, [value]) for tag, value in sizes.items()}
    entries |= {tag: exif.shorts(order, value) for tag, value in kinds.items()}
    entries[tiff.BITS] = exif.shorts(order, *[bits] * channels)
    if metadata.get("dpi"):
        across, down = (exif.rational(order, dots) for dots in metadata["dpi"])
        entries |= {282: across, 283: down, 296: exif.shorts(order, 2)}  # dots per inch
    blocks = {(34675, 7): icc.srgb(), (33723, 7): metadata.get("iptc"), (700, 1): metadata.get("xmp")}
    return entries | {tag: exif.Entry(kind, len(block), block) for (tag, kind), block in blocks.items() if block}
