"""Photographs in files: read upright as sRGB, written whole or not at all.

JPEG, PNG, WebP, TIFF and BMP, told apart by their first bytes and not by their names.
Pillow decodes; 16-bit colour goes through OpenCV, because Pillow reduces it to 8 bits.
Whatever is wrong with a file, the answer is one `PhotoError` of one line.
"""

from __future__ import annotations

import io
import logging
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import BmpImagePlugin, Image, ImageCms, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from colorizer import files

logger = logging.getLogger(__name__)
# What Pillow remarks about damaged metadata is no reason to stop, nor to talk into somebody's terminal.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

MAX_PIXELS = 200_000_000  # 600 MB as 8-bit RGB: what a small machine can still hold
JPEG_QUALITY = 95
FORMATS = dict.fromkeys((".jpg", ".jpeg", ".jfif"), "JPEG") | dict.fromkeys((".tif", ".tiff"), "TIFF")
FORMATS |= {".png": "PNG", ".webp": "WEBP", ".bmp": "BMP"}
EXTENSIONS = tuple(FORMATS)  # readable and writable, lower case

# TRICKY: not Image.open, which warns from 89 megapixels on and refuses from 179 on, by a setting that
# is the whole process's and not ours to change. Our own limit is looked at before anything is decoded.
_OPENERS = (
    (b"\xff\xd8\xff", JpegImagePlugin.jpeg_factory),
    (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (b"RIFF", WebPImagePlugin.WebPImageFile),
    (b"II", TiffImagePlugin.TiffImageFile),
    (b"MM", TiffImagePlugin.TiffImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
)
_ORIENTATION = 0x0112
# A TIFF's EXIF is the file's own directory; of it, only what describes the photograph may travel.
_DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 33432, 0x8769, 0x8825)


class PhotoError(Exception):
    """A file that cannot be read or written as a photograph. `str()` of it is one line.

    Attributes:
        path: the file.
        reason: what is wrong with it, without the path.
    """

    def __init__(self, path, reason: str):
        super().__init__(str(path), " ".join(str(reason).split()))  # both in args: it survives pickling
        self.path, self.reason = self.args

    def __str__(self):
        return f"{self.path}: {self.reason}"


@dataclass
class Photo:
    """A photograph as pixels, and what its file said besides.

    Attributes:
        rgb: (H, W, 3) uint8 or uint16, upright sRGB; may be read-only.
        alpha: (H, W) of the same dtype, or None where the file has no transparency.
        grey: whether the file had a single channel of colour; the three of `rgb` are then equal.
        metadata: `format` (str), `exif` (bytes, orientation reset), `icc` (bytes or None, the profile
            of the file), `xmp` (bytes or None), `dpi` (tuple or None).
    """

    rgb: np.ndarray
    alpha: np.ndarray | None = None
    grey: bool = False
    metadata: dict = field(default_factory=dict)


def is_photo_name(path) -> bool:
    """Whether the name of a file ends like a photograph's. Names that begin with a dot do not count."""
    path = Path(path)
    return path.suffix.lower() in FORMATS and not path.name.startswith(".")


def read(path, max_pixels: int = MAX_PIXELS) -> Photo:
    """Reads a photograph, upright and in sRGB.

    Args:
        path: a JPEG, PNG, WebP, TIFF or BMP file under any name. Of several pages or frames, the first.
        max_pixels: larger pictures are refused before they are decoded.

    Returns:
        A `Photo`; uint16 for 16-bit grey and RGB, uint8 for everything else.

    Raises:
        PhotoError: it is not there, not a picture, empty, truncated, damaged or too large. Source: ours.
    """
    try:
        with open(path, "rb") as file:
            image = _open(file, path)
            if image.width * image.height > max_pixels:
                size = f"{image.width} x {image.height} = {image.width * image.height / 1e6:.1f} megapixels"
                raise PhotoError(path, f"too large: {size}; the limit is {max_pixels / 1e6:.1f}")
            return _photo(image, path)
    except PhotoError:
        raise
    except Exception as error:  # decoders answer damaged files with a dozen kinds of exception
        if isinstance(error, MemoryError) or getattr(error, "strerror", None):
            raise PhotoError(path, f"cannot be read: {getattr(error, 'strerror', 'not enough memory')}") from error
        raise PhotoError(path, f"truncated or damaged: {error}") from error


def _open(file, path) -> Image.Image:
    """The header of a picture, by the first bytes of the file; no pixels yet."""
    prefix = file.read(16)
    if not prefix:
        raise PhotoError(path, "empty file (0 bytes)")
    for signature, opener in _OPENERS:
        if prefix.startswith(signature):
            file.seek(0)
            try:
                return opener(file, str(path))
            except SyntaxError as error:  # how Pillow says that it is something else after all
                raise PhotoError(path, f"not a readable picture: {error}") from None
    raise PhotoError(path, "not a JPEG, PNG, WebP, TIFF or BMP picture")


def _photo(image, path) -> Photo:
    """Decodes an opened picture."""
    deep = _is_deep(image)
    grey = image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I") or "LA;16B" in str(image.tile)
    # Of a TIFF: whether zero is white, whether colours are multiplied by alpha, whether channels lie apart.
    tags = image.tag_v2 if image.format == "TIFF" else {}
    white_is_zero, premultiplied, planes = tags.get(262) == 0, tags.get(338) in (1, (1,)), tags.get(284) == 2
    image.load()
    exif, orientation = _exif(image)
    metadata = {"format": image.format, "exif": exif} | {key: image.info.get(key) for key in ("xmp", "dpi")}
    metadata["icc"] = icc = image.info.get("icc_profile")
    if image.mode.startswith("I"):
        rgb, alpha = _deep_grey(image, path, white_is_zero)
    elif deep and planes:
        raise PhotoError(path, "16-bit TIFF with separate colour planes; save it with interleaved channels")
    elif deep:
        rgb, alpha = _deep_colour(path, premultiplied)
    else:
        rgb, alpha = _eight_bit(image, path)
    if rgb.dtype == np.uint16 and icc and not _is_srgb(icc):
        logger.warning("%s: the colour profile of a 16-bit picture is not applied; it is read as sRGB", path)
    return Photo(_upright(rgb, orientation), None if alpha is None else _upright(alpha, orientation), grey, metadata)


def _is_deep(image) -> bool:
    """Whether the file holds 16 bits of RGB(A) or of grey with alpha, which Pillow would cut to 8."""
    if image.mode not in ("RGB", "RGBA", "LA"):
        return False
    return image.tag_v2.get(258, (8,))[0] == 16 if image.format == "TIFF" else ";16B" in str(image.tile)


def _deep_grey(image, path, white_is_zero: bool):
    """16-bit grey, which Pillow keeps. Returns `rgb`, `alpha`."""
    grey = np.asarray(image)
    if grey.dtype.itemsize > 2 and (grey.min() < 0 or grey.max() > 65535):
        raise PhotoError(path, "32-bit integer pixels have no stated range; save it with 16 bits")
    grey = grey.astype(np.uint16)
    key = image.info.get("transparency")
    alpha = None if key is None else np.where(grey == key, 0, 65535).astype(np.uint16)
    if white_is_zero:  # Pillow inverts 8-bit "min is white" files, but not these
        grey = 65535 - grey
    return cv2.merge([grey] * 3), alpha


def _deep_colour(path, premultiplied: bool):
    """16-bit RGB or RGBA by OpenCV. Returns `rgb`, `alpha`."""
    # Pillow has decoded the file before: OpenCV returns the rows of a truncated one without a word.
    bgr = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if bgr is None or bgr.dtype != np.uint16 or bgr.ndim != 3:
        raise PhotoError(path, "this kind of 16-bit picture is not supported")
    if bgr.shape[2] == 3:
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), None
    rgb, alpha = cv2.cvtColor(bgr, cv2.COLOR_BGRA2RGB), np.ascontiguousarray(bgr[..., 3])
    if premultiplied:
        share = np.maximum(alpha, 1)[..., None] / np.float32(65535)
        rgb = np.minimum(np.rint(rgb / share), 65535).astype(np.uint16)
    return rgb, alpha


def _eight_bit(image, path):
    """Everything Pillow holds in 8 bits or fewer. Returns `rgb`, `alpha`."""
    if image.mode in ("F", "LAB", "HSV"):
        kind = {"F": "floating-point pixels have no stated range", "LAB": "pixels in Lab"}.get(image.mode, "HSV pixels")
        raise PhotoError(path, f"{kind}; save it with 8 or 16 bits of grey or RGB")
    alpha = None
    if image.has_transparency_data:
        icc = image.info.get("icc_profile")
        image = image.convert("RGBA")
        alpha, image = np.asarray(image.getchannel("A")), image.convert("RGB")
        image.info["icc_profile"] = icc
    image = _to_srgb(image, path)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB")), alpha


def _is_srgb(icc: bytes) -> bool:
    """Whether a colour profile calls itself sRGB. A damaged one counts as sRGB: there is nothing to convert by."""
    try:
        return "srgb" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc))).lower()
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return True


def _to_srgb(image, path):
    """Converts the pixels by the file's colour profile, where it has one that is not sRGB."""
    icc = image.info.get("icc_profile")
    if not icc or _is_srgb(icc):
        return image
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    if profile.profile.xcolor_space.strip() == "RGB" and image.mode != "RGB":  # also on grey and palette files
        image = image.convert("RGB")
    try:
        converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, ValueError) as error:
        logger.warning("%s: its colour profile is damaged or not for such pixels, and left out (%s)", path, error)
        return image
    return converted.getchannel("G") if image.mode == "L" else converted


def _exif(image) -> tuple[bytes, int]:
    """The EXIF block with its orientation reset, and what the orientation was (1..8)."""
    try:
        exif = image.getexif()
        orientation = exif.pop(_ORIENTATION, 1)  # of a TIFF 1: Pillow, as OpenCV, turns it while decoding
        if image.format == "TIFF":
            for tag in set(exif).difference(_DESCRIPTIVE):
                del exif[tag]
        return (exif.tobytes() if len(exif) else b""), orientation if orientation in range(1, 9) else 1
    except Exception:  # a damaged EXIF block is no reason to refuse the photograph
        return b"", 1


def _upright(array, orientation: int):
    """Turns pixels from the camera's position to the viewer's. Source: EXIF 2.32, table 6."""
    if orientation in (5, 6, 7, 8):
        array, orientation = cv2.transpose(array), {5: 1, 6: 2, 7: 3, 8: 4}[orientation]
    flip = {2: 1, 3: -1, 4: 0}  # left to right, both, top to bottom
    return cv2.flip(array, flip[orientation]) if orientation in flip else array


def to_uint8(rgb: np.ndarray) -> np.ndarray:
    """Rounds uint16 of any shape to the nearest of 256 levels; uint8 comes back as it is. Source: ours."""
    return rgb if rgb.dtype == np.uint8 else cv2.convertScaleAbs(rgb, alpha=1 / 257).reshape(rgb.shape)


def write(path, photo: Photo | np.ndarray, alpha: np.ndarray | None = None, quality: int = JPEG_QUALITY) -> None:
    """Writes a photograph under a temporary name and renames it: never half a file under `path`.

    PNG and TIFF keep 16 bits and alpha, WebP keeps alpha; of what a format cannot hold, a note is logged.

    Args:
        path: where to; the suffix decides the format. Its folder is made.
        photo: a `Photo`, or (H, W, 3) uint8 or uint16 sRGB.
        alpha: (H, W) of the same dtype; for an array, a `Photo` brings its own.
        quality: of JPEG (always 4:4:4) and WebP, 1..100.

    Raises:
        PhotoError: the suffix is unknown, or the file cannot be written.

    Source: ours; quality 95 without chroma subsampling, because colour is what this program adds.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise PhotoError(path, f"the name of a photo ends in {', '.join(EXTENSIONS)}. Received: {path.suffix!r}")
    rgb, alpha = (photo.rgb, photo.alpha) if isinstance(photo, Photo) else (photo, alpha)
    try:
        with files.replacing(path) as part, open(part, "wb") as file:
            _encode(file, rgb, alpha, path, quality)
    except (OSError, ValueError, MemoryError, cv2.error) as error:
        raise PhotoError(path, f"cannot be written: {getattr(error, 'strerror', None) or error}") from error


def _encode(file, rgb, alpha, path, quality):
    """Writes the pixels into an open file, in the format that the suffix of `path` names."""
    form = FORMATS[path.suffix.lower()]
    if alpha is not None and form in ("JPEG", "BMP"):
        logger.warning("%s: %s holds no transparency; it is left out", path, form)
        alpha = None
    if rgb.dtype == np.uint16 and form in ("PNG", "TIFF"):
        channels = rgb[..., ::-1] if alpha is None else np.dstack([rgb[..., ::-1], alpha])
        file.write(cv2.imencode(path.suffix.lower(), np.ascontiguousarray(channels))[1])
        return
    if rgb.dtype == np.uint16:
        logger.warning("%s: %s holds 8 bits; the 16 are rounded to them", path, form)
    image = Image.fromarray(to_uint8(rgb))
    if alpha is not None:
        image.putalpha(Image.fromarray(to_uint8(alpha)))
    options = {"JPEG": {"quality": quality, "subsampling": 0}, "WEBP": {"quality": quality}}
    image.save(file, form, **options.get(form, {"compression": "tiff_lzw"} if form == "TIFF" else {}))
