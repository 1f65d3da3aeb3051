"""Arrays of pixels -> files of pictures, with what the photograph's file said besides.

Pillow encodes 8 bits. PNG of 16 bits and every TIFF are written here: Pillow does not hold 16-bit
colour, and puts no EXIF into compressed TIFFs. Both go out strip by strip.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from PIL import Image, PngImagePlugin, TiffImagePlugin, features

from colorizer.images import to_uint8
from colorizer.photos import icc, metadata

FORMATS = dict.fromkeys((".jpg", ".jpeg", ".jfif"), "JPEG") | dict.fromkeys((".tif", ".tiff"), "TIFF")
FORMATS |= {".png": "PNG", ".webp": "WEBP", ".bmp": "BMP"}
if features.check("avif"):
    FORMATS[".avif"] = "AVIF"
STRIP_PIXELS = 2**18
_LEVEL = 4  # of zlib: the photographs' noise leaves little for the higher, slower ones


def encode(file, form: str, rgb: np.ndarray, alpha: np.ndarray | None, said: dict, quality: int) -> list[str]:
    """Writes pixels and metadata into an open file.

    Args:
        file: open for writing in binary.
        form: "JPEG", "PNG", "WEBP", "TIFF", "BMP" or "AVIF".
        rgb: (H, W, 3) uint8 or uint16 sRGB.
        alpha: (H, W) of the same dtype, or None.
        said: `Photo.metadata`; may be empty.
        quality: of JPEG (always 4:4:4), WebP and AVIF, 1..100.

    Returns:
        A line for each thing that the format does not hold.

    Source: ours.
    """
    notes = []
    if alpha is not None and form in ("JPEG", "BMP"):
        notes.append(f"{form} holds no transparency; it is left out")
        alpha = None
    if form == "TIFF":
        _write_tiff(file, rgb, alpha, said)
        return notes
    if form == "PNG" and rgb.dtype == np.uint16:
        _write_png16(file, rgb, alpha, said)
        return notes
    if rgb.dtype == np.uint16:
        notes.append(f"{form} holds 8 bits; the 16 are rounded to them")
    if said.get("iptc") and form not in ("JPEG", "PNG"):
        notes.append(f"{form} holds no IPTC; it is left out")
    options, more = _options(form, said, quality)
    picture(rgb, alpha).save(file, form, **options)
    return notes + more


def picture(rgb: np.ndarray, alpha: np.ndarray | None) -> Image.Image:
    """The pixels as Pillow's picture of mode RGB or RGBA, in 8 bits. Source: ours."""
    image = Image.fromarray(to_uint8(rgb))
    if alpha is not None:
        image.putalpha(Image.fromarray(to_uint8(alpha)))
    return image


def _options(form: str, said: dict, quality: int) -> tuple[dict, list[str]]:
    """What Pillow's `save` is to be told, and what is to be said about it."""
    if form == "BMP":
        return {} if not said.get("dpi") else {"dpi": said["dpi"]}, []
    options = {"icc_profile": icc.srgb(), "exif": said.get("exif") or b"", "xmp": said.get("xmp") or b""}
    if form == "PNG":
        options |= {"pnginfo": _png_info(said), "compress_level": _LEVEL}
        options.pop("xmp")
    if form in ("JPEG", "PNG") and said.get("dpi"):
        options["dpi"] = said["dpi"]
    if form in ("WEBP", "AVIF"):
        options["quality"] = quality
    if form == "AVIF":
        options["subsampling"] = "4:4:4"
    if form != "JPEG":
        return options, []
    return _jpeg_options(options | {"quality": quality, "subsampling": 0}, said)


def _jpeg_options(options, said):
    """A JPEG holds everything in segments of 64 KiB: what is longer is left out."""
    notes = []
    options["exif"], note = metadata.fitting_exif(options["exif"])
    notes += [note] if note else []
    if len(options["xmp"]) > metadata.SEGMENT - 29:
        options["xmp"] = b""
        notes.append("its XMP data are too long for this format and left out")
    if said.get("comment") and len(said["comment"]) <= metadata.SEGMENT:
        options["comment"] = said["comment"]
    if said.get("iptc"):
        block = b"Photoshop 3.0\0" + metadata.photoshop(said["iptc"])
        if len(block) <= metadata.SEGMENT:
            options["extra"] = b"\xff\xed" + struct.pack(">H", len(block) + 2) + block
        else:
            notes.append("its IPTC data are too long for this format and left out")
    return {name: value for name, value in options.items() if value != b""}, notes


def _png_info(said) -> PngImagePlugin.PngInfo:
    """XMP, IPTC and texts as chunks."""
    info = PngImagePlugin.PngInfo()
    for key, value in (said.get("text") or {}).items():
        info.add_text(key, value, zip=len(value) > 1000)
    if said.get("xmp"):
        info.add_itxt("XML:com.adobe.xmp", said["xmp"].decode("utf-8", "replace"))
    if said.get("iptc"):
        info.add_text("Raw profile type iptc", metadata.hexed(said["iptc"]), zip=True)
    return info


def _rows(rgb) -> int:
    return max(1, STRIP_PIXELS // rgb.shape[1])


def _strips(rgb, alpha):
    """(rows, W, C) arrays from top to bottom, contiguous."""
    rows = _rows(rgb)
    for top in range(0, len(rgb), rows):
        band = rgb[top : top + rows]
        yield np.ascontiguousarray(band) if alpha is None else np.dstack([band, alpha[top : top + rows]])


def _write_png16(file, rgb, alpha, said) -> None:
    """A PNG of 16 bits. Source: PNG specification, third edition, §5 (chunks) and §9 (filters)."""

    def chunk(name: bytes, data: bytes) -> None:
        file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))

    file.write(b"\x89PNG\r\n\x1a\n")
    chunk(b"IHDR", struct.pack(">IIBBBBB", rgb.shape[1], rgb.shape[0], 16, 2 if alpha is None else 6, 0, 0, 0))
    chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(icc.srgb()))
    if said.get("dpi"):
        chunk(b"pHYs", struct.pack(">IIB", *(round(n / 0.0254) for n in said["dpi"]), 1))
    if said.get("exif"):
        chunk(b"eXIf", said["exif"].removeprefix(b"Exif\0\0"))
    for name, data, *_ in _png_info(said).chunks:
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


def _write_tiff(file, rgb, alpha, said) -> None:
    """A TIFF in strips, deflated with differences. Source: TIFF 6.0, its supplement 2 (deflate) and 3 (predictor)."""
    strips = -(-len(rgb) // _rows(rgb))
    directory = _directory(rgb, alpha, said, strips)
    file.write(b"II*\0\x08\0\0\0")
    space = len(directory.tobytes(8))  # the same when the strips' places are known
    file.write(bytes(space))
    offsets, lengths = [], []
    for strip in _strips(rgb, alpha):
        differences = np.concatenate([strip[:, :1], strip[:, 1:] - strip[:, :-1]], axis=1)
        packed = zlib.compress(differences.astype(differences.dtype.newbyteorder("<"), copy=False).tobytes(), _LEVEL)
        offsets.append(file.tell() - 8 - space)  # TRICKY: Pillow counts them from the directory's end
        lengths.append(len(packed))
        file.write(packed + b"\0" * (len(packed) % 2))
    if file.tell() >= 2**32:
        raise ValueError("over 4 GiB, the most a TIFF can have; choose PNG")
    directory[273], directory[279] = tuple(offsets), tuple(lengths)
    file.seek(8)
    file.write(directory.tobytes(8))


def _directory(rgb, alpha, said, strips: int) -> TiffImagePlugin.ImageFileDirectory_v2:
    """The directory of a TIFF with one page."""
    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    channels, bits = (3 if alpha is None else 4), rgb.dtype.itemsize * 8
    for tag, value in _exif_of_tiff(said.get("exif")).items():
        directory[tag] = value
    fields = {256: rgb.shape[1], 257: rgb.shape[0], 258: (bits,) * channels, 259: 8, 262: 2, 273: (0,) * strips}
    fields |= {277: channels, 278: _rows(rgb), 279: (0,) * strips, 284: 1, 317: 2}
    if alpha is not None:
        fields[338] = 2  # not multiplied into the colours
    if said.get("dpi"):
        fields |= {282: said["dpi"][0], 283: said["dpi"][1], 296: 2}
    for tag, kind, data in ((34675, 7, icc.srgb()), (700, 1, said.get("xmp")), (33723, 7, said.get("iptc"))):
        if data:
            directory.tagtype[tag] = kind
            fields[tag] = data
    for tag in (273, 279):
        directory.tagtype[tag] = 4
    for tag, value in fields.items():
        directory[tag] = value
    return directory


def _exif_of_tiff(exif: bytes | None) -> dict:
    """The entries of EXIF that stand in a TIFF's own directory."""
    if not exif:
        return {}
    entries = Image.Exif()
    entries.load(exif)
    found = {tag: entries[tag] for tag in entries if tag in metadata.DESCRIPTIVE and tag not in metadata.DIRECTORIES}
    return found | {
        tag: dict(part) for tag in metadata.DIRECTORIES if tag in entries and (part := entries.get_ifd(tag))
    }
