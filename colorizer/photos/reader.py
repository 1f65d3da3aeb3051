"""Reads picture files as arrays of pixels; the first bytes decide what kind a file is, not its name.

Pillow decodes. PNG of 16 bits in color goes through OpenCV, because Pillow reduces it to 8 bits; TIFF of 16 bits
through `tiff`. AVIF, HEIC, CMYK and JPEG 2000 in color come in 8 bits, and a note says so where the file has more.
The arrays are filled band by band: a second copy of a large picture is what memory runs out on.
"""

from __future__ import annotations

import mmap
import warnings

import cv2
import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
    features,
)

from colorizer.photos import icc as profiles
from colorizer.photos import jpeg, tiff

# What Pillow remarks about damaged metadata is no reason to stop, nor to talk into somebody's terminal.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

BAND_PIXELS = 2**20  # decoded and converted at once: 4 MB, not 800 for 200 megapixels
KINDS = "JPEG, PNG, WebP, TIFF, BMP, GIF, JPEG 2000, AVIF or HEIC"
_HEAD = 2**20  # bytes in which the depth of a file is looked for
_SUBFILE, _DNG = 254, 50706  # tags of TIFF

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning, module=r"PIL\.")


# TRICKY: not Image.open, which warns from 89 megapixels on and refuses from 179 on, by a setting that
# is the whole process's and not ours to change. Our own limit is looked at before anything is decoded.
_OPENERS = (
    (b"\xff\xd8\xff", JpegImagePlugin.jpeg_factory),
    (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (b"RIFF", WebPImagePlugin.WebPImageFile),
    (b"II*\0", tiff.File),
    (b"MM\0*", tiff.File),
    (b"II+\0", tiff.File),  # over 4 GiB
    (b"BM", BmpImagePlugin.BmpImageFile),
    (b"GIF8", GifImagePlugin.GifImageFile),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Jpeg2KImagePlugin.Jpeg2KImageFile),
    (b"\xff\x4f\xff\x51", Jpeg2KImagePlugin.Jpeg2KImageFile),
)
_AVIF = (b"avif", b"avis")
_HEIC = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


class Refused(Exception):
    """A picture that is not read, for the reason in `str()`."""


def open_header(file, name: str) -> Image.Image:
    """Opens a picture without decoding it.

    Args:
        file: open for reading in binary, at its beginning.
        name: of the file, for messages of decoders.

    Returns:
        Pillow's picture: size, mode and metadata are there, pixels not yet.

    Raises:
        Refused: not a picture, animated, or of a kind that cannot be read here.
    """
    prefix = file.read(256)
    if not prefix:
        raise Refused("empty file (0 bytes)")
    opener = next((opener for signature, opener in _OPENERS if prefix.startswith(signature)), None)
    if opener is None and prefix[4:8] == b"ftyp":
        opener = _opener_of_boxes(prefix[8:12], prefix[16 : min(int.from_bytes(prefix[:4], "big"), 256)])
    if prefix.startswith(b"MM\0+"):
        raise Refused("a BigTIFF with the high byte first, which Pillow does not read: save it as TIFF or PNG")
    if opener is None:
        raise Refused(f"not a {KINDS} picture")
    file.seek(0)
    try:
        image = opener(file, name)
    except SyntaxError as error:  # Pillow's answer to something else after all
        if str(error) == "unknown pixel mode":
            raise Refused("pixels of an unknown kind; save it with 8 or 16 bits of gray or RGB") from None
        raise Refused(f"not a readable picture: {error}") from None
    except Image.DecompressionBombError:  # of WebP; there is no other door
        raise Refused("over 179 megapixels, the most that Pillow reads of this kind: save it as PNG or TIFF") from None
    _refuse_other_media(image)
    return image


def _opener_of_boxes(brand: bytes, others: bytes):
    """The class that opens AVIF and HEIC, where this installation reads them; None for films and the like.

    Args:
        brand: the major brand of the file; "mif1" and "msf1" are common to both kinds.
        others: the compatible brands, four bytes each.
    """
    compatible = {others[i : i + 4] for i in range(0, len(others), 4)}
    if brand in _AVIF or (brand in (b"mif1", b"msf1") and compatible.intersection(_AVIF)):
        if not features.check("avif"):
            raise Refused("AVIF, which this Pillow does not read: pip install --upgrade pillow, or save it as PNG")
        from PIL import AvifImagePlugin

        return AvifImagePlugin.AvifImageFile
    if brand in _HEIC:
        try:
            from pillow_heif.as_plugin import HeifImageFile
        except ImportError:
            raise Refused(
                "HEIC, which Pillow does not read alone: pip install pillow-heif, or save it as JPEG"
            ) from None
        return HeifImageFile
    return None


def _refuse_other_media(image) -> None:
    """Animations and cameras' raw files are no single photograph."""
    if image.format in ("GIF", "WEBP", "PNG", "AVIF") and getattr(image, "is_animated", False):
        raise Refused(
            f"an animated {image.format}; colorizing its frames one by one would flicker: convert it to a film (.mp4) "
            "and colorize that, or save one frame as PNG"
        )
    if image.format == "TIFF" and (_DNG in image.tag_v2 or image.tag_v2.get(_SUBFILE) == 1):
        raise Refused("a camera's raw file, which begins with a small preview: develop it to TIFF or JPEG first")


def need(image: Image.Image) -> int:
    """How many bytes it takes at most to decode, colorize and encode an opened picture."""
    pixels = image.width * image.height
    if is_deep(image) or image.mode.startswith("I"):
        tags = image.tag_v2 if image.format == "TIFF" else {}
        is_packed = tags.get(tiff.COMPRESSION, 1) != 1
        # A strip of a TIFF is in memory compressed, decoded by libtiff, and once more in Pillow: much if it is large.
        return pixels * (27 if is_packed and tags.get(tiff.ROWS, image.height) > image.height // 2 else 16)
    return pixels * (13 if image.info.get("progressive") else 11)  # libjpeg keeps all coefficients until the last scan


def is_deep(image: Image.Image) -> bool:
    """Whether the file holds 16 bits of RGB, or of several channels, which Pillow would cut to 8."""
    if image.mode not in ("RGB", "RGBA", "RGBX", "LA"):
        return False
    if image.format == "TIFF":
        return image.tag_v2.get(tiff.BITS, (8,))[0] == 16
    return image.format == "PNG" and ";16B" in str(image.tile)


def _stored_bits(image: Image.Image, path) -> int:
    """How many bits a channel of a file has whose pixels come in 8; 8 where that is unknown."""
    if image.format == "TIFF":
        return (image.tag_v2.get(tiff.BITS) or (8,))[0]
    if image.format == "HEIF":
        return image.info.get("bit_depth", 8)
    if path is None or image.format not in ("JPEG2000", "AVIF"):
        return 8
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    if image.format == "JPEG2000":  # of the first channel; Source: ISO/IEC 15444-1, A.5.1
        begin = head.find(b"\xff\x4f\xff\x51")
        depth = head[begin + 42 : begin + 43] if begin >= 0 else b""
        return (depth[0] & 127) + 1 if depth else 8
    begin = head.find(b"av1C\x81")  # Source: AV1 Codec ISO Media File Format Binding, 2.3.3
    flags = head[begin + 6 : begin + 7] if begin >= 0 else b""
    return {0b10: 10, 0b11: 12}.get(flags[0] >> 5 & 0b11, 8) if flags else 8


def is_gray(image: Image.Image) -> bool:
    """Whether an opened picture has one channel of light."""
    stored = str(getattr(image, "tile", ""))  # 16-bit gray with alpha is opened as RGBA
    return image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I") or "LA;16B" in stored


def pixels(image: Image.Image, path=None) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    """Decodes an opened picture to sRGB, as its file has it, not yet upright.

    Args:
        image: from `open_header`, or any picture of Pillow.
        path: its file, if it has one.

    Returns:
        `rgb` (H, W, 3) uint8 or uint16; `alpha` (H, W) of the same dtype or None; a line for each
        thing that could not be done.

    Raises:
        Refused: the pixels cannot be shown faithfully. What decoders raise comes through.
    """
    deep = path is not None and is_deep(image)
    gray = is_gray(image)
    tags = image.tag_v2 if image.format == "TIFF" else {}
    notes = []
    if image.format in ("TIFF", "MPO", "HEIF") and getattr(image, "is_animated", False):
        notes.append(f"it has several {'pages' if tags else 'pictures'}; the first is read")
    bits, turn = (tags.get(tiff.BITS) or (16,))[0], tags.get(tiff.ORIENTATION, 1)
    image = image if deep and tags else _load(image, path)
    icc = image.info.get("icc_profile")
    if deep and tags:
        rgb, alpha = _deep_tiff(image, turn)
    elif image.mode.startswith("I"):
        rgb, alpha = _deep_gray(image, tags.get(tiff.POLARITY) == 0, bits)
    elif deep:
        image.im = Image.core.new("L", (1, 1))  # Pillow's 8 bits have shown that the file is whole: enough of them
        rgb, alpha = _deep_png(path)
    else:
        rgb, alpha, more = _eight_bit(image, icc)
        stored = _stored_bits(image, path)
        return rgb, alpha, notes + [f"it has {stored} bits; 8 of them are read"] * (stored > 8) + more
    try:
        profiles.convert_deep(rgb, icc, _rows(image.width))
    except ValueError as error:
        notes.append(_PROFILE.format(error))
    if gray and icc:
        rgb[..., 0] = rgb[..., 2] = rgb[..., 1]
    return rgb, alpha, notes


def _load(image: Image.Image, path) -> Image.Image:
    """Decodes all of a picture: what is truncated or damaged shows here."""
    if image.format == "TIFF" and getattr(image, "fp", None):
        tiff.check_whole(image)
        # TRICKY: of a file whose name it knows, Pillow maps raw gray pixels, with height and width exchanged if the
        # picture lies on its side.
        name, image.filename = image.filename, ""
        with tiff.cleared_memory():
            image.load()
        image.filename = name
        return image
    try:
        image.load()
    except OSError:
        whole = jpeg.without_end(path) if path is not None and image.format in ("JPEG", "MPO") else None
        if whole is None:
            raise
        return whole
    return image


_PROFILE = "its color profile is damaged or not for such pixels, and left out ({})"


def _rows(width: int) -> int:
    return max(1, BAND_PIXELS // width)


def _deep_gray(image, white_is_zero: bool, bits: int):
    """16-bit gray, which Pillow keeps. Returns `rgb`, `alpha`."""
    gray = np.asarray(image)
    if gray.dtype.itemsize > 2:
        if gray.min() < 0 or gray.max() > 65535:
            raise Refused("32-bit integer pixels have no stated range; save it with 16 bits")
        gray = gray.astype(np.uint16)
    gray = gray.astype(np.uint16, copy=False)
    key = image.info.get("transparency")
    alpha = None if key is None else np.where(gray == key, 0, 65535).astype(np.uint16)
    if 8 < bits < 16:  # of 12 bits, 4095 is white
        gray = np.minimum(gray.astype(np.uint32) * 65535 // (2**bits - 1), 65535).astype(np.uint16)
    if white_is_zero:  # Pillow inverts 8-bit "min is white" files, but not these
        gray = 65535 - gray
    return cv2.merge([gray] * 3), alpha


def _deep_png(path):
    """16-bit RGB or RGBA by OpenCV. Returns `rgb`, `alpha`."""
    # Pillow has decoded the file before: OpenCV returns the rows of a truncated one without a word.
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        content = np.frombuffer(mapped, np.uint8)
        pixels = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
        del content  # else the map stays open
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        raise Refused("this kind of 16-bit picture is not supported")
    return _split(pixels, 2)


def _deep_tiff(image, orientation: int):
    """16-bit color, or gray with alpha. Returns `rgb`, `alpha`, upright."""
    pixels = tiff.deep_pixels(image)
    if image.mode == "LA":
        rgb, alpha = cv2.merge([pixels[..., 0]] * 3), np.ascontiguousarray(pixels[..., 1])
    else:
        rgb, alpha = _split(pixels[..., : 4 if image.mode == "RGBA" else 3], 0)  # of RGBX, X is a scanner's infrared
    if alpha is not None and image.tag_v2.get(tiff.EXTRA) in (1, (1,)):
        _divide(rgb, alpha)
    return upright(rgb, orientation), None if alpha is None else upright(alpha, orientation)


def _split(pixels: np.ndarray, red: int):
    """`rgb` and `alpha` of (H, W, 3) or (H, W, 4), whose red channel is 0 or 2; in place where there is no alpha."""
    alpha = np.ascontiguousarray(pixels[..., 3]) if pixels.shape[2] == 4 else None
    if red == 0 and alpha is None:
        return np.ascontiguousarray(pixels), None
    rgb = pixels if alpha is None else np.empty((*pixels.shape[:2], 3), np.uint16)
    rows = _rows(rgb.shape[1])
    for band in (slice(top, top + rows) for top in range(0, len(rgb), rows)):
        rgb[band] = pixels[band, :, 2::-1].copy() if red else pixels[band, :, :3]
    return rgb, alpha


def _divide(rgb, alpha) -> None:
    """Takes alpha out of colors that are multiplied by it, in place."""
    rows = _rows(rgb.shape[1])
    for band in (slice(top, top + rows) for top in range(0, len(rgb), rows)):
        share = np.maximum(alpha[band], 1)[..., None] / np.float32(65535)
        rgb[band] = np.minimum(np.rint(rgb[band] / share), 65535)


def _eight_bit(image, icc):
    """Everything Pillow holds in 8 bits or fewer. Returns `rgb`, `alpha`, notes."""
    if image.mode in ("F", "LAB", "HSV"):
        kind = {"F": "floating-point pixels have no stated range", "LAB": "pixels in Lab"}.get(image.mode, "HSV pixels")
        raise Refused(f"{kind}; save it with 8 or 16 bits of gray or RGB")
    if image.mode == "La":  # multiplied by alpha; Pillow converts it to nothing else
        image = image.convert("LA")
    transparent, notes, convert = image.has_transparency_data, [], None
    try:
        mode = "L" if is_gray(image) else "RGB" if transparent else image.mode
        convert = profiles.converter(icc, mode)
    except ValueError as error:
        notes.append(_PROFILE.format(error))
    rgb = np.empty((image.height, image.width, 3), np.uint8)
    alpha = np.empty(rgb.shape[:2], np.uint8) if transparent else None
    rows = _rows(image.width)
    for top in range(0, image.height, rows):
        whole = rows >= image.height  # spares a copy
        band = image if whole else image.crop((0, top, image.width, min(top + rows, image.height)))
        if transparent:
            band = band.convert("RGBA")
            alpha[top : top + rows] = np.asarray(band.getchannel("A"))
            band = band.convert(mode)
        band = convert(band) if convert else band
        rgb[top : top + rows] = np.asarray(band if band.mode == "RGB" else band.convert("RGB"))
    return rgb, alpha, notes


def upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """Turns pixels from the camera's position to the viewer's. Source: EXIF 2.32, table 6."""
    if orientation in (5, 6, 7, 8):
        array, orientation = cv2.transpose(array), {5: 1, 6: 2, 7: 3, 8: 4}[orientation]
    flip = {2: 1, 3: -1, 4: 0}  # left to right, both, top to bottom
    return cv2.flip(array, flip[orientation]) if orientation in flip else array
